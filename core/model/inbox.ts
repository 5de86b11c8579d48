/**
 * Inbox: who has which message still to read; what was delivered, what was acknowledged.
 *
 * A directed message lies in the box of each recipient. A broadcast lies in one list that all share, and
 * each box says how far into it its agent has acknowledged: posting to ten thousand agents costs as much
 * as posting to one.
 *
 * Invariant: `posted` has the same seqs as the messages kept; a box holds none that is not kept. A name
 * has a box while a kept message is directed at it, and for good from its first joining.
 */
import { limits } from "../limits.ts";
import { invalid } from "./log.ts";
import { Edit, KeyMap } from "./map.ts";
import { type Message, mayRead, messageOf, messageSeq, unknownMessage } from "./messages.ts";
import type { State } from "./model.ts";
import { cursorSeq, type Page, page, paging } from "./page.ts";
import { SeqMap } from "./seq-map.ts";
import { doc, integer, list, optional, string, type Typed, union } from "./shape.ts";
import {
  type At,
  accept,
  type Context,
  changed,
  command,
  event,
  query,
  refusal,
  rejecter,
  type Slice,
} from "./slice.ts";

/** One agent's. */
interface Box {
  /** Seqs of the messages directed at it that it has not acknowledged. */
  readonly pending: SeqMap<true>;
  /** How many of the messages kept are directed at it. Derived. */
  readonly addressed: number;
  /** Directed messages up to this seq were delivered. */
  readonly deliveredUpTo: number;
  /**
   * Broadcasts up to this seq are acknowledged, or before its time; absent until it joins or acknowledges
   * one.
   */
  readonly after?: number;
  /** Later broadcasts that it has acknowledged out of order. */
  readonly acknowledged: SeqMap<true>;
}

export interface InboxState {
  readonly boxes: KeyMap<Box>;
  /** The recipients of every message kept. */
  readonly posted: SeqMap<readonly string[]>;
  /** The senders of the broadcasts among them. */
  readonly broadcasts: SeqMap<string>;
}

const id = string("id", limits.idMax);
const seq = integer(0);

export const inboxCommands = {
  "message.acknowledge": command("Takes messages out of the sender's own inbox; others' are untouched.", {
    messages: optional(list(id, limits.acknowledgedMax, 1)),
    upTo: optional(doc("A message or a seq: everything up to it, itself included.", union(id, seq))),
  }),
} as const;
/** Sent by the session that has handed `agent` its directed messages up to the seq `upTo`. */
export interface MessageDeliver {
  readonly type: "message.deliver";
  readonly agent: string;
  readonly upTo: number;
}
export type InboxCommand = Typed<typeof inboxCommands> | MessageDeliver;

export const inboxEvents = {
  "message.delivered": event("All messages directed at the agent, up to this seq, have reached it.", {
    agent: id,
    upTo: seq,
  }),
  "message.acknowledged": event("The agent has read these messages, or all up to a seq.", {
    agent: id,
    messages: optional(list(id, limits.acknowledgedMax)),
    upTo: optional(seq),
  }),
} as const;
export type InboxEvent = Typed<typeof inboxEvents>;

export const inboxRejections = {
  "message.not-recipient": refusal(
    "The message was not sent to the one who acknowledges it.",
    { id },
    (f) =>
      `${f.id} was not sent to you, so it is not yours to acknowledge. Give only messages that ` +
      "inbox.list shows you; nothing was changed.",
  ),
} as const;
const reject = rejecter(inboxRejections);

const noBox: Box = {
  pending: SeqMap.empty(),
  addressed: 0,
  deliveredUpTo: 0,
  acknowledged: SeqMap.empty(),
};

