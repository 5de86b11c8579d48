/**
 * Templates: what entries of one kind have in common, declared in the feed file once, with rules where
 * they differ.
 *
 * A template is the entry itself (without seq and times) in which some values are replaced by rules,
 * strings that begin with `$`. A string of the entry's own that begins so is written with a second
 * `$`.
 */
import { tables } from "../../core/model/model.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { FeedWords, Plain, PlainObject } from "./feed-words.ts";
import { subjectOf } from "./feed-words.ts";

/** The rules, with what each stands for; a feed file begins with them. */
export const rules = {
  $seq: "this entry's seq",
  $by: "this entry's by",
  "$at+FIELD": "this entry's atMs plus FIELD of the same event",
  "$of:FIELD": "what this field was in the last event with the same FIELD",
  $t: "next value of the line, plus atMs",
  $w: "next value, a word",
  $x: "next value, without its last 11 characters",
  $y: "those 11 characters",
  $v: "next value as it is",
  $l: "next value, a list of words",
  $r: "all other values of the line, words",
} as const;

/** A part of a digest that is never another length. */
const DIGEST = 11;
const DEPTH_MAX = 4;

/** A template and the values that make it this entry again. */
export interface Filled {
  readonly template: PlainObject;
  readonly values: readonly Plain[];
}

/** What stands in the template for a value, and what in the line. */
type Put = (rule: string, ...values: Plain[]) => string;

interface Place {
  readonly entry: Entry;
  readonly words: FeedWords;
  readonly put: Put;
}

/** Takes an entry apart. The words it uses become known. */
export function fillIn(entry: Entry, words: FeedWords): Filled {
  const values: (() => readonly Plain[])[] = [];
  let lists = 0;
  let lastIsList = false;
  const put: Put = (rule, ...given) => {
    lastIsList = rule === "$l";
    if (rule === "$w") values.push(() => [words.encode(given[0] as string)]);
    else if (rule === "$l") {
      const number = lists++;
      const list = given[0] as readonly string[];
      values.push(() => {
        const said = list.map((word) => words.encode(word));
        return lastIsList && number === lists - 1 ? said : [said];
      });
    } else if (given.length > 0) values.push(() => given);
    return rule;
  };
  const { seq: _, atMs: __, wallMs: ___, ...rest } = entry;
  const place: Place = { entry, words, put };
  const template: { [key: string]: Plain } = {};
  for (const [key, value] of Object.entries(rest) as [string, Plain][]) {
    template[key] =
      key === "events" ? eventsOf(value as readonly PlainObject[], place) : headOf(key, value, place);
  }
  const made = lastIsList ? lastListOpen(template) : template;
  return { template: made as PlainObject, values: values.flatMap((value) => value()) };
}

/** A value of the entry itself. */
function headOf(key: string, value: Plain, { entry, put }: Place): Plain {
  const joined = typeof entry.digest === "string" && entry.digest.length === DIGEST && entry.id !== "";
  if (key === "id" && value !== "")
    return joined ? put("$x", `${entry.id}${entry.digest}`) : put("$v", value);
  if (key === "digest" && joined) return "$y";
  if (key === "by") return put("$w", value);
  return value === "" ? value : put("$v", value);
}

function eventsOf(events: readonly PlainObject[], place: Place): Plain {
  return events.map((event) => {
    const fields = typeof event.type === "string" ? tables.events[event.type]?.fields : undefined;
    const subject = subjectOf(event);
    const template: { [key: string]: Plain } = {};
    for (const [key, value] of Object.entries(event)) {
      const shape = fields?.[key];
      const kind = shape?.kind === "optional" ? shape.of.kind : shape?.kind;
      const isWord = key === "type" || kind === "choice";
      template[key] = isWord ? constant(value) : fieldOf(key, value, event, subject, place);
    }
    return template;
  });
}

function fieldOf(
  key: string,
  value: Plain,
  event: PlainObject,
  subject: string | undefined,
  place: Place,
): Plain {
  const { entry, words, put } = place;
  if (typeof value === "string" || typeof value === "number") {
    if (value === entry.by) return "$by";
    if (value === entry.seq && key !== subject) return "$seq";
    if (subject !== undefined && key !== subject && words.fact(event[subject], subject, key) === value) {
      return `$of:${subject}`;
    }
  }
  if (typeof value === "number") {
    if (key.endsWith("AtMs")) {
      const length = Object.keys(event).find(
        (other) => !other.endsWith("AtMs") && event[other] === value - entry.atMs,
      );
      return length === undefined ? put("$t", value - entry.atMs) : `$at+${length}`;
    }
    // Lengths of time are the same for most entries of a kind.
    return key.endsWith("Ms") ? value : put("$v", value);
  }
  return partOf(value, 0, place);
}

