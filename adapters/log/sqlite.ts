/**
 * A log in a SQLite file: one row an append, chained by hashes, durable before it is acknowledged, open to
 * any number of processes of one machine.
 */
import { statSync } from "node:fs";
import { assert, Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Appended, Behind, EventLog, LivenessMark, Loss, Seq } from "../../core/ports/event-log.ts";
import { assertFollows, closedLog } from "./batch.ts";
import { hex, sameHash } from "./chain.ts";
import { packEntries } from "./codec.ts";
import { elapsedMs, type Moment, machineClock, now, pause } from "./machine.ts";
import { freeReserve, type Place, placeOf } from "./place.ts";
import { SnapshotFiles } from "./snapshots.ts";
import { adaptiveCommits, type Commits, inlineCommits, workerCommits } from "./sqlite-commits.ts";
import { openDriver } from "./sqlite-driver.ts";
import { type SqliteFile, storageFailure } from "./sqlite-file.ts";
import { type OpenedFile, openPlace, type SqliteOptions } from "./sqlite-opening.ts";
import { readEntries } from "./sqlite-reader.ts";
import { truncateRows } from "./sqlite-truncation.ts";
import { type NewRow, settle } from "./sqlite-writer.ts";

const MARKS = "SELECT hub, boot, mono, wall FROM mark ORDER BY hub";
const MARK = "INSERT OR REPLACE INTO mark (hub, boot, mono, wall) VALUES (?, ?, ?, ?)";
const UNMARK = "DELETE FROM mark WHERE hub = ?";

/** Handles of this process by file, so that they wake one another at once. */
const handles = new Map<string, Set<SqliteLog>>();

/** A handle on a log in a file. */
export class SqliteLog implements EventLog {
  readonly url: string;
  readonly durability: "full" | "relaxed";
  readonly shared = true;
  readonly snapshots: SnapshotFiles;
  readonly #place: Place;
  readonly #options: SqliteOptions;
  readonly #clock: Clock;
  readonly #watchers = new Set<() => void>();
  #opened: OpenedFile | undefined;
  #commits: Commits;
  #queue: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #unknown = false;
  #wasFull = false;
  #seen: Seq;
  #contendedUntilMs = Number.NEGATIVE_INFINITY;
  #yieldNext = false;
  #winsInRow = 0;
  #watchTimer: NodeJS.Timeout | undefined;
  #witnessTimer: NodeJS.Timeout | undefined;

