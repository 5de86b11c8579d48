/**
 * Recovery: the newest snapshot that is whole, and what came after it.
 */
import { Failure } from "../failures.ts";
import { Edit } from "../model/map.ts";
import type { EventLog } from "../ports/event-log.ts";
import { bareFold, emptyFold, type Fold, foldAll, settled } from "./fold.ts";
import { readSnapshot } from "./snapshot.ts";

/** Folding more entries than this is faster without keeping the indexes, which are then built at once. */
const BULK_ENTRIES = 2000;

/**
 * What the log says: everything durable, folded. Throws `fold.failed`, `log.damaged`, `log.horizon`.
 * Without receipts it is far quicker, and good for questions only.
 */
export async function recover(log: EventLog, { receipts = true } = {}): Promise<Fold> {
  const fold = await newestSnapshot(log, Number.MAX_SAFE_INTEGER, receipts);
  return foldOn(log, fold);
}

/**
 * The fold as it was right after entry `seq`, without receipts unless they are wanted. Throws
 * `log.horizon` when nothing tells any more.
 */
export async function foldAt(
  log: EventLog,
  seq: number,
  pause: () => Promise<void>,
  { receipts = false } = {},
): Promise<Fold> {
  let fold = await newestSnapshot(log, seq, receipts);
  if (fold.seq === seq) return settled(fold);
  const edit = new Edit();
  for await (const entries of log.read(fold.seq)) {
    const upTo = entries.findIndex((entry) => entry.seq > seq);
    fold = foldAll(fold, upTo < 0 ? entries : entries.slice(0, upTo), edit);
    if (upTo >= 0) break;
    await pause();
  }
  return settled(fold);
}

async function newestSnapshot(log: EventLog, atMost: number, receipts: boolean): Promise<Fold> {
  for (const seq of await log.snapshots.list()) {
    if (seq > atMost) continue;
    try {
      return await readSnapshot(log.snapshots, seq, receipts);
    } catch (error) {
      // A bad snapshot is passed over: the one before it, or the log itself, says the same.
      if (!(error instanceof Failure) || error.code !== "snapshot.damaged") throw error;
    }
  }
  return bareFold();
}

async function foldOn(log: EventLog, from: Fold): Promise<Fold> {
  const head = await log.head();
  if (head === 0) return emptyFold;
  const bulk = head - from.seq > BULK_ENTRIES;
  // One edit for all of it: nobody else sees what is between.
  const edit = new Edit();
  let fold = bulk ? unindexed(from, edit) : settled(from);
  for await (const entries of log.read(from.seq)) fold = foldAll(fold, entries, edit);
  return settled(fold);
}

/** Without the indexes, so that a bulk fold need not keep them; the fold given is used no more. */
function unindexed(fold: Fold, edit: Edit): Fold {
  const { claims, waits } = fold.state;
  const { receipts } = fold;
  return {
    ...fold,
    receipts: { ...receipts, table: receipts.table.moved(edit) },
    state: {
      ...fold.state,
      claims: { ...claims, index: undefined, shared: undefined, across: undefined },
      waits: { ...waits, index: undefined },
    },
  };
}
