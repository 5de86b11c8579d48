/**
 * A batch: what one append will hold, and the state as it will be.
 *
 * Entries the hub adds by itself stand where they belong (LO2): what is due before the commands it affects,
 * what was set free right behind what freed it. What does not fit is owed to the next batch.
 */
import { limits } from "../limits.ts";
import { Edit } from "../model/map.ts";
import type { FindFences } from "../model/markpact.ts";
import { type Event, follow, lapse, owes } from "../model/model.ts";
import { sizeOf } from "../model/page.ts";
import type { Context, Entry } from "../model/slice.ts";
import { utf8Length } from "../protocol/formats.ts";
import type { Deadline, Expiry } from "./expiry.ts";
import { type Fold, foldEntry } from "./fold.ts";
import type { Outcome } from "./sequencer.ts";

/** Whose entries those are that an engine adds by itself (AG5 reserves the name). */
export const HUB = "hub";

export interface BatchOptions {
  readonly hub: string;
  readonly hash: (text: string) => string;
  readonly fences?: FindFences | undefined;
}

/** An entry whose consequences are still owed; `undefined`: whatever is owed from before. */
export type Cause = number | undefined;

export class Batch {
  fold: Fold;
  readonly nowMs: number;
  readonly entries: Entry[] = [];
  /** How to answer, in log order, once the entries are durable. */
  readonly releases: (() => void)[] = [];
  /** Deadlines that were taken from the heap for it. */
  readonly lapsed: Deadline[] = [];
  owed: readonly Cause[] = [];
  /** What this batch refuses, by submission: the same again in it is refused the same. */
  readonly refused = new Map<string, { readonly digest: string; readonly outcome: Outcome }>();
  private readonly wallMs: number;
  private readonly options: BatchOptions;
  private readonly expiry: Expiry;
  private readonly edit = new Edit();
  private bytes = 0;
  private overdue = false;

  constructor(fold: Fold, options: BatchOptions, nowMs: number, wallMs: number, expiry: Expiry) {
    this.fold = fold;
    this.options = options;
    this.nowMs = nowMs;
    this.wallMs = wallMs;
    this.expiry = expiry;
  }

  /** Whether commands must wait for the next one: no room, or something is owed or due before them. */
  get full(): boolean {
    return this.overdue || this.owed.length > 0 || !this.room;
  }

  /** The context of the next decision. */
  context(agent: string, operator: boolean, submission: string): Context {
    const { hub, hash, fences } = this.options;
    return { agent, nowMs: this.nowMs, seq: this.fold.seq + 1, operator, hub, submission, hash, fences };
  }

  /** The next entry; not yet part of the batch. */
  entry(by: string, id: string, digest: string | undefined, events: readonly Event[]): Entry {
    const seq = this.fold.seq + 1;
    const { nowMs: atMs, wallMs } = this;
    return digest === undefined || id === ""
      ? { seq, atMs, wallMs, by, id, events }
      : { seq, atMs, wallMs, by, id, digest, events };
  }

  /** Takes an entry in, and everything that follows from it as far as there is room. */
  add(entry: Entry, bytes: number): void {
    this.put(entry, bytes);
    this.pay([entry.seq]);
  }

  /** Adds what the hub owes for these causes. */
  pay(causes: readonly Cause[]): void {
    if (!owes(this.fold.state)) return;
    const open = [...causes];
    while (open.length > 0) {
      if (!this.room) break;
      const events = follow(this.fold.state, this.hubContext(), open[0]);
      if (events === undefined) {
        open.shift();
        continue;
      }
      const entry = this.entry(HUB, "", undefined, events);
      this.put(entry, sizeOf(entry));
      open.push(entry.seq);
    }
    this.owed = [...this.owed, ...open];
  }

  /** Turns what is due into entries. */
  lapse(): void {
    while (this.owed.length === 0) {
      if (!this.room) {
        this.overdue = (this.expiry.nextMs ?? Infinity) <= this.nowMs;
        return;
      }
      const deadline = this.expiry.take(this.nowMs);
      if (deadline === undefined) return;
      const events = lapse(this.fold.state, deadline.noun, deadline.key, this.hubContext());
      this.lapsed.push(deadline);
      if (events === undefined) continue;
      const entry = this.entry(HUB, "", undefined, events);
      this.add(entry, sizeOf(entry));
    }
  }

  private get room(): boolean {
    return this.entries.length < limits.appendEntriesMax && this.bytes < limits.appendBytesMax;
  }

  private hubContext(): Context {
    return this.context(HUB, true, "");
  }

  private put(entry: Entry, bytes: number): void {
    this.entries.push(entry);
    this.bytes += bytes;
    this.fold = foldEntry(this.fold, entry, this.edit);
    this.expiry.note(entry, this.fold.state);
  }
}

/**
 * Bytes an entry takes in its notification: an estimate for small ones, exact where it comes near the
 * limit.
 */
export function entryBytes(entry: Entry): number {
  const estimate = sizeOf(entry);
  // One UTF-16 unit is at most six bytes of JSON.
  if (estimate * 6 < limits.frameBytesMax) return estimate;
  return utf8Length(JSON.stringify(entry));
}
