/**
 * What the hook of a host tells and what it may be told, in one form for every host. Only `hosts` and what
 * reads it know how each host spells them.
 */

/** The hosts of agents whose hooks are understood. */
export type Host = "claude" | "codex" | "copilot" | "gemini" | "cursor" | "opencode";

/**
 * When in an agent's life a hook fires: `start` of a session or of a subagent, `prompt` from its user,
 * `before` and `after` one tool, `failed` instead of `after`, after a `batch` of tools, at the `stop` of a
 * turn, at the `end` of the session or subagent.
 */
export type Moment = "start" | "prompt" | "before" | "after" | "failed" | "batch" | "stop" | "end";

/** One use of a tool, as far as it matters here. */
export interface ToolUse {
  /** The host's name of the tool. */
  readonly name: string;
  readonly kind: "edit" | "shell" | "other";
  /** The host's id of this use; the same before and after it. */
  readonly id?: string;
  /** What an edit writes, as the host named it: absolute, or relative to the event's `cwd`. */
  readonly paths: readonly string[];
  /** What a shell is to run. */
  readonly command?: string;
  /** Where a shell runs it, when not in the event's `cwd`; absolute, or relative to that. */
  readonly cwd?: string;
  /** More stood there than the bounds let through: there may be other paths, or more of the command. */
  readonly isCut?: true;
}

/** What a hook tells. */
export interface HookEvent {
  readonly host: Host;
  /** The host's own name of the event. */
  readonly event: string;
  readonly moment: Moment;
  /** The host's id of the session. */
  readonly session: string;
  /** The host's id of the subagent inside the session, when one speaks. */
  readonly subagent?: string;
  readonly cwd: string;
  /** The tools used: one at `before`, `after` and `failed`, any number at `batch`, else none. */
  readonly tools: readonly ToolUse[];
  /** Why a session started, as its host says: `startup`, `resume`, `compact` and so on. */
  readonly source?: string;
  /** Whether the turn goes on already because a hook held it at its stop. */
  readonly isHeld: boolean;
  /** Whether the host runs without a person, printing one answer; nothing may hold its turns. */
  readonly isPrint: boolean;
}

/** What the host is told. Nothing in it: go on. */
export interface Verdict {
  /** Why the tool may not be used; for the agent. */
  readonly deny?: string;
  /** Text for the agent, framed as data by whoever made it. */
  readonly context?: string;
  /** At `stop`: why the turn goes on; for the agent. */
  readonly hold?: string;
  /** For the person at the host. */
  readonly warning?: string;
}

/** A verdict as one host wants it from a command; over HTTP, `stdout` is the body. */
export interface HookAnswer {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: 0 | 2;
}
