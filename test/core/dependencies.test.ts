/**
 * The algebra of the task graph, against a dumb version of it.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limits } from "../../core/limits.ts";
import { cycleThrough, type Edges, isReady, rankOf, settles } from "../../core/model/dependencies.ts";

interface Node {
  dependsOn: readonly string[];
  parent: string | undefined;
}

function edgesOf(nodes: ReadonlyMap<string, Node>): Edges {
  const having = (test: (node: Node) => boolean) =>
    [...nodes].filter(([, node]) => test(node)).map(([id]) => id);
  return {
    dependencies: (id) => nodes.get(id)?.dependsOn ?? [],
    dependents: (id) => having((node) => node.dependsOn.includes(id)),
    children: (id) => having((node) => node.parent === id),
    parent: (id) => nodes.get(id)?.parent,
  };
}

/** Whether each waits for the next, first to last. */
function waits(nodes: ReadonlyMap<string, Node>, from: string, to: string): boolean {
  return nodes.get(from)?.dependsOn.includes(to) === true || nodes.get(to)?.parent === from;
}

/** Whether anything waits for itself, found by walking from everywhere. */
function hasCycle(nodes: ReadonlyMap<string, Node>): boolean {
  const ids = new Set([...nodes].flatMap(([id, { dependsOn, parent }]) => [id, ...dependsOn, parent ?? id]));
  for (const start of ids) {
    const seen = new Set<string>();
    const stack = [...ids].filter((id) => waits(nodes, start, id));
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      if (id === start) return true;
      if (seen.has(id)) continue;
      seen.add(id);
      const at = id;
      stack.push(...[...ids].filter((other) => waits(nodes, at, other)));
    }
  }
  return false;
}

const ids = fc.constantFrom(..."abcdefgh");
const declarations = fc.array(
  fc.record({
    id: ids,
    dependsOn: fc.uniqueArray(ids, { maxLength: 3 }),
    parent: fc.option(ids, { nil: undefined }),
  }),
  { minLength: 1, maxLength: 20 },
);

describe("cycles", () => {
  test("TA3: a declaration or amendment is refused if and only if something would wait for itself", () => {
    fc.assert(
      fc.property(declarations, (all) => {
        const nodes = new Map<string, Node>();
        for (const { id, dependsOn, parent } of all) {
          const cycle = cycleThrough(edgesOf(nodes), id, dependsOn, parent);
          const wanted = new Map(nodes).set(id, { dependsOn, parent });
          expect(cycle !== undefined).toBe(hasCycle(wanted));
          if (cycle === undefined) {
            nodes.set(id, { dependsOn, parent });
            continue;
          }
          expect([cycle[0], cycle.at(-1)]).toEqual([id, id]);
          expect(new Set(cycle).size).toBe(cycle.length - 1);
          for (const [i, from] of cycle.slice(0, -1).entries()) {
            expect(waits(wanted, from, cycle[i + 1] as string)).toBe(true);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("TA3: a cycle of two is found among many who wait, and among many who are waited for", () => {
    const many = Array.from({ length: 20 }, (_, i) => `t${i}`);
    const waiting = new Map(many.map((id) => [id, { dependsOn: ["new"], parent: undefined }]));
    expect(cycleThrough(edgesOf(waiting), "new", ["t19"], undefined)).toEqual(["new", "t19", "new"]);
    const parts = new Map(many.map((id) => [id, { dependsOn: [], parent: "new" }]));
    expect(cycleThrough(edgesOf(parts), "new", [...many, "root"], "root")).toEqual(["new", "root", "new"]);
    const deep = new Map(many.map((id, i) => [id, { dependsOn: [`t${i + 1}`], parent: undefined }]));
    expect(cycleThrough(edgesOf(deep), "t20", ["t0"], undefined)).toHaveLength(22);
  });

  test("what few refer to is found out quickly, however much lies on the other side", () => {
    let asked = 0;
    const wide = Array.from({ length: 100_000 }, (_, i) => `t${i}`);
    const counting = function* (of: readonly string[]) {
      for (const id of of) {
        asked += 1;
        yield id;
      }
    };
    const edges: Edges = {
      dependencies: () => [],
      dependents: (id) => counting(id === "root" ? wide : []),
      children: () => [],
      parent: () => undefined,
    };
    // Nobody refers to the new task; the hundred thousand that depend on `root` need not be looked at.
    expect(cycleThrough(edges, "new", ["root"], undefined)).toBeUndefined();
    // And `root` itself, which waits for nothing but one leaf, need not look at those that wait for it.
    expect(cycleThrough(edges, "other", ["leaf"], "root")).toBeUndefined();
    expect(asked).toBeLessThan(10);
  });
});

test("TA5: the rank orders by priority, then by place, over the whole range", () => {
  const tasks = fc.record({
    priority: fc.oneof(
      fc.integer({ min: -3, max: 3 }),
      fc.constantFrom(-limits.priorityMax, limits.priorityMax),
    ),
    place: fc.oneof(fc.nat(5), fc.nat(2 ** 30)),
  });
  fc.assert(
    fc.property(tasks, tasks, (a, b) => {
      const before = a.priority !== b.priority ? a.priority > b.priority : a.place < b.place;
      expect(rankOf(a.priority, a.place) < rankOf(b.priority, b.place)).toBe(before);
      expect(Number.isSafeInteger(rankOf(a.priority, a.place))).toBe(true);
    }),
  );
});

test("TA9: children settle their parent when none is open or failed and one is done", () => {
  expect(settles({ unfinished: 0, done: 1, failed: 0 })).toBe(true);
  expect(settles({ unfinished: 0, done: 0, failed: 0 })).toBe(false);
  expect(settles({ unfinished: 1, done: 1, failed: 0 })).toBe(false);
  expect(settles({ unfinished: 0, done: 1, failed: 1 })).toBe(false);
});

test("TA5: ready is open, free, and waits for nothing", () => {
  const ready = { status: "open", unmet: 0, unfinishedChildren: 0, claimed: false } as const;
  expect(isReady(ready)).toBe(true);
  expect(isReady({ ...ready, status: "blocked" })).toBe(false);
  expect(isReady({ ...ready, unmet: 1 })).toBe(false);
  expect(isReady({ ...ready, unfinishedChildren: 1 })).toBe(false);
  expect(isReady({ ...ready, claimed: true })).toBe(false);
});
