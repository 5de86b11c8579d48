/**
 * The fold: everything an engine knows at a seq, state and receipts together.
 */
import { assert, Failure } from "../failures.ts";
import { Edit } from "../model/map.ts";
import { bare, defersAnswer, evolve, initial, type State, settle } from "../model/model.ts";
import type { Entry } from "../model/slice.ts";
import { noReceipts, type Receipts, remember } from "./receipts.ts";

export interface Fold {
  readonly state: State;
  readonly receipts: Receipts;
  /** The newest entry in it; 0 before the first. */
  readonly seq: number;
  /** Log time of that entry, in milliseconds. */
  readonly atMs: number;
}

/** Before the first entry. */
export const emptyFold: Fold = { state: initial, receipts: noReceipts, seq: 0, atMs: 0 };

/** The same without derived indexes: where a bulk fold begins; `settled` ends it. */
export function bareFold(): Fold {
  return { ...emptyFold, state: bare() };
}

/** With the indexes built. */
export function settled(fold: Fold): Fold {
  return { ...fold, state: settle(fold.state) };
}

/**
 * Folds one entry. With `edit`, the fold given must not be used any more. Throws `Fault` when no version of
 * this program could fold it.
 */
export function foldEntry(fold: Fold, entry: Entry, edit: Edit | undefined): Fold {
  const state = evolve(fold.state, entry, edit);
  const receipts = remember(fold.receipts, entry, defersAnswer(entry), state.log.settings, edit);
  return { state, receipts, seq: entry.seq, atMs: entry.atMs };
}

/**
 * Folds stored entries, which follow on from the fold. The fold given stays valid, unless it was made
 * under the same `edit`: a long fold goes on in place under one. Throws `fold.failed`, naming the seq,
 * when an entry cannot be folded: a hub then serves nothing (hazards: poison).
 */
export function foldAll(fold: Fold, entries: readonly Entry[], edit: Edit = new Edit()): Fold {
  let next = fold;
  for (const entry of entries) {
    assert(entry.seq > next.seq, `entry ${entry.seq} does not follow ${next.seq}`);
    try {
      next = foldEntry(next, entry, edit);
    } catch (cause) {
      throw new Failure(
        "fold.failed",
        `Entry ${entry.seq} of the log cannot be folded by this version. Run a newer one, or have an operator skip it.`,
        { fields: { seq: entry.seq }, cause },
      );
    }
  }
  return next;
}
