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
import { namesToLook, routeOf, type Search } from "./scope-routes.ts";
import type { Covering } from "./scopes.ts";

/** A claim's key with its compiled scope. */
export interface Claimed {
  readonly key: string;
  readonly covering: Covering;
}

/** At least one claim; most places have just one. */
type Bucket = Claimed | KeyMap<Claimed>;

export interface Place {
  readonly edit: Edit | undefined;
  /** The glob that leads here, when one does. */
  readonly glob: Glob | undefined;
  here: Bucket | undefined;
  open: Bucket | undefined;
  names: Place | undefined;
  next: KeyMap<Place>;
  globs: KeyMap<Place>;
}

const NOWHERE: KeyMap<Place> = KeyMap.empty();

/** A place without claims. */
export const emptyPlace: Place = {
  edit: undefined,
  glob: undefined,
  here: undefined,
  open: undefined,
  names: undefined,
  next: NOWHERE,
  globs: NOWHERE,
};

function owned(place: Place, edit: Edit | undefined): Place {
  if (edit !== undefined && place.edit === edit) return place;
  const { glob, here, open, names, next, globs } = place;
  return { edit, glob, here, open, names, next, globs };
}

function freshFor(glob: Glob | undefined, edit: Edit | undefined): Place {
  return { edit, glob, here: undefined, open: undefined, names: undefined, next: NOWHERE, globs: NOWHERE };
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
  const { depth, kind, keys } = routeOf(part);
  const along = (place: Place, at: number): Place => {
    const own = owned(place, edit);
    const step = at < depth ? part.head[at] : undefined;
    if (typeof step === "string") {
      own.next = own.next.set(step, along(own.next.get(step) ?? freshFor(undefined, edit), at + 1), edit);
    } else if (step !== undefined) {
      own.globs = own.globs.set(
        step.text,
        along(own.globs.get(step.text) ?? freshFor(step, edit), at + 1),
        edit,
      );
    } else if (kind === "here") own.here = put(own.here, claimed, edit);
    else if (kind === "open") own.open = put(own.open, claimed, edit);
    else own.names = under(own.names ?? freshFor(undefined, edit), 0);
    return own;
  };
  const under = (place: Place, at: number): Place => {
    const own = owned(place, edit);
    const key = keys[at];
    if (key === undefined) own.here = put(own.here, claimed, edit);
    else own.next = own.next.set(key, under(own.next.get(key) ?? freshFor(undefined, edit), at + 1), edit);
    return own;
  };
  return along(root, 0);
}

/** Takes a claim away from where `file` put it for this part; nothing changes when it is not there. */
export function unfile(root: Place, part: Part, key: string, edit: Edit | undefined): Place {
  const { depth, kind, keys } = routeOf(part);
  const along = (place: Place, at: number): Place | undefined => {
    const own = owned(place, edit);
    const step = at < depth ? part.head[at] : undefined;
    if (typeof step === "string") own.next = without(own.next, step, (child) => along(child, at + 1), edit);
    else if (step !== undefined)
      own.globs = without(own.globs, step.text, (child) => along(child, at + 1), edit);
    else if (kind === "here") own.here = drop(own.here, key, edit);
    else if (kind === "open") own.open = drop(own.open, key, edit);
    else if (own.names !== undefined) own.names = under(own.names, 0);
    return isEmpty(own) ? undefined : own;
  };
  const under = (place: Place, at: number): Place | undefined => {
    const own = owned(place, edit);
    const step = keys[at];
    if (step === undefined) own.here = drop(own.here, key, edit);
    else own.next = without(own.next, step, (child) => under(child, at + 1), edit);
    return isEmpty(own) ? undefined : own;
  };
  return along(root, 0) ?? emptyPlace;
}

function without(
  map: KeyMap<Place>,
  step: string,
  change: (child: Place) => Place | undefined,
  edit: Edit | undefined,
): KeyMap<Place> {
  const child = map.get(step);
  if (child === undefined) return map;
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
      for (const named of namesToLook(place.names, search))
        if (named.here !== undefined) yield* heldIn(named.here);
    }
    if (reached) {
      if (place.here !== undefined) yield* heldIn(place.here);
      if (part.starred) yield* below(place, search, depth + 1);
      return;
    }
    const step = part.head[depth] as string | Glob;
    if (place.globs.size > 0) {
      for (const child of place.globs.values()) {
        if (segmentsMeet(step, child.glob as Glob)) yield* candidates(child, search, depth + 1);
      }
    }
    if (typeof step !== "string") {
      for (const [name, child] of place.next.entries()) {
        if (segmentsMeet(step, name)) yield* candidates(child, search, depth + 1);
      }
      return;
    }
    const child = place.next.get(step);
    if (child === undefined) return;
    place = child;
  }
}

function* below(place: Place, search: Search, depth: number): Generator<Claimed, void> {
  if (place.next.size > 0) for (const child of place.next.values()) yield* candidates(child, search, depth);
  if (place.globs.size > 0) for (const child of place.globs.values()) yield* candidates(child, search, depth);
}

function* heldIn(bucket: Bucket): Generator<Claimed, void> {
  if (bucket instanceof KeyMap) yield* bucket.values();
  else yield bucket;
}
