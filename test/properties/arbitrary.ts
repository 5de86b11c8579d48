/**
 * Arbitrary data from shapes: valid values, and near misses that differ from a valid one in a single place.
 */
import fc from "fast-check";
import type { Format, Json, ObjectShape, Shape, StringShape } from "../../core/model/shape.ts";
import { isForbiddenKey } from "../../core/protocol/formats.ts";

/** A value with one thing wrong, and where a check must say so. */
export interface Corrupted {
  readonly value: unknown;
  /** As in `Problem.at`. */
  readonly at: string;
  readonly what: string;
}

const words = fc.constantFrom(
  "a",
  "b",
  "src",
  "auth",
  "TASK-1",
  "alice",
  "x.ts",
  "é",
  "日本",
  "🦀",
  "m-7",
  "_",
);
const wellFormed = fc.string({ unit: "grapheme", maxLength: 40 });
const lines = wellFormed.map((text) => text.replace(/\p{Cc}/gu, "·"));
const ids = fc.array(words, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("-").normalize("NFC"));
const names = ids.filter((id) => !["all", "hub", "system", "log", "state"].includes(id));
const paths = fc.array(words, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
const patterns = fc
  .array(fc.oneof(words, fc.constantFrom("*", "**", "*.ts", "[ab].py", "{a,b}", "t?")), {
    minLength: 1,
    maxLength: 5,
  })
  .map((parts) => parts.join("/"));

const byFormat: { readonly [F in Format]: fc.Arbitrary<string> } = {
  id: ids,
  name: names,
  path: paths,
  pattern: patterns,
  line: lines,
  text: fc.oneof(wellFormed, fc.constantFrom("line\r\n\ttab", "\u0000", "\ufeff", "\u2028")),
  token: fc.oneof(ids, fc.uuid()),
};

/** Fits a text into a shape's bounds without breaking a character. */
function clip(shape: StringShape, text: string): string {
  let fitted = "";
  let size = 0;
  for (const character of text) {
    size += shape.bytes ? Buffer.byteLength(character) : character.length;
    if (size > shape.max) break;
    fitted += character;
  }
  fitted = shape.format === "text" || shape.format === "line" ? fitted : fitted.normalize("NFC").trim();
  return fitted.padEnd(shape.min, "x");
}

/** Any value of JSON's data model with well-formed strings, keys that may travel, and bounded depth. */
export const json: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, depthSize: "small" },
    fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.maxSafeInteger().map((n) => n + 0),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n)),
      wellFormed,
      fc.string({ unit: "binary", maxLength: 80 }),
    ),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(
      wellFormed.filter((key) => !isForbiddenKey(key)),
      tie("value"),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
})).value;

const jsonObjects = fc.dictionary(
  lines.filter((key) => !isForbiddenKey(key)),
  json,
  { maxKeys: 4, noNullPrototype: true },
);

function objects(shape: ObjectShape): fc.Arbitrary<object> {
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  const requiredKeys: string[] = [];
  for (const [name, field] of Object.entries(shape.fields)) {
    if (field.kind !== "optional") requiredKeys.push(name);
    fields[name] = arbitrary(field.kind === "optional" ? field.of : field);
  }
  return fc.record(fields, { requiredKeys, noNullPrototype: true }) as fc.Arbitrary<object>;
}

/**
 * Valid values of a shape. Sizes stay small; the bounds themselves are reached by `corrupt` from the other
 * side.
 */
export function arbitrary(shape: Shape): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case "string":
      return byFormat[shape.format].map((text) => clip(shape, text));
    case "integer":
      return fc.oneof(
        fc.integer({ min: Math.max(shape.min, -1000), max: Math.max(shape.min, Math.min(shape.max, 1000)) }),
        fc.constantFrom(shape.min, shape.max),
      );
    case "boolean":
      return fc.boolean();
    case "choice":
      return shape.open
        ? fc.oneof(fc.constantFrom(...shape.values), fc.constant("x-other"))
        : fc.constantFrom(...shape.values);
    case "list":
      return fc.array(arbitrary(shape.of), {
        minLength: shape.min,
        maxLength: Math.max(shape.min, Math.min(shape.max, 4)),
      });
    case "object":
      return objects(shape);
    case "free": {
      const small = jsonObjects.filter((value) => Buffer.byteLength(JSON.stringify(value)) <= shape.bytesMax);
      return small;
    }
    case "union":
      return fc.oneof(...shape.of.map(arbitrary));
  }
}

const scalars: readonly unknown[] = [null, true, 1, 0.5, "text", [], {}, undefined];

/** Values of another JSON type. */
function wrongType(shape: Shape): readonly unknown[] {
  if (shape.kind === "union") {
    const wrong = shape.of.map(wrongType);
    return scalars.filter((value) => wrong.every((of) => of.includes(value)));
  }
  const type = { string: "string", choice: "string", integer: "number", boolean: "boolean" } as const;
  return scalars.filter((value) => {
    if (shape.kind === "list") return !Array.isArray(value);
    if (shape.kind === "object" || shape.kind === "free") {
      return typeof value !== "object" || value === null || Array.isArray(value);
    }
    return typeof value !== type[shape.kind] || value === 0.5;
  });
}

