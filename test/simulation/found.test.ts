/**
 * What the simulation has found, each as the shortest story that shows it.
 */
import { afterEach, beforeEach, expect, it } from "vitest";
import { machineClock } from "../../adapters/log/machine.ts";
import { openMemoryLog } from "../../adapters/log/memory.ts";
import { openClient } from "../../core/client/client.ts";
import { LogTime } from "../../core/engine/log-time.ts";
import { Failure } from "../../core/failures.ts";
import { publishedLimits } from "../../core/limits.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import { memoryPair } from "../../transports/memory/index.ts";
import { countedChance, ManualClock, settle, Talker, World } from "../core/world.ts";

/** What a hub answers to `session.open`. */
const welcome = {
  agent: "a",
  hub: "h",
  log: "l",
  seq: 1,
  protocol: 1,
  durable: "full",
  limits: publishedLimits,
  nowMs: 1,
};

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.close());

const acquire = (claim: string, more: object = {}) => ({ type: "claim.acquire", claim, ...more }) as const;

/** The log with another `append`. */
function withAppend(log: EventLog, append: (...given: Parameters<EventLog["append"]>) => unknown): EventLog {
  return withMethod(log, "append", append);
}

function withMethod(log: EventLog, method: "append" | "read", instead: unknown): EventLog {
  return new Proxy(log, {
    get: (target, name) => {
      if (name === method) return instead;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

it("tells a waiter that it waited in vain when its own agent's command ended the wait", async () => {
  const engine = await world.engine();
  await engine.own({ type: "agent.join" }, "b");
  await world.submit(engine, "a", acquire("T"));
  const waiting = world.submit(engine, "b", acquire("T", { waitMs: 5000 }), "w");
  await settle();
  await world.submit(engine, "b", { type: "agent.leave" });
  const timeout = { ok: false, rejection: { code: "claim.wait-timeout", claim: "T" } };
  expect(await waiting).toMatchObject(timeout);
  expect(await world.submit(engine, "b", acquire("T", { waitMs: 5000 }), "w")).toMatchObject({
    ...timeout,
    repeated: true,
  });
});

it("refuses a repeat in one batch as it refused the first, though the claim is free by then", async () => {
  const engine = await world.engine();
  await world.submit(engine, "a", acquire("T"));
  const first = world.submit(engine, "b", acquire("T"), "x");
  const release = world.submit(engine, "a", { type: "claim.release", claim: "T" });
  const second = world.submit(engine, "b", acquire("T"), "x");
  expect(await first).toMatchObject({ ok: false, rejection: { code: "claim.held" } });
  expect(await release).toMatchObject({ ok: true });
  expect(await second).toMatchObject({ ok: false, rejection: { code: "claim.held" }, repeated: true });
  expect(engine.state().claims.live.size).toBe(0);
});

it("answers a repeat from its entry, though the append of others beside it found no room", async () => {
  const log = await openMemoryLog(world.name, { clock: world.clock });
  let full = false;
  const noRoom = new Failure("log.full", "No room.");
  const engine = await world.engine({
    log: withAppend(log, (entries, after) => (full ? Promise.reject(noRoom) : log.append(entries, after))),
  });
  const granted = await world.submit(engine, "a", acquire("T"), "t");
  full = true;
  const again = world.submit(engine, "a", acquire("T"), "t");
  const other = world.submit(engine, "a", acquire("U"), "u");
  await expect(other).rejects.toMatchObject({ code: "log.full", definite: true });
  expect(await again).toEqual({ ...granted, repeated: true });
});

it("says that it does not know when an unknown append was stored and its receipt forgotten", async () => {
  const log = await openMemoryLog(world.name, { clock: world.clock });
  const other = await world.engine({ settings: { receiptsMax: 1 } });
  let unsure = false;
  const engine = await world.engine({
    report: () => {},
    log: withAppend(log, async (entries, after) => {
      const appended = await log.append(entries, after);
      if (!unsure) return appended;
      unsure = false;
      for (const id of ["x", "y"]) await world.submit(other, "b", acquire(id), id);
      throw new Failure("log.unknown-outcome", "Nobody knows.", { definite: false });
    }),
  });
  const sentAfter = engine.head();
  unsure = true;
  // `submission.expired` would tell a client that sent it once that it had no effect.
  await expect(world.submit(engine, "a", acquire("T"), "t", sentAfter)).rejects.toMatchObject({
    code: "log.unknown-outcome",
    definite: false,
  });
  expect(await world.submit(engine, "a", acquire("T"), "t", sentAfter)).toMatchObject({
    rejection: { code: "submission.expired" },
  });
});

it("serves those who wait behind one whose task was closed meanwhile", async () => {
  const engine = await world.engine();
  await world.submit(engine, "a", { type: "task.declare", task: "J", title: "j" });
  await world.submit(engine, "a", acquire("X", { scope: { paths: ["src"] } }));
  const vain = world.submit(
    engine,
    "b",
    acquire("Y", { scope: { paths: ["src/a"] }, task: "J", waitMs: 5000 }),
  );
  const next = world.submit(engine, "c", acquire("X", { waitMs: 5000 }));
  await settle();
  await world.submit(engine, "a", { type: "task.cancel", task: "J" });
  await world.submit(engine, "a", { type: "claim.release", claim: "X" });
  expect(await vain).toMatchObject({ ok: false, rejection: { code: "task.not-open" } });
  await settle();
  expect(engine.state().claims.live.get("X")?.holder).toBe("c");
  expect(await next).toMatchObject({ ok: true, claim: "X" });
});

it("does not stand by a refusal from beyond the receipts, for another hub may have accepted since", async () => {
  const engine = await world.engine({ settings: { receiptsMax: 1 } });
  const other = await world.engine();
  await world.submit(engine, "a", acquire("T"));
  const sentAfter = engine.head();
  const again = (hub: typeof engine) => world.submit(hub, "b", acquire("T"), "x", sentAfter);
  expect(await again(engine)).toMatchObject({ rejection: { code: "claim.held" } });
  await world.submit(engine, "a", { type: "claim.release", claim: "T" });
  expect(await again(other)).toMatchObject({ ok: true });
  for (const id of ["U", "V"]) await world.submit(other, "a", acquire(id));
  expect(await again(engine)).toMatchObject({ rejection: { code: "submission.expired" } });
});

it("never calls a submission without effect because its entry is no longer kept", async () => {
  const engine = await world.engine();
  for (const id of ["s", "t", "u"]) await world.submit(engine, "a", acquire(id), id);
  await engine.snapshot();
  const log = await openMemoryLog(world.name, { clock: world.clock });
  await log.truncate(await log.head());
  const other = await world.engine();
  expect(await world.submit(other, "a", acquire("s"), "s")).toMatchObject({
    ok: false,
    rejection: { code: "submission.expired", submission: "s" },
  });
});

it("does not say that nothing happened when only the second try certainly had no effect", async () => {
  let dials = 0;
  const dial = async () => {
    dials += 1;
    const first = dials === 1;
    const end = { transport: "memory", loopback: true };
    const [theirs, ours] = memoryPair(end, end);
    theirs.receive({
      frame: (frame) => {
        const { id, method } = JSON.parse(String(frame)) as { id: string; method: string };
        const data = { code: "log.full" };
        if (method === "session.open") theirs.send(JSON.stringify({ jsonrpc: "2.0", id, result: welcome }));
        else if (first) theirs.close("failed");
        else
          theirs.send(JSON.stringify({ jsonrpc: "2.0", id, error: { code: 3, message: "No room.", data } }));
      },
      drained: () => {},
      closed: () => {},
    });
    return ours;
  };
  const client = await openClient({ dial, agent: "a", clock: machineClock, chance: countedChance() });
  await expect(client.call("claim.acquire", { claim: "T" })).rejects.toMatchObject({
    code: "log.full",
    definite: false,
  });
  expect(dials).toBe(2);
  await client.close();
});

it("does not know, and says so, when the entry of a repeat cannot be read", async () => {
  const first = await world.engine();
  await world.submit(first, "a", acquire("T"), "x");
  await first.snapshot();
  await first.close();
  const log = await openMemoryLog(world.name, { clock: world.clock });
  let broken = false;
  const read = (after: number) => {
    if (broken) throw new Failure("log.unusable", "It cannot be read.");
    return log.read(after);
  };
  const engine = await world.engine({ log: withMethod(log, "read", read) });
  broken = true;
  // Its effect stands in the log: "certainly without effect" would be a lie.
  await expect(world.submit(engine, "a", acquire("T"), "x")).rejects.toMatchObject({
    code: "log.unusable",
    definite: false,
  });
  broken = false;
  expect(await world.submit(engine, "a", acquire("T"), "x")).toMatchObject({ ok: true, repeated: true });
});

it("answers what is in flight before it closes", async () => {
  const log = await openMemoryLog(world.name, { clock: world.clock });
  let slow = false;
  const engine = await world.engine({
    log: withAppend(log, async (entries, after) => {
      if (slow) await settle();
      return log.append(entries, after);
    }),
  });
  const talker = new Talker(engine);
  await talker.open("a");
  slow = true;
  const told: unknown[] = [];
  void talker.call("claim.acquire", { claim: "T" }).then((answer) => told.push(answer));
  await settle(2);
  await engine.close();
  await settle();
  expect(told).toMatchObject([{ result: { claim: "T" } }]);
  expect(talker.closed).toMatchObject({ reason: expect.stringContaining("shutting-down") });
});

it("gives an exclusive name back when the connection ends while its agent joins", async () => {
  const engine = await world.engine();
  const open = { jsonrpc: "2.0", id: 1, method: "session.open", params: { agent: "a", exclusive: true } };
  const opened = async (hangUp: boolean): Promise<string[]> => {
    const frames: string[] = [];
    const [hub, client] = memoryPair();
    engine.accept(hub);
    client.receive({ frame: (frame) => frames.push(String(frame)), drained: () => {}, closed: () => {} });
    client.send(JSON.stringify(open));
    if (hangUp) client.close("failed");
    await settle();
    return frames;
  };
  await opened(true);
  expect((await opened(false)).join()).toContain('"resume"');
});

it("dates an entry from when it was appended, not from when it was heard of", () => {
  const clock = new ManualClock();
  const time = new LogTime(clock, 1000, 0);
  clock.nowMs += 500;
  // Heard of 300 ms late: without that this engine's leases would end 300 ms early.
  time.learn(2000, 300);
  expect(time.nowMs()).toBe(2300);
  clock.nowMs += 1;
  expect(time.nowMs()).toBe(2301);
});

it("believes no age that goes back behind its last look at the log", () => {
  const clock = new ManualClock();
  const time = new LogTime(clock, 1000, 0);
  clock.nowMs += 500;
  time.looked(clock.monotonicMs());
  clock.nowMs += 20;
  time.learn(2000, 3_600_000);
  expect(time.nowMs()).toBe(2020);
});

it("goes back to the log's time when it has leapt ahead of it, and minds no rounding", () => {
  const clock = new ManualClock();
  const time = new LogTime(clock, 1000, 60_000);
  clock.nowMs += 10;
  time.learn(1005, 5);
  expect(time.nowMs()).toBe(1010);
  time.learn(1008, 0);
  expect(time.nowMs()).toBe(1010);
});

it("goes back by little, too, when it knows how old the entry is", () => {
  const clock = new ManualClock();
  // Two hubs open 40 ms apart after a power cut, and each believes that no time has passed since the newest entry.
  const [first, second] = [new LogTime(clock, 1000, 0), new LogTime(clock, 960, 0)];
  clock.nowMs += 100;
  first.learn(second.nowMs(), 0);
  expect(first.nowMs()).toBe(second.nowMs());
  // An append that may have begun before the last look tells too little for that.
  second.looked(clock.monotonicMs());
  clock.nowMs += 10;
  second.learn(second.nowMs() - 50, 30);
  expect(second.nowMs()).toBe(1070);
});
