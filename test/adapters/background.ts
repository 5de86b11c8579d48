/**
 * Sandboxes for hubs in the background: whatever a test does, its hub has ended when the test has.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
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

/** Whether a process runs. One that has ended and was not waited for does not, where that can be told. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return process.platform !== "linux";
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

/** Options under which a hub takes no port that others may want. */
export const quietly = ["--", "--listen", "ws://127.0.0.1:0"];

/** A test in a sandbox of its own; fails when a process of a hub it started is left behind, and ends that. */
export function inBackground(work: (box: Sandbox) => Promise<void>): () => Promise<void> {
  return async () => {
    const box = new Sandbox();
    try {
      await work(box);
    } finally {
      // A hub that a busy machine keeps from answering is left alone at first.
      for (let tries = 0; tries < 5 && (await box.run(["down"])).code !== 0; tries++);
      await box.stop();
      const left = hubsOf(box);
      for (const pid of left) process.kill(pid, "SIGKILL");
      await box.dispose();
      expect(left).toEqual([]);
    }
  };
}

/** Processes that serve a log of a sandbox, as far as the system tells. */
function hubsOf(box: Sandbox): readonly number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return words.includes("serve") && words.some((word) => word.startsWith(box.folder));
      } catch {
        return false;
      }
    })
    .map(Number)
    .filter(runs);
}
