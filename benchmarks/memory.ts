/**
 * `memory`: resident memory of a hub, in a process of its own: idle, with many live claims, after many entries.
 */
import { join } from "node:path";
import { alone, print } from "./measure.ts";
import { Child } from "./rig/child.ts";
import { folderOnDisk } from "./rig/disk.ts";
import type { Options } from "./run.ts";

const ROUNDS = 3;

export async function run({ scale }: Options): Promise<void> {
  const claims = Math.round(100_000 * scale);
  const entries = Math.round(1_000_000 * scale);
  const cases: readonly (readonly [name: string, question?: string, said?: number])[] = [
    ["idle"],
    [`${claims.toLocaleString("en-US")} live claims`, "fill", claims],
    [`after ${entries.toLocaleString("en-US")} mixed entries`, "pass", entries],
  ];
  for (const [name, question, said] of cases) {
    const settled: number[] = [];
    const before: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const folder = folderOnDisk();
      const hub = Child.start("hub", [join(folder.path, "log.db")]);
      try {
        if (question !== undefined) await hub.ask(question, said);
        before.push((await hub.ask<number>("memory", false)) / 1e6);
        settled.push((await hub.ask<number>("memory", true)) / 1e6);
      } finally {
        await hub.stop();
        folder.remove();
      }
    }
    print(alone("memory", name, "MB", settled));
    print(alone("memory", `${name}, before a collection`, "MB", before));
  }
}
