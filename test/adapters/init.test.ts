/**
 * `init`: what it puts into the files of hosts, what it leaves alone, and that it can be undone to the byte.
 */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeChanges } from "../../adapters/cli/host-files.ts";
import { hosts, partsFor } from "../../adapters/setup/hosts.ts";
import { type Json, readJson, rewriteJson, sameJson } from "../../adapters/setup/json-text.ts";
import { planFor } from "../../adapters/setup/plan.ts";
import { isHookOfOurs, portOf } from "../../adapters/setup/runner.ts";
import { agentsLines, skillText } from "../../adapters/setup/texts.ts";
import { inSandbox, type Sandbox } from "./command-line.ts";

/** Every file below a folder but the repository's own, by its path. */
function files(root: string, below = ""): { [path: string]: string } {
  const found: { [path: string]: string } = {};
  for (const entry of readdirSync(join(root, below), { withFileTypes: true })) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (path === ".git") continue;
    if (entry.isDirectory()) Object.assign(found, { [`${path}/`]: "" }, files(root, path));
    else found[path] = entry.isSymbolicLink() ? "link" : readFileSync(join(root, path), "utf8");
  }
  return found;
}

/** A path on which programs are found, and nothing of this machine but the shell's own. */
function pathWith(box: Sandbox, ...programs: readonly string[]): { PATH: string } {
  const bin = join(box.folder, "programs");
  mkdirSync(bin, { recursive: true });
  for (const name of programs) writeFileSync(join(bin, name), "#!/bin/sh\n", { mode: 0o755 });
  return { PATH: [bin, dirname(process.execPath), "/usr/bin", "/bin"].join(delimiter) };
}

const read = (box: Sandbox, path: string): string => readFileSync(join(box.root, path), "utf8");
const json = (box: Sandbox, path: string) => JSON.parse(read(box, path));
const all = ["--host", ...hosts.map(({ name }) => name)];