  constructor(place: Place, options: SqliteOptions, opened: OpenedFile) {
    this.url = `sqlite:${place.file}`;
    this.durability = options.durability ?? "full";
    this.#place = place;
    this.#options = options;
    this.#clock = options.clock ?? machineClock;
    this.#opened = opened;
    this.#commits = this.#startCommits(opened.db);
    this.#seen = opened.db.head();
    this.snapshots = new SnapshotFiles(place.snapshots, {
      at: (seq) => {
        assert(seq >= 0 && seq <= this.#db().head(), `a snapshot at ${seq}, above the head of ${this.url}`);
        return this.#ask((db) => db.linkHolding(seq) ?? db.tailLink());
      },
      holds: (link) =>
        this.#ask((db) => {
          const found = db.linkBefore(link.seq);
          if (found.seq === link.seq) return sameHash(found.hash, link.hash);
          return link.seq < db.horizon().link.seq;
        }),
      writable: () => this.#assertWritable(),
    });
    const siblings = handles.get(place.file) ?? new Set();
    handles.set(place.file, siblings.add(this));
  }

  /** Whether appends are refused because this process may only read the file. */
  get readOnly(): boolean {
    return this.#opened?.readOnly ?? true;
  }

  /** Where commits are made now: by default on the calling thread, until the disk proves slow. */
  get commits(): "inline" | "worker" {
    return this.#commits.where();
  }

  get lost(): Loss | undefined {
    const lost = this.#opened?.lost;
    return lost !== undefined && this.#seen === lost.throughSeq ? lost : undefined;
  }

  /** Path of its file. */
  get file(): string {
    return this.#place.file;
  }

  /** The newest row: its seq, and its hash in lower-case hex. */
  tip(): { readonly seq: Seq; readonly hash: string } {
    const { seq, hash } = this.#ask((db) => db.tailLink());
    return { seq, hash: hex(hash) };
  }

  async head(): Promise<Seq> {
    return this.#ask((db) => db.head());
  }

  append(entries: readonly Entry[], after: Seq): Promise<Appended | Behind> {
    const append = this.#queue.then(() => this.#append(entries, after));
    this.#queue = append.catch(() => {});
    return append;
  }

  read(after: Seq): AsyncIterable<readonly Entry[]> {
    const through = this.#ask((db) => db.head());
    return readEntries(() => this.#db(), this.url, after, through);
  }

  watch(wake: () => void): () => void {
    this.#db();
    // A function of its own, so that the same one may be given twice.
    const watcher = (): void => wake();
    this.#watchers.add(watcher);
    if (this.#watchTimer === undefined) {
      this.#watchTimer = setInterval(() => this.#look(), limits.watchMs);
      this.#watchTimer.unref();
    }
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size > 0) return;
      clearInterval(this.#watchTimer);
      this.#watchTimer = undefined;
    };
  }

  async horizon(): Promise<Seq> {
    return this.#ask((db) => db.horizon().seq);
  }

  async ageMs(): Promise<number> {
    const tail = this.#ask((db) => db.tail());
    if (tail === undefined) return 0;
    return elapsedMs({ boot: tail.boot, monoMs: tail.mono, wallMs: tail.wall }, now(this.#clock));
  }

  async truncate(through: Seq): Promise<void> {
    this.#assertWritable();
    const newest = (await this.snapshots.list())[0] ?? 0;
    assert(
      through <= newest,
      `truncating ${this.url} through ${through}, above its newest snapshot ${newest}`,
    );
    await truncateRows(
      () => this.#db(),
      through,
      (db, work) => this.#locked(db, work),
    );
  }

  async mark(hub: string, alive: boolean): Promise<void> {
    this.#assertWritable();
    const { boot, monoMs, wallMs } = now(this.#clock);
    await this.#locked(this.#db(), (db) => {
      if (alive) db.driver.prepare(MARK).run(hub, boot, monoMs, wallMs);
      else db.driver.prepare(UNMARK).run(hub);
    });
  }

  async marks(): Promise<readonly LivenessMark[]> {
    const rows = this.#ask((db) => db.driver.prepare(MARKS).all());
    const moment = now(this.#clock);
    return rows.map((row) => {
      const { hub, boot, mono, wall } = row as { hub: string; boot: string; mono: number; wall: number };
      const marked: Moment = { boot, monoMs: mono, wallMs: wall };
      return { hub, ageMs: elapsedMs(marked, moment) };
    });
  }

  async reopen(): Promise<void> {
    if (this.#closing !== undefined) throw closedLog(this.url);
    await this.#queue;
    await this.#release();
    const opened = await openPlace(
      this.#place,
      { ...this.#options, create: false, acceptLoss: false },
      this.#driver(),
    );
    try {
      // Whatever the failed append left in the cache is brought to the disk before anybody is told of it.
      if (this.#unknown && !opened.readOnly) settle(opened.db);
    } catch (error) {
      opened.db.close();
      throw storageFailure(this.#place.file, error);
    }
    this.#opened = opened;
    this.#commits = this.#startCommits(opened.db);
    this.#unknown = false;
  }

  async sizeBytes(): Promise<number> {
    const { file, witness } = this.#place;
    const sizes = [file, `${file}-wal`, witness].map(
      (path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0,
    );
    return sizes.reduce((sum, size) => sum + size, await this.snapshots.sizeBytes());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#watchTimer);
    clearTimeout(this.#witnessTimer);
    this.#watchers.clear();
    const siblings = handles.get(this.#place.file);
    siblings?.delete(this);
    if (siblings?.size === 0) handles.delete(this.#place.file);
    await this.#queue;
    if (this.#wasFull) freeReserve(this.#place.reserve);
    if (!this.readOnly && !this.#unknown && this.#opened !== undefined) await this.#lastWitness();
    await this.#release();
  }

  async #lastWitness(): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + limits.witnessMs;
    try {
      while (!(await this.#commits.witness()) && this.#clock.monotonicMs() < untilMs) await pause(1);
    } catch {
      // The witness stays lower than it could be, which is never wrong.
    }
  }

  async #release(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened === undefined) return;
    await this.#commits.close();
    opened.db.close();
    opened.discard();
  }

  #driver() {
    return this.#options.openDriver ?? openDriver;
  }

  #startCommits(db: SqliteFile): Commits {
    const settings = {
      db,
      place: this.#place,
      full: this.durability === "full",
      workerUrl: this.#options.workerUrl,
    };
    if (this.#options.commits === "worker" && !this.readOnly) return workerCommits(settings);
    return this.#options.commits === "inline" ? inlineCommits(settings) : adaptiveCommits(settings);
  }

  #db(): SqliteFile {
    if (this.#closing !== undefined) throw closedLog(this.url);
    if (this.#opened === undefined) {
      throw new Failure("log.unusable", `${this.#place.file} could not be reopened. Reopen it first.`, {
        fields: { file: this.#place.file },
      });
    }
    return this.#opened.db;
  }

  /** Asks the database; what SQLite throws becomes a failure. */
  #ask<T>(question: (db: SqliteFile) => T): T {
    const db = this.#db();
    try {
      return question(db);
    } catch (error) {
      throw storageFailure(this.#place.file, error);
    }
  }

  #assertWritable(): void {
    this.#db();
    const { file } = this.#place;
    if (this.readOnly) {
      throw new Failure(
        "log.read-only",
        `${file} can only be read by this process. Check its owner and mode.`,
        {
          fields: { file },
        },
      );
    }
    if (this.#unknown) {
      throw new Failure("log.unusable", `An append to ${file} failed. Reopen the log and read it first.`, {
        fields: { file },
      });
    }
  }

  async #append(entries: readonly Entry[], after: Seq): Promise<Appended | Behind> {
    this.#assertWritable();
    const seq = assertFollows(entries, after);
    const moment = now(this.#clock);
    const row: NewRow = {
      seq,
      first: after + 1,
      boot: moment.boot,
      mono: moment.monoMs,
      wall: moment.wallMs,
      bytes: packEntries(entries),
    };
    if (this.#yieldNext) await this.#letOthers();
    try {
      const outcome = await this.#commit(row);
      if (outcome.appended) this.#grown(seq);
      else this.#lostRace();
      return outcome;
    } catch (error) {
      if (error instanceof Failure && error.code === "log.full") this.#wasFull = true;
      if (error instanceof Failure && !error.definite) this.#unknown = true;
      throw error;
    }
  }

  async #commit(row: NewRow): Promise<Appended | Behind> {
    const untilMs = this.#clock.monotonicMs() + limits.lockWaitMs;
    for (;;) {
      const outcome = await this.#commits.append(row);
      if (outcome.kind === "appended") return { appended: true, seq: row.seq };
      if (outcome.kind === "behind") return { appended: false, head: outcome.head };
      if (this.#clock.monotonicMs() >= untilMs) {
        throw new Failure("busy", `${this.#place.file} is locked by another process. Try again.`, {
          fields: { file: this.#place.file, retryAfterMs: limits.fullRetryMs },
        });
      }
      await pause(1);
    }
  }

  #grown(seq: Seq): void {
    this.#seen = Math.max(this.#seen, seq);
    this.#winsInRow++;
    this.#yieldNext =
      this.#winsInRow >= limits.winsInRow && this.#clock.monotonicMs() < this.#contendedUntilMs;
    this.#armWitness(limits.witnessMs);
    for (const handle of handles.get(this.#place.file) ?? []) {
      if (handle !== this && handle.#watchers.size > 0) this.#clock.soon(() => handle.#look());
    }
  }

  #lostRace(): void {
    this.#contendedUntilMs = this.#clock.monotonicMs() + limits.contendedMs;
    this.#yieldNext = false;
    this.#winsInRow = 0;
  }

  /**
   * Whoever keeps winning while others want to write too stands back for a moment; else the fastest wins
   * them all.
   */
  async #letOthers(): Promise<void> {
    this.#yieldNext = false;
    await pause(Math.random() * limits.yieldMs);
  }

  #armWitness(ms: number): void {
    if (this.#witnessTimer !== undefined || this.#closing !== undefined) return;
    this.#witnessTimer = setTimeout(() => {
      this.#witnessTimer = undefined;
      if (this.#opened === undefined || this.#unknown) return;
      this.#commits.witness().then(
        (raised) => {
          if (!raised) this.#armWitness(limits.watchMs);
        },
        () => this.#armWitness(limits.witnessMs),
      );
    }, ms);
    this.#witnessTimer.unref();
  }

  /** Wakes the watchers when the log grew by others. */
  #look(): void {
    if (this.#closing !== undefined || this.#opened === undefined || this.#watchers.size === 0) return;
    try {
      const head = this.#opened.db.head();
      if (head === this.#seen) return;
      this.#seen = head;
    } catch {
      // Whoever is woken finds out what is wrong.
    }
    for (const watcher of this.#watchers) watcher();
  }

  /** Runs `work` under the write lock, waiting for it, and commits. */
  async #locked(db: SqliteFile, work: (db: SqliteFile) => void): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + limits.lockWaitMs;
    try {
      while (!db.lock()) {
        if (this.#clock.monotonicMs() >= untilMs) {
          throw new Failure("busy", `${this.#place.file} is locked by another process. Try again.`, {
            fields: { file: this.#place.file, retryAfterMs: limits.fullRetryMs },
          });
        }
        await pause(1);
        this.#assertWritable();
      }
    } catch (error) {
      throw storageFailure(this.#place.file, error);
    }
    try {
      work(db);
      db.end("COMMIT");
    } catch (error) {
      db.end("ROLLBACK");
      if (error instanceof Failure) throw error;
      const failure = storageFailure(this.#place.file, error);
      if (failure instanceof Failure && failure.code === "log.full") this.#wasFull = true;
      throw failure;
    }
  }
}

/**
 * Opens the log in `file`, made when there is none. Throws `log.format`, `log.rolled-back`, `log.damaged`
 * or `log.unusable`; a file this process may not write is opened for reading.
 */
export async function openSqliteLog(file: string, options: SqliteOptions = {}): Promise<SqliteLog> {
  const opened = await openPlace(placeOf(file), options, options.openDriver ?? openDriver);
  return new SqliteLog(placeOf(file), options, opened);
}
