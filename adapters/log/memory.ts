/**
 * A log in memory: for tests, the simulator, benchmarks, and fleets that need no yesterday.
 *
 * Several handles of one process may be opened on one named log; it lives as long as the process. What is
 * appended is frozen, so that what is read is what was appended without a copy.
 */
import { assert, Failure } from "../../core/failures.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type {
  Appended,
  Behind,
  EventLog,
  LivenessMark,
  Seq,
  SnapshotChunk,
  SnapshotStore,
} from "../../core/ports/event-log.ts";
import { assertFollows, belowHorizon, closedLog } from "./batch.ts";
import { packValue, unpackValue } from "./codec.ts";
import { machineClock } from "./machine.ts";

const PAGE = 1024;

/** What the handles of one log have in common. `entries[i].seq === horizon + 1 + i`. */
interface Store {
  entries: Entry[];
  horizon: Seq;
  grownAtMs: number;
  readonly snapshots: Map<Seq, readonly Uint8Array[]>;
  readonly marks: Map<string, number>;
  readonly watchers: Set<Watcher>;
}

interface Watcher {
  readonly by: MemoryLog;
  readonly wake: () => void;
  due: boolean;
}

const named = new Map<string, Store>();

function emptyStore(): Store {
  return {
    entries: [],
    horizon: 0,
    grownAtMs: 0,
    snapshots: new Map(),
    marks: new Map(),
    watchers: new Set(),
  };
}

/** Freezes a plain value and everything in it. */
function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
  Object.freeze(value);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      if (typeof item === "object") freeze(item);
    }
    return;
  }
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    if (typeof item === "object") freeze(item);
  }
}

/** A handle on a log in memory. */
export class MemoryLog implements EventLog {
  readonly url: string;
  readonly durability = "memory";
  readonly shared: boolean;
  readonly snapshots: SnapshotStore;
  readonly #store: Store;
  readonly #clock: Clock;
  #closed = false;

  constructor(name: string | undefined, clock: Clock) {
    this.url = `memory:${name ?? ""}`;
    this.shared = name !== undefined;
    let store = name === undefined ? undefined : named.get(name);
    if (store === undefined) {
      store = emptyStore();
      if (name !== undefined) named.set(name, store);
    }
    this.#store = store;
    this.#clock = clock;
    this.snapshots = new MemorySnapshots(this.url, store.snapshots);
  }

  async head(): Promise<Seq> {
    return this.#head();
  }

  async append(entries: readonly Entry[], after: Seq): Promise<Appended | Behind> {
    const head = this.#head();
    const seq = assertFollows(entries, after);
    if (head !== after) return { appended: false, head };
    const store = this.#store;
    for (const entry of entries) {
      freeze(entry);
      store.entries.push(entry);
    }
    store.grownAtMs = this.#clock.monotonicMs();
    if (store.watchers.size > 0) this.#wakeOthers();
    return { appended: true, seq };
  }

  read(after: Seq): AsyncIterable<readonly Entry[]> {
    return this.#pages(after, this.#head());
  }

  async *#pages(after: Seq, head: Seq): AsyncGenerator<readonly Entry[]> {
    for (let cursor = after; cursor < head; ) {
      const { entries, horizon } = this.#store;
      if (cursor < horizon) throw belowHorizon(this.url, cursor, horizon);
      const page = entries.slice(cursor - horizon, Math.min(cursor + PAGE, head) - horizon);
      cursor += page.length;
      yield page;
    }
  }

  watch(wake: () => void): () => void {
    const watcher: Watcher = { by: this, wake, due: false };
    this.#store.watchers.add(watcher);
    return () => {
      this.#store.watchers.delete(watcher);
    };
  }

  async horizon(): Promise<Seq> {
    this.#head();
    return this.#store.horizon;
  }

  async ageMs(): Promise<number> {
    if (this.#head() === 0) return 0;
    return Math.max(0, this.#clock.monotonicMs() - this.#store.grownAtMs);
  }

  async truncate(through: Seq): Promise<void> {
    const store = this.#store;
    assert(through <= this.#head(), `truncating ${this.url} through ${through}, above its head`);
    const newest = Math.max(0, ...store.snapshots.keys());
    assert(
      through <= newest,
      `truncating ${this.url} through ${through}, above its newest snapshot ${newest}`,
    );
    if (through <= store.horizon) return;
    store.entries = store.entries.slice(through - store.horizon);
    store.horizon = through;
  }

  async mark(hub: string, alive: boolean): Promise<void> {
    this.#head();
    if (alive) this.#store.marks.set(hub, this.#clock.monotonicMs());
    else this.#store.marks.delete(hub);
  }

  async marks(): Promise<readonly LivenessMark[]> {
    this.#head();
    const nowMs = this.#clock.monotonicMs();
    return [...this.#store.marks].map(([hub, atMs]) => ({ hub, ageMs: Math.max(0, nowMs - atMs) }));
  }

  async reopen(): Promise<void> {
    this.#head();
  }

  async sizeBytes(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const watcher of this.#store.watchers) {
      if (watcher.by === this) this.#store.watchers.delete(watcher);
    }
  }

  #head(): Seq {
    if (this.#closed) throw closedLog(this.url);
    return this.#store.horizon + this.#store.entries.length;
  }

  #wakeOthers(): void {
    const { watchers } = this.#store;
    for (const watcher of watchers) {
      if (watcher.by === this || watcher.due) continue;
      watcher.due = true;
      this.#clock.soon(() => {
        watcher.due = false;
        if (watchers.has(watcher)) watcher.wake();
      });
    }
  }
}

/** Snapshots of a log in memory, kept as bytes so that later changes to their values cannot reach them. */
class MemorySnapshots implements SnapshotStore {
  readonly #url: string;
  readonly #kept: Map<Seq, readonly Uint8Array[]>;

  constructor(url: string, kept: Map<Seq, readonly Uint8Array[]>) {
    this.#url = url;
    this.#kept = kept;
  }

  async list(): Promise<readonly Seq[]> {
    return [...this.#kept.keys()].sort((a, b) => b - a);
  }

  async write(seq: Seq, chunks: AsyncIterable<SnapshotChunk> | Iterable<SnapshotChunk>): Promise<void> {
    const packed: Uint8Array[] = [];
    for await (const chunk of chunks) packed.push(packValue(chunk));
    this.#kept.set(seq, packed);
  }

  async *read(seq: Seq): AsyncGenerator<readonly SnapshotChunk[]> {
    const packed = this.#kept.get(seq);
    if (packed === undefined) {
      throw new Failure("snapshot.damaged", `${this.#url} has no snapshot at ${seq}.`, { fields: { seq } });
    }
    for (const bytes of packed) yield [unpackValue(bytes) as SnapshotChunk];
  }

  async prune(keep: number): Promise<void> {
    for (const seq of (await this.list()).slice(keep)) this.#kept.delete(seq);
  }
}

/**
 * Opens the log called `name` of this process, made when there is none; without a name a private one.
 * `clock` dates appends and marks; all handles of one log must be given the same.
 */
export async function openMemoryLog(
  name?: string,
  options: { readonly clock?: Clock } = {},
): Promise<MemoryLog> {
  return new MemoryLog(name, options.clock ?? machineClock);
}
