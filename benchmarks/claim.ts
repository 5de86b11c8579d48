/**
 * `claim`: claims and releases over WebSocket, the real engine with its log on a disk; server and load in two
 * processes. `--against redis,postgres` runs those in turns.
 */
import { join } from "node:path";
import { alone, compared, inTurns, percentile, print } from "./measure.ts";
import { Child } from "./rig/child.ts";
import { folderOnDisk } from "./rig/disk.ts";
import { claims, dial, ioredisLocks, type Load, open, redisLocks } from "./rig/load.ts";
import { Postgres, startRedis } from "./rig/peers.ts";
import type { Options } from "./run.ts";

const BENCH = "claim";
const ROUNDS = 7;
const CLIENTS = 16;

export async function run({ against, scale }: Options): Promise<void> {
  const folder = folderOnDisk();
  const hub = Child.start("hub", [join(folder.path, "log.db")]);
  try {
    const url = await hub.ask<string>("url");
    const forMs = 2000 * scale;
    await throughput(url, forMs, against.includes("redis") ? folder.path : undefined);
    await cpu(hub, url, forMs);
    await oneEach(url, forMs, against.includes("postgres"));
    await single(url, forMs, join(folder.path, "echo.db"));
  } finally {
    await hub.stop();
    folder.remove();
  }
}

/**
 * 16 × 64 in flight, alone and with one follower of everything, in turns with Redis. Its client decides much:
 * all are shown.
 */
async function throughput(url: string, forMs: number, redisIn: string | undefined): Promise<void> {
  const redis = redisIn === undefined ? undefined : await startRedis(redisIn);
  const ours = await claims(url, CLIENTS);
  const ioredis = redis && ioredisLocks(redis.port, CLIENTS, false);
  const piped = redis && ioredisLocks(redis.port, CLIENTS, true);
  const bare = redis && (await redisLocks(redis.port, CLIENTS));
  const rate = async (load: Load | undefined) => {
    if (load === undefined) return Number.NaN;
    const { pairs, seconds } = await load.run(64, forMs);
    return pairs / seconds;
  };
  const followed = async () => {
    const stop = await follower(url);
    const pairs = await rate(ours);
    stop();
    return pairs;
  };
  const cases = {
    ours: () => rate(ours),
    ioredis: () => rate(ioredis),
    piped: () => rate(piped),
    followed,
    bare: () => rate(bare),
  };
  const values = await inTurns(cases, ROUNDS);
  for (const [name, own] of [
    ["16 × 64 in flight", values.ours],
    ["16 × 64 in flight, one follower", values.followed],
  ] as const) {
    if (redis === undefined) print(alone(BENCH, name, "pairs/s", own));
    else {
      print(compared(BENCH, name, "pairs/s", own, "Redis always, ioredis", values.ioredis));
      print(compared(BENCH, name, "pairs/s", own, "the same, auto-pipelining", values.piped));
      print(compared(BENCH, name, "pairs/s", own, "Redis always, bare client", values.bare));
    }
  }
  for (const load of [ours, ioredis, piped, bare]) load?.close();
  await redis?.stop();
}

/** CPU of the server a pair, against two echoes of the same frames. */
async function cpu(hub: Child, url: string, forMs: number): Promise<void> {
  const plain = Child.start("echo", ["echo"]);
  const corked = Child.start("echo", ["corked"]);
  const spent = async (child: Child, load: Load) => {
    const before = await child.cpuUs();
    const { pairs } = await load.run(64, forMs / 2);
    return ((await child.cpuUs()) - before) / pairs;
  };
  try {
    const ours = await claims(url, CLIENTS, { name: "cpu" });
    const echo = await claims(await plain.ask("url"), CLIENTS, { echo: true });
    const corkedEcho = await claims(await corked.ask("url"), CLIENTS, { echo: true });
    const values = await inTurns(
      {
        ours: () => spent(hub, ours),
        echo: () => spent(plain, echo),
        corked: () => spent(corked, corkedEcho),
      },
      ROUNDS,
    );
    print(
      compared(BENCH, "server CPU a pair, 16 × 64", "µs", values.ours, "two bare ws echoes", values.echo),
    );
    print(
      compared(BENCH, "server CPU a pair, 16 × 64", "µs", values.ours, "two corked ws echoes", values.corked),
    );
    for (const load of [ours, echo, corkedEcho]) load.close();
  } finally {
    await Promise.all([plain.stop(), corked.stop()]);
  }
}

/** 16 clients with one in flight each, in turns with PostgreSQL. */
async function oneEach(url: string, forMs: number, withPostgres: boolean): Promise<void> {
  const folder = folderOnDisk();
  const postgres = withPostgres ? await Postgres.start(folder.path) : undefined;
  try {
    const load = await claims(url, CLIENTS, { name: "each" });
    const values = await inTurns(
      {
        ours: async () => {
          const { pairs, seconds } = await load.run(1, forMs);
          return pairs / seconds;
        },
        theirs: () => postgres?.pairs(CLIENTS, forMs / 1000) ?? Number.NaN,
      },
      ROUNDS,
    );
    if (postgres === undefined) print(alone(BENCH, "16 × 1 in flight", "pairs/s", values.ours));
    else print(compared(BENCH, "16 × 1 in flight", "pairs/s", values.ours, "postgres", values.theirs));
    load.close();
  } finally {
    await postgres?.stop();
    folder.remove();
  }
}

/** One client, one in flight: how long a pair takes, against an echo that commits each frame by itself. */
async function single(url: string, forMs: number, file: string): Promise<void> {
  const echo = Child.start("echo", ["commit", file]);
  const p50 = async (load: Load) => percentile((await load.run(1, forMs / 2)).latencies, 0.5);
  try {
    const ours = await claims(url, 1, { name: "single" });
    const floor = await claims(await echo.ask("url"), 1, { echo: true });
    const values = await inTurns({ ours: () => p50(ours), floor: () => p50(floor) }, ROUNDS);
    print(
      compared(BENCH, "one client, a pair, p50", "ms", values.ours, "two ws echoes + commits", values.floor),
    );
    ours.close();
    floor.close();
  } finally {
    await echo.stop();
  }
}

/** Follows everything from here on and looks at none of it; returns what ends it. */
async function follower(url: string): Promise<() => void> {
  const socket = await dial(url, () => {});
  const { seq } = await open(socket, "watcher");
  socket.send(JSON.stringify({ jsonrpc: "2.0", id: "follow", method: "log.follow", params: { after: seq } }));
  return () => socket.terminate();
}
