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
import { type Closes, type Entry, submissionKey } from "../model/slice.ts";
import { type Answered, ReceiptTable } from "./receipt-table.ts";

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
  const { seq, atMs } = entry;
  let table: ReceiptTable | undefined;
  if (entry.id !== "" && entry.digest !== undefined) {
    const key = submissionKey(entry.by, entry.id);
    const { digest } = entry;
    table = receipts.table.under(edit);
    if (waiting) table.set(key, { digest, seq, open: true });
    else {
      table.set(key, { digest, seq });
      table.push({ key, seq, atMs });
    }
  }
  for (const event of entry.events) {
    if (!("closes" in event) || event.closes === undefined) continue;
    const { agent, submission } = event.closes as Closes;
    const key = submissionKey(agent, submission);
    const open = (table ?? receipts.table).get(key);
    if (open?.open !== true) continue;
    table ??= receipts.table.under(edit);
    table.set(key, { digest: open.digest, seq: open.seq, closed: seq });
    table.push({ key, seq, atMs });
  }
  if (table === undefined) return receipts;
  return { table, floor: forget(table, receipts.floor, atMs, settings) };
}

/** Everything that is remembered, as plain rows, as of the moment it is asked for. */
export function saveReceipts({ table, floor }: Receipts): Iterable<readonly unknown[]> {
  const rows: (readonly unknown[])[] = [["floor", floor]];
  for (const [key, receipt] of table.open()) rows.push(["open", key, receipt]);
  for (const { key, seq, atMs } of table.answered()) rows.push(["closed", key, table.get(key), seq, atMs]);
  return rows;
}

export function loadReceipts(rows: Iterable<readonly unknown[]>): Receipts {
  const answered: Answered[] = [];
  const known: [string, Receipt][] = [];
  let floor = 0;
  for (const [part, key, receipt, seq, atMs] of rows) {
    if (part === "floor") {
      floor = key as number;
      continue;
    }
    known.push([key as string, receipt as Receipt]);
    if (part === "closed") answered.push({ key: key as string, seq: seq as number, atMs: atMs as number });
  }
  // Rows come in any order; the queue is by the entry that answered.
  answered.sort((a, b) => a.seq - b.seq);
  return { table: ReceiptTable.of(known, answered), floor };
}

/** Drops what is too old or too much, oldest answer first; returns the floor as it is then. */
function forget(table: ReceiptTable, before: number, nowMs: number, settings: Settings): number {
  let floor = before;
  for (let oldest = table.oldest; oldest !== undefined; oldest = table.oldest) {
    if (table.size <= settings.receiptsMax && nowMs - oldest.atMs < settings.receiptsMs) break;
    table.shift();
    floor = oldest.seq;
  }
  return floor;
}
