/**
 * What is shown with Claude Code.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { heard, resultOf, timesHeard } from "./model.ts";
import {
  bash,
  bobHolds,
  CLOSED,
  down,
  edit,
  FREE,
  HELD,
  must,
  mustBe,
  mustEnd,
  mustRefuse,
  read,
  type Scenario,
  UNREADABLE,
  write,
} from "./scenario.ts";

/**
 * Every permission mode, with what its user allows beside, so that it is not the mode that refuses; and whether
 * it lets an agent write at all.
 */
const MODES = [
  { mode: "default", args: ["--allowedTools", "Edit,Write,Bash"], writes: true },
  { mode: "acceptEdits", args: ["--allowedTools", "Bash"], writes: true },
  { mode: "bypassPermissions", args: [], writes: true },
  { mode: "dontAsk", args: ["--allowedTools", "Edit,Write,Bash"], writes: true },
  { mode: "auto", args: ["--allowedTools", "Bash"], writes: true },
  { mode: "plan", args: ["--allowedTools", "Edit,Write,Bash"], writes: false },
] as const;

/** Edits a held file in four ways, then a free one. */
const attempts = (repo: string) => [
  { use: [read(join(repo, HELD))] },
  { use: [bash(`sed -i s/held/taken/ ${HELD}`)] },
  { use: [edit(join(repo, HELD), "held", "taken")] },
  { use: [write(join(repo, HELD), "taken\n")] },
  { use: [bash(`cat > ${HELD} <<'EOF'\ntaken\nEOF`)] },
  { use: [read(join(repo, FREE))] },
  { use: [edit(join(repo, FREE), "free", "mine")] },
];
const REFUSED = [2, 3, 4, 5].map((step) => `toolu_main_${step}_1`);
const FREE_EDIT = "toolu_main_7_1";

/** The mode the host says it is in, for it may quietly choose another. */
function modeIn(out: string): unknown {
  const line = out.split("\n").find((text) => text.includes('"subtype":"init"'));
  return line === undefined ? undefined : (JSON.parse(line) as { permissionMode?: unknown }).permissionMode;
}

const refusals: readonly Scenario[] = MODES.map(({ mode, args, writes }) => ({
  shows: `Claude Code, ${mode}: sed -i, Edit, Write and a heredoc on a held file refused`,
  async run(stage) {
    await bobHolds(stage);
    const model = await stage.play({ main: attempts(stage.repo) });
    const ended = await stage.claude(mode, args);
    mustEnd(ended);
    mustBe(modeIn(ended.out), mode, "permission mode");
    for (const id of REFUSED) mustRefuse(resultOf(model, id), id);
    mustBe(stage.read(HELD), "held\n", HELD);
    const free = resultOf(model, FREE_EDIT) ?? "";
    if (!writes) {
      mustBe(stage.read(FREE), "free\n", FREE);
      must(!/held by/.test(free), `the free file was refused by Holdfast: ${free}`);
      return "4 refused; the mode itself writes nothing";
    }
    mustBe(stage.read(FREE), "mine\n", `${FREE} (${free})`);
    mustBe(await stage.holderOf(FREE), await stage.agentOf("claude"), `holder of ${FREE}`);
    return "4 refused, file unchanged; a free file passed and was claimed";
  },
}));

