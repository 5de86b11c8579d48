/**
 * Probes: what each host tells its hook before an edit, as recorded, with a session and a file of doctor's.
 */

/** An edit that a hook is told of. */
export interface Probe {
  readonly root: string;
  /** The file, relative to the root. */
  readonly file: string;
  readonly session: string;
  /** Unlike that of any other probe. */
  readonly use: string;
}

/** The session that doctor plays. */
export const PROBE_SESSION = "holdfast-doctor";

interface HostProbe {
  /** The event before an edit, as the host's file of hooks names it. */
  readonly event: string;
  readonly payload: (probe: Probe) => object;
}

const claudeLike = ({ root, file, session, use }: Probe): object => ({
  session_id: session,
  cwd: root,
  hook_event_name: "PreToolUse",
  tool_name: "Write",
  tool_input: { file_path: `${root}/${file}`, content: "" },
  tool_use_id: use,
});

/** By the name of the host. */
export const probes: { readonly [host: string]: HostProbe } = {
  claude: {
    event: "PreToolUse",
    payload: (probe) => ({ ...claudeLike(probe), transcript_path: "", permission_mode: "default" }),
  },
  codex: {
    event: "PreToolUse",
    payload: ({ root, file, session, use }) => ({
      session_id: session,
      turn_id: use,
      transcript_path: null,
      cwd: root,
      hook_event_name: "PreToolUse",
      model: "",
      permission_mode: "bypassPermissions",
      tool_name: "apply_patch",
      tool_input: { command: `*** Begin Patch\n*** Add File: ${file}\n+\n*** End Patch\n` },
      tool_use_id: use,
    }),
  },
  copilot: {
    event: "PreToolUse",
    payload: (probe) => ({ ...claudeLike(probe), timestamp: new Date().toISOString() }),
  },
  gemini: {
    event: "BeforeTool",
    payload: ({ root, file, session }) => ({
      session_id: session,
      transcript_path: "",
      cwd: root,
      hook_event_name: "BeforeTool",
      timestamp: new Date().toISOString(),
      tool_name: "write_file",
      tool_input: { file_path: `${root}/${file}`, content: "" },
    }),
  },
  cursor: {
    event: "preToolUse",
    payload: ({ root, file, session, use }) => ({
      conversation_id: session,
      generation_id: use,
      hook_event_name: "preToolUse",
      cursor_version: "2.0",
      workspace_roots: [root],
      cwd: root,
      tool_name: "Write",
      tool_input: { file_path: `${root}/${file}`, content: "" },
      tool_use_id: use,
    }),
  },
};
