/**
 * A following: one reader's place in the log, with a bounded store of what it has not read yet.
 *
 * Invariant: what is stored and what was read are all the wanted entries up to `reached`, in order, each
 * once.
 */
import { assert, type Failure } from "../failures.ts";
import { limits } from "../limits.ts";
import { sizeOf } from "../model/page.ts";
import type { Entry } from "../model/slice.ts";
import { type Filter, wanted } from "../protocol/filter.ts";
import { Queue } from "./queue.ts";
import type { Refused } from "./refused.ts";

export interface FollowOptions extends Filter {
  /** The last seq already taken; 0 for everything; absent: what comes from now on. */
  readonly after?: number;
  /** Counts the messages sent here as delivered to the agent. */
  readonly deliver?: boolean;
}

/** What stands behind a following. */
export interface Source {
  /** The reader waits and there is nothing. */
  wants(following: Following): void;
  left(following: Following): void;
}

/**
 * Entries in order, each once, also over breaks of the connection. Begins with the first `next`; one reader
 * only. Throws `Refused` (`log.horizon`, `log.ahead`, `log.unknown`) when it cannot go on without leaving
 * something out, and ends when it or the client is closed.
 */
export class Following implements AsyncIterableIterator<Entry> {
  readonly options: FollowOptions;
  /** Up to here everything was taken in or is not wanted. */
  reached: number;
  private readonly source: Source;
  private readonly isWanted: (entry: Entry) => boolean;
  private readonly store = new Queue<Entry>();
  private storedBytes = 0;
  private waiting: (() => void) | undefined;
  private ending: { readonly error: Failure | Refused | undefined } | undefined;

  constructor(options: FollowOptions, after: number, source: Source) {
    this.options = options;
    this.reached = after;
    this.source = source;
    this.isWanted = wanted(options) ?? (() => true);
  }

  /** The cursor: everything up to here was read, or is not wanted. */
  get cursor(): number {
    const next = this.store.peek();
    return next === undefined ? this.reached : next.seq - 1;
  }

  /** How many entries wait to be read. */
  get stored(): number {
    return this.store.size;
  }

  get isEmpty(): boolean {
    return this.store.size === 0;
  }

  get isEnded(): boolean {
    return this.ending !== undefined;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Entry, undefined>> {
    await this.filled();
    const entry = this.store.shift();
    if (entry === undefined) return { done: true, value: undefined };
    this.storedBytes -= sizeOf(entry);
    return { done: false, value: entry };
  }

  /** Everything there is, at least one entry; `undefined` at the end. */
  async batch(): Promise<readonly Entry[] | undefined> {
    await this.filled();
    this.storedBytes = 0;
    const entries = this.store.drain();
    return entries.length === 0 ? undefined : entries;
  }

  async return(): Promise<IteratorResult<Entry, undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  /** Ends it; what is stored is dropped. */
  close(): void {
    this.store.drain();
    if (this.ending !== undefined) return;
    this.end(undefined);
    this.source.left(this);
  }

  /** Whether there is room for another entry. */
  get hasRoom(): boolean {
    return this.store.size < limits.followBufferEntries && this.storedBytes < limits.followBufferBytes;
  }

  /** Takes the next entry in; `false`, and nothing done, when it is wanted and there is no room. */
  take(entry: Entry): boolean {
    if (entry.seq <= this.reached) return true;
    if (this.isWanted(entry)) {
      if (!this.hasRoom) return false;
      this.store.push(entry);
      this.storedBytes += sizeOf(entry);
      this.wake();
    }
    this.reached = entry.seq;
    return true;
  }

  /** Nothing up to `seq` is wanted beyond what came. */
  pass(seq: number): void {
    this.reached = Math.max(this.reached, seq);
  }

  /** Nothing comes any more; what is stored can still be read, then the error is thrown, once. */
  end(error: Failure | Refused | undefined): void {
    this.ending ??= { error };
    this.wake();
  }

  private wake(): void {
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.();
  }

  private async filled(): Promise<void> {
    assert(this.waiting === undefined, "a following has one reader at a time");
    if (this.isEmpty && this.ending === undefined) {
      await new Promise<void>((resolve) => {
        this.waiting = resolve;
        this.source.wants(this);
      });
    }
    if (!this.isEmpty || this.ending === undefined) return;
    const { error } = this.ending;
    this.ending = { error: undefined };
    if (error !== undefined) throw error;
  }
}
