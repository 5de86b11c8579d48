/**
 * Callers: Codex tells a server nothing of the session that started it, neither in its environment nor at the
 * handshake, but says it with each call. Its hooks say the same, and must find the same agent.
 */
import { hostAgent, subagentOf } from "../place/identity.ts";
import { fieldsOf } from "./listening.ts";

/** What Codex calls itself, and where it says in which session and thread a call is made. */
const CLIENT = "codex-mcp-client";
const TURN = "x-codex-turn-metadata";

/**
 * The agent that makes a call, by the `_meta` of the call and the name of the client: a session's, or that
 * of a thread of it, as its subagents have. `undefined` where nothing is said of it.
 */
export function agentOfCall(meta: unknown, client: unknown): string | undefined {
  const said = fieldsOf(meta);
  const turn = fieldsOf(said[TURN]);
  const isCodex = client === CLIENT || said[TURN] !== undefined;
  const session = turn.session_id ?? said.sessionId;
  const thread = turn.thread_id ?? said.threadId;
  if (!isCodex || !isId(session) || !isId(thread)) return undefined;
  const name = hostAgent("codex", session);
  return thread === session ? name : subagentOf(name, thread);
}

function isId(value: unknown): value is string {
  return typeof value === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(value);
}
