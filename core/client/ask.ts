/**
 * Asking: a request to an agent, and the first result that replies to it.
 */
import { Failure } from "../failures.ts";
import type { Entry } from "../model/slice.ts";
import type { Client } from "./client.ts";

export interface AskOptions {
  /**
   * How long to wait for the answer, in milliseconds; absent: as long as it takes. A late one is in the
   * thread.
   */
  readonly timeoutMs?: number;
  readonly thread?: string;
  readonly attachments?: readonly object[];
}

/** The message that answers. */
export interface Reply {
  readonly message: string;
  readonly from: string;
  readonly body: string;
  readonly seq: number;
  readonly [field: string]: unknown;
}

/** Posts a `task_request` and resolves with the first `task_result` that replies to it (ME9). */
export async function ask(
  client: Client,
  to: string | readonly string[],
  body: string,
  { timeoutMs, ...more }: AskOptions,
): Promise<Reply> {
  const startedMs = client.clock.monotonicMs();
  const limit = timeoutMs === undefined ? {} : { timeoutMs };
  const posted = await client.send("message.post", { to, body, kind: "task_request", ...more }, limit);
  const { message, seq } = posted as { readonly message: string; readonly seq: number };
  // A reply names the request, so it stands behind it in the log: following from there cannot miss it.
  const following = client.follow({ after: seq, events: ["message.posted"], about: [message] });
  let late = false;
  const cancel =
    timeoutMs === undefined
      ? () => {}
      : client.clock.after(Math.max(0, timeoutMs - (client.clock.monotonicMs() - startedMs)), () => {
          late = true;
          following.close();
        });
  try {
    for await (const entry of following) {
      const reply = replyIn(entry, message);
      if (reply !== undefined) return reply;
    }
  } finally {
    cancel();
  }
  const words = late
    ? `Nobody answered ${message} within ${timeoutMs} ms; a late answer will be in its thread.`
    : `The client was closed before ${message} was answered.`;
  throw new Failure(late ? "hub.timeout" : "closed", words, { definite: false, fields: { message } });
}

function replyIn({ events, seq }: Entry, request: string): Reply | undefined {
  for (const event of events as readonly { readonly type: string; readonly [field: string]: unknown }[]) {
    const { type, kind, replyTo } = event;
    if (type === "message.posted" && kind === "task_result" && replyTo === request) {
      const { type: _, ...reply } = event;
      return { ...reply, seq } as unknown as Reply;
    }
  }
  return undefined;
}
