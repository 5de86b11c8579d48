/**
 * The README's examples, run as its readers would run them.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { parseArguments } from "../../adapters/cli/arguments.ts";
import { everywhere } from "../../adapters/cli/options.ts";
import { verbs } from "../../adapters/cli/verbs.ts";
import { finished, inSandbox, program, type Sandbox } from "../adapters/command-line.ts";
import { GitBox, hermetic, inGitBox } from "../adapters/git-box.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

/** The fenced blocks of a section, by language. */
function blocks(section: string, language: string): readonly string[] {
  const text = readme.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? "";
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, is]) => is === language)
    .map(([, , code = ""]) => code);
}

/** What a shell makes of a line: words without their quotes, up to a comment. */
function wordsOf(line: string): readonly string[] {
  const found = line.replace(/(^|\s)#.*$/, "").matchAll(/'([^']*)'|(\S+)/g);
  return [...found].map(([, quoted, plain]) => quoted ?? plain ?? "");
}

/** Runs a text in a shell that knows `holdfast`, as alice. */
async function shell(box: Sandbox, text: string, env: NodeJS.ProcessEnv = {}) {
  const bin = join(box.folder, "bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "holdfast"), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, {
    mode: 0o755,
  });
  const path = `${bin}${delimiter}${process.env.PATH}`;
  const script = box.file(".git/script.sh", text);
  const code = `const { spawnSync } = require("child_process"); const { status } = spawnSync("sh", ["-e", ${JSON.stringify(script)}], { stdio: "inherit" }); process.exitCode = status ?? 1;`;
  return finished(box.startNode(["-e", code], { env: { ...env, PATH: path } }));
}

const has = (tool: string): boolean =>
  spawnSync(tool, ["--version"], { stdio: "ignore" }).error === undefined;

