/**
 * A log whose disk, latency and faults are simulated, held to the port's contract and to nothing beyond it.
 *
 * What is stored is text: entries come back as decoded from it. An append is written, then synced; only then
 * is it seen. A crash in between leaves it whole, lost or, at a power cut, torn; a torn one is told by its
 * sum.
 */
import { assert, Failure } from "../../core/failures.ts";
import type { Entry } from "../../core/model/slice.ts";
import type {
  Appended,
  Behind,
  EventLog,
  LivenessMark,
  SnapshotChunk,
  SnapshotStore,
} from "../../core/ports/event-log.ts";
import type { Faults } from "./faults.ts";
import type { Loop, Process, SimClock } from "./loop.ts";
import type { Random } from "./random.ts";

/** One append as it stands on the disk. */
export interface Stored {
  /** The process that appended it. */
  readonly by: string;
  /** True time when `append` was called. */
  readonly calledMs: number;
  readonly wallMs: number;
  readonly boot: number;
  readonly texts: readonly string[];
  /** How many there were, and a sum over all of them. */
  readonly count: number;
  readonly sum: number;
}

interface Snapshot {
  readonly texts: readonly string[];
  readonly sum: number;
}

/** What survives every crash. */
export class Disk {
  readonly entries: Entry[] = [];
  readonly texts: string[] = [];
  readonly snapshots = new Map<number, Snapshot>();
  readonly marks = new Map<string, { readonly boot: number; readonly atMs: number }>();
  readonly handles = new Set<SimLog>();
  horizon = 0;
  boot = 1;
  /** Called with each append the moment it can be seen. */
  onStored: (stored: Stored, entries: readonly Entry[]) => void = () => {};
  /** No room until then, for anybody. */
  fullUntilMs = 0;
  /** Called when a write begins: the best moment for the power to fail. */
  onWriting: (stored: Stored) => void = () => {};
  /** Called when a process's write will take long. */
  onSlow: (by: string) => void = () => {};
  newest: Stored | undefined;
  private writing: { readonly log: SimLog; stored?: Stored } | undefined;
  private readonly queue: { readonly log: SimLog; readonly go: () => void }[] = [];
  private torn: Stored | undefined;

  get head(): number {
    return this.entries.length;
  }

  /** Waits for the write lock, and calls `go` with it. */
  lock(log: SimLog, go: () => void): void {
    this.queue.push({ log, go });
    this.next();
  }

  /** Waits for it no longer; `false`: it was had. */
  giveUp(go: () => void): boolean {
    const at = this.queue.findIndex((waiting) => waiting.go === go);
    if (at >= 0) this.queue.splice(at, 1);
    return at >= 0;
  }

  /** The append is on its way to the disk. */
  write(log: SimLog, stored: Stored): void {
    assert(this.writing?.log === log, "writing without the lock");
    this.writing = { log, stored };
    this.onWriting(stored);
  }

  /** Ends a write: it is seen by all from now on, or never happened. */
  finish(log: SimLog, kept: boolean): void {
    if (this.writing?.log !== log) return;
    const { stored } = this.writing;
    this.writing = undefined;
    if (kept && stored !== undefined) this.keep(stored);
    this.next();
  }

  /** A process died: what it was writing may have reached the disk. */
  died(log: SimLog, random: Random, powerCut: boolean): void {
    this.handles.delete(log);
    for (let i = this.queue.length - 1; i >= 0; i--) if (this.queue[i]?.log === log) this.queue.splice(i, 1);
    const stored = this.writing?.log === log ? this.writing.stored : undefined;
    if (powerCut && stored !== undefined && random.happens(0.4)) {
      this.torn = { ...stored, texts: stored.texts.slice(0, random.between(0, stored.count)) };
      this.finish(log, false);
    } else this.finish(log, random.happens(0.5));
  }

  /** Snapshots that can be read back, newest first. */
  wholeSnapshots(): readonly number[] {
    const whole = [...this.snapshots]
      .filter(([, { texts, sum }]) => sumOf(texts) === sum)
      .map(([seq]) => seq);
    return whole.sort((a, b) => b - a);
  }

  /** On opening: what is torn is dropped, what is whole is kept. */
  recover(): void {
    const { torn } = this;
    this.torn = undefined;
    if (torn !== undefined && torn.texts.length > 0 && isWhole(torn)) this.keep(torn);
  }

