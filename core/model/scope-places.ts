/**
 * Places: the persistent tree in which the parts of live claims' scopes are filed (scope-index.ts).
 *
 * The way to a place is the part's segments up to its first `**`: literal ones by text, globs each by its own text.
 * There lies what is at its end (`here`: files), what goes on in any way (`open`: `src`), and under
 * `names` what goes on in a certain way, by keys (scope-routes.ts). Of a pattern without `**` the last segment is
 * such a key and not on the way.
 *
 * Invariant: no place but the root is empty; a place belonging to an edit is reached from one index only.
 */
import { type Edit, KeyMap } from "./map.ts";
import type { Glob, Part } from "./patterns.ts";
import { segmentsMeet } from "./patterns.ts";
import { namesToLook, type Route, routeOf, type Search } from "./scope-routes.ts";
import type { Covering } from "./scopes.ts";

/** A claim's key with its compiled scope. */
export interface Claimed {
  readonly key: string;
  readonly covering: Covering;
}

/** At least one claim; most places have just one. */
type Bucket = Claimed | KeyMap<Claimed>;

/** A part that is alone where it stands, wherever beyond it belongs: it moves on when another comes. */
export class Leaf {
  readonly part: Part;
  readonly claimed: Claimed;

  constructor(part: Part, claimed: Claimed) {
    this.part = part;
    this.claimed = claimed;
  }
}

export interface Place {
  readonly edit: Edit | undefined;
  here: Bucket | undefined;
  open: Bucket | undefined;
  names: Place | undefined;
  next: KeyMap<Place | Leaf>;
  globs: KeyMap<Way>;
}

/** What follows a glob. */
interface Way {
  readonly glob: Glob;
  readonly place: Place;
}

const NOWHERE: KeyMap<never> = KeyMap.empty();

/** A place without claims. */
export const emptyPlace: Place = freshFor(undefined);

function freshFor(edit: Edit | undefined): Place {
  return { edit, here: undefined, open: undefined, names: undefined, next: NOWHERE, globs: NOWHERE };
}

function owned(place: Place | undefined, edit: Edit | undefined): Place {
  if (place === undefined) return freshFor(edit);
  if (edit !== undefined && place.edit === edit) return place;
  const { here, open, names, next, globs } = place;
  return { edit, here, open, names, next, globs };
}

function put(bucket: Bucket | undefined, claimed: Claimed, edit: Edit | undefined): Bucket {
  if (bucket === undefined) return claimed;
  if (bucket instanceof KeyMap) return bucket.set(claimed.key, claimed, edit);
  if (bucket.key === claimed.key) return claimed;
  return KeyMap.empty<Claimed>().set(bucket.key, bucket, edit).set(claimed.key, claimed, edit);
}

function drop(bucket: Bucket | undefined, key: string, edit: Edit | undefined): Bucket | undefined {
  if (bucket === undefined) return undefined;
  if (!(bucket instanceof KeyMap)) return bucket.key === key ? undefined : bucket;
  const rest = bucket.delete(key, edit);
  return rest.size === 0 ? undefined : rest;
}

/** Files a claim under one of its parts; the same part again changes nothing. */
export function file(root: Place, part: Part, claimed: Claimed, edit: Edit | undefined): Place {
  return along(root, 0, part, routeOf(part), claimed, edit);
}

function along(
  place: Place | undefined,
  at: number,
  part: Part,
  route: Route,
  claimed: Claimed,
  edit: Edit | undefined,
): Place {
  const own = owned(place, edit);
  const step = at < route.depth ? part.head[at] : undefined;
  if (typeof step === "string") {
    const child = own.next.get(step);
    if (child === undefined) own.next = own.next.set(step, new Leaf(part, claimed), edit);
    else {
      const inner =
        child instanceof Leaf
          ? along(undefined, at + 1, child.part, routeOf(child.part), child.claimed, edit)
          : child;
      own.next = own.next.set(step, along(inner, at + 1, part, route, claimed, edit), edit);
    }
  } else if (step !== undefined) {
    const inner = along(own.globs.get(step.text)?.place, at + 1, part, route, claimed, edit);
    own.globs = own.globs.set(step.text, { glob: step, place: inner }, edit);
  } else if (route.kind === "here") own.here = put(own.here, claimed, edit);
  else if (route.kind === "open") own.open = put(own.open, claimed, edit);
  else own.names = under(own.names, 0, part, route.keys, claimed, edit);
  return own;
}

