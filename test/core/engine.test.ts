/**
 * The engine's own rows: time, presence, waiting over connections, submissions, cursors.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openMemoryLog } from "../../adapters/log/memory.ts";
import type { Engine } from "../../core/engine/engine.ts";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import { entriesOf, settle, Talker, World } from "./world.ts";

let world: World;
let engine: Engine;
beforeEach(async () => {
  world = new World();
  engine = await world.engine();
});
afterEach(() => world.close());

const types = async () =>
  (await entriesOf(await openMemoryLog(world.name))).flatMap((e) => e.events.map((v) => v.type));
const claim = (id: string, more: object = {}) => ({ type: "claim.acquire", claim: id, ...more }) as const;

describe("the log", () => {
  it("LO1 begins with its own creation: a random id, the format and every setting", async () => {
    const [first] = await entriesOf(await openMemoryLog(world.name));
    expect(first).toMatchObject({ seq: 1, by: "hub", events: [{ type: "log.created", format: 1 }] });
    expect(first?.events[0]).toHaveProperty("settings.foldCase", false);
  });
  it("LO2 CL9 writes an expiry of its own directly before the command it affects, in the same append", async () => {
    await world.submit(engine, "a", claim("T", { ttlMs: 1000 }));
    world.clock.nowMs += 999;
    expect(await world.submit(engine, "b", claim("T"))).toMatchObject({
      ok: false,
      rejection: { code: "claim.held" },
    });
    world.clock.nowMs += 1;
    const granted = await world.submit(engine, "b", claim("T"));
    expect(granted).toMatchObject({ ok: true, seq: 4, epoch: 4 });
    expect((await types()).slice(-2)).toEqual(["claim.expired", "claim.granted"]);
  });
  it("LO3 refuses what could not be sent as one notification", async () => {
    const long = "\u0001".repeat(60_000);
    const granted = (await world.submit(engine, "a", claim("T"))) as { epoch?: number };
    const save = { type: "checkpoint.save", claim: "T", epoch: granted.epoch ?? 0, text: long } as const;
    expect(await world.submit(engine, "a", save)).toMatchObject({ ok: true });
    const paths = Array.from({ length: 512 }, (_, i) => `${i}/${"語".repeat(1000)}`);
    const outcome = await world.submit(engine, "a", claim("U", { scope: { files: paths } }));
    expect(outcome).toMatchObject({ ok: false, rejection: { code: "entry.too-large" } });
  });
  it("LO4 answers a refusal only once the head was seen not to have moved", async () => {
    const other = await world.engine();
    await world.submit(engine, "a", claim("T"));
    // The other engine has not been told yet; its refusal and its list must know all the same.
    expect(await world.submit(other, "b", claim("T"))).toMatchObject({ rejection: { holder: "a" } });
    await world.submit(engine, "a", { type: "claim.release", claim: "T" });
    const { items } = (await other.query("claims.list", {})) as { items: unknown[] };
    expect(items).toEqual([]);
  });
  it("LO5 every answer carries log time, a lease what remains of it", async () => {
    const talker = new Talker(engine);
    await talker.open("a");
    const { result } = await talker.call("claim.acquire", { claim: "T", ttlMs: 5000 });
    expect(result).toMatchObject({
      nowMs: engine.nowMs(),
      remainingMs: 5000,
      expiresAtMs: engine.nowMs() + 5000,
    });
    expect((await talker.call("claims.list")).result).toMatchObject({ nowMs: engine.nowMs() });
  });
  it("LO6 refuses cursors of another log, above the head, below the horizon", async () => {
    const talker = new Talker(engine);
    await talker.open("a");
    expect((await talker.call("log.follow", { after: 0, log: "other" })).error).toMatchObject({
      data: { code: "log.unknown" },
    });
    expect((await talker.call("log.follow", { after: 99 })).error).toMatchObject({
      data: { code: "log.ahead", head: 2 },
    });
    for (let i = 0; i < 5; i++) await world.submit(engine, "a", claim(`T${i}`));
    await engine.snapshot();
    const log = await openMemoryLog(world.name);
    await log.truncate(4);
    expect((await talker.call("log.follow", { after: 1 })).error).toMatchObject({
      data: { code: "log.horizon", seq: 4 },
    });
    expect((await talker.call("log.read", { after: 4 })).result).toHaveProperty("items.length", 3);
  });
});

describe("compaction", () => {
  it("LO7 drops what lies below two verified snapshots; state, receipts and followers above it go on", async () => {
    for (let i = 0; i < 6; i++)
      await world.submit(engine, "a", claim(`T${i}`, { ttlMs: 3_600_000 }), `x${i}`);
    await world.clock.advance(60_000, 1000);
    const kept = await world.submit(engine, "a", claim("late"));
    const talker = new Talker(engine);
    await talker.open("b");
    await talker.call("log.follow", { after: engine.head() });
    expect(await world.submit(engine, "a", { type: "log.compact", keepMs: 30_000 })).toMatchObject({
      rejection: { code: "agent.not-operator" },
    });
    expect(await world.submit(engine, "op", { type: "log.compact", keepMs: 30_000 })).toMatchObject({
      ok: true,
    });
    await settle(60);
    const log = await openMemoryLog(world.name);
    const horizon = await log.horizon();
    expect(horizon).toBeGreaterThanOrEqual(7);
    expect(horizon).toBeLessThan(kept.ok ? kept.seq : 0);
    expect((await log.snapshots.list()).length).toBe(2);
    expect(talker.entries.at(-1)?.events[0]?.type).toBe("log.compacted");
    await engine.close();
    const next = await world.engine();
    expect(next.state().claims.live.size).toBe(7);
    const again = await world.submit(next, "a", claim("T1", { ttlMs: 3_600_000 }), "x1");
    expect(again).toMatchObject({ ok: false, rejection: { code: "submission.expired" } });
    expect(next.state().claims.live.get("T1")?.epoch).toBeLessThan(horizon + 1);
  });
});

describe("presence", () => {
  const presence = (agent: string) => engine.state().presence.byName.get(agent)?.presence;

  it("AG1 AG10 a session joins; pings and reads are not logged", async () => {
    const talker = new Talker(engine);
    await talker.open("a");
    await talker.call("claims.list");
    await talker.call("state.summary");
    expect(await types()).toEqual(["log.created", "agent.joined"]);
  });
  it("AG2 two sessions of one name stand side by side", async () => {
    const [one, two] = [new Talker(engine), new Talker(engine)];
    await one.open("a");
    await two.open("a");
    one.close();
    await settle();
    await world.clock.advance(1000);
    expect(presence("a")).toBe("present");
  });
  it("AG3 an exclusive session is alone, and its resume token takes it over at once", async () => {
    const first = new Talker(engine);
    const { result } = await first.open("a", { exclusive: true });
    const second = new Talker(engine);
    expect((await second.open("a")).error).toMatchObject({ data: { code: "agent.taken", agent: "a" } });
    const third = new Talker(engine);
    expect((await third.open("a", { exclusive: true, resume: result?.resume })).result).toBeDefined();
    await settle();
    expect(first.closed?.reason).toContain("taken-over");
    const plain = new Talker(engine);
    await plain.open("b");
    expect((await new Talker(engine).open("b", { exclusive: true })).error).toMatchObject({
      data: { code: "agent.taken" },
    });
  });
  it("AG3 also across engines: the name is taken until its token is shown", async () => {
    const other = await world.engine();
    const { result } = await new Talker(engine).open("a", { exclusive: true });
    expect((await new Talker(other).open("a")).error).toMatchObject({ data: { code: "agent.taken" } });
    const resumed = await new Talker(other).open("a", { exclusive: true, resume: result?.resume });
    expect(resumed.result).toBeDefined();
  });
  it("AG5 AG6 reserved names are invalid; a frame for another agent is refused", async () => {
    const talker = new Talker(engine);
    for (const name of ["all", "hub", "system", "log", "state", "*", "role:x", "#x", "x/"]) {
      expect((await talker.open(name)).error).toMatchObject({ code: -32602, data: { at: "agent" } });
    }
    await talker.open("a");
    const { error } = await talker.call("claim.acquire", { claim: "T", agent: "b" });
    expect(error).toMatchObject({ data: { code: "session.not-you" } });
  });
  it("AG7 a goodbye makes idle at once, a broken line after 10 s, silence after 2 min, gone after 15 min", async () => {
    const polite = new Talker(engine);
    const rude = new Talker(engine);
    const silent = new Talker(engine);
    await polite.open("polite");
    await rude.open("rude");
    await silent.open("silent");
    polite.close("goodbye");
    rude.close("failed");
    await settle();
    await world.clock.advance(500);
    expect([presence("polite"), presence("rude"), presence("silent")]).toEqual([
      "idle",
      "present",
      "present",
    ]);
    await world.clock.advance(limits.brokenAfterMs);
    expect([presence("rude"), presence("silent")]).toEqual(["idle", "present"]);
    await world.clock.advance(limits.idleAfterMs);
    expect(presence("silent")).toBe("idle");
    await world.clock.advance(limits.goneAfterMs, 1000);
    expect([presence("polite"), presence("rude"), presence("silent")]).toEqual(["gone", "gone", "gone"]);
  });
  it("AG4 AG7 an idle agent is present again with its next frame, its claims still its own", async () => {
    const talker = new Talker(engine);
    await talker.open("a");
    await talker.call("claim.acquire", { claim: "T", ttlMs: 3_600_000 });
    await world.clock.advance(limits.idleAfterMs + 1000, 1000);
    expect(presence("a")).toBe("idle");
    await talker.call("claims.list");
    await settle();
    expect(presence("a")).toBe("present");
    expect(engine.state().claims.live.get("T")?.holder).toBe("a");
  });
  it("a ping says how far the log is, and what time it is there", async () => {
    const talker = new Talker(engine);
    await talker.open("a");
    const { result } = await talker.call("session.ping");
    expect(result).toEqual({ seq: engine.head(), nowMs: engine.nowMs() });
  });
  it("AG7 an open follow is contact by itself", async () => {
    const talker = new Talker(engine);
    await talker.open("a");
    await talker.call("log.follow", { after: 0 });
    await world.clock.advance(limits.idleAfterMs * 2, 1000);
    expect(presence("a")).toBe("present");
  });
  it("AG7 a one-shot session counts as contact and does not end presence", async () => {
    const once = new Talker(engine, { oneShot: true });
    await once.open("a");
    once.close("goodbye");
    await settle();
    await world.clock.advance(limits.idleAfterMs - 1000, 1000);
    expect(presence("a")).toBe("present");
    await world.clock.advance(3000);
    expect(presence("a")).toBe("idle");
  });
  it("AG8 another engine speaks for one that died, once its mark is stale", async () => {
    const doomed = await world.engine({
      clock: Object.create(world.clock, { after: { value: () => () => {} } }),
    });
    await new Talker(doomed).open("a");
    // Its mark is stale by then, but the agent was not silent for long enough.
    await world.clock.advance(limits.idleAfterMs - 10_000, 1000);
    expect(presence("a")).toBe("present");
    await world.clock.advance(limits.livenessStaleMs + 20_000, 1000);
    expect(presence("a")).toBe("idle");
  });
});

describe("waiting", () => {
  it("WA1 the reply comes with the grant, or when the time is up", async () => {
    await world.submit(engine, "a", claim("T"));
    const waited = world.submit(engine, "b", claim("T", { waitMs: 60_000 }));
    const inVain = world.submit(engine, "c", claim("T", { waitMs: 1000 }));
    await settle();
    await world.clock.advance(2000);
    expect(await inVain).toMatchObject({ ok: false, rejection: { code: "claim.wait-timeout" } });
    await world.submit(engine, "a", { type: "claim.release", claim: "T" });
    expect(await waited).toMatchObject({ ok: true, claim: "T", holder: "b" });
  });
  it("CL10 a lease that runs out is written down within a second, its waiter's grant right behind", async () => {
    await world.submit(engine, "a", claim("T", { ttlMs: 5000 }));
    const waited = world.submit(engine, "b", claim("T", { waitMs: 60_000 }));
    await settle();
    await world.clock.advance(6000);
    expect(await waited).toMatchObject({ ok: true, holder: "b" });
    const entries = await entriesOf(await openMemoryLog(world.name));
    const [expired, granted] = entries.slice(-2);
    expect(expired?.events[0]?.type).toBe("claim.expired");
    expect(granted).toMatchObject({ by: "hub", atMs: expired?.atMs, events: [{ closes: { agent: "b" } }] });
    const due = entries.find((e) => e.events[0]?.type === "claim.granted")?.events[0] as {
      expiresAtMs: number;
    };
    expect(expired?.atMs).toBeGreaterThanOrEqual(due.expiresAtMs);
    expect(expired?.atMs).toBeLessThanOrEqual(due.expiresAtMs + 1000);
  });
  it("WA7 a resubmission keeps its place: one grant, both are answered", async () => {
    await world.submit(engine, "a", claim("T"));
    const first = world.submit(engine, "b", claim("T", { waitMs: 60_000 }), "w1");
    await settle();
    const again = world.submit(engine, "b", claim("T", { waitMs: 60_000 }), "w1");
    await settle();
    await world.submit(engine, "a", { type: "claim.release", claim: "T" });
    const [one, two] = await Promise.all([first, again]);
    expect(one).toMatchObject({ ok: true, holder: "b" });
    expect(two).toMatchObject({ ok: true, seq: one.ok ? one.seq : 0 });
    expect((await types()).filter((type) => type === "claim.granted")).toHaveLength(2);
  });
  it("WA8 waits and their deadlines survive a restart", async () => {
    await world.submit(engine, "a", claim("T"));
    world.submit(engine, "b", claim("T", { waitMs: 5000 }), "w1").catch(() => {});
    await settle();
    await engine.close();
    const next = await world.engine();
    const again = world.submit(next, "b", claim("T", { waitMs: 5000 }), "w1");
    await settle();
    await world.clock.advance(6000);
    expect(await again).toMatchObject({ ok: false, rejection: { code: "claim.wait-timeout" } });
  });
});

describe("submissions", () => {
  it("SU1 the same again has one effect and one answer, also after a restart and on another engine", async () => {
    const first = await world.submit(engine, "a", claim("T"), "x");
    const again = await world.submit(engine, "a", claim("T"), "x");
    expect(again).toEqual({ ...first, repeated: true });
    const other = await world.engine();
    expect(await world.submit(other, "a", claim("T"), "x")).toEqual({ ...first, repeated: true });
    await engine.close();
    await world.submit(other, "a", { type: "claim.release", claim: "T" });
    const ended = await world.submit(await world.engine(), "a", claim("T"), "x");
    expect(ended).toMatchObject({ ...first, repeated: true, endedAtMs: expect.any(Number) });
    expect((await types()).filter((type) => type === "claim.granted")).toHaveLength(1);
  });
  it("SU2 the same id for a different command is refused", async () => {
    await world.submit(engine, "a", claim("T"), "x");
    const outcome = await world.submit(engine, "a", claim("U"), "x");
    expect(outcome).toMatchObject({ ok: false, rejection: { code: "submission.reused" } });
  });
  it("SU3 a rejection is remembered: a late duplicate does not take effect", async () => {
    await world.submit(engine, "a", claim("T"));
    const refused = await world.submit(engine, "b", claim("T"), "x");
    await world.submit(engine, "a", { type: "claim.release", claim: "T" });
    expect(await world.submit(engine, "b", claim("T"), "x")).toEqual({ ...refused, repeated: true });
    expect(await world.submit(engine, "b", claim("T"))).toMatchObject({ ok: true });
  });
  it("SU4 other agents' ids never meet", async () => {
    await world.submit(engine, "a", claim("T"), "x");
    expect(await world.submit(engine, "b", claim("U"), "x")).toMatchObject({ ok: true });
  });
  it("SU5 past the receipts' window a submission is refused, never done twice", async () => {
    const seq = engine.head();
    await world.submit(engine, "a", claim("T", { ttlMs: 60_000 }), "x", seq);
    await world.clock.advance(limits.receiptsMs + 120_000, 60_000);
    await world.submit(engine, "a", claim("V"));
    const late = await world.submit(engine, "a", claim("T", { ttlMs: 60_000 }), "x", seq);
    expect(late).toMatchObject({ ok: false, rejection: { code: "submission.expired" } });
    expect(engine.state().claims.live.has("T")).toBe(false);
  });
});

describe("delivery and the past", () => {
  it("ME5 writes down once per drain that directed messages reached a connection that delivers", async () => {
    const [a, b] = [new Talker(engine), new Talker(engine)];
    await a.open("a");
    await b.open("b");
    await b.call("log.follow", { after: 0, deliver: true });
    for (const body of ["one", "two", "three"]) await a.call("message.post", { to: "b", kind: "chat", body });
    await settle();
    const delivered = (await types()).filter((type) => type === "message.delivered");
    expect(delivered.length).toBeGreaterThan(0);
    expect(engine.state().inbox.boxes.get("b")?.deliveredUpTo).toBeGreaterThanOrEqual(5);
    await world.clock.advance(2000);
    expect((await types()).filter((type) => type === "message.delivered")).toHaveLength(delivered.length);
  });
  it("path.history, task.history and state.at tell what was", async () => {
    const talker = new Talker(engine);
    await talker.open("a");
    await talker.call("task.declare", { task: "t1", title: "one" });
    await talker.call("claim.acquire", { claim: "T", scope: { paths: ["src"] }, note: "why" });
    const before = engine.head();
    await talker.call("claim.release", { claim: "T", outcome: "done" });
    await talker.call("claim.acquire", { claim: "U", scope: { files: ["src/a.ts"] } });
    const { result } = await talker.call("path.history", { path: "src/a.ts" });
    expect(result?.items).toMatchObject([
      { claim: "U", holder: "a" },
      { claim: "T", holder: "a", how: "done", note: "why" },
    ]);
    const past = await talker.call("state.at", { seq: before });
    expect(past.result).toMatchObject({ seq: before, claims: { items: [{ claim: "T" }] } });
    const task = await talker.call("task.history", { task: "t1" });
    expect(task.result).toMatchObject({ items: [{ events: [{ type: "task.declared" }] }] });
  });
});

describe("bad input", () => {
  const bad: [string, string, number][] = [
    ["not json", "{", -32700],
    ["not an object", "7", -32600],
    ["no version", '{"id":1,"method":"x"}', -32600],
    ["an unknown method", '{"jsonrpc":"2.0","id":1,"method":"claim.steal","params":{}}', -32601],
    ["a wrong type", '{"jsonrpc":"2.0","id":1,"method":"claim.acquire","params":{"claim":7}}', -32602],
    ["a missing field", '{"jsonrpc":"2.0","id":1,"method":"claim.acquire","params":{}}', -32602],
    [
      "an unknown field",
      '{"jsonrpc":"2.0","id":1,"method":"claim.acquire","params":{"claim":"T","x":1}}',
      -32602,
    ],
    [
      "a prototype key",
      '{"jsonrpc":"2.0","id":1,"method":"claim.acquire","params":{"claim":"T","__proto__":{}}}',
      -32602,
    ],
    ["a method of Object", '{"jsonrpc":"2.0","id":1,"method":"toString","params":{}}', -32601],
    ["deep nesting", `${"[".repeat(100_000)}`, -32700],
  ];
  for (const [what, frame, code] of bad) {
    it(`${what} gets an error and changes nothing`, async () => {
      const talker = new Talker(engine);
      await talker.open("a");
      const before = engine.head();
      talker.raw(frame);
      await settle();
      expect(talker.heard.at(-1)).toMatchObject({ error: { code } });
      expect(engine.head()).toBe(before);
      expect((await talker.call("claim.acquire", { claim: "T" })).result).toMatchObject({ claim: "T" });
    });
  }
  it("commands before session.open and from those who only look on are refused", async () => {
    const talker = new Talker(engine);
    expect((await talker.call("claim.acquire", { claim: "T" })).error).toMatchObject({
      data: { code: "session.not-open" },
    });
    await talker.open("a", { observe: true });
    expect((await talker.call("claims.list")).result).toBeDefined();
    expect((await talker.call("claim.acquire", { claim: "T" })).error).toMatchObject({
      data: { code: "session.observing" },
    });
    expect(await types()).toEqual(["log.created"]);
  });
});

describe("a log in trouble", () => {
  it("a full log refuses writers cleanly and goes on answering readers", async () => {
    const log = await openMemoryLog(`${world.name}-full`, { clock: world.clock });
    let full = false;
    const append = log.append.bind(log);
    log.append = async (entries, after) => {
      if (full) throw new Failure("log.full", "no room", { fields: { retryAfterMs: 1000 } });
      return append(entries, after);
    };
    const one = await world.engine({ log });
    await world.submit(one, "a", claim("T"));
    full = true;
    await expect(world.submit(one, "a", claim("U"))).rejects.toMatchObject({
      code: "log.full",
      definite: true,
    });
    expect(await one.query("claims.list", {})).toHaveProperty("items.length", 1);
    expect(await world.submit(one, "b", claim("T"))).toMatchObject({
      ok: false,
      rejection: { code: "claim.held" },
    });
    full = false;
    await world.clock.advance(2000);
    expect(await world.submit(one, "a", claim("U"))).toMatchObject({ ok: true });
  });
  it("an append whose outcome is unknown is read back: answered as it was, done once", async () => {
    for (const stored of [true, false]) {
      const log = await openMemoryLog(`${world.name}-unknown-${stored}`, { clock: world.clock });
      let broken = false;
      const append = log.append.bind(log);
      log.append = async (entries, after) => {
        if (!broken) return append(entries, after);
        broken = false;
        if (stored) await append(entries, after);
        throw new Failure("log.unknown-outcome", "EIO", { definite: false });
      };
      const one = await world.engine({ log, report: () => {} });
      broken = true;
      expect(await world.submit(one, "a", claim("T"), "x")).toMatchObject({ ok: true, holder: "a" });
      const granted = (await entriesOf(log)).filter((e) => e.events[0]?.type === "claim.granted");
      expect(granted).toHaveLength(1);
      expect(one.state().claims.live.get("T")?.epoch).toBe(granted[0]?.seq);
    }
  });
});
