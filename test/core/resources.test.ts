/** Resources: offers and reservations. Rows RE1 and RE2 of the exact behaviour. */
import { describe, expect, it } from "vitest";
import { limits } from "../../core/limits.ts";
import type { Command } from "../../core/model/model.ts";
import { Fleet } from "./fleet.ts";

type Offer = Extract<Command, { type: "resource.offer" }>;
type Reserve = Extract<Command, { type: "resource.reserve" }>;

const MINUTE = 60_000;

function fleet() {
  const fleet = new Fleet().join("alice").join("bob").join("carol");
  const offer = (agent: string, more: Partial<Offer> = {}) =>
    fleet.send(agent, {
      type: "resource.offer",
      name: "gpu",
      kind: "gpu",
      capacity: 4,
      ttlMs: 60 * MINUTE,
      ...more,
    });
  const reserve = (agent: string, more: Partial<Reserve> = {}) =>
    fleet.send(agent, { type: "resource.reserve", name: "gpu", ttlMs: 10 * MINUTE, ...more });
  const giveBack = (agent: string, epoch: number) =>
    fleet.send(agent, { type: "resource.return", name: "gpu", epoch });
  const list = (params: object = {}) => fleet.ask("bob", "resources.list", params).items;
  return { fleet, offer, reserve, giveBack, list };
}

const verify = (fleet: Fleet) => fleet.verify("resources");

describe("offers", () => {
  it("RE1 listed with what is free, by name, kind and agent", () => {
    const { fleet: f, offer, reserve, list } = fleet();
    offer("alice", { meta: { driver: "12.4" } });
    offer("bob", { name: "db", kind: "database", capacity: 1 });
    const { seq } = reserve("bob", { units: 3, note: "training" });
    expect(list()).toEqual([
      expect.objectContaining({ name: "db", agent: "bob", free: 1, reservations: [] }),
      {
        name: "gpu",
        kind: "gpu",
        agent: "alice",
        capacity: 4,
        free: 1,
        meta: { driver: "12.4" },
        ttlMs: 60 * MINUTE,
        offeredAtMs: 0,
        expiresAtMs: 60 * MINUTE,
        remainingMs: 60 * MINUTE,
        reservations: [
          {
            agent: "bob",
            epoch: seq,
            units: 3,
            ttlMs: 10 * MINUTE,
            expiresAtMs: 10 * MINUTE,
            note: "training",
          },
        ],
      },
    ]);
    expect(list({ kind: "database" })).toHaveLength(1);
    expect(list({ agent: "alice" })).toMatchObject([{ name: "gpu" }]);
    expect(list({ name: "gpu" })).toMatchObject([{ name: "gpu" }]);
    verify(f);
  });

  it("RE1 capacity is at least 1", () => {
    const { offer } = fleet();
    expect(offer("alice", { capacity: 0 }).refused).toBe("schema");
    expect(offer("alice", { capacity: 1 }).refused).toBeUndefined();
  });

  it("RE1 until withdrawn, with all that is reserved", () => {
    const { fleet: f, offer, reserve, list } = fleet();
    offer("alice");
    reserve("bob");
    const told = f.send("bob", { type: "resource.withdraw", name: "gpu" });
    expect(told.rejection).toMatchObject({ code: "resource.not-yours", name: "gpu", agent: "alice" });
    expect(f.send("alice", { type: "resource.withdraw", name: "gpu" }).refused).toBeUndefined();
    expect(list()).toEqual([]);
    expect(f.state.resources.holdings.size).toBe(0);
    expect(f.state.resources.offers.size).toBe(0);
    expect(f.send("alice", { type: "resource.withdraw", name: "gpu" }).refused).toBe("resource.unknown");
    offer("alice");
    expect(f.send("carol", { type: "resource.withdraw", name: "gpu" }, true).refused).toBeUndefined();
    verify(f);
  });

  it("RE1 until expired; offered again, it is extended", () => {
    const { fleet: f, offer, list } = fleet();
    offer("alice", { ttlMs: 10 * MINUTE });
    f.tick(9 * MINUTE);
    offer("alice", { ttlMs: 10 * MINUTE, capacity: 2 });
    f.tick(10 * MINUTE - 1);
    expect(list()).toMatchObject([{ capacity: 2, free: 2 }]);
    f.tick(1);
    expect(list()).toEqual([]);
    expect(f.entries.at(-1)).toMatchObject({
      by: "hub",
      events: [{ type: "resource.withdrawn", name: "gpu", how: "expired" }],
    });
    verify(f);
  });

  it("RE1 until its agent is gone, in the same entry", () => {
    const { fleet: f, offer, reserve, list } = fleet();
    offer("alice");
    offer("alice", { name: "db" });
    offer("bob", { name: "port" });
    reserve("bob");
    const told = f.send("alice", { type: "agent.leave" });
    expect(told.events.map(({ type }) => type)).toEqual([
      "agent.gone",
      "resource.withdrawn",
      "resource.withdrawn",
    ]);
    expect(list()).toMatchObject([{ name: "port" }]);
    verify(f);
  });

  it("RE1 a name that another offers, a capacity below what is reserved, too many: refused", () => {
    const { fleet: f, offer, reserve } = fleet();
    offer("alice");
    expect(offer("bob").rejection).toMatchObject({ code: "resource.taken", agent: "alice" });
    reserve("bob", { units: 3 });
    expect(offer("alice", { capacity: 2 }).rejection).toMatchObject({ code: "resource.in-use", used: 3 });
    expect(offer("alice", { capacity: 3 }).refused).toBeUndefined();
    for (let i = 1; i < limits.offersPerAgentMax; i++) offer("alice", { name: `gpu-${i}` });
    expect(offer("alice", { name: "more" }).rejection).toMatchObject({
      code: "resource.quota",
      max: limits.offersPerAgentMax,
    });
    expect(offer("alice", { capacity: 5 }).refused).toBeUndefined();
    verify(f);
  });

  it("RE1 offered again for a shorter time, no lease on it ends early", () => {
    const { fleet: f, offer, reserve, list } = fleet();
    offer("alice", { ttlMs: 60 * MINUTE });
    reserve("bob", { ttlMs: 30 * MINUTE });
    offer("alice", { ttlMs: MINUTE });
    f.tick(30 * MINUTE - 1);
    expect(list()).toMatchObject([{ reservations: [{ agent: "bob" }] }]);
    verify(f);
  });
});