function partOf(value: Plain, depth: number, place: Place): Plain {
  const { put } = place;
  if (typeof value === "string") return put("$w", value);
  if (typeof value === "boolean" || value === null) return value;
  if (typeof value === "number" || depth >= DEPTH_MAX) return put("$v", value);
  if (Array.isArray(value)) {
    return value.every((item) => typeof item === "string") ? put("$l", value) : put("$v", value);
  }
  const template: { [key: string]: Plain } = {};
  for (const [key, item] of Object.entries(value)) template[key] = partOf(item, depth + 1, place);
  return template;
}

function constant(value: Plain): Plain {
  return typeof value === "string" && value.startsWith("$") ? `$${value}` : value;
}

/** The template with its last list open: at the end of a line it needs no brackets. */
function lastListOpen(template: Plain): Plain {
  let found = false;
  const walk = (part: Plain): Plain => {
    if (found) return part;
    if (part === "$l") {
      found = true;
      return "$r";
    }
    if (typeof part !== "object" || part === null) return part;
    if (Array.isArray(part)) return [...part].reverse().map(walk).reverse();
    return Object.fromEntries(
      Object.entries(part)
        .reverse()
        .map(([key, item]) => [key, walk(item)] as const)
        .reverse(),
    );
  };
  return walk(template);
}

/** Makes the entry again from its template and the values of its line; throws when they do not fit. */
export function fillOut(
  template: PlainObject,
  values: readonly Plain[],
  times: { readonly seq: number; readonly atMs: number; readonly wallMs: number },
  words: FeedWords,
): Entry {
  let next = 0;
  const take = (): Plain => {
    const value = values[next++];
    if (value === undefined) throw new Error("a value is missing");
    return value;
  };
  const numbered = (said: Plain): number => {
    if (typeof said !== "number") throw new Error("a number is missing");
    return said;
  };
  let by: Plain = "";
  let joined = "";
  const simple: { readonly [rule: string]: () => Plain } = {
    $seq: () => times.seq,
    $by: () => by,
    $t: () => times.atMs + numbered(take()),
    $w: () => words.decode(take()),
    $x: () => {
      joined = String(take());
      return joined.slice(0, -DIGEST);
    },
    $y: () => joined.slice(-DIGEST),
    $v: take,
    $l: () => (take() as readonly Plain[]).map((word) => words.decode(word)),
    $r: () => {
      const rest = values.slice(next);
      next = values.length;
      return rest.map((word) => words.decode(word));
    },
  };
  const restore = (part: Plain, key: string, owner: PlainObject): Plain => {
    if (typeof part === "string") {
      if (!part.startsWith("$")) return part;
      if (part.startsWith("$$")) return part.slice(1);
      const rule = Object.hasOwn(simple, part) ? simple[part] : undefined;
      if (rule !== undefined) return rule();
      if (part.startsWith("$at+")) return times.atMs + numbered(owner[part.slice(4)] ?? null);
      if (!part.startsWith("$of:")) throw new Error(`there is no rule ${part}`);
      const field = part.slice(4);
      return words.fact(owner[field], field, key) ?? null;
    }
    if (typeof part !== "object" || part === null) return part;
    if (Array.isArray(part)) return part.map((item) => restore(item, key, owner));
    const made: { [key: string]: Plain } = {};
    // A rule may look at any field of its event, so those that look come last; the order of keys stays.
    for (const name of Object.keys(part)) made[name] = null;
    const looks = (value: Plain | undefined) => typeof value === "string" && /^\$(at\+|of:)/.test(value);
    const object = part as PlainObject;
    for (const later of ["$of:", "$at+"]) {
      if (later === "$of:") {
        for (const [name, value] of Object.entries(object))
          if (!looks(value)) made[name] = restore(value, name, made);
      }
      for (const [name, value] of Object.entries(object)) {
        if (typeof value === "string" && value.startsWith(later)) made[name] = restore(value, name, made);
      }
    }
    return made;
  };
  const entry: { [key: string]: Plain } = { ...times };
  for (const [key, part] of Object.entries(template)) {
    entry[key] = restore(part, key, entry);
    if (key === "by") by = entry[key] as Plain;
  }
  if (next !== values.length) throw new Error("there are more values than the template takes");
  return entry as unknown as Entry;
}
