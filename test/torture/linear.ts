/**
 * Histories of real processes: hubs on one SQLite file are killed, paused and restarted while agents acquire, renew
 * and release claims over WebSocket through all of them; what each was told is judged for linearizability, claim by
 * claim.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifyLog } from "../../adapters/log/verify.ts";
import { connect } from "../../adapters/node/connect.ts";
import type { Client } from "../../core/client/client.ts";
import { Refused } from "../../core/client/refused.ts";
import { Failure } from "../../core/failures.ts";
import { Random } from "../simulation/random.ts";
import { type ClaimOp, claimModel } from "./claim-model.ts";
import { HubProcess, pause } from "./hub-process.ts";
import { judge } from "./linearizability.ts";

export interface LinearOptions {
  readonly histories: number;
  readonly ops: number;
  readonly seed: number;
  /** Stops beginning new histories after so long. */
  readonly minutes?: number;
  readonly say?: (words: string) => void;
  /** How many times longer answers are waited for: on a machine that is busy, what is not known makes long searches. */
  readonly patience?: number;
}

/** What was run and seen. */
export interface LinearReport {
  histories: number;
  ops: number;
  granted: number;
  refused: number;
  /** Operations whose outcome stayed unknown. */
  unknown: number;
  lapsed: number;
  kills: number;
  pauses: number;
  /** Asked again on the other hub under the same id. */
  repeats: number;
  entries: number;
  /** What was wrong, with the history around it. */
  readonly bad: string[];
}

const HUBS = 2;
const AGENTS = 6;
const KEYS = 5;
const LONG_MS = 600_000;
const SHORT_MS = 1000;

interface Agent {
  readonly name: string;
  readonly clients: readonly Client[];
}

/** Kills, pauses and restarts hubs until it is told to stop. */
class Nemesis {
  readonly hubs: HubProcess[] = [];
  private readonly log: string;
  private readonly random: Random;
  private readonly report: LinearReport;
  private stopping = false;
  private running: Promise<void> = Promise.resolve();

  constructor(log: string, random: Random, report: LinearReport) {
    this.log = log;
    this.random = random;
    this.report = report;
  }

  async begin(): Promise<void> {
    for (let i = 0; i < HUBS; i++) this.hubs.push(await HubProcess.start({ log: this.log }));
    this.running = this.run();
  }

  async end(): Promise<void> {
    this.stopping = true;
    await this.running;
    for (const hub of this.hubs) await hub.stop();
  }

  private async run(): Promise<void> {
    const { random, report } = this;
    while (!this.stopping) {
      await pause(random.between(100, 900));
      if (this.stopping) return;
      const at = random.between(0, HUBS - 1);
      const hub = this.hubs[at] as HubProcess;
      if (random.happens(0.5)) {
        hub.signal("SIGSTOP");
        await pause(random.between(30, 700));
        hub.signal("SIGCONT");
        report.pauses++;
        continue;
      }
      await hub.stop("SIGKILL");
      report.kills++;
      await pause(random.between(0, 200));
      this.hubs[at] = await this.restart(hub.url);
    }
  }

  private async restart(url: string): Promise<HubProcess> {
    for (let left = 10; ; left--) {
      try {
        return await HubProcess.start({ log: this.log, listen: [url] });
      } catch (error) {
        if (left <= 0) throw error;
        await pause(200);
      }
    }
  }
}

