/**
 * The orchestrator example, run as its readers would run it, also killed halfway.
 */
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const example = fileURLToPath(new URL("../../adapters/node/examples/orchestrator.ts", import.meta.url));

async function run(...args: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", example, ...args]);
  return stdout.trim().split("\n");
}

const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith("holdfast-example-"));

const END = ["release-2.0 is done", "the log agrees: each task done once, and behind what it needed"];

test("a plan is worked off over memory: and ws:, what fails is tried again", {
  timeout: 60_000,
}, async () => {
  const lines = await run();
  expect(lines.slice(-2)).toEqual(END);
  expect(lines.filter((line) => / of 12 done$/.test(line)).at(-1)).toBe("12 of 12 done");
  expect(lines).toContain("supervisor has load tried again");
  for (const name of ["carl", "theo", "ines"]) {
    expect(lines.some((line) => line.startsWith(`${name} takes `))).toBe(true);
  }
});

test("killed with kill -9 halfway, it goes on where it was", { timeout: 60_000 }, async () => {
  const before = folders();
  const lines = await run("--crash");
  expect(folders().filter((name) => !before.includes(name))).toEqual([]);
  const crash = lines.findIndex((line) => line.startsWith("kill -9"));
  expect(crash).toBeGreaterThan(0);
  const first = lines.slice(0, crash);
  const after = lines.slice(crash + 1);
  expect(after.slice(-2)).toEqual(END);
  // Nothing that was done is done again, and the counting goes on where it stopped.
  expect(Number(/^(\d+) of/.exec(after[0] ?? "")?.[1])).toBeGreaterThanOrEqual(6);
  const taken = (some: readonly string[]) =>
    some.flatMap((line) => / takes (\S+?)(,|$)/.exec(line)?.[1] ?? []);
  expect(taken(first)).toContain("design");
  expect(taken(after)).not.toContain("design");
});
