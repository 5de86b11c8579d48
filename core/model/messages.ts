/**
 * Messages: what agents say to one another, and which message belongs to which thread.
 *
 * A message is directed at recipients fixed when it was posted, or a broadcast. Who has it still to read
 * is the inbox's (inbox.ts); tasks that requests declare are the tasks' own.
 *
 * Invariant: the state keeps the newest `settings.messagesMax` messages; a thread holds those of them that
 * say so. A message that may not be read here keeps its place, so that a reader's copy forgets in step
 * with its hub.
 */
import { limits } from "../limits.ts";
import { invalid } from "./log.ts";
import { KeyMap } from "./map.ts";
import type { State } from "./model.ts";
import { recipientsOf } from "./recipients.ts";
import { SeqMap } from "./seq-map.ts";
import {
  boolean,
  bytes,
  choice,
  doc,
  free,
  list,
  type Of,
  object,
  openChoice,
  optional,
  string,
  type Typed,
  union,
} from "./shape.ts";
import {
  type Asker,
  type At,
  accept,
  type Context,
  changed,
  command,
  event,
  refusal,
  rejecter,
  type Slice,
} from "./slice.ts";
import { utf8Length } from "./text.ts";

const id = string("id", limits.idMax);
const name = optional(string("line", limits.idMax));
const content = doc(
  `All attachments of a message together: at most ${limits.attachmentBytesMax} bytes.`,
  string("text", limits.attachmentBytesMax, 0),
);
const attachments = optional(
  list(
    union(
      object({ kind: choice("text"), content, name }),
      object({ kind: choice("code"), content, name, language: name }),
      object({ kind: choice("json"), content: union(content, free(limits.attachmentBytesMax)), name }),
      object({
        kind: choice("file", "diff"),
        path: string("path", limits.pathMax),
        content: optional(content),
        name,
      }),
    ),
    limits.attachmentsMax,
  ),
);
const address = string("id", limits.idMax + "role:".length);
const addresses = list(address, limits.addressesMax, 1);
const body = bytes("text", limits.bodyBytesMax);
const kind = openChoice(
  "chat",
  "notice",
  "task",
  "claim",
  "release",
  "artifact",
  "task_request",
  "task_result",
);

const said = {
  message: id,
  from: id,
  to: addresses,
  broadcast: optional(boolean),
  channel: optional(id),
  kind,
  body,
  thread: optional(id),
  replyTo: optional(id),
  attachments,
} as const;

/** What kind of message it is; `task_request` and `task_result` make and finish tasks. */
export type MessageKind = Of<typeof kind>;

/** A message as it is kept. `recipients` is empty for a broadcast. */
export interface Message extends Of<{ kind: "object"; fields: typeof said }> {
  readonly recipients: readonly string[];
  readonly atMs: number;
}

export interface MessagesState {
  /** The newest, by the seq of their entry; `null` where it may not be read here. */
  readonly bySeq: SeqMap<Message | null>;
  /** Seqs of the messages of each thread, its root aside when the thread is called after it. Derived. */
  readonly threads: KeyMap<SeqMap<true>>;
}

export const messageCommands = {
  "message.post": command("Says something to agents, roles, projects, channels or all.", {
    to: doc(
      "A name, `role:R`, `project/*`, `#channel`, `all`, or several of them.",
      union(address, addresses),
    ),
    body,
    kind: optional(doc("`chat` unless said.", kind)),
    thread: optional(doc("A name of your own, or the id of the thread's first message.", id)),
    replyTo: optional(doc("The message it answers, whose thread it joins.", id)),
    attachments,
  }),
} as const;
export type MessageCommand = Typed<typeof messageCommands>;

export const messageEvents = {
  "message.posted": event("A message was posted, to recipients fixed from here on.", {
    ...said,
    recipients: doc("Whose inbox it is in; none for a broadcast.", list(id, limits.recipientsMax)),
    unknown: optional(doc("Addresses that nobody answered to.", list(address, limits.addressesMax))),
  }),
  "message.redacted": event("A message for others: its place is kept, its content is not for you.", {
    message: id,
  }),
} as const;
export type MessageEvent = Typed<typeof messageEvents>;

export const messageRejections = {
  "message.unknown": refusal(
    "No message of that id is kept.",
    { id },
    (f) =>
      `There is no message ${f.id}, or it is so old that only the log has it. See inbox.list and ` +
      "threads.list for those there are; nothing was changed.",
  ),
} as const;
const reject = rejecter(messageRejections);

export const messages: Slice<MessagesState, MessageCommand, MessageEvent> = {
  initial: { bySeq: SeqMap.empty(), threads: KeyMap.empty() },
  decide: { "message.post": post },
  evolve: {
    "message.posted": (slice, event, at) => {
      const { type: _, unknown: __, ...posted } = event;
      const message: Message = changed(posted, { atMs: at.atMs });
      return prune(
        {
          bySeq: slice.bySeq.set(at.seq, message, at.edit),
          threads: threaded(slice.threads, message, at.seq, at.edit),
        },
        at,
      );
    },
    "message.redacted": (slice, _, at) =>
      prune({ ...slice, bySeq: slice.bySeq.set(at.seq, null, at.edit) }, at),
  },
  save: function* (slice) {
    for (const [seq, message] of slice.bySeq) yield ["message", seq, message];
  },
  load: (rows) => {
    const kept: [number, Message | null][] = [];
    for (const [, seq, message] of rows) kept.push([seq as number, message as Message | null]);
    let threads = KeyMap.empty<SeqMap<true>>();
    for (const [seq, message] of kept) if (message !== null) threads = threaded(threads, message, seq);
    return { bySeq: SeqMap.from(kept), threads };
  },
  answer: {
    "message.posted": ({ message, thread, unknown }) => ({
      message,
      ...(thread === undefined ? {} : { thread }),
      ...(unknown === undefined ? {} : { unknown }),
    }),
  },
  redact: {
    "message.posted": (event, asker) =>
      mayRead(event, asker) ? event : { type: "message.redacted", message: event.message },
  },
};

