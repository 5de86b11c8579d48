/** SeqMap against a native Map: contents, order, ranges, persistence, edits, and what remains after deletion. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Edit } from "../../core/model/map.ts";
import { SeqMap } from "../../core/model/seq-map.ts";

const MAX = Number.MAX_SAFE_INTEGER;
const seq = fc.oneof(
  { weight: 4, arbitrary: fc.nat(100) },
  { weight: 2, arbitrary: fc.nat(200).map((n) => 1_000_000 + n) },
  { weight: 1, arbitrary: fc.nat(40).map((n) => n * 1_000_003) },
  { weight: 1, arbitrary: fc.nat(52).map((n) => 2 ** n) },
  { weight: 1, arbitrary: fc.nat(70).map((n) => MAX - n) },
  { weight: 1, arbitrary: fc.maxSafeNat() },
);
const value = fc.oneof(fc.nat(5), fc.constantFrom(undefined, null, Number.NaN));
const step = fc.record({
  op: fc.constantFrom("set", "set", "set", "delete", "deleteFirst", "iterate"),
  seq,
  value,
  edit: fc.constantFrom(0, 1, 1, 1, 2, 2),
  back: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(20) }),
});
const steps = fc.array(step, { maxLength: 250, size: "max" });

function sorted(model: Map<number, unknown>): [number, unknown][] {
  return [...model].sort((a, b) => a[0] - b[0]);
}

function expectSame(map: SeqMap<unknown>, model: Map<number, unknown>): void {
  const pairs = sorted(model);
  expect(map.size).toBe(model.size);
  expect([...map.entries()]).toEqual(pairs);
  expect([...map.keys()]).toEqual(pairs.map(([s]) => s));
  expect([...map.values()]).toEqual(pairs.map(([, v]) => v));
  expect([...map.downFrom()]).toEqual(pairs.toReversed());
  expect(map.first()).toEqual(pairs[0]);
  expect(map.last()).toEqual(pairs.at(-1));
  for (const [s, v] of pairs) if (!map.has(s) || !Object.is(map.get(s), v)) expect.fail(`${s} differs`);
}

interface Shown {
  unit: number;
  base: number;
  slots: unknown[];
}

/** Every node of a map, by its private fields. */
function nodesOf(map: object): Shown[] {
  const found: Shown[] = [];
  const walk = (node: Shown | undefined): void => {
    if (node === undefined) return;
    found.push(node);
    if (node.unit > 1) for (const child of node.slots) walk(child as Shown);
  };
  walk((map as { root?: Shown }).root);
  return found;
}

