/** The wire check: every bound and format of a shape, and where a problem says it is. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limits } from "../../core/limits.ts";
import { patternProblem } from "../../core/model/scopes.ts";
import * as s from "../../core/model/shape.ts";
import { fitsUtf8, utf8Length } from "../../core/protocol/formats.ts";
import { toJsonSchema } from "../../core/protocol/json-schema.ts";
import { compile } from "../../core/protocol/schema.ts";
import { arbitrary, corrupt } from "../properties/arbitrary.ts";

const example = s.object({
  claim: s.string("id", 200),
  scope: s.optional(
    s.object({
      worktree: s.optional(s.string("line", 1024)),
      paths: s.optional(s.list(s.string("pattern", 1024), 512, 1)),
    }),
  ),
  ttlMs: s.optional(s.integer(1000, 86_400_000)),
  priority: s.optional(s.integer(-100, 100)),
  shared: s.optional(s.boolean),
  outcome: s.optional(s.choice("done", "failed")),
  kind: s.optional(s.openChoice("chat", "notice")),
  to: s.optional(s.union(s.string("name", 200), s.list(s.string("name", 200), 64, 1))),
  body: s.optional(s.bytes("text", 64)),
  meta: s.optional(s.free(256)),
});
const check = compile(example);

describe("what passes and what does not", () => {
  const cases: readonly [shape: s.Shape, value: unknown, at: string | undefined][] = [
    [example, { claim: "TASK-1" }, undefined],
    [example, { claim: "TASK-1", scope: { paths: ["src/**", "a/{b,c}/[de].ts"] }, shared: false }, undefined],
    [example, {}, "claim"],
    [example, { claim: undefined }, "claim"],
    [example, { claim: "a", shared: undefined }, "shared"],
    [example, { claim: "a", nonsense: 1 }, "nonsense"],
    [example, { claim: "a", "x/y~": 1 }, "x~1y~0"],
    [example, { claim: "a", toString: 1 }, "toString"],
    [example, { claim: "a", constructor: 1 }, "constructor"],
    [example, JSON.parse('{"claim":"a","__proto__":{"shared":true}}'), "__proto__"],
    [example, Object.create({ claim: "a" }), ""],
    [
      example,
      new (class {
        claim = "a";
      })(),
      "",
    ],
    [example, [], ""],
    [example, null, ""],
    [example, "x", ""],
    [example, new Date(), ""],
    [example, new Map(), ""],
    [example, Object.assign(Object.create(null), { claim: "a" }), undefined],
    [example, { claim: "a", scope: { paths: ["a", "b", "c", 4] } }, "scope/paths/3"],
    [example, { claim: "a", scope: { paths: [] } }, "scope/paths"],
    [example, { claim: "a", scope: { paths: new Array(513).fill("a") } }, "scope/paths"],
    // biome-ignore lint/suspicious/noSparseArray: that is the case
    [example, { claim: "a", scope: { paths: ["a", , "b"] } }, "scope/paths/1"],
    [example, { claim: "a", scope: { paths: ["src/[ab"] } }, "scope/paths/0"],
    [example, { claim: "a", scope: { paths: ["src/{a,b"] } }, "scope/paths/0"],
    [example, { claim: "a", scope: { paths: ["*/../a"] } }, "scope/paths/0"],
    [example, { claim: "a", scope: { paths: ["a\nb"] } }, "scope/paths/0"],
    [example, { claim: "a", scope: { paths: ["x".repeat(1025)] } }, "scope/paths/0"],
    [example, { claim: "a", ttlMs: 1000 }, undefined],
    [example, { claim: "a", ttlMs: 999 }, "ttlMs"],
    [example, { claim: "a", ttlMs: 86_400_001 }, "ttlMs"],
    [example, { claim: "a", ttlMs: 1000.5 }, "ttlMs"],
    [example, { claim: "a", ttlMs: "1000" }, "ttlMs"],
    [example, { claim: "a", ttlMs: true }, "ttlMs"],
    [example, { claim: "a", ttlMs: Number.NaN }, "ttlMs"],
    [example, { claim: "a", ttlMs: 5000n }, "ttlMs"],
    [example, { claim: "a", priority: 0 }, undefined],
    [example, { claim: "a", priority: -0 }, "priority"],
    [s.integer(0), 2 ** 53 - 1, undefined],
    [s.integer(0, 2 ** 60), 2 ** 53, ""],
    [s.integer(-5), Number.NEGATIVE_INFINITY, ""],
    [example, { claim: "a", shared: 1 }, "shared"],
    [example, { claim: "a", shared: null }, "shared"],
    [example, { claim: "a", outcome: "done" }, undefined],
    [example, { claim: "a", outcome: "x-done" }, "outcome"],
    [example, { claim: "a", kind: "x-mine" }, undefined],
    [example, { claim: "a", kind: "x-" }, "kind"],
    [example, { claim: "a", kind: `x-${"y".repeat(62)}` }, undefined],
    [example, { claim: "a", kind: `x-${"y".repeat(63)}` }, "kind"],
    [example, { claim: "a", kind: "x-a\u001b" }, "kind"],
    [example, { claim: "a", to: "bob" }, undefined],
    [example, { claim: "a", to: ["bob", "eve"] }, undefined],
    [example, { claim: "a", to: ["bob", "all"] }, "to/1"],
    [example, { claim: "a", to: 1 }, "to"],
    [example, { claim: "a", body: "é".repeat(32) }, undefined],
    [example, { claim: "a", body: "é".repeat(33) }, "body"],
    [example, { claim: "a", body: "" }, undefined],
    [example, { claim: "a", body: "\ud800" }, "body"],
    [example, { claim: "a", body: "\u0000\r\n" }, undefined],
  ];
  it("case by case", () => {
    cases.forEach(([shape, value, at], i) => {
      expect(compile(shape)(value)?.at, `case ${i}`).toBe(at);
    });
  });

  const texts: readonly [format: s.Format, good: readonly string[], bad: readonly string[]][] = [
    [
      "id",
      ["a", "x".repeat(200), "a b", "日本", "café", "🦀", "all", "role:x", "a/b", "#c"],
      [
        "",
        "x".repeat(201),
        " a",
        "a ",
        "\u00a0a",
        "a\u3000",
        "a\u0000",
        "a\u007f",
        "a\u0085b",
        "cafe\u0301",
        "\ud83e",
        "a\udd80",
        "\ufeffa",
      ],
    ],
    [
      "name",
      ["alice", "project/name", "rôle:x", "allan", "hub2"],
      ["all", "hub", "system", "log", "state", "*", "role:", "role:x", "#", "#c", "a/", "/a", "/", " a", ""],
    ],
    [
      "path",
      ["a", "app/[id]/page.tsx", "a\\b", "../x", "cafe\u0301", " a", "a b"],
      ["", "a\nb", "a\u009bb", "\ud800", "x".repeat(1025)],
    ],
    [
      "pattern",
      ["**", "src", ".", "a/[!a-c]?/*.{ts,js}", "[[]", "../x", "cafe\u0301"],
      ["", "a[", "{a", "{a,{b}}", "\udc00", "\u0007"],
    ],
    ["line", ["a note — with dash", " ", "‮"], ["", "a\nb", "a\tb", "\u001b[31m", "\u0090", "\ud800x"]],
    ["text", ["\n", "\u0000", "🦀"], ["", "\ud800", "\udc00a"]],
    ["token", ["c1", "a b", " ", "日本"], ["", "a\u0000", "\ud800", "\u0080"]],
  ];
  it.each(texts)("format %s", (format, good, bad) => {
    const max = format === "path" || format === "pattern" ? limits.pathMax : limits.idMax;
    const of = compile(s.string(format, max));
    for (const text of good) expect([text, of(text)]).toEqual([text, undefined]);
    for (const text of bad) expect([text, of(text)]).toEqual([text, expect.objectContaining({ at: "" })]);
  });

  it("a free object is bounded in bytes, depth and keys, also when it is cyclic or much shared", () => {
    const of = compile(s.free(1024));
    const nest = (depth: number): object => (depth === 1 ? {} : { a: nest(depth - 1) });
    const keys = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [i.toString(36), 1]));
    expect(of(nest(limits.freeNestingMax))).toBeUndefined();
    expect(of(nest(limits.freeNestingMax + 1))?.why).toContain("deep");
    expect(compile(s.free(10_000))(keys(limits.keysMax))).toBeUndefined();
    expect(compile(s.free(10_000))(keys(limits.keysMax + 1))?.why).toContain("keys");
    expect(of({ a: "x".repeat(1024 - 8) })).toBeUndefined();
    expect(of({ a: "x".repeat(1024 - 7) })?.why).toContain("bytes");
    expect(of({ a: [1.5, null, "\u0000", -1e300] })).toBeUndefined();
    expect(of({ a: [{ b: -0 }] })?.at).toBe("a/0/b");
    expect(of({ a: { prototype: 1 } })?.at).toBe("a/prototype");
    expect(of({ "\ud800": 1 })?.why).toContain("Unicode");
    expect(of({ a: 1n })?.at).toBe("a");
    expect(of({ a: () => 1 })?.at).toBe("a");
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    expect(of(cycle)?.why).toContain("deep");
    let shared: unknown = [1];
    for (let i = 0; i < 12; i++) shared = new Array(100).fill(shared);
    expect(of({ shared })?.why).toContain("large");
  });

  it("a problem never repeats more than a little of a stranger's key", () => {
    const problem = check({ claim: "a", ["k\ud800".repeat(5000)]: 1 });
    expect(problem?.at.length).toBeLessThanOrEqual(64);
    expect(problem?.at.isWellFormed()).toBe(true);
  });

  it("a shape with a field that could reach a prototype is a bug", () => {
    expect(() => compile(s.object({ constructor: s.boolean }))).toThrow("constructor");
  });
});

