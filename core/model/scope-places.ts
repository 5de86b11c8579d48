/**
 * Places: the persistent tree in which the parts of live claims' scopes are filed (scope-index.ts).
 *
 * The way to a place is the part's segments up to its first `**`: literal ones by text, globs each by its
 * own text. There lies what is at its end (`here`: files), what goes on in any way (`open`: `src`), and
 * under `names` what goes on in a certain way, by keys (scope-routes.ts). Of a pattern without `**` the
 * last segment is such a key and not on the way.
 *
 * Invariant: no place but the root is empty; a place belonging to an edit is reached from one index only.
 */
import { type Edit, KeyMap } from "./map.ts";
import type { Glob, Part } from "./patterns.ts";
import { partsMeet, segmentsMeet } from "./patterns.ts";
import { namesToLook, type Route, routeOf, type Search } from "./scope-routes.ts";

/**
 * One part of a claim's scope. Where it is alone it stands at once, and moves on to its place when another
 * comes.
 */
export class Leaf {
  /** Tells it from the other parts of the index. */
  readonly id: string;
  /** The claim's key. */
  readonly key: string;
  readonly part: Part;

  constructor(id: string, key: string, part: Part) {
    this.id = id;
    this.key = key;
    this.part = part;
  }
}

/** At least one part; most places have just one. */
type Bucket = Leaf | KeyMap<Leaf>;

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

function put(bucket: Bucket | undefined, leaf: Leaf, edit: Edit | undefined): Bucket {
  if (bucket === undefined) return leaf;
  if (bucket instanceof KeyMap) return bucket.set(leaf.id, leaf, edit);
  return KeyMap.empty<Leaf>().set(bucket.id, bucket, edit).set(leaf.id, leaf, edit);
}

function drop(bucket: Bucket | undefined, id: string, edit: Edit | undefined): Bucket | undefined {
  if (bucket === undefined) return undefined;
  if (!(bucket instanceof KeyMap)) return bucket.id === id ? undefined : bucket;
  const rest = bucket.delete(id, edit);
  return rest.size === 0 ? undefined : rest;
}

/** Files a part. */
export function file(root: Place, leaf: Leaf, edit: Edit | undefined): Place {
  return along(root, 0, leaf, routeOf(leaf.part), edit);
}

function along(
  place: Place | undefined,
  at: number,
  leaf: Leaf,
  route: Route,
  edit: Edit | undefined,
): Place {
  const own = owned(place, edit);
  const step = at < route.depth ? leaf.part.head[at] : undefined;
  if (typeof step === "string") {
    const child = own.next.get(step);
    if (child === undefined) own.next = own.next.set(step, leaf, edit);
    else {
      const inner =
        child instanceof Leaf ? along(undefined, at + 1, child, routeOf(child.part), edit) : child;
      own.next = own.next.set(step, along(inner, at + 1, leaf, route, edit), edit);
    }
  } else if (step !== undefined) {
    const inner = along(own.globs.get(step.text)?.place, at + 1, leaf, route, edit);
    own.globs = own.globs.set(step.text, { glob: step, place: inner }, edit);
  } else if (route.kind === "here") own.here = put(own.here, leaf, edit);
  else if (route.kind === "open") own.open = put(own.open, leaf, edit);
  else own.names = under(own.names, 0, leaf, route.keys, edit);
  return own;
}

function under(
  place: Place | undefined,
  at: number,
  leaf: Leaf,
  keys: readonly string[],
  edit: Edit | undefined,
): Place {
  const own = owned(place, edit);
  const key = keys[at];
  if (key === undefined) {
    own.here = put(own.here, leaf, edit);
    return own;
  }
  const child = own.next.get(key);
  if (child === undefined) own.next = own.next.set(key, leaf, edit);
  else {
    const inner =
      child instanceof Leaf ? under(undefined, at + 1, child, routeOf(child.part).keys, edit) : child;
    own.next = own.next.set(key, under(inner, at + 1, leaf, keys, edit), edit);
  }
  return own;
}

