/**
 * What is shown with Claude Code.
 */
import { join } from "node:path";
import { resultOf, timesHeard } from "./model.ts";
import {
  bash,
  bobHolds,
  edit,
  FREE,
  HELD,
  must,
  mustBe,
  mustEnd,
  mustRefuse,
  read,
  type Scenario,
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
    shows: "Claude Code: without a hub edits go on, with one warning",
    async run(stage) {
      await bobHolds(stage);
      await stage.must("down");
      const model = await stage.play({ main: attempts(stage.repo).slice(5) });
      const ended = await stage.claude("acceptEdits");
      mustEnd(ended);
      mustBe(stage.read(FREE), "mine\n", `${FREE} (${resultOf(model, "toolu_main_2_1")})`);
      return "the edit went on";
    },
  },
];
