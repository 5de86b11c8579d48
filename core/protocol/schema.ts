/**
 * Schema: compiles shapes to checks, where input is checked, and to JSON Schema, where others want to know.
 *
 * A value that passes is what will be stored: strict objects with own properties only, safe integers,
 * well-formed strings. Nothing is coerced, completed or removed.
 */
import { assert } from "../failures.ts";
import { limits } from "../limits.ts";
import type {
  ChoiceShape,
  FreeShape,
  ListShape,
  ObjectShape,
  Shape,
  StringShape,
  UnionShape,
} from "../model/shape.ts";
import { fitsUtf8, formats, isForbiddenKey } from "./formats.ts";
import { type Problem, pointer, whole, within } from "./problem.ts";

export type { Problem } from "./problem.ts";

/**
 * Returns the first problem found, or `undefined` when the value has the shape. Never throws, never changes
 * it.
 */
export type Check = (value: unknown) => Problem | undefined;

/** Whether it is an object as a parser makes it: no array, no instance of a class. */
function isPlain(value: unknown): value is { readonly [key: string]: unknown } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Compared by its own prototype, so that objects of another realm are plain too.
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

function compileString(shape: StringShape): Check {
  const { min, max } = shape;
  const check = formats[shape.format];
  if (shape.bytes) {
    return (value) => {
      if (typeof value !== "string") return whole("must be a string");
      if (!fitsUtf8(value, max)) return whole(`must be at most ${max} bytes`);
      if (value.length < min) return whole(min === 1 ? "must not be empty" : `must be at least ${min} bytes`);
      const why = check(value);
      return why === undefined ? undefined : whole(why);
    };
  }
  return (value) => {
    if (typeof value !== "string") return whole("must be a string");
    if (value.length > max) return whole(`must be at most ${max} characters`);
    if (value.length < min)
      return whole(min === 1 ? "must not be empty" : `must be at least ${min} characters`);
    const why = check(value);
    return why === undefined ? undefined : whole(why);
  };
}

function compileInteger(min: number, max: number): Check {
  return (value) => {
    if (typeof value !== "number") return whole("must be an integer");
    if (value >= min && value <= max && Number.isSafeInteger(value)) {
      // -0 would be stored as 0.
      return value === 0 && 1 / value < 0 ? whole("must not be -0") : undefined;
    }
    if (!Number.isSafeInteger(value)) return whole("must be a safe integer");
    return whole(value < min ? `must be at least ${min}` : `must be at most ${max}`);
  };
}

function compileChoice(shape: ChoiceShape): Check {
  const words = new Set(shape.values);
  const others = shape.open ? ", or an x-… of at most 64 characters" : "";
  const wanted = `must be one of ${shape.values.join(", ")}${others}`;
  return (value) => {
    if (typeof value !== "string") return whole("must be a string");
    if (words.has(value)) return undefined;
    if (shape.open && value.length > 2 && value.length <= 64 && value.startsWith("x-")) {
      const why = formats.id(value);
      return why === undefined ? undefined : whole(why);
    }
    return whole(wanted);
  };
}

function compileList(shape: ListShape): Check {
  const { min, max } = shape;
  const item = compile(shape.of);
  return (value) => {
    if (!Array.isArray(value)) return whole("must be a list");
    const length = value.length;
    if (length > max) return whole(`must have at most ${max} items`);
    if (length < min) return whole(min === 1 ? "must not be empty" : `must have at least ${min} items`);
    for (let i = 0; i < length; i++) {
      const problem = item(value[i]);
      if (problem !== undefined) return within(String(i), problem);
    }
    return undefined;
  };
}

