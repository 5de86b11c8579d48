/**
 * One simulation: a seed decides the world, what goes wrong in it, and everything that happens. When the
 * steps are used up all faults end, and the world must come to rest with every promise kept.
 */
import { Agent, type Inhabitant, type Surroundings } from "./agent.ts";
import { ClientAgent } from "./client-agent.ts";
import { drawFaults, type FaultKind, type Faults, heal } from "./faults.ts";
import { Hub } from "./hub.ts";
import { Broken, Judge } from "./judge.ts";
import { Loop } from "./loop.ts";
import { Random } from "./random.ts";
import { Disk } from "./sim-log.ts";

export interface SimulationOptions {
  readonly seed: number;
  /** Events until the faults end. */
  readonly steps: number;
  /** Kinds of faults that are not to happen. */
  readonly off?: ReadonlySet<FaultKind>;
  /** Keep a transcript. */
  readonly trace?: boolean;
}

export interface Result {
  readonly seed: number;
  readonly steps: number;
  readonly entries: number;
  /** Of everything stored and answered, and of the state at the end. */
  readonly hash: string;
  /** What was broken; absent when all promises were kept. */
  readonly verdict?: string;
  readonly trace: readonly string[];
}

/** How long the world may take to come to rest once the faults are over: longer than any wait and lease. */
const REST_MS = 40_000;
/** How often fate looks at the world. */
const FATE_MS = 100;

/** Runs one. Never throws. */
export async function simulate(options: SimulationOptions): Promise<Result> {
  const world = new World(options);
  const uncaught = (error: unknown) => world.caught(error);
  process.on("unhandledRejection", uncaught);
  let hash = "";
  try {
    await world.run();
    if (world.judge.verdict === undefined) hash = world.judge.finish();
  } catch (error) {
    world.caught(error);
  }
  await new Promise(setImmediate);
  process.off("unhandledRejection", uncaught);
  const { verdict, head: entries } = world.judge;
  const result = { seed: options.seed, steps: world.loop.steps, entries, hash, trace: world.trace ?? [] };
  return verdict === undefined ? result : { ...result, verdict };
}

class World {
  readonly loop = new Loop();
  readonly judge: Judge;
  readonly trace: string[] | undefined;
  private readonly disk = new Disk();
  private readonly faults: Faults;
  private readonly fate: Random;
  private readonly hubs: Hub[] = [];
  private readonly agents: Inhabitant[] = [];
  private readonly options: SimulationOptions;
  private readonly surroundings: Surroundings;
  private readonly outside = new Map<string, number>();
  private readonly guarded: boolean;

  constructor(options: SimulationOptions) {
    const { seed, off = new Set() } = options;
    this.options = options;
    this.trace = options.trace ? [] : undefined;
    this.guarded = new Random(seed, "guard").happens(0.3);
    this.judge = new Judge(() => this.loop.nowMs, this.trace, this.guarded);
    this.faults = drawFaults(new Random(seed, "faults"), off);
    this.faults.onLeap = (excessMs) => this.judge.leases.leapt(excessMs, this.loop.nowMs);
    this.disk.onStored = (stored, entries) => this.judge.stored(stored, entries);
    this.disk.onWriting = ({ count }) => this.tear(count);
    this.disk.onSlow = (by) => this.hangUp(by);
    this.fate = new Random(seed, "fate");
    const shape = new Random(seed, "world");
    this.surroundings = this.people(shape);
    this.build(shape);
  }

  private people(shape: Random): Surroundings {
    const agents = ["a1", "a2", "a3", "a4", "op"].slice(shape.between(0, 2));
    return {
      loop: this.loop,
      judge: this.judge,
      hubs: this.hubs,
      agents,
      quiet: false,
      guarded: this.guarded,
      shared: agents[0] as string,
      thinkMs: shape.pick([50, 150, 300, 600]),
      store: (claim, epoch, agent) => this.store(claim, epoch, agent),
    };
  }

