/** Fingerprints: stable for ever, blind to the order of keys, sharp for everything else. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fingerprint } from "../../core/protocol/fingerprint.ts";
import { json } from "../properties/arbitrary.ts";

/** The same value with every object's keys in another order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  );
}

describe("fingerprint", () => {
  it("stands in logs and so must never change", () => {
    const command = {
      type: "claim.acquire",
      claim: "TASK-1",
      scope: { paths: ["src/auth/**"] },
      ttlMs: 900_000,
      shared: false,
    };
    expect(fingerprint(command)).toBe("yH5b04YHfOU");
    expect(fingerprint({ type: "x", list: [null, 0.1, -5, "日本🦀", {}, []] })).toBe("AmstxRPSDYE");
    expect(fingerprint({})).toBe("gJgzBXcBovk");
  });

  it("values that look alike differ", () => {
    const values: readonly unknown[] = [
      1,
      "1",
      true,
      null,
      [],
      {},
      [[]],
      [{}],
      "",
      "true",
      "null",
      0,
      false,
      -1,
      1.5,
      2 ** 32,
      2 ** 32 + 1,
      [1],
      ["1"],
      [1, 2],
      [2, 1],
      [12],
      [[1], 2],
      [1, [2]],
      [[1, 2]],
      { a: 1 },
      { a: "1" },
      { b: 1 },
      { a: 1, b: 1 },
      { a: { b: 1 } },
      { a: [1] },
      { a: {} },
      { a: [] },
      { a: null },
      { a: 1, b: 2 },
      { a: 2, b: 1 },
      { a: { x: 1 }, b: { y: 2 } },
      { a: { y: 2 }, b: { x: 1 } },
      "a",
      "b",
      "aa",
      "a\u0000",
      "ab",
      "ba",
      "abc",
      "abcd",
      [{ a: 1 }, { b: 2 }],
      [{ b: 2 }, { a: 1 }],
      [{ a: 1, b: 2 }],
      { ab: "c" },
      { a: "bc" },
      { "": 1 },
      { 1: "" },
    ];
    const prints = values.map((value) => fingerprint({ value }));
    expect(new Set(prints).size).toBe(values.length);
    for (const print of prints) expect(print).toMatch(/^[A-Za-z0-9_-]{11}$/);
  });

  it("an undefined field is absent, -0 is 0", () => {
    expect(fingerprint({ a: 1, b: undefined })).toBe(fingerprint({ a: 1 }));
    expect(fingerprint({ a: -0 })).toBe(fingerprint({ a: 0 }));
  });

  it("does not depend on the order of keys, nor on what was asked before", () => {
    fc.assert(
      fc.property(json, json, (value, other) => {
        const print = fingerprint({ value });
        fingerprint({ other });
        expect(fingerprint(reversed({ value }) as object)).toBe(print);
        expect(fingerprint(JSON.parse(JSON.stringify({ value })))).toBe(print);
      }),
    );
  });

  it("tells different values apart", () => {
    fc.assert(
      fc.property(json, json, (one, two) => {
        const canonical = (value: unknown) =>
          JSON.stringify(value, (_, item) =>
            typeof item === "object" && item !== null && !Array.isArray(item)
              ? Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))
              : item,
          );
        fc.pre(canonical(one) !== canonical(two));
        expect(fingerprint({ value: one })).not.toBe(fingerprint({ value: two }));
      }),
    );
  });

  it("200,000 commands that differ by a counter share no fingerprint, and hardly half of one", () => {
    const prints = new Set<string>();
    for (let i = 0; i < 200_000; i++)
      prints.add(fingerprint({ type: "claim.acquire", claim: `T-${i % 1000}`, ttlMs: i }));
    expect(prints.size).toBe(200_000);
    // A birthday among 32 bits gives about 5 pairs; a broken lane gives thousands.
    for (const half of [(p: string) => p.slice(0, 5), (p: string) => p.slice(6)]) {
      expect(new Set([...prints].map(half)).size).toBeGreaterThan(199_900);
    }
  });
});