/** The id of the message in the entry `seq`. */
export function messageId(seq: number): string {
  return `m${seq}`;
}

/** The seq of a message's entry, from its id; `undefined` for what is no message's id. */
export function messageSeq(message: string): number | undefined {
  if (!/^m[1-9]\d{0,15}$/.test(message)) return undefined;
  const seq = Number(message.slice(1));
  return Number.isSafeInteger(seq) ? seq : undefined;
}

/** A message by its id, while it is kept. */
export function messageOf(state: State, message: string): Message | undefined {
  const seq = messageSeq(message);
  return (seq === undefined ? undefined : state.messages.bySeq.get(seq)) ?? undefined;
}

/** The refusal of an id that is no kept message's. */
export function unknownMessage(message: string) {
  return reject("message.unknown", { id: message });
}

/** Whether `asker` may read it: direct messages are private where names are proven (ME10). */
export function mayRead(
  message: Pick<Message, "from" | "recipients" | "broadcast">,
  asker: Pick<Asker, "agent" | "operator" | "guarded">,
): boolean {
  return !asker.guarded || asker.operator || isParty(message, asker.agent);
}

/** The name of the thread that `id` means: a name given to it, or a message in it. */
export function threadNamed(state: State, id: string): string {
  return messageOf(state, id)?.thread ?? id;
}

function isParty(message: Pick<Message, "from" | "recipients" | "broadcast">, agent: string): boolean {
  return message.broadcast === true || message.from === agent || message.recipients.includes(agent);
}

function post(state: State, command: MessageCommand, context: Context) {
  const { type: _, thread: asked, kind = "chat", ...given } = command;
  const size = attachedBytes(command);
  if (size > limits.attachmentBytesMax) {
    return invalid(
      "attachments",
      `take ${size} bytes together, more than ${limits.attachmentBytesMax}; attach a path instead`,
    );
  }
  const thread = threadOf(state, asked, command.replyTo, context);
  if (typeof thread === "object") return thread;
  const to = typeof command.to === "string" ? [command.to] : command.to;
  const found = recipientsOf(state, to, context.agent);
  if ("rejection" in found) return found;
  const { recipients, broadcast, channel, unknown } = found;
  return accept({
    type: "message.posted",
    message: messageId(context.seq),
    from: context.agent,
    ...given,
    to,
    recipients,
    kind,
    ...(broadcast ? { broadcast } : {}),
    ...(channel === undefined ? {} : { channel }),
    ...(thread === undefined ? {} : { thread }),
    ...(unknown.length === 0 ? {} : { unknown }),
  });
}

/** The thread a new message belongs to, if any; or the refusal of what it refers to (ME7). */
function threadOf(
  state: State,
  asked: string | undefined,
  replyTo: string | undefined,
  { agent, operator }: Context,
) {
  const parent = replyTo === undefined ? undefined : messageOf(state, replyTo);
  if (replyTo !== undefined && parent === undefined) return unknownMessage(replyTo);
  const root = asked === undefined ? parent : messageOf(state, asked);
  if (root === undefined) {
    const named = asked !== undefined && messageSeq(asked) !== undefined;
    return named && !state.messages.threads.has(asked) ? unknownMessage(asked) : asked;
  }
  if (root.thread === undefined) return root.message;
  // The name given to a thread is as private as what is said in it.
  const open = operator || isParty(root, agent) || messageSeq(root.thread) !== undefined;
  return open ? root.thread : root.message;
}

function attachedBytes({ attachments = [] }: MessageCommand): number {
  let size = 0;
  for (const attached of attachments) {
    if ("path" in attached) size += utf8Length(attached.path);
    const { content = "" } = attached;
    size += utf8Length(typeof content === "string" ? content : JSON.stringify(content));
  }
  return size;
}

function threaded(
  threads: MessagesState["threads"],
  { thread }: Message,
  seq: number,
  edit?: At["edit"],
): MessagesState["threads"] {
  if (thread === undefined) return threads;
  const seqs = threads.get(thread) ?? SeqMap.empty<true>();
  return threads.set(thread, seqs.set(seq, true, edit), edit);
}

/** Forgets the oldest beyond what is kept (ME12). */
function prune(slice: MessagesState, { settings, edit }: At): MessagesState {
  let { bySeq, threads } = slice;
  while (bySeq.size > settings.messagesMax) {
    const oldest = bySeq.first();
    if (oldest === undefined) break;
    const [seq, message] = oldest;
    bySeq = bySeq.delete(seq, edit);
    if (message?.thread === undefined) continue;
    const seqs = threads.get(message.thread)?.delete(seq, edit);
    if (seqs === undefined) continue;
    threads =
      seqs.size === 0 ? threads.delete(message.thread, edit) : threads.set(message.thread, seqs, edit);
  }
  return { bySeq, threads };
}
