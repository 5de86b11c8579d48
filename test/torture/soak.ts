/**
 * Soak: the mixed workload on one hub for a long time, with restarts, kills, compaction and jumps of the wall clock;
 * memory, descriptors and what is on the disk are sampled, and must level off.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { verifyLog } from "../../adapters/log/verify.ts";
import { connect } from "../../adapters/node/connect.ts";
import { Mixed } from "../../benchmarks/workload.ts";
import type { Client } from "../../core/client/client.ts";
import { Refused } from "../../core/client/refused.ts";
import { Failure } from "../../core/failures.ts";
import type { Event } from "../../core/model/model.ts";
import { Random } from "../simulation/random.ts";
import { HubProcess, pause } from "./hub-process.ts";

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  /** The hub is never restarted or killed: what it keeps in memory must level off within one life. */
  readonly steady?: boolean;
  /** Bounds the hub's heap: what is only garbage stays below it, what leaks ends the hub. */
  readonly heapMiB?: number;
  readonly say?: (words: string) => void;
}

/** One look at the hub and its files. */
export interface Sample {
  readonly atS: number;
  readonly rssMiB: number;
  /** What the hub's heap and its buffers still held right after a full collection: what leaks rises here. */
  readonly liveMiB: number;
  readonly descriptors: number;
  /** The newest snapshot: the state's size. */
  readonly stateKiB: number;
  readonly diskMiB: number;
  readonly commands: number;
}

export interface SoakReport {
  readonly samples: Sample[];
  readonly counts: {
    commands: number;
    refused: number;
    failed: number;
    restarts: number;
    kills: number;
    jumps: number;
    compactions: number;
  };
  /** Medians of the second and the last quarter, and whether the last is much more. */
  readonly level: Readonly<
    Record<string, { readonly before: number; readonly after: number; readonly ok: boolean }>
  >;
  readonly wrong: string[];
}

const LIVE_CLAIMS = 300;
const IN_FLIGHT = 12;
/** The workload declares more tasks than it completes; what is open is kept for ever, and would never level off. */
const OPEN_TASKS = 500;
/** Small enough that a few minutes reach what the defaults keep in a day. */
const RETENTION = {
  receiptsMax: 2000,
  receiptsMs: 60_000,
  checkpointsKeptClaims: 200,
  endedClaimsMax: 500,
  tasksEndedMax: 500,
  messagesMax: 500,
  decisionsMax: 200,
  activitiesMax: 500,
  progressMax: 500,
};

/**
 * Loaded into the hub: collects all garbage now and then, and writes down what is left, in bytes. Rarely, so that what
 * the process takes is what it would take without.
 */
const PROBE = `require("node:worker_threads").isMainThread && setInterval(() => {
  globalThis.gc();
  require("node:fs").writeFileSync(process.env.MEMORY_FILE, JSON.stringify(process.memoryUsage()));
}, Number(process.env.MEMORY_MS)).unref();`;

/** The library that makes the wall clock jump, and the clock it reads; `undefined` where it cannot be built. */
class Clock {
  readonly env: NodeJS.ProcessEnv;
  private readonly file: string;

  private constructor(folder: string) {
    this.file = join(folder, "clock");
    this.jump(0);
    this.env = { LD_PRELOAD: join(folder, "clock-jumps.so"), CLOCK_FILE: this.file };
  }

  static in(folder: string): Clock | undefined {
    if (process.platform !== "linux" || spawnSync("gcc", ["--version"]).status !== 0) return undefined;
    const source = fileURLToPath(new URL("./clock-jumps.c", import.meta.url));
    execFileSync("gcc", [
      "-shared",
      "-fPIC",
      "-O1",
      "-w",
      "-o",
      join(folder, "clock-jumps.so"),
      source,
      "-ldl",
    ]);
    return new Clock(folder);
  }

  jump(seconds: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(seconds);
    writeFileSync(this.file, bytes, { flag: "a+" });
    // The same file for good: it is mapped.
    writeFileSync(this.file, bytes, { flag: "r+" });
  }
}

