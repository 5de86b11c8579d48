/** KeyMap against a native Map: contents, persistence, edits, order, and keys made to collide. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Collisions, dropCollision, putCollision } from "../../core/model/collisions.ts";
import { Edit, KeyMap } from "../../core/model/map.ts";
import { hashOf } from "../../core/model/trie.ts";

/**
 * `2 ** blocks` keys of one hash, as an attacker builds them: two blocks that take the hash from a start to the
 * same place are interchangeable, so each further block doubles the number.
 */
function collidingKeys(blocks: number): string[] {
  const width = 7;
  let keys = [""];
  for (let block = 0; block < blocks; block++) {
    const rest = "0".repeat((blocks - block - 1) * width);
    const seen = new Map<number, string>();
    for (let i = 1; ; i++) {
      // Scattered, because the hash tells short neighbours apart by construction.
      const text = ((i * 48_271 * 69_621) % 36 ** width).toString(36).padStart(width, "0");
      const hash = hashOf(keys[0] + text + rest);
      const other = seen.get(hash);
      if (other !== undefined) {
        keys = keys.flatMap((key) => [key + other, key + text]);
        break;
      }
      seen.set(hash, text);
    }
  }
  return keys;
}

const colliding = collidingKeys(7);
const hostile = [
  "__proto__",
  "constructor",
  "prototype",
  "hasOwnProperty",
  "toString",
  "",
  "0",
  "-1",
  "é",
  "\ud800",
];

const key = fc.oneof(
  { weight: 4, arbitrary: fc.nat(400).map((n) => `claim-${n}`) },
  { weight: 3, arbitrary: fc.constantFrom(...colliding.slice(0, 24)) },
  { weight: 1, arbitrary: fc.constantFrom(...hostile) },
  { weight: 1, arbitrary: fc.string() },
);
const value = fc.oneof(fc.nat(5), fc.constantFrom(undefined, null, Number.NaN));

/** A step: set or delete, without an edit (0) or under one of two, on the newest map or on an earlier one. */
const step = fc.record({
  op: fc.constantFrom("set", "set", "set", "delete", "delete", "iterate"),
  key,
  value,
  edit: fc.constantFrom(0, 1, 1, 1, 2, 2),
  back: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(20) }),
});
const steps = fc.array(step, { maxLength: 250, size: "max" });

function content<V>(map: Iterable<[string, V]>): [string, V][] {
  return [...map].sort((a, b) => (a[0] < b[0] ? -1 : 1));
}

function expectSame(map: KeyMap<unknown>, model: Map<string, unknown>): void {
  expect(map.size).toBe(model.size);
  expect(content(map)).toEqual(content(model));
  for (const [k, v] of model) if (!map.has(k) || !Object.is(map.get(k), v)) expect.fail(`${k} differs`);
}

/** How many branches and collisions a map has, by its private fields. */
function nodesIn(map: object): number {
  const count = (node: unknown): number => {
    const slots = (node as { slots?: unknown[] }).slots;
    if (slots === undefined) return 1;
    return slots
      .filter((slot) => typeof slot === "object")
      .reduce<number>((sum, slot) => sum + count(slot), 1);
  };
  return count((map as { root?: unknown }).root);
}

function expectBalanced(tree: Collisions | undefined): void {
  if (tree === undefined) return;
  const [left, right] = [(tree.left?.size ?? 0) + 1, (tree.right?.size ?? 0) + 1];
  if (left + right > 3 && (left > 3 * right || right > 3 * left)) expect.fail(`${left} beside ${right}`);
  expectBalanced(tree.left);
  expectBalanced(tree.right);
}