describe("properties", () => {
  it("every arbitrary value passes, and survives JSON unchanged", () => {
    fc.assert(
      fc.property(arbitrary(example), (value) => {
        expect(check(value)).toBeUndefined();
        expect(JSON.parse(JSON.stringify(value))).toEqual(value);
      }),
    );
  });

  it("every near miss is found, at its place", () => {
    fc.assert(
      fc.property(corrupt(example), ({ value, at, what }) => {
        const problem = check(value);
        expect(problem, what).toBeDefined();
        // A free object says which of its parts is wrong.
        expect(
          problem?.at === at || problem?.at.startsWith(`${at}/`),
          `${what} at ${at}, not ${problem?.at}`,
        ).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("nothing makes a check throw", () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withSparseArray: true }),
        (value) => {
          check(value);
          check({ claim: "a", meta: value, scope: value });
        },
      ),
    );
  });

  it("a pattern passes exactly when the model finds no problem in it", () => {
    const pieces = fc.constantFrom(
      ..."[]{},!-*?./\\ab~:é0",
      "..",
      "../",
      "**/",
      "\u0958",
      "e\u0301",
      "[a]",
      "{a,b}",
    );
    const of = compile(s.string("pattern", limits.pathMax));
    fc.assert(
      fc.property(fc.array(pieces, { minLength: 1, maxLength: 12 }), (parts) => {
        expect(of(parts.join(""))?.why).toBe(patternProblem(parts.join("")));
      }),
      { numRuns: 5000 },
    );
    expect(of("\u0958".repeat(1024))?.why).toBe(patternProblem("\u0958".repeat(1024)));
  });

  it("utf8Length counts as an encoder does", () => {
    const lone = fc.constantFrom("\ud800", "\udc00", "a\udbff", "\ud800\ud800\udc00");
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string({ unit: "binary" }), lone)), fc.nat(60), (parts, max) => {
        const text = parts.join("");
        expect(utf8Length(text)).toBe(Buffer.byteLength(text));
        expect(fitsUtf8(text, max)).toBe(Buffer.byteLength(text) <= max);
      }),
    );
  });
});

describe("JSON Schema", () => {
  it("says the same in its own words", () => {
    expect(
      toJsonSchema(s.doc("A thing.", s.object({ a: s.integer(1, 5), b: s.optional(s.choice("x", "y")) }))),
    ).toEqual({
      type: "object",
      description: "A thing.",
      properties: { a: { type: "integer", minimum: 1, maximum: 5 }, b: { type: "string", enum: ["x", "y"] } },
      required: ["a"],
      additionalProperties: false,
    });
  });

  it("its patterns admit what the check admits", () => {
    for (const format of ["id", "name", "path", "pattern", "line", "token"] as const) {
      const shape = s.string(format, 200);
      const schema = toJsonSchema(shape) as { pattern: string };
      const pattern = new RegExp(schema.pattern, "u");
      fc.assert(fc.property(arbitrary(shape), (text) => pattern.test(text as string)));
    }
    const name = new RegExp((toJsonSchema(s.string("name", 200)) as { pattern: string }).pattern, "u");
    for (const bad of ["all", "role:x", "#c", "a/", "*", " a", "a\n"])
      expect([bad, name.test(bad)]).toEqual([bad, false]);
  });
});