export const inbox: Slice<InboxState, InboxCommand, InboxEvent> = {
  initial: { boxes: KeyMap.empty(), posted: SeqMap.empty(), broadcasts: SeqMap.empty() },
  decide: {
    "message.acknowledge": acknowledge,
    "message.deliver": (state, { agent, upTo }) => {
      const box = state.inbox.boxes.get(agent);
      if (box === undefined) return accept();
      let last = 0;
      for (const [seq] of box.pending.from(box.deliveredUpTo + 1)) {
        if (seq > upTo) break;
        last = seq;
      }
      return last === 0 ? accept() : accept({ type: "message.delivered", agent, upTo: last });
    },
  },
  shown: (state, agent, seq) => {
    const [first] = undelivered(state, agent, 1);
    const from = first === undefined ? undefined : messageSeq(first.message);
    return from === undefined || from > seq ? undefined : { type: "message.deliver", agent, upTo: seq };
  },
  evolve: {
    "message.posted": (slice, { from, recipients, broadcast }, at) => {
      const { seq } = at;
      // One leave for all boxes of this message: many recipients are then not many copies of the way to each.
      const edit = at.edit ?? (recipients.length > 1 ? new Edit() : undefined);
      let { boxes, broadcasts } = slice;
      for (const agent of recipients) {
        const box = boxes.get(agent) ?? noBox;
        const pending = box.pending.set(seq, true, edit);
        boxes = boxes.set(agent, changed(box, { pending, addressed: box.addressed + 1 }), edit);
      }
      if (broadcast) broadcasts = broadcasts.set(seq, from, edit);
      return prune({ boxes, broadcasts, posted: slice.posted.set(seq, recipients, edit) }, at);
    },
    "message.redacted": (slice, _, at) =>
      prune({ ...slice, posted: slice.posted.set(at.seq, [], at.edit) }, at),
    "message.delivered": (slice, { agent, upTo }, { edit }) => {
      const box = slice.boxes.get(agent);
      if (box === undefined || box.deliveredUpTo >= upTo) return slice;
      const boxes = slice.boxes.set(agent, changed(box, { deliveredUpTo: upTo }), edit);
      return { boxes, posted: slice.posted, broadcasts: slice.broadcasts };
    },
    "message.acknowledged": acknowledged,
    "agent.joined": (slice, { agent }, { edit }) => {
      const box = slice.boxes.get(agent) ?? noBox;
      if (box.after !== undefined) return slice;
      const joined: Box = { ...box, after: beforeNewcomers(slice) };
      return { ...slice, boxes: slice.boxes.set(agent, joined, edit) };
    },
  },
  save: function* (slice) {
    for (const [seq, recipients] of slice.posted) yield ["posted", seq, recipients];
    for (const [seq, from] of slice.broadcasts) yield ["broadcast", seq, from];
    for (const [agent, { addressed: _, pending, acknowledged, ...box }] of slice.boxes) {
      yield ["box", agent, box, [...pending.keys()], [...acknowledged.keys()]];
    }
  },
  load: (rows) => {
    const posted: [number, readonly string[]][] = [];
    const broadcasts: [number, string][] = [];
    const boxes: [string, Box][] = [];
    const addressed = new Map<string, number>();
    for (const [part, key, value, pending, acknowledged] of rows) {
      if (part === "posted") {
        posted.push([key as number, value as readonly string[]]);
        for (const name of value as readonly string[]) addressed.set(name, (addressed.get(name) ?? 0) + 1);
      } else if (part === "broadcast") broadcasts.push([key as number, value as string]);
      else {
        const box = { ...noBox, ...(value as Pick<Box, "deliveredUpTo" | "after">) };
        boxes.push([key as string, { ...box, pending: seqs(pending), acknowledged: seqs(acknowledged) }]);
      }
    }
    return {
      boxes: KeyMap.from(boxes.map(([name, box]) => [name, { ...box, addressed: addressed.get(name) ?? 0 }])),
      posted: SeqMap.from(posted),
      broadcasts: SeqMap.from(broadcasts),
    };
  },
};

/** A message as it is shown. */
export type MessageView = Omit<Message, "recipients">;

export const inboxQueries = {
  "inbox.list": query(
    "What the agent has not acknowledged, oldest first.",
    { ...paging, agent: optional(doc("The asker unless said.", id)) },
    (state, params, asker): Page<MessageView> => {
      const agent = params.agent ?? asker.agent;
      return page(unacknowledged(state.inbox, agent, cursorSeq(params, 0)), params, (_, seq) => {
        const message = state.messages.bySeq.get(seq);
        return message && mayRead(message, asker) ? messageView(message) : undefined;
      });
    },
  ),
} as const;

/** How many messages the agent has not acknowledged. */
export function unacknowledgedCount(state: State, agent: string): number {
  let count = 0;
  for (const _ of unacknowledged(state.inbox, agent, 0)) count += 1;
  return count;
}

/** The first `limit` messages directed at `agent` that it was not handed yet, in order (ME5). */
export function undelivered(state: State, agent: string, limit: number): readonly Message[] {
  const box = state.inbox.boxes.get(agent);
  const found: Message[] = [];
  if (box === undefined) return found;
  for (const [seq] of box.pending.from(box.deliveredUpTo + 1)) {
    if (found.length >= limit) break;
    const message = state.messages.bySeq.get(seq);
    if (message) found.push(message);
  }
  return found;
}

/** Where a directed message stands with one recipient. */
export interface Receipt {
  readonly agent: string;
  readonly status: "stored" | "delivered" | "acknowledged";
}

/** The receipts of a message, by recipient; `more` when there are others. Broadcasts have none. */
export function receiptsOf(
  state: State,
  message: Message,
): { readonly receipts: readonly Receipt[]; readonly more?: true } | undefined {
  const seq = messageSeq(message.message);
  if (message.broadcast || seq === undefined) return undefined;
  const receipts = message.recipients.slice(0, limits.partsShown).map((agent): Receipt => {
    const box = state.inbox.boxes.get(agent) ?? noBox;
    if (!box.pending.has(seq)) return { agent, status: "acknowledged" };
    return { agent, status: seq <= box.deliveredUpTo ? "delivered" : "stored" };
  });
  return message.recipients.length > receipts.length ? { receipts, more: true } : { receipts };
}

/** As others see it: without the list of all whom it reached. */
export function messageView({ recipients: _, ...shown }: Message): MessageView {
  return shown;
}

