/**
 * `npm run simulate -- [seed] [--seeds A..B] [--steps N] [--minutes M] [--workers N] [--record FILE]`: runs
 * seeds, prints each with its steps and state hash (a line a seed in FILE), and shrinks the first failure to
 * a readable transcript.
 */
import { fork } from "node:child_process";
import { appendFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { shrink } from "./shrink.ts";
import { type Result, simulate } from "./simulation.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string" },
    steps: { type: "string", default: "3000" },
    minutes: { type: "string" },
    workers: { type: "string" },
    record: { type: "string" },
    /** Goes on after a failure, and only says what was broken. */
    all: { type: "boolean", default: false },
    /** Set in worker processes. */
    worker: { type: "boolean", default: false },
  },
});
const steps = Number(values.steps);

if (values.worker) {
  process.on("message", (seed: number) => {
    simulate({ seed, steps }).then((result) => process.send?.(result));
  });
} else if (positionals[0] !== undefined) await one(Number(positionals[0]));
else await many();

async function one(seed: number): Promise<void> {
  const result = await simulate({ seed, steps });
  console.log(line(result));
  if (result.verdict !== undefined) await explain(seed);
}

async function explain(seed: number): Promise<void> {
  process.exitCode = 1;
  const least = await shrink({ seed, steps });
  console.log(
    `\nShortest found: ${least.result.steps} steps, without ${[...least.off].join(", ") || "nothing"}:\n`,
  );
  console.log(least.result.trace.slice(-120).join("\n"));
  console.log(`\n${least.result.verdict}\nAgain: npm run simulate -- ${seed} --steps ${steps}`);
}

async function many(): Promise<void> {
  const startedMs = Date.now();
  const endMs = values.minutes === undefined ? Infinity : startedMs + Number(values.minutes) * 60_000;
  const [from, to] = (values.seeds ?? (values.minutes === undefined ? "1..500" : "1..1000000000")).split(
    "..",
  );
  let next = Number(from);
  const last = Number(to ?? from);
  const failed: Result[] = [];
  let done = 0;
  let ran = 0;
  const stop = () => next > last || Date.now() > endMs || (failed.length > 0 && !values.all);
  const work = () =>
    new Promise<void>((resolve, reject) => {
      if (stop()) return resolve();
      const worker = fork(fileURLToPath(import.meta.url), ["--worker", "--steps", String(steps)]);
      const give = () => {
        if (!stop()) worker.send(next++);
        else {
          worker.disconnect();
          resolve();
        }
      };
      worker.on("message", (result: Result) => {
        done += 1;
        ran += result.steps;
        if (result.verdict !== undefined) failed.push(result);
        if (result.verdict !== undefined || values.seeds !== undefined) console.log(line(result));
        if (values.record !== undefined) appendFileSync(values.record, `${line(result)}\n`);
        give();
      });
      worker.on("error", reject);
      worker.on("exit", (code) =>
        code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`)),
      );
      give();
    });
  await Promise.all(Array.from({ length: Number(values.workers ?? availableParallelism()) }, work));
  const seconds = (Date.now() - startedMs) / 1000;
  console.log(`${done} seeds, ${ran} steps, ${failed.length} failed, ${seconds.toFixed(1)} s`);
  const first = failed[0];
  if (first === undefined) return;
  if (values.all) process.exitCode = 1;
  else await explain(first.seed);
}

function line({ seed, steps, entries, hash, verdict }: Result): string {
  return `${seed} ${steps} steps ${entries} entries ${verdict === undefined ? hash : `FAILED ${verdict}`}`;
}