/** Runs histories one after another on the same hubs, and judges each. */
export async function linear(options: LinearOptions): Promise<LinearReport> {
  const { seed, say = () => {} } = options;
  const folder = mkdtempSync(join(tmpdir(), "holdfast-linear-"));
  const log = join(folder, "log.db");
  const report: LinearReport = {
    histories: 0,
    ops: 0,
    granted: 0,
    refused: 0,
    unknown: 0,
    lapsed: 0,
    kills: 0,
    pauses: 0,
    repeats: 0,
    entries: 0,
    bad: [],
  };
  const nemesis = new Nemesis(log, new Random(seed, "nemesis"), report);
  const agents: Agent[] = [];
  const epochs = new Set<number>();
  try {
    await nemesis.begin();
    const urls = nemesis.hubs.map(({ url }) => url);
    for (let i = 0; i < AGENTS; i++) {
      const name = `agent-${i}`;
      const clients = [];
      for (const url of urls) clients.push(await connectPatiently(url, name));
      agents.push({ name, clients });
    }
    const untilMs = performance.now() + (options.minutes ?? 1e6) * 60_000;
    for (let n = 0; n < options.histories && performance.now() < untilMs; n++) {
      const history = await play(n, options, agents, report);
      for (const [claim, ops] of history) examine(claim, ops, report, epochs);
      report.histories++;
      if (report.histories % 10 === 0) say(JSON.stringify({ ...report, bad: report.bad.length }));
    }
    await nemesis.end();
    const { ok, problems, entries } = await verifyLog(log);
    report.entries = entries;
    if (!ok) report.bad.push(`the log: ${JSON.stringify(problems)}`);
    return report;
  } finally {
    await Promise.all(agents.flatMap(({ clients }) => clients.map((client) => client.close())));
    for (const hub of nemesis.hubs) await hub.stop("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

async function connectPatiently(url: string, agent: string): Promise<Client> {
  for (let left = 50; ; left--) {
    try {
      return await connect(url, { agent });
    } catch (error) {
      if (left <= 0) throw error;
      await pause(200);
    }
  }
}

/** One history: every agent in its own time; operations by claim. */
async function play(
  n: number,
  { ops, seed, patience = 1 }: LinearOptions,
  agents: readonly Agent[],
  report: LinearReport,
): Promise<Map<string, ClaimOp[]>> {
  const history = new Map<string, ClaimOp[]>();
  for (let k = 0; k < KEYS; k++) history.set(`h${n}-k${k}`, []);
  const keys = [...history.keys()];
  let left = ops;
  await Promise.all(
    agents.map(async (agent) => {
      const random = new Random(seed * 1000 + n, agent.name);
      const known = new Map<string, number[]>();
      while (left-- > 0) {
        const claim = random.pick(keys);
        const op = await act(
          agent,
          claim,
          keys.indexOf(claim) < 2 ? SHORT_MS : LONG_MS,
          known,
          random,
          report,
          patience,
        );
        history.get(claim)?.push(op);
        if (random.happens(0.1)) await pause(random.between(0, 40));
      }
    }),
  );
  return history;
}

async function act(
  agent: Agent,
  claim: string,
  ttlMs: number,
  known: Map<string, number[]>,
  random: Random,
  report: LinearReport,
  patience: number,
): Promise<ClaimOp> {
  const epochs = known.get(claim) ?? [];
  known.set(claim, epochs);
  const verb =
    epochs.length === 0
      ? "acquire"
      : random.weighted([
          [4, "acquire"],
          [3, "renew"],
          [4, "release"],
        ] as const);
  // Now and then a zombie of an earlier life, or one who guesses.
  const epoch = verb === "acquire" ? undefined : random.happens(0.15) ? random.pick(epochs) : epochs.at(-1);
  const waitMs = verb === "acquire" && random.happens(0.15) ? random.between(20, 300) : undefined;
  const params = {
    claim,
    ...(verb === "release" ? {} : { ttlMs }),
    ...(epoch === undefined ? {} : { epoch }),
    ...(waitMs === undefined ? {} : { waitMs }),
  };
  const timeoutMs = random.happens(0.05) ? random.between(1, 30) : 1500 * patience;
  const submission = random.id();
  const hub = random.between(0, HUBS - 1);
  const send = (at: number, ms: number) =>
    agent.clients[at]?.call(`claim.${verb}`, params, { submission, timeoutMs: ms }) as Promise<{
      epoch?: number;
    }>;
  const call = performance.now();
  report.ops++;
  let answer = await outcome(send(hub, timeoutMs));
  if (answer === undefined && random.happens(0.6)) {
    report.repeats++;
    answer = await outcome(send(1 - hub, 3000 * patience));
    // A refusal is only remembered by the hub that gave it: the first sending may still have its effect elsewhere.
    if (answer?.ok === false) answer = undefined;
  }
  const reply = answer === undefined ? Infinity : performance.now();
  if (answer === undefined) report.unknown++;
  else if (answer.ok) {
    report.granted++;
    if (verb === "acquire" && answer.epoch !== undefined) epochs.push(answer.epoch);
  } else {
    report.refused++;
    if (answer.code === "claim.unknown") report.lapsed++;
  }
  const op = {
    agent: agent.name,
    verb,
    ttlMs,
    call,
    reply,
    ...(epoch === undefined ? {} : { epoch }),
  } as const;
  return answer === undefined ? op : { ...op, answer };
}

/** The answer; `undefined` when none came, or none that says what happened. */
async function outcome(asked: Promise<{ epoch?: number }>): Promise<ClaimOp["answer"]> {
  try {
    const { epoch } = await asked;
    return { ok: true, ...(epoch === undefined ? {} : { epoch }) };
  } catch (error) {
    // A definite failure is one of those that had no effect: the search may leave it out, as any without an answer.
    if (error instanceof Failure) return undefined;
    if (!(error instanceof Refused)) throw error;
    const { holder, epoch } = error.fields as { holder?: string; epoch?: number };
    return {
      ok: false,
      code: error.code,
      ...(holder === undefined ? {} : { holder }),
      ...(epoch === undefined ? {} : { epoch }),
    };
  }
}

function examine(claim: string, ops: readonly ClaimOp[], report: LinearReport, epochs: Set<number>): void {
  for (const { verb, answer } of ops) {
    if (verb !== "acquire" || answer?.ok !== true || answer.epoch === undefined) continue;
    if (epochs.has(answer.epoch)) report.bad.push(`${claim}: epoch ${answer.epoch} was granted twice`);
    epochs.add(answer.epoch);
  }
  const verdict = judge(claimModel, ops);
  if (verdict.ok) return;
  const { stuckAt } = verdict;
  const near = ops.filter(({ call, reply }) => reply >= stuckAt.call - 300 && call <= stuckAt.reply + 300);
  const told = near
    .sort((a, b) => a.call - b.call)
    .map((op) => JSON.stringify(op))
    .join("\n  ");
  report.bad.push(`${claim} is not linearizable at ${JSON.stringify(stuckAt)}:\n  ${told}`);
}