function acknowledge(state: State, command: Typed<typeof inboxCommands>, { agent, seq }: Context) {
  const { messages, upTo } = command;
  if ((messages === undefined) === (upTo === undefined)) {
    return invalid("messages", "give either `messages` or `upTo`");
  }
  if (upTo !== undefined) {
    const last = typeof upTo === "string" ? messageSeq(upTo) : upTo;
    if (last === undefined) return unknownMessage(String(upTo));
    for (const [found] of unacknowledged(state.inbox, agent, 0)) {
      if (found > last) break;
      // Never beyond what there is: what comes later was not read.
      return accept({ type: "message.acknowledged", agent, upTo: Math.min(last, seq - 1) });
    }
    return accept();
  }
  const open: string[] = [];
  for (const id of new Set(messages)) {
    const message = messageOf(state, id);
    if (message === undefined) return unknownMessage(id);
    const mine = message.broadcast ? message.from !== agent : message.recipients.includes(agent);
    if (!mine) return reject("message.not-recipient", { id });
    if (isOpen(state.inbox, agent, messageSeq(id) ?? 0)) open.push(id);
  }
  return open.length === 0 ? accept() : accept({ type: "message.acknowledged", agent, messages: open });
}

function acknowledged(
  slice: InboxState,
  event: Extract<InboxEvent, { type: "message.acknowledged" }>,
  { edit }: At,
): InboxState {
  const { agent, messages = [], upTo = 0 } = event;
  const box = slice.boxes.get(agent) ?? noBox;
  let { pending, acknowledged } = box;
  let after = box.after ?? beforeNewcomers(slice);
  for (const id of messages) {
    const seq = messageSeq(id) ?? 0;
    pending = pending.delete(seq, edit);
    if (seq > after && slice.broadcasts.has(seq)) acknowledged = acknowledged.set(seq, true, edit);
  }
  pending = dropped(pending, upTo, edit);
  after = Math.max(after, upTo);
  for (const [seq, from] of slice.broadcasts.from(after + 1)) {
    if (from !== agent && !acknowledged.has(seq)) break;
    after = seq;
  }
  const kept = Math.max(after, (slice.broadcasts.first()?.[0] ?? 0) - 1);
  acknowledged = dropped(acknowledged, kept, edit);
  const boxes = slice.boxes.set(agent, changed(box, { pending, acknowledged, after }), edit);
  return { boxes, posted: slice.posted, broadcasts: slice.broadcasts };
}

/** Whether the agent has this message still to acknowledge. */
function isOpen(slice: InboxState, agent: string, seq: number): boolean {
  for (const [found] of unacknowledged(slice, agent, seq)) return found === seq;
  return false;
}

/**
 * Seqs of what the agent has not acknowledged, from `from` on, ascending: its box and the broadcasts,
 * merged.
 */
function* unacknowledged(
  slice: InboxState,
  agent: string,
  from: number,
): IterableIterator<readonly [number, true]> {
  const box = slice.boxes.get(agent) ?? noBox;
  const after = box.after ?? beforeNewcomers(slice);
  const directed = box.pending.from(from);
  let next = directed.next();
  for (const [seq, sender] of slice.broadcasts.from(Math.max(from, after + 1))) {
    if (sender === agent || box.acknowledged.has(seq)) continue;
    for (; !next.done && next.value[0] < seq; next = directed.next()) yield next.value;
    yield [seq, true];
  }
  for (; !next.done; next = directed.next()) yield next.value;
}

/** The seq behind which a newcomer's broadcasts begin: it gets the last few (ME1). */
function beforeNewcomers({ broadcasts }: InboxState): number {
  let count = 0;
  for (const [seq] of broadcasts.downFrom()) if (++count > limits.broadcastsForNewcomers) return seq;
  return 0;
}

/** Takes out of the boxes what the messages forget too (ME12). */
function prune(slice: InboxState, { settings, edit: given }: At): InboxState {
  if (slice.posted.size <= settings.messagesMax) return slice;
  let { boxes, posted, broadcasts } = slice;
  while (posted.size > settings.messagesMax) {
    const oldest = posted.first();
    if (oldest === undefined) break;
    const [seq, recipients] = oldest;
    const edit = given ?? (recipients.length > 1 ? new Edit() : undefined);
    posted = posted.delete(seq, edit);
    broadcasts = broadcasts.delete(seq, edit);
    for (const agent of recipients) {
      const box = boxes.get(agent);
      if (box === undefined) continue;
      const addressed = box.addressed - 1;
      boxes =
        addressed <= 0 && box.after === undefined
          ? boxes.delete(agent, edit)
          : boxes.set(agent, changed(box, { addressed, pending: box.pending.delete(seq, edit) }), edit);
    }
  }
  return { boxes, posted, broadcasts };
}

/** Without the seqs up to `upTo`. */
function dropped(seqs: SeqMap<true>, upTo: number, edit: Edit | undefined): SeqMap<true> {
  let left = seqs;
  for (let first = left.first(); first !== undefined && first[0] <= upTo; first = left.first()) {
    left = left.delete(first[0], edit);
  }
  return left;
}

function seqs(keys: unknown): SeqMap<true> {
  return SeqMap.from((keys as readonly number[]).map((seq) => [seq, true] as const));
}
