/**
 * What is played to the hosts so that every payload of theirs is seen once.
 */
import { join } from "node:path";
import type { Play } from "./record.ts";
import type { Use } from "./wires.ts";

/** Every event of Claude Code that can be had here. */
export const CLAUDE_EVENTS = [
  "PreToolUse",
  "PostToolUse",
  "PostToolUseFailure",
  "PostToolBatch",
  "Notification",
  "UserPromptSubmit",
  "UserPromptExpansion",
  "SessionStart",
  "SessionEnd",
  "Stop",
  "StopFailure",
  "SubagentStart",
  "SubagentStop",
  "PreCompact",
  "PostCompact",
  "PermissionRequest",
  "PermissionDenied",
  "InstructionsLoaded",
  "CwdChanged",
  "TaskCreated",
  "TaskCompleted",
  "Setup",
] as const;

/** Every event of Codex. */
export const CODEX_EVENTS = [
  "PreToolUse",
  "PermissionRequest",
  "PostToolUse",
  "PreCompact",
  "PostCompact",
  "SessionStart",
  "SessionEnd",
  "UserPromptSubmit",
  "SubagentStart",
  "SubagentStop",
  "Stop",
  "Interrupt",
] as const;

const bash = (command: string, more = {}): Use => ({
  tool: "Bash",
  input: { command, description: "works", ...more },
});

const shell = (cmd: string, more = {}): Use => ({ tool: "exec_command", input: { cmd, ...more } });

const patch = (...lines: string[]): Use => ({
  tool: "apply_patch",
  input: ["*** Begin Patch", ...lines, "*** End Patch", ""].join("\n"),
});

/** The session that the last run of a host began. */
const sessionOf = (stage: Parameters<Play["run"]>[0]): string =>
  stage.recorder.seen.findLast(({ payload }) => payload.hook_event_name === "SessionStart")?.payload
    .session_id;

/** Says no to tools that touch a file called `held`. */
// biome-ignore lint/suspicious/noExplicitAny: payloads are looked into as they came
const refuse = (payload: any): object | undefined =>
  payload.hook_event_name === "PreToolUse" && JSON.stringify(payload.tool_input).includes("held")
    ? {
        hookSpecificOutput: {
          hookEventName: "PreToolUse",
          permissionDecision: "deny",
          permissionDecisionReason: "It is held.",
        },
      }
    : undefined;

