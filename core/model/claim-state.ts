/**
 * The claims' part of the state, and the only functions that change it.
 *
 * Invariant: no two live claims of different holders overlap within one worktree (or across, where one asks
 * for it), unless both are shared; and every epoch is the seq of the entry that granted it, so none is ever
 * given twice.
 * `order`, `holdings` and `endedOrder` say the same as `live` and `ended`, in another order.
 */
import { type Edit, KeyMap } from "./map.ts";
import { ScopeIndex } from "./scope-index.ts";
import type { Scope } from "./scopes.ts";
import { SeqMap } from "./seq-map.ts";
import type { At, Row } from "./slice.ts";
import type { Terms } from "./terms.ts";

export type ClaimStatus = "claimed" | "working" | "input-required";
export type Outcome = "done" | "failed" | "abandoned";
/** How a claim ended. */
export type Ending = Outcome | "expired" | "broken";

/** A live claim. Times are log time. */
export interface Claim extends Terms {
  readonly claim: string;
  readonly holder: string;
  readonly epoch: number;
  readonly shared: boolean;
  readonly acrossWorktrees: boolean;
  readonly status: ClaimStatus;
  readonly artifact?: string;
  readonly ttlMs: number;
  readonly grantedAtMs: number;
  readonly expiresAtMs: number;
}

/** What is remembered of a claim that ended. */
export interface Ended {
  readonly lastHolder: string;
  readonly endedAtMs: number;
  readonly how: Ending;
  readonly epoch: number;
  /** Its place in `endedOrder`. */
  readonly place: number;
}

/** What an entry set free: those who wait for it are looked at right behind that entry. */
export interface Freed {
  readonly claim: string;
  readonly scope?: Scope;
}

export interface ClaimsState {
  readonly live: KeyMap<Claim>;
  /** Live claims by the epoch of their grant. */
  readonly order: SeqMap<string>;
  /** The ids each agent holds, by epoch. */
  readonly holdings: KeyMap<readonly string[]>;
  readonly ended: KeyMap<Ended>;
  readonly endedOrder: SeqMap<string>;
  readonly nextEnded: number;
  /** What the newest entry that freed something set free, and those it followed from. */
  readonly freed: { readonly seq: number; readonly items: readonly Freed[] };
  /** Live scoped claims that nobody shares; absent during a bulk fold. Derived. */
  readonly index: ScopeIndex | undefined;
  /** Live scoped claims that may be shared: who would share asks only the others. Derived. */
  readonly shared: ScopeIndex | undefined;
  /** Those among them that refuse across worktrees. Derived. */
  readonly across: ScopeIndex | undefined;
}

/** Before the first entry. */
export const noClaims: ClaimsState = {
  live: KeyMap.empty(),
  order: SeqMap.empty(),
  holdings: KeyMap.empty(),
  ended: KeyMap.empty(),
  endedOrder: SeqMap.empty(),
  nextEnded: 0,
  freed: { seq: 0, items: [] },
  index: undefined,
  shared: undefined,
  across: undefined,
};

/** What a grant says of the claim that a live one is made of. */
type Granted = Terms & Pick<Claim, "claim" | "holder" | "epoch" | "ttlMs" | "expiresAtMs">;

/** The claim that a grant makes; `before`: the one of the same holder it supersedes, whose work goes on. */
export function granted(event: Granted, before: Claim | undefined, grantedAtMs: number): Claim {
  // Field by field, since this is folded for every grant there ever was.
  const { claim, holder, epoch, ttlMs, expiresAtMs, shared = false, acrossWorktrees = false } = event;
  const status = before?.status ?? "claimed";
  const made: { -readonly [K in keyof Claim]: Claim[K] } = {
    claim,
    holder,
    epoch,
    shared,
    acrossWorktrees,
    status,
    ttlMs,
    grantedAtMs,
    expiresAtMs,
  };
  if (event.scope !== undefined) made.scope = event.scope;
  if (event.note !== undefined) made.note = event.note;
  if (event.task !== undefined) made.task = event.task;
  if (event.onGone !== undefined) made.onGone = event.onGone;
  if (event.git !== undefined) made.git = event.git;
  if (before?.artifact !== undefined) made.artifact = before.artifact;
  return made;
}

/** Adds a live claim whose id is not live. */
export function put(slice: ClaimsState, claim: Claim, at: At): ClaimsState {
  const { edit } = at;
  const { claim: id, holder, epoch } = claim;
  const held = slice.holdings.get(holder);
  const ended = slice.ended.get(id);
  return {
    live: slice.live.set(id, claim, edit),
    order: slice.order.set(epoch, id, edit),
    holdings: slice.holdings.set(holder, held ? [...held, id] : [id], edit),
    ended: ended === undefined ? slice.ended : slice.ended.delete(id, edit),
    endedOrder: ended === undefined ? slice.endedOrder : slice.endedOrder.delete(ended.place, edit),
    nextEnded: slice.nextEnded,
    freed: slice.freed,
    index: claim.shared ? slice.index : entered(slice.index, claim, edit),
    shared: claim.shared ? entered(slice.shared, claim, edit) : slice.shared,
    across: claim.acrossWorktrees ? entered(slice.across, claim, edit) : slice.across,
  };
}

/** Takes a live claim away. */
export function remove(slice: ClaimsState, claim: Claim, at: At): ClaimsState {
  const { edit } = at;
  const { claim: id, holder, epoch } = claim;
  const held = (slice.holdings.get(holder) ?? []).filter((other) => other !== id);
  return {
    live: slice.live.delete(id, edit),
    order: slice.order.delete(epoch, edit),
    holdings:
      held.length === 0 ? slice.holdings.delete(holder, edit) : slice.holdings.set(holder, held, edit),
    ended: slice.ended,
    endedOrder: slice.endedOrder,
    nextEnded: slice.nextEnded,
    freed: slice.freed,
    index: claim.shared ? slice.index : left(slice.index, claim, edit),
    shared: claim.shared ? left(slice.shared, claim, edit) : slice.shared,
    across: claim.acrossWorktrees ? left(slice.across, claim, edit) : slice.across,
  };
}

