/**
 * What is shown with Codex, and with both hosts side by side.
 */
import { join } from "node:path";
import { heard, resultOf, timesHeard } from "./model.ts";
import { configureCodex } from "./run-host.ts";
import {
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
  patch,
  read,
  type Scenario,
  shell,
  UNREADABLE,
  update,
} from "./scenario.ts";

/** What Codex keeps its commands from; a refusal is the same in all of them. */
const SANDBOXES = ["read-only", "workspace-write", "danger-full-access"] as const;

const sandboxed: readonly Scenario[] = SANDBOXES.map((sandbox) => ({
  shows: `Codex, ${sandbox}: sed -i, a redirection in a folder and apply_patch in a shell refused`,
  async run(stage) {
    await bobHolds(stage);
    const lines = ["*** Begin Patch", "*** Update File: held.ts", "@@", "-held", "+taken", "*** End Patch"];
    const model = await stage.play({
      main: [
        { use: [shell(`sed -i s/held/taken/ ${HELD}`)] },
        { use: [shell("echo taken > held.ts", { workdir: "src" })] },
        { use: [shell(`cd src && apply_patch <<'EOF'\n${lines.join("\n")}\nEOF\n`)] },
      ],
    });
    mustEnd(await stage.codex({ sandbox }));
    for (const step of [1, 2, 3]) mustRefuse(resultOf(model, `call_main_${step}_1`), `command ${step}`);
    mustBe(stage.read(HELD), "held\n", HELD);
    return "3 refused, file unchanged";
  },
}));

