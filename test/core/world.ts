/**
 * A small world for tests of the engine: a clock that moves when told, engines that share a log, peers that speak frames.
 */
import { createHash } from "node:crypto";
import { openMemoryLog } from "../../adapters/log/memory.ts";
import { type Engine, openEngine } from "../../core/engine/engine.ts";
import type { EngineOptions } from "../../core/engine/options.ts";
import type { Outcome } from "../../core/engine/sequencer.ts";
import type { Command } from "../../core/model/model.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Chance, Clock } from "../../core/ports/clock.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import type { Closed, Peer } from "../../core/ports/transport.ts";
import { memoryPair } from "../../transports/memory/index.ts";

/** SHA-256 as the engine wants it. */
export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** A clock that stands until `advance`; what is due runs in order of time. `soon` is the real event loop's. */
export class ManualClock implements Clock {
  nowMs = 1_000_000;
  wallOffsetMs = 1_700_000_000_000;
  private timers: { atMs: number; order: number; run: () => void }[] = [];
  private order = 0;

  monotonicMs(): number {
    return this.nowMs;
  }
  wallMs(): number {
    return this.nowMs + this.wallOffsetMs;
  }
  after(ms: number, run: () => void) {
    const timer = { atMs: this.nowMs + Math.max(0, ms), order: this.order++, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }
  soon(run: () => void): void {
    setImmediate(run);
  }
  /** Moves on by `ms`, in steps, letting work settle at each. */
  async advance(ms: number, stepMs = 250): Promise<void> {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + stepMs);
      for (;;) {
        const due = this.timers
          .filter(({ atMs }) => atMs <= this.nowMs)
          .sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
        if (due === undefined) break;
        this.timers = this.timers.filter((other) => other !== due);
        due.run();
      }
      await settle(3);
    }
    await settle();
  }
}

/** Ids in order, fractions by a small generator: the same in every run. */
export function countedChance(prefix = "id"): Chance {
  let ids = 0;
  let seed = 1;
  return {
    id: () => `${prefix}${++ids}`,
    fraction: () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      return seed / 0x80000000;
    },
  };
}

/** Lets everything that is under way come to rest. */
export async function settle(turns = 12): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

let names = 0;

export class World {
  readonly clock = new ManualClock();
  readonly name = `world${++names}`;
  readonly engines: Engine[] = [];
  private submissions = 0;

  /** Another engine on the same log. */
  async engine(options: Partial<EngineOptions> & { log?: EventLog } = {}): Promise<Engine> {
    const log = options.log ?? (await openMemoryLog(this.name, { clock: this.clock }));
    const engine = await openEngine({
      clock: this.clock,
      chance: countedChance(`${this.name}-${this.engines.length + 1}-`),
      hash: sha256,
      report: (what, error) => {
        throw new Error(`${what}: ${String(error)}`);
      },
      ...options,
      log,
    });
    this.engines.push(engine);
    return engine;
  }

  /** Submits under a fresh id, or the given one. */
  submit(engine: Engine, agent: string, command: Command, id?: string, sentAfter?: number): Promise<Outcome> {
    this.submissions += 1;
    const submission = { id: id ?? `s${this.submissions}`, agent, command, operator: agent === "op" };
    return engine.submit(sentAfter === undefined ? submission : { ...submission, sentAfter });
  }

  async close(): Promise<void> {
    for (const engine of this.engines) await engine.close();
  }
}

/** All entries of an engine's log. */
export async function entriesOf(log: EventLog): Promise<Entry[]> {
  const all: Entry[] = [];
  for await (const entries of log.read(0)) all.push(...entries);
  return all;
}

type Answer = { readonly result?: Record<string, unknown>; readonly error?: Record<string, never> };

/** A peer that speaks frames to an engine and keeps what it hears. */
export class Talker {
  readonly heard: Record<string, unknown>[] = [];
  readonly entries: Entry[] = [];
  closed: Closed | undefined;
  private readonly connection;
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private ids = 0;

  constructor(engine: Engine, peer: Partial<Peer> = {}) {
    const [theirs, ours] = memoryPair(
      { transport: "memory", loopback: true, ...peer },
      { transport: "memory", loopback: true },
    );
    this.connection = ours;
    ours.receive({
      frame: (frame) => {
        const value: unknown = JSON.parse(String(frame));
        for (const message of Array.isArray(value) ? value : [value])
          this.hear(message as Record<string, unknown>);
      },
      drained: () => {},
      closed: (how) => {
        this.closed = how;
      },
    });
    engine.accept(theirs);
  }

  call(method: string, params: object = {}): Promise<Answer> {
    const id = ++this.ids;
    this.connection.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return new Promise((resolve) => this.waiting.set(id, resolve));
  }

  raw(frame: string): void {
    this.connection.send(frame);
  }

  open(agent: string, more: object = {}): Promise<Answer> {
    return this.call("session.open", { agent, ...more });
  }

  close(reason: "goodbye" | "failed" = "goodbye"): void {
    this.connection.close(reason);
  }

  private hear(message: Record<string, unknown>): void {
    this.heard.push(message);
    if (message.method === "entry") this.entries.push(message.params as Entry);
    const id = message.id as number;
    this.waiting.get(id)?.(message as Answer);
    this.waiting.delete(id);
  }
}
