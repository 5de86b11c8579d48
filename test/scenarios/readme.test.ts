/**
 * The README's examples, run as its readers would run them.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { parseArguments } from "../../adapters/cli/arguments.ts";
import { everywhere } from "../../adapters/cli/options.ts";
import { verbs } from "../../adapters/cli/verbs.ts";
import { finished, inSandbox, program, type Sandbox } from "../adapters/command-line.ts";

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
