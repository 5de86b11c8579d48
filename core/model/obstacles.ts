/**
 * Obstacles: what stands between an agent and a claim it wants.
 *
 * Three things can: the id is held by another, a live claim of another overlaps the scope, or an earlier
 * waiter wants what the newcomer wants (no barging, WA3). One's own claims and waits never stand in one's
 * way (CL8). Everything here reads through indexes, so the cost does not grow with the number of live
 * claims.
 */
import type { Claim } from "./claim-state.ts";
import type { State } from "./model.ts";
import type { ScopeIndex } from "./scope-index.ts";
import { compileScope, overlaps, type Scope, sameWorktree } from "./scopes.ts";
import type { Wait } from "./waits.ts";

/** What is wanted: an id, and perhaps a scope. */
export interface Want {
  readonly claim: string;
  readonly agent: string;
  readonly scope?: Scope;
  readonly shared: boolean;
  readonly acrossWorktrees: boolean;
  /** Its own claim of the id stands in its way too, instead of being extended. */
  readonly fresh: boolean;
}

/** The live claim that takes the wanted id. */
export function holderOf(state: State, want: Want): Claim | undefined {
  const claim = state.claims.live.get(want.claim);
  return claim !== undefined && (want.fresh || claim.holder !== want.agent) ? claim : undefined;
}

/** The agent's own claim of the wanted id, which it would extend. */
export function ownClaim(state: State, want: Want): Claim | undefined {
  const claim = state.claims.live.get(want.claim);
  return claim?.holder === want.agent && !want.fresh ? claim : undefined;
}

/**
 * What a wait wants by now. Where its agent holds the id, a wait without a scope wants nothing more than
 * that, and one that joins wants both; otherwise it wants what it said, so that no grant can put a new
 * obstacle before it.
 */
export function wantNow(state: State, wait: Wait): Want {
  const { claim, agent, fresh = false, shared = false, acrossWorktrees = false } = wait;
  const asked: Want = { claim, agent, shared, acrossWorktrees, fresh };
  const mine = ownClaim(state, asked);
  const like = wait.scope === undefined && mine !== undefined ? mine : asked;
  const scope =
    mine === undefined || (wait.scope !== undefined && !wait.joins)
      ? wait.scope
      : joint(mine.scope, wait.scope);
  return {
    ...asked,
    shared: like.shared,
    acrossWorktrees: like.acrossWorktrees,
    ...(scope === undefined ? {} : { scope }),
  };
}

const NONE: readonly never[] = [];

/** Live claims of others whose scope refuses the wanted one, in any order; found as the caller goes on. */
export function overlapping(state: State, want: Want): Iterable<Claim> {
  const { scope, acrossWorktrees } = want;
  const { index, shared, across } = state.claims;
  if (scope === undefined || index === undefined || shared === undefined) return NONE;
  // Nearly always nothing is in the way, and seeing that is cheap.
  const free =
    index.isClear(scope, acrossWorktrees) &&
    (want.shared || shared.isClear(scope, acrossWorktrees)) &&
    (across === undefined || across.size === 0);
  return free ? NONE : overlappingOf(state, want, scope);
}

function* overlappingOf(state: State, want: Want, scope: Scope): IterableIterator<Claim> {
  const { live, index, shared, across } = state.claims;
  for (const among of want.shared ? [index] : [index, shared]) {
    for (const claim of found(among, live, scope, want.acrossWorktrees))
      if (refuses(claim, want)) yield claim;
  }
  if (want.acrossWorktrees || across === undefined || across.size === 0) return;
  for (const claim of found(across, live, scope, true)) {
    const seenAbove = claim.scope !== undefined && sameWorktree(claim.scope, scope);
    if (!seenAbove && refuses(claim, want)) yield claim;
  }
}

/** Live claims of others in other worktrees that will meet this one at merge (CL20), in any order. */
export function nearby(state: State, want: Want): Iterable<Claim> {
  const { scope } = want;
  const { index, shared } = state.claims;
  if (scope?.worktree === undefined || index === undefined || shared === undefined) return NONE;
  return index.isClear(scope, true) && shared.isClear(scope, true) ? NONE : nearbyOf(state, want, scope);
}