/** Codex. */
export const codexScenarios: readonly Scenario[] = [
  {
    shows: "Codex, control: the same patch and command where nobody holds the file",
    async run(stage) {
      const model = await stage.play({
        main: [{ use: [update(HELD, "held", "taken")] }, { use: [shell(`sed -i s/taken/gone/ ${HELD}`)] }],
      });
      mustEnd(await stage.codex());
      mustBe(stage.read(HELD), "gone\n", `${HELD} (${resultOf(model, "call_main_1_1")})`);
      mustBe(await stage.holderOf(HELD), await stage.agentOf("codex"), `holder of ${HELD}`);
      return "both changed it, and it was claimed";
    },
  },
  {
    shows: "Codex: apply_patch on a held file refused, alone, among others, moved, deleted",
    async run(stage) {
      await bobHolds(stage);
      const model = await stage.play({
        main: [
          { use: [update(HELD, "held", "taken")] },
          {
            use: [
              patch("*** Add File: src/new.ts", "+n", `*** Update File: ${HELD}`, "@@", "-held", "+taken"),
            ],
          },
          { use: [patch("*** Update File: src/moved.ts", `*** Move to: ${HELD}`, "@@", "-moved", "+taken")] },
          { use: [patch(`*** Delete File: ${HELD}`)] },
          { use: [update(FREE, "free", "mine")] },
        ],
      });
      mustEnd(await stage.codex());
      for (const step of [1, 2, 3, 4]) {
        const result = resultOf(model, `call_main_${step}_1`);
        mustRefuse(result, `patch ${step}`);
      }
      mustBe(stage.read(HELD), "held\n", HELD);
      mustBe(stage.read("src/moved.ts"), "moved\n", "src/moved.ts");
      mustBe(stage.read(FREE), "mine\n", `${FREE} (${resultOf(model, "call_main_5_1")})`);
      mustBe(await stage.holderOf(FREE), await stage.agentOf("codex"), `holder of ${FREE}`);
      return "4 refused, file unchanged; a free file passed and was claimed";
    },
  },
  ...sandboxed,
  {
    shows: "Codex: a command that nobody can read is caught by what it did",
    async run(stage) {
      await bobHolds(stage);
      const model = await stage.play({ main: [{ use: [shell(UNREADABLE)] }] });
      mustEnd(await stage.codex());
      mustBe(stage.read(HELD), "taken\n", HELD);
      must(/files changed that another holds: src\/held\.ts/.test(heard(model)), "it was not told");
      must(await stage.toldBob(HELD), "bob was not told");
      return "told to both sides";
    },
  },
  {
    shows: "Codex: a message sent while the turn runs is heard in that turn, once",
    async run(stage) {
      const model = await stage.play({
        main: [
          { use: [shell("true")] },
          {
            before: async () => {
              await stage.must("send", await stage.agentOf("codex"), "the schema has changed");
            },
            use: [shell("true")],
          },
          { use: [shell("true")] },
        ],
      });
      mustEnd(await stage.codex());
      const heardAt = model.of("main").findIndex(({ text }) => text.includes("the schema has changed"));
      mustBe(heardAt, 2, "request in which it was heard first");
      mustBe(timesHeard(model, "main", "the schema has changed"), 1, "times heard");
      return "after the tool that ran meanwhile";
    },
  },
  {
    shows: "Codex: a message at Stop holds the turn once, and never again",
    async run(stage) {
      const sends = (text: string) => async () => {
        await stage.must("send", await stage.agentOf("codex"), text);
      };
      const model = await stage.play({
        main: [
          { before: sends("one more thing"), say: "finished" },
          { before: sends("and another"), say: "finished again" },
        ],
      });
      mustEnd(await stage.codex());
      mustBe(model.of("main").length, 2, "requests to the model");
      mustBe(timesHeard(model, "main", "one more thing"), 1, "times heard");
      return "held once; the second message waits for the next turn";
    },
  },
  {
    shows: "doctor finds hooks that Codex does not trust, and they really do not run",
    async run(stage) {
      await bobHolds(stage);
      const model = await stage.play({ main: [{ use: [update(HELD, "held", "taken")] }] });
      stage.knowFolder();
      const before = await stage.holdfast("doctor", "--host", "codex");
      mustBe(before.code, 1, `exit code of doctor (${before.out}${before.err})`);
      must(
        /trust/i.test(before.out + before.err),
        `doctor does not speak of trust: ${before.out}${before.err}`,
      );
      mustEnd(await stage.codex({ isTrusted: false }));
      mustBe(stage.read(HELD), "taken\n", `${HELD}, unguarded (${resultOf(model, "call_main_1_1")})`);
      return "exit code 1; meanwhile the patch went through";
    },
  },
  {
    shows: "doctor finds that Codex does not trust the folder",
    async run(stage) {
      await stage.play({ main: [] });
      configureCodex(stage.home, stage.model.url, []);
      const ran = await stage.holdfast("doctor", "--host", "codex");
      const said = ran.out + ran.err;
      must(ran.code === 1 && /BROKEN trust codex .*does not trust this folder/.test(said), `doctor: ${said}`);
      return "exit code 1";
    },
  },
  {
    shows: "Codex: what its model claims over MCP is its hooks' agent's",
    async run(stage) {
      const input = { claim: "FREE", paths: [FREE] };
      const model = await stage.play({
        main: [
          { use: [{ tool: "claim", namespace: "mcp__holdfast", input }] },
          { use: [update(FREE, "free", "mine")] },
        ],
      });
      mustEnd(await stage.codex());
      const claimed = resultOf(model, "call_main_1_1");
      mustBe(await stage.holderOf(FREE), await stage.agentOf("codex"), `holder of ${FREE} (${claimed})`);
      mustBe(stage.read(FREE), "mine\n", `${FREE} (${resultOf(model, "call_main_2_1")})`);
      return "one agent over MCP and hooks";
    },
  },
  {
    shows: "Codex: where the hub goes, edits go on, and are told to the next hub",
    async run(stage) {
      const model = await stage.play({
        main: [{ use: [shell("true")] }, { before: () => down(stage), use: [update(FREE, "free", "mine")] }],
      });
      mustEnd(await stage.codex());
      mustBe(stage.read(FREE), "mine\n", `${FREE} (${resultOf(model, "call_main_2_1")})`);
      await stage.must("up");
      await stage.play({ main: [{ use: [shell("true")] }] });
      mustEnd(await stage.codex());
      must(await stage.didWithoutHub(FREE), "the next hub does not know of the edit");
      return "in the log of the next hub";
    },
  },
  {
    shows: "Codex: where the hub goes and edits are to wait, they are refused, and reading is not",
    files: CLOSED,
    async run(stage) {
      const model = await stage.play({
        main: [
          { use: [shell("true")] },
          { before: () => down(stage), use: [update(FREE, "free", "mine")] },
          { use: [shell(`cat ${FREE}`)] },
        ],
      });
      mustEnd(await stage.codex());
      const result = resultOf(model, "call_main_2_1") ?? "";
      must(/No Holdfast hub answers/.test(result), `the patch was not refused: ${result}`);
      must(/free/.test(resultOf(model, "call_main_3_1") ?? ""), "cat was refused");
      mustBe(stage.read(FREE), "free\n", FREE);
      return "the patch refused, cat passed";
    },
  },
  {
    shows: "doctor is content once the hooks are trusted",
    async run(stage) {
      await stage.play({ main: [{ use: [shell("true")] }] });
      mustEnd(await stage.codex());
      const after = await stage.holdfast("doctor", "--host", "codex");
      mustBe(after.code, 0, `exit code of doctor (${after.out}${after.err})`);
      return "exit code 0";
    },
  },
  {
    shows: "two vendors: what Claude Code edits, Codex may not",
    async run(stage) {
      await stage.play({
        main: [
          { use: [read(join(stage.repo, FREE))] },
          { use: [edit(join(stage.repo, FREE), "free", "hers")] },
        ],
      });
      mustEnd(await stage.claude("acceptEdits"));
      const claude = await stage.agentOf("claude");
      const model = await stage.play({ main: [{ use: [update(FREE, "hers", "his")] }] });
      mustEnd(await stage.codex());
      const result = resultOf(model, "call_main_1_1") ?? "";
      must(result.includes(`held by ${claude}`), `Codex was not refused: ${result}`);
      mustBe(stage.read(FREE), "hers\n", FREE);
      return `refused, with ${claude} as the holder`;
    },
  },
];
