/**
 * The log: where entries are kept, in one order, for ever.
 *
 * Contract, held by `test/contracts/event-log.ts` over every implementation:
 * - `append` is all or nothing, and resolves only once the entries are durable as the log's `durability`
 * says.
 * - Several writers may share one log. Of two racing appends after the same seq exactly one wins; the other
 * gets
 *   `Behind` and has changed nothing.
 * - An `append` that throws may or may not have happened, unless the failure is definite. Nothing more may
 * be
 *   appended through this handle until `reopen` has resolved and the log was read.
 * - `read` gives what is durable, in order, without gap or repeat.
 * - What is read back equals what was appended, field by field; a stored byte that changed is noticed,
 * never
 *   returned (`log.damaged`).
 */
import type { Entry } from "../model/slice.ts";

/** A seq; 0 stands before the first entry. */
export type Seq = number;

export interface Appended {
  readonly appended: true;
  /** The new head. */
  readonly seq: Seq;
}

/** The head was not where the append expected it; nothing was written. */
export interface Behind {
  readonly appended: false;
  readonly head: Seq;
}

/**
 * `full`: an acknowledged entry survives power loss. `relaxed`: it survives the death of the process, not
 * of the machine. `memory`: it lives as long as the process.
 */
export type Durability = "full" | "relaxed" | "memory";

/** A piece of a snapshot; any plain value the log's codec can carry. */
export type SnapshotChunk = readonly unknown[];

export interface SnapshotStore {
  /** Seqs of the kept snapshots that look whole, newest first. */
  list(): Promise<readonly Seq[]>;
  /**
   * Writes a snapshot piece by piece: temporary name, fsync, rename. Rejects without a trace when it fails.
   */
  write(seq: Seq, chunks: AsyncIterable<SnapshotChunk> | Iterable<SnapshotChunk>): Promise<void>;
  /** Reads one back; throws `snapshot.damaged` before the first chunk when its hash or format is wrong. */
  read(seq: Seq): AsyncIterable<readonly SnapshotChunk[]>;
  /** Drops all but the newest `keep`. */
  prune(keep: number): Promise<void>;
}

/**
 * A loss the operator accepted (LO8) that no entry has said yet. The log ends at `afterSeq`; what stood
 * above is gone, and the numbers through `throughSeq` are never given again: `head` is `throughSeq`, the
 * next entry follows on it.
 */
export interface Loss {
  readonly afterSeq: Seq;
  readonly throughSeq: Seq;
}

/** That an engine is alive: refreshed beside the log, not an entry (AG8). */
export interface LivenessMark {
  readonly hub: string;
  /** How long ago it was refreshed, in milliseconds of elapsed time as far as this log can know. */
  readonly ageMs: number;
}

export interface EventLog {
  /** How the log is called in answers, e.g. `sqlite:/path/log.db`; never a secret. */
  readonly url: string;
  readonly durability: Durability;
  /** Whether other handles (processes, engines) may append to the same log. */
  readonly shared: boolean;
  /**
   * Set while the newest thing in the log is an accepted loss: who folds goes on from `throughSeq` and says
   * so.
   */
  readonly lost?: Loss | undefined;
  /** The newest seq, seen fresh; 0 for an empty log. Cheap: asked before every refusal and read (LO4). */
  head(): Promise<Seq>;
  /**
   * Appends after `after`, all or none. `entries` follow on from it without holes and number 1 to
   * `limits.appendEntriesMax`. Throws `log.full` or `busy` (definite, `retryAfterMs`),
   * `log.unknown-outcome` (indefinite), `log.read-only`.
   */
  append(entries: readonly Entry[], after: Seq): Promise<Appended | Behind>;
  /**
   * Everything after `after` up to the head at the time of the call, in chunks of any size. Seqs follow on
   * one another, but for the hole an accepted loss left (LO8). Throws `log.horizon` when `after` is below
   * the horizon.
   */
  read(after: Seq): AsyncIterable<readonly Entry[]>;
  /**
   * Calls `wake` soon (100 ms at most) after the log grew by another handle's append; spurious calls are
   * fine. Returns the function that ends it.
   */
  watch(wake: () => void): () => void;
  /** The seq before the first entry that is still kept; 0 when none was ever dropped. */
  horizon(): Promise<Seq>;
  /**
   * Log time elapsed since the newest entry was appended, in milliseconds, as far as this log can know:
   * monotonic within one boot of one machine, else the wall clock's difference, never less than 0.
   */
  ageMs(): Promise<number>;
  readonly snapshots: SnapshotStore;
  /**
   * Drops the entries with a seq up to and including `through`, which must not be above the newest
   * snapshot.
   */
  truncate(through: Seq): Promise<void>;
  /** Refreshes this engine's liveness mark; `undefined` removes it. */
  mark(hub: string, alive: boolean): Promise<void>;
  marks(): Promise<readonly LivenessMark[]>;
  /** After a failed append: opens the storage anew, so that `head` and `read` tell what is true. */
  reopen(): Promise<void>;
  /** Bytes on disk, for people and metrics; 0 for a log in memory. */
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}