/** Agents, each with a connection of its own, at the mixed workload. */
class Crowd {
  readonly counts: SoakReport["counts"];
  readonly wrong: string[];
  stopping = false;
  private openTasks = 0;
  private readonly url: string;
  private readonly mixed: Mixed;
  private readonly clients = new Map<string, Promise<Client>>();

  constructor(url: string, seed: number, counts: SoakReport["counts"], wrong: string[]) {
    this.url = url;
    this.counts = counts;
    this.wrong = wrong;
    this.mixed = new Mixed(seed, undefined, LIVE_CLAIMS);
  }

  async work(): Promise<void> {
    while (!this.stopping) {
      const { agent, command } = this.mixed.step();
      const { type, ...params } = command as { type: string; to?: string };
      if (type === "task.declare" && this.openTasks >= OPEN_TASKS) continue;
      try {
        const client = await this.clientOf(agent);
        const answer = (await client.call(type as "claim.acquire", params as never, {
          timeoutMs: 20_000,
        })) as {
          epoch?: number;
          message?: string;
        };
        this.counts.commands++;
        if (type === "task.declare") this.openTasks++;
        if (type === "task.complete") this.openTasks--;
        this.learn(type, agent, params, answer);
      } catch (error) {
        if (error instanceof Refused) this.counts.refused++;
        else if (error instanceof Failure) this.counts.failed++;
        else this.wrong.push(String(error));
        await pause(5);
      }
    }
  }

  async close(): Promise<void> {
    for (const client of this.clients.values()) await (await client.catch(() => undefined))?.close();
  }

  private clientOf(agent: string): Promise<Client> {
    const known = this.clients.get(agent);
    if (known !== undefined) return known;
    const made = connect(this.url, { agent });
    this.clients.set(agent, made);
    made.catch(() => this.clients.delete(agent));
    return made;
  }

  private learn(
    type: string,
    agent: string,
    params: object,
    answer: { epoch?: number; message?: string },
  ): void {
    const { claim, to } = params as { claim?: string; to?: string };
    if (type === "claim.acquire" && answer.epoch !== undefined) {
      this.mixed.learn([
        { type: "claim.granted", claim, holder: agent, epoch: answer.epoch } as unknown as Event,
      ]);
    } else if (type === "message.post" && answer.message !== undefined) {
      this.mixed.learn([{ type: "message.posted", message: answer.message, to } as unknown as Event]);
    }
  }
}

