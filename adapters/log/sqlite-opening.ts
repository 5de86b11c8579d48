/**
 * Opening a log's database: where it may stand, who may write it, and whether it is all there.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Loss } from "../../core/ports/event-log.ts";
import { hex } from "./chain.ts";
import {
  freeReserve,
  isFull,
  isWritable,
  keepReserve,
  makeFile,
  makeFolder,
  type Place,
  placeOf,
  refuseNetwork,
} from "./place.ts";
import type { OpenDriver } from "./sqlite-driver.ts";
import { type FileOptions, SqliteFile, storageFailure } from "./sqlite-file.ts";
import { checkLink } from "./sqlite-reader.ts";
import { raiseWitness, readWitness, type Witness } from "./witness.ts";

/** How to open a log in a file. */
export interface SqliteOptions {
  /** Make the log when there is none. Default: yes. */
  readonly create?: boolean;
  /** Default `full`: an acknowledged entry survives power loss. */
  readonly durability?: "full" | "relaxed";
  /** Open a log that lost entries, and go on behind a gap in the numbers (LO8). */
  readonly acceptLoss?: boolean;
  /**
   * Where commits are made. Default: inline, which is faster, until the disk proves slow; then in a worker.
   */
  readonly commits?: "inline" | "worker";
  /** Open for reading only. */
  readonly readOnly?: boolean;
  /** Dates appends and marks; its monotonic time must be comparable between processes of one boot. */
  readonly clock?: Clock;
  /** Where the worker's file is, should it not be beside this program's. */
  readonly workerUrl?: URL;
  /** Another way to reach SQLite; for tests that make it fail. */
  readonly openDriver?: OpenDriver;
}

/** An open database, and what was found on opening it. */
export interface OpenedFile {
  readonly db: SqliteFile;
  readonly readOnly: boolean;
  readonly lost: Loss | undefined;
  /** Removes a private copy, should one have been made. */
  readonly discard: () => void;
}

// Above what a worker lets it grow to; without a worker SQLite must do it on the way.
const AUTOCHECKPOINT_PAGES = 4000;

/** Opens, or makes, the log at `place`; throws a `Failure` that says what is wrong with it. */
export async function openPlace(
  place: Place,
  options: SqliteOptions,
  driver: OpenDriver,
): Promise<OpenedFile> {
  const { file } = place;
  const folder = dirname(file);
  const exists = existsSync(file);
  const wantsWrite = options.readOnly !== true;
  if (!exists) prepare(place, options);
  refuseNetwork(folder);
  const readOnly = !wantsWrite || !isWritable(file);
  const witness = readWitness(place.witness);
  const settings: FileOptions = {
    openDriver: driver,
    readOnly,
    create: wantsWrite && options.create !== false,
    full: options.durability !== "relaxed",
    autocheckpoint: AUTOCHECKPOINT_PAGES,
  };
  const { db, discard } = readOnly
    ? await openForReading(file, settings)
    : { db: await openWithRoom(file, settings), discard: () => {} };
  try {
    const accept = options.acceptLoss === true && !readOnly;
    checkWhole(db, place, witness, { accept, readOnly });
    checkTail(db);
    if (!readOnly) keepReserve(place.reserve);
    return { db, readOnly, lost: lossOf(db), discard };
  } catch (error) {
    db.close();
    discard();
    throw storageFailure(file, error);
  }
}

function prepare(place: Place, options: SqliteOptions): void {
  const { file } = place;
  if (options.create === false || options.readOnly === true) {
    throw new Failure("log.unusable", `There is no log at ${file}.`, { fields: { file } });
  }
  const witness = readWitness(place.witness);
  if (witness !== undefined && witness.seq > 0 && options.acceptLoss !== true) {
    throw rolledBack(file, 0, witness, "the file is gone");
  }
  makeFolder(dirname(file));
  refuseNetwork(dirname(file));
  makeFile(file);
}

/** SQLite needs some room even to read; on a full disk it is taken from what was set aside for that day. */
async function openWithRoom(file: string, settings: FileOptions): Promise<SqliteFile> {
  try {
    return await SqliteFile.open(file, settings);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "log.unusable" || !isFull(dirname(file))) throw error;
  }
  try {
    freeReserve(placeOf(file).reserve);
    return await SqliteFile.open(file, settings);
  } catch (error) {
    throw new Failure(
      "log.full",
      `There is no room on the disk to open ${file}. Free some disk space and try again; nothing was lost.`,
      { fields: { file, retryAfterMs: limits.fullRetryMs }, cause: error },
    );
  }
}

