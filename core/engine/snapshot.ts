/**
 * Snapshots: a fold as chunks of plain rows, written without stopping the engine, and read back.
 *
 * A fold is immutable, so it can be walked at leisure while the engine goes on.
 */
import { Failure } from "../failures.ts";
import { load, save } from "../model/model.ts";
import type { Row } from "../model/slice.ts";
import type { SnapshotChunk, SnapshotStore } from "../ports/event-log.ts";
import { type Fold, settled } from "./fold.ts";
import { loadReceipts, saveReceipts } from "./receipts.ts";

/** The newest format this version writes and reads. */
const SNAPSHOT_FORMAT = 1;

/** Rows a chunk holds: bounds how long the event loop is kept. */
const CHUNK_ROWS = 500;

/** Writes the fold; `pause` lets others run between chunks. Resolves with the number of rows. */
export async function writeSnapshot(
  store: SnapshotStore,
  fold: Fold,
  pause: () => Promise<void>,
): Promise<number> {
  let rows = 0;
  const counted = async function* () {
    for await (const chunk of chunks(fold, pause)) {
      rows += Array.isArray(chunk[1]) ? chunk[1].length : 0;
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
  const rows: (readonly [string, ...Row])[] = [];
  const receipts: (readonly unknown[])[] = [];
  let head: SnapshotChunk | undefined;
  reading: for await (const some of store.read(seq)) {
    for (const chunk of some) {
      if (head === undefined) head = chunk;
      else if (chunk[0] !== "state" && !withReceipts) break reading;
      else if (chunk[0] === "state") rows.push(...(chunk[1] as (readonly [string, ...Row])[]));
      else receipts.push(...(chunk[1] as (readonly unknown[])[]));
    }
  }
  const [format, snapshotSeq, atMs] = head ?? [];
  if (format !== SNAPSHOT_FORMAT || snapshotSeq !== seq || typeof atMs !== "number") {
    throw new Failure("snapshot.damaged", `The snapshot at ${seq} is not in a format this version reads.`, {
      fields: { seq },
    });
  }
  return settled({ state: load(rows), receipts: loadReceipts(receipts), seq, atMs });
}

/** The fold in plain rows, in a canonical order: equal folds give equal rows. */
export function rowsOf(fold: Fold): readonly string[] {
  const rows = [...save(fold.state)].map((row) => JSON.stringify(row));
  for (const row of saveReceipts(fold.receipts)) rows.push(JSON.stringify(["receipts", ...row]));
  return rows.sort();
}

async function* chunks(fold: Fold, pause: () => Promise<void>): AsyncIterable<SnapshotChunk> {
  yield [SNAPSHOT_FORMAT, fold.seq, fold.atMs];
  for (const [kind, rows] of [
    ["state", save(fold.state)],
    ["receipts", saveReceipts(fold.receipts)],
  ] as const) {
    let chunk: unknown[] = [];
    for (const row of rows) {
      chunk.push(row);
      if (chunk.length < CHUNK_ROWS) continue;
      yield [kind, chunk];
      chunk = [];
      await pause();
    }
    if (chunk.length > 0) yield [kind, chunk];
  }
}