  private build(shape: Random): void {
    const { seed } = this.options;
    const settings = {
      idleAfterMs: shape.between(1000, 8000),
      brokenAfterMs: shape.between(1000, 3000),
      goneAfterMs: shape.between(2000, 10_000),
      stalledAfterMs: shape.between(1000, 10_000),
      receiptsMax: shape.pick([20, 100, 100_000]),
      receiptsMs: shape.pick([5000, 20_000, 3_600_000]),
      endedClaimsMax: shape.pick([1, 3, 100]),
      checkpointsKeptClaims: shape.pick([1, 100]),
      messagesMax: shape.pick([3, 1000]),
      tasksEndedMax: shape.pick([1, 1000]),
      foldCase: shape.happens(0.2),
    };
    const latencyMs = shape.pick([2, 10, 60]);
    const { loop, disk, judge, faults } = this;
    for (let i = 1; i <= shape.pick([1, 2, 2, 3]); i++) {
      const hub = new Hub(`H${i}`, new Random(seed, `hub${i}`), {
        loop,
        disk,
        judge,
        faults,
        settings,
        latencyMs,
        guarded: this.guarded,
      });
      this.hubs.push(hub);
      hub.start(shape.between(0, 100));
    }
    const { agents } = this.surroundings;
    for (const [i, name] of agents.entries()) this.join(name, name, i);
    // Twins: two processes that are one agent, and supersede each other.
    for (let i = shape.between(0, 2); i > 0; i--) this.join(`${agents[0]}'${i}`, agents[0] as string, 10 + i);
  }

  private join(label: string, name: string, n: number): void {
    const random = new Random(this.options.seed, `agent${n}`);
    const Kind = random.happens(0.5) ? ClientAgent : Agent;
    this.agents.push(new Kind(label, name, random, this.surroundings));
  }

  async run(): Promise<void> {
    const { loop, judge } = this;
    this.decideFate();
    await loop.run(() => judge.verdict !== undefined || loop.steps >= this.options.steps);
    if (judge.verdict !== undefined) return;
    this.rest();
    const endMs = loop.nowMs + REST_MS;
    let quietMs = 0;
    await loop.run(() => {
      if (judge.verdict !== undefined || loop.nowMs >= endMs) return true;
      if (loop.nowMs < quietMs) return false;
      quietMs = loop.nowMs + 100;
      return this.atRest();
    });
    if (judge.verdict !== undefined) return;
    for (const hub of this.hubs) hub.check();
    for (const agent of this.agents) agent.check();
    if (!this.atRest()) judge.fail(this.unrest());
  }

  /** What was thrown where nobody catches it. */
  caught(error: unknown): void {
    if (error instanceof Broken) return;
    this.judge.verdict ??= `thrown: ${error instanceof Error ? error.stack : String(error)}`;
  }

  private rest(): void {
    this.judge.note(() => "      the faults are over");
    heal(this.faults);
    this.surroundings.quiet = true;
    for (const hub of this.hubs) {
      hub.start(0);
      hub.nudge();
      hub.pause(0);
    }
    for (const agent of this.agents) agent.drop();
    const watch = (untilMs: number) => {
      this.loop.at(500, undefined, () => {
        if (this.loop.nowMs > untilMs) this.overdue();
        watch(untilMs);
      });
    };
    watch(this.loop.nowMs + 6000);
  }

  /** Expiry is written down within a second, and what that takes. */
  private overdue(): void {
    for (const { engine, name } of this.hubs) {
      if (engine === undefined) continue;
      for (const { claim, expiresAtMs } of engine.state().claims.live.values()) {
        const lateMs = engine.nowMs() - expiresAtMs;
        if (lateMs > 1100) this.judge.fail(`${name}: ${claim} is due since ${lateMs} ms`);
      }
    }
  }

  private atRest(): boolean {
    const { head } = this.disk;
    if (this.judge.last.state.waits.bySeq.size > 0) return false;
    return (
      this.hubs.every(({ engine }) => engine?.head() === head) &&
      this.agents.every((one) => one.settled(head))
    );
  }

  private unrest(): string {
    const { head } = this.disk;
    const hubs = this.hubs.map(({ name, engine }) => `${name} ${engine?.status} at ${engine?.head()}`);
    const agents = this.agents
      .filter((agent) => !agent.settled(head))
      .map((agent) => `${agent.label} without an answer to ${[...agent.open].join() || "nothing"}`);
    return `no rest after ${REST_MS} ms: log ${head}; ${hubs.join(", ")}; ${agents.join("; ")}`;
  }

