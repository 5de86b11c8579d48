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

type Lease = Pick<
  Claim,
  "claim" | "holder" | "epoch" | "status" | "artifact" | "ttlMs" | "grantedAtMs" | "expiresAtMs"
>;

/**
 * A claim, field by field and always in one order: this is folded for every grant and renewal there ever
 * was, and a copy with more fields than its model is fifty times slower on some versions of V8.
 */
function claimOf(lease: Lease, shared: boolean, acrossWorktrees: boolean, terms: Terms): Claim {
  const { claim, holder, epoch, status, ttlMs, grantedAtMs, expiresAtMs } = lease;
  const { scope, note, task, onGone, git } = terms;
  const plain = { claim, holder, epoch, shared, acrossWorktrees, status, ttlMs, grantedAtMs, expiresAtMs };
  // What nearly every claim has belongs to the literal: a field added later takes an object of its own.
  const made: { -readonly [K in keyof Claim]: Claim[K] } =
    scope === undefined
      ? plain
      : { claim, holder, epoch, shared, acrossWorktrees, status, ttlMs, grantedAtMs, expiresAtMs, scope };
  if (note !== undefined) made.note = note;
  if (task !== undefined) made.task = task;
  if (onGone !== undefined) made.onGone = onGone;
  if (git !== undefined) made.git = git;
  if (lease.artifact !== undefined) made.artifact = lease.artifact;
  return made;
}

/** The claim that a grant makes; `before`: the one of the same holder it supersedes, whose work goes on. */
export function granted(event: Granted, before: Claim | undefined, grantedAtMs: number): Claim {
  const { claim, holder, epoch, ttlMs, expiresAtMs, shared = false, acrossWorktrees = false } = event;
  const status = before?.status ?? "claimed";
  const work = before?.artifact === undefined ? undefined : { artifact: before.artifact };
  const lease: Lease = { claim, holder, epoch, status, ttlMs, grantedAtMs, expiresAtMs, ...work };
  return claimOf(lease, shared, acrossWorktrees, event);
}

/** The claim that a renewal makes of one: what it says replaces what was. */
export function renewed(event: Granted, before: Claim): Claim {
  const { claim, holder, epoch, status, grantedAtMs } = before;
  const { ttlMs, expiresAtMs, shared = before.shared, acrossWorktrees = before.acrossWorktrees } = event;
  const work = before.artifact === undefined ? undefined : { artifact: before.artifact };
  const lease: Lease = { claim, holder, epoch, status, ttlMs, grantedAtMs, expiresAtMs, ...work };
  const { scope = before.scope, note = before.note, task = before.task } = event;
  const { onGone = before.onGone, git = before.git } = event;
  return claimOf(lease, shared, acrossWorktrees, { scope, note, task, onGone, git } as Terms);
}

/** The claim as its holder says it stands. */
export function reported(said: Pick<Claim, "status" | "note" | "artifact">, before: Claim): Claim {
  const { claim, holder, epoch, ttlMs, grantedAtMs, expiresAtMs, shared, acrossWorktrees } = before;
  const { status, artifact = before.artifact, note = before.note } = said;
  const work = artifact === undefined ? undefined : { artifact };
  const lease: Lease = { claim, holder, epoch, status, ttlMs, grantedAtMs, expiresAtMs, ...work };
  const { scope, task, onGone, git } = before;
  return claimOf(lease, shared, acrossWorktrees, { scope, note, task, onGone, git } as Terms);
}

/** A state in the making. */
type Draft = { -readonly [K in keyof ClaimsState]: ClaimsState[K] };

/** A copy to change: field by field, which is ten times faster than a spread that is written over. */
function drafted(slice: ClaimsState): Draft {
  const { live, order, holdings, ended, endedOrder, nextEnded, freed, index, shared, across } = slice;
  return { live, order, holdings, ended, endedOrder, nextEnded, freed, index, shared, across };
}

/** Adds a live claim whose id is not live. */
export function put(slice: ClaimsState, claim: Claim, at: At): ClaimsState {
  const { edit } = at;
  const { claim: id, holder, epoch } = claim;
  const draft = drafted(slice);
  const held = slice.holdings.get(holder);
  const ended = slice.ended.get(id);
  draft.live = slice.live.set(id, claim, edit);
  draft.order = slice.order.set(epoch, id, edit);
  draft.holdings = slice.holdings.set(holder, held ? [...held, id] : [id], edit);
  if (ended !== undefined) {
    draft.ended = slice.ended.delete(id, edit);
    draft.endedOrder = slice.endedOrder.delete(ended.place, edit);
  }
  enter(draft, claim, edit);
  return draft;
}