  private keep(stored: Stored): void {
    const entries = stored.texts.map((text) => freeze(JSON.parse(text) as Entry));
    for (const [i, entry] of entries.entries()) {
      assert(entry.seq === this.head + 1, `stored ${entry.seq} behind ${this.head}`);
      this.entries.push(entry);
      this.texts.push(stored.texts[i] as string);
    }
    this.newest = stored;
    this.onStored(stored, entries);
    for (const handle of this.handles) handle.grown(stored.by);
  }

  private next(): void {
    if (this.writing !== undefined) return;
    const first = this.queue.shift();
    if (first === undefined) return;
    this.writing = { log: first.log };
    first.go();
  }
}

/** Whether all of an append is there. */
function isWhole({ texts, count, sum }: Stored): boolean {
  return texts.length === count && sumOf(texts) === sum;
}

/** A handle of one process on a disk. */
export class SimLog implements EventLog {
  readonly url = "sim:";
  readonly durability = "full";
  readonly shared: boolean = true;
  readonly snapshots: SnapshotStore;
  private readonly disk: Disk;
  private readonly loop: Loop;
  private readonly process: Process;
  private readonly clock: SimClock;
  private readonly random: Random;
  private readonly faults: Faults;
  private readonly wakes = new Set<() => void>();
  private unsure = false;
  private waking = false;

  constructor(disk: Disk, loop: Loop, process: Process, clock: SimClock, random: Random, faults: Faults) {
    this.disk = disk;
    this.loop = loop;
    this.process = process;
    this.clock = clock;
    this.random = random;
    this.faults = faults;
    this.snapshots = new SimSnapshots(disk, random, faults, () => this.wait(4));
    disk.recover();
    disk.handles.add(this);
  }

  async head(): Promise<number> {
    await this.wait(1);
    this.readable();
    return this.disk.head;
  }

  async append(entries: readonly Entry[], after: number): Promise<Appended | Behind> {
    const { disk, random, faults, process } = this;
    assert(!this.unsure, "appended through a handle whose last append is unknown");
    const seq = after + entries.length;
    for (const [i, entry] of entries.entries()) assert(entry.seq === after + 1 + i, "entries do not follow");
    const texts = entries.map((entry) => JSON.stringify(entry));
    const { boot } = disk;
    const stored: Stored = {
      by: process.name,
      calledMs: this.loop.nowMs,
      wallMs: this.clock.wallMs(),
      boot,
      texts,
      count: texts.length,
      sum: sumOf(texts),
    };
    await this.wait(1);
    if (random.happens(faults.full)) disk.fullUntilMs = this.loop.nowMs + random.between(0, 1500);
    if (faults.full > 0 && disk.fullUntilMs > this.loop.nowMs) {
      throw new Failure("log.full", "No room.", { fields: { retryAfterMs: 1000 } });
    }
    await this.locked();
    if (!process.alive) await new Promise(() => {});
    if (disk.head !== after) {
      disk.finish(this, false);
      await this.wait(1);
      return { appended: false, head: disk.head };
    }
    disk.write(this, stored);
    const slow = random.happens(faults.slow);
    if (slow) disk.onSlow(process.name);
    await this.wait(slow ? 1500 : 4);
    if (random.happens(faults.unknown)) {
      this.unsure = true;
      disk.finish(this, random.happens(0.5));
      await this.wait(random.happens(0.3) ? 2000 : 4);
      throw new Failure("log.unknown-outcome", "Nobody knows.", { definite: false });
    }
    disk.finish(this, true);
    await this.wait(2);
    return { appended: true, seq };
  }

  read(after: number): AsyncIterable<readonly Entry[]> {
    return this.pages(after, this.disk.head);
  }

  private async *pages(after: number, head: number): AsyncGenerator<readonly Entry[]> {
    await this.wait(2);
    let cursor = after;
    do {
      this.readable();
      const { horizon } = this.disk;
      if (cursor < horizon) throw new Failure("log.horizon", "Dropped.", { fields: { seq: horizon } });
      const upTo = Math.min(head, cursor + this.random.between(1, 300));
      if (upTo > cursor) yield this.disk.entries.slice(cursor, upTo);
      cursor = upTo;
      if (cursor < head) await this.wait(1);
    } while (cursor < head);
  }

  watch(wake: () => void): () => void {
    this.wakes.add(wake);
    return () => this.wakes.delete(wake);
  }

  /** Another handle's append may be told of late, or never while there are faults. */
  grown(by: string): void {
    if (by === this.process.name || this.waking || this.random.happens(this.faults.lostWake)) return;
    this.waking = true;
    this.loop.at(this.random.between(0, 25), this.process, () => {
      this.waking = false;
      for (const wake of [...this.wakes]) wake();
    });
  }