describe("KeyMap", () => {
  it("does what a Map does, whatever the keys", () => {
    fc.assert(
      fc.property(steps, (all) => {
        let map = KeyMap.empty<unknown>();
        const model = new Map<string, unknown>();
        for (const { op, key: k, value: v } of all) {
          if (op === "set") {
            map = map.set(k, v);
            model.set(k, v);
          } else {
            map = map.delete(k);
            model.delete(k);
          }
          expect(map.get(k)).toBe(model.get(k));
          expect(map.has(k)).toBe(model.has(k));
          expect(map.size).toBe(model.size);
        }
        expectSame(map, model);
      }),
      { numRuns: 200 },
    );
  });

  it("changes in place only what the same edit has created and nothing else can see", () => {
    // Every map made is kept with what it should hold. A step under an edit may change its map and those that are
    // the same object; every other one must stay, whichever edits its relatives see later.
    fc.assert(
      fc.property(steps, (all) => {
        const edits = [undefined, new Edit(), new Edit()];
        const born = new Map<KeyMap<unknown>, Edit | undefined>([[KeyMap.empty(), undefined]]);
        const models = new Map<KeyMap<unknown>, Map<string, unknown>>([[KeyMap.empty(), new Map()]]);
        const made: KeyMap<unknown>[] = [KeyMap.empty()];
        for (const { op, key: k, value: v, edit, back } of all) {
          const from = made[Math.max(0, made.length - 1 - back)] as KeyMap<unknown>;
          const model = new Map(models.get(from));
          if (op === "iterate") {
            from.keys();
            born.set(from, undefined);
            continue;
          }
          const leave = edits[edit];
          const next = op === "set" ? from.set(k, v, leave) : from.delete(k, leave);
          const same = op === "set" ? model.has(k) && Object.is(model.get(k), v) : !model.has(k);
          if (op === "set") model.set(k, v);
          else model.delete(k);
          if (same) expect(next).toBe(from);
          if (next === from && !same) expect(leave !== undefined && born.get(from) === leave).toBe(true);
          // The empty map is always the same one and has nothing in common with where it came from.
          if (next !== from && next.size > 0) born.set(from, undefined).set(next, leave);
          models.set(next, model);
          made.push(next);
        }
        for (const [map, model] of models) expectSame(map, model);
      }),
      { numRuns: 300 },
    );
  });

  it("keeps a snapshot taken between two edits, and both of two interleaved ones", () => {
    const [a, b] = [new Edit(), new Edit()];
    let one = KeyMap.empty<number>();
    for (let i = 0; i < 500; i++) one = one.set(`k${i}`, i, a);
    const snapshot = one;
    let two = snapshot.set("k0", -1, b);
    const plain = snapshot.set("k1", -1);
    for (let i = 0; i < 500; i++) {
      two = two.set(`k${i}`, -i - 2, b);
      one = one.set(`k${i}`, i + 1000, a);
      two = two.delete(`k${(i * 7) % 500}`, b);
    }
    for (let i = 0; i < 500; i++) {
      expect(snapshot.get(`k${i}`)).toBe(i);
      expect(plain.get(`k${i}`)).toBe(i === 1 ? -1 : i);
      expect(one.get(`k${i}`)).toBe(i + 1000);
    }
    expect(snapshot.size).toBe(500);
  });

  it("changes in place under an edit", () => {
    const edit = new Edit();
    for (const size of [3, 8, 9, 2000]) {
      const map = KeyMap.from<number>(
        Array.from({ length: size }, (_, i): [string, number] => [`k${i}`, i]),
        edit,
      );
      expect(map.set("k1", -1, edit)).toBe(map);
      expect(map.set("new", 1, edit)).toBe(map);
      expect(map.delete("k0", edit)).toBe(map);
      expect(map.get("k1")).toBe(-1);
      expect(map.size).toBe(size);
    }
  });

  it("iterates over what was there when it was asked to", () => {
    for (const size of [5, 8, 9, 300]) {
      const edit = new Edit();
      let map = KeyMap.empty<number>();
      for (let i = 0; i < size; i++) map = map.set(`k${i}`, i, edit);
      let seen = 0;
      for (const k of map.keys()) {
        map = map.delete(k, edit).set(`later-${k}`, 0, edit);
        seen++;
      }
      expect(seen).toBe(size);
      map.forEach((_, k) => {
        map = map.delete(k, edit);
      });
      expect(map.size).toBe(0);
    }
  });

  it("iterates in an order that depends on the contents alone", () => {
    const pairs = fc.uniqueArray(key, { maxLength: 120, size: "max" });
    fc.assert(
      fc.property(
        pairs,
        fc.array(key, { maxLength: 60 }),
        fc.infiniteStream(fc.nat()),
        (keys, passing, random) => {
          const plain = KeyMap.from(keys.map((k): [string, string] => [k, k]));
          const edit = new Edit();
          const shuffled = keys.map((k) => [random.next().value, k] as const).sort((a, b) => a[0] - b[0]);
          let other = KeyMap.empty<string>();
          for (const k of passing) other = other.set(k, "passing", edit);
          for (const [n, k] of shuffled) other = other.set(k, k, n % 2 === 0 ? edit : undefined);
          for (const k of passing) if (!keys.includes(k)) other = other.delete(k, edit);
          expect([...other]).toEqual([...plain]);
          expect([...other.keys()]).toEqual([...plain.keys()]);
          expect([...other.values()]).toEqual([...other.keys()]);
          const visited: string[] = [];
          other.forEach((_, k) => {
            visited.push(k);
          });
          expect(visited).toEqual([...plain.keys()]);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("stays small and quick when all hashes are equal", () => {
    const keys = collidingKeys(12);
    expect(new Set(keys).size).toBe(4096);
    expect(new Set(keys.map(hashOf)).size).toBe(1);
    const started = performance.now();
    let map = KeyMap.from(keys.map((k, i): [string, number] => [k, i]));
    const full = map;
    expect(map.size).toBe(4096);
    expect(keys.every((k, i) => map.get(k) === i)).toBe(true);
    expect([...map.keys()]).toEqual([...keys].sort());
    for (const k of keys) {
      map = map.delete(k);
      if (map.has(k)) expect.fail("still there");
    }
    expect(map).toBe(KeyMap.empty());
    expect(full.size).toBe(4096);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it("forgets a collision that is over", () => {
    const others = Array.from({ length: 20 }, (_, i): [string, string] => [`k${i}`, ""]);
    for (const stays of colliding.slice(0, 5)) {
      const plain = KeyMap.from([...others, [stays, ""]]);
      let other = KeyMap.from([...colliding.map((k): [string, string] => [k, ""]), ...others]);
      for (const k of colliding) if (k !== stays) other = other.delete(k);
      expect([...other.keys()]).toEqual([...plain.keys()]);
      expect(nodesIn(other)).toBe(nodesIn(plain));
    }
  });

  it("keeps colliding keys in balance", () => {
    const keys = Array.from({ length: 2000 }, (_, i) => String(i).padStart(4, "0"));
    fc.assert(
      fc.property(
        fc.constantFrom(keys, keys.toReversed()),
        fc.array(fc.constantFrom(...keys)),
        (order, gone) => {
          let tree: Collisions | undefined;
          for (const k of order) tree = putCollision(tree, k, k);
          expectBalanced(tree);
          for (const k of [...gone, ...order.slice(0, 1200)]) tree = dropCollision(tree, k);
          expectBalanced(tree);
        },
      ),
      { numRuns: 10 },
    );
  });

  it("shares the empty map and leaves it empty", () => {
    const edit = new Edit();
    const one = KeyMap.empty<number>().set("a", 1, edit);
    expect(one.delete("a", edit).size).toBe(0);
    expect(one.set("a", 1).delete("a")).toBe(KeyMap.empty());
    expect(KeyMap.empty().size).toBe(0);
    expect([...KeyMap.empty()]).toEqual([]);
  });

  it("hashes common keys about as evenly as chance would", () => {
    const families: ((n: number) => string)[] = [
      (n) => `claim-${n}`,
      (n) => `src/module${n % 97}/file${n}.ts`,
      (n) =>
        String.fromCharCode(
          0x4e00 + (n & 127) * 128,
          0x4e00 + ((n >> 7) & 127) * 128,
          0x4e00 + (n >> 14) * 128,
        ),
      (n) => `${"x".repeat(n % 150)}${n}`,
    ];
    for (const family of families) {
      const hashes = new Set<number>();
      for (let n = 0; n < 100_000; n++) hashes.add(hashOf(family(n)));
      // Chance gives one pair in 100,000 hashes of 32 bits.
      expect(hashes.size).toBeGreaterThan(99_950);
    }
  });
});
