/**
 * The loop: brings the sequencer's batches to the log, one at a time, and what others wrote to the
 * sequencer.
 *
 * What is durable is folded, then answered, then shown, in that order and in log order. An append
 * whose outcome is unknown stops everything until the log was read again.
 */
import { assert, Failure } from "../failures.ts";
import type { Entry } from "../model/slice.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { LogTime } from "./log-time.ts";
import type { Proposal, Read, Sequencer } from "./sequencer.ts";
import type { Tail } from "./tail.ts";

export interface LoopOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly time: LogTime;
  readonly sequencer: Sequencer;
  readonly tail: Tail;
  /** Entries are durable, folded and answered; `own`: this engine appended them. */
  readonly published: (entries: readonly Entry[], own: boolean) => void;
  /** Nothing more can be done; called once. */
  readonly died: (failure: Failure) => void;
  readonly report?: ((what: string, error: unknown) => void) | undefined;
  readonly onAppend?: ((entries: number, ms: number) => void) | undefined;
}

/** How long a log that could not be written is left alone, in milliseconds. */
const RETRY_MS = 1000;

export class Loop {
  /** Why it has ended, once it has. */
  dead: Failure | undefined;
  private readonly options: LoopOptions;
  private running = false;
  private scheduled = false;
  private stale = true;
  /** Others wrote since it was last made sure that nothing is owed. */
  private foreign = false;
  private unwritable: { readonly failure: Failure; readonly untilMs: number } | undefined;
  private idle: (() => void)[] = [];
  private hold: Cancel | undefined;

  constructor(options: LoopOptions) {
    this.options = options;
  }

  /** Why nothing can be written at the moment, if so. */
  get trouble(): Failure | undefined {
    return this.unwritable?.failure;
  }

  propose(proposal: Proposal): void {
    if (this.dead !== undefined) return proposal.settle(this.dead);
    this.options.sequencer.propose(proposal);
    this.hold ??= this.options.clock.hold?.();
    this.kick();
  }

  ask(read: Read): void {
    if (this.dead !== undefined) return read.settle(this.dead);
    this.options.sequencer.ask(read);
    this.kick();
  }

  /** The log may have grown by others. */
  wake(): void {
    this.stale = true;
    this.kick();
  }

  /**
   * To be called now and then, also when nobody speaks: what is due, and what a dead writer may have
   * owed.
   */
  tick(): void {
    const { sequencer, time } = this.options;
    // Whoever wrote may have died between two appends of what belongs together.
    if (this.foreign) sequencer.owe();
    if (this.foreign || (sequencer.expiry.nextMs ?? Infinity) <= time.nowMs()) this.kick();
    this.foreign = false;
  }

  /** Resolves when everything that was submitted so far has been answered. */
  settled(): Promise<void> {
    if (this.options.sequencer.pending === 0 && !this.running) return Promise.resolve();
    return new Promise((resolve) => this.idle.push(resolve));
  }

  /** Ends it: everything that waits is told `failure`. */
  die(failure: Failure): void {
    if (this.dead !== undefined) return;
    this.dead = failure;
    this.options.sequencer.abandon(failure);
    this.letGo();
    for (const resolve of this.idle.splice(0)) resolve();
    this.options.died(failure);
  }

  /** Makes sure it runs soon. */
  private kick(): void {
    if (this.running || this.scheduled || this.dead !== undefined) return;
    this.scheduled = true;
    this.options.clock.soon(() => {
      this.scheduled = false;
      if (!this.running) this.run().catch((error) => this.die(asFailure(error)));
    });
  }

  private async run(): Promise<void> {
    const { sequencer, clock, time } = this.options;
    this.running = true;
    try {
      while (this.dead === undefined) {
        if (this.stale) await this.catchUp();
        const ready = sequencer.ready(time.nowMs(), clock.wallMs(), this.blocked());
        if (ready === undefined) {
          if (this.stale) continue;
          break;
        }
        if (ready.entries.length > 0) await this.append(ready.entries, ready.after);
        else await this.confirm(ready.after);
      }
    } finally {
      this.running = false;
      if (sequencer.pending === 0) {
        for (const resolve of this.idle.splice(0)) resolve();
        if (sequencer.waiters === 0) this.letGo();
      }
    }
  }

