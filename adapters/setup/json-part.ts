/**
 * Parts of JSON files: hooks and MCP servers among those that others registered.
 */
import {
  isObject,
  type Json,
  type JsonObject,
  newJson,
  readJson,
  rewriteJson,
  sameJson,
} from "./json-text.ts";
import { type Outcome, type Part, standing } from "./part.ts";

/** A JSON object with what was put in, or why that cannot be. */
type Merged = { readonly value: JsonObject } | { readonly wrong: string };

/** A change of a JSON object, and back. */
interface Merge {
  put(value: JsonObject): Merged;
  strip(value: JsonObject): JsonObject;
  /** What a file holds besides that would not be there without Holdfast. */
  readonly base: JsonObject;
  /** What to put in by hand. */
  readonly snippet: Json;
}

/** Hooks by event: lists of handlers, or of groups that hold handlers under `hooks`. */
export interface Hooks {
  readonly [event: string]: readonly JsonObject[];
}

/** What there is to know about a file of hooks. */
export interface HookFile {
  readonly path: string;
  readonly about: string;
  readonly hooks: Hooks;
  /** Whether a handler is Holdfast's, of whatever version. */
  readonly isOurs: (handler: JsonObject) => boolean;
  /** What the file must say besides. */
  readonly base?: JsonObject;
}

/** Registers hooks: identical ones stay where they are, older ones of ours are replaced, others' are left. */
export function hookPart({ path, about, hooks, isOurs, base = {} }: HookFile): Part {
  const put: Merge["put"] = (value) => {
    const found = value.hooks ?? {};
    if (!isObject(found)) return { wrong: "hooks is not an object" };
    const events = new Map(Object.entries(found));
    for (const event of new Set([...events.keys(), ...Object.keys(hooks)])) {
      const there = events.get(event) ?? [];
      const wanted = hooks[event] ?? [];
      if (!Array.isArray(there)) {
        if (wanted.length > 0) return { wrong: `hooks.${event} is not a list` };
        continue;
      }
      const left = [...wanted];
      const kept = (there as readonly Json[]).flatMap((item) => {
        const same = left.findIndex((one) => sameJson(one, item));
        if (same < 0) return withoutOurs(item, isOurs);
        left.splice(same, 1);
        return [item];
      });
      if (kept.length + left.length === 0 && there.length > 0) events.delete(event);
      else events.set(event, [...kept, ...left]);
    }
    return { value: { ...base, ...value, hooks: Object.fromEntries(events) } };
  };
  const strip: Merge["strip"] = (value) => {
    if (!isObject(value.hooks)) return value;
    const events = Object.entries(value.hooks).flatMap(([event, there]): [string, Json][] => {
      if (!Array.isArray(there)) return [[event, there]];
      const rest = (there as readonly Json[]).flatMap((item) => withoutOurs(item, isOurs));
      return rest.length === 0 && there.length > 0 ? [] : [[event, rest]];
    });
    const { hooks: found, ...others } = value;
    if (events.length > 0 || Object.keys(found as JsonObject).length === 0) {
      return { ...value, hooks: Object.fromEntries(events) };
    }
    return others;
  };
  return jsonPart(path, about, { put, strip, base, snippet: { hooks } });
}

/** What is left of a handler, or of a group of handlers, without ours. */
function withoutOurs(item: Json, isOurs: (handler: JsonObject) => boolean): readonly Json[] {
  if (!isObject(item)) return [item];
  if (!Array.isArray(item.hooks)) return isOurs(item) ? [] : [item];
  const handlers = item.hooks as readonly Json[];
  const rest = handlers.filter((handler) => !isObject(handler) || !isOurs(handler));
  if (rest.length === handlers.length) return [item];
  return rest.length === 0 ? [] : [{ ...item, hooks: rest }];
}

/** One member of an object in a file, unless somebody has put something there. */
export interface MemberFile {
  readonly path: string;
  readonly about: string;
  /** Where it stands: the keys that lead to the object, and its own. */
  readonly within: string;
  readonly key: string;
  readonly value: JsonObject;
  /** Whether what is there was put there by Holdfast, unchanged since. */
  readonly isOurs: (value: Json) => boolean;
  readonly base?: JsonObject;
}

/** Puts in a member; what somebody wrote there stays. */
export function memberPart({ path, about, within, key, value, isOurs, base = {} }: MemberFile): Part {
  return jsonPart(path, about, {
    base,
    snippet: { [within]: { [key]: value } },
    put(file) {
      const there = file[within] ?? {};
      if (!isObject(there)) return { wrong: `${within} is not an object` };
      if (Object.hasOwn(there, key) && !isOurs(there[key] as Json)) return { value: file };
      return { value: { ...base, ...file, [within]: { ...there, [key]: value } } };
    },
    strip(file) {
      const there = file[within];
      if (!isObject(there) || !Object.hasOwn(there, key) || !isOurs(there[key] as Json)) return file;
      const { [key]: _, ...rest } = there;
      if (Object.keys(rest).length > 0) return { ...file, [within]: rest };
      const { [within]: __, ...others } = file;
      return others;
    },
  });
}

function jsonPart(path: string, about: string, { put, strip, base, snippet }: Merge): Part {
  const read = (text: string): { readonly value: JsonObject } | Outcome => {
    if (/^\uFEFF?\s*$/.test(text)) return { value: {} };
    const found = readJson(text);
    if (found.kind === "broken") return { kind: "broken", why: `it is no JSON, ${found.why}` };
    if (found.kind === "commented") {
      const why = "it has comments or trailing commas, which would be lost; put this in yourself:";
      return { kind: "left", why: `${why} ${JSON.stringify(snippet)}` };
    }
    if (!isObject(found.value)) return { kind: "broken", why: "it is JSON, but no object" };
    return { value: found.value };
  };
  const write = (text: string | undefined, value: JsonObject): Outcome =>
    standing(text === undefined || /^\uFEFF?\s*$/.test(text) ? newJson(value) : rewriteJson(text, value));
  return {
    path,
    about,
    put(text) {
      const found = text === undefined ? { value: {} } : read(text);
      if (!("value" in found)) return found;
      const merged = put(found.value);
      if ("wrong" in merged) return { kind: "broken", why: merged.wrong };
      const { value } = merged;
      return sameJson(value, found.value) && text !== undefined ? standing(text) : write(text, value);
    },
    strip(text) {
      const found = read(text);
      if (!("value" in found)) {
        const hand = "it has comments or trailing commas, which would be lost; take holdfast out yourself";
        if (found.kind !== "left") return found;
        return /holdfast/.test(text) ? { kind: "left", why: hand } : standing(text);
      }
      const value = strip(found.value);
      if (sameJson(value, found.value)) return standing(text);
      const rest = Object.entries(value).filter(([key, item]) => !sameJson(base[key], item));
      return rest.length === 0 ? { kind: "gone" } : write(text, value);
    },
  };
}