describe("SeqMap", () => {
  it("does what a sorted Map does", () => {
    fc.assert(
      fc.property(steps, fc.array(seq, { maxLength: 20 }), (all, probes) => {
        let map = SeqMap.empty<unknown>();
        const model = new Map<number, unknown>();
        for (const { op, seq: s, value: v } of all) {
          const key = op === "deleteFirst" ? (map.first()?.[0] ?? 0) : s;
          if (op === "set") {
            map = map.set(key, v);
            model.set(key, v);
          } else {
            map = map.delete(key);
            model.delete(key);
          }
          expect(map.get(key)).toBe(model.get(key));
          expect(map.has(key)).toBe(model.has(key));
          expect(map.size).toBe(model.size);
        }
        expectSame(map, model);
        const pairs = sorted(model);
        for (const probe of [...probes, ...probes.map((p) => p + 0.5), -1, MAX, Number.POSITIVE_INFINITY]) {
          expect([...map.from(probe)]).toEqual(pairs.filter(([s]) => s >= probe));
          expect([...map.downFrom(probe)]).toEqual(pairs.filter(([s]) => s <= probe).reverse());
          expect(map.has(probe)).toBe(model.has(probe));
          expect(map.get(probe)).toBe(model.get(probe));
        }
      }),
      { numRuns: 200 },
    );
  });

  it("changes in place only what the same edit has created and nothing else can see", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const edits = [undefined, new Edit(), new Edit()];
        const born = new Map<SeqMap<unknown>, Edit | undefined>([[SeqMap.empty(), undefined]]);
        const models = new Map<SeqMap<unknown>, Map<number, unknown>>([[SeqMap.empty(), new Map()]]);
        const made: SeqMap<unknown>[] = [SeqMap.empty()];
        for (const { op, seq: s, value: v, edit, back } of all) {
          const from = made[Math.max(0, made.length - 1 - back)] as SeqMap<unknown>;
          const model = new Map(models.get(from));
          if (op === "iterate") {
            from.from(s);
            born.set(from, undefined);
            continue;
          }
          const leave = edits[edit];
          const key = op === "deleteFirst" ? (from.first()?.[0] ?? 0) : s;
          const next = op === "set" ? from.set(key, v, leave) : from.delete(key, leave);
          const same = op === "set" ? model.has(key) && Object.is(model.get(key), v) : !model.has(key);
          if (op === "set") model.set(key, v);
          else model.delete(key);
          if (same) expect(next).toBe(from);
          if (next === from && !same) expect(leave !== undefined && born.get(from) === leave).toBe(true);
          // The empty map is always the same one and has nothing in common with where it came from.
          if (next !== from && next.size > 0) born.set(from, undefined).set(next, leave);
          models.set(next, model);
          made.push(next);
        }
        for (const [map, model] of models) expectSame(map, model);
      }),
      { numRuns: 200 },
    );
  });

  it("keeps a snapshot taken between two edits", () => {
    const [a, b] = [new Edit(), new Edit()];
    let one = SeqMap.empty<number>();
    for (let i = 1; i <= 3000; i++) one = one.set(i, i, a);
    const snapshot = one;
    let two = snapshot.set(1, -1, b);
    for (let i = 1; i <= 3000; i++) {
      one = one.set(i, 0, a);
      two = two.delete(i, b);
    }
    expect([...snapshot.values()]).toEqual(Array.from({ length: 3000 }, (_, i) => i + 1));
    expect(two.size).toBe(0);
    expect(one.size).toBe(3000);
  });

  it("changes in place under an edit", () => {
    const edit = new Edit();
    const map = SeqMap.from<number>(
      Array.from({ length: 2000 }, (_, i): [number, number] => [i, i]),
      edit,
    );
    expect(map.set(7, -1, edit)).toBe(map);
    expect(map.set(5_000_000, 1, edit)).toBe(map);
    expect(map.delete(0, edit)).toBe(map);
    expect(map.size).toBe(2000);
  });

  it("iterates over what was there when it was asked to", () => {
    const edit = new Edit();
    let map = SeqMap.empty<number>();
    for (let i = 0; i < 300; i++) map = map.set(i, i, edit);
    let seen = 0;
    for (const [s] of map.entries()) {
      map = map.delete(s, edit).set(1000 + s, 0, edit);
      seen++;
    }
    expect(seen).toBe(300);
    for (const [s] of map.downFrom()) map = map.delete(s, edit);
    expect(map.size).toBe(0);
  });

  it("keeps nothing of what slid out at the front", () => {
    const edit = new Edit();
    let map = SeqMap.empty<number>();
    for (let i = 1; i <= 100_000; i++) {
      map = map.set(i, i, i % 100 === 0 ? undefined : edit);
      if (map.size > 100) map = map.delete((map.first() as [number, number])[0], edit);
    }
    expect(map.first()?.[0]).toBe(99_901);
    expect(nodesOf(map).length).toBeLessThanOrEqual(8);
  });

  it("has the same nodes whichever way the contents came about, none of them idle", () => {
    fc.assert(
      fc.property(fc.uniqueArray(seq, { maxLength: 80, size: "max" }), fc.array(seq), (keys, passing) => {
        const edit = new Edit();
        const plain = SeqMap.from(keys.map((s): [number, number] => [s, s]));
        let other = SeqMap.from(passing.map((s): [number, number] => [s, s]));
        for (const s of keys.toReversed()) other = other.set(s, s, edit);
        for (const s of passing) if (!keys.includes(s)) other = other.delete(s);
        const shape = (map: SeqMap<number>) =>
          nodesOf(map).map(({ base, unit, slots }) => [base, unit, slots.length]);
        expect(shape(other)).toEqual(shape(plain));
        for (const { unit, slots } of nodesOf(plain)) expect(slots.length).toBeGreaterThan(unit > 1 ? 1 : 0);
      }),
    );
  });

  it("refuses what is no key, and finds nothing under it", () => {
    for (const bad of [-1, 0.5, Number.NaN, MAX + 1, Number.POSITIVE_INFINITY]) {
      expect(() => SeqMap.empty<number>().set(bad, 1)).toThrow(/SeqMap/);
      expect(SeqMap.from([[0, 1]]).get(bad)).toBe(undefined);
      expect(SeqMap.from([[0, 1]]).delete(bad).size).toBe(1);
    }
    expect([...SeqMap.from([[0, 1]]).from(Number.NaN)]).toEqual([]);
  });
});
