/**
 * Receipts: the outcome of each submission, so that retrying is harmless (SU1 to SU5).
 *
 * A receipt names the entry a submission became; the answer is derived from that entry. Receipts are
 * folded from the log like the state, so they are the same on every hub and after a restart. Those
 * that age out raise `floor`: a submission that may be older than what is remembered is refused, never
 * done twice.
 */
import type { Settings } from "../model/log.ts";
import type { Edit } from "../model/map.ts";
import type { Closes, Entry } from "../model/slice.ts";
import { ReceiptTable } from "./receipt-table.ts";

export interface Receipt {
  readonly agent: string;
  /** The submission's id. */
  readonly id: string;
  /** Fingerprint of the command. */
  readonly digest: string;
  /** The entry it became. */
  readonly seq: number;
  /** The entry that answered it, often its own; 0 while it waits, and then it never ages. */
  readonly answered: number;
  /** Log time of the answer; 0 while it waits. */
  readonly atMs: number;
}

/** What is remembered as of a seq; a value, like the state. */
export interface Receipts {
  readonly table: ReceiptTable;
  /** Submissions of entries up to here may have been forgotten. */
  readonly floor: number;
}

export const noReceipts: Receipts = { table: ReceiptTable.empty, floor: 0 };

/**
 * Remembers what an entry was for, and forgets what is too old or too much. `waiting`: the entry is no
 * answer yet.
 */
export function remember(
  receipts: Receipts,
  entry: Entry,
  waiting: boolean,
  settings: Settings,
  edit: Edit | undefined,
): Receipts {
  const { seq, atMs, id, digest } = entry;
  let table: ReceiptTable | undefined;
  if (id !== "" && digest !== undefined) {
    table = receipts.table.under(edit);
    if (waiting) table.open({ agent: entry.by, id, digest, seq, answered: 0, atMs: 0 });
    else table.answer({ agent: entry.by, id, digest, seq, answered: seq, atMs });
  }
  for (const event of entry.events) {
    if (!("closes" in event) || event.closes === undefined) continue;
    const { agent, submission } = event.closes as Closes;
    const open = (table ?? receipts.table).waiting(agent, submission);
    if (open === undefined) continue;
    table ??= receipts.table.under(edit);
    table.answer({ agent, id: submission, digest: open.digest, seq: open.seq, answered: seq, atMs }, open);
  }
  if (table === undefined) return receipts;
  const floor = forget(table, receipts.floor, atMs, settings);
  return table === receipts.table && floor === receipts.floor ? receipts : { table, floor };
}

/** Receipts a row of a snapshot holds, column by column: read three times as fast as one by one. */
export const ROW_RECEIPTS = 200;

/** Everything that is remembered, as plain rows, as of the moment it is asked for. */
export function saveReceipts({ table, floor }: Receipts): Iterable<readonly unknown[]> {
  const rows: (readonly unknown[])[] = [["floor", floor]];
  for (const receipt of table.opened()) rows.push(["open", ...columns([receipt])]);
  const answered = table.answered();
  for (let at = 0; at < answered.length; at += ROW_RECEIPTS) {
    rows.push(["answered", ...columns(answered.slice(at, at + ROW_RECEIPTS))]);
  }
  return rows;
}

export function loadReceipts(rows: Iterable<readonly unknown[]>): Receipts {
  const answered: Receipt[] = [];
  const waiting: Receipt[] = [];
  let floor = 0;
  for (const [part, ...values] of rows) {
    if (part === "floor") floor = values[0] as number;
    else readColumns(values as unknown as Columns, part === "open" ? waiting : answered);
  }
  // Rows come in any order; the queue is by the entry that answered.
  const isAfter = (a: Receipt, at: number): boolean => a.answered < (answered[at - 1]?.answered ?? 0);
  if (answered.some(isAfter)) answered.sort((a, b) => a.answered - b.answered);
  return { table: ReceiptTable.of(waiting, answered), floor };
}

/** Agents are named once a row. */
type Columns = readonly [
  agents: readonly string[],
  of: readonly number[],
  ids: readonly string[],
  digests: readonly string[],
  seqs: readonly number[],
  answered: readonly number[],
  atMs: readonly number[],
];

function columns(receipts: readonly Receipt[]): Columns {
  const places = new Map<string, number>();
  const of = receipts.map(({ agent }) => {
    const place = places.get(agent) ?? places.size;
    places.set(agent, place);
    return place;
  });
  return [
    [...places.keys()],
    of,
    receipts.map(({ id }) => id),
    receipts.map(({ digest }) => digest),
    receipts.map(({ seq }) => seq),
    receipts.map(({ answered }) => answered),
    receipts.map(({ atMs }) => atMs),
  ];
}

function readColumns([agents, of, ids, digests, seqs, answered, atMs]: Columns, into: Receipt[]): void {
  for (let at = 0; at < ids.length; at++) {
    into.push({
      agent: agents[of[at] as number] as string,
      id: ids[at] as string,
      digest: digests[at] as string,
      seq: seqs[at] as number,
      answered: answered[at] as number,
      atMs: atMs[at] as number,
    });
  }
}

/** Drops what is too old or too much, oldest answer first; returns the floor as it is then. */
function forget(table: ReceiptTable, before: number, nowMs: number, settings: Settings): number {
  let floor = before;
  for (let oldest = table.oldest; oldest !== undefined; oldest = table.oldest) {
    if (table.size <= settings.receiptsMax && nowMs - oldest.atMs < settings.receiptsMs) break;
    table.forget();
    floor = oldest.answered;
  }
  return floor;
}