  /** The store outside takes nothing under an epoch lower than one it has seen. */
  private store(claim: string, epoch: number, agent: string): void {
    const seen = this.outside.get(claim) ?? 0;
    if (epoch < seen) return;
    const granted = this.judge.leases.epochs.get(epoch);
    if (granted?.claim !== claim || granted.holder !== agent) {
      this.judge.fail(
        `${agent} wrote ${claim} outside under ${epoch}, which was granted as ${JSON.stringify(granted)}`,
      );
    }
    this.outside.set(claim, epoch);
  }

  private decideFate(): void {
    this.loop.at(FATE_MS, undefined, () => {
      if (this.surroundings.quiet) return;
      for (const hub of this.hubs) this.strike(hub);
      for (const agent of this.agents) this.tease(agent);
      if (this.now(this.faults.power)) this.powerCut();
      if (this.now(this.faults.truncate)) this.truncate();
      this.decideFate();
    });
  }

  /** Whether something that happens so often a second happens now. */
  private now(perSecond: number): boolean {
    return this.fate.happens((perSecond * FATE_MS) / 1000);
  }

  private strike(hub: Hub): void {
    const { fate, faults } = this;
    if (this.now(faults.crash)) {
      hub.crash(false);
      hub.start(fate.between(10, 2000));
    }
    if (this.now(faults.restart)) hub.restart();
    if (this.now(faults.pause)) hub.pause(fate.between(200, 4000));
    if (this.now(faults.jump)) hub.jump(fate.between(-20_000, 20_000));
    if (this.now(0.4)) this.snapshot(hub);
    if (this.now(0.2)) hub.check();
  }

  private tease(agent: Inhabitant): void {
    const { fate, faults } = this;
    if (this.now(faults.cut)) agent.wire?.cut();
    if (this.now(faults.deaf)) this.deafen(agent);
    if (this.now(faults.stall)) this.stall(agent);
    if (this.now(faults.ghost)) agent.repeatOne(fate);
  }

  /** Nobody is told for a while; then a transport's heartbeat finds it out. */
  private deafen({ wire }: Inhabitant): void {
    wire?.deafen();
    this.loop.at(this.fate.between(1000, 6000), undefined, () => wire?.cut());
  }

  private stall(agent: Inhabitant): void {
    const { wire } = agent;
    if (wire === undefined) return;
    wire.hub.stalled = true;
    this.loop.at(this.fate.between(200, 3000), undefined, () => wire.hub.flow());
  }

  private powerCut(): void {
    this.disk.boot += 1;
    const running = this.hubs.filter(({ incarnation }) => incarnation !== "");
    for (const hub of running) hub.die();
    for (const hub of running) hub.crash(true);
    for (const hub of this.hubs) hub.start(this.fate.between(50, 2000));
  }

  /** The power fails in the midst of a write, the rather the more there is to write. */
  private tear(count: number): void {
    if (this.fate.happens(this.faults.power * (count > 1 ? 4 : 0.2))) {
      this.loop.at(this.fate.between(0, 3), undefined, () => this.powerCut());
    }
  }

  /** A hub loses its connections in the midst of a long write: everybody asks again elsewhere, not knowing. */
  private hangUp(by: string): void {
    if (!this.fate.happens(this.faults.cut * 0.7)) return;
    for (const { incarnation, wires } of this.hubs)
      if (incarnation === by) for (const wire of wires) wire.cut();
  }

  private snapshot({ engine }: Hub): void {
    engine?.snapshot().catch((error: unknown) => this.caught(error));
  }

  /** Drops what lies below the older of two snapshots that are whole. */
  private truncate(): void {
    const whole = this.disk.wholeSnapshots();
    const through = whole[1];
    if (through === undefined || through <= this.disk.horizon) return;
    if (whole.length < this.disk.snapshots.size) return;
    this.judge.note(() => `      the log is cut through ${through}`);
    this.disk.horizon = through;
  }
}
