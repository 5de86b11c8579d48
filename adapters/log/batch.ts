/**
 * What every log demands of an append, whatever it stores it in.
 */
import { assert, Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Seq } from "../../core/ports/event-log.ts";

/** Throws a `Fault` unless `entries` can be appended after `after`; returns the seq of the last one. */
export function assertFollows(entries: readonly Entry[], after: Seq): Seq {
  const count = entries.length;
  assert(count >= 1 && count <= limits.appendEntriesMax, `an append holds ${count} entries`);
  for (let i = 0; i < count; i++) {
    assert(entries[i]?.seq === after + 1 + i, `entry ${entries[i]?.seq} does not follow on ${after + i}`);
  }
  return after + count;
}

/** A reader asked for what is no longer kept. */
export function belowHorizon(url: string, after: Seq, horizon: Seq): Failure {
  return new Failure(
    "log.horizon",
    `${url} keeps entries after ${horizon}; those after ${after} are gone. Start from a snapshot.`,
    { fields: { after, horizon } },
  );
}

/** The handle was closed. */
export function closedLog(url: string): Failure {
  return new Failure("closed", `${url} was closed.`);
}
