/**
 * Several processes on one SQLite log, and what is left when one is killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSqliteLog, verifyLog } from "../../adapters/log/index.ts";
import { readAll } from "../contracts/event-log.ts";

const CHILD = fileURLToPath(new URL("./sqlite-child.ts", import.meta.url));

let folder: string;
let file: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-processes-"));
  file = join(folder, "log.db");
});
afterEach(async () => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** A writing process that is ready and waits for `go`. */
async function writer(name: string, much: string, busyMs = 0) {
  const child = spawn(process.execPath, ["--import", "tsx", CHILD, file, name, much, String(busyMs)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  const exited = once(child, "exit");
  const told: number[] = [];
  let ready: () => void = () => {};
  const isReady = new Promise<void>((resolve) => {
    ready = resolve;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line === "ready") ready();
    else told.push(Number(line));
  });
  await Promise.race([isReady, exited]);
  return { child, told, exited, go: () => child.stdin.end("go\n") };
}

function names(entries: readonly { events: readonly unknown[] }[]): string[] {
  return entries.map((entry) => (entry.events[0] as { note: string }).note);
}

test("two racing processes make one order, and the slower gets its share", { timeout: 60_000 }, async () => {
  const [a, b] = await Promise.all([writer("a", "2500ms"), writer("b", "2500ms", 3)]);
  a.go();
  b.go();
  await Promise.all([a.exited, b.exited]);
  const log = await openSqliteLog(file);
  const entries = await readAll(log);
  await log.close();
  expect(entries.map((entry) => entry.seq)).toEqual(entries.map((_, i) => i + 1));
  const by = names(entries);
  const won = {
    a: by.filter((name) => name === "a").length / 2,
    b: by.filter((name) => name === "b").length / 2,
  };
  expect(won).toEqual({ a: a.told.length, b: b.told.length });
  // A machine too busy for a hundred appends in all says nothing about shares.
  const share = Math.min(won.a, won.b) / (won.a + won.b);
  expect(share).toBeGreaterThan(won.a + won.b < 100 ? 0 : 0.2);
  for (const seq of [...a.told, ...b.told]) expect(by[seq - 1]).toBe(by[seq - 2]);
  expect((await verifyLog(file)).ok).toBe(true);
});

test("many processes may make the log at once", { timeout: 60_000 }, async () => {
  const writers = await Promise.all(["a", "b", "c", "d"].map((name) => writer(name, "5")));
  for (const each of writers) each.go();
  await Promise.all(writers.map((each) => each.exited));
  expect(writers.map((each) => each.child.exitCode)).toEqual([0, 0, 0, 0]);
  expect(await verifyLog(file)).toMatchObject({ ok: true, head: 40 });
});

test("what a killed process was told is durable is there", { timeout: 60_000 }, async () => {
  for (let round = 0; round < 3; round++) {
    const { child, told, exited, go } = await writer(`r${round}`, "60000ms");
    go();
    while (told.length < 50) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGKILL");
    await exited;
    const log = await openSqliteLog(file);
    expect(await log.head()).toBeGreaterThanOrEqual(told.at(-1) as number);
    const by = names(await readAll(log));
    for (const seq of told) expect(by[seq - 1]).toBe(`r${round}`);
    await log.close();
  }
  expect((await verifyLog(file)).ok).toBe(true);
});

test("another process's append wakes a watcher, and dates the log for both", {
  timeout: 60_000,
}, async () => {
  const log = await openSqliteLog(file);
  try {
    const { exited, go } = await writer("other", "1");
    const woken = new Promise<number>((resolve) => {
      const end = log.watch(() => {
        end();
        resolve(performance.now());
      });
    });
    go();
    await woken;
    expect(await log.head()).toBe(2);
    expect(await log.ageMs()).toBeLessThan(10_000);
    await exited;
  } finally {
    await log.close();
  }
});
