/**
 * The tail: the newest entries, decoded, so that followers and repeated answers rarely need the log.
 */
import { limits } from "../limits.ts";
import type { Entry } from "../model/slice.ts";

export class Tail {
  private entries: Entry[] = [];
  /** The seq before the first kept entry. */
  private before: number;

  constructor(seq: number) {
    this.before = seq;
  }

  /** Takes in entries that follow on. Keeps between one and two times `limits.tailEntries`. */
  add(entries: readonly Entry[]): void {
    for (const entry of entries) this.entries.push(entry);
    if (this.entries.length < 2 * limits.tailEntries) return;
    this.entries = this.entries.slice(-limits.tailEntries);
    const first = this.entries[0];
    if (first !== undefined) this.before = first.seq - 1;
  }

  /** Up to `limit` entries after `seq`, or `undefined` when that far back only the log can tell. */
  after(seq: number, limit: number): readonly Entry[] | undefined {
    if (seq < this.before) return undefined;
    const from = this.indexAfter(seq);
    return this.entries.slice(from, from + limit);
  }

  /** The entry at `seq`, if it is kept. */
  at(seq: number): Entry | undefined {
    const entry = this.entries[this.indexAfter(seq - 1)];
    return entry?.seq === seq ? entry : undefined;
  }

  /** Seqs have no holes but the one LO8 permits, so the place is nearly always found at once. */
  private indexAfter(seq: number): number {
    const { entries } = this;
    const guess = seq - this.before;
    if (guess <= 0) return 0;
    const there = entries[guess - 1];
    if (there?.seq === seq) return guess;
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((entries[middle]?.seq ?? Infinity) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
