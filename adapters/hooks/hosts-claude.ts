/**
 * Claude Code and the hosts that took over its forms: Codex, which is strict about them, and Copilot, which
 * speaks them beside its own.
 */
import type { Host } from "./event.ts";
import { EVENT, type FieldFacts, type Form, type HostFacts, TEXT, type ToolFacts } from "./host-facts.ts";

/** Fields in Claude's spelling. */
export const claudeFields: FieldFacts = {
  event: ["hook_event_name"],
  session: ["session_id"],
  subagent: ["agent_id"],
  cwd: ["cwd"],
  source: ["source"],
  held: ["stop_hook_active"],
  tool: ["tool_name"],
  input: ["tool_input"],
  use: ["tool_use_id"],
  batch: ["tool_calls"],
  error: [],
};

const deny: Form = {
  hookSpecificOutput: {
    hookEventName: EVENT,
    permissionDecision: "deny",
    permissionDecisionReason: TEXT,
  },
};
const context: Form = { hookSpecificOutput: { hookEventName: EVENT, additionalContext: TEXT } };
const hold: Form = { decision: "block", reason: TEXT };
const warning: Form = { systemMessage: TEXT };

/**
 * Claude's events. At `Stop` and `SubagentStop` context would make the conversation go on, so there it
 * cannot be said: what must be heard there is a hold.
 */
export const claudeEvents = {
  SessionStart: { moment: "start", says: { context, warning } },
  SubagentStart: { moment: "start", says: { context, warning }, isSubagents: true },
  UserPromptSubmit: { moment: "prompt", says: { context, warning } },
  PreToolUse: { moment: "before", says: { deny, context, warning } },
  PostToolUse: { moment: "after", says: { context, warning } },
  PostToolUseFailure: { moment: "failed", says: { context, warning } },
  PostToolBatch: { moment: "batch", says: { context, warning } },
  Stop: { moment: "stop", says: { hold, warning } },
  SubagentStop: { moment: "end", says: { hold, warning }, isSubagents: true },
  SessionEnd: { moment: "end", says: { warning } },
} as const satisfies HostFacts["events"];

const fileEdit: ToolFacts = { kind: "edit", paths: ["file_path"] };
const shell: ToolFacts = { kind: "shell", command: ["command"] };

/** Claude Code 2.1. */
export const claude: HostFacts<Host> = {
  fields: claudeFields,
  events: claudeEvents,
  tools: {
    Edit: fileEdit,
    Write: fileEdit,
    MultiEdit: fileEdit,
    NotebookEdit: { kind: "edit", paths: ["notebook_path"] },
    Bash: shell,
    PowerShell: shell,
  },
  print: { CLAUDE_CODE_ENTRYPOINT: ["sdk-cli"], CLAUDE_CODE_SESSION_ATTENDED: ["0"] },
  // Copilot and Cursor run the hooks of .claude/settings.json, too. Copilot dates its events, Claude never
  // does; Cursor names a conversation.
  guests: [
    { host: "cursor", has: ["conversation_id"], lacks: ["prompt_id", "permission_mode"] },
    { host: "copilot", has: ["timestamp"], lacks: ["permission_mode", "prompt_id", "tool_use_id"] },
    { host: "copilot", has: ["sessionId"], lacks: ["session_id"] },
  ],
  onFailure: "open",
  hears: [
    "systemMessage",
    "decision",
    "reason",
    "hookSpecificOutput.hookEventName",
    "hookSpecificOutput.permissionDecision",
    "hookSpecificOutput.permissionDecisionReason",
    "hookSpecificOutput.additionalContext",
  ],
};

/**
 * Codex 0.169. Its schemas are closed: one unknown field (`watchPaths`, `terminalSequence`,
 * `classifierContext` of Claude's) and the whole answer is invalid. `Interrupt` and `SessionEnd` take
 * practically nothing.
 */
export const codex: HostFacts<Host> = {
  fields: claudeFields,
  events: {
    SessionStart: claudeEvents.SessionStart,
    SubagentStart: claudeEvents.SubagentStart,
    UserPromptSubmit: claudeEvents.UserPromptSubmit,
    PreToolUse: claudeEvents.PreToolUse,
    PostToolUse: claudeEvents.PostToolUse,
    Stop: claudeEvents.Stop,
    SubagentStop: claudeEvents.SubagentStop,
    SessionEnd: { moment: "end", says: {} },
  },
  tools: {
    // A patch comes as the "command" of its tool; an array is the words of a command.
    apply_patch: { kind: "edit", patch: ["command", "input", "patch", ""] },
    Edit: { kind: "edit", paths: ["file_path"], patch: ["command"] },
    Write: { kind: "edit", paths: ["file_path"], patch: ["command"] },
    Bash: { kind: "shell", command: ["command"], cwd: ["workdir"] },
    shell: { kind: "shell", command: ["command"], cwd: ["workdir"] },
    local_shell: { kind: "shell", command: ["command"], cwd: ["workdir"] },
    exec_command: { kind: "shell", command: ["cmd", "command"], cwd: ["workdir"] },
  },
  print: {},
  guests: [],
  onFailure: "open",
  hears: claude.hears,
};

