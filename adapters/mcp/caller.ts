/**
 * Callers: Codex tells a server nothing of the session that started it, neither in its environment nor at the
 * handshake, but says it with each call. Its hooks say the same, and must find the same agent.
 */
import { fieldsOf } from "./listening.ts";

/** Who calls, as the host says. */
export interface Caller {
  readonly host: "codex";
  readonly session: string;
  /** The thread of a subagent. */
  readonly subagent?: string;
}

/** Whether a message begins a connection of which only its calls will say who speaks. */
export function isNamedByCalls(message: unknown): boolean {
  const { method, params } = fieldsOf(message);
  return method === "initialize" && fieldsOf(fieldsOf(params).clientInfo).name === "codex-mcp-client";
}

/** Who makes a call; `undefined` for what is no call, and where nothing is said of it. */
export function callerOf(message: unknown): Caller | undefined {
  const { method, params } = fieldsOf(message);
  if (method !== "tools/call") return undefined;
  const { sessionId: session, threadId: thread } = fieldsOf(fieldsOf(params)._meta);
  if (!isId(session) || !isId(thread)) return undefined;
  return { host: "codex", session, ...(thread === session ? {} : { subagent: thread }) };
}

function isId(value: unknown): value is string {
  return typeof value === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(value);
}
