/**
 * The command hook as hosts run it: through a hub, without one, and in the way of nobody.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { TOLD } from "../../adapters/hooks/command.ts";
import { hosts } from "../../adapters/hooks/hosts.ts";
import { limits } from "../../core/limits.ts";
import { finished, inSandbox, program, type Ran, type Sandbox } from "./command-line.ts";

const S1 = "9ea8c72c-1111-4222-8333-444455556666";
const S2 = "01a1b2c3-9999-4888-8777-666655554444";
const hook = join(dirname(program), "holdfast-hook.js");

type Fields = { readonly [field: string]: unknown };

interface Running {
  readonly env?: NodeJS.ProcessEnv;
  readonly host?: string;
  readonly args?: readonly string[];
}

/** Runs the hook on a payload, as a host does. */
function run(
  box: Sandbox,
  payload: Fields | string,
  { env = {}, host = "claude", args }: Running = {},
): Promise<Ran> {
  const text = typeof payload === "string" ? payload : JSON.stringify(payload);
  return finished(box.startNode([...(args ?? [hook, host])], { as: "", env }), text);
}

let uses = 0;
function payload(box: Sandbox, event: string, fields: Fields = {}): Fields {
  return { session_id: S1, cwd: box.root, hook_event_name: event, ...fields };
}
function edit(box: Sandbox, file: string, more: Fields = {}): Fields {
  uses += 1;
  const input = { file_path: join(box.root, file), content: "x" };
  return payload(box, "PreToolUse", {
    tool_name: "Write",
    tool_input: input,
    tool_use_id: `c${uses}`,
    ...more,
  });
}
function edited(box: Sandbox, file: string, more: Fields = {}): Fields {
  return { ...edit(box, file, more), hook_event_name: "PostToolUse", tool_response: { ok: true } };
}
function patched(box: Sandbox, file: string): Fields {
  const command = `*** Begin Patch\n*** Add File: ${file}\n+x\n*** End Patch\n`;
  return {
    ...edit(box, file),
    session_id: S2,
    turn_id: "t",
    tool_name: "apply_patch",
    tool_input: { command },
  };
}
const denial = ({ out }: Ran) =>
  out === "" ? undefined : JSON.parse(out).hookSpecificOutput?.permissionDecisionReason;
const spoolOf = (box: Sandbox) => join(box.root, ".git/holdfast/hooks.ndjson");

describe("through a hub", () => {
  it(
    "says the hub's answer, as a verb and as a program, and exits with 0",
    inSandbox(async (box) => {
      await box.serve();
      await box.run(["claim", "T-1", "--paths", "src", "--note", "moving things"]);
      const [one, two] = [
        await run(box, edit(box, "src/a.ts")),
        await run(box, edit(box, "src/a.ts"), { args: [program, "hook", "claude"] }),
      ];
      for (const ran of [one, two]) {
        expect([ran.code, ran.err]).toEqual([0, ""]);
        expect(denial(ran)).toContain('src/a.ts is held by alice as T-1 ("moving things")');
      }
      expect(await run(box, edit(box, "b.ts"))).toMatchObject({ code: 0, out: "", err: "" });
      expect(denial(await run(box, patched(box, "b.ts"), { host: "codex" }))).toContain(
        "claude-9ea8c72c-1111",
      );
      // The shell of the same session is the same agent.
      const claims = await box.run(["claims", "--json"], { as: "", env: { CLAUDE_CODE_SESSION_ID: S1 } });
      expect(JSON.stringify(claims.json)).toContain("claude-9ea8c72c-1111");
    }),
  );

  it(
    "two hosts that race for a file are won by exactly one",
    inSandbox(async (box) => {
      await box.serve();
      for (let round = 0; round < 4; round++) {
        const file = `race${round}.ts`;
        const answers = await Promise.all([
          run(box, edit(box, file)),
          run(box, patched(box, file), { host: "codex" }),
        ]);
        expect(answers.filter((ran) => denial(ran) !== undefined)).toHaveLength(1);
      }
    }),
  );

  it(
    "acts under HOLDFAST_AGENT, and sends no other secrets of the environment",
    inSandbox(async (box) => {
      let told = "";
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.on("data", (bytes) => {
          told += bytes.toString();
          const body = '{"stdout":"{}","stderr":"","exitCode":0}';
          socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        });
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      const port = typeof address === "object" ? address?.port : 0;
      const token = join(box.folder, "token");
      writeFileSync(token, "hf_abc\n");
      const env = {
        HOLDFAST_HUB: `ws://127.0.0.1:${port}`,
        HOLDFAST_AGENT: "ann",
        HOLDFAST_TOKEN_FILE: token,
        CLAUDE_CODE_ENTRYPOINT: "sdk-cli",
        ANTHROPIC_API_KEY: "sk-secret",
        CLAUDE_CODE_OAUTH_TOKEN: "oauth-secret",
      };
      const ran = await run(box, edit(box, "a.ts"), { env });
      server.close();
      expect(ran).toMatchObject({ code: 0, out: "{}" });
      expect(told).toContain("Authorization: Bearer hf_abc");
      const header = /Holdfast-Env: (\S+)/.exec(told)?.[1] ?? "";
      const said = Buffer.from(header, "base64url").toString();
      expect(JSON.parse(said)).toMatchObject({ HOLDFAST_AGENT: "ann", CLAUDE_CODE_ENTRYPOINT: "sdk-cli" });
      expect(`${told} ${said}`).not.toContain("secret");
    }),
  );
});

