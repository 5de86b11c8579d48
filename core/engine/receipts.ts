/**
 * Receipts: the outcome of each submission, so that retrying is harmless (SU1 to SU5).
 *
 * A receipt names the entry a submission became; the answer is derived from that entry. Receipts are folded
 * from the log like the state, so they are the same on every hub and after a restart. Those that age out
 * raise
 * `floor`: a
 * submission that may be older than what is remembered is refused, never done twice.
 */

import type { Settings } from "../model/log.ts";
import { type Edit, KeyMap } from "../model/map.ts";
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

/**
 * Remembers what an entry was for, and forgets what is too old or too much. `waiting`: the entry is no answer
 * yet.
 */
export function remember(
  receipts: Receipts,
  entry: Entry,
  waiting: boolean,
  settings: Settings,
  edit: Edit | undefined,
): Receipts {
  const next: Working = { ...receipts };
  let answers = 0;
  if (entry.id !== "" && entry.digest !== undefined) {
    const key = receiptKey(entry.by, entry.id);
    const { digest, seq } = entry;
    if (waiting) next.byKey = next.byKey.set(key, { digest, seq, open: true }, edit);
    else answers = close(next, key, { digest, seq }, entry, edit);
  }
  for (const event of entry.events) {
    if (!("closes" in event) || event.closes === undefined) continue;
    const { agent, submission } = event.closes as Closes;
    const key = receiptKey(agent, submission);
    const open = next.byKey.get(key);
    if (open?.open !== true) continue;
    answers = close(next, key, { digest: open.digest, seq: open.seq, closed: entry.seq }, entry, edit);
  }
  if (answers > 0) age(next, entry.atMs, settings, edit);
  return next;
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

/** A copy that is being made. */
type Working = { -readonly [K in keyof Receipts]: Receipts[K] };

/** Notes an answer; how many there are by now. */
function close(
  next: Working,
  key: string,
  receipt: Receipt,
  { seq, atMs }: Entry,
  edit: Edit | undefined,
): number {
  const there = next.order.get(seq);
  const aging = there === undefined ? { key, atMs } : [...list(there), { key, atMs }];
  next.byKey = next.byKey.set(key, receipt, edit);
  next.order = next.order.set(seq, aging, edit);
  next.closed += 1;
  return next.closed;
}

function age(next: Working, nowMs: number, settings: Settings, edit: Edit | undefined): void {
  for (;;) {
    const oldest = next.order.first();
    if (oldest === undefined) return;
    const [seq, aging] = oldest;
    const all = list(aging);
    const since = all[0]?.atMs ?? 0;
    if (next.closed <= settings.receiptsMax && nowMs - since < settings.receiptsMs) return;
    for (const { key } of all) next.byKey = next.byKey.delete(key, edit);
    next.order = next.order.delete(seq, edit);
    next.closed -= all.length;
    next.floor = seq;
  }
}

/** Nearly every entry answers one submission; an array for it would double the memory. */
function list(aging: Aging | readonly Aging[]): readonly Aging[] {
  return "key" in aging ? [aging] : aging;
}

function one(all: readonly Aging[]): Aging | readonly Aging[] {
  const [first] = all;
  return all.length === 1 && first !== undefined ? first : all;
}
