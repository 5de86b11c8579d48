/**
 * Metrics of a hub, for Prometheus: counts and times only. No label names a path, a task, a claim or
 * an agent, so their number is bounded by the program, and the page tells nobody anything about the
 * fleet's work.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Engine } from "../../core/engine/engine.ts";
import type { EngineOptions } from "../../core/engine/options.ts";
import { tables } from "../../core/model/model.ts";
import type { EventLog } from "../../core/ports/event-log.ts";

/** Collects from the moment it is made. */
export class HubMetrics {
  readonly #registry = new Registry();
  readonly #decisions: Counter<"outcome" | "code">;
  readonly #entries: Counter<"type">;
  readonly #appendSeconds: Histogram;
  readonly #appendEntries: Histogram;

  constructor() {
    const registers = [this.#registry];
    this.#decisions = new Counter({
      name: "holdfast_decisions_total",
      help: "Commands by what became of them; code says why one was refused or failed.",
      labelNames: ["outcome", "code"],
      registers,
    });
    this.#entries = new Counter({
      name: "holdfast_events_total",
      help: "Events in entries that became durable, of this hub or another on the same log.",
      labelNames: ["type"],
      registers,
    });
    this.#appendSeconds = new Histogram({
      name: "holdfast_append_seconds",
      help: "How long one append took until it was durable.",
      buckets: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2],
      registers,
    });
    this.#appendEntries = new Histogram({
      name: "holdfast_append_entries",
      help: "How many entries one append had.",
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    });
  }

  /** To be given to the engine when it is opened. */
  get hooks(): Required<Pick<EngineOptions, "onAppend" | "onOutcome">> {
    return {
      onAppend: (entries, ms) => {
        this.#appendSeconds.observe(ms / 1000);
        this.#appendEntries.observe(entries);
      },
      onOutcome: (outcome, code) => this.#decisions.inc({ outcome, code }),
    };
  }

  /** Reads an engine and its log whenever it is asked; call it once. */
  watch(engine: Engine, log: EventLog): void {
    const gauge = (name: string, help: string, read: () => number | Promise<number>): void => {
      const made: Gauge = new Gauge({
        name: `holdfast_${name}`,
        help,
        registers: [this.#registry],
        collect: async () => made.set(await read()),
      });
    };
    gauge("log_seq", "The newest entry.", () => engine.head());
    gauge("log_bytes", "Size of the log on disk.", () => log.sizeBytes().catch(() => Number.NaN));
    gauge("claims", "Live claims.", () => engine.state().claims.live.size);
    gauge("waits", "Waits for a claim.", () => engine.state().waits.bySeq.size);
    gauge("followers", "Open follows.", () => engine.subscriptions.size);
    gauge("follower_lag_entries", "How far the slowest follower is behind.", () => engine.subscriptions.lag);
    gauge("sessions", "Open sessions.", () => [...engine.sessions.all()].length);
    gauge("pending", "Commands and questions that wait for an answer.", () => engine.pending);
    gauge("serving", "1 while commands are taken.", () => (engine.status === "serving" ? 1 : 0));
    engine.entries$.subscribe((entry) => {
      for (const { type } of entry.events) {
        this.#entries.inc({ type: Object.hasOwn(tables.events, type) ? type : "other" });
      }
    });
  }

  /** The page. */
  async text(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}
