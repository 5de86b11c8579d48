/**
 * `doctor`: it finds what is broken by using it, and says what to do. What is whole it leaves in peace.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { inBackground, toldOf } from "./background.ts";
import { inSandbox, program, type Ran, type Sandbox } from "./command-line.ts";

interface Found {
  readonly check: string;
  readonly status: string;
  readonly said: string;
  readonly todo?: string;
  readonly tookMs?: number;
}

/** A path with the program, and with others that are given as scripts. */
function withPrograms(box: Sandbox, more: { readonly [name: string]: string } = {}): { PATH: string } {
  const bin = join(box.folder, "bin");
  rmSync(bin, { recursive: true, force: true });
  mkdirSync(bin);
  const holdfast = `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`;
  for (const [name, text] of Object.entries({ holdfast, ...more })) {
    writeFileSync(join(bin, name), text, { mode: 0o755 });
  }
  return { PATH: [bin, dirname(process.execPath), "/usr/bin", "/bin"].join(":") };
}

function found({ json }: Ran, check: string): Found {
  const checks = json.checks as readonly Found[];
  const one = checks.find((item) => item.check === check && item.status !== "ok");
  return one ?? checks.find((item) => item.check === check) ?? { check, status: "absent", said: "" };
}

const doctor = (box: Sandbox, env: NodeJS.ProcessEnv, ...more: string[]) =>
  box.run(["doctor", "--json", ...more], { env });

/** A Codex whose app-server answers with these hooks. */
const codexListing = (hooks: readonly object[]): string => `#!/usr/bin/env node
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  const say = (result) => console.log(JSON.stringify({ id, result }));
  if (method === "initialize") say({ userAgent: "codex" });
  if (method === "hooks/list") say({ data: [{ cwd: params.cwds[0], hooks: ${JSON.stringify(hooks)} }] });
});
`;

const hosts = ["claude", "codex", "copilot", "gemini", "cursor", "opencode"];