/** Claude Code. */
export const playClaude: readonly Play[] = [
  {
    script: (repo) => ({
      main: [
        { use: [{ tool: "Read", input: { file_path: join(repo, "src/a.ts") } }] },
        {
          use: [
            {
              tool: "Edit",
              input: { file_path: join(repo, "src/a.ts"), old_string: "aaa", new_string: "bbb" },
            },
            { tool: "Write", input: { file_path: join(repo, "src/b.ts"), content: "b\n" } },
          ],
        },
        { use: [bash("sed -i s/bbb/ccc/ src/a.ts")] },
        { use: [bash("cat > src/c.ts <<'EOF'\nc\nEOF")] },
        { use: [bash("false")] },
        { use: [bash("sed -i s/a/b/ src/held.ts")] },
        {
          use: [
            {
              tool: "Edit",
              input: { file_path: join(repo, "src/unread.ts"), old_string: "a", new_string: "b" },
            },
          ],
        },
        {
          use: [
            {
              tool: "ToolSearch",
              input: { query: "select:NotebookEdit,TaskCreate,TaskUpdate,EnterWorktree" },
            },
          ],
        },
        { use: [{ tool: "Read", input: { file_path: join(repo, "n.ipynb") } }] },
        {
          use: [
            {
              tool: "NotebookEdit",
              input: {
                notebook_path: join(repo, "n.ipynb"),
                cell_id: "c1",
                new_source: "b = 2",
                cell_type: "code",
                edit_mode: "replace",
              },
            },
          ],
        },
        { use: [{ tool: "TaskCreate", input: { subject: "A task", description: "to do" } }] },
        { use: [{ tool: "TaskUpdate", input: { taskId: "1", status: "completed" } }] },
        { use: [bash("cd src")] },
        { use: [bash("sed -i s/ccc/ddd/ a.ts")] },
        { use: [bash(`cd ${repo}`)] },
        { use: [{ tool: "EnterWorktree", input: { name: "side" } }] },
        {
          use: [
            {
              tool: "Write",
              input: { file_path: join(repo, ".claude/worktrees/side/w.ts"), content: "w\n" },
            },
          ],
        },
      ],
    }),
    answer: refuse,
    run: (stage) => stage.claude("[[main]] go"),
  },
  {
    script: (repo) => ({
      main: [
        {
          use: [
            {
              tool: "Agent",
              input: { description: "side work", prompt: "[[side]] go", subagent_type: "general-purpose" },
            },
          ],
        },
      ],
      side: [
        { use: [bash("echo s > src/s.ts")] },
        { use: [{ tool: "Write", input: { file_path: join(repo, "src/t.ts"), content: "t\n" } }] },
      ],
    }),
    run: (stage) => stage.claude("[[main]] go"),
  },
  {
    script: () => ({ main: [] }),
    answer: (payload) =>
      payload.hook_event_name === "Stop" && payload.stop_hook_active !== true
        ? { decision: "block", reason: "There is a message for you." }
        : undefined,
    run: async (stage) => {
      await stage.claude("[[main]] go");
      await stage.claude("/hey you", ["--resume", sessionOf(stage)]);
      await stage.claude("/compact", ["--resume", sessionOf(stage)]);
      await stage.claude("[[main]] go", ["--init"]);
    },
  },
  {
    script: (repo) => ({
      main: [{ use: [{ tool: "Write", input: { file_path: join(repo, "src/b.ts"), content: "b\n" } }] }],
      broken: [{ fail: 400 }],
    }),
    run: async (stage) => {
      await stage.claude("[[main]] go", [], "default");
      await stage.claude("[[broken]] go");
    },
  },
];

/** Codex. */
export const playCodex: readonly Play[] = [
  {
    script: () => ({
      main: [
        { use: [patch("*** Update File: src/a.ts", "@@", "-aaa", "+bbb")] },
        {
          use: [patch("*** Add File: src/many.ts", "+m", "*** Update File: src/a.ts", "@@", "-bbb", "+ccc")],
        },
        { use: [patch("*** Update File: src/a.ts", "*** Move to: src/moved.ts", "@@", "-ccc", "+ddd")] },
        { use: [patch("*** Delete File: src/many.ts")] },
        { use: [shell("sed -i s/ddd/eee/ src/moved.ts")] },
        { use: [shell("sed -i s/eee/fff/ moved.ts", { workdir: "src" })] },
        {
          use: [
            shell(
              "apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: src/moved.ts\n@@\n-fff\n+ggg\n*** End Patch\nEOF\n",
            ),
          ],
        },
        { use: [patch("*** Update File: src/held.ts", "@@", "-a", "+b")] },
      ],
      more: [],
    }),
    answer: refuse,
    run: async (stage) => {
      await stage.codex("[[main]] go");
      await stage.codex("[[more]] go", ["resume", sessionOf(stage)]);
    },
  },
  {
    script: () => ({
      main: [
        {
          use: [
            {
              tool: "spawn_agent",
              namespace: "collaboration",
              input: { task_name: "side", message: "[[side]] go", fork_turns: "none" },
            },
          ],
        },
        { use: [{ tool: "wait_agent", namespace: "collaboration", input: { timeout_ms: 10_000 } }] },
      ],
      side: [{ use: [shell("echo s > src/s.ts")] }, { use: [patch("*** Add File: src/t.ts", "+t")] }],
    }),
    answer: (payload) =>
      payload.hook_event_name === "Stop" && payload.stop_hook_active !== true
        ? { decision: "block", reason: "There is a message for you." }
        : undefined,
    run: (stage) => stage.codex("[[main]] go", ["--enable", "multi_agent_v2"]),
  },
];