describe("never in the way", () => {
  it(
    "of what it does not understand: silence and 0",
    inSandbox(async (box) => {
      await box.serve();
      const good = edit(box, "a.ts");
      for (const [text, more] of [
        ["", {}],
        ["{", {}],
        ["[]", {}],
        ["null", {}],
        ["\u0000\ufffd", {}],
        [JSON.stringify({ ...good, hook_event_name: "Nothing" }), {}],
        [JSON.stringify({ ...good, cwd: 7 }), {}],
        [JSON.stringify({ __proto__: null, constructor: 1 }), {}],
        [`{"x":"${"y".repeat(limits.hookBodyBytesMax)}"}`, {}],
        [JSON.stringify(good), { host: "nosuchhost" }],
        [JSON.stringify(good), { host: "toString" }],
        [JSON.stringify(good), { args: [hook] }],
        ["", { args: [program, "hook", "codex"] }],
      ] as const) {
        const ran = await run(box, text, more);
        expect([ran.code, ran.out, ran.err], text.slice(0, 60)).toEqual([0, "", ""]);
      }
    }),
  );

  it(
    "where nothing of Holdfast was ever set up",
    inSandbox(async (box) => {
      for (const said of [edit(box, "a.ts"), edited(box, "a.ts"), payload(box, "SessionStart")]) {
        expect(await run(box, said)).toMatchObject({ code: 0, out: "", err: "" });
      }
      expect(existsSync(join(box.root, ".git/holdfast"))).toBe(false);
      expect(existsSync(join(box.root, ".holdfast"))).toBe(false);
    }),
  );

  it(
    "of a hub that hangs, talks nonsense, or is none",
    inSandbox(async (box) => {
      mkdirSync(join(box.root, ".git/holdfast"));
      for (const reply of [
        undefined,
        "HTTP/1.1 500 No\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{]x",
      ]) {
        const server = createServer((socket) => {
          socket.on("error", () => undefined);
          socket.on("data", () => reply !== undefined && socket.end(reply));
        });
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        const address = server.address();
        const port = typeof address === "object" ? address?.port : 0;
        const ran = await run(box, edit(box, "a.ts"), { env: { HOLDFAST_HUB: `ws://127.0.0.1:${port}` } });
        expect([ran.code, denial(ran)]).toEqual([0, undefined]);
        server.close();
      }
    }),
  );
});

