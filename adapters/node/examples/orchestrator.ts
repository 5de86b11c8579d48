/**
 * An orchestrator in one process: it serves a hub, declares a plan, lets workers take its tasks over
 * `memory:` and `ws:`, and supervises them by the engine's streams. Killed at any moment and started again,
 * it goes on.
 *
 *   node orchestrator.js [--log FILE]     runs the plan; on a log that was left, what is left of it
 *   node orchestrator.js --crash          the same in a process that is killed halfway, then on its log again
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  bufferTime,
  concatMap,
  distinctUntilChanged,
  filter,
  firstValueFrom,
  from,
  map,
  type Observable,
  Subscription,
  scan,
} from "rxjs";
import { type Client, connect, type Entry, openLog, type State, serve, verifyLog } from "../index.ts";
import { declarePlan, GOAL, plan } from "./plan.ts";
import { type Rule, work } from "./worker.ts";

const rules: readonly (Rule & { readonly via: "memory" | "ws" })[] = [
  { name: "ines", via: "memory", capabilities: ["write"], steps: 2, stepMs: 60 },
  { name: "carl", via: "ws", capabilities: ["code"], steps: 4, stepMs: 60 },
  { name: "dora", via: "memory", capabilities: ["code", "write"], steps: 3, stepMs: 70 },
  { name: "theo", via: "ws", capabilities: ["test"], steps: 3, stepMs: 50, flaky: (task) => task === "load" },
];

/** Runs the plan on a log to its end; resolves once the goal is done. */
export async function orchestrate(log: string, say: (words: string) => void): Promise<void> {
  const hub = await serve({ log: `sqlite:${log}`, listen: ["memory:orchestrator", "ws://127.0.0.1:0"] });
  const url = (scheme: string): string => hub.urls.find((one) => one.startsWith(scheme)) ?? "";
  const clients: Client[] = [];
  const join = async (agent: string, via: string, capabilities: readonly string[] = []): Promise<Client> => {
    const client = await connect(url(via), { agent, capabilities });
    clients.push(client);
    return client;
  };
  const supervisor = await join("supervisor", "memory");
  const watch = supervise(hub.engine.state$, hub.engine.entries$, supervisor, say);
  const goal$ = hub.engine.state$.pipe(filter((state) => statusOf(state, GOAL) === "done"));
  const finished = firstValueFrom(goal$, { defaultValue: undefined });
  try {
    await declarePlan(supervisor);
    const days = rules.map(async (rule) =>
      work(await join(rule.name, rule.via, rule.capabilities), rule, say),
    );
    await Promise.race([finished, Promise.all(days)]);
    say(`${GOAL} is done`);
  } finally {
    watch.unsubscribe();
    await Promise.all(clients.map((client) => client.close()));
    await hub.close();
  }
}

/** Tells how it goes, and has what failed tried again. */
function supervise(
  state$: Observable<State>,
  entries$: Observable<Entry>,
  supervisor: Client,
  say: (words: string) => void,
): Subscription {
  const watch = new Subscription();
  const done$ = state$.pipe(
    map((state) => plan.filter(({ task }) => statusOf(state, task) === "done").length),
    distinctUntilChanged(),
  );
  watch.add(done$.subscribe((done) => say(`${done} of ${plan.length} done`)));
  const failed$ = state$.pipe(
    map((state) => plan.filter(({ task }) => statusOf(state, task) === "failed").map(({ task }) => task)),
    distinctUntilChanged((a, b) => a.join() === b.join()),
    concatMap((tasks) => from(tasks)),
    concatMap(async (task) => {
      await supervisor.call("task.reopen", { task, reason: "try again" });
      return task;
    }),
  );
  watch.add(failed$.subscribe((task) => say(`supervisor has ${task} tried again`)));
  const pace$ = entries$.pipe(
    filter(({ events }) => events.some(({ type }) => type === "checkpoint.saved")),
    bufferTime(500),
    map((saved) => saved.length),
    scan(({ total }, now) => ({ now, total: total + now }), { now: 0, total: 0 }),
    filter(({ now }) => now > 0),
  );
  watch.add(pace$.subscribe(({ now, total }) => say(`${now} steps in half a second, ${total} in all`)));
  return watch;
}

function statusOf(state: State, task: string): string | undefined {
  return state.tasks.byId.get(task)?.status;
}

/** What is wrong with the log of a finished run; nothing, when all went well. */
export async function faultsOf(file: string): Promise<readonly string[]> {
  const faults = (await verifyLog(file)).problems.map(({ message }) => message);
  const log = await openLog(file, { readOnly: true });
  const done = new Set<string>();
  try {
    for await (const entries of log.read(0)) {
      for (const event of entries.flatMap(({ events }) => events)) {
        if (event.type === "task.started") {
          const missing = plan
            .find(({ task }) => task === event.task)
            ?.dependsOn?.find((need) => !done.has(need));
          if (missing !== undefined) faults.push(`${event.task} was started before ${missing} was done`);
        } else if (event.type === "task.completed") {
          if (done.has(event.task)) faults.push(`${event.task} was done twice`);
          done.add(event.task);
        }
      }
    }
  } finally {
    await log.close();
  }
  for (const { task } of plan) if (!done.has(task)) faults.push(`${task} was never done`);
  return faults;
}

/** Runs the orchestrator in a process of its own, and kills that when half of the plan is done. */
async function crashHalfway(log: string, say: (words: string) => void): Promise<void> {
  const program = [...process.execArgv, fileURLToPath(import.meta.url), "--log", log];
  const child = spawn(process.execPath, program, { stdio: ["ignore", "pipe", "inherit"] });
  process.once("exit", () => child.kill("SIGKILL"));
  const exited = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) {
    say(`| ${line}`);
    if (Number(/^(\d+) of \d+ done$/.exec(line)?.[1] ?? 0) >= plan.length / 2) break;
  }
  child.kill("SIGKILL");
  await exited;
  say(`kill -9 of process ${child.pid}`);
}

/** A folder that goes with this process. */
function passingFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-example-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { log: { type: "string" }, crash: { type: "boolean" } } });
  const say = (words: string): void => console.log(words);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  const log = values.log ?? join(passingFolder(), "log.db");
  if (values.crash === true) await crashHalfway(log, say);
  await orchestrate(log, say);
  const faults = await faultsOf(log);
  for (const fault of faults) say(`wrong: ${fault}`);
  if (faults.length === 0) say("the log agrees: each task done once, and behind what it needed");
  return faults.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(await main());