/** A database in a folder nobody may write to cannot be opened where it is: then a private copy is read. */
export async function openForReading(
  file: string,
  settings: FileOptions,
): Promise<{ db: SqliteFile; discard: () => void }> {
  let opened: SqliteFile | undefined;
  try {
    opened = await SqliteFile.open(file, settings);
    opened.head();
    return { db: opened, discard: () => {} };
  } catch (thrown) {
    opened?.close();
    const error = storageFailure(file, thrown);
    if (!(error instanceof Failure) || (error.code !== "log.read-only" && error.code !== "log.unusable"))
      throw error;
    if (isWritable(file) || (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) throw error;
  }
  const folder = mkdtempSync(join(tmpdir(), "holdfast-read-"));
  const discard = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const copy = join(folder, "log.db");
    copyFileSync(file, copy);
    return { db: await SqliteFile.open(copy, settings), discard };
  } catch (error) {
    discard();
    throw error;
  }
}

/** The newest row must be what was written; the rest is checked when it is read. */
function checkTail(db: SqliteFile): void {
  db.view(() => {
    const tail = db.tail();
    if (tail === undefined) return;
    const row = db.page(tail.seq - 1, tail.seq, 1)[0];
    if (row !== undefined) checkLink(db.file, db.linkBefore(row.first - 1), row, () => db.holes());
  });
}

/** Refuses a log that is less than its witness saw, or makes the accepted hole. */
function checkWhole(
  db: SqliteFile,
  place: Place,
  early: Witness | undefined,
  { accept, readOnly }: { accept: boolean; readOnly: boolean },
): void {
  // The log only grows, so a witness that was read before it cannot be ahead of it.
  const trouble = db.view(() => compare(db, early ?? readWitness(place.witness)));
  if (trouble === undefined) {
    if (early === undefined && !readOnly) underLock(db, () => raiseWitness(place.witness, db.tailLink()));
    return;
  }
  const head = db.tailLink().seq;
  if (!accept) throw rolledBack(place.file, head, trouble.witness, trouble.what);
  underLock(db, () => {
    const { seq } = db.tailLink();
    const through = Math.max(seq, trouble.witness?.seq ?? 0) + limits.lossGap - 1;
    db.driver.prepare("INSERT OR REPLACE INTO hole (after_seq, through_seq) VALUES (?, ?)").run(seq, through);
    raiseWitness(place.witness, db.tailLink());
  });
}

/** What is wrong with the log, given its witness. */
function compare(
  db: SqliteFile,
  witness: Witness | undefined,
): { readonly what: string; readonly witness: Witness | undefined } | undefined {
  const tail = db.tailLink();
  if (witness === undefined) {
    return db.head() === 0 ? undefined : { what: "its witness file is missing", witness };
  }
  const inHole = db.holes().some((hole) => hole.afterSeq < witness.seq && witness.seq <= hole.throughSeq);
  if (inHole) return undefined;
  if (tail.seq < witness.seq) return { what: "entries at its end are gone", witness };
  if (witness.seq < db.horizon().link.seq) return undefined;
  const link = db.linkBefore(witness.seq);
  if (link.seq === witness.seq && hex(link.hash) === witness.hash) return undefined;
  return { what: "it went on from an older copy", witness };
}

function rolledBack(file: string, head: number, witness: Witness | undefined, what: string): Failure {
  const seen = witness === undefined ? "" : `, but it once came to ${witness.seq}`;
  return new Failure(
    "log.rolled-back",
    `${file} ends at entry ${head}${seen}: ${what}. Restore the newest copy of the log with its .witness file, or ` +
      "start once with --accept-loss to go on without what is missing.",
    { fields: { file, head, ...(witness === undefined ? {} : { witness: witness.seq }) } },
  );
}

function underLock(db: SqliteFile, work: () => void): void {
  db.driver.exec(`PRAGMA busy_timeout = ${limits.lockWaitMs}`);
  try {
    if (!db.lock()) {
      throw new Failure("busy", `${db.file} is locked by another process. Try again.`, {
        fields: { file: db.file, retryAfterMs: limits.fullRetryMs },
      });
    }
    try {
      work();
      db.end("COMMIT");
    } catch (error) {
      db.end("ROLLBACK");
      throw error;
    }
  } finally {
    db.driver.exec(`PRAGMA busy_timeout = ${limits.lockTryMs}`);
  }
}

/** The accepted loss the log ends with, if it does. */
function lossOf(db: SqliteFile): Loss | undefined {
  const afterSeq = db.tailLink().seq;
  const hole = db.holes().find((each) => each.afterSeq === afterSeq);
  return hole === undefined ? undefined : { afterSeq, throughSeq: hole.throughSeq };
}