/** Claude Code. */
export const claudeScenarios: readonly Scenario[] = [
  {
    shows: "Claude Code, control: the same uses of tools where nobody holds the file",
    async run(stage) {
      const model = await stage.play({ main: attempts(stage.repo).slice(0, 2) });
      mustEnd(await stage.claude("bypassPermissions"));
      mustBe(stage.read(HELD), "taken\n", `${HELD} (${resultOf(model, "toolu_main_2_1")})`);
      mustBe(await stage.holderOf(HELD), await stage.agentOf("claude"), `holder of ${HELD}`);
      return "sed -i changed it, and claimed it";
    },
  },
  ...refusals,
  {
    shows: "Claude Code: a subagent is refused, too, and may edit what its session holds",
    async run(stage) {
      await bobHolds(stage);
      const input = { description: "side", prompt: "[[side]] go", subagent_type: "general-purpose" };
      const model = await stage.play({
        main: [
          { use: [read(join(stage.repo, FREE))] },
          { use: [edit(join(stage.repo, FREE), "free", "mine")] },
          { use: [{ tool: "Agent", input }] },
        ],
        side: [
          { use: [bash(`sed -i s/held/taken/ ${HELD}`)] },
          { use: [bash(`sed -i s/mine/ours/ ${FREE}`)] },
        ],
      });
      mustEnd(await stage.claude("bypassPermissions"));
      mustRefuse(resultOf(model, "toolu_side_1_1"), "the subagent");
      mustBe(stage.read(HELD), "held\n", HELD);
      mustBe(stage.read(FREE), "ours\n", `${FREE} (${resultOf(model, "toolu_side_2_1")})`);
      return "refused bob's file, passed its session's";
    },
  },
  {
    shows: "Claude Code: a command that nobody can read is caught by what it did",
    async run(stage) {
      await bobHolds(stage);
      const model = await stage.play({ main: [{ use: [bash(UNREADABLE)] }] });
      mustEnd(await stage.claude("bypassPermissions"));
      mustBe(stage.read(HELD), "taken\n", HELD);
      const result = resultOf(model, "toolu_main_1_1") ?? "";
      must(/files changed that another holds: src\/held\.ts/.test(result), `it was not told: ${result}`);
      must(await stage.toldBob(HELD), "bob was not told");
      return "told to both sides";
    },
  },
  {
    shows: "Claude Code: the same file of another worktree may be edited, and the meeting at merge is told",
    async run(stage) {
      await bobHolds(stage);
      const side = stage.worktree("side");
      const model = await stage.play({
        main: [
          { use: [read(join(side, HELD))] },
          { use: [edit(join(side, HELD), "held", "mine")] },
          { use: [bash(`sed -i s/held/taken/ ${join(stage.repo, HELD)}`)] },
        ],
      });
      mustEnd(await stage.claude("bypassPermissions", [], { cwd: side }));
      mustBe(readFileSync(join(side, HELD), "utf8"), "mine\n", `${HELD} of the worktree`);
      must(/Will meet this at merge: bob holds AUTH/.test(heard(model)), "nothing was said of the merge");
      mustRefuse(resultOf(model, "toolu_main_3_1"), "the file of the first worktree");
      return "passed there, told of bob, refused here";
    },
  },
  {
    shows: "Claude Code: the session is told who else is here and what is held",
    async run(stage) {
      await bobHolds(stage);
      const model = await stage.play({ main: [] });
      mustEnd(await stage.claude("default"));
      const first = model.of("main")[0]?.text ?? "";
      must(/holdfast-status-/.test(first) && first.includes("AUTH"), "no status in the first request");
      return "in the first request";
    },
  },
  {
    shows: "Claude Code: a message sent while the turn runs is heard in that turn, once",
    async run(stage) {
      const model = await stage.play({
        main: [
          { use: [bash("true")] },
          {
            before: async () => {
              await stage.must("send", await stage.agentOf("claude"), "the schema has changed");
            },
            use: [bash("true")],
          },
          { use: [bash("true")] },
        ],
      });
      mustEnd(await stage.claude("bypassPermissions"));
      const heardAt = model.of("main").findIndex(({ text }) => text.includes("the schema has changed"));
      mustBe(heardAt, 2, "request in which it was heard first");
      mustBe(timesHeard(model, "main", "the schema has changed"), 1, "times heard");
      const { items } = (await stage.must("inbox", "--json", "--as", await stage.agentOf("claude"))).json;
      mustBe(items.length, 0, "messages left");
      return "after the tool that ran meanwhile";
    },
  },
  {
    shows: "Claude Code, print mode: a message at Stop does not hold the turn",
    async run(stage) {
      const model = await stage.play({
        main: [
          { use: [bash("true")] },
          {
            before: async () => {
              await stage.must("send", await stage.agentOf("claude"), "one more thing");
            },
            say: "finished",
          },
        ],
      });
      mustEnd(await stage.claude("bypassPermissions"));
      mustBe(model.of("main").length, 2, "requests to the model");
      return "2 requests, ended by itself";
    },
  },
  {
    shows: "Claude Code, with somebody there: a message at Stop holds the turn once, and never again",
    async run(stage) {
      const sends = (text: string) => async () => {
        await stage.must("send", await stage.agentOf("claude"), text);
      };
      const model = await stage.play({
        main: [
          { before: sends("one more thing"), say: "finished" },
          { before: sends("and another"), say: "finished again" },
        ],
      });
      mustEnd(await stage.attended("default"));
      mustBe(model.of("main").length, 2, "requests to the model");
      // The host says it in two ways in one request: for the model, and as what its user would see.
      must(timesHeard(model, "main", "one more thing") > 0, "the message was not heard");
      return "held once; the second message waits for the next turn";
    },
  },
  {
    shows: "Claude Code: what its model claims over MCP is its hooks' agent's",
    async run(stage) {
      const input = { claim: "FREE", paths: [FREE] };
      const model = await stage.play({
        main: [
          { use: [{ tool: "mcp__holdfast__claim", input }] },
          { use: [bash(`sed -i s/free/mine/ ${FREE}`)] },
        ],
      });
      mustEnd(await stage.claude("bypassPermissions"));
      mustBe(await stage.holderOf(FREE), await stage.agentOf("claude"), `holder of ${FREE}`);
      mustBe(stage.read(FREE), "mine\n", `${FREE} (${resultOf(model, "toolu_main_2_1")})`);
      return "one agent over MCP and hooks";
    },
  },
  {
    shows: "Claude Code: a session starts the hub that does not run",
    async run(stage) {
      await bobHolds(stage);
      await stage.must("down");
      const model = await stage.play({ main: [{ use: [bash(`sed -i s/held/taken/ ${HELD}`)] }] });
      mustEnd(await stage.claude("bypassPermissions"));
      mustRefuse(resultOf(model, "toolu_main_1_1"), "sed -i");
      return "and its edit of a held file was refused";
    },
  },
  {
    shows: "Claude Code: where the hub goes, edits go on with a warning, and are told to the next hub",
    async run(stage) {
      const model = await stage.play({
        main: [
          { use: [read(join(stage.repo, FREE))] },
          { before: () => down(stage), use: [edit(join(stage.repo, FREE), "free", "mine")] },
          { use: [bash("sleep 1")] },
        ],
        next: [],
      });
      const ended = await stage.claude("acceptEdits", ["--allowedTools", "Bash"]);
      mustEnd(ended);
      mustBe(stage.read(FREE), "mine\n", `${FREE} (${resultOf(model, "toolu_main_2_1")})`);
      must(/no hub answers/.test(ended.out + model.of("main").at(-1)?.text), "nothing was said of it");
      await stage.must("up");
      await stage.play({ main: [{ use: [bash("true")] }] });
      mustEnd(await stage.claude("bypassPermissions"));
      must(await stage.didWithoutHub(FREE), "the next hub does not know of the edit");
      return "warned once; in the log of the next hub";
    },
  },
  {
    shows: "Claude Code: where the hub goes and edits are to wait, they are refused, and reading is not",
    files: CLOSED,
    async run(stage) {
      const model = await stage.play({
        main: [
          { use: [read(join(stage.repo, FREE))] },
          { before: () => down(stage), use: [edit(join(stage.repo, FREE), "free", "mine")] },
          { use: [bash(`sed -i s/free/mine/ ${FREE}`)] },
          { use: [bash(`cat ${FREE}`)] },
        ],
      });
      mustEnd(await stage.claude("bypassPermissions"));
      for (const step of [2, 3]) {
        const result = resultOf(model, `toolu_main_${step}_1`) ?? "";
        must(/No Holdfast hub answers/.test(result), `step ${step} was not refused: ${result}`);
      }
      must(resultOf(model, "toolu_main_4_1")?.startsWith("free") === true, "cat was refused");
      mustBe(stage.read(FREE), "free\n", FREE);
      return "2 refused, cat passed";
    },
  },
];