function under(
  place: Place | undefined,
  at: number,
  part: Part,
  keys: readonly string[],
  claimed: Claimed,
  edit: Edit | undefined,
): Place {
  const own = owned(place, edit);
  const key = keys[at];
  if (key === undefined) {
    own.here = put(own.here, claimed, edit);
    return own;
  }
  const child = own.next.get(key);
  if (child === undefined) own.next = own.next.set(key, new Leaf(part, claimed), edit);
  else {
    const inner =
      child instanceof Leaf
        ? under(undefined, at + 1, child.part, routeOf(child.part).keys, child.claimed, edit)
        : child;
    own.next = own.next.set(key, under(inner, at + 1, part, keys, claimed, edit), edit);
  }
  return own;
}

/** Takes a claim away from where `file` put it for this part; nothing changes when it is not there. */
export function unfile(root: Place, part: Part, key: string, edit: Edit | undefined): Place {
  const { depth, kind, keys } = routeOf(part);
  const from = (place: Place, at: number): Place | undefined => {
    const own = owned(place, edit);
    const step = at < depth ? part.head[at] : undefined;
    if (typeof step === "string")
      own.next = without(own.next, step, key, (child) => from(child, at + 1), edit);
    else if (step !== undefined) {
      const way = own.globs.get(step.text);
      const rest = way === undefined ? undefined : from(way.place, at + 1);
      own.globs =
        rest === undefined
          ? own.globs.delete(step.text, edit)
          : own.globs.set(step.text, { glob: step, place: rest }, edit);
    } else if (kind === "here") own.here = drop(own.here, key, edit);
    else if (kind === "open") own.open = drop(own.open, key, edit);
    else if (own.names !== undefined) own.names = fromKeys(own.names, 0);
    return isEmpty(own) ? undefined : own;
  };
  const fromKeys = (place: Place, at: number): Place | undefined => {
    const own = owned(place, edit);
    const step = keys[at];
    if (step === undefined) own.here = drop(own.here, key, edit);
    else own.next = without(own.next, step, key, (child) => fromKeys(child, at + 1), edit);
    return isEmpty(own) ? undefined : own;
  };
  return from(root, 0) ?? emptyPlace;
}

function without(
  map: KeyMap<Place | Leaf>,
  step: string,
  key: string,
  change: (child: Place) => Place | undefined,
  edit: Edit | undefined,
): KeyMap<Place | Leaf> {
  const child = map.get(step);
  if (child === undefined) return map;
  if (child instanceof Leaf) return child.claimed.key === key ? map.delete(step, edit) : map;
  const rest = change(child);
  return rest === undefined ? map.delete(step, edit) : map.set(step, rest, edit);
}

function isEmpty({ here, open, names, next, globs }: Place): boolean {
  return here === undefined && open === undefined && names === undefined && next.size + globs.size === 0;
}

/** The claims that may overlap a part, found lazily from a root: among them all that do. */
export function* candidates(root: Place, search: Search, from = 0): Generator<Claimed, void> {
  const { part } = search;
  let place = root;
  for (let depth = from; ; depth++) {
    if (place.open !== undefined) yield* heldIn(place.open);
    const reached = depth >= part.head.length;
    if (place.names !== undefined && (!reached || part.starred)) {
      for (const named of namesToLook(place.names, search)) {
        if (named instanceof Leaf) yield named.claimed;
        else if (named.here !== undefined) yield* heldIn(named.here);
      }
    }
    if (reached) {
      if (place.here !== undefined) yield* heldIn(place.here);
      if (part.starred) yield* below(place, search, depth + 1);
      return;
    }
    const step = part.head[depth] as string | Glob;
    if (place.globs.size > 0) {
      for (const way of place.globs.values()) {
        if (segmentsMeet(step, way.glob)) yield* candidates(way.place, search, depth + 1);
      }
    }
    if (typeof step !== "string") {
      for (const [name, child] of place.next.entries()) {
        if (segmentsMeet(step, name)) yield* within(child, search, depth + 1);
      }
      return;
    }
    const child = place.next.get(step);
    if (child instanceof Leaf) yield child.claimed;
    if (child === undefined || child instanceof Leaf) return;
    place = child;
  }
}

function* within(child: Place | Leaf, search: Search, depth: number): Generator<Claimed, void> {
  if (child instanceof Leaf) yield child.claimed;
  else yield* candidates(child, search, depth);
}

function* below(place: Place, search: Search, depth: number): Generator<Claimed, void> {
  if (place.next.size > 0) for (const child of place.next.values()) yield* within(child, search, depth);
  if (place.globs.size > 0)
    for (const way of place.globs.values()) yield* candidates(way.place, search, depth);
}

function* heldIn(bucket: Bucket): Generator<Claimed, void> {
  if (bucket instanceof KeyMap) yield* bucket.values();
  else yield bucket;
}