function* nearbyOf(state: State, want: Want, scope: Scope): IterableIterator<Claim> {
  for (const claim of covering(state, scope, true)) {
    if (claim.holder === want.agent || claim.scope === undefined) continue;
    if (!sameWorktree(claim.scope, scope)) yield claim;
  }
}

/**
 * Live claims, whoever holds them, that cover some path of a scope, in any order; in every worktree, or only
 * those that count in the scope's own.
 */
export function* covering(state: State, scope: Scope, everyWorktree: boolean): IterableIterator<Claim> {
  const { live, index, shared, across } = state.claims;
  yield* found(index, live, scope, everyWorktree);
  yield* found(shared, live, scope, everyWorktree);
  if (everyWorktree) return;
  for (const claim of found(across, live, scope, true)) {
    if (claim.scope !== undefined && !sameWorktree(claim.scope, scope)) yield claim;
  }
}

/**
 * Waits of others, earlier than `before`, that the wanted claim would barge past, in any order. Waits that
 * the agent's own claim of the id stands in the way of already are not news to anybody; nor are those for
 * that id itself.
 */
export function waitsAhead(state: State, want: Want, before: number): Iterable<Wait> {
  return state.waits.bySeq.size === 0 ? NONE : waitsAheadOf(state, want, before);
}

function* waitsAheadOf(state: State, want: Want, before: number): IterableIterator<Wait> {
  const { waits } = state;
  const mine = ownClaim(state, want);
  for (const seq of mine === undefined ? (waits.byClaim.get(want.claim) ?? []) : []) {
    const wait = waits.bySeq.get(seq);
    if (seq >= before) break;
    if (wait !== undefined && wait.agent !== want.agent) yield wait;
  }
  if (want.scope === undefined || waits.index === undefined) return;
  for (const key of waits.index.overlapping(want.scope, { acrossWorktrees: true })) {
    const wait = waits.bySeq.get(Number(key));
    if (wait === undefined || wait.seq >= before || wait.claim === want.claim) continue;
    if (wait.agent === want.agent || !meets(wait, want)) continue;
    if (mine !== undefined && stoppedBy(state, wait, mine)) continue;
    yield wait;
  }
}

/** Whether a wait could be granted now. */
export function isFree(state: State, want: Want, before: number): boolean {
  if (holderOf(state, want) !== undefined) return false;
  for (const _ of overlapping(state, want)) return false;
  for (const _ of waitsAhead(state, want, before)) return false;
  return true;
}

function refuses(claim: Claim, want: Want): boolean {
  return claim.holder !== want.agent && !(claim.shared && want.shared);
}

/** Whether a wait and a want or claim, known to overlap in paths, exclude each other. */
function meets(wait: Wait, other: Omit<Want, "claim" | "agent" | "fresh">): boolean {
  if (wait.shared && other.shared) return false;
  if (wait.scope === undefined || other.scope === undefined) return false;
  return wait.acrossWorktrees || other.acrossWorktrees || sameWorktree(wait.scope, other.scope);
}

/** Whether a claim stands in the way of a wait for another id. */
function stoppedBy(state: State, wait: Wait, claim: Claim): boolean {
  if (wait.scope === undefined || claim.scope === undefined || !meets(wait, claim)) return false;
  const { foldCase } = state.log.settings;
  return overlaps(compileScope(wait.scope, foldCase), compileScope(claim.scope, foldCase));
}

/** Both of two canonical scopes of one worktree. */
function joint(held: Scope | undefined, more: Scope | undefined): Scope | undefined {
  if (held === undefined || more === undefined) return held ?? more;
  const files = [...new Set([...(held.files ?? []), ...(more.files ?? [])])];
  const paths = [...new Set([...(held.paths ?? []), ...(more.paths ?? [])])];
  return {
    ...(held.worktree === undefined ? {} : { worktree: held.worktree }),
    ...(files.length === 0 ? {} : { files }),
    ...(paths.length === 0 ? {} : { paths }),
  };
}

/** Live claims that an index finds for a scope. */
function* found(
  index: ScopeIndex | undefined,
  live: State["claims"]["live"],
  scope: Scope,
  acrossWorktrees: boolean,
): IterableIterator<Claim> {
  if (index === undefined) return;
  for (const key of index.overlapping(scope, { acrossWorktrees })) {
    const claim = live.get(key);
    if (claim !== undefined) yield claim;
  }
}