function compileObject(shape: ObjectShape): Check {
  const checks = new Map<string, { readonly check: Check; readonly required: number }>();
  const required: string[] = [];
  for (const name of Object.keys(shape.fields)) {
    assert(!isForbiddenKey(name), `a field must not be called ${name}`);
    const field = shape.fields[name];
    if (field === undefined) continue;
    const optional = field.kind === "optional";
    if (!optional) required.push(name);
    checks.set(name, { check: compile(optional ? field.of : field), required: optional ? 0 : 1 });
  }
  const wanted = required.length;
  return (value) => {
    if (!isPlain(value)) return whole("must be an object");
    let found = 0;
    // Only what is there is looked at; a plain object has no enumerable property that is not its own.
    for (const key in value) {
      const field = checks.get(key);
      if (field === undefined) return { at: pointer(key), why: "is not a known field" };
      const problem = field.check(value[key]);
      if (problem !== undefined) return within(key, problem);
      found += field.required;
    }
    if (found === wanted) return undefined;
    const missing = required.find((name) => !Object.hasOwn(value, name)) ?? "";
    return { at: missing, why: "is missing" };
  };
}

/** Counts down the parts one free value may still have: each takes a byte at least. */
interface Budget {
  left: number;
}

function freePart(value: unknown, depth: number, budget: Budget): Problem | undefined {
  if (--budget.left < 0) return whole("is too large");
  if (typeof value === "string")
    return value.isWellFormed() ? undefined : whole("must be well-formed Unicode");
  if (typeof value === "number") {
    if (!Number.isFinite(value)) return whole("must be a finite number");
    return value === 0 && 1 / value < 0 ? whole("must not be -0") : undefined;
  }
  if (value === null || typeof value === "boolean") return undefined;
  if (depth === 0) return whole(`must be nested at most ${limits.freeNestingMax} deep`);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const problem = freePart(value[i], depth - 1, budget);
      if (problem !== undefined) return within(String(i), problem);
    }
    return undefined;
  }
  return isPlain(value) ? freeObject(value, depth, budget) : whole("must be a JSON value");
}

function freeObject(
  value: { readonly [key: string]: unknown },
  depth: number,
  budget: Budget,
): Problem | undefined {
  let keys = 0;
  for (const key in value) {
    if (++keys > limits.keysMax) return whole(`must have at most ${limits.keysMax} keys`);
    if (isForbiddenKey(key)) return { at: pointer(key), why: "is not allowed as a key" };
    if (!key.isWellFormed()) return { at: pointer(key), why: "must be well-formed Unicode" };
    const problem = freePart(value[key], depth - 1, budget);
    if (problem !== undefined) return within(pointer(key), problem);
  }
  return undefined;
}

function compileFree(shape: FreeShape): Check {
  const { bytesMax } = shape;
  return (value) => {
    if (!isPlain(value)) return whole("must be an object");
    const problem = freeObject(value, limits.freeNestingMax, { left: bytesMax });
    if (problem !== undefined) return problem;
    return fitsUtf8(JSON.stringify(value), bytesMax)
      ? undefined
      : whole(`must be at most ${bytesMax} bytes of JSON`);
  };
}

/** The problem of the alternative that came furthest; of several that failed at once, all. */
function compileUnion(shape: UnionShape): Check {
  const checks = shape.of.map(compile);
  return (value) => {
    let best: Problem | undefined;
    const whys = new Set<string>();
    for (const check of checks) {
      const problem = check(value);
      if (problem === undefined) return undefined;
      if (problem.at !== "") best ??= problem;
      else whys.add(problem.why);
    }
    return best ?? whole([...whys].join(", or "));
  };
}

/** Compiles a shape once; the check is then cheap (a fraction of a microsecond for a command). */
export function compile(shape: Shape): Check {
  switch (shape.kind) {
    case "string":
      return compileString(shape);
    case "integer":
      return compileInteger(shape.min, shape.max);
    case "boolean":
      return (value) => (typeof value === "boolean" ? undefined : whole("must be true or false"));
    case "choice":
      return compileChoice(shape);
    case "list":
      return compileList(shape);
    case "object":
      return compileObject(shape);
    case "free":
      return compileFree(shape);
    case "union":
      return compileUnion(shape);
  }
}
