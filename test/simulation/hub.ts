/**
 * A simulated hub: the real engine in a process that crashes, freezes, restarts, and takes calls.
 */
import { type Engine, openEngine } from "../../core/engine/engine.ts";
import type { Fold } from "../../core/engine/fold.ts";
import { Failure } from "../../core/failures.ts";
import type { Settings } from "../../core/model/log.ts";
import type { Faults } from "./faults.ts";
import { type Judge, sha256 } from "./judge.ts";
import { chanceOf, type Loop, Process, SimClock } from "./loop.ts";
import type { Random } from "./random.ts";
import { type Disk, SimLog } from "./sim-log.ts";
import { Wire } from "./sim-net.ts";

export interface HubOptions {
  readonly loop: Loop;
  readonly disk: Disk;
  readonly judge: Judge;
  readonly faults: Faults;
  readonly settings: Partial<Settings>;
  readonly latencyMs: number;
  /** Names are proven by tokens, and what is for others is hidden. */
  readonly guarded: boolean;
}

/** What proves a name in a guarded world. */
export function tokenOf(agent: string): string {
  return `token of ${agent}`;
}

function verify(agent: string, token: string): { readonly operator: boolean } | undefined {
  return token === tokenOf(agent) ? { operator: agent === "op" } : undefined;
}

export class Hub {
  readonly name: string;
  /** Names this run of it. */
  incarnation = "";
  engine: Engine | undefined;
  wires: Wire[] = [];
  private readonly options: HubOptions;
  private readonly random: Random;
  private process: Process | undefined;
  private clock: SimClock | undefined;
  private log: SimLog | undefined;
  private wallOffMs: number;
  private starts = 0;

  constructor(name: string, random: Random, options: HubOptions) {
    this.name = name;
    this.random = random;
    this.options = options;
    this.wallOffMs = random.between(-5000, 5000);
  }

  get serving(): boolean {
    return this.engine?.status === "serving" || this.engine?.status === "full";
  }

  /** Starts after `delayMs`, and again should it not come up. */
  start(delayMs: number): void {
    this.options.loop.at(delayMs, undefined, () => {
      if (this.process !== undefined) return;
      const { loop, disk, faults } = this.options;
      this.starts += 1;
      this.incarnation = `${this.name}.${this.starts}`;
      const process = new Process(this.incarnation);
      this.process = process;
      this.clock = new SimClock(loop, process, this.random.between(0, 1_000_000), this.wallOffMs);
      this.log = new SimLog(disk, loop, process, this.clock, this.random, faults);
      this.options.judge.note(() => `      ${this.incarnation} starts`);
      this.open(process, this.clock, this.log);
    });
  }

  private open(process: Process, clock: SimClock, log: SimLog): void {
    const { judge, settings, guarded } = this.options;
    const tokens = guarded ? { verify } : {};
    const report = (what: string, error: unknown) => this.reported(process, what, error);
    const chance = chanceOf(this.random);
    openEngine({ log, clock, chance, hash: sha256, settings, report, ...tokens }).then(
      (engine) => {
        if (!process.alive) return;
        this.engine = engine;
        judge.note(() => `      ${this.incarnation} serves from ${engine.head()}`);
        this.check();
      },
      (error: unknown) => {
        if (!process.alive) return;
        if (!(error instanceof Failure) || error.code === "fold.failed") {
          judge.verdict ??= `${this.incarnation} does not open: ${words(error)}`;
        }
        this.crash(false);
        this.start(500);
      },
    );
  }

  private reported(process: Process, what: string, error: unknown): void {
    if (!process.alive) return;
    const { judge } = this.options;
    judge.note(() => `      ${process.name} reports ${what}: ${String(error)}`);
    const ends = error instanceof Failure && ["log.horizon", "log.unusable"].includes(error.code);
    if (what === "stopped" && ends) {
      // It stood still while others dropped what it had not read, or its disk gave nothing back: it says so and
      // is started anew.
      this.options.loop.at(0, undefined, () => {
        if (this.process === process) this.crash(false);
        this.start(500);
      });
    } else if (what === "stopped" || !(error instanceof Failure)) {
      judge.verdict ??= `${process.name} reports ${what}: ${words(error)}`;
    }
  }

  /** Holds what it serves against the log. */
  check(): void {
    const { engine } = this;
    if (engine === undefined) return;
    const { fold } = (engine as unknown as { readonly sequencer: { readonly fold: Fold } }).sequencer;
    this.options.judge.served(this.incarnation, fold);
  }

  /** Nothing of it runs any more. */
  die(): void {
    if (this.process !== undefined) this.process.alive = false;
  }

  /** Dies at once. */
  crash(powerCut: boolean): void {
    const { process, log } = this;
    if (process === undefined || log === undefined) return;
    this.options.judge.note(() => `      ${this.incarnation} dies`);
    process.alive = false;
    this.options.disk.died(log, this.random, powerCut);
    this.gone();
  }

  /** Closes as it should, then starts anew. */
  restart(): void {
    const { engine, log, process } = this;
    if (engine === undefined || log === undefined || process === undefined) return;
    this.engine = undefined;
    this.options.judge.note(() => `      ${this.incarnation} closes`);
    engine.close().then(
      async () => {
        await log.close();
        if (!process.alive) return;
        process.alive = false;
        this.gone();
        this.start(this.random.between(10, 500));
      },
      (error: unknown) => {
        this.options.judge.verdict ??= `${this.incarnation} does not close: ${words(error)}`;
      },
    );
  }

  private gone(): void {
    this.process = undefined;
    this.engine = undefined;
    this.log = undefined;
    for (const wire of this.wires) wire.cut();
    this.wires = [];
  }

  /** Stands still for a while, as under a debugger. */
  pause(ms: number): void {
    if (this.process !== undefined) this.process.pausedUntilMs = this.options.loop.nowMs + ms;
  }

  /** The wall clock jumps. */
  jump(ms: number): void {
    this.wallOffMs += ms;
    if (this.clock !== undefined) this.clock.wallOffMs = this.wallOffMs;
  }

  /** Has the log looked at, as a wake-up would. */
  nudge(): void {
    this.log?.grown("");
  }

  /** Connects somebody, unless it is down. */
  dial(caller?: Process): Wire | undefined {
    const { process } = this;
    if (process === undefined || this.engine === undefined) return undefined;
    const { loop, latencyMs } = this.options;
    const { random } = this;
    const [scale, codec] = [random.happens(0.3) ? 500 : 1, random.happens(0.4) ? "msgpack" : "json"] as const;
    const wire = new Wire(loop, random, process, caller, latencyMs, scale, codec);
    this.wires = this.wires.filter(({ cutAt, hub }) => cutAt === undefined && !hub.closed);
    this.wires.push(wire);
    loop.at(0, process, () => {
      if (this.engine !== undefined) this.engine.accept(wire.hub);
      else wire.cut();
    });
    return wire;
  }
}

function words(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
