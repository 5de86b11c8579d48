/**
 * Reading a log's database: rows come in pages, each checked against the chain before anything of it is
 * given out.
 */
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Seq } from "../../core/ports/event-log.ts";
import { belowHorizon } from "./batch.ts";
import { type Link, rowHash, type StoredRow, sameHash } from "./chain.ts";
import { unpackEntries } from "./codec.ts";
import { type Hole, type SqliteFile, storageFailure } from "./sqlite-file.ts";

/**
 * Entries given out at once at least, while there are more: a pause between single ones would cost more
 * than they.
 */
const TOGETHER = 512;

/** Stored bytes that are not what was written. */
export function damaged(file: string, seq: Seq, what: string): Failure {
  return new Failure(
    "log.damaged",
    `${file} is damaged at entry ${seq}: ${what}. Run verify, and restore the log from a backup.`,
    { fields: { file, seq } },
  );
}

/** Throws `log.damaged` unless `row` stands right behind `before`, a permitted hole aside. */
export function checkLink(file: string, before: Link, row: StoredRow, holes: () => readonly Hole[]): void {
  if (row.first !== before.seq + 1) {
    const jump = holes().some((hole) => hole.afterSeq === before.seq && hole.throughSeq === row.first - 1);
    if (!jump) throw damaged(file, before.seq + 1, `the entries before ${row.first} are missing`);
  }
  if (!sameHash(rowHash(before.hash, row), row.hash)) {
    throw damaged(file, row.first, "its stored bytes are not those that were written");
  }
}

/** The entries of a row whose hash was checked. */
export function rowEntries(file: string, row: StoredRow): readonly Entry[] {
  let entries: readonly Entry[];
  try {
    entries = unpackEntries(row.bytes);
  } catch (error) {
    throw damaged(file, row.first, (error as Error).message);
  }
  const count = row.seq - row.first + 1;
  if (entries.length !== count || entries[0]?.seq !== row.first || entries[count - 1]?.seq !== row.seq) {
    throw damaged(file, row.first, "it holds other entries than it says");
  }
  return entries;
}

/** Where a long read stands. */
interface Position {
  cursor: Seq;
  /** The row the cursor stands at the end of, when it was read here. */
  link: Link | undefined;
  /** Rows to ask for next. */
  rows: number;
}

/** The next rows after the position, at most a page, each checked; empty when there are none up to `through`. */
function nextPage(db: SqliteFile, url: string, at: Position, through: Seq): readonly StoredRow[] {
  return db.view(() => {
    const page = db.page(at.cursor, through, at.rows);
    const horizon = db.horizon();
    if (at.cursor < horizon.seq) throw belowHorizon(url, at.cursor, horizon.seq);
    const first = page[0];
    if (first === undefined) {
      // Rows that a damaged database cannot find are not rows that never were.
      const lost = db.holes().some((hole) => hole.afterSeq <= at.cursor && through <= hole.throughSeq);
      if (!lost) throw damaged(db.file, at.cursor + 1, `it and what follows through ${through} are missing`);
      return [];
    }
    let link = at.link ?? db.linkBefore(first.first - 1);
    let bytes = 0;
    for (const row of page) {
      checkLink(db.file, link, row, () => db.holes());
      bytes += row.bytes.length;
      link = row;
    }
    at.cursor = link.seq;
    at.link = { seq: link.seq, hash: link.hash };
    const fitting = Math.floor((limits.logPageBytes * page.length) / Math.max(1, bytes));
    at.rows = Math.max(1, Math.min(limits.logPageRowsMax, fitting, at.rows * 4));
    return page;
  });
}

/**
 * Entries after `after` through `through`, verified. `connection` is asked for at every page and throws
 * when the log was closed.
 */
export async function* readEntries(
  connection: () => SqliteFile,
  url: string,
  after: Seq,
  through: Seq,
): AsyncGenerator<readonly Entry[]> {
  const at: Position = { cursor: after, link: undefined, rows: 64 };
  let entries: Entry[] = [];
  while (at.cursor < through) {
    const db = connection();
    let page: readonly StoredRow[];
    try {
      page = nextPage(db, url, at, through);
    } catch (error) {
      throw storageFailure(db.file, error);
    }
    if (page.length === 0) break;
    // Row by row: what was unpacked and is not yet used must be carried through every collection.
    for (const row of page) {
      for (const entry of rowEntries(db.file, row)) if (entry.seq > after) entries.push(entry);
      if (entries.length < TOGETHER) continue;
      yield entries;
      entries = [];
    }
  }
  if (entries.length > 0) yield entries;
}