describe("README", { concurrent: true }, () => {
  it("names verbs and options there are", () => {
    const code = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, text = ""]) =>
      text.split("\n"),
    );
    const inline = [...readme.matchAll(/`((?:\w+=\S+ )?holdfast [^`]+)`/g)].map(([, text = ""]) => text);
    const told = [...code, ...inline].flatMap((line) => /(?:^|\s)holdfast (.*)$/.exec(line)?.[1] ?? []);
    expect(told.length).toBeGreaterThan(10);
    for (const line of told) {
      const [name = "", ...rest] = wordsOf(line);
      if (name === "help") continue;
      const verb = verbs[name];
      expect(verb, line).toBeDefined();
      if (verb === undefined) continue;
      expect(() => parseArguments(rest, [...verb.options, ...everywhere], verb.arity), line).not.toThrow();
    }
  });

  it(
    "Sixty seconds: two agents of two vendors are told what is printed",
    inSandbox(async (box) => {
      const [told = "", refused = "", mail = ""] = blocks("Sixty seconds", "");
      // The folder of the repository is part of the names that are printed.
      const app = join(box.folder, "app");
      renameSync(box.root, app);
      const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin` };
      const run = async (args: readonly string[], input = "") => {
        const ran = await box.run(args, { cwd: app, as: "", env, input });
        expect(ran.code, `${args.join(" ")} ${ran.err}`).toBe(0);
        return ran.out;
      };
      await run(["init", "--host", "claude", "codex"]);
      const sessions = {
        claude: { session_id: "9ea8c72c-41d7-4f0e-9a6b-1f0a7c1d2e3f", permission_mode: "default" },
        codex: {
          session_id: "01a1b2c3-77aa-7e01-8f2d-5a6b7c8d9e0f",
          turn_id: "t",
          permission_mode: "default",
        },
      };
      let uses = 0;
      const fire = async (host: keyof typeof sessions, event: string, more: object): Promise<string> => {
        uses += 1;
        const named = { hook_event_name: event, cwd: app, tool_use_id: `use-${uses}` };
        const out = await run(["hook", host], JSON.stringify({ ...sessions[host], ...named, ...more }));
        const { hookSpecificOutput: said = {} } = out === "" ? {} : JSON.parse(out);
        return said.permissionDecisionReason ?? said.additionalContext ?? "";
      };
      const patch = "*** Begin Patch\n*** Update File: src/auth/login.ts\n@@\n-a\n+b\n*** End Patch\n";
      // Times, and what is made of the folder, differ from one place to another.
      const plain = (text: string) =>
        text
          .replace(/app-\w{8}/g, "app")
          .replace(/\d\d:\d\d:\d\d/g, "TIME")
          .replace(/\s+/g, " ")
          .trim();
      await run(["ensure", "--quiet"]);
      try {
        await fire("claude", "SessionStart", { source: "startup" });
        const file_path = join(app, "src/auth/login.ts");
        const edit = { tool_name: "Edit", tool_input: { file_path, old_string: "a", new_string: "b" } };
        expect(await fire("claude", "PreToolUse", edit)).toBe("");
        const start = await fire("codex", "SessionStart", { source: "startup" });
        expect(plain(start)).toContain(plain(told));
        const apply = { tool_name: "apply_patch", tool_input: { command: patch } };
        expect(plain(await fire("codex", "PreToolUse", apply))).toBe(plain(refused));
        const sed = { tool_name: "Bash", tool_input: { command: "sed -i s/1/2/ src/auth/login.ts" } };
        expect(plain(await fire("codex", "PreToolUse", sed))).toBe(plain(refused));
        const [, ...send] = wordsOf(/`(holdfast send [^`]+)`/.exec(readme)?.[1] ?? "");
        await run([...send, "--as", "claude-9ea8c72c-41d7"]);
        const done = { tool_name: "Bash", tool_input: { command: "ls" }, tool_response: "" };
        expect(plain(await fire("codex", "PostToolUse", done))).toContain(plain(mail));
      } finally {
        await run(["down"]);
        renameSync(app, box.root);
      }
    }),
  );

  it(
    "An agent in a shell: each line does what is said, and a refusal reads as printed",
    inSandbox(async (box) => {
      const [lines = "", ...more] = blocks("An agent in a shell", "sh");
      const [transcript = ""] = blocks("An agent in a shell", "");
      expect(more).toEqual([]);
      const [, command = "", said = ""] = /^\$ holdfast (.*)\n([\s\S]*)$/.exec(transcript) ?? [];
      box.file("src/auth/login.ts");
      const ran = await shell(
        box,
        lines.replace(/^(holdfast release)/m, `holdfast ${command} || echo "code $?"\n$1`),
      );
      expect(ran.code, ran.err).toBe(0);
      expect(ran.out).toContain("code 2");
      expect(ran.err.replace(/\s+/g, " ").trim()).toBe(said.replace(/\s+/g, " ").trim());
      expect(ran.out).toContain("AUTH-7: checkpoint saved");
      expect(ran.out).toContain("AUTH-7: released, done");
    }),
  );

  it(
    "With git: hooks guard the commit and give the claim back; the gate and conflicts read as printed",
    inGitBox(async (box) => {
      const [alone = "", together = ""] = blocks("With git", "sh");
      const [refused = "", met = ""] = blocks("With git", "");
      const [, command = "", said = ""] = /^\$ (.*)\n([\s\S]*)$/.exec(refused) ?? [];
      box.file("src/auth/login.ts", GitBox.lines());
      await box.commit("login");
      box.file("src/auth/login.ts", GitBox.lines(3, "alice"));
      const bobs = `${command} || echo "code $?"\n`;
      const ran = await shell(box, alone.replace(/^(?=git commit)/m, bobs), hermetic);
      expect(ran.code, ran.err).toBe(0);
      expect(ran.out).toContain("code 1");
      expect(ran.err.replace(/\s+/g, " ")).toContain(said.replace(/\s+/g, " ").trim());
      expect(ran.err).toContain("AUTH-7 of alice is committed, and released as done");

      await box.git("update-ref", "refs/remotes/origin/main", "main");
      const [login, tokens] = [await box.worktree("login"), await box.worktree("tokens")];
      box.write(login, "src/auth/login.ts", GitBox.lines(5, "alice"));
      await box.run(["git", "claim", "AUTH-7"], { cwd: login });
      await box.run(["git", "claim", "AUTH-9", "src/auth"], { as: "bob", cwd: tokens });
      box.write(tokens, "src/auth/login.ts", GitBox.lines(5, "bob"));
      await box.commit("tokens", tokens);
      const both = together.replace(/( +#.*)?$/gm, (comment) => (comment === "" ? "" : ` || echo "code $?"`));
      const env = { ...hermetic, BRANCH: "tokens", HOLDFAST_AGENT: "ci" };
      const checked = await shell(box, `cd '${tokens}'\n${both}`, env);
      expect(checked.code, checked.err).toBe(0);
      expect(checked.err).toContain("src/auth/login.ts is held by alice as AUTH-7");
      expect(checked.out.replaceAll(box.folder, "/src")).toBe(`code 2\n${met}code 2\n`);
    }),
  );

  it(
    "A hub: it listens where it says, and asks for tokens beyond loopback",
    inSandbox(async (box) => {
      const [plain, guarded = ""] = blocks("A hub", "sh");
      expect(plain?.trim()).toBe("holdfast serve");
      const port = guarded
        .replace(":4653", ":0")
        .replace(/^(holdfast serve .*)$/m, "$1 --json > said & sleep 0\n");
      const ran = await shell(box, `${port}until grep -q ready said; do sleep 0.05; done; kill $!; wait $!`);
      expect(ran.code, ran.err).toBe(0);
      expect(ran.out).toMatch(/[\w-]{20,}/);
      expect(readFileSync(join(box.root, "said"), "utf8")).toContain(
        '"ready":true,"listening":["ws://0.0.0.0:',
      );
    }),
  );

  it(
    "An orchestrator: the example runs",
    inSandbox(async (box) => {
      const [code = ""] = blocks("An orchestrator", "ts");
      const entry = pathToFileURL(join(root, "adapters/node/index.ts")).href;
      const file = box.file("example.mts", code.replace('from "holdfast"', `from ${JSON.stringify(entry)}`));
      const tsx = pathToFileURL(join(root, "node_modules/tsx/dist/loader.mjs")).href;
      const ran = await finished(box.startNode(["--import", tsx, file]));
      expect(ran.code, ran.err).toBe(0);
      expect(ran.out).toMatch(/^0 claims$[\s\S]*^1 claims$[\s\S]*^0 claims$/m);
      const tasks = await box.run(["task", "list", "--log", "plan.db", "--json"]);
      expect(tasks.json.items).toMatchObject([
        { task: "parser", paths: ["src/parser"] },
        { task: "lexer", dependsOn: ["parser"], waitingFor: ["parser"] },
      ]);
    }),
  );

  it.runIf(has("curl"))(
    "A sandboxed agent, an HTTP client: the commands are answered",
    inSandbox(async (box) => {
      const { url } = await box.serve("--spool", "spool");
      const [spool = ""] = blocks("A sandboxed agent that can only write files", "sh");
      const wait =
        "until test -s spool/dave/responses.ndjson && grep -q UI-2 spool/dave/responses.ndjson; do sleep 0.05; done\n";
      const written = await shell(box, spool.replace(/^cat /m, `${wait}cat `));
      expect(written.code, written.err).toBe(0);
      expect(written.out).toContain('"claim":"UI-2"');
      const [, tokened = ""] = blocks("A sandboxed agent that can only write files", "sh");
      await box.run(["token", "add", "somebody"]);
      const guarded = join(box.root, ".git/holdfast/tokens");
      await box.serve("--log", join(box.folder, "guarded.db"), "--spool", "guarded", "--token-file", guarded);
      const guardedSpool = (text: string) => text.replaceAll("spool/dave", "guarded/dave");
      const proven = await shell(
        box,
        guardedSpool(tokened) + guardedSpool(`${spool.replace(/^cat /m, `${wait}cat `)}`),
      );
      expect(proven.code, proven.err).toBe(0);
      expect(proven.out).toContain('"holder":"dave"');
      const [http = ""] = blocks("An HTTP client", "sh");
      const here = http
        .replaceAll("127.0.0.1:4653", new URL(url).host)
        .replace("curl -sN", "timeout 2 curl -sN");
      const called = await shell(box, here.replace(/( # server-sent.*)$/m, " || true $1"));
      expect(called.code, called.err).toBe(0);
      expect(called.out).toContain('"holder":"carol"');
      expect(called.out).toMatch(/^id: \d+$/m);
      expect(called.out.match(/"type":"claim\.granted"/g)).toHaveLength(2);
    }),
  );
});
