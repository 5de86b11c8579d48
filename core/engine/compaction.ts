/**
 * Compaction: dropping old entries behind snapshots that were read back (LO7).
 *
 * Two snapshots are kept, and only entries below the older one are dropped: should the newer one turn
 * out bad, the older one and what follows it still give the state.
 */
import type { EventLog, Seq } from "../ports/event-log.ts";
import { foldAt } from "./recovery.ts";
import { readSnapshot, writeSnapshot } from "./snapshot.ts";
import type { Snapshots } from "./snapshots.ts";

/**
 * Drops entries from before `beforeMs` of log time, as far as both kept snapshots lie above them.
 * Resolves with the new horizon. Throws what writing and reading snapshots throw; nothing is dropped
 * then.
 */
export async function compact(
  log: EventLog,
  snapshots: Snapshots,
  beforeMs: number,
  pause: () => Promise<void>,
): Promise<Seq> {
  await snapshots.write();
  const older = await olderSnapshot(log, pause);
  const horizon = await log.horizon();
  const through = await lastBefore(log, horizon, beforeMs, older, pause);
  if (through > horizon) await log.truncate(through);
  return through;
}

/**
 * The older of two snapshots that were read back whole; made where there was only one. 0 when there is
 * none.
 */
async function olderSnapshot(log: EventLog, pause: () => Promise<void>): Promise<Seq> {
  const [newest = 0, before] = await log.snapshots.list();
  if (newest === 0) return 0;
  await readSnapshot(log.snapshots, newest);
  const older = before ?? newest - 1;
  if (before === undefined && older > 0) {
    await writeSnapshot(log.snapshots, await foldAt(log, older, pause, { receipts: true }), pause);
  }
  if (older > 0) await readSnapshot(log.snapshots, older);
  return older;
}

/** The newest entry that is older than `beforeMs` and not above `limit`. */
async function lastBefore(
  log: EventLog,
  horizon: Seq,
  beforeMs: number,
  limit: Seq,
  pause: () => Promise<void>,
): Promise<Seq> {
  let last = horizon;
  for await (const entries of log.read(horizon)) {
    for (const { seq, atMs } of entries) {
      if (seq > limit || atMs >= beforeMs) return last;
      last = seq;
    }
    await pause();
  }
  return last;
}
