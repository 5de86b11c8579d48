/**
 * The demo: a fleet of agents works off real changes through a hub that is killed in the middle, and the
 * log proves that nothing went wrong. Ends with 0 only when every line of the proof holds.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import type { Entry } from "../../../core/model/slice.ts";
import { openLog, verifyLog } from "../../log/index.ts";
import { write } from "../render.ts";
import { answerer, asker, intruder, listener, reader, standOff, worker, zombie } from "./agents.ts";
import { Fleet, type Member, pause, TTL_MS } from "./fleet.ts";
import { HubProcess } from "./hub-process.ts";
import { type Finding, findings } from "./proof.ts";
import { type Answer, askAll, servedIsReplayed } from "./served.ts";
import { type Plan, planOf } from "./trace.ts";
import { View } from "./view.ts";

/** The demo gives up after this long, and says so. */
const DEADLINE_MS = 55_000;
const AGENTS_MAX = 30;

/** A run: a fleet, its hub and its log, and what must be gone at the end. */
class Demo {
  readonly folder = mkdtempSync(join(tmpdir(), "holdfast-demo-"));
  readonly file = join(this.folder, "log.db");
  readonly plan: Plan;
  readonly fleet: Fleet;
  readonly view: View;
  private readonly children = new Set<ChildProcess>();
  private readonly running: Promise<void>[] = [];
  readonly failed: (error: unknown) => void;
  /** Rejects with the first thing that no agent expects. */
  readonly trouble: Promise<never>;
  private hub: HubProcess | undefined;

  constructor(plan: Plan, isTerminal: boolean) {
    this.plan = plan;
    this.fleet = new Fleet(plan.tasks);
    this.view = new View(this.fleet, isTerminal);
    let failed: (error: unknown) => void = () => {};
    this.trouble = new Promise((_, reject) => {
      failed = reject;
    });
    this.trouble.catch(() => {});
    this.failed = failed;
  }

