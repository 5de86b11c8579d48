/**
 * Writing to a log's database: appends, the witness, bringing the write-ahead log home. Synchronous; runs
 * on the calling thread or in the worker.
 */
import { closeSync, existsSync, fdatasyncSync, openSync } from "node:fs";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Seq } from "../../core/ports/event-log.ts";
import { rowHash, type StoredRow } from "./chain.ts";
import type { Place } from "./place.ts";
import { troubleOf } from "./sqlite-driver.ts";
import { type SqliteFile, storageFailure } from "./sqlite-file.ts";
import { raiseWitness } from "./witness.ts";

/** A row that is to be appended after `first - 1`. */
export type NewRow = Omit<StoredRow, "hash">;

/** `busy`: another process held the write lock; nothing was done. */
export type AppendOutcome =
  | { readonly kind: "appended" }
  | { readonly kind: "behind"; readonly head: Seq }
  | { readonly kind: "busy" };

/**
 * Appends a row when the head is right before it. Throws `log.full`, `log.read-only` or
 * `log.unknown-outcome`.
 */
export function appendRow(db: SqliteFile, row: NewRow): AppendOutcome {
  try {
    if (!db.lock()) return { kind: "busy" };
    const head = db.head();
    if (head !== row.first - 1) {
      db.end("ROLLBACK");
      return { kind: "behind", head };
    }
    db.insert({ ...row, hash: rowHash(db.tailLink().hash, row) });
    db.end("COMMIT");
    return { kind: "appended" };
  } catch (error) {
    db.end("ROLLBACK");
    throw appendFailure(db.file, error);
  }
}

function appendFailure(file: string, error: unknown): Failure {
  const trouble = troubleOf(error);
  if (trouble === "full" || trouble === "read-only") return storageFailure(file, error) as Failure;
  return new Failure(
    "log.unknown-outcome",
    `Whether the entries are in ${file} is not known: ${(error as Error).message}. Reopen the log and read it.`,
    { definite: false, fields: { file }, cause: error },
  );
}

/** Raises the witness to where the log is now; `false` when the write lock was taken. */
export function witnessLog(db: SqliteFile, place: Place): boolean {
  if (!db.lock()) return false;
  try {
    // A relaxed commit, of whatever process, is not on the disk yet, and the witness must never be ahead of
    // the log.
    syncFile(`${place.file}-wal`);
    raiseWitness(place.witness, db.tailLink());
  } finally {
    db.end("ROLLBACK");
  }
  return true;
}

// SQLite keeps its locks on the database and on `-shm`: only there would closing a descriptor drop them.
function syncFile(file: string): void {
  if (!existsSync(file)) return;
  const fd = openSync(file, "r+");
  try {
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Brings the write-ahead log home: most of it beside the writers, the little that is left while they wait,
 * so that the file starts anew however busy they are.
 */
export function checkpoint(db: SqliteFile): void {
  db.driver.prepare("PRAGMA wal_checkpoint(PASSIVE)").get();
  db.driver.prepare("PRAGMA wal_checkpoint(RESTART)").get();
}

/** Brings everything home and onto the disk; throws when it did not get there. */
export function settle(db: SqliteFile): void {
  db.driver.exec(`PRAGMA busy_timeout = ${limits.lockWaitMs}`);
  try {
    const row = db.driver.prepare("PRAGMA wal_checkpoint(FULL)").get();
    if (row?.busy !== 0) {
      throw new Failure(
        "log.unusable",
        `${db.file} is in use and could not be brought to the disk. Try again.`,
        {
          fields: { file: db.file },
        },
      );
    }
  } finally {
    db.driver.exec(`PRAGMA busy_timeout = ${limits.lockTryMs}`);
  }
}
