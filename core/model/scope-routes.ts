/**
 * Routes: by which keys a part with a wildcard in or before its last segment is filed under its place, and
 * under which of these keys the parts lie that a given part can meet.
 *
 * Keys, in this order:
 * 1. how far from the end, and which, the nearest literal segment before the last is (`src` in `src/t*`, at
 * any depth), or `""`;
 * 2. `p`, extension or `""`, then the last segment's literal beginning, where that says most (`t1_*.spec`);
 *    else `t` and its literal end, backwards (`*.ts`);
 *    else `s` and a literal segment that it must contain (`src`, at any depth);
 *    else `o`.
 * Beginnings and ends are cut into chunks of fixed widths, so that one is found with all that begin it or
 * go on from it: a key shorter than its chunk is the last one.
 */
import type { Part, Segment } from "./patterns.ts";
import { segmentsMeet } from "./patterns.ts";
import { Leaf, type Place } from "./scope-places.ts";

/** Where a part is filed: `depth` segments of its head lead to the place. */
export interface Route {
  readonly depth: number;
  readonly kind: "here" | "open" | "names";
  readonly keys: readonly string[];
}

/** A part that is looked for, with what is known of the last segment of whatever it covers. */
export interface Search {
  readonly part: Part;
  /** `undefined` when it may be anything. */
  readonly extension: string | undefined;
  readonly lead: string;
  /** Backwards. */
  readonly trail: string;
}

const PLAIN = "";
const BY_LEAD = "p";
const BY_TRAIL = "t";
const BY_SEGMENT = "s";
const BY_NOTHING = "o";
/** Where the chunks of a beginning or end stop; what goes on behind the last is not told apart. */
const CHUNK_ENDS = [2, 5, 9, 14, 20, 32];
const NO_KEYS: readonly string[] = [];

/** The way to where a part is filed. */
export function routeOf(part: Part): Route {
  const { head, mids, tail, starred } = part;
  if (starred && tail.length === 0 && mids.length === 0)
    return { depth: head.length, kind: "open", keys: NO_KEYS };
  const last = starred ? tail.at(-1) : head.at(-1);
  if (!starred && typeof last === "string") return { depth: head.length, kind: "here", keys: NO_KEYS };
  return { depth: starred ? head.length : head.length - 1, kind: "names", keys: keysOf(part, last) };
}

function keysOf({ mids, tail }: Part, last: Segment | undefined): string[] {
  const keys = anchorOf(tail);
  if (last === undefined) {
    const literal = mids.flat().findLast((segment) => typeof segment === "string");
    if (literal === undefined) keys.push(BY_NOTHING);
    else keys.push(BY_SEGMENT, literal as string);
    return keys;
  }
  const { lead, trail } = edgesOf(last);
  const extension = extensionOf(trail) ?? PLAIN;
  // By the end that says more; extensions say little, many have the same.
  if (lead !== "" && lead.length >= trail.length - extension.length)
    keys.push(BY_LEAD, extension, ...chunksOf(lead));
  else if (trail !== "") keys.push(BY_TRAIL, ...chunksOf(backwards(trail)));
  else keys.push(BY_NOTHING);
  return keys;
}

function anchorOf(tail: readonly Segment[]): string[] {
  for (let distance = 1; distance < tail.length; distance++) {
    const segment = tail[tail.length - 1 - distance];
    if (typeof segment === "string") return [String(distance), segment];
  }
  return [PLAIN];
}

function edgesOf(segment: Segment): { readonly lead: string; readonly trail: string } {
  return typeof segment === "string" ? { lead: segment, trail: segment } : segment;
}

function extensionOf(trail: string): string | undefined {
  const dot = trail.lastIndexOf(".");
  return dot < 0 ? undefined : trail.slice(dot);
}

/** By code units, which is consistent and all that is asked for. */
function backwards(text: string): string {
  let out = "";
  for (let i = text.length - 1; i >= 0; i--) out += text[i];
  return out;
}

function chunksOf(text: string): string[] {
  const chunks: string[] = [];
  let at = 0;
  for (const end of CHUNK_ENDS) {
    if (at >= text.length) break;
    chunks.push(text.slice(at, end));
    at = end;
  }
  return chunks;
}

