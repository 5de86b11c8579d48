/**
 * `fan-out-mqtt`: entries to MQTT subscribers through the embedded broker, as the engine makes them (log on
 * a disk and all) and without the making, against the bare library publishing the same messages to as many.
 * Server and subscribers in two processes.
 */
import { join } from "node:path";
import { compared, inTurns, print, seconds } from "./measure.ts";
import { Child } from "./rig/child.ts";
import { folderOnDisk } from "./rig/disk.ts";
import { Subscribers } from "./rig/subscribers.ts";
import type { Options } from "./run.ts";

const ROUNDS = 7;
const THEM = "bare aedes of the same messages";

export async function run({ scale }: Options): Promise<void> {
  for (const count of [1, 10, 100]) {
    for (const quality of [0, 1] as const) {
      const entries = Math.round((count === 1 ? 20_000 : 60_000 / count ** 0.6) * scale);
      const folder = folderOnDisk();
      const hub = Child.start("mqtt", ["hub", join(folder.path, "log.db")]);
      const fed = Child.start("mqtt", ["fed"]);
      const bare = Child.start("mqtt", ["bare"]);
      try {
        await compare({ hub, fed, bare }, count, quality, entries);
      } finally {
        await Promise.all([hub.stop(), fed.stop(), bare.stop()]);
        folder.remove();
      }
    }
  }
}

type Servers = { readonly [name in "hub" | "fed" | "bare"]: Child };

async function compare(servers: Servers, count: number, quality: 0 | 1, entries: number): Promise<void> {
  const { hub, fed, bare } = servers;
  const first = await Subscribers.connect(await hub.ask("url"), 1, 0, true);
  const heard = first.heard(entries);
  await Promise.all([hub.ask("publish", { entries, mark: "mark." }), heard]);
  first.close();
  await Promise.all([fed.ask("load", first.told), bare.ask("load", first.told)]);
  const all = {
    hub: await Subscribers.connect(await hub.ask("url"), count, quality),
    fed: await Subscribers.connect(await fed.ask("url"), count, quality),
    bare: await Subscribers.connect(await bare.ask("url"), count, quality),
  };
  const cpu: Record<keyof Servers, number[]> = { hub: [], fed: [], bare: [] };
  const rate = (name: keyof Servers) => async () => {
    const child = servers[name];
    const before = await child.cpuUs();
    const received = all[name].heard(entries);
    const question = name === "hub" ? "publish" : "shout";
    const took = await seconds(() =>
      Promise.all([child.ask(question, { entries, mark: "mark." }), received]),
    );
    cpu[name].push(((await child.cpuUs()) - before) / entries / count);
    return (entries * count) / took;
  };
  const values = await inTurns({ hub: rate("hub"), fed: rate("fed"), bare: rate("bare") }, ROUNDS);
  const to = `${count} MQTT subscriber${count === 1 ? "" : "s"}, QoS ${quality}`;
  for (const [name, said] of [
    ["hub", to],
    ["fed", `${to}, entries made before`],
  ] as const) {
    print(compared("fan-out", said, "deliveries/s", values[name], THEM, values.bare));
    print(compared("fan-out", `${said}: CPU`, "µs", cpu[name].slice(1), THEM, cpu.bare.slice(1)));
  }
  for (const subscribers of Object.values(all)) subscribers.close();
}
