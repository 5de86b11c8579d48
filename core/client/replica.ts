/**
 * A replica: a follower's copy of the state, folded from the entries it was sent with the hub's own
 * reducer. Pure.
 *
 * Invariant: `state` is the fold of exactly the entries up to `seq`, as far as the follower may read them.
 */
import { Failure } from "../failures.ts";
import { Edit } from "../model/map.ts";
import { evolve, initial, type State } from "../model/model.ts";
import type { Entry } from "../model/slice.ts";

export class Replica {
  private folded: State;
  private last: number;

  /** Begins before the first entry, or with a state and the seq it is of. */
  constructor(from: { readonly state: State; readonly seq: number } = { state: initial, seq: 0 }) {
    this.folded = from.state;
    this.last = from.seq;
  }

  /** The newest entry in it; 0 before the first. */
  get seq(): number {
    return this.last;
  }

  /** With its indexes; immutable, so it may be held. */
  get state(): State {
    return this.folded;
  }

  /**
   * Folds entries that follow on. Throws `fold.failed` for a gap, a repeat, or an entry of a newer version;
   * then nothing of this call was folded.
   */
  fold(entries: readonly Entry[]): State {
    const edit = new Edit();
    let { folded, last } = this;
    for (const entry of entries) {
      if (entry.seq !== last + 1 && !followsLoss(entry, last)) {
        const message = `Entry ${entry.seq} does not follow on ${last}: the copy would not be the state.`;
        throw new Failure("fold.failed", message, { fields: { seq: entry.seq, after: last } });
      }
      try {
        folded = evolve(folded, entry, edit);
      } catch (cause) {
        const message = `Entry ${entry.seq} cannot be folded by this version; run a newer one.`;
        throw new Failure("fold.failed", message, { fields: { seq: entry.seq }, cause });
      }
      last = entry.seq;
    }
    this.folded = folded;
    this.last = last;
    return folded;
  }
}

/** The one hole there may be: an accepted loss that begins right behind what was folded (LO8). */
function followsLoss(entry: Entry, last: number): boolean {
  return (
    entry.seq > last &&
    entry.events.some((event) => event.type === "log.loss-accepted" && event.lostAfter === last)
  );
}
