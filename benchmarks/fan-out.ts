/**
 * `fan-out`: entries to WebSocket followers against raw ws sending the same entries to each of as many, one
 * notification a message. `kept`: the entries are in the log, on a disk, and each follower asks for them from its
 * cursor; `published`: they are made and made durable meanwhile, which the raw sender is spared. Server and
 * followers in two processes.
 */
import { join } from "node:path";
import { compared, inTurns, print, seconds } from "./measure.ts";
import { Child } from "./rig/child.ts";
import { folderOnDisk } from "./rig/disk.ts";
import { Followers } from "./rig/followers.ts";
import type { Options } from "./run.ts";

const ROUNDS = 7;

export async function run({ scale }: Options): Promise<void> {
  for (const count of [1, 10, 100]) {
    const entries = Math.round((count === 1 ? 60_000 : 300_000 / count ** 0.75) * scale);
    const folder = folderOnDisk();
    const hub = Child.start("hub", [join(folder.path, "log.db")]);
    const raw = Child.start("echo");
    try {
      await compare(hub, raw, count, entries);
    } finally {
      await Promise.all([hub.stop(), raw.stop()]);
      folder.remove();
    }
  }
}

async function compare(hub: Child, raw: Child, count: number, entries: number): Promise<void> {
  const followers = await Followers.connect(await hub.ask("url"), count);
  const listeners = await Followers.connect(await raw.ask("url"), count, { follow: false });
  await raw.ask("load", await framesOf(hub, entries));
  const after = (await hub.ask<number>("head")) - entries;
  const cpu: Record<"ours" | "theirs", number[]> = { ours: [], theirs: [] };
  let round = 0;
  const rate = async (
    name: keyof typeof cpu,
    child: Child,
    all: Followers,
    send: (mark: string) => unknown,
    mark = LAST,
  ) => {
    const before = await child.cpuUs();
    const received = all.all(mark, entries);
    const took = await seconds(async () => {
      await Promise.all([send(mark), received]);
    });
    cpu[name].push(((await child.cpuUs()) - before) / entries / count);
    return (entries * count) / took;
  };
  const shout = () => rate("theirs", raw, listeners, () => raw.ask("shout"));
  const publish = (mark: string) => hub.ask("publish", { entries, mark });
  const ways = {
    kept: () => rate("ours", hub, followers, () => followers.rewind(after)),
    published: () => rate("ours", hub, followers, publish, `mark-${++round}.`),
  };
  for (const [way, ours] of Object.entries(ways)) {
    for (const each of Object.values(cpu)) each.length = 0;
    const values = await inTurns({ ours, theirs: shout }, ROUNDS);
    const name = `${count} WebSocket follower${count === 1 ? "" : "s"}, ${way}`;
    const peer = "raw ws of the same entries";
    print(compared("fan-out", name, "deliveries/s", values.ours, peer, values.theirs));
    const [mine, theirs] = [cpu.ours.slice(1), cpu.theirs.slice(1)];
    print(compared("fan-out", `${name}: server CPU a delivery`, "µs", mine, peer, theirs));
  }
  followers.close();
  listeners.close();
}

const LAST = "mark-0.";

/** The entries as a follower gets them, one notification a text. */
async function framesOf(hub: Child, entries: number): Promise<readonly string[]> {
  const one = await Followers.connect(await hub.ask("url"), 1, { keep: true });
  const received = one.all(LAST, entries);
  await Promise.all([hub.ask("publish", { entries, mark: LAST }), received]);
  one.close();
  const notifications = one.frames.flatMap((frame) => {
    const said = JSON.parse(frame) as object | object[];
    return Array.isArray(said) ? said : [said];
  });
  return notifications
    .filter((one) => "method" in one && one.method === "entry")
    .map((one) => JSON.stringify(one));
}
