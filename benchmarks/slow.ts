/**
 * `slow`: 99 healthy followers beside one that never reads: their rate against without it, and what it costs the hub
 * in memory.
 */
import { join } from "node:path";
import { alone, compared, inTurns, print, seconds } from "./measure.ts";
import { Child } from "./rig/child.ts";
import { folderOnDisk } from "./rig/disk.ts";
import { Followers } from "./rig/followers.ts";
import type { Options } from "./run.ts";

const ROUNDS = 7;
const HEALTHY = 99;

export async function run({ scale }: Options): Promise<void> {
  const folder = folderOnDisk();
  const hub = Child.start("hub", [join(folder.path, "log.db")]);
  const entries = Math.round(20_000 * scale);
  const resident: Record<"with" | "without", number[]> = { with: [], without: [] };
  let round = 0;
  try {
    const url = await hub.ask<string>("url");
    const rate = async (name: keyof typeof resident) => {
      const mark = `mark-${++round}.`;
      const followers = await Followers.connect(url, HEALTHY, { stuck: name === "with" ? 1 : 0 });
      const received = followers.all(mark, entries);
      const took = await seconds(() => Promise.all([hub.ask("publish", { entries, mark }), received]));
      resident[name].push((await hub.ask<number>("memory", true)) / 1e6);
      followers.close();
      return (entries * HEALTHY) / took;
    };
    const values = await inTurns({ with: () => rate("with"), without: () => rate("without") }, ROUNDS);
    print(
      compared(
        "slow",
        "99 beside one that never reads",
        "deliveries/s",
        values.with,
        "without it",
        values.without,
      ),
    );
    const grown = resident.with.slice(1).map((mb, i) => mb - (resident.without[i + 1] ?? Number.NaN));
    print(alone("slow", "hub memory with it, more than without", "MB", grown));
  } finally {
    await hub.stop();
    folder.remove();
  }
}