const plainDeny: Form = { permissionDecision: "deny", permissionDecisionReason: TEXT };
const plainContext: Form = { additionalContext: TEXT };
// A line that Copilot shows and takes out of the output; with anything else beside it, it goes to stderr.
const progress: Form = { type: "progress", message: TEXT };

const copilotFile = ["path", "file_path", "filePath"] as const;
const reads = { place: "command", values: ["view"] } as const;

/**
 * Copilot CLI 1.0. An event registered in camelCase comes in camelCase and is answered flat; one in
 * PascalCase comes in Claude's form with Claude's names of tools. A refusal is then said in both forms,
 * as VS Code reads the nested one. A command that fails before a tool refuses the tool.
 */
export const copilot: HostFacts<Host> = {
  fields: {
    event: ["hook_event_name", "hookEventName"],
    session: ["session_id", "sessionId"],
    subagent: ["agent_id", "agentId"],
    cwd: ["cwd"],
    source: ["source"],
    held: ["stop_hook_active", "stopHookActive"],
    tool: ["tool_name", "toolName"],
    input: ["tool_input", "toolArgs"],
    use: ["tool_use_id", "toolUseId", "toolCallId"],
    batch: ["tool_calls"],
    error: [],
  },
  events: {
    sessionStart: { moment: "start", says: { context: plainContext, warning: progress } },
    subagentStart: {
      moment: "start",
      says: { context: plainContext, warning: progress },
      isSubagents: true,
    },
    userPromptSubmitted: { moment: "prompt", says: { warning: progress } },
    preToolUse: { moment: "before", says: { deny: plainDeny, warning: progress } },
    postToolUse: { moment: "after", says: { context: plainContext, warning: progress } },
    postToolUseFailure: { moment: "failed", says: { context: plainContext, warning: progress } },
    agentStop: { moment: "stop", says: { hold, warning: progress } },
    subagentStop: { moment: "end", says: { hold, warning: progress }, isSubagents: true },
    sessionEnd: { moment: "end", says: {} },

    SessionStart: { moment: "start", says: { context: plainContext, warning } },
    SubagentStart: { moment: "start", says: { context: plainContext, warning }, isSubagents: true },
    UserPromptSubmit: { moment: "prompt", says: { warning } },
    PreToolUse: { moment: "before", says: { deny: { ...plainDeny, ...deny }, warning } },
    PostToolUse: { moment: "after", says: { context: plainContext, warning } },
    PostToolUseFailure: { moment: "failed", says: { context: plainContext, warning } },
    Stop: { moment: "stop", says: { hold, warning } },
    SubagentStop: { moment: "end", says: { hold, warning }, isSubagents: true },
    SessionEnd: { moment: "end", says: {} },
  },
  tools: {
    bash: shell,
    powershell: shell,
    create: { kind: "edit", paths: copilotFile },
    edit: { kind: "edit", paths: copilotFile },
    str_replace_editor: { kind: "edit", paths: copilotFile, readsWhen: reads },
    // The patch itself is the whole input.
    apply_patch: { kind: "edit", patch: ["", "input", "patch", "command"] },
    Bash: shell,
    Write: { kind: "edit", paths: copilotFile },
    // Stands for `edit`, `str_replace_editor` and `apply_patch`.
    Edit: {
      kind: "edit",
      paths: copilotFile,
      patch: ["", "input", "patch", "command"],
      readsWhen: reads,
    },
    MultiEdit: { kind: "edit", paths: copilotFile },
    // VS Code's own names.
    create_file: { kind: "edit", paths: copilotFile },
    insert_edit_into_file: { kind: "edit", paths: copilotFile },
    replace_string_in_file: { kind: "edit", paths: copilotFile },
    multi_replace_string_in_file: { kind: "edit", paths: ["replacements.*.filePath", ...copilotFile] },
    edit_notebook_file: { kind: "edit", paths: copilotFile },
    run_in_terminal: shell,
  },
  // The cloud agent: nobody is there.
  print: { COPILOT_AGENT_PROMPT: "any" },
  guests: [],
  onFailure: "closed",
  hears: [
    ...claude.hears,
    "permissionDecision",
    "permissionDecisionReason",
    "additionalContext",
    "type",
    "message",
  ],
};
