/**
 * What each host's hooks tell, in the one form: a table a host over payloads as their contracts show them, and
 * random payloads, of which none may throw.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HookEvent, Host, ToolUse } from "../../adapters/hooks/event.ts";
import { hosts } from "../../adapters/hooks/hosts.ts";
import { normalise } from "../../adapters/hooks/normalise.ts";
import { limits } from "../../core/limits.ts";

const folder = join(dirname(fileURLToPath(import.meta.url)), "hooks-fixtures");
const payload = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));

const sessions: Record<Host, string> = {
  claude: "9ea8c72c-0f0d-4d6e-9d1e-0b0a4c1f2e3d",
  codex: "01a1b2c3-0000-7000-8000-000000000001",
  copilot: "f3b0c442-98fc-4c14-9afb-f4c8996fb924",
  gemini: "0199a213-81c0-7800-8aa1-bbab2a035a53",
  cursor: "668320d2-2fd8-4888-b33c-2a466fec86e7",
  opencode: "ses_5c1f7a2e1ffe",
};

const edit = (name: string, id: string | undefined, ...paths: string[]): ToolUse => ({
  name,
  kind: "edit",
  ...(id !== undefined && { id }),
  paths,
});
const shell = (name: string, id: string | undefined, command: string, cwd?: string): ToolUse => ({
  name,
  kind: "shell",
  ...(id !== undefined && { id }),
  paths: [],
  command,
  ...(cwd !== undefined && { cwd }),
});
const other = (name: string, id: string): ToolUse => ({ name, kind: "other", id, paths: [] });

const patched = ["src/new.ts", "src/old.ts", "src/from.ts", "src/to.ts"];
const heredoc =
  "cd src && apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: src/a.ts\n@@\n-aaa\n+bbb\n*** End Patch\nEOF";

type Row = readonly [file: string, event: string, rest: Partial<HookEvent>] | readonly [file: string];

const tables: Record<Host, readonly Row[]> = {
  claude: [
    ["session-start", "SessionStart", { moment: "start", source: "startup" }],
    ["session-start-compact", "SessionStart", { moment: "start", source: "compact" }],
    ["prompt", "UserPromptSubmit", { moment: "prompt", source: "user" }],
    [
      "before-bash",
      "PreToolUse",
      { moment: "before", tools: [shell("Bash", "toolu_1", "sed -i s/a/b/ src/a.ts")] },
    ],
    ["before-edit", "PreToolUse", { moment: "before", tools: [edit("Edit", "toolu_1", "/repo/src/a.ts")] }],
    [
      "before-write",
      "PreToolUse",
      { moment: "before", tools: [edit("Write", "toolu_1", "/repo/src/new.ts")] },
    ],
    [
      "before-multiedit",
      "PreToolUse",
      { moment: "before", tools: [edit("MultiEdit", "toolu_1", "/repo/src/a.ts")] },
    ],
    [
      "before-notebook",
      "PreToolUse",
      { moment: "before", tools: [edit("NotebookEdit", "toolu_1", "/repo/n.ipynb")] },
    ],
    ["before-read", "PreToolUse", { moment: "before", tools: [other("Read", "toolu_1")] }],
    ["before-mcp", "PreToolUse", { moment: "before", tools: [other("mcp__holdfast__claim", "toolu_1")] }],
    [
      "before-edit-subagent",
      "PreToolUse",
      { moment: "before", subagent: "agent-7", tools: [edit("Edit", "toolu_1", "/repo/src/a.ts")] },
    ],
    ["after-edit", "PostToolUse", { moment: "after", tools: [edit("Edit", "toolu_1", "/repo/src/a.ts")] }],
    ["failed-bash", "PostToolUseFailure", { moment: "failed", tools: [shell("Bash", "toolu_1", "false")] }],
    [
      "batch",
      "PostToolBatch",
      {
        moment: "batch",
        tools: [
          edit("Edit", "toolu_1", "/repo/src/a.ts"),
          shell("Bash", "toolu_2", "touch x"),
          other("Read", "toolu_3"),
        ],
      },
    ],
    ["stop", "Stop", { moment: "stop" }],
    ["stop-held", "Stop", { moment: "stop", isHeld: true }],
    ["subagent-start", "SubagentStart", { moment: "start", subagent: "agent-7" }],
    ["subagent-stop", "SubagentStop", { moment: "end", subagent: "agent-7" }],
    ["session-end", "SessionEnd", { moment: "end" }],
    ["notification"],
  ],
  codex: [
    ["session-start", "SessionStart", { moment: "start", source: "startup" }],
    ["prompt", "UserPromptSubmit", { moment: "prompt" }],
    ["before-patch", "PreToolUse", { moment: "before", tools: [edit("apply_patch", "call_1", "src/a.ts")] }],
    [
      "before-patch-many",
      "PreToolUse",
      { moment: "before", tools: [edit("apply_patch", "call_1", ...patched)] },
    ],
    [
      "before-bash",
      "PreToolUse",
      { moment: "before", tools: [shell("Bash", "call_1", "sed -i s/a/b/ src/a.ts")] },
    ],
    ["before-bash-patch", "PreToolUse", { moment: "before", tools: [shell("Bash", "call_1", heredoc)] }],
    [
      "before-shell-words",
      "PreToolUse",
      {
        moment: "before",
        tools: [shell("shell", "call_1", "bash -lc 'touch '\\''it is'\\'''", "/repo/pkg")],
      },
    ],
    ["after-patch", "PostToolUse", { moment: "after", tools: [edit("apply_patch", "call_1", "src/a.ts")] }],
    ["stop", "Stop", { moment: "stop", isHeld: true }],
    ["subagent-stop", "SubagentStop", { moment: "end", subagent: "sub-1" }],
    ["session-end", "SessionEnd", { moment: "end" }],
    ["interrupt"],
  ],
  copilot: [
    ["camel-start", "sessionStart", { moment: "start", source: "new" }],
    ["camel-prompt", "userPromptSubmitted", { moment: "prompt" }],
    [
      "camel-before-edit",
      "preToolUse",
      { moment: "before", tools: [edit("edit", undefined, "/repo/src/a.ts")] },
    ],
    [
      "camel-before-create-text",
      "preToolUse",
      { moment: "before", tools: [edit("create", undefined, "/repo/src/new.ts")] },
    ],
    [
      "camel-before-patch",
      "preToolUse",
      { moment: "before", tools: [edit("apply_patch", undefined, "src/a.ts")] },
    ],
    ["camel-before-bash", "preToolUse", { moment: "before", tools: [shell("bash", undefined, "rm a.ts")] }],
    [
      "camel-before-view",
      "preToolUse",
      { moment: "before", tools: [{ name: "str_replace_editor", kind: "other", paths: [] }] },
    ],
    ["camel-after", "postToolUse", { moment: "after", tools: [edit("edit", undefined, "/repo/src/a.ts")] }],
    ["camel-failed", "postToolUseFailure", { moment: "failed", tools: [shell("bash", undefined, "false")] }],
    ["camel-stop", "agentStop", { moment: "stop", isHeld: true }],
    ["camel-subagent-start"],
    ["camel-subagent-stop", "subagentStop", { moment: "end", subagent: "a1" }],
    ["camel-end", "sessionEnd", { moment: "end" }],
    ["camel-error"],
    ["pascal-start", "SessionStart", { moment: "start", source: "startup" }],
    [
      "pascal-before-edit",
      "PreToolUse",
      { moment: "before", tools: [edit("Edit", undefined, "/repo/src/a.ts")] },
    ],
    ["pascal-before-patch", "PreToolUse", { moment: "before", tools: [edit("Edit", undefined, ...patched)] }],
    ["pascal-before-bash", "PreToolUse", { moment: "before", tools: [shell("Bash", undefined, "touch x")] }],
    ["pascal-after", "PostToolUse", { moment: "after", tools: [edit("Write", undefined, "/repo/n.ts")] }],
    ["pascal-stop", "Stop", { moment: "stop" }],
  ],
  gemini: [
    ["session-start", "SessionStart", { moment: "start", source: "startup" }],
    ["before-agent", "BeforeAgent", { moment: "prompt" }],
    [
      "before-write",
      "BeforeTool",
      { moment: "before", tools: [edit("write_file", undefined, "/repo/src/a.ts")] },
    ],
    [
      "before-replace",
      "BeforeTool",
      { moment: "before", tools: [edit("replace", undefined, "/repo/src/a.ts")] },
    ],
    [
      "before-shell",
      "BeforeTool",
      { moment: "before", tools: [shell("run_shell_command", undefined, "touch x", "pkg")] },
    ],
    [
      "after-write",
      "AfterTool",
      { moment: "after", tools: [edit("write_file", undefined, "/repo/src/a.ts")] },
    ],
    [
      "after-failed",
      "AfterTool",
      { moment: "failed", tools: [edit("replace", undefined, "/repo/src/a.ts")] },
    ],
    ["after-agent", "AfterAgent", { moment: "stop", isHeld: true }],
    ["session-end", "SessionEnd", { moment: "end" }],
    ["before-model"],
  ],
  cursor: [
    ["session-start", "sessionStart", { moment: "start" }],
    ["prompt", "beforeSubmitPrompt", { moment: "prompt" }],
    ["before-write", "preToolUse", { moment: "before", tools: [edit("Write", "tu1", "/repo/src/a.ts")] }],
    ["before-delete", "preToolUse", { moment: "before", tools: [edit("Delete", "tu1", "/repo/src/a.ts")] }],
    [
      "before-shell-tool",
      "preToolUse",
      { moment: "before", tools: [shell("Shell", "tu1", "touch x", "/repo/pkg")] },
    ],
    [
      "before-shell",
      "beforeShellExecution",
      { moment: "before", cwd: "/repo/sub", tools: [shell("Shell", undefined, "rm a.ts")] },
    ],
    [
      "after-file-edit",
      "afterFileEdit",
      { moment: "after", tools: [edit("Write", undefined, "/repo/src/a.ts")] },
    ],
    [
      "after-shell",
      "afterShellExecution",
      { moment: "after", tools: [shell("Shell", undefined, "rm a.ts")] },
    ],
    ["stop", "stop", { moment: "stop" }],
    ["stop-held", "stop", { moment: "stop", isHeld: true }],
    ["subagent-start", "subagentStart", { moment: "start", subagent: "sub1" }],
    ["subagent-stop-nameless"],
    ["session-end", "sessionEnd", { moment: "end" }],
    ["thought"],
  ],
  opencode: [
    ["created", "session.created", { moment: "start" }],
    ["message", "chat.message", { moment: "prompt" }],
    [
      "before-edit",
      "tool.execute.before",
      { moment: "before", tools: [edit("edit", "call_1", "/repo/src/a.ts")] },
    ],
    [
      "before-patch",
      "tool.execute.before",
      { moment: "before", tools: [edit("apply_patch", "call_1", ...patched)] },
    ],
    [
      "before-bash",
      "tool.execute.before",
      { moment: "before", tools: [shell("bash", "call_1", "touch x", "/repo/pkg")] },
    ],
    [
      "after-write",
      "tool.execute.after",
      { moment: "after", tools: [edit("write", "call_1", "/repo/src/a.ts")] },
    ],
    ["idle", "session.idle", { moment: "stop" }],
    ["deleted", "session.deleted", { moment: "end" }],
  ],
};

const names = Object.keys(tables) as Host[];

describe.each(names)("%s", (host) => {
  it.each(tables[host])("%s", (file, event?: string, rest?: Partial<HookEvent>) => {
    const expected =
      event === undefined
        ? undefined
        : {
            host,
            event,
            session: sessions[host],
            cwd: "/repo",
            tools: [],
            isHeld: false,
            isPrint: false,
            ...rest,
          };
    expect(normalise(host, payload(`${host}/${file}`))).toEqual(expected);
  });

  it("has a row for every payload kept here", () => {
    const kept = readdirSync(join(folder, host)).map((name) => name.replace(/\.json$/, ""));
    expect(tables[host].map(([file]) => file).sort()).toEqual(kept.sort());
  });
});

describe("one host's files read by another", () => {
  const start = payload("copilot/pascal-start");

  it("Copilot is told apart from Claude by its dates, Cursor by its conversation", () => {
    expect(normalise("claude", start)?.host).toBe("copilot");
    expect(normalise("claude", payload("claude/session-start"))?.host).toBe("claude");
    const { conversation_id, workspace_roots } = payload("cursor/stop");
    const borrowed = { conversation_id, workspace_roots, hook_event_name: "PreToolUse", tool_name: "Write" };
    expect(normalise("claude", { ...borrowed, tool_input: { file_path: "a" } })).toMatchObject({
      host: "cursor",
      session: sessions.cursor,
      cwd: "/repo",
      tools: [{ kind: "edit", paths: ["a"] }],
    });
  });

  it("a session has one identity, whichever registration it came through", () => {
    const [own, borrowed] = [normalise("copilot", start), normalise("claude", start)];
    expect(borrowed).toEqual(own);
  });
});

describe("the environment", () => {
  const stop = payload("claude/stop");

  it.each([
    [{ CLAUDE_CODE_ENTRYPOINT: "sdk-cli" }, true],
    [{ CLAUDE_CODE_SESSION_ATTENDED: "0" }, true],
    [{ CLAUDE_CODE_ENTRYPOINT: "cli" }, false],
    [{ CLAUDE_CODE_ENTRYPOINT: "sdk-ts" }, false],
    [{ COPILOT_AGENT_PROMPT: "do it" }, false],
    [{}, false],
  ])("%o: printing is %s", (env, isPrint) => {
    expect(normalise("claude", stop, env)?.isPrint).toBe(isPrint);
  });

  it("names the folder where a payload does not", () => {
    const { cwd: _, ...rest } = stop;
    expect(normalise("claude", rest)).toBeUndefined();
    expect(normalise("claude", rest, { PWD: "/elsewhere" })?.cwd).toBe("/elsewhere");
    expect(normalise("claude", { ...rest, cwd: "relative" }, { PWD: "also/relative" })).toBeUndefined();
  });
});

describe("whatever comes", () => {
  it("nothing usable is nothing", () => {
    for (const raw of [undefined, null, "", "{}", 0, [], {}, [payload("claude/stop")], () => 1])
      expect(normalise("claude", raw)).toBeUndefined();
    const stop = payload("claude/stop");
    for (const broken of [
      { session_id: "" },
      { session_id: 7 },
      { session_id: "x".repeat(limits.idMax + 1) },
      { session_id: "a\nb" },
      { hook_event_name: "toString" },
      { hook_event_name: "__proto__" },
      { hook_event_name: "Unheard" },
      { cwd: "a\0b" },
    ])
      expect(normalise("claude", { ...stop, ...broken })).toBeUndefined();
  });

  it("nothing of a prototype is data", () => {
    const inherited = Object.create(payload("claude/before-edit"));
    expect(normalise("claude", inherited)).toBeUndefined();
    const edit = payload("claude/before-edit");
    const input = Object.create({ file_path: "/repo/secret" });
    expect(normalise("claude", { ...edit, tool_input: input })?.tools).toEqual([
      { name: "Edit", kind: "edit", id: "toolu_1", paths: [] },
    ]);
    const polluted = JSON.parse('{"__proto__":{"file_path":"/repo/x"},"constructor":{"name":"y"}}');
    expect(normalise("claude", { ...edit, tool_input: polluted })?.tools[0]?.paths).toEqual([]);
    expect(normalise("claude", { ...edit, tool_name: "constructor" })?.tools[0]?.kind).toBe("other");
  });

  it("a payload that is no plain data is nothing", () => {
    const trap = {
      get hook_event_name(): string {
        throw new Error("gotcha");
      },
    };
    expect(normalise("claude", trap)).toBeUndefined();
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    expect(normalise("claude", revoked.proxy)).toBeUndefined();
  });

  it("what is too much is cut, and says so", () => {
    const patch = payload("codex/before-patch");
    const lines = Array.from({ length: limits.hookPathsMax + 5 }, (_, i) => `*** Add File: f${i}\n+x`);
    const many = `*** Begin Patch\n${lines.join("\n")}\n*** End Patch`;
    const [use] = normalise("codex", { ...patch, tool_input: { command: many } })?.tools ?? [];
    expect(use?.paths).toHaveLength(limits.hookPathsMax);
    expect(use?.isCut).toBe(true);
    const bash = payload("claude/before-bash");
    const command = "x".repeat(limits.hookCommandMax + 1);
    const [long] = normalise("claude", { ...bash, tool_input: { command } })?.tools ?? [];
    expect([long?.command?.length, long?.isCut]).toEqual([limits.hookCommandMax, true]);
    const batch = payload("claude/batch");
    const calls = Array.from({ length: limits.hookToolsMax + 1 }, () => ({ tool_name: "Read" }));
    expect(normalise("claude", { ...batch, tool_calls: calls })?.tools).toHaveLength(limits.hookToolsMax);
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const copilot = payload("copilot/camel-before-edit");
    expect(normalise("copilot", { ...copilot, toolArgs: deep })?.tools[0]?.paths).toEqual([]);
  });

  const anything = fc.anything({ withNullPrototype: true, withMap: true, withDate: true, maxDepth: 4 });
  /** A payload of a host that begins well and then has anything anywhere. */
  const hostile = fc.constantFrom(...names).chain((host) => {
    const { fields, events, tools } = hosts[host];
    const places = Object.values(fields).flatMap((each: readonly string[]) => each);
    const flat = [...places.filter((place) => !place.includes(".")), "sessionId", "timestamp", "__proto__"];
    const known = [...Object.keys(events), ...Object.keys(tools), "/repo", "s1", "__proto__"];
    const value = fc.oneof(
      fc.constantFrom<unknown>(...known),
      fc.constantFrom(...Object.keys(tools)),
      anything,
    );
    const [event, session, cwd] = [fields.event[0], fields.session[0], fields.cwd[0]] as string[];
    return fc
      .tuple(fc.constantFrom(...Object.keys(events)), fc.dictionary(fc.constantFrom(...flat), value))
      .map(([name, rest]) => ({
        host,
        raw: { [event as string]: name, [session as string]: "s1", [cwd as string]: "/repo", ...rest },
      }));
  });
  const nonsense = fc.record({ host: fc.constantFrom(...names), raw: anything });

  it("never throws, and what it makes of it is safe", () => {
    let made = 0;
    fc.assert(
      fc.property(fc.oneof({ weight: 4, arbitrary: hostile }, nonsense), ({ host, raw }) => {
        const event = normalise(host, raw);
        if (event === undefined) return;
        made++;
        expect(event.session.length).toBeGreaterThan(0);
        expect(event.session.length).toBeLessThanOrEqual(limits.idMax);
        expect(event.cwd).toMatch(/^(?:\/|[A-Za-z]:|\\\\)/);
        expect(event.tools.length).toBeLessThanOrEqual(limits.hookToolsMax);
        for (const { name, paths, kind } of event.tools) {
          expect(typeof name).toBe("string");
          expect(["edit", "shell", "other"]).toContain(kind);
          expect(paths.length).toBeLessThanOrEqual(limits.hookPathsMax);
          for (const path of paths) expect(typeof path).toBe("string");
        }
        expect(JSON.parse(JSON.stringify(event))).toEqual(event);
      }),
      { numRuns: 3000 },
    );
    expect(made, "random payloads must reach the inside").toBeGreaterThan(500);
  });

  it("every field of every payload may be anything", () => {
    const files = names.flatMap((host) =>
      tables[host].map(([file]) => [host, payload(`${host}/${file}`)] as const),
    );
    fc.assert(
      fc.property(fc.constantFrom(...files), fc.nat(), anything, ([host, raw], at, replaced) => {
        const keys = Object.keys(raw);
        const key = keys[at % keys.length] as string;
        normalise(host, { ...raw, [key]: replaced });
        const inner = raw[key];
        if (typeof inner === "object" && inner !== null)
          normalise(host, { ...raw, [key]: { ...inner, [Object.keys(inner)[0] ?? "x"]: replaced } });
      }),
      { numRuns: 1500 },
    );
  });
});