describe("reservations", () => {
  it("RE2 up to capacity, under a lease whose epoch is the seq", () => {
    const { fleet: f, offer, reserve } = fleet();
    offer("alice");
    const told = reserve("bob", { units: 3 });
    expect(told.result).toEqual({
      seq: told.seq,
      name: "gpu",
      holder: "bob",
      epoch: told.seq,
      units: 3,
      ttlMs: 10 * MINUTE,
      expiresAtMs: 10 * MINUTE,
    });
    expect(reserve("carol").refused).toBeUndefined();
    expect(reserve("carol").refused).toBe("resource.exhausted");
    verify(f);
  });

  it("RE2 more: resource.exhausted, with what is free and when enough will be", () => {
    const { fleet: f, offer, reserve } = fleet();
    offer("alice");
    reserve("bob", { units: 1, ttlMs: 20 * MINUTE });
    reserve("bob", { units: 1, ttlMs: 5 * MINUTE });
    reserve("carol", { units: 2, ttlMs: 8 * MINUTE });
    f.tick(MINUTE);
    const next = (units: number) => reserve("alice", { units }).rejection;
    expect(next(1)).toMatchObject({ code: "resource.exhausted", free: 0, capacity: 4, next: 5 * MINUTE });
    expect(next(3)).toMatchObject({ next: 8 * MINUTE, remainingMs: 7 * MINUTE });
    expect(next(4)).toMatchObject({ next: 20 * MINUTE });
    expect(next(5)?.next).toBeUndefined();
    f.tick(4 * MINUTE);
    expect(reserve("alice").refused).toBeUndefined();
    verify(f);
  });

  it("RE2 the lease runs out by itself, not before its time", () => {
    const { fleet: f, offer, reserve, list } = fleet();
    offer("alice");
    const { seq } = reserve("bob", { ttlMs: MINUTE });
    f.tick(MINUTE - 1);
    expect(list()).toMatchObject([{ free: 3 }]);
    f.tick(1);
    expect(list()).toMatchObject([{ free: 4 }]);
    expect(f.entries.at(-1)?.events).toEqual([
      { type: "resource.expired", name: "gpu", agent: "bob", epoch: seq },
    ]);
    verify(f);
  });

  it("RE2 never longer than the offer", () => {
    const { fleet: f, offer, reserve } = fleet();
    offer("alice", { ttlMs: 10 * MINUTE });
    f.tick(6 * MINUTE);
    expect(reserve("bob", { ttlMs: 10 * MINUTE }).result.expiresAtMs).toBe(10 * MINUTE);
    f.tick(4 * MINUTE);
    expect(f.state.resources.byName.size).toBe(0);
    expect(f.state.resources.holdings.size).toBe(0);
    verify(f);
  });

  it("RE2 renewed and resized under its epoch, which stays", () => {
    const { fleet: f, offer, reserve, list } = fleet();
    offer("alice");
    const { epoch } = reserve("bob", { units: 2, note: "n" }).result;
    f.tick(MINUTE);
    expect(reserve("bob", { epoch }).result).toMatchObject({
      epoch,
      units: 2,
      expiresAtMs: 11 * MINUTE,
      note: "n",
    });
    expect(reserve("bob", { epoch, units: 4 }).result).toMatchObject({ epoch, units: 4 });
    expect(reserve("bob", { epoch, units: 5 }).rejection).toMatchObject({
      code: "resource.exhausted",
      free: 0,
    });
    expect(list()).toMatchObject([{ free: 0, reservations: [{ units: 4 }] }]);
    verify(f);
  });

  it("RE2 returned under its epoch; stale, another's, unknown: refused", () => {
    const { fleet: f, offer, reserve, giveBack, list } = fleet();
    expect(reserve("bob").refused).toBe("resource.unknown");
    offer("alice");
    const first = reserve("bob", { units: 2 }).result.epoch;
    expect(giveBack("carol", first).rejection).toMatchObject({ code: "resource.not-holder", holder: "bob" });
    expect(reserve("carol", { epoch: first }).refused).toBe("resource.not-holder");
    expect(giveBack("bob", first + 1).refused).toBe("resource.stale");
    giveBack("bob", first);
    expect(list()).toMatchObject([{ free: 4 }]);
    const second = reserve("bob").result.epoch;
    expect(second).toBeGreaterThan(first);
    expect(giveBack("bob", first).rejection).toMatchObject({ code: "resource.stale", epoch: first });
    expect(reserve("bob", { epoch: first }).refused).toBe("resource.stale");
    verify(f);
  });

  it("RE2 an agent holds at most so many", () => {
    const { fleet: f, offer, reserve } = fleet();
    offer("alice", { capacity: 1000 });
    for (let i = 0; i < limits.reservationsPerAgentMax; i++) reserve("bob");
    expect(reserve("bob").refused).toBe("resource.quota");
    expect(reserve("carol").refused).toBeUndefined();
    verify(f);
  });
});
