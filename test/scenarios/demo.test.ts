/**
 * The demo in small, as `npm run demo` runs it, and that its proof would see what it looks for.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { findings } from "../../adapters/cli/demo/proof.ts";
import { Testimony } from "../../adapters/cli/demo/testimony.ts";
import type { Entry } from "../../core/model/slice.ts";

const demo = fileURLToPath(new URL("../../adapters/cli/demo/demo.ts", import.meta.url));

/** Where its temporary files go: others may be at work in the machine's own place. */
const place = mkdtempSync(join(tmpdir(), "holdfast-demo-test-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));

function start(...args: readonly string[]): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, ["--import", "tsx", demo, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: place },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (bytes) => (text += String(bytes)));
  return { child, output: () => text };
}

const left = () => readdirSync(place).filter((name) => name.startsWith("holdfast-"));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("sixty changes, a killed hub, and a proof that holds", { timeout: 90_000 }, async () => {
  const { child, output } = start("--changes", "60");
  const [code] = await once(child, "exit");
  expect(output()).toContain("kill -9 of the hub");
  expect(output()).toContain("dies without a goodbye");
  expect(output()).toContain("claim.deadlock");
  expect(output()).not.toContain("FAILS");
  expect(code, output()).toBe(0);
  expect(left()).toEqual([]);
});

test("interrupted, it leaves no process and no file behind", { timeout: 60_000 }, async () => {
  const { child, output } = start("--changes", "60");
  const exited = once(child, "exit");
  while (!output().includes("agents joined")) await new Promise((resolve) => setTimeout(resolve, 20));
  const hub = Number(/process (\d+)/.exec(output())?.[1]);
  expect(isAlive(hub)).toBe(true);
  child.kill("SIGINT");
  expect((await exited)[0]).toBe(130);
  for (let tries = 0; isAlive(hub) && tries < 200; tries++)
    await new Promise((resolve) => setTimeout(resolve, 25));
  expect(isAlive(hub)).toBe(false);
  expect(left()).toEqual([]);
});

const plan = [
  { task: "a", author: "x", files: ["f"], dependsOn: [] },
  { task: "b", author: "x", files: ["f"], dependsOn: ["a"] },
];

function log(...events: readonly (readonly [by: string, ...events: object[]])[]): Entry[] {
  return events.map(([by, ...some], at) => {
    const id = by === "hub" ? "" : `s${at + 1}`;
    return { seq: at + 1, atMs: at * 1000, wallMs: 0, by, id, events: some } as unknown as Entry;
  });
}

const granted = (claim: string, holder: string, epoch: number, files: readonly string[] = ["f"]) => ({
  type: "claim.granted",
  claim,
  holder,
  epoch,
  ttlMs: 9000,
  expiresAtMs: 9000,
  scope: { files },
});

const cases: readonly (readonly [what: string, against: RegExp, entries: Entry[]])[] = [
  ["two holders", /x and y both hold f at 2/, log(["x", granted("a", "x", 1)], ["y", granted("b", "y", 2)])],
  [
    "an epoch that comes again",
    /epoch 1 at 2/,
    log(["x", granted("a", "x", 1)], ["x", granted("a", "x", 1)]),
  ],
  [
    "a lease cut short",
    /ended before its time at 2/,
    log(["x", granted("a", "x", 1)], ["hub", { type: "claim.expired", claim: "a", holder: "x", epoch: 1 }]),
  ],
  [
    "a task before what it needs",
    /b was started at 1 before a was done/,
    log(["x", { type: "task.started", task: "b", title: "b", owner: "x" }]),
  ],
  [
    "a task done twice",
    /a was completed 2 times/,
    log(["x", { type: "task.completed", task: "a" }], ["x", { type: "task.completed", task: "a" }]),
  ],
  [
    "a message unread",
    /m1 y was not acknowledged/,
    log([
      "x",
      {
        type: "message.posted",
        message: "m1",
        from: "x",
        to: ["y"],
        kind: "chat",
        body: "",
        recipients: ["y"],
      },
    ]),
  ],
  ["a command that is lost", /claim.renew of x was acknowledged at 7/, log(["x", granted("a", "x", 1)])],
  ["a holder nobody was", /epoch 5, which was never granted/, log(["x", granted("a", "x", 1)])],
];

test.each(cases)("the proof sees %s", (_, against, entries) => {
  const testimony = new Testimony();
  testimony.acknowledged.push({ agent: "x", submission: "s1", method: "claim.acquire", seq: 1 });
  testimony.acknowledged.push({ agent: "x", submission: "gone", method: "claim.renew", seq: 7, epoch: 1 });
  testimony.denied.push({
    agent: "y",
    method: "claim.acquire",
    code: "claim.overlap",
    message: "",
    params: {},
    fields: { conflicts: [{ claim: "a", holder: "x", epoch: 5 }] },
  });
  const found = findings(entries, plan, testimony).flatMap((finding) => finding.against);
  expect(found.join("\n")).toMatch(against);
});