/** Runs for so many minutes. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { minutes, seed, steady = false, heapMiB, say = () => {} } = options;
  const folder = mkdtempSync(join(tmpdir(), "holdfast-soak-"));
  const log = join(folder, "log", "log.db");
  const random = new Random(seed, "soak");
  const clock = Clock.in(folder);
  const [probe, memory] = [join(folder, "probe.cjs"), join(folder, "memory")];
  writeFileSync(probe, PROBE);
  const heap = heapMiB === undefined ? "" : ` --max-old-space-size=${heapMiB}`;
  const env = {
    ...clock?.env,
    NODE_OPTIONS: `--expose-gc --require ${probe}${heap}`,
    MEMORY_FILE: memory,
    MEMORY_MS: String(Math.max(2000, Math.min(30_000, minutes * 1000))),
  };
  const counts = { commands: 0, refused: 0, failed: 0, restarts: 0, kills: 0, jumps: 0, compactions: 0 };
  const report: SoakReport = { samples: [], counts, level: {}, wrong: [] };
  let hub = await HubProcess.start({ log, env });
  const { url } = hub;
  const crowd = new Crowd(url, seed, counts, report.wrong);
  try {
    const operator = await connect(url, { agent: "op", role: "operator" });
    await operator.call("log.configure", RETENTION);
    const working = Array.from({ length: IN_FLIGHT }, () => crowd.work());
    const [startedMs, lengthMs] = [performance.now(), minutes * 60_000];
    const eventMs = Math.max(2000, Math.min(15_000, lengthMs / 20));
    let nextMs = eventMs;
    for (let nowMs = 0; nowMs < lengthMs; nowMs = performance.now() - startedMs) {
      await pause(Math.max(200, Math.min(2000, lengthMs / 100)));
      if (!hub.running) throw new Error(`the hub ended: ${hub.said()}`);
      const { rssMiB, descriptors } = { rssMiB: hub.rssBytes() / 2 ** 20, descriptors: hub.descriptors() };
      report.samples.push({
        atS: Math.round(nowMs / 1000),
        rssMiB,
        liveMiB: liveMiB(memory),
        descriptors,
        ...sizes(join(folder, "log")),
        commands: counts.commands,
      });
      say(JSON.stringify(report.samples.at(-1)));
      if (nowMs < nextMs) continue;
      nextMs = nowMs + eventMs;
      const event = random.weighted([
        [3, "compact"],
        [2, "jump"],
        [steady ? 0 : 1, "restart"],
        [steady ? 0 : 1, "kill"],
      ] as const);
      if (event === "compact") {
        counts.compactions++;
        void operator.call("log.compact", { keepMs: 10_000 }).catch(() => {});
      } else if (event === "jump" && clock !== undefined) {
        counts.jumps++;
        clock.jump(random.between(-86_400, 86_400));
      } else if (event !== "jump") {
        counts[event === "kill" ? "kills" : "restarts"]++;
        const how = await hub.stop(event === "kill" ? "SIGKILL" : "SIGTERM");
        if (event === "restart" && how !== 0)
          report.wrong.push(`a hub told to stop ended with ${how}: ${hub.said()}`);
        hub = await HubProcess.start({ log, env, listen: [url] });
      }
    }
    crowd.stopping = true;
    await Promise.all(working);
    await operator.close();
    await crowd.close();
    await hub.stop();
    const { problems } = await verifyLog(log);
    report.wrong.push(...problems.map(({ message }) => message));
  } finally {
    crowd.stopping = true;
    await hub.stop("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
  return { ...report, level: levels(report.samples) };
}

function liveMiB(file: string): number {
  try {
    const { heapUsed, external } = JSON.parse(readFileSync(file, "utf8")) as NodeJS.MemoryUsage;
    return (heapUsed + external) / 2 ** 20;
  } catch {
    return 0;
  }
}

function sizes(folder: string): { readonly stateKiB: number; readonly diskMiB: number } {
  const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const listed = (path: string): string[] => {
    try {
      return readdirSync(path).map((name) => join(path, name));
    } catch {
      return [];
    }
  };
  const snapshots = listed(join(folder, "log.db.snapshots")).filter((path) => path.endsWith(".snap"));
  const newest = snapshots
    .sort(
      (a, b) =>
        Number.parseInt(a.split("/").at(-1) ?? "", 10) - Number.parseInt(b.split("/").at(-1) ?? "", 10),
    )
    .at(-1);
  const all = [...listed(folder), ...snapshots].reduce((sum, path) => sum + sizeOf(path), 0);
  return { stateKiB: newest === undefined ? 0 : sizeOf(newest) / 1024, diskMiB: all / 2 ** 20 };
}

function levels(samples: readonly Sample[]): SoakReport["level"] {
  const quarter = Math.max(1, samples.length >> 2);
  const median = (some: readonly Sample[], field: keyof Sample): number =>
    some.map((sample) => sample[field]).sort((a, b) => a - b)[some.length >> 1] ?? 0;
  const level: Record<string, { before: number; after: number; ok: boolean }> = {};
  // What may be added besides a third: a hub that was just restarted, or a compaction that is due.
  for (const [field, slack] of [
    ["rssMiB", 60],
    ["liveMiB", 10],
    ["descriptors", 20],
    ["stateKiB", 100],
    ["diskMiB", 30],
  ] as const) {
    const before = Math.round(median(samples.slice(quarter, 2 * quarter), field));
    const after = Math.round(median(samples.slice(-quarter), field));
    level[field] = { before, after, ok: after <= before * 1.33 + slack };
  }
  return level;
}
