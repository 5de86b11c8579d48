/**
 * Sandboxes for hubs in the background: whatever a test does, its hub has ended when the test has.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { Sandbox } from "./command-line.ts";

/** What the file of a hub says. */
export interface Told {
  readonly pid: number;
  readonly hub: string;
  readonly urls: readonly string[];
}

/** The file of a sandbox's hub. */
export function toldOf(box: Sandbox): Told {
  return JSON.parse(readFileSync(join(box.root, ".git/holdfast/hub.json"), "utf8")) as Told;
}

/** Whether a process runs. One that has ended and was not waited for does not. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Waits for something to become true. */
export async function until(what: () => boolean, patienceMs = 15_000): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!what()) {
    if (performance.now() > endMs) throw new Error("it did not come true in time");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The environment of a command that finds few programs, none of Holdfast's but `npx`. */
export const plainPath = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin` };

/** Options under which a hub takes no port that others may want. */
export const quietly = ["--", "--listen", "ws://127.0.0.1:0"];

/** A test in a sandbox of its own, with every process of the hubs it started ended. */
export function inBackground(work: (box: Sandbox) => Promise<void>): () => Promise<void> {
  return async () => {
    const box = new Sandbox();
    const pids = new Set<number>();
    const run = box.run.bind(box);
    box.run = async (args, options) => {
      const ran = await run(args, options);
      try {
        pids.add(toldOf(box).pid);
      } catch {
        // No hub has told of itself.
      }
      return ran;
    };
    try {
      await work(box);
    } finally {
      await run(["down"]);
      await box.stop();
      // A test may have written a file that names other processes, its own among them.
      const left = [...pids].filter((pid) => pid !== process.pid && runs(pid) && isHubOf(box, pid));
      for (const pid of left) process.kill(pid, "SIGKILL");
      await box.dispose();
      expect(left).toEqual([]);
    }
  };
}

function isHubOf(box: Sandbox, pid: number): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(box.folder);
}
