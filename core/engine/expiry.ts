/**
 * Expiry: what is due when. A heap of deadlines beside the state, only ever a hint: each is checked against
 * the state when its time comes, so one that was superseded, or set by an entry that lost its race, does no
 * harm.
 */
import { allDeadlines, deadlinesOf, type SliceName, type State } from "../model/model.ts";
import type { Entry } from "../model/slice.ts";

export interface Deadline {
  readonly dueMs: number;
  readonly noun: SliceName;
  readonly key: string;
}

/** Deadlines beyond this many per live one are swept: renewals leave their old ones behind. */
const STALE_RATIO = 4;
const SWEEP_MIN = 4096;

export class Expiry {
  private heap: Deadline[] = [];
  private live = 0;

  /** Starts over from what stands in a state. */
  rebuild(state: State): void {
    this.heap = [];
    for (const [noun, [dueMs, key]] of allDeadlines(state)) this.push({ dueMs, noun, key });
    this.live = this.heap.length;
  }

  /** Takes note of the deadlines an entry sets; `state` is the state after it. */
  note(entry: Entry, state: State): void {
    for (const [noun, [dueMs, key]] of deadlinesOf(entry, state)) this.push({ dueMs, noun, key });
    if (this.heap.length > SWEEP_MIN && this.heap.length > this.live * STALE_RATIO) this.rebuild(state);
  }

  /** The earliest deadline, in log time, or `undefined`. */
  get nextMs(): number | undefined {
    return this.heap[0]?.dueMs;
  }

  /** Takes the earliest deadline if it is due at `nowMs`. */
  take(nowMs: number): Deadline | undefined {
    const first = this.heap[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    const last = this.heap.pop();
    if (last !== undefined && last !== first) {
      this.heap[0] = last;
      this.sink();
    }
    return first;
  }

  push(deadline: Deadline): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(deadline);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !before(deadline, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = deadline;
  }

  private sink(): void {
    const { heap } = this;
    const moving = heap[0];
    if (moving === undefined) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      let child = heap[down];
      if (child === undefined) break;
      const right = heap[down + 1];
      if (right !== undefined && before(right, child)) {
        down += 1;
        child = right;
      }
      if (!before(child, moving)) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = moving;
  }
}

/** By time, then by key: the same order in every engine. */
function before(a: Deadline, b: Deadline): boolean {
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs;
  return a.noun !== b.noun ? a.noun < b.noun : a.key < b.key;
}