/** Prepares looking for what a part can meet. */
export function searchFor(part: Part): Search {
  const last = part.starred ? part.tail.at(-1) : part.head.at(-1);
  if (last === undefined) return { part, extension: undefined, lead: "", trail: "" };
  const { lead, trail } = edgesOf(last);
  // A whole name without a dot has no extension, and that is known.
  const extension = extensionOf(trail) ?? (typeof last === "string" ? PLAIN : undefined);
  return { part, extension, lead, trail: backwards(trail) };
}

type Found = Generator<Place | Leaf, void>;

/**
 * What is under `names` that a part can meet: places, whose claims are `here`, and parts that are alone.
 */
export function* namesToLook(names: Place, search: Search): Found {
  const plain = names.next.get(PLAIN);
  if (plain !== undefined) yield* families(plain, search);
  if (names.next.size === (plain === undefined ? 0 : 1)) return;
  for (const [distance, anchors] of names.next.entries()) {
    if (distance === PLAIN) continue;
    const { head, tail, starred } = search.part;
    const from = starred ? tail : head;
    const segment = from[from.length - 1 - Number(distance)];
    if (anchors instanceof Leaf) yield anchors;
    else if (segment !== undefined)
      for (const place of matching(anchors, segment)) yield* families(place, search);
    else if (starred) for (const place of anchors.next.values()) yield* families(place, search);
  }
}

function* matching(place: Place, segment: Segment): Found {
  if (typeof segment === "string") {
    const found = place.next.get(segment);
    if (found !== undefined) yield found;
    return;
  }
  for (const [name, found] of place.next.entries()) if (segmentsMeet(segment, name)) yield found;
}

function* families(place: Place | Leaf, search: Search): Found {
  if (place instanceof Leaf) {
    yield place;
    return;
  }
  const byLead = place.next.get(BY_LEAD);
  if (byLead !== undefined) yield* leads(byLead, search);
  const byTrail = place.next.get(BY_TRAIL);
  if (byTrail !== undefined) yield* chunked(byTrail, search.trail);
  const bySegment = place.next.get(BY_SEGMENT);
  if (bySegment instanceof Leaf) yield bySegment;
  else if (bySegment !== undefined) {
    if (search.part.starred) yield* everything(bySegment);
    // Two segments may match the same literal, which must come up once.
    else yield* new Set(search.part.head.flatMap((segment) => [...matching(bySegment, segment)]));
  }
  const byNothing = place.next.get(BY_NOTHING);
  if (byNothing !== undefined) yield byNothing;
}

function* leads(byExtension: Place | Leaf, { extension, lead }: Search): Found {
  if (byExtension instanceof Leaf) yield byExtension;
  else if (extension === undefined)
    for (const place of byExtension.next.values()) yield* chunked(place, lead);
  else {
    const same = byExtension.next.get(extension);
    if (same !== undefined) yield* chunked(same, lead);
    const any = extension === PLAIN ? undefined : byExtension.next.get(PLAIN);
    if (any !== undefined) yield* chunked(any, lead);
  }
}

/** Everything whose chunked text begins `text`, or goes on from it. */
function* chunked(root: Place | Leaf, text: string): Found {
  let place = root;
  let at = 0;
  for (const end of CHUNK_ENDS) {
    yield place;
    if (place instanceof Leaf) return;
    if (text.length < end) {
      const rest = text.slice(at);
      for (const [key, child] of place.next.entries()) {
        if (key.startsWith(rest)) yield* everything(child);
        else if (rest.startsWith(key)) yield child;
      }
      return;
    }
    for (let cut = at + 1; cut < end; cut++) {
      const ended = place.next.get(text.slice(at, cut));
      if (ended !== undefined) yield ended;
    }
    const next = place.next.get(text.slice(at, end));
    if (next === undefined) return;
    place = next;
    at = end;
  }
  yield place;
}

function* everything(place: Place | Leaf): Found {
  yield place;
  if (place instanceof Leaf || place.next.size === 0) return;
  for (const child of place.next.values()) yield* everything(child);
}