/** Values that are nearly right, for shapes that have no parts. */
function nearMisses(shape: Shape): readonly (readonly [value: unknown, what: string])[] {
  const misses: (readonly [unknown, string])[] = wrongType(shape).map((value) => [value, "another type"]);
  if (shape.kind === "integer") {
    misses.push([Number.NaN, "NaN"], [Number.POSITIVE_INFINITY, "Infinity"], [-0, "-0"], [2 ** 53, "unsafe"]);
    misses.push([shape.min - 1, "below min"], [shape.max + 1, "above max"], [shape.min + 0.5, "a fraction"]);
  } else if (shape.kind === "string") {
    misses.push(["x".repeat(shape.max + 1), "too long"], ["x\ud800", "a lone surrogate"]);
    if (shape.min > 0) misses.push(["x".repeat(shape.min - 1), "too short"]);
    if (shape.bytes) misses.push(["é".repeat(Math.floor(shape.max / 2) + 1), "too many bytes"]);
    if (shape.format !== "text") misses.push(["x\u0000", "a control character"], ["\u009b", "a C1 control"]);
    if (shape.format === "id" || shape.format === "name")
      misses.push([" x", "blank"], ["e\u0301", "not NFC"]);
    if (shape.format === "name") misses.push(["role:x", "reserved"], ["#x", "reserved"], ["all", "reserved"]);
  } else if (shape.kind === "choice") {
    misses.push(["x-", "no such word"], ["toString", "no such word"], [`x-${"y".repeat(64)}`, "too long"]);
  } else if (shape.kind === "free") {
    misses.push(
      [{ a: "\udc00" }, "a lone surrogate"],
      [{ a: Number.NaN }, "NaN"],
      [{ a: undefined }, "undefined"],
    );
    misses.push([JSON.parse('{"__proto__": 1}'), "a forbidden key"], [{ constructor: 1 }, "a forbidden key"]);
  }
  return misses;
}

/**
 * Whether `at` of a near miss of this shape is exact: inside a union or a free object it may be deeper or
 * whole.
 */
function miss(shape: Shape): fc.Arbitrary<Corrupted> {
  return fc
    .constantFrom(...nearMisses(shape))
    .map(([value, what]) => ({ value, at: "", what: `${shape.kind}: ${what}` }));
}

function beneath(step: string, inner: Corrupted, wrap: (value: unknown) => unknown): Corrupted {
  return { value: wrap(inner.value), at: inner.at === "" ? step : `${step}/${inner.at}`, what: inner.what };
}

function corruptObject(shape: ObjectShape): fc.Arbitrary<Corrupted> {
  const valid = objects(shape);
  const ways: fc.Arbitrary<Corrupted>[] = [
    miss(shape),
    fc
      .tuple(valid, fc.constantFrom("nonsense", "toString", "prototype", "constructor"))
      .map(([value, key]) => ({
        value: { ...value, [key]: 1 },
        at: key,
        what: "an unknown field",
      })),
    valid.map((value) => ({
      value: JSON.parse(
        JSON.stringify(value).replace(
          /^\{(.?)/u,
          (_, next) => `{"__proto__":1${next === "}" ? "" : ","}${next}`,
        ),
      ),
      at: "__proto__",
      what: "an own __proto__",
    })),
  ];
  for (const [name, field] of Object.entries(shape.fields)) {
    const inner = field.kind === "optional" ? field.of : field;
    ways.push(
      fc
        .tuple(valid, corrupt(inner))
        .map(([value, bad]) => beneath(name, bad, (v) => ({ ...value, [name]: v }))),
    );
    if (field.kind === "optional") continue;
    ways.push(
      valid.map((value) => ({
        value: Object.fromEntries(Object.entries(value).filter(([key]) => key !== name)),
        at: name,
        what: "a missing field",
      })),
    );
  }
  return fc.oneof(...ways);
}

/**
 * Invalid values of a shape, each a valid one but for one place. `at` is that place, or a place above it
 * where a union or a free object hides which of its parts is to blame.
 */
export function corrupt(shape: Shape): fc.Arbitrary<Corrupted> {
  if (shape.kind === "object") return corruptObject(shape);
  if (shape.kind !== "list") return miss(shape);
  const ways = [miss(shape)];
  if (shape.min > 0) ways.push(fc.constant({ value: [], at: "", what: "too few items" }));
  if (shape.max < 2000) {
    ways.push(
      arbitrary(shape.of).map((item) => ({
        value: new Array(shape.max + 1).fill(item),
        at: "",
        what: "too many items",
      })),
    );
  }
  ways.push(
    fc
      .tuple(fc.array(arbitrary(shape.of), { maxLength: Math.min(3, shape.max - 1) }), corrupt(shape.of))
      .map(([items, bad]) => beneath(String(items.length), bad, (value) => [...items, value])),
  );
  return fc.oneof(...ways);
}