  /** Kills what still runs and removes what is on disk, at once. */
  clear(): void {
    for (const child of this.children) child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  async startHub(): Promise<void> {
    this.hub = await HubProcess.start(this.file, this.folder, (child) => {
      this.children.add(child);
      child.once("exit", () => this.children.delete(child));
    });
    this.fleet.url = this.hub.url;
    this.view.say(`the hub listens at ${this.hub.url}, process ${this.hub.pid}`);
  }

  async crashHub(): Promise<void> {
    this.view.say(`kill -9 of the hub, process ${this.hub?.pid}, at ${this.fleet.done} tasks done`);
    await this.hub?.kill();
    await this.startHub();
    await this.fleet.members.get("ada")?.client.call("message.post", {
      to: "all",
      kind: "notice",
      body: "The hub was killed and is back; all that was acknowledged is there.",
    });
  }

  async stopHub(): Promise<boolean> {
    return (await this.hub?.stop()) === true;
  }

  /** Lets an agent go about its day. */
  runs(day: Promise<void>): void {
    this.running.push(day.catch((error) => (this.fleet.finished ? undefined : this.failed(error))));
  }

  /** Everybody says goodbye. */
  async goHome(): Promise<void> {
    await this.fleet.close();
    await Promise.race([Promise.all(this.running), pause(3000)]);
  }
}

async function declarePlan({ plan, fleet, view }: Demo): Promise<void> {
  const { client } = await fleet.join("planner");
  await Promise.all(
    plan.tasks.map(({ task, author, files, dependsOn }) =>
      client.call("task.declare", {
        task,
        title: `change ${task} by ${author}`,
        paths: files,
        dependsOn,
        suggested: author,
      }),
    ),
  );
  view.say(
    `${plan.tasks.length} tasks declared, from ${plan.source}: each waits for the last one on its files`,
  );
}

async function sendOut(demo: Demo): Promise<readonly Member[]> {
  const { fleet, plan, view } = demo;
  const count = Math.min(AGENTS_MAX, Math.max(6, Math.ceil(plan.tasks.length / 8)));
  const workers = await Promise.all(plan.authors.slice(0, count).map((name) => fleet.join(name)));
  for (const member of workers) demo.runs(worker(fleet, member));
  for (const name of ["hotfix-1", "hotfix-2", "hotfix-3", "hotfix-4"]) {
    demo.runs(intruder(fleet, await fleet.join(name)));
  }
  const folders = foldersOf(plan);
  for (const name of ["reader-1", "reader-2"]) demo.runs(reader(fleet, await fleet.join(name), folders));
  const [ada, bo] = [await fleet.join("ada"), await fleet.join("bo")];
  demo.runs(answerer(fleet, bo));
  demo.runs(listener(ada));
  demo.runs(asker(fleet, ada, "bo"));
  const [castor, pollux] = [await fleet.join("castor"), await fleet.join("pollux")];
  demo.runs(standOff(castor.client, pollux.client));
  view.say(`${fleet.members.size} agents joined over WebSocket`);
  return workers;
}

/** The folders with the fewest files: those that are free now and then. */
function foldersOf({ tasks }: Plan): readonly string[] {
  const counts = new Map<string, number>();
  for (const file of tasks.flatMap(({ files }) => files)) {
    if (dirname(file) !== ".") counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  }
  return [...counts]
    .sort(([, a], [, b]) => a - b)
    .slice(0, 8)
    .map(([folder]) => folder);
}

async function returns(fleet: Fleet, name: string, held: { claim: string; epoch: number }): Promise<void> {
  await fleet.rest(2 * TTL_MS);
  if (!fleet.finished) await zombie(fleet, name, held);
}

/** What goes wrong, each at a share of the work. */
async function misfortunes(demo: Demo): Promise<void> {
  const { fleet, view } = demo;
  const at = async (share: number): Promise<void> => {
    while (fleet.done < share * fleet.size && !fleet.finished) await pause(25);
  };
  const killSome = async (count: number): Promise<void> => {
    const busy = [...fleet.members.values()].filter(({ holding }) => holding !== undefined);
    for (const member of busy.slice(0, count)) {
      const held = member.holding;
      if (held === undefined) continue;
      view.say(`${member.name} dies without a goodbye, holding ${held.claim} under epoch ${held.epoch}`);
      await fleet.kill(member);
      demo.runs(returns(fleet, member.name, held));
    }
  };
  await at(0.15);
  await killSome(3);
  await at(0.5);
  await demo.crashHub();
  await at(0.7);
  await killSome(2);
}

async function untilDone({ fleet }: Demo): Promise<void> {
  while (fleet.done < fleet.size) await pause(25);
}

/** Lets two that talk come to rest: nothing unread, nothing unanswered. */
async function untilRead({ fleet }: Demo): Promise<void> {
  fleet.finish();
  const unread = (name: string): boolean => (fleet.state.inbox.boxes.get(name)?.pending.size ?? 0) > 0;
  for (let quiet = 0; quiet < 4; ) {
    quiet = unread("ada") || unread("bo") ? 0 : quiet + 1;
    await pause(100);
  }
}

async function run(demo: Demo): Promise<readonly Finding[]> {
  const { fleet, view } = demo;
  await demo.startHub();
  const onlooker = await fleet.join("onlooker", { observe: true });
  const watching = fleet.watch(onlooker);
  watching.catch(demo.failed);
  await declarePlan(demo);
  await sendOut(demo);
  await Promise.all([misfortunes(demo), untilDone(demo)]);
  await untilRead(demo);
  await demo.goHome();
  const answers = await askAll(onlooker.client);
  while (fleet.seen.seq < onlooker.client.seq) await pause(25);
  await onlooker.client.close();
  view.end();
  view.say("all is done; now the log is read");
  const stopped = await demo.stopHub();
  return [
    ...(await prove(demo, answers)),
    { what: "the hub ended well", against: stopped ? [] : ["it did not"] },
  ];
}

async function prove({ file, plan, fleet }: Demo, answers: readonly Answer[]): Promise<readonly Finding[]> {
  const report = await verifyLog(file);
  const log = await openLog(file, { readOnly: true });
  try {
    const entries: Entry[] = [];
    for await (const some of log.read(0)) entries.push(...some);
    return [
      ...findings(entries, plan.tasks, fleet.testimony),
      {
        what: `the log is verified: ${report.appends} appends, every hash of the chain, head ${report.head}`,
        against: report.problems.map(({ message }) => message),
      },
      ...(await servedIsReplayed(log, entries, answers, fleet.seen)),
    ];
  } finally {
    await log.close();
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { changes: { type: "string", default: "360" }, lines: { type: "boolean" } },
  });
  const startedMs = performance.now();
  const isTerminal = process.stdout.isTTY && values.lines !== true;
  const demo = new Demo(planOf(Number(values.changes)), isTerminal);
  process.once("exit", () => demo.clear());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => process.exit(130));
  const late = pause(DEADLINE_MS).then(() => {
    const cut = [...demo.fleet.members.values()].filter(({ client }) => !client.isUp).length;
    const behind = `${demo.fleet.done} of ${demo.fleet.size} done, the onlooker at ${demo.fleet.seen.seq}`;
    throw new Error(`not done after ${DEADLINE_MS / 1000} s: ${behind}, ${cut} agents without a connection`);
  });
  if (isTerminal) write(1, "\u001b[2J");
  try {
    const proof = await Promise.race([run(demo), demo.trouble, late]);
    for (const { what, against } of proof) {
      write(1, `  ${against.length === 0 ? "holds" : "FAILS"}  ${what}\n`);
      for (const one of against.slice(0, 5)) write(1, `           ${one}\n`);
    }
    const holds = proof.every(({ against }) => against.length === 0);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    write(1, holds ? `proved in ${seconds} s\n` : `NOT proved, after ${seconds} s\n`);
    return holds ? 0 : 1;
  } catch (error) {
    demo.view.end();
    write(2, `the demo failed: ${error instanceof Error ? error.stack : String(error)}\n`);
    return 1;
  }
}

process.exit(await main());
