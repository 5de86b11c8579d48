/**
 * The desk of hooks on a hub: whatever is posted to it, a host can go on.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { Session } from "../../adapters/hooks/sessions.ts";
import { serve, tokenVerifier } from "../../adapters/node/index.ts";
import { tokenDigest } from "../../adapters/node/tokens.ts";
import type { Client } from "../../core/client/client.ts";
import { limits } from "../../core/limits.ts";
import { contextOf, deniedBy, Fleet, withFleet } from "./hook-fleet.ts";

const S1 = "9ea8c72c-1111-4222-8333-444455556666";

describe("the desk", () => {
  it(
    "answers garbage with an empty object, and goes on",
    withFleet(async (fleet) => {
      const claude = fleet.host("claude", S1);
      const good = claude.payload("PreToolUse", { tool_name: "Edit", tool_input: {}, tool_use_id: "u" });
      const bodies = [
        "",
        "{",
        "null",
        "[]",
        "7",
        '"x"',
        "\ufffd\u0000",
        '{"__proto__": {"hook_event_name": "PreToolUse"}}',
        JSON.stringify({ ...good, cwd: "relative" }),
        JSON.stringify({ ...good, cwd: `${fleet.root}\0` }),
        JSON.stringify({ ...good, cwd: join(fleet.root, "README.md") }),
        JSON.stringify({ ...good, cwd: join(fleet.root, "not/there") }),
        JSON.stringify({ ...good, session_id: 7 }),
        JSON.stringify({ ...good, session_id: "x".repeat(100_000) }),
        JSON.stringify({ ...good, hook_event_name: "NoSuchEvent" }),
        JSON.stringify({ ...good, tool_input: { file_path: ["x"] } }),
        JSON.stringify({ ...good, tool_input: { file_path: `/${"x/".repeat(20_000)}` } }),
        JSON.stringify({ ...good, tool_input: { file_path: "a\u0007\u001b.ts" } }),
        `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`,
        `{"tool_input": ${"[".repeat(100_000)}${"]".repeat(100_000)}, "session_id": "s", "cwd": "/"}`,
      ];
      for (const body of bodies) {
        const answer = await fleet.post("claude", body);
        expect([answer.status, answer.text], body.slice(0, 80)).toEqual([200, "{}"]);
      }
      expect(await claude.edit("src/a.ts")).toBeUndefined();
    }),
  );

  it(
    "never fails on what looks like a hook of any host",
    withFleet(async (fleet) => {
      const event = fc.constantFrom(
        "PreToolUse",
        "PostToolUse",
        "PostToolBatch",
        "Stop",
        "SessionStart",
        "BeforeTool",
      );
      const payload = fc.record({
        session_id: fc.oneof(fc.string(), fc.constant(S1)),
        cwd: fc.oneof(fc.constant(fleet.root), fc.string()),
        hook_event_name: event,
        tool_name: fc.constantFrom("Edit", "Bash", "apply_patch", "write_file", "toString"),
        tool_input: fc.oneof(
          fc.object(),
          fc.record({ command: fc.string(), file_path: fc.string() }),
          fc.jsonValue(),
        ),
        tool_calls: fc.oneof(fc.array(fc.object(), { maxLength: 3 }), fc.jsonValue()),
        tool_use_id: fc.oneof(fc.string(), fc.jsonValue()),
        stop_hook_active: fc.jsonValue(),
      });
      const host = fc.constantFrom("claude", "codex", "copilot", "gemini", "cursor", "opencode");
      await fc.assert(
        fc.asyncProperty(host, payload, async (name, said) => {
          const answer = await fleet.post(name, JSON.stringify(said));
          expect(answer.status).toBe(200);
          expect(answer.text.startsWith("{")).toBe(true);
        }),
        { numRuns: 150 },
      );
      expect(fleet.reports).toEqual([]);
    }),
  );

  it(
    "takes no body without end, and keeps serving",
    withFleet(async (fleet) => {
      const giant = JSON.stringify({ x: "y".repeat(4 * limits.hookBodyBytesMax) });
      for (const answer of await Promise.all([1, 2, 3].map(() => fleet.post("claude", giant)))) {
        expect([answer.status, answer.text]).toEqual([200, "{}"]);
      }
      const { port } = new URL(fleet.url);
      const socket = connectSocket(Number(port), "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write("POST /hooks/claude HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{");
      expect(await fleet.host("claude", S1).edit("src/a.ts")).toBeUndefined();
      socket.destroy();
    }),
  );

  it(
    "knows its hosts and methods only",
    withFleet(async (fleet) => {
      for (const host of ["toString", "__proto__", "CLAUDE", "claude/../codex", ""]) {
        const response = await fetch(`${fleet.url}/hooks/${host}`, { method: "POST", body: "{}" });
        expect(response.status, host).toBeGreaterThanOrEqual(host === "claude/../codex" ? 200 : 404);
      }
      expect((await fetch(`${fleet.url}/hooks/claude`)).status).toBe(405);
      const foreign = await fetch(`${fleet.url}/hooks/claude`, {
        method: "POST",
        body: "{}",
        headers: { origin: "https://evil.example" },
      });
      expect(foreign.status).toBe(403);
    }),
  );
});

describe("two registrations of one hook", () => {
  it(
    "act once, through whichever host's file they come",
    withFleet(async (fleet) => {
      const alice = await fleet.agent("alice");
      await alice.call("claim.acquire", { claim: "c", scope: { worktree: fleet.root, files: ["src/a.ts"] } });
      const claude = fleet.host("claude", S1);
      await claude.send("SessionStart", { source: "startup" });
      const input = { file_path: join(fleet.root, "src/a.ts") };
      const [one, two] = await Promise.all([1, 2].map(() => claude.before("Edit", input, "same")));
      expect(deniedBy(one as never)).toContain("held by alice");
      expect(deniedBy(two as never)).toBe(deniedBy(one as never));
      // Freed in between: the same use still has the same answer, another is asked anew.
      await alice.call("claim.release", { claim: "c" });
      expect(deniedBy(await claude.before("Edit", input, "same"))).toContain("held by alice");
      expect(deniedBy(await claude.before("Edit", input, "other"))).toBeUndefined();
      await alice.call("message.post", { to: claude.agent, body: "hello" });
      const use = fleet.nextUse();
      const told = await Promise.all([1, 2].map(() => claude.after("Edit", input, use)));
      expect(told.filter((answer) => contextOf(answer) !== undefined)).toHaveLength(1);
      const { items } = await alice.call("activity.list", {});
      expect(items).toHaveLength(1);
      await alice.close();
    }),
  );

  it(
    "of prompts and stops, which have no id, act once, too",
    withFleet(async (fleet) => {
      const claude = fleet.host("claude", S1);
      await claude.send("SessionStart", { source: "startup" });
      const alice = await fleet.agent("alice");
      await alice.call("message.post", { to: claude.agent, body: "one" });
      const held = await Promise.all([1, 2].map(() => claude.send("Stop", { stop_hook_active: false })));
      expect(held.map(({ json }) => json.decision).sort()).toEqual(["block", undefined]);
      await alice.close();
    }),
  );
});

describe("names", () => {
  it("are what the host's shell is called, also where that was told otherwise, and after the hub was started anew", async () => {
    const fleet = new Fleet();
    try {
      const log = `sqlite:${join(fleet.root, ".git/holdfast/log.db")}`;
      await fleet.serve(log);
      const claude = fleet.host("claude", S1);
      const env = Buffer.from('{"HOLDFAST_AGENT":"ann"}').toString("base64url");
      claude.headers = { "holdfast-env": env };
      await claude.send("SessionStart", { source: "startup" });
      // Hooks over HTTP do not know.
      claude.headers = {};
      await claude.edit("src/a.ts");
      await fleet.hub?.close();
      await fleet.serve(log);
      expect(await claude.edit("src/a.ts")).toBeUndefined();
      const looker = await fleet.agent("looker");
      const { items } = await looker.call("claims.list", {});
      expect(items.map(({ holder, scope }) => [holder, scope?.files])).toEqual([["ann", ["src/a.ts"]]]);
      // What was held before the start is still held, and joined.
      await claude.edit("src/b.ts");
      const later = await looker.call("claims.list", {});
      expect(later.items.map(({ scope }) => scope?.files)).toEqual([["src/a.ts", "src/b.ts"]]);
      await looker.close();
    } finally {
      await fleet.dispose();
    }
  });

  it(
    "with characters that no name has, or of sessions that look alike, stay apart and well",
    withFleet(async (fleet) => {
      const odd = fleet.host("claude", "söme / session id");
      expect(await odd.edit("src/a.ts")).toBeUndefined();
      const sub = fleet.host("claude", S1, { agent_id: "../../x y" });
      expect(await sub.edit("src/b.ts")).toBeUndefined();
      const looker = await fleet.agent("looker");
      const { items } = await looker.call("claims.list", {});
      for (const { holder } of items) expect(holder).toMatch(/^claude-[\w-]+(\/[0-9a-f]{12})?$/);
      expect(items).toHaveLength(2);
      await looker.close();
    }),
  );
});

describe("a hub with tokens", () => {
  it("lets in who has one; others go on unguarded and are told once", async () => {
    const fleet = new Fleet();
    try {
      const file = join(fleet.folder, "tokens");
      writeFileSync(file, `* sha256:${tokenDigest("secret")}\nbob sha256:${tokenDigest("bobs")}\n`);
      fleet.hub = await serve({
        log: "memory:",
        listen: ["ws://127.0.0.1:0"],
        verify: tokenVerifier(file),
        report: (what, error) => fleet.reports.push(`${what} ${String(error)}`),
      });
      const claude = fleet.host("claude", S1);
      const ask = () => claude.before("Edit", { file_path: join(fleet.root, "src/a.ts") });
      expect((await ask()).json.systemMessage).toContain("does not guard this session");
      expect((await ask()).text).toBe("{}");
      expect(deniedBy(await ask())).toBeUndefined();
      claude.headers = { authorization: "Bearer secret" };
      expect((await ask()).text).toBe("{}");
      const codex = fleet.host("codex", "x-1");
      codex.headers = { authorization: "Bearer secret" };
      expect(await codex.edit("src/a.ts")).toContain(claude.agent);
      // Who once was let in does not let others in.
      claude.headers = {};
      await claude.edit("src/c.ts");
      expect(await codex.edit("src/c.ts")).toBeUndefined();
      // A token of another name.
      codex.headers = { authorization: "Bearer bobs" };
      expect(await codex.edit("src/a.ts")).toBeUndefined();
      expect(fleet.reports.join("\n")).not.toContain("secret");
    } finally {
      await fleet.dispose();
    }
  });
});

describe("sessions", () => {
  it(
    "are remembered in bounded number, and forgetting one costs it nothing",
    withFleet(async (fleet) => {
      const first = fleet.host("claude", "first-session");
      await first.edit("src/a.ts");
      for (let i = 0; i < limits.hookSessionsMax + 5; i += 50) {
        const batch = Array.from({ length: 50 }, (_, k) => fleet.host("codex", `s${i + k}-x`));
        await Promise.all(
          batch.map((host) => host.send("PreToolUse", { tool_name: "Read", tool_input: {} })),
        );
      }
      expect(await first.edit("src/a.ts")).toBeUndefined();
      expect(await first.edit("src/b.ts")).toBeUndefined();
      expect(await fleet.host("codex", "late-1").edit("src/a.ts")).toContain(first.agent);
    }),
    60_000,
  );

  it("that are silent leave the hub, without a word about their presence, and come again", async () => {
    vi.useFakeTimers();
    try {
      const opened: unknown[] = [];
      let closed = 0;
      const connect = async (visitor: object) => {
        opened.push(visitor);
        return { close: async () => void closed++ } as unknown as Client;
      };
      const session = new Session(connect, "a", undefined, { isLocal: true });
      const first = await session.client();
      await vi.advanceTimersByTimeAsync(limits.hookRestMs - 1);
      expect(await session.client()).toBe(first);
      await vi.advanceTimersByTimeAsync(limits.hookRestMs - 1);
      expect(closed).toBe(0);
      await vi.advanceTimersByTimeAsync(1);
      expect(closed).toBe(1);
      expect(await session.client()).not.toBe(first);
      expect(opened).toEqual([
        { agent: "a", oneShot: true },
        { agent: "a", oneShot: true },
      ]);
      // Well before it would be kept alive from here.
      expect(limits.hookRestMs).toBeLessThan(limits.heartbeatMs);
      await session.leave();
    } finally {
      vi.useRealTimers();
    }
  });

  it(
    "of another repository on this machine are guarded under their own worktree",
    withFleet(async (fleet) => {
      mkdirSync(join(fleet.folder, "other/.holdfast"), { recursive: true });
      const claude = fleet.host("claude", S1);
      await claude.before("Write", { file_path: join(fleet.folder, "other/x.ts"), content: "" });
      const looker = await fleet.agent("looker");
      const { items } = await looker.call("claims.list", {});
      expect(items.map(({ scope }) => scope)).toEqual([
        { worktree: join(fleet.folder, "other"), files: ["x.ts"] },
      ]);
      expect(readFileSync(join(fleet.root, "src/a.ts"), "utf8")).toBe("a\n");
      await looker.close();
    }),
  );
});
