/**
 * Leases on a clock that moves when told: renewed in time, lost when they are lost, never believed for too long.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Client } from "../../core/client/client.ts";
import type { Lease, LostReason } from "../../core/client/lease.ts";
import { errorOf, Hub } from "./hub.ts";
import { ManualClock, settle } from "./world.ts";

const MINUTE = 60_000;
let clock: ManualClock;
let hub: Hub;
let ann: Client;
let bob: Client;
beforeEach(async () => {
  clock = new ManualClock();
  hub = await Hub.open(clock);
  ann = await hub.client("ann");
  bob = await hub.client("bob");
});
afterEach(async () => {
  const closed = hub.close();
  await clock.advance(3000);
  await closed;
});

const live = (claim: string) => hub.engine.state().claims.live.get(claim);
const count = async (type: string) =>
  (await hub.entries()).filter(({ events }) => events.some((event) => event.type === type)).length;

/** What a lease says once it is lost. */
function watch(lease: Lease): { reason: LostReason | undefined } {
  const heard: { reason: LostReason | undefined } = { reason: undefined };
  void lease.lost.then((reason) => {
    heard.reason = reason;
  });
  return heard;
}

describe("a lease", () => {
  it("renews itself about every third of its length, for as long as it is wanted", async () => {
    const lease = await ann.lease("T", { ttlMs: 15 * MINUTE });
    const heard = watch(lease);
    await clock.advance(60 * MINUTE, 5000);
    expect(lease.isHeld).toBe(true);
    expect(heard.reason).toBeUndefined();
    expect(live("T")).toMatchObject({ holder: "ann", epoch: lease.epoch });
    const renewals = await count("claim.renewed");
    expect(renewals).toBeGreaterThanOrEqual(11);
    expect(renewals).toBeLessThanOrEqual(14);
    expect(await lease.release("done")).toMatchObject({ outcome: "done" });
    expect(lease.isHeld).toBe(false);
    await clock.advance(20 * MINUTE, 5000);
    expect(await count("claim.renewed")).toBe(renewals);
    expect(heard.reason).toBeUndefined();
  });

  it("counts its deadline from when it asked, less two percent", async () => {
    hub.tap.toClient = (frame) => {
      if (frame.includes('"epoch"')) clock.nowMs += 400;
      return true;
    };
    const lease = await ann.lease("T", { ttlMs: 10_000 });
    delete hub.tap.toClient;
    expect(lease.remainingMs).toBe(9800 - 400);
    expect(lease.remainingMs).toBeLessThan((live("T")?.expiresAtMs ?? 0) - hub.engine.nowMs());
  });

  it("is lost when no renewal is acknowledged in time, before the hub gives it to another", async () => {
    const said: string[] = [];
    const lease = await ann.lease("T", { ttlMs: 10_000, onLost: ({ code }) => said.push(code) });
    const heard = watch(lease);
    const startMs = clock.nowMs;
    hub.tap.toClient = () => false;
    let lostMs = 0;
    void lease.lost.then(() => {
      lostMs = clock.nowMs - startMs;
    });
    hub.tap.toHub = (frame) => !frame.includes("claim.renew");
    await clock.advance(9700, 50);
    expect(lease.isHeld).toBe(true);
    await clock.advance(250, 50);
    expect(heard.reason).toMatchObject({ code: "expired" });
    expect(said).toEqual(["expired"]);
    expect(lostMs).toBeGreaterThanOrEqual(9800);
    expect(lostMs).toBeLessThanOrEqual(9900);
    expect(live("T")).toBeDefined();
    expect(await errorOf(lease.checkpoint("late"))).toMatchObject({ code: "usage" });
  });

  it("is kept over a break: the renewal is sent again on the next connection", async () => {
    const lease = await ann.lease("T", { ttlMs: 10_000 });
    hub.away = true;
    hub.cut();
    await clock.advance(6000, 50);
    expect(ann.isUp).toBe(false);
    expect(lease.isHeld).toBe(true);
    hub.away = false;
    await clock.advance(5000, 50);
    expect(lease.isHeld).toBe(true);
    expect(live("T")?.epoch).toBe(lease.epoch);
    await clock.advance(MINUTE, 250);
    expect(lease.isHeld).toBe(true);
  });

  it("is lost at once when a renewal is refused", async () => {
    const op = await hub.client("op", { role: "operator" });
    const broken = await ann.lease("T", { ttlMs: 9000 });
    const taken = await ann.lease("U", { ttlMs: 9000 });
    const superseded = await ann.lease("V", { ttlMs: 9000 });
    const reasons = [broken, taken, superseded].map(watch);
    await op.call("claim.break", { claim: "T" });
    await op.call("claim.break", { claim: "U" });
    await bob.call("claim.acquire", { claim: "U" });
    await ann.call("claim.acquire", { claim: "V" });
    await clock.advance(3100, 50);
    expect(reasons.map(({ reason }) => reason?.code)).toEqual([
      "claim.unknown",
      "claim.not-holder",
      "claim.stale",
    ]);
    expect(reasons[1]?.reason?.rejection).toMatchObject({ holder: "bob" });
    expect([broken, taken, superseded].some(({ isHeld }) => isHeld)).toBe(false);
  });

  it("learns from any command under it that it is lost", async () => {
    const lease = await ann.lease("T");
    await ann.call("claim.acquire", { claim: "T" });
    expect(await errorOf(lease.checkpoint("where I am"))).toMatchObject({ code: "claim.stale" });
    expect(await lease.lost).toMatchObject({ code: "claim.stale" });
  });

  it("passes on what was saved, on hand-off and to the next holder", async () => {
    const first = await ann.lease("T");
    await first.checkpoint("half", { summary: "s" });
    await first.report("working", { note: "at it" });
    const heard = watch(first);
    expect(await first.handoff("bob")).toMatchObject({ holder: "bob" });
    expect(first.isHeld).toBe(false);
    await clock.advance(30 * MINUTE, 5000);
    expect(heard.reason).toBeUndefined();
    const second = await ann.lease("T");
    expect(second.grant.checkpoint).toMatchObject({ text: "half", savedBy: "ann" });
    expect(second.epoch).toBeGreaterThan(first.epoch);
  });

  it("goes on when ending it was refused", async () => {
    const lease = await ann.lease("T", { ttlMs: 9000 });
    expect(await errorOf(lease.handoff("nobody"))).toMatchObject({ code: "claim.to-absent" });
    await clock.advance(MINUTE, 250);
    expect(lease.isHeld).toBe(true);
    expect(await lease.release()).toMatchObject({ outcome: "abandoned" });
  });

  it("is renewed before it is handed over when it was waited for long", async () => {
    const held = await ann.lease("T", { ttlMs: 10_000 });
    const waiting = bob.lease("T", { ttlMs: 10_000, waitMs: 10 * MINUTE });
    await clock.advance(5 * MINUTE, 500);
    await held.release();
    await settle();
    const lease = await waiting;
    expect(lease.remainingMs).toBe(9800);
    await clock.advance(MINUTE, 250);
    expect(lease.isHeld).toBe(true);
    expect(live("T")?.holder).toBe("bob");
  });

  it("is refused as any claim is", async () => {
    await ann.lease("T");
    expect(await errorOf(bob.lease("T"))).toMatchObject({ code: "claim.held" });
    expect(await errorOf(ann.lease("T", { fresh: true }))).toMatchObject({ code: "claim.held" });
  });
});

describe("a client that works in silence", () => {
  it("lets itself be heard, so that it is not taken for idle, and nothing of it is logged", async () => {
    await ann.lease("T", { ttlMs: 60 * MINUTE });
    const entries = (await hub.entries()).length;
    await clock.advance(10 * MINUTE, 5000);
    expect(hub.engine.state().presence.byName.get("ann")?.presence).toBe("present");
    expect((await hub.entries()).length).toBe(entries);
  });
});
