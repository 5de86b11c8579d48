/**
 * Replies of the hub as HTTP tells them: which status an error has, and which request a reply is for.
 */
import { codes, type ErrorBody, type Incoming, type RequestId } from "../../core/protocol/frame.ts";
import { receive } from "../../core/protocol/receive.ts";

/** A reply with the frame it came in. */
export interface Replied {
  readonly id: RequestId | null;
  readonly text: string;
  readonly error?: ErrorBody;
  readonly result?: unknown;
}

/** The reply in a frame of the hub's; `undefined` when it is a notification. */
export function repliedIn(frame: string): Replied | undefined {
  const [message] = receive(frame) as readonly [Incoming];
  if (message.kind === "reply") return { id: message.id, text: frame, result: message.result };
  if (message.kind === "error") return { id: message.id, text: frame, error: message.error };
  return undefined;
}

const statuses: { readonly [code: string]: number } = {
  "session.refused": 401,
  "session.not-open": 401,
  "session.not-you": 403,
  "session.observing": 403,
  "agent.taken": 409,
  "log.horizon": 410,
  "log.ahead": 416,
  "log.unknown": 409,
  "rate.limited": 429,
  busy: 503,
  closed: 503,
};

/** The status of an answer that is nothing but this error. */
export function statusOf(error: ErrorBody): number {
  const { code } = (error.data ?? {}) as { readonly code?: unknown };
  const known = typeof code === "string" && Object.hasOwn(statuses, code) ? statuses[code] : undefined;
  if (known !== undefined) return known;
  return error.code === codes.indefinite || error.code === codes.definite ? 503 : 400;
}

/** Headers that belong to such a status. */
export function headersOf(error: ErrorBody): { readonly [name: string]: string } {
  const status = statusOf(error);
  const { retryAfterMs } = (error.data ?? {}) as { readonly retryAfterMs?: unknown };
  if (status === 401) return { "www-authenticate": 'Bearer realm="holdfast"' };
  if (typeof retryAfterMs === "number") return { "retry-after": String(Math.ceil(retryAfterMs / 1000)) };
  return {};
}