describe("without a hub", () => {
  it(
    "warns once a session and lets edits go on",
    inSandbox(async (box) => {
      mkdirSync(join(box.root, ".git/holdfast"));
      const first = await run(box, edit(box, "a.ts"));
      expect(first.code).toBe(0);
      expect(JSON.parse(first.out).systemMessage).toContain("no hub answers");
      expect(denial(first)).toBeUndefined();
      expect(await run(box, edit(box, "a.ts"))).toMatchObject({ code: 0, out: "" });
      const other = await run(box, edit(box, "a.ts", { session_id: S2 }));
      expect(JSON.parse(other.out).systemMessage).toContain("no hub answers");
    }),
  );

  it(
    "keeps what a host posts, too, where it is started beside; where a hub runs it stays out of it",
    inSandbox(async (box) => {
      const beside = { args: [program, "hook", "claude", "--when-down"] };
      await box.serve();
      expect(await run(box, edited(box, "a.ts"), beside)).toMatchObject({ code: 0, out: "" });
      expect((await box.run(["activity", "--json"])).json.items).toEqual([]);
      await box.stop();
      expect((await run(box, edited(box, "b.ts"), { args: [hook, "claude", "--when-down"] })).code).toBe(0);
      expect(await run(box, edited(box, "c.ts"), beside)).toMatchObject({ code: 0, out: "" });
      const kept = readFileSync(spoolOf(box), "utf8");
      expect(["a.ts", "b.ts", "c.ts"].map((name) => kept.includes(name))).toEqual([false, true, true]);
    }),
  );

  it(
    "refuses edits where the repository wants that, but nothing else",
    inSandbox(async (box) => {
      mkdirSync(join(box.root, ".git/holdfast"));
      const policy = [{ paths: ["docs"], do: "off" }];
      box.file(".holdfast.json", JSON.stringify({ hooks: { whenHubIsDown: "closed", policy } }));
      for (let i = 0; i < 2; i++) {
        const ran = await run(box, edit(box, "a.ts"));
        expect(ran.code).toBe(0);
        expect(denial(ran)).toContain("Nothing was changed.");
      }
      const shell = (command: string) => edit(box, "", { tool_name: "Bash", tool_input: { command } });
      expect(denial(await run(box, shell("echo x > a.ts")))).toContain("holdfast up");
      expect(denial(await run(box, shell("ls -la")))).toBeUndefined();
      expect(denial(await run(box, edit(box, "docs/x.md")))).toBeUndefined();
      expect(denial(await run(box, edit(box, "../outside.ts")))).toBeUndefined();
    }),
  );

  it(
    "keeps what was edited, in a file of bounded size, and the next hub lets it take effect, in order and once",
    inSandbox(async (box) => {
      await box.serve();
      await box.run(["claim", "T-1", "--paths", "held.ts"]);
      await run(box, payload(box, "SessionStart", { source: "startup" }));
      await box.stop("SIGKILL");
      const names = ["a.ts", "b.ts", "c.ts", "d.ts", "held.ts"];
      for (const name of names) {
        box.file(name);
        expect((await run(box, edited(box, name))).code).toBe(0);
      }
      expect(readFileSync(spoolOf(box), "utf8").split("\n")).toHaveLength(names.length + 1);
      expect(statSync(spoolOf(box)).mode & 0o077).toBe(0);
      await box.serve();
      // Whichever hook comes first brings it; two at once bring it once.
      const [one, two] = await Promise.all([
        run(box, payload(box, "UserPromptSubmit", { prompt: "x" })),
        run(box, patched(box, "z.ts"), { host: "codex" }),
      ]);
      expect([one.code, two.code]).toEqual([0, 0]);
      const { json } = await box.run(["activity", "--json"]);
      const items = json.items as { path: string; kind: string; agent: string }[];
      const told = items.toReversed().map(({ path, kind }) => [path, kind]);
      expect(told).toEqual([
        ...names.slice(0, 4).map((name) => [name, "edit"]),
        ["held.ts", "unclaimed-edit"],
      ]);
      expect(items.every(({ agent }) => agent === "claude-9ea8c72c-1111")).toBe(true);
      expect(existsSync(spoolOf(box))).toBe(false);
      expect((await box.run(["inbox"])).out).toContain("held.ts");
      // What was free is held now.
      expect(denial(await run(box, patched(box, "b.ts"), { host: "codex" }))).toContain(
        "claude-9ea8c72c-1111",
      );
      // The agent is told of what it edited against another.
      const later = await run(box, payload(box, "UserPromptSubmit", { prompt: "y" }));
      expect(`${one.out}${later.out}`).toContain("While no hub ran you edited what another holds");
    }),
    60_000,
  );

  it(
    "lets what waits take effect when a hub starts, though no hook comes",
    inSandbox(async (box) => {
      mkdirSync(join(box.root, ".git/holdfast"));
      await run(box, edited(box, "a.ts"));
      await box.serve();
      await expect
        .poll(async () => (await box.run(["activity", "--json"])).json.items.length, { timeout: 10_000 })
        .toBe(1);
      expect(existsSync(spoolOf(box))).toBe(false);
    }),
  );

  it(
    "keeps no more than there is room for, and takes foreign lines for what they are",
    inSandbox(async (box) => {
      mkdirSync(join(box.root, ".git/holdfast"), { recursive: true });
      const lines = ['{"id":"x"}', "not json", "null", '{"__proto__":{"id":"y"}}', ""].join("\n");
      writeFileSync(spoolOf(box), lines);
      await run(box, edited(box, "a.ts"));
      await box.serve();
      await run(box, edit(box, "b.ts"));
      const { json } = await box.run(["activity", "--json"]);
      expect(json.items.map(({ path }: { path: string }) => path)).toEqual(["a.ts"]);
      await box.stop();
      writeFileSync(spoolOf(box), "x".repeat(limits.hookSpoolBytesMax - 10));
      await run(box, edited(box, "c.ts"));
      expect(statSync(spoolOf(box)).size).toBeLessThanOrEqual(limits.hookSpoolBytesMax);
      rmSync(spoolOf(box));
    }),
  );
});

describe("the program", () => {
  it("is one small file that loads next to nothing of node, and no other where a hub answers", () => {
    const text = readFileSync(hook, "utf8");
    const loaded = [...text.matchAll(/require\("([^"]+)"\)/g)].map(([, name]) => name?.replace("node:", ""));
    expect([...new Set(loaded)].sort()).toEqual(["./hook-alone.js", "fs", "net", "path", "tls"]);
    expect(text.length).toBeLessThan(20_000);
  });

  it("tells the hub of every variable by which a host says that nobody is there", () => {
    const variables = Object.values(hosts).flatMap(({ print }) => Object.keys(print));
    expect(TOLD).toEqual(expect.arrayContaining(variables));
    expect(TOLD).toHaveLength(variables.length + 2);
  });
});