/** Takes a part away from where `file` put it; nothing changes when it is not there. */
export function unfile(root: Place, part: Part, id: string, edit: Edit | undefined): Place {
  const { depth, kind, keys } = routeOf(part);
  const from = (place: Place, at: number): Place | undefined => {
    const own = owned(place, edit);
    const step = at < depth ? part.head[at] : undefined;
    if (typeof step === "string")
      own.next = without(own.next, step, id, (child) => from(child, at + 1), edit);
    else if (step !== undefined) {
      const way = own.globs.get(step.text);
      const rest = way === undefined ? undefined : from(way.place, at + 1);
      own.globs =
        rest === undefined
          ? own.globs.delete(step.text, edit)
          : own.globs.set(step.text, { glob: step, place: rest }, edit);
    } else if (kind === "here") own.here = drop(own.here, id, edit);
    else if (kind === "open") own.open = drop(own.open, id, edit);
    else if (own.names !== undefined) own.names = fromKeys(own.names, 0);
    return isEmpty(own) ? undefined : own;
  };
  const fromKeys = (place: Place, at: number): Place | undefined => {
    const own = owned(place, edit);
    const step = keys[at];
    if (step === undefined) own.here = drop(own.here, id, edit);
    else own.next = without(own.next, step, id, (child) => fromKeys(child, at + 1), edit);
    return isEmpty(own) ? undefined : own;
  };
  return from(root, 0) ?? emptyPlace;
}

function without(
  map: KeyMap<Place | Leaf>,
  step: string,
  id: string,
  change: (child: Place) => Place | undefined,
  edit: Edit | undefined,
): KeyMap<Place | Leaf> {
  const child = map.get(step);
  if (child === undefined) return map;
  if (child instanceof Leaf) return child.id === id ? map.delete(step, edit) : map;
  const rest = change(child);
  return rest === undefined ? map.delete(step, edit) : map.set(step, rest, edit);
}

function isEmpty({ here, open, names, next, globs }: Place): boolean {
  return here === undefined && open === undefined && names === undefined && next.size + globs.size === 0;
}

/** Whether a part meets nothing here for sure: seen on its literal way alone, before any wildcard. */
export function isClearOf(root: Place, part: Part): boolean {
  let place = root;
  for (const step of part.head) {
    if (place.open !== undefined || place.names !== undefined || place.globs.size > 0) return false;
    if (typeof step !== "string") return false;
    const child = place.next.get(step);
    if (child === undefined) return true;
    if (child instanceof Leaf) return !partsMeet(part, child.part);
    place = child;
  }
  return false;
}

/**
 * The parts that may have a path in common with a part, each once, found lazily: among them all that have.
 */
export function* candidates(root: Place, search: Search, from = 0): Generator<Leaf, void> {
  const { part } = search;
  let place = root;
  for (let depth = from; ; depth++) {
    if (place.open !== undefined) yield* heldIn(place.open);
    const reached = depth >= part.head.length;
    if (place.names !== undefined && (!reached || part.starred)) {
      for (const named of namesToLook(place.names, search)) {
        if (named instanceof Leaf) yield named;
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
    if (child instanceof Leaf) yield child;
    if (child === undefined || child instanceof Leaf) return;
    place = child;
  }
}

function* within(child: Place | Leaf, search: Search, depth: number): Generator<Leaf, void> {
  if (child instanceof Leaf) yield child;
  else yield* candidates(child, search, depth);
}

function* below(place: Place, search: Search, depth: number): Generator<Leaf, void> {
  if (place.next.size > 0) for (const child of place.next.values()) yield* within(child, search, depth);
  if (place.globs.size > 0)
    for (const way of place.globs.values()) yield* candidates(way.place, search, depth);
}

function* heldIn(bucket: Bucket): Generator<Leaf, void> {
  if (bucket instanceof KeyMap) yield* bucket.values();
  else yield bucket;
}
