/**
 * Snapshots: a fold as chunks of plain rows, written without stopping the engine, and read back.
 *
 * A fold is immutable, so it can be walked at leisure while the engine goes on.
 */
import { Failure } from "../failures.ts";
import { Loading, save } from "../model/model.ts";
import type { Row } from "../model/slice.ts";
import type { SnapshotChunk, SnapshotStore } from "../ports/event-log.ts";
import { type Fold, settled } from "./fold.ts";
import { loadReceipts, ROW_RECEIPTS, saveReceipts } from "./receipts.ts";

/** The newest format this version writes and reads. */
const SNAPSHOT_FORMAT = 2;

/** Rows a chunk holds: bounds how long the event loop is kept. */
const CHUNK_ROWS = 500;

/** The name under which receipts stand beside the nouns. */
const RECEIPTS = "receipts";

/**
 * Writes the fold; `pause` lets others run between chunks. Resolves with how much that was, in rows of one
 * thing each; receipts, which stand many in a row, count half.
 */
export async function writeSnapshot(
  store: SnapshotStore,
  fold: Fold,
  pause: () => Promise<void>,
): Promise<number> {
  let rows = 0;
  const counted = async function* () {
    for await (const chunk of chunks(fold, pause)) {
      const count = Array.isArray(chunk[1]) ? chunk[1].length : 0;
      rows += chunk[0] === RECEIPTS ? (count * ROW_RECEIPTS) / 2 : count;
      yield chunk;
    }
  };
  await store.write(fold.seq, counted());
  return rows;
}

/**
 * Reads the fold back, its indexes built; its receipts only where they are wanted. Throws
 * `snapshot.damaged`.
 */
export async function readSnapshot(store: SnapshotStore, seq: number, withReceipts = true): Promise<Fold> {
  const state = new Loading();
  const receipts: (readonly unknown[])[] = [];
  let head: SnapshotChunk | undefined;
  reading: for await (const some of store.read(seq)) {
    for (const chunk of some) {
      if (head === undefined) head = chunk;
      else if (head[0] !== SNAPSHOT_FORMAT) break reading;
      else if (chunk[0] !== RECEIPTS) state.take(chunk[0] as string, chunk[1] as Row[]);
      else if (withReceipts) receipts.push(...(chunk[1] as (readonly unknown[])[]));
      else break reading;
    }
  }
  const [format, snapshotSeq, atMs] = head ?? [];
  if (format !== SNAPSHOT_FORMAT || snapshotSeq !== seq || typeof atMs !== "number") {
    throw new Failure("snapshot.damaged", `The snapshot at ${seq} is not in a format this version reads.`, {
      fields: { seq },
    });
  }
  return settled({ state: state.done(), receipts: loadReceipts(receipts), seq, atMs });
}

/** The fold in plain rows, in a canonical order: equal folds give equal rows. */
export function rowsOf(fold: Fold): readonly string[] {
  const rows: string[] = [];
  for (const [name, part] of parts(fold)) for (const row of part) rows.push(JSON.stringify([name, ...row]));
  return rows.sort();
}

async function* chunks(fold: Fold, pause: () => Promise<void>): AsyncIterable<SnapshotChunk> {
  yield [SNAPSHOT_FORMAT, fold.seq, fold.atMs];
  for (const [name, rows] of parts(fold)) {
    let chunk: unknown[] = [];
    // Of receipts there are many in a row.
    const most = name === RECEIPTS ? Math.ceil(CHUNK_ROWS / ROW_RECEIPTS) : CHUNK_ROWS;
    for (const row of rows) {
      chunk.push(row);
      if (chunk.length < most) continue;
      yield [name, chunk];
      chunk = [];
      await pause();
    }
    if (chunk.length > 0) yield [name, chunk];
  }
}

function parts({ state, receipts }: Fold): readonly (readonly [string, Iterable<readonly unknown[]>])[] {
  return [...save(state), [RECEIPTS, saveReceipts(receipts)]];
}
