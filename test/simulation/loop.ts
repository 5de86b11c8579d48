/**
 * The simulated event loop: all time there is. What is due runs in order of time, then of arrival; between
 * two events every promise that can settle has settled.
 */
import type { Chance, Clock } from "../../core/ports/clock.ts";
import type { Random } from "./random.ts";

/** Something that runs and may be stopped: once dead, nothing of it ever runs again. */
export class Process {
  readonly name: string;
  alive = true;
  /** Frozen until then; what is due meanwhile runs when it wakes. */
  pausedUntilMs = 0;

  constructor(name: string) {
    this.name = name;
  }
}

interface Due {
  atMs: number;
  order: number;
  readonly owner: Process | undefined;
  run: (() => void) | undefined;
}

export class Loop {
  /** True elapsed time in milliseconds; nobody in the simulation can see it. */
  nowMs = 0;
  /** Events that ran. */
  steps = 0;
  private heap: Due[] = [];
  private order = 0;

  /** Runs `run` after `ms`, unless its owner is dead by then. */
  at(ms: number, owner: Process | undefined, run: () => void): () => void {
    const due: Due = { atMs: this.nowMs + Math.max(0, ms), order: this.order++, owner, run };
    this.push(due);
    return () => {
      due.run = undefined;
    };
  }

  /** Resolves after `ms`; never, when its owner is dead by then. */
  sleep(ms: number, owner: Process | undefined): Promise<void> {
    return new Promise((resolve) => this.at(ms, owner, resolve));
  }

  /** Runs until `done` says so or nothing is left. */
  async run(done: () => boolean): Promise<void> {
    while (!done()) {
      const due = this.pop();
      if (due === undefined) return;
      const { owner, run } = due;
      if (run === undefined || owner?.alive === false) continue;
      this.nowMs = Math.max(this.nowMs, due.atMs);
      if (owner !== undefined && owner.pausedUntilMs > this.nowMs) {
        due.atMs = owner.pausedUntilMs;
        due.order = this.order++;
        this.push(due);
        continue;
      }
      this.steps += 1;
      run();
      await new Promise(setImmediate);
    }
  }

  private push(due: Due): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(due);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Due;
      if (!before(due, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = due;
  }

  private pop(): Due | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && before(heap[down + 1] as Due, heap[down] as Due)) down += 1;
      if (!before(heap[down] as Due, last)) break;
      heap[at] = heap[down] as Due;
      at = down;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Due, b: Due): boolean {
  return a.atMs !== b.atMs ? a.atMs < b.atMs : a.order < b.order;
}

/** A clock as one process sees it: its own origin of elapsed time, a wall clock that is wrong and jumps. */
export class SimClock implements Clock {
  /** How far the wall clock is off; changes when it jumps. */
  wallOffMs: number;
  private readonly loop: Loop;
  private readonly process: Process;
  private readonly originMs: number;

  constructor(loop: Loop, process: Process, originMs: number, wallOffMs: number) {
    this.loop = loop;
    this.process = process;
    this.originMs = originMs;
    this.wallOffMs = wallOffMs;
  }

  monotonicMs(): number {
    return this.loop.nowMs + this.originMs;
  }

  wallMs(): number {
    return WALL_MS + this.loop.nowMs + this.wallOffMs;
  }

  after(ms: number, run: () => void): () => void {
    return this.loop.at(ms, this.process, run);
  }

  soon(run: () => void): void {
    this.loop.at(0, this.process, run);
  }
}

/** When every simulation begins. */
const WALL_MS = 1_700_000_000_000;

/** Chance as the engine wants it. */
export function chanceOf(random: Random): Chance {
  return { fraction: () => random.next(), id: () => random.id() };
}