  async horizon(): Promise<number> {
    await this.wait(1);
    return this.disk.horizon;
  }

  async ageMs(): Promise<number> {
    await this.wait(1);
    const { newest, boot } = this.disk;
    if (newest === undefined) return 0;
    const elapsedMs = this.loop.nowMs - newest.calledMs;
    if (newest.boot === boot) return elapsedMs;
    const byWallMs = Math.max(0, this.clock.wallMs() - newest.wallMs);
    this.faults.onLeap(byWallMs - elapsedMs);
    return byWallMs;
  }

  async truncate(through: number): Promise<void> {
    await this.wait(1);
    this.disk.horizon = Math.max(this.disk.horizon, through);
  }

  async mark(hub: string, alive: boolean): Promise<void> {
    await this.wait(2);
    if (alive) this.disk.marks.set(hub, { boot: this.disk.boot, atMs: this.loop.nowMs });
    else this.disk.marks.delete(hub);
  }

  async marks(): Promise<readonly LivenessMark[]> {
    await this.wait(1);
    return [...this.disk.marks].map(([hub, { atMs }]) => ({ hub, ageMs: this.loop.nowMs - atMs }));
  }

  async reopen(): Promise<void> {
    await this.wait(5);
    if (this.random.happens(this.faults.unknown * 5)) {
      throw new Failure("log.unknown-outcome", "Still unknown.", { definite: false });
    }
    this.unsure = false;
  }

  async sizeBytes(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {
    this.wakes.clear();
    this.disk.handles.delete(this);
  }

  /** Resolves with the write lock; fails, certainly without effect, when others keep it for too long. */
  private locked(): Promise<void> {
    const { disk, random, faults } = this;
    const patient = !random.happens(faults.busy);
    return new Promise((resolve, reject) => {
      const go = () => resolve();
      disk.lock(this, go);
      if (patient) return;
      this.loop.at(random.between(20, 400), this.process, () => {
        const busy = new Failure("busy", "Others write.", { fields: { retryAfterMs: 1000 } });
        if (disk.giveUp(go)) reject(busy);
      });
    });
  }

  /** The disk may not give back what is on it, for once. */
  private readable(): void {
    if (this.random.happens(this.faults.unreadable)) throw new Failure("log.unusable", "It cannot be read.");
  }

  private wait(upToMs: number): Promise<void> {
    return this.loop.sleep(this.random.between(0, upToMs), this.process);
  }
}

class SimSnapshots implements SnapshotStore {
  private readonly disk: Disk;
  private readonly random: Random;
  private readonly faults: Faults;
  private readonly wait: () => Promise<void>;

  constructor(disk: Disk, random: Random, faults: Faults, wait: () => Promise<void>) {
    this.disk = disk;
    this.random = random;
    this.faults = faults;
    this.wait = wait;
  }

  async list(): Promise<readonly number[]> {
    await this.wait();
    return [...this.disk.snapshots.keys()].sort((a, b) => b - a);
  }

  async write(seq: number, chunks: AsyncIterable<SnapshotChunk> | Iterable<SnapshotChunk>): Promise<void> {
    const texts: string[] = [];
    for await (const chunk of chunks) texts.push(JSON.stringify(chunk));
    await this.wait();
    // Nobody survives the loss of all there is: what was dropped from the log stands in whole snapshots only.
    const damaged = this.disk.horizon === 0 && this.random.happens(this.faults.damage);
    this.disk.snapshots.set(seq, { texts, sum: damaged ? -1 : sumOf(texts) });
  }

  async *read(seq: number): AsyncGenerator<readonly SnapshotChunk[]> {
    await this.wait();
    const snapshot = this.disk.snapshots.get(seq);
    if (snapshot === undefined || sumOf(snapshot.texts) !== snapshot.sum) {
      throw new Failure("snapshot.damaged", "Not what was written.", { fields: { seq } });
    }
    for (const text of snapshot.texts) yield [freeze(JSON.parse(text) as SnapshotChunk)];
  }

  async prune(keep: number): Promise<void> {
    for (const seq of (await this.list()).slice(keep)) this.disk.snapshots.delete(seq);
  }
}

function sumOf(texts: readonly string[]): number {
  let sum = texts.length;
  for (const text of texts) {
    for (let i = 0; i < text.length; i += 7) sum = (Math.imul(sum, 31) + text.charCodeAt(i)) | 0;
    sum = (Math.imul(sum, 31) + text.length) | 0;
  }
  return sum;
}

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const item of Object.values(value)) freeze(item);
  return Object.freeze(value);
}
