/** Resources against a dumb model: never more reserved than there is, never under a dead epoch. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Fleet } from "../core/fleet.ts";

const NAMES = ["ann", "ben", "cat"] as const;
const THINGS = ["gpu", "a/b"] as const;
const SECOND = 1000;

const who = fc.constantFrom(...NAMES);
const name = fc.constantFrom(...THINGS);
const ttlMs = fc.integer({ min: 1, max: 20 }).map((s) => s * SECOND);
const small = fc.integer({ min: 1, max: 5 });
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("offer" as const), who, name, capacity: small, ttlMs }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("withdraw" as const), who, name }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("reserve" as const), who, name, units: small, ttlMs }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("renew" as const, "return" as const),
      who,
      name,
      pick: fc.nat(9),
      ttlMs,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat({ max: 12 * SECOND }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("leave" as const, "join" as const), who }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

interface Offer {
  readonly agent: string;
  capacity: number;
  expiresAtMs: number;
}
interface Lease {
  readonly name: string;
  readonly agent: string;
  readonly epoch: number;
  units: number;
  expiresAtMs: number;
}

/** Offers and leases as lists; every command says by its own rule what must come of it. */
class Model {
  readonly offers = new Map<string, Offer>();
  leases: Lease[] = [];
  readonly epochs: number[] = [];

  used(name: string): number {
    return this.leases.filter((lease) => lease.name === name).reduce((sum, { units }) => sum + units, 0);
  }

  drop(name: string) {
    this.offers.delete(name);
    this.leases = this.leases.filter((lease) => lease.name !== name);
  }

  settle(nowMs: number) {
    for (const [name, { expiresAtMs }] of [...this.offers]) if (expiresAtMs <= nowMs) this.drop(name);
    this.leases = this.leases.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
  }
}

function offer(fleet: Fleet, model: Model, { who, name, capacity, ttlMs }: Extract<Step, { do: "offer" }>) {
  const told = fleet.send(who, { type: "resource.offer", name, kind: "k", capacity, ttlMs });
  const before = model.offers.get(name);
  const used = model.used(name);
  const refused =
    before !== undefined && before.agent !== who
      ? "resource.taken"
      : used > capacity
        ? "resource.in-use"
        : undefined;
  expect(told.refused).toBe(refused);
  if (refused !== undefined) return;
  const expiresAtMs = Math.max(fleet.nowMs + ttlMs, used > 0 ? (before?.expiresAtMs ?? 0) : 0);
  model.offers.set(name, { agent: who, capacity, expiresAtMs });
}

function reserve(fleet: Fleet, model: Model, { who, name, units, ttlMs }: Extract<Step, { do: "reserve" }>) {
  const told = fleet.send(who, { type: "resource.reserve", name, units, ttlMs });
  const offer = model.offers.get(name);
  const free = (offer?.capacity ?? 0) - model.used(name);
  if (offer === undefined) expect(told.refused).toBe("resource.unknown");
  else if (units > free) {
    expect(told.rejection).toMatchObject({ code: "resource.exhausted", free });
    const next = (told.rejection as { next?: number } | undefined)?.next;
    const freeAt = (ms: number) =>
      offer.capacity -
      model.leases
        .filter((lease) => lease.name === name && lease.expiresAtMs > ms)
        .reduce((sum, lease) => sum + lease.units, 0);
    // By then there is enough, and a moment before there was not; or there never will be.
    if (next === undefined) expect(units).toBeGreaterThan(offer.capacity);
    else {
      expect(freeAt(next)).toBeGreaterThanOrEqual(units);
      expect(freeAt(next - 1)).toBeLessThan(units);
    }
  } else {
    const { epoch } = told.result;
    expect(epoch).toBe(told.seq);
    expect(model.epochs.every((earlier) => earlier < epoch)).toBe(true);
    model.epochs.push(epoch);
    const expiresAtMs = Math.min(fleet.nowMs + ttlMs, offer.expiresAtMs);
    model.leases.push({ name, agent: who, epoch, units, expiresAtMs });
  }
}

function use(fleet: Fleet, model: Model, step: Extract<Step, { do: "renew" | "return" }>) {
  const { who, name, pick, ttlMs } = step;
  const epoch = model.epochs[pick % Math.max(1, model.epochs.length)] ?? 1;
  const told =
    step.do === "renew"
      ? fleet.send(who, { type: "resource.reserve", name, epoch, ttlMs })
      : fleet.send(who, { type: "resource.return", name, epoch });
  const offer = model.offers.get(name);
  const lease = model.leases.find((one) => one.name === name && one.epoch === epoch);
  if (offer === undefined) expect(told.refused).toBe("resource.unknown");
  else if (lease === undefined) expect(told.rejection).toMatchObject({ code: "resource.stale", epoch });
  else if (lease.agent !== who) expect(told.rejection).toMatchObject({ holder: lease.agent });
  else if (step.do === "return") model.leases = model.leases.filter((one) => one !== lease);
  else {
    lease.expiresAtMs = Math.min(fleet.nowMs + ttlMs, offer.expiresAtMs);
    expect(told.result).toMatchObject({ epoch, units: lease.units, expiresAtMs: lease.expiresAtMs });
  }
}

function take(fleet: Fleet, model: Model, step: Step) {
  switch (step.do) {
    case "offer":
      return offer(fleet, model, step);
    case "reserve":
      return reserve(fleet, model, step);
    case "renew":
    case "return":
      return use(fleet, model, step);
    case "wait":
      fleet.tick(step.ms);
      return model.settle(fleet.nowMs);
    case "join":
      fleet.join(step.who);
      return;
    case "leave":
      if (fleet.send(step.who, { type: "agent.leave" }).seq === 0) return;
      for (const [name, { agent }] of [...model.offers]) if (agent === step.who) model.drop(name);
      return;
    case "withdraw": {
      const { who, name } = step;
      const agent = model.offers.get(name)?.agent;
      const told = fleet.send(who, { type: "resource.withdraw", name });
      if (agent === undefined) expect(told.refused).toBe("resource.unknown");
      else expect(told.refused).toBe(agent === who ? undefined : "resource.not-yours");
      if (agent === who) model.drop(name);
    }
  }
}

describe("resources", () => {
  it("are what a model of lists says, after any sequence of commands and times", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 50 }), (steps) => {
        const fleet = new Fleet();
        const model = new Model();
        for (const name of NAMES) fleet.join(name);
        for (const step of steps) {
          take(fleet, model, step);
          const listed = fleet.ask("ann", "resources.list").items;
          expect(listed).toHaveLength(model.offers.size);
          for (const { name, agent, capacity, free, expiresAtMs, reservations } of listed) {
            expect(free).toBeGreaterThanOrEqual(0);
            expect({ agent, capacity, expiresAtMs }).toEqual(model.offers.get(name));
            expect(capacity - free).toBe(model.used(name));
            expect(reservations.map(({ epoch }: Lease) => epoch)).toEqual(
              model.leases.filter((lease) => lease.name === name).map(({ epoch }) => epoch),
            );
          }
        }
        const { holdings, offers } = fleet.state.resources;
        for (const name of NAMES) {
          const held = model.leases.filter(({ agent }) => agent === name).length;
          expect(holdings.get(name) ?? 0).toBe(held);
          const offered = [...model.offers].filter(([, { agent }]) => agent === name).length;
          expect(offers.get(name)?.length ?? 0).toBe(offered);
        }
        fleet.verify("resources");
      }),
      { numRuns: 150 },
    );
  });
});
