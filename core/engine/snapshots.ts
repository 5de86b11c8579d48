/**
 * Snapshots: when one is due, and writing it beside everything else.
 */
import { limits } from "../limits.ts";
import type { SnapshotStore } from "../ports/event-log.ts";
import type { Fold } from "./fold.ts";
import { writeSnapshot } from "./snapshot.ts";

export interface SnapshotsOptions {
  readonly store: SnapshotStore;
  readonly fold: () => Fold;
  /** Lets what has arrived be handled first. */
  readonly pause: () => Promise<void>;
  /** A snapshot that failed costs nothing but a longer start; somebody should hear of it. */
  readonly report: (error: unknown) => void;
}

export class Snapshots {
  private readonly options: SnapshotsOptions;
  /** The newest seq that was, or is being, written. */
  private at: number;
  /** How many rows the newest one took. */
  private rows = 0;
  private running: Promise<void> | undefined;

  constructor(options: SnapshotsOptions) {
    this.options = options;
    this.at = options.fold().seq;
  }

  /**
   * Starts one when enough was appended since. Writing costs as much as there is to write: the more, the
   * rarer.
   */
  consider(): void {
    const every = Math.max(limits.snapshotEveryEntries, this.rows);
    if (this.running !== undefined || this.options.fold().seq - this.at < every) return;
    this.running = this.write().finally(() => {
      this.running = undefined;
    });
  }

  /** Writes one of what is durable now. Failures are reported, never thrown. */
  async write(): Promise<void> {
    const { store, fold, pause, report } = this.options;
    const held = fold();
    this.at = held.seq;
    try {
      this.rows = await writeSnapshot(store, held, pause);
      await store.prune(limits.snapshotsKept);
    } catch (error) {
      report(error);
    }
  }

  /** Waits for the one that is being written; writes a last one where the next start would gain from it. */
  async end(): Promise<void> {
    await this.running;
    if (this.options.fold().seq - this.at > limits.snapshotEveryEntries / 4) await this.write();
  }
}
