/**
 * The hosts that have forms of their own: Gemini CLI, Cursor and OpenCode.
 */
import type { Host } from "./event.ts";
import { EVENT, type Form, type HostFacts, TEXT, type ToolFacts } from "./host-facts.ts";
import { claudeEvents, claudeFields } from "./hosts-claude.ts";

const geminiContext: Form = { hookSpecificOutput: { hookEventName: EVENT, additionalContext: TEXT } };
const geminiDeny: Form = { decision: "deny", reason: TEXT };
const systemMessage: Form = { systemMessage: TEXT };

/** Gemini CLI. Its standard output must be JSON only. At `AfterAgent` a refusal makes it try again. */
export const gemini: HostFacts<Host> = {
  fields: { ...claudeFields, error: ["tool_response.error"] },
  events: {
    SessionStart: { moment: "start", says: { context: geminiContext, warning: systemMessage } },
    BeforeAgent: { moment: "prompt", says: { context: geminiContext, warning: systemMessage } },
    BeforeTool: { moment: "before", says: { deny: geminiDeny, warning: systemMessage } },
    AfterTool: { moment: "after", says: { context: geminiContext, warning: systemMessage } },
    AfterAgent: { moment: "stop", says: { hold: geminiDeny, warning: systemMessage } },
    SessionEnd: { moment: "end", says: { warning: systemMessage } },
  },
  tools: {
    write_file: { kind: "edit", paths: ["file_path"] },
    replace: { kind: "edit", paths: ["file_path"] },
    edit: { kind: "edit", paths: ["file_path"] },
    run_shell_command: { kind: "shell", command: ["command"], cwd: ["dir_path", "directory"] },
  },
  print: {},
  guests: [],
  onFailure: "open",
  hears: [
    "decision",
    "reason",
    "systemMessage",
    "hookSpecificOutput.hookEventName",
    "hookSpecificOutput.additionalContext",
  ],
};

const cursorFile: ToolFacts = {
  kind: "edit",
  paths: ["file_path", "path", "target_file", "filePath", "target_notebook"],
};
const cursorShell: ToolFacts = { kind: "shell", command: ["command"], cwd: ["working_directory"] };
// The agent sees `agent_message` only. Never `allow`: it would skip the person's own approval.
const cursorDeny: Form = { permission: "deny", user_message: TEXT, agent_message: TEXT };
const followup: Form = { followup_message: TEXT };

/**
 * Cursor. Nothing can be told to its agent between two tools, and nothing with a prompt: it hears at its
 * start, in a refusal and at its stop. It has no field for a warning.
 */
export const cursor: HostFacts<Host> = {
  fields: {
    ...claudeFields,
    // `session_id` is the conversation again, and missing in older versions.
    session: ["conversation_id", "session_id"],
    subagent: ["subagent_id", "agent_id"],
    cwd: ["cwd", "workspace_roots.0"],
    held: ["loop_count", "stop_hook_active"],
  },
  events: {
    // What it makes of the hooks in Claude's files, in Claude's words.
    ...claudeEvents,
    sessionStart: { moment: "start", says: { context: { additional_context: TEXT } } },
    beforeSubmitPrompt: { moment: "prompt", says: {} },
    preToolUse: { moment: "before", says: { deny: cursorDeny } },
    beforeShellExecution: { moment: "before", says: { deny: cursorDeny }, tool: "Shell" },
    postToolUse: { moment: "after", says: {} },
    afterShellExecution: { moment: "after", says: {}, tool: "Shell" },
    afterFileEdit: { moment: "after", says: {}, tool: "Write" },
    postToolUseFailure: { moment: "failed", says: {} },
    subagentStart: { moment: "start", says: {}, isSubagents: true },
    subagentStop: { moment: "end", says: { hold: followup }, isSubagents: true },
    stop: { moment: "stop", says: { hold: followup } },
    sessionEnd: { moment: "end", says: {} },
  },
  tools: {
    Write: cursorFile,
    Edit: cursorFile,
    MultiEdit: cursorFile,
    StrReplace: cursorFile,
    Delete: cursorFile,
    EditNotebook: cursorFile,
    ApplyPatch: { kind: "edit", patch: ["", "patch", "input"] },
    edit_file: cursorFile,
    search_replace: cursorFile,
    delete_file: cursorFile,
    Shell: cursorShell,
    Bash: cursorShell,
    run_terminal_cmd: cursorShell,
  },
  print: {},
  guests: [],
  onFailure: "open",
  hears: [
    "permission",
    "user_message",
    "agent_message",
    "followup_message",
    "additional_context",
    "systemMessage",
    "decision",
    "reason",
    "hookSpecificOutput.hookEventName",
    "hookSpecificOutput.permissionDecision",
    "hookSpecificOutput.permissionDecisionReason",
    "hookSpecificOutput.additionalContext",
  ],
};

const openFile: ToolFacts = { kind: "edit", paths: ["filePath", "edits.*.filePath"] };
const openPatch: ToolFacts = { kind: "edit", patch: ["patchText", "patch", "input"] };
const say = { context: { context: TEXT }, warning: { warning: TEXT } } as const;

/**
 * OpenCode, whose plugin runs inside it: the plugin sends the name of the hook (`event`), the hook's two
 * arguments (`input`, `output`) or the event's `properties`, and the `directory`; it throws what it is
 * told as `deny`, puts `context` behind the tool's output, and sends `hold` as the next prompt.
 */
export const opencode: HostFacts<Host> = {
  fields: {
    event: ["event", "hook_event_name"],
    session: [
      "sessionID",
      "input.sessionID",
      "properties.sessionID",
      "properties.info.sessionID",
      "properties.info.id",
    ],
    subagent: [],
    cwd: ["directory", "cwd", "worktree"],
    source: ["source"],
    held: ["stop_hook_active"],
    tool: ["tool", "input.tool"],
    input: ["args", "output.args", "input.args"],
    use: ["callID", "input.callID"],
    batch: [],
    error: [],
  },
  events: {
    "session.created": { moment: "start", says: say },
    "chat.message": { moment: "prompt", says: say },
    "tool.execute.before": { moment: "before", says: { deny: { deny: TEXT }, warning: say.warning } },
    "tool.execute.after": { moment: "after", says: say },
    "session.idle": { moment: "stop", says: { hold: { hold: TEXT }, warning: say.warning } },
    "session.deleted": { moment: "end", says: {} },
  },
  tools: {
    edit: openFile,
    write: openFile,
    multiedit: openFile,
    patch: openPatch,
    apply_patch: openPatch,
    bash: { kind: "shell", command: ["command"], cwd: ["workdir"] },
  },
  print: {},
  guests: [],
  onFailure: "open",
  hears: ["deny", "context", "hold", "warning"],
};
