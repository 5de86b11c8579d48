/**
 * Dropping what is below a snapshot, a little at a time, so that writers hardly notice.
 */
import type { Seq } from "../../core/ports/event-log.ts";
import type { Link } from "./chain.ts";
import { pause } from "./machine.ts";
import type { SqliteFile } from "./sqlite-file.ts";

const ROWS_A_STEP = 256;
const PAGES_A_STEP = 512;

const END = "SELECT seq, hash FROM batch WHERE seq <= ? ORDER BY seq LIMIT 1 OFFSET ?";
const LAST = "SELECT seq, hash FROM batch WHERE seq <= ? ORDER BY seq DESC LIMIT 1";
const RAISE = "UPDATE horizon SET seq = max(seq, ?)";
const DROP = "DELETE FROM batch WHERE seq <= ?";
const ANCHOR = "UPDATE horizon SET row_seq = ?, row_hash = ?";

/**
 * Raises the horizon to `through` and drops the rows wholly at or below it; a row that straddles it stays,
 * unread. The chain's place at the last dropped row is kept, so that what follows can still be checked. May
 * be broken off at any point and done again.
 */
export async function truncateRows(
  connection: () => SqliteFile,
  through: Seq,
  locked: (db: SqliteFile, work: (db: SqliteFile) => void) => Promise<void>,
): Promise<void> {
  if (through <= 0) return;
  for (let more = true; more; ) {
    await locked(connection(), (db) => {
      db.driver.prepare(RAISE).run(through);
      const full = db.driver.prepare(END).get(through, ROWS_A_STEP - 1) as Link | undefined;
      const end = full ?? (db.driver.prepare(LAST).get(through) as Link | undefined);
      more = full !== undefined;
      if (end === undefined) return;
      db.driver.prepare(ANCHOR).run(end.seq, end.hash);
      db.driver.prepare(DROP).run(end.seq);
    });
    await pause(0);
  }
  for (let left = Number.POSITIVE_INFINITY; left > 0; ) {
    const before = left;
    await locked(connection(), (db) => {
      // Run step by step: only `exec` goes through all of its steps in every driver.
      db.driver.exec(`PRAGMA incremental_vacuum(${PAGES_A_STEP})`);
      left = db.driver.prepare("PRAGMA freelist_count").get()?.freelist_count as number;
    });
    if (left >= before) return;
    await pause(0);
  }
}
