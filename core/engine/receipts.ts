/**
 * Receipts: the outcome of each submission, so that retrying is harmless (SU1 to SU5).
 *
 * A receipt names the entry a submission became; the answer is derived from that entry. Receipts are folded from the
 * log like the state, so they are the same on every hub and after a restart. Those that age out raise `floor`: a
 * submission that may be older than what is remembered is refused, never done twice.
 */
import { type Edit, KeyMap } from "../model/map.ts";
import type { Settings } from "../model/log.ts";
import { SeqMap } from "../model/seq-map.ts";
import type { Closes, Entry } from "../model/slice.ts";

export interface Receipt {
  /** Fingerprint of the command. */
  readonly digest: string;
  /** The entry it became. */
  readonly seq: number;
  /** The entry that answered it, when its own left it waiting. */
  readonly closed?: number;
  /** Still waiting for its answer: never ages. */
  readonly open?: true;
}

export interface Receipts {
  readonly byKey: KeyMap<Receipt>;
  /** Keys and times of the closed ones, by the seq of the entry that answered them. */
  readonly order: SeqMap<Aging | readonly Aging[]>;
  /** Count of closed ones. */
  readonly closed: number;
  /** Submissions of entries up to here may have been forgotten. */
  readonly floor: number;
}

interface Aging {
  readonly key: string;
  readonly atMs: number;
}

export const noReceipts: Receipts = { byKey: KeyMap.empty(), order: SeqMap.empty(), closed: 0, floor: 0 };

/** Agent and submission in one key; neither can hold a line feed. */
export function receiptKey(agent: string, submission: string): string {
  return `${agent}\n${submission}`;
}

/** Remembers what an entry was for, and forgets what is too old or too much. `waiting`: the entry is no answer yet. */
export function remember(
  receipts: Receipts,
  entry: Entry,
  waiting: boolean,
  settings: Settings,
  edit: Edit | undefined,
): Receipts {
  let after = receipts;
  if (entry.id !== "" && entry.digest !== undefined) {
    const key = receiptKey(entry.by, entry.id);
    after = waiting
      ? { ...after, byKey: after.byKey.set(key, { digest: entry.digest, seq: entry.seq, open: true }, edit) }
      : close(after, key, { digest: entry.digest, seq: entry.seq }, entry, edit);
  }
  for (const event of entry.events) {
    const { closes } = event as { readonly closes?: Closes };
    if (closes === undefined) continue;
    const key = receiptKey(closes.agent, closes.submission);
    const open = after.byKey.get(key);
    if (open?.open !== true) continue;
    after = close(after, key, { digest: open.digest, seq: open.seq, closed: entry.seq }, entry, edit);
  }
  return after === receipts ? after : age(after, entry.atMs, settings, edit);
}

/** Everything that is remembered, as plain rows. */
export function* saveReceipts(receipts: Receipts): IterableIterator<readonly unknown[]> {
  yield ["floor", receipts.floor];
  for (const [key, receipt] of receipts.byKey) if (receipt.open === true) yield ["open", key, receipt];
  for (const [seq, aging] of receipts.order.entries()) {
    for (const { key, atMs } of list(aging)) yield ["closed", key, receipts.byKey.get(key), seq, atMs];
  }
}

export function loadReceipts(rows: Iterable<readonly unknown[]>): Receipts {
  const byKey: [string, Receipt][] = [];
  const order = new Map<number, Aging[]>();
  let floor = 0;
  let closed = 0;
  for (const [part, key, receipt, seq, atMs] of rows) {
    if (part === "floor") {
      floor = key as number;
      continue;
    }
    byKey.push([key as string, receipt as Receipt]);
    if (part === "open") continue;
    closed += 1;
    const aging = { key: key as string, atMs: atMs as number };
    const others = order.get(seq as number);
    if (others === undefined) order.set(seq as number, [aging]);
    else others.push(aging);
  }
  const ordered = [...order].sort(([a], [b]) => a - b);
  return {
    byKey: KeyMap.from(byKey),
    order: SeqMap.from(ordered.map(([seq, all]) => [seq, one(all)] as const)),
    closed,
    floor,
  };
}

function close(
  receipts: Receipts,
  key: string,
  receipt: Receipt,
  { seq, atMs }: Entry,
  edit: Edit | undefined,
): Receipts {
  const there = receipts.order.get(seq);
  const aging = there === undefined ? { key, atMs } : [...list(there), { key, atMs }];
  return {
    ...receipts,
    byKey: receipts.byKey.set(key, receipt, edit),
    order: receipts.order.set(seq, aging, edit),
    closed: receipts.closed + 1,
  };
}

function age(receipts: Receipts, nowMs: number, settings: Settings, edit: Edit | undefined): Receipts {
  let { byKey, order, closed, floor } = receipts;
  for (;;) {
    const oldest = order.first();
    if (oldest === undefined) break;
    const [seq, aging] = oldest;
    const all = list(aging);
    const since = all[0]?.atMs ?? 0;
    if (closed <= settings.receiptsMax && nowMs - since < settings.receiptsMs) break;
    for (const { key } of all) byKey = byKey.delete(key, edit);
    order = order.delete(seq, edit);
    closed -= all.length;
    floor = seq;
  }
  return { byKey, order, closed, floor };
}

/** Nearly every entry answers one submission; an array for it would double the memory. */
function list(aging: Aging | readonly Aging[]): readonly Aging[] {
  return "key" in aging ? [aging] : aging;
}

function one(all: readonly Aging[]): Aging | readonly Aging[] {
  const [first] = all;
  return all.length === 1 && first !== undefined ? first : all;
}