/** Takes a live claim away. */
export function remove(slice: ClaimsState, claim: Claim, at: At): ClaimsState {
  const draft = drafted(slice);
  takeAway(draft, claim, at.edit);
  return draft;
}

function takeAway(draft: Draft, claim: Claim, edit: Edit | undefined): void {
  const { claim: id, holder, epoch } = claim;
  const held = (draft.holdings.get(holder) ?? []).filter((other) => other !== id);
  draft.live = draft.live.delete(id, edit);
  draft.order = draft.order.delete(epoch, edit);
  draft.holdings =
    held.length === 0 ? draft.holdings.delete(holder, edit) : draft.holdings.set(holder, held, edit);
  leave(draft, claim, edit);
}

/**
 * Same epoch, other terms: only what changed is touched. `owed`: it is itself owed to a waiter, so that
 * what was freed before it stands too.
 */
export function replace(slice: ClaimsState, before: Claim, after: Claim, at: At, owed = false): ClaimsState {
  const draft = drafted(slice);
  draft.live = slice.live.set(after.claim, after, at.edit);
  if (owed) draft.freed = { seq: at.seq, items: slice.freed.items };
  const same = before.scope === after.scope && before.acrossWorktrees === after.acrossWorktrees;
  if (same && before.shared === after.shared) return draft;
  leave(draft, before, at.edit);
  enter(draft, after, at.edit);
  draft.freed = freedBy(slice.freed, before, at, owed);
  return draft;
}

/**
 * Notes what an entry sets free; what was freed before is forgotten, unless the entry is itself owed for
 * that.
 */
export function freeing(slice: ClaimsState, claim: Freed, at: At, owed = false): ClaimsState {
  const draft = drafted(slice);
  draft.freed = freedBy(slice.freed, claim, at, owed);
  return draft;
}

function freedBy(before: ClaimsState["freed"], { claim, scope }: Freed, { seq }: At, owed: boolean) {
  const freed: Freed = scope === undefined ? { claim } : { claim, scope };
  return { seq, items: owed || before.seq === seq ? [...before.items, freed] : [freed] };
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
  const draft = drafted(slice);
  takeAway(draft, claim, at.edit);
  draft.freed = freedBy(slice.freed, claim, at, false);
  draft.ended = draft.ended.set(claim.claim, record, at.edit);
  draft.endedOrder = draft.endedOrder.set(place, claim.claim, at.edit);
  draft.nextEnded = place + 1;
  while (draft.endedOrder.size > at.settings.endedClaimsMax) {
    const oldest = draft.endedOrder.first();
    if (oldest === undefined) break;
    draft.ended = draft.ended.delete(oldest[1], at.edit);
    draft.endedOrder = draft.endedOrder.delete(oldest[0], at.edit);
  }
  return draft;
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

/**
 * Before an entry that is owed to a waiter: what was freed stands, and the entry's other events add to it,
 * for others may be owed to it too.
 */
export function kept(slice: ClaimsState, { seq }: At): ClaimsState {
  return slice.freed.items.length === 0 ? slice : { ...slice, freed: { seq, items: slice.freed.items } };
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

function enter(draft: Draft, { claim, scope, shared, acrossWorktrees }: Claim, edit: Edit | undefined): void {
  if (scope === undefined) return;
  if (shared) draft.shared = draft.shared?.add(claim, scope, edit);
  else draft.index = draft.index?.add(claim, scope, edit);
  if (acrossWorktrees) draft.across = draft.across?.add(claim, scope, edit);
}

function leave(draft: Draft, { claim, scope, shared, acrossWorktrees }: Claim, edit: Edit | undefined): void {
  if (scope === undefined) return;
  if (shared) draft.shared = draft.shared?.remove(claim, scope, edit);
  else draft.index = draft.index?.remove(claim, scope, edit);
  if (acrossWorktrees) draft.across = draft.across?.remove(claim, scope, edit);
}