describe("init", { concurrent: true, timeout: 90_000 }, () => {
  it(
    "finds hosts by their files and programs, and takes Claude Code where nothing tells",
    inSandbox(async (box) => {
      const env = pathWith(box, "holdfast");
      expect((await box.run(["init", "--dry-run", "--json"], { env })).json.hosts).toEqual(["claude"]);
      box.file(".gemini/settings.json", "{}\n");
      box.file("opencode.json", "{}\n");
      const { json } = await box.run(["init", "--dry-run", "--json"], { env: pathWith(box, "codex") });
      expect(json.hosts).toEqual(["codex", "gemini", "opencode"]);
      const wrong = await box.run(["init", "--host", "emacs"], { env });
      expect(wrong).toMatchObject({ code: 64 });
      expect(wrong.err).toContain("claude, codex, copilot, gemini, cursor, opencode");
    }),
  );

  it(
    "writes Claude Code's hooks: posted to this repository's own port, the start and end as a command",
    inSandbox(async (box) => {
      const ran = await box.run(["init", "--host", "claude", "--json"], { env: pathWith(box, "holdfast") });
      expect(ran.code, ran.err).toBe(0);
      const { hooks } = json(box, ".claude/settings.json");
      const { port } = ran.json;
      expect(port).toBeGreaterThanOrEqual(20_000);
      expect(port).toBeLessThan(30_000);
      for (const event of ["UserPromptSubmit", "PostToolBatch", "Stop", "SubagentStart", "SubagentStop"]) {
        expect(hooks[event][0].hooks[0], event).toMatchObject({
          type: "http",
          url: `http://127.0.0.1:${port}/hooks/claude`,
        });
      }
      for (const event of ["PreToolUse", "PostToolUse"]) {
        expect(hooks[event][0].matcher).toBe("Edit|Write|MultiEdit|NotebookEdit|Bash");
      }
      // In the background: what is done while no hub runs is kept.
      expect(hooks.PostToolUse[1].hooks[0]).toMatchObject({
        command: "holdfast hook claude --when-down",
        async: true,
      });
      expect(hooks.PreToolUse[0].hooks[0].type).toBe("http");
      expect(hooks.SessionStart[0].hooks[0].command).toBe("holdfast ensure --quiet; holdfast hook claude");
      expect(hooks.SessionEnd[0].hooks[0]).toMatchObject({
        type: "command",
        command: "holdfast hook claude",
      });
      expect(json(box, ".mcp.json").mcpServers.holdfast).toEqual({
        type: "stdio",
        command: "holdfast",
        args: ["mcp"],
      });
      expect(existsSync(join(box.root, "CLAUDE.md"))).toBe(false);
    }),
  );

  it(
    "asks by a command before an edit where edits must wait for the hub, which no posted hook can see to",
    inSandbox(async (box) => {
      const env = pathWith(box, "holdfast");
      await box.run(["init", "--host", "claude"], { env });
      box.file(".holdfast.json", '{"hooks":{"whenHubIsDown":"closed"}}');
      expect((await box.run(["init", "--host", "claude"], { env })).code).toBe(0);
      const { hooks } = json(box, ".claude/settings.json");
      expect(hooks.PreToolUse).toHaveLength(1);
      expect(hooks.PreToolUse[0].hooks[0]).toMatchObject({
        type: "command",
        command: "holdfast hook claude",
      });
      expect(hooks.PostToolUse[0].hooks[0].type).toBe("http");
      const again = await box.run(["init", "--host", "claude", "--json"], { env });
      expect(again.json.changes).toEqual([]);
    }),
  );

  it(
    "writes nothing of this machine, and one constant line for Codex, in every file of every host",
    inSandbox(async (box) => {
      await box.run(["init", ...all], { env: pathWith(box, "holdfast") });
      const found = files(box.root);
      expect(Object.keys(found).filter((path) => !path.endsWith("/"))).toHaveLength(13);
      for (const [path, text] of Object.entries(found)) {
        expect(text, path).not.toContain(box.folder);
        expect(text, path).not.toContain(process.execPath);
      }
      const lines = (found[".codex/hooks.json"] ?? "").match(/"command": "[^"]*"/g) ?? [];
      expect(new Set(lines)).toEqual(
        new Set([
          '"command": "holdfast ensure --quiet; holdfast hook codex"',
          '"command": "holdfast hook codex"',
        ]),
      );
      expect(found[".codex/config.toml"]).toContain('[mcp_servers.holdfast]\ncommand = "holdfast"');
      expect(json(box, ".gemini/settings.json").mcpServers.holdfast.args).toEqual(["mcp"]);
      expect(json(box, ".cursor/hooks.json")).toMatchObject({ version: 1 });
      // A hook that ends with anything but 0 would refuse the tool.
      expect(json(box, ".github/hooks/holdfast.json").hooks.PreToolUse[0].bash).toBe(
        "holdfast hook copilot || exit 0",
      );
    }),
  );

  it(
    "goes through npx where holdfast is not installed for good, and stays with what the files say",
    inSandbox(async (box) => {
      const bare = pathWith(box);
      // As npm does for as long as it runs one command.
      const passing = join(box.folder, "x", "node_modules", ".bin");
      mkdirSync(passing, { recursive: true });
      writeFileSync(join(passing, "holdfast"), "#!/bin/sh\n", { mode: 0o755 });
      const env = { PATH: `${passing}${delimiter}${bare.PATH}` };
      expect((await box.run(["init", "--host", "codex", "--json"], { env })).json.runner).toBe(
        "npx --no-install holdfast",
      );
      expect(read(box, ".codex/hooks.json")).toContain('"npx --no-install holdfast hook codex"');
      expect(read(box, ".codex/config.toml")).toContain('args = ["--no-install","holdfast","mcp"]');
      const before = files(box.root);
      const again = await box.run(["init", "--host", "codex", "--json"], { env: pathWith(box, "holdfast") });
      expect(again.json).toMatchObject({ runner: "npx --no-install holdfast", changes: [] });
      expect(files(box.root)).toEqual(before);
    }),
  );

  it(
    "changes nothing when it is run again, and keeps the port",
    inSandbox(async (box) => {
      const env = pathWith(box, "holdfast");
      const first = await box.run(["init", ...all, "--json"], { env });
      const before = files(box.root);
      const second = await box.run(["init", ...all, "--json"], { env });
      expect(second.json).toMatchObject({ port: first.json.port, changes: [] });
      expect(files(box.root)).toEqual(before);
      const moved = await box.run(["init", ...all, "--port", "23456", "--json"], { env });
      expect(moved.json.changes).toMatchObject([{ path: ".claude/settings.json", does: "changed" }]);
      expect(read(box, ".claude/settings.json").match(/127\.0\.0\.1:\d+/g)).toEqual(
        Array.from({ length: 8 }, () => "127.0.0.1:23456"),
      );
    }),
  );

  it(
    "merges with what others have there, in their layout, and replaces its own older lines",
    inSandbox(async (box) => {
      const theirs = { type: "command", command: "./lint.sh" };
      const old = { type: "http", url: "http://127.0.0.1:7777/hooks/claude" };
      const text = `{\r\n\t"model": "opus",   "permissions" : {"allow":["Bash(ls)"]},\r\n\t"hooks": {\r\n\t\t"PreToolUse": [{"matcher": "Edit", "hooks": [${JSON.stringify(theirs)}, ${JSON.stringify(old)}]}],\r\n\t\t"Notification": []\r\n\t}\r\n}`;
      box.file(".claude/settings.json", text);
      box.file(".mcp.json", '{"mcpServers": {"holdfast": {"command": "my-own"}, "x": {"command": "x"}}}');
      box.file("AGENTS.md", "# Ours\r\n\r\nBe kind.");
      box.file("CLAUDE.md", "Read this.\n");
      await box.run(["init", "--host", "claude"], { env: pathWith(box, "holdfast") });
      const settings = read(box, ".claude/settings.json");
      expect(settings).toContain('\t"model": "opus",   "permissions" : {"allow":["Bash(ls)"]},\r\n');
      expect(settings.endsWith("\r\n}")).toBe(true);
      expect(settings).not.toMatch(/[^\r]\n/);
      const { hooks } = JSON.parse(settings);
      expect(hooks.PreToolUse).toHaveLength(2);
      expect(hooks.PreToolUse[0]).toEqual({ matcher: "Edit", hooks: [theirs] });
      // The port that stood there stays this repository's.
      expect(hooks.PreToolUse[1].hooks[0].url).toBe("http://127.0.0.1:7777/hooks/claude");
      expect(hooks.Notification).toEqual([]);
      expect(read(box, ".mcp.json")).toContain('"holdfast": {"command": "my-own"}');
      expect(read(box, "AGENTS.md")).toMatch(/^# Ours\r\n\r\nBe kind\.\r\n\r\n<!-- holdfast:begin -->\r\n/);
      expect(read(box, "CLAUDE.md")).toBe(
        "Read this.\n\n<!-- holdfast:begin -->\n@AGENTS.md\n<!-- holdfast:end -->\n",
      );
    }),
  );

  it(
    "undoes all of it, to the byte, folders too",
    inSandbox(async (box) => {
      const env = pathWith(box, "holdfast");
      box.file(".claude/settings.json", '\uFEFF{ "a":1 }\n\n');
      box.file(".codex/config.toml", 'model = "x"');
      box.file("AGENTS.md", "text\n\n\n");
      box.file("CLAUDE.md", "");
      box.file(".mcp.json", "");
      const before = files(box.root);
      expect((await box.run(["init", ...all], { env })).code).toBe(0);
      expect((await box.run(["init", ...all, "--port", "23456"], { env })).code).toBe(0);
      expect(files(box.root)).not.toEqual(before);
      const undone = await box.run(["init", "--undo"], { env });
      expect(undone.code, undone.err).toBe(0);
      expect(files(box.root)).toEqual(before);
      expect((await box.run(["init", "--undo", "--json"], { env })).json.changes).toEqual([]);
    }),
  );

  it(
    "takes only its own parts out of files that were changed by hand since, or where nothing is remembered",
    inSandbox(async (box) => {
      const env = pathWith(box, "holdfast");
      box.file("AGENTS.md", "ours\n");
      await box.run(["init", ...all], { env });
      const settings = json(box, ".claude/settings.json");
      settings.hooks.PreToolUse[0].hooks.push({ type: "command", command: "mine" });
      settings.model = "opus";
      box.file(".claude/settings.json", JSON.stringify(settings));
      box.file("AGENTS.md", `${read(box, "AGENTS.md")}more of ours\n`);
      box.file(".agents/notes.md", "kept");
      // A newer init after the change keeps the change, too.
      await box.run(["init", ...all, "--port", "23456"], { env });
      expect((await box.run(["init", "--undo"], { env })).code).toBe(0);
      expect(files(box.root)).toEqual({
        ".agents/": "",
        ".agents/notes.md": "kept",
        ".claude/": "",
        ".claude/settings.json": read(box, ".claude/settings.json"),
        "AGENTS.md": "ours\nmore of ours\n",
      });
      expect(json(box, ".claude/settings.json")).toEqual({
        hooks: {
          PreToolUse: [
            { matcher: settings.hooks.PreToolUse[0].matcher, hooks: [{ type: "command", command: "mine" }] },
          ],
        },
        model: "opus",
      });
      await box.run(["init", ...all], { env });
      rmSync(join(box.root, ".git/holdfast"), { recursive: true });
      await box.run(["init", "--undo"], { env });
      expect(Object.keys(files(box.root)).filter((path) => !path.endsWith("/"))).toEqual([
        ".agents/notes.md",
        ".claude/settings.json",
        "AGENTS.md",
      ]);
    }),
  );

  it(
    "shows what it would do, line by line, and does nothing",
    inSandbox(async (box) => {
      const env = pathWith(box, "holdfast");
      box.file("AGENTS.md", "ours\n");
      const before = files(box.root);
      const shown = await box.run(["init", "--host", "claude", "--dry-run"], { env });
      expect(shown.code).toBe(0);
      expect(shown.out).toContain("would make .claude/settings.json: hooks of Claude Code");
      expect(shown.out).toContain("would change AGENTS.md");
      expect(shown.out).toContain("\n+<!-- holdfast:begin -->");
      expect(shown.out).toContain('\n+            "command": "holdfast hook claude"');
      expect(shown.err).toContain("Nothing was changed");
      expect(files(box.root)).toEqual(before);
      expect(existsSync(join(box.root, ".git/holdfast"))).toBe(false);
    }),
  );
});

describe("init, where something is in its way", { concurrent: true, timeout: 90_000 }, () => {
  it(
    "changes nothing at all where a file is broken, and says which and where",
    inSandbox(async (box) => {
      const env = pathWith(box, "holdfast");
      for (const [path, text, why] of [
        [".claude/settings.json", '{\n  "a": 1,\n  "hooks": {\n}', "it is no JSON, line 4"],
        [".claude/settings.json", "[]", "no object"],
        [".claude/settings.json", '{"hooks": []}', "hooks is not an object"],
        [".claude/settings.json", '{"hooks": {"Stop": {}}}', "hooks.Stop is not a list"],
        [".mcp.json", '{"mcpServers": 1}', "mcpServers is not an object"],
        ["AGENTS.md", "<!-- holdfast:begin -->\nold\n", "missing or doubled"],
      ] as const) {
        box.file(path, text);
        const before = files(box.root);
        const ran = await box.run(["init", "--host", "claude"], { env });
        expect(ran.code, why).toBe(1);
        expect(ran.err).toContain(`holdfast: ${path}`);
        expect(ran.err).toContain(why);
        expect(ran.err).toContain("Nothing was changed");
        expect(files(box.root)).toEqual(before);
        rmSync(join(box.root, path));
      }
    }),
  );

  it(
    "leaves a file with comments alone, with what to put in by hand, and does the rest",
    inSandbox(async (box) => {
      const text = '{\n  // mine\n  "a": "http://x//y",\n}\n';
      box.file(".gemini/settings.json", text);
      const ran = await box.run(["init", "--host", "gemini"], { env: pathWith(box, "holdfast") });
      expect(ran.code).toBe(1);
      expect(ran.err).toContain("left as it is: .gemini/settings.json");
      expect(ran.err).toContain("comments");
      expect(ran.err).toContain("holdfast hook gemini");
      expect(read(box, ".gemini/settings.json")).toBe(text);
      expect(read(box, "AGENTS.md")).toContain("holdfast:begin");
    }),
  );

  it(
    "leaves read-only files, somebody else's, and links that lead away alone; follows links that stay",
    inSandbox(async (box) => {
      const outside = join(box.folder, "outside");
      mkdirSync(outside);
      symlinkSync(outside, join(box.root, ".claude"));
      chmodSync(box.file(".mcp.json", "{}"), 0o444);
      box.file(".agents/skills/holdfast/SKILL.md", "mine\n");
      box.file("docs/agents.md", "ours\n");
      symlinkSync("docs/agents.md", join(box.root, "AGENTS.md"));
      symlinkSync("nowhere", join(box.root, ".codex"));
      const ran = await box.run(["init", "--host", "claude", "codex"], { env: pathWith(box, "holdfast") });
      expect(ran.code).toBe(1);
      expect(ran.err).toContain(".claude/settings.json: it is a link that leads out of this repository");
      expect(ran.err).toContain(".codex/hooks.json: it is a link that leads nowhere");
      expect(ran.err).toContain(".mcp.json: it is read-only");
      expect(ran.err).toContain(".agents/skills/holdfast/SKILL.md: somebody else's file");
      expect(readdirSync(outside)).toEqual([]);
      expect(read(box, ".mcp.json")).toBe("{}");
      expect(lstatSync(join(box.root, "AGENTS.md")).isSymbolicLink()).toBe(true);
      expect(read(box, "docs/agents.md")).toMatch(/^ours\n\n<!-- holdfast:begin -->/);
    }),
  );

  it(
    "puts one block into AGENTS.md where CLAUDE.md is a link to it, or it to CLAUDE.md",
    inSandbox(async (box) => {
      const env = pathWith(box, "holdfast");
      for (const [file, link] of [
        ["AGENTS.md", "CLAUDE.md"],
        ["CLAUDE.md", "AGENTS.md"],
      ] as const) {
        box.file(file, "ours\n");
        symlinkSync(file, join(box.root, link));
        const ran = await box.run(["init", "--host", "claude"], { env });
        expect(ran.code, ran.err).toBe(0);
        expect(read(box, file)).toMatch(/^ours\n\n<!-- holdfast:begin -->\n## Working beside/);
        expect(read(box, file)).not.toContain("@AGENTS.md");
        expect((await box.run(["init", "--host", "claude", "--json"], { env })).json.changes).toEqual([]);
        await box.run(["init", "--undo"], { env });
        expect(read(box, file)).toBe("ours\n");
        expect(lstatSync(join(box.root, link)).isSymbolicLink()).toBe(true);
        rmSync(join(box.root, link));
        rmSync(join(box.root, file));
      }
    }),
  );

  it(
    "puts back what it had changed when a later file cannot be written",
    inSandbox(async (box) => {
      const first = box.file("a.txt", "old");
      box.file("folder", "a file where a folder should be");
      const changes = [
        { path: "a.txt", about: "", before: "old", after: "new" },
        { path: "new/b.txt", about: "", after: "new" },
        { path: "folder/c.txt", about: "", after: "new" },
      ];
      expect(() => makeChanges(box.root, changes)).toThrow();
      expect(readFileSync(first, "utf8")).toBe("old");
      expect(existsSync(join(box.root, "new"))).toBe(false);
    }),
  );

  it("keeps its log out of version control outside git", async () => {
    await inSandbox(async (box) => {
      rmSync(join(box.root, ".git"), { recursive: true });
      const env = pathWith(box, "holdfast");
      await box.run(["init", "--host", "claude"], { env });
      expect(read(box, ".holdfast/.gitignore")).toMatch(/^\*$/m);
      await box.run(["init", "--undo"], { env });
      expect(existsSync(join(box.root, ".holdfast/.gitignore"))).toBe(false);
    })();
  });
});

describe("what init writes", () => {
  it("is at most 15 lines for AGENTS.md, and a skill by the rules of skills", () => {
    expect(agentsLines.length + 2).toBeLessThanOrEqual(15);
    const [, front = "", body = ""] = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(skillText) ?? [];
    expect(front).toMatch(/^name: holdfast$/m);
    const description = /description: >-\n((?: {2}.*\n)+)/.exec(front)?.[1] ?? "";
    expect(description.length).toBeGreaterThan(100);
    expect(description.length).toBeLessThanOrEqual(1024);
    expect(body).toContain("holdfast claim");
  });

  it("is known again in every form a hook of ours may have, Windows paths too; others' hooks are not", () => {
    for (const handler of [
      { command: "holdfast hook codex" },
      { command: "holdfast ensure --quiet; holdfast hook codex" },
      { command: "npx --no-install holdfast hook codex" },
      { command: "holdfast", args: ["hook", "claude"] },
      { command: "C:\\Users\\me\\AppData\\Roaming\\npm\\holdfast.cmd hook claude" },
      { command: '"C:\\Program Files\\nodejs\\holdfast.cmd" hook claude' },
      { command: "node '/opt/some where/dist/bin/holdfast.js' hook gemini" },
      { bash: "holdfast hook copilot || exit 0", powershell: "x" },
      { url: "http://localhost:4653/hooks/claude" },
    ]) {
      expect(isHookOfOurs(handler), JSON.stringify(handler)).toBe(true);
    }
    for (const handler of [
      { command: "holdfast claims" },
      { command: "my-holdfast hook codex" },
      { command: "echo nothing of hooks" },
      { command: "holdfast", args: ["who"] },
      { url: "https://example.org/hooks/claude" },
      { url: "http://127.0.0.1:4653/other/claude" },
      {},
    ]) {
      expect(isHookOfOurs(handler), JSON.stringify(handler)).toBe(false);
    }
  });

  it("goes in and out of any file: putting twice is putting once, stripping leaves what was there", () => {
    const parts = partsFor(hosts, { runner: "holdfast", port: portOf("/a/b"), isClosed: false });
    const value = fc.letrec<{ json: Json }>((tie) => ({
      json: fc.oneof(
        { maxDepth: 3, depthSize: "small" },
        fc.constant(null),
        fc.boolean(),
        fc.integer(),
        fc.string(),
        fc.array(tie("json"), { maxLength: 3 }),
        fc.dictionary(
          fc.string().filter((key) => !/^(hooks|mcp|version|__proto__)/.test(key)),
          tie("json"),
        ),
      ),
    })).json;
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((key) => !/^(hooks|mcp|version|__proto__)/.test(key)),
          value,
          {
            minKeys: 1,
          },
        ),
        fc.constantFrom(0, 1, 2, 4, "\t"),
        fc.boolean(),
        (object, indent, windows) => {
          const plain = JSON.stringify(object, null, indent);
          const text = windows ? plain.replaceAll("\n", "\r\n") : plain;
          for (const [path, here] of parts) {
            if (!path.endsWith(".json")) continue;
            const only = new Map([[path, here]]);
            const put = planFor(only, () => ({ text }), "put").changes[0]?.after ?? "";
            expect(planFor(only, () => ({ text: put }), "put")).toMatchObject({ changes: [], same: [path] });
            const back = planFor(only, () => ({ text: put }), "strip").changes[0]?.after ?? "";
            const { version: _, ...rest } = JSON.parse(back);
            expect(sameJson(rest, object)).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("rewrites JSON to what is asked, whatever the layout, leaving what is the same as it stood", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.constantFrom(0, 2, "\t"), (from, to, indent) => {
        const text = ` ${JSON.stringify(from, null, indent)}\n`;
        expect(rewriteJson(text, from as Json)).toBe(text);
        const found = readJson(rewriteJson(text, to as Json));
        expect(found.kind === "value" && sameJson(found.value, JSON.parse(JSON.stringify(to)))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