  /** Nobody here waits for an answer: the process may end. */
  private letGo(): void {
    this.hold?.();
    this.hold = undefined;
  }

  private async append(entries: readonly Entry[], after: number): Promise<void> {
    const { log, clock, time, onAppend } = this.options;
    const startedMs = clock.monotonicMs();
    try {
      const result = await log.append(entries, after);
      onAppend?.(entries.length, clock.monotonicMs() - startedMs);
      if (!result.appended) return this.learn(await this.gap(), true);
      this.unwritable = undefined;
      time.looked(startedMs);
      this.committed(entries);
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code === "fold.failed") throw failure;
      await this.appendFailed(failure);
    }
  }

  /** Nothing to append: the head must not have moved past what was decided on (LO4). */
  private async confirm(after: number): Promise<void> {
    const { log, clock, time } = this.options;
    const askedMs = clock.monotonicMs();
    if (log.shared && (await log.head()) !== after) return this.learn(await this.gap(), true);
    time.looked(askedMs);
    this.committed([]);
  }

  private committed(entries: readonly Entry[]): void {
    this.options.sequencer.committed();
    this.options.tail.add(entries);
    if (entries.length > 0) this.options.published(entries, true);
  }

  /** What others wrote since. */
  private async gap(): Promise<readonly Entry[]> {
    const { log, clock, time, sequencer } = this.options;
    const askedMs = clock.monotonicMs();
    const gap: Entry[] = [];
    for await (const entries of log.read(sequencer.fold.seq)) gap.push(...entries);
    const newest = gap[gap.length - 1];
    // Should yet another append come between, the age is its own and too short: then ours loses, and we ask
    // again.
    if (newest !== undefined) time.learn(newest.atMs, await log.ageMs());
    time.looked(askedMs);
    return gap;
  }

  /** Folds what others wrote, then shows it; `lost`: a batch of our own must be decided again. */
  private learn(gap: readonly Entry[], lost: boolean): void {
    const { sequencer, tail, published } = this.options;
    this.foreign ||= gap.length > 0;
    if (lost) sequencer.behind(gap);
    else sequencer.learn(gap);
    tail.add(gap);
    if (gap.length > 0) published(gap, false);
  }

  private async catchUp(): Promise<void> {
    const { log, sequencer } = this.options;
    this.stale = false;
    if ((await log.head()) > sequencer.fold.seq) this.learn(await this.gap(), false);
  }

  private async appendFailed(failure: Failure): Promise<void> {
    const { log, clock, sequencer, report } = this.options;
    if (failure.definite) {
      this.unwritable = { failure, untilMs: clock.monotonicMs() + RETRY_MS };
      return sequencer.failed(failure);
    }
    report?.("append", failure);
    sequencer.doubt();
    for (;;) {
      try {
        await log.reopen();
        this.learn(await this.gap(), true);
        sequencer.owe();
        return;
      } catch (error) {
        const again = asFailure(error);
        if (again.code !== "log.unknown-outcome") throw again;
        await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
        assert(this.dead === undefined, "closed while the outcome of an append was unknown");
      }
    }
  }

  /** Why nothing can be appended right now; it is tried again after a while. */
  private blocked(): Failure | undefined {
    if (this.unwritable === undefined) return undefined;
    const { failure, untilMs } = this.unwritable;
    const again = failure.code !== "log.read-only" && this.options.clock.monotonicMs() >= untilMs;
    return again ? undefined : failure;
  }
}

/** What went wrong, as a failure; a bug becomes `fold.failed`, which stops the engine. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const words = error instanceof Error ? error.message : String(error);
  const options = { definite: false, cause: error };
  return new Failure("fold.failed", `The hub stopped on a fault: ${words}`, options);
}