describe("doctor", { concurrent: true, timeout: 90_000 }, () => {
  it(
    "finds a whole repository whole: every host's hook refuses what another agent holds",
    inBackground(async (box) => {
      const env = withPrograms(box);
      await box.run(["init", "--host", ...hosts], { env });
      await box.run(["up"], { env });
      const ran = await doctor(box, env);
      expect(ran.json.checks.filter(({ status }: Found) => status === "broken")).toEqual([]);
      expect(ran).toMatchObject({ code: 0, json: { ok: true } });
      for (const host of hosts) {
        expect(found(ran, `hooks ${host}`).status, host).toBe("ok");
        expect(found(ran, `firing ${host}`), host).toMatchObject({ status: "ok" });
        expect(found(ran, `firing ${host}`).tookMs, host).toBeGreaterThan(0);
      }
      for (const check of ["hub", "log", "hub port", ".mcp.json", "AGENTS.md", "command", "tools"]) {
        expect(found(ran, check).status, check).toBe("ok");
      }
      // Codex is not there to be asked, and git's hooks were not asked for.
      expect(found(ran, "trust codex")).toMatchObject({
        status: "unknown",
        todo: expect.stringContaining("/hooks"),
      });
      // What it held to try the hooks it has given back.
      expect((await box.run(["claims", "--json"])).json.items).toEqual([]);

      const told = toldOf(box);
      const file = join(box.root, ".git/holdfast/hub.json");
      writeFileSync(file, JSON.stringify({ ...told, version: "0.0.1" }));
      expect(found(await doctor(box, env, "--host", "codex"), "hub version")).toMatchObject({
        status: "warn",
      });
    }),
  );

  it(
    "finds nothing set up, and no hub",
    inSandbox(async (box) => {
      const ran = await box.run(["doctor"], { env: withPrograms(box) });
      expect(ran.code).toBe(1);
      expect(ran.out).toMatch(/^BROKEN +hub +no hub runs here$\n +do: holdfast up$/m);
      expect(ran.out).toMatch(/^BROKEN +hooks +no host of agents is set up[^\n]*\n +do: holdfast init$/m);
      expect(ran.err).toContain("Something is broken");
    }),
  );

  it(
    "finds hooks that do not fire, though the file is as it should be",
    inBackground(async (box) => {
      const good = withPrograms(box);
      await box.run(["init", "--host", "codex", "copilot"], { env: good });
      await box.run(["up"], { env: good });
      const silent = await doctor(box, withPrograms(box, { holdfast: "#!/bin/sh\nexit 0\n" }));
      expect(silent.code).toBe(1);
      expect(found(silent, "firing codex")).toMatchObject({
        status: "broken",
        said: expect.stringContaining("was not refused"),
      });
      const failing = await doctor(
        box,
        withPrograms(box, { holdfast: "#!/bin/sh\necho oh no >&2; exit 3\n" }),
      );
      expect(found(failing, "firing codex").said).toContain("exit code 3: oh no");
      // Its line ends with 0 whatever happens, so only its silence tells.
      expect(found(failing, "firing copilot")).toMatchObject({ status: "broken" });
      const path = withPrograms(box).PATH.replace(join(box.folder, "bin"), join(box.folder, "empty"));
      const missing = await doctor(box, { PATH: path });
      expect(found(missing, "command")).toMatchObject({ status: "broken", todo: "npm install -g holdfast" });
      expect(found(missing, "firing codex").said).toContain("exit code 127");
      expect(found(missing, "tools")).toMatchObject({ status: "broken" });
    }),
  );

  it(
    "finds files that are missing, older, broken, or switched off",
    inSandbox(async (box) => {
      const env = withPrograms(box);
      await box.run(["init", "--host", "claude"], { env });
      const file = join(box.root, ".claude/settings.json");
      const text = readFileSync(file, "utf8");
      const settings = JSON.parse(text);
      for (const [changed, said] of [
        [text.replace("Edit|Write|MultiEdit|NotebookEdit|Bash", "Edit"), "not what this version writes"],
        [JSON.stringify({ ...settings, disableAllHooks: true }), "switches all hooks off"],
        [JSON.stringify({ ...settings, allowedHttpHookUrls: ["https://*"] }), "lets hooks post only to"],
        [`${text}}`, "it is no JSON"],
      ] as const) {
        writeFileSync(file, changed);
        const ran = await doctor(box, env);
        expect(ran.code, said).toBe(1);
        expect(found(ran, "hooks claude").said).toContain(said);
        expect(found(ran, "hooks claude").todo, said).toBeDefined();
      }
      writeFileSync(file, text);
      const own = join(box.folder, "own");
      mkdirSync(own);
      writeFileSync(join(own, "settings.json"), '{"disableAllHooks": true}');
      const off = await doctor(box, { ...env, CLAUDE_CONFIG_DIR: own });
      expect(found(off, "hooks claude").said).toContain(join(own, "settings.json"));
      writeFileSync(file, JSON.stringify({ ...settings, allowedHttpHookUrls: ["http://127.0.0.1:*"] }));
      rmSync(join(box.root, ".mcp.json"));
      box.file("AGENTS.md", "without the block\n");
      const ran = await doctor(box, env);
      expect(found(ran, "hooks claude").status).toBe("ok");
      expect(found(ran, ".mcp.json")).toMatchObject({ status: "broken", todo: "holdfast init" });
      expect(found(ran, "AGENTS.md")).toMatchObject({ status: "broken", todo: "holdfast init" });
      // A host that is used here, and that nobody set up.
      box.file(".gemini/settings.json", "{}");
      expect(found(await doctor(box, env), "hooks gemini")).toMatchObject({
        status: "warn",
        todo: "holdfast init --host claude gemini",
      });
    }),
  );

  it(
    "finds that Codex silently passes over what it does not trust",
    inSandbox(async (box) => {
      await box.run(["init", "--host", "codex"], { env: withPrograms(box) });
      const ours = { source: "project", command: "holdfast hook codex", key: "k" };
      const listed = (...trust: readonly string[]) =>
        codexListing(trust.map((trustStatus) => ({ ...ours, trustStatus })));
      for (const [codex, status, said] of [
        [listed("trusted", "managed"), "ok", "Codex trusts all 2 hooks"],
        [listed("trusted", "untrusted", "modified"), "broken", "passes over 2 of 3 hooks"],
        [listed(), "broken", "does not trust this folder"],
        ["#!/bin/sh\nexit 1\n", "unknown", "app-server ended with 1"],
      ] as const) {
        const ran = await doctor(box, withPrograms(box, { codex }));
        expect(found(ran, "trust codex")).toMatchObject({ status, said: expect.stringContaining(said) });
      }
    }),
  );

  it(
    "finds a port that another program has, a hub that is gone, and a log that is damaged",
    inBackground(async (box) => {
      const env = withPrograms(box);
      const { port } = (await box.run(["init", "--host", "claude", "--json"], { env })).json;
      const squatter = createServer((socket) => socket.destroy()).listen(port, "127.0.0.1");
      await new Promise((resolve) => squatter.once("listening", resolve));
      try {
        await box.run(["up"], { env });
        const ran = await doctor(box, env);
        expect(ran.code).toBe(1);
        expect(found(ran, "hub").status).toBe("ok");
        expect(found(ran, "hub port")).toMatchObject({
          status: "broken",
          todo: expect.stringContaining("--port"),
        });
      } finally {
        squatter.close();
      }
      // Another clone's hub hands on what is posted to it.
      const clone = await box.serve(
        "--listen",
        `ws://127.0.0.1:${port}`,
        "--log",
        join(box.folder, "clone.db"),
      );
      const shared = await doctor(box, env);
      expect(shared.code).toBe(0);
      expect(found(shared, "hub port")).toMatchObject({ status: "warn" });
      expect(found(shared, "firing claude")).toMatchObject({ status: "ok" });
      clone.child.kill();
      await box.run(["down"]);
      const file = join(box.root, ".git/holdfast/hub.json");
      writeFileSync(
        file,
        JSON.stringify({ pid: process.pid, hub: "x", log: "x", urls: ["ws://127.0.0.1:9"] }),
      );
      expect(found(await doctor(box, env), "hub").said).toContain("does not answer as the hub");
      rmSync(file);
      const log = join(box.root, ".git/holdfast/log.db");
      const bytes = readFileSync(log);
      bytes.write("claim.grantex", bytes.indexOf("claim.granted"));
      writeFileSync(log, bytes);
      const damaged = await doctor(box, env);
      expect(found(damaged, "log")).toMatchObject({
        status: "broken",
        todo: expect.stringContaining("verify"),
      });
    }),
  );
});
