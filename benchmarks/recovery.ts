/**
 * `recovery`: opening a mixed log of a million entries by its snapshot, to the first answer, in a fresh process each
 * time; closed well, and after a crash right before the next snapshot.
 */
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openLog } from "../adapters/log/index.ts";
import { writeSnapshot } from "../core/engine/snapshot.ts";
import { limits } from "../core/limits.ts";
import { alone, print } from "./measure.ts";
import { Child } from "./rig/child.ts";
import { folderOnDisk } from "./rig/disk.ts";
import { writeHistory } from "./rig/history.ts";
import type { Options } from "./run.ts";

const ROUNDS = 5;

export async function run({ scale }: Options): Promise<void> {
  const entries = Math.round(1_000_000 * scale);
  for (const liveClaims of [1000, Math.round(100_000 * Math.min(1, scale))]) {
    const folder = folderOnDisk();
    const well = join(folder.path, "well");
    const crash = join(folder.path, "crash");
    for (const place of [well, crash]) mkdirSync(place);
    try {
      // The longest tail there can be: as many entries as the snapshot has rows, most of them receipts.
      const tail = Math.min(entries / 2, limits.receiptsMax + liveClaims);
      const log = await openLog(join(crash, "log.db"), { durability: "relaxed" });
      const fold = await writeHistory(log, { entries, liveClaims, snapshotAt: entries - tail });
      await log.close();
      cpSync(crash, well, { recursive: true });
      const closed = await openLog(join(well, "log.db"), { durability: "relaxed" });
      await writeSnapshot(closed.snapshots, fold, async () => {});
      await closed.close();
      const live = `${fold.state.claims.live.size.toLocaleString("en-US")} live claims`;
      await openings(`closed well, ${live}`, well, folder.path);
      await openings(`after a crash, ${Math.round(tail / 1000)}k behind, ${live}`, crash, folder.path);
    } finally {
      folder.remove();
    }
  }
}

/** From opening to the first answer; each on a copy of its own, since an engine writes when it starts. */
async function openings(name: string, place: string, within: string): Promise<void> {
  const took: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const copy = join(within, `copy-${round}`);
    cpSync(place, copy, { recursive: true });
    const hub = Child.start("hub", [join(copy, "log.db")]);
    const { ms, cpuMs } = await hub.ask<{ ms: number; cpuMs: number }>("opened");
    await hub.stop();
    rmSync(copy, { recursive: true });
    if (round === 0) continue;
    took.push(ms / 1000);
    cpu.push(cpuMs / 1000);
  }
  print(alone("recovery", name, "s", took));
  print(alone("recovery", `${name}: CPU`, "s", cpu));
}
