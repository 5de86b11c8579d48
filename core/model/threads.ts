/**
 * Threads: conversations read as a whole.
 *
 * A thread is called after its first message, or has a name that its posters gave it.
 */
import { limits } from "../limits.ts";
import { type MessageView, messageView, type Receipt, receiptsOf } from "./inbox.ts";
import { type Message, mayRead, messageSeq, threadNamed } from "./messages.ts";
import type { State } from "./model.ts";
import { cursorSeq, type Page, page, paging } from "./page.ts";
import type { SeqMap } from "./seq-map.ts";
import { string } from "./shape.ts";
import { type Asker, query, refusal, rejecter } from "./slice.ts";

const id = string("id", limits.idMax);

export const threadRejections = {
  "thread.unknown": refusal(
    "There is no such thread, or nothing in it that the asker may read.",
    { thread: id },
    (f) =>
      `There is no thread ${f.thread}, or nothing in it for you to read. See threads.list for ` +
      "those there are, or give the id of a message.",
  ),
} as const;
const reject = rejecter(threadRejections);

/** A message of a thread, and where it stands with each recipient. */
export interface ThreadMessage extends MessageView {
  readonly receipts?: readonly Receipt[];
  /** There are more receipts than are shown. */
  readonly more?: true;
}

/** A thread as it is listed. */
export interface ThreadView {
  readonly thread: string;
  /** How many of its messages are kept, its root included. */
  readonly messages: number;
  readonly first: MessageView;
  readonly last: MessageView;
}

export const threadQueries = {
  "thread.read": query(
    "The messages of a thread, oldest first; each directed one with what was stored, delivered " +
      "and acknowledged.",
    { ...paging, thread: id },
    (state, params, asker) => {
      const thread = threadNamed(state, params.thread);
      const read: Page<ThreadMessage> = page(
        messagesOf(state, thread, cursorSeq(params, 0), asker),
        params,
        (message) => ({ ...messageView(message), ...receiptsOf(state, message) }),
      );
      const nothing = read.items.length === 0 && params.cursor === undefined;
      return nothing ? reject("thread.unknown", { thread: params.thread }) : read;
    },
  ),
  "threads.list": query(
    "Threads with an answer or a name, the one with the newest message first.",
    paging,
    (state, params, asker): Page<ThreadView> => {
      const from = cursorSeq(params, Number.MAX_SAFE_INTEGER);
      const rows: (readonly [number, string])[] = [];
      state.messages.threads.forEach((seqs, thread) => {
        const newest = lastReadable(state, seqs, asker);
        if (newest !== undefined && newest <= from) rows.push([newest, thread]);
      });
      rows.sort(([a], [b]) => b - a);
      return page(rows, params, (thread) => threadView(state, thread, asker));
    },
  ),
} as const;

/** What `asker` may read of a thread, from `from` on. */
function* messagesOf(
  state: State,
  thread: string,
  from: number,
  asker: Asker,
): IterableIterator<readonly [number, Message]> {
  const { bySeq, threads } = state.messages;
  const root = messageSeq(thread) ?? -1;
  const first = bySeq.get(root);
  if (first && root >= from && mayRead(first, asker)) yield [root, first];
  for (const [seq] of threads.get(thread)?.from(Math.max(from, root + 1)) ?? []) {
    const message = bySeq.get(seq);
    if (message && mayRead(message, asker)) yield [seq, message];
  }
}

function lastReadable(state: State, seqs: SeqMap<true>, asker: Asker): number | undefined {
  for (const [seq] of seqs.downFrom()) {
    const message = state.messages.bySeq.get(seq);
    if (message && mayRead(message, asker)) return seq;
  }
  return undefined;
}

function threadView(state: State, thread: string, asker: Asker): ThreadView | undefined {
  let first: Message | undefined;
  let last: Message | undefined;
  let messages = 0;
  for (const [, message] of messagesOf(state, thread, 0, asker)) {
    first ??= message;
    last = message;
    messages += 1;
  }
  if (first === undefined || last === undefined) return undefined;
  return { thread, messages, first: messageView(first), last: messageView(last) };
}
