/**
 * Who am I: the name under which a command acts.
 */
import { readFileSync } from "node:fs";

/**
 * What hosts of agents put into the environment of what they start, with the prefix of the name it makes.
 * Hooks and the shell of one host's session see the same, so they are one agent.
 */
const HOSTS = [
  ["CLAUDE_CODE_SESSION_ID", "claude"],
  ["CODEX_THREAD_ID", "codex"],
  ["GEMINI_SESSION_ID", "gemini"],
  ["CURSOR_SESSION_ID", "cursor"],
  ["OPENCODE_SESSION_ID", "opencode"],
] as const;

/** The name of the agent that a host's session is. */
export function hostAgent(prefix: string, session: string): string {
  const plain = /^[A-Za-z0-9_-]{1,64}$/.test(session);
  return `${prefix}-${plain ? session.slice(0, 13) : fingerprint(session)}`;
}

/** The name of an agent's subagent. */
export function subagentOf(agent: string, subagent: string): string {
  return `${agent}/${/^[A-Za-z0-9_-]{1,64}$/.test(subagent) ? subagent : fingerprint(subagent)}`;
}

/**
 * The name under which to act: `--as`, else HOLDFAST_AGENT, else the host's session, else the shell's
 * session, which is the same for every command given in one terminal.
 */
export function whoAmI(as: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  return namedAgent(as, env) ?? shellAgent(env);
}

/** The same where it was said, or a host's session tells it; `undefined` where only the shell would. */
export function namedAgent(as: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  if (as !== undefined) return as;
  if (env.HOLDFAST_AGENT !== undefined && env.HOLDFAST_AGENT !== "") return env.HOLDFAST_AGENT;
  const { CODEX_SESSION_ID: session = "", CODEX_THREAD_ID: thread = "" } = env;
  if (session !== "" && thread !== "" && session !== thread) {
    // The thread of a subagent; its hooks say the session and, as the subagent, the thread.
    return subagentOf(hostAgent("codex", session), thread);
  }
  for (const [name, prefix] of HOSTS) {
    const session = env[name];
    if (session !== undefined && session !== "") return hostAgent(prefix, session);
  }
  return undefined;
}

/** A name for what one process started, the same for as long as that lives: `PREFIX-PID-xxxx`. */
export function parentAgent(prefix: string): string {
  const { ppid } = process;
  const started = processStat(String(ppid))?.[19];
  const mark = started === undefined ? "" : `-${fingerprint(`${bootId()} ${ppid} ${started}`).slice(0, 4)}`;
  return `${prefix}-${ppid}${mark}`;
}

/** `USER-SESSION-xxxx`: the last part tells sessions apart that were given the same number at other times. */
function shellAgent(env: NodeJS.ProcessEnv): string {
  const user = (env.USER ?? env.USERNAME ?? "shell").replace(/[^A-Za-z0-9._-]/g, "") || "shell";
  const session = processStat("self")?.[3];
  const started = session === undefined ? undefined : processStat(session)?.[19];
  if (session === undefined || started === undefined) return `${user}-${process.ppid}`;
  return `${user}-${session}-${fingerprint(`${bootId()} ${session} ${started}`).slice(0, 4)}`;
}

/** Without it two boots may give one name; the epochs still tell them apart. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1");
  } catch {
    return "";
  }
}

/**
 * The fields of a process behind its name, as the kernel tells them: state is the first, session the
 * fourth.
 */
function processStat(pid: string): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/**
 * 12 hex digits of a text (FNV-1a, twice): to tell names apart, where node:crypto would cost more than the
 * command.
 */
function fingerprint(text: string): string {
  const hash = (seed: number): string => {
    let sum = seed;
    for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193);
    return (sum >>> 0).toString(16).padStart(8, "0");
  };
  return (hash(0x811c9dc5) + hash(0x5bd1e995)).slice(0, 12);
}