/**
 * Same epoch, other terms: only what changed is touched. `owed`: it is itself owed to a waiter, so that
 * what was freed before it stands too.
 */
export function replace(slice: ClaimsState, before: Claim, after: Claim, at: At, owed = false): ClaimsState {
  const live = slice.live.set(after.claim, after, at.edit);
  const same = before.scope === after.scope && before.acrossWorktrees === after.acrossWorktrees;
  if (same && before.shared === after.shared) return { ...slice, live };
  let { index, shared, across } = slice;
  if (before.shared) shared = left(shared, before, at.edit);
  else index = left(index, before, at.edit);
  if (after.shared) shared = entered(shared, after, at.edit);
  else index = entered(index, after, at.edit);
  if (before.acrossWorktrees) across = left(across, before, at.edit);
  if (after.acrossWorktrees) across = entered(across, after, at.edit);
  return freeing({ ...slice, live, index, shared, across }, before, at, owed);
}

/**
 * Notes what an entry sets free; what was freed before is forgotten, unless the entry is itself owed for
 * that.
 */
export function freeing(slice: ClaimsState, { claim, scope }: Freed, at: At, owed = false): ClaimsState {
  const freed: Freed = scope === undefined ? { claim } : { claim, scope };
  const items = owed || slice.freed.seq === at.seq ? [...slice.freed.items, freed] : [freed];
  return { ...slice, freed: { seq: at.seq, items } };
}

/** Ends the live claim with this epoch, if there is one, and remembers how. */
export function end(
  slice: ClaimsState,
  event: { readonly claim: string; readonly epoch: number },
  how: Ending,
  at: At,
): ClaimsState {
  const claim = slice.live.get(event.claim);
  if (claim === undefined || claim.epoch !== event.epoch) return slice;
  const place = slice.nextEnded;
  const record: Ended = { lastHolder: claim.holder, endedAtMs: at.atMs, how, epoch: claim.epoch, place };
  const gone = freeing(remove(slice, claim, at), claim, at);
  let ended = gone.ended.set(claim.claim, record, at.edit);
  let endedOrder = gone.endedOrder.set(place, claim.claim, at.edit);
  while (endedOrder.size > at.settings.endedClaimsMax) {
    const oldest = endedOrder.first();
    if (oldest === undefined) break;
    ended = ended.delete(oldest[1], at.edit);
    endedOrder = endedOrder.delete(oldest[0], at.edit);
  }
  return { ...gone, ended, endedOrder, nextEnded: place + 1 };
}

/** With the indexes that a bulk fold leaves out. */
export function indexed(slice: ClaimsState, foldCase: boolean): ClaimsState {
  if (slice.index !== undefined) return slice;
  const alone: [string, Scope][] = [];
  const sharing: [string, Scope][] = [];
  const across: [string, Scope][] = [];
  for (const { claim, scope, shared, acrossWorktrees } of slice.live.values()) {
    if (scope === undefined) continue;
    (shared ? sharing : alone).push([claim, scope]);
    if (acrossWorktrees) across.push([claim, scope]);
  }
  return {
    ...slice,
    index: ScopeIndex.build(foldCase, alone),
    shared: ScopeIndex.build(foldCase, sharing),
    across: ScopeIndex.build(foldCase, across),
  };
}

/** With nothing freed, before entry `seq` frees something. */
export function unfreed(slice: ClaimsState, { seq }: At): ClaimsState {
  return slice.freed.seq === seq || slice.freed.items.length === 0
    ? slice
    : { ...slice, freed: { seq, items: [] } };
}

export function* saveClaims(slice: ClaimsState): IterableIterator<Row> {
  for (const claim of slice.live.values()) yield ["live", claim];
  for (const [claim, ended] of slice.ended) yield ["ended", claim, ended];
  yield ["next", slice.nextEnded];
  yield ["freed", slice.freed];
}

export function loadClaims(rows: Iterable<Row>): ClaimsState {
  const live: Claim[] = [];
  const ended: [string, Ended][] = [];
  let { nextEnded, freed } = noClaims;
  for (const [part, first, second] of rows) {
    if (part === "live") live.push(first as Claim);
    else if (part === "ended") ended.push([first as string, second as Ended]);
    else if (part === "next") nextEnded = first as number;
    else freed = first as ClaimsState["freed"];
  }
  live.sort((a, b) => a.epoch - b.epoch);
  const holdings = new Map<string, string[]>();
  for (const { holder, claim } of live) {
    const held = holdings.get(holder);
    if (held === undefined) holdings.set(holder, [claim]);
    else held.push(claim);
  }
  const places = ended.map(([id, { place }]) => [place, id] as const).sort(([a], [b]) => a - b);
  return {
    ...noClaims,
    live: KeyMap.from(live.map((claim) => [claim.claim, claim] as const)),
    order: SeqMap.from(live.map((claim) => [claim.epoch, claim.claim] as const)),
    holdings: KeyMap.from(holdings),
    ended: KeyMap.from(ended),
    endedOrder: SeqMap.from(places),
    nextEnded,
    freed,
  };
}

function entered(index: ScopeIndex | undefined, { claim, scope }: Claim, edit: Edit | undefined) {
  return scope === undefined ? index : index?.add(claim, scope, edit);
}

function left(index: ScopeIndex | undefined, { claim, scope }: Claim, edit: Edit | undefined) {
  return scope === undefined ? index : index?.remove(claim, scope, edit);
}
