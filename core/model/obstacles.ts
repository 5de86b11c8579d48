/**
 * Obstacles: what stands between an agent and a claim it wants.
 *
 * Three things can: the id is held by another, a live claim of another overlaps the scope, or an earlier waiter wants
 * what the newcomer wants (no barging, WA3). One's own claims and waits never stand in one's way (CL8). Everything
 * here reads through indexes, so the cost does not grow with the number of live claims.
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
}

/** The live claim of another under the wanted id. */
export function holderOf(state: State, want: Want): Claim | undefined {
  const claim = state.claims.live.get(want.claim);
  return claim !== undefined && claim.holder !== want.agent ? claim : undefined;
}

/** Live claims of others whose scope refuses the wanted one, in any order. */
export function* overlapping(state: State, want: Want): IterableIterator<Claim> {
  if (want.scope === undefined) return;
  const { live, index, across } = state.claims;
  for (const claim of found(index, live, want.scope, want.acrossWorktrees)) {
    if (refuses(claim, want)) yield claim;
  }
  if (want.acrossWorktrees || across === undefined || across.size === 0) return;
  for (const claim of found(across, live, want.scope, true)) {
    const seenAbove = claim.scope !== undefined && sameWorktree(claim.scope, want.scope);
    if (!seenAbove && refuses(claim, want)) yield claim;
  }
}

/** Live claims of others in other worktrees that will meet this one at merge (CL20), in any order. */
export function* nearby(state: State, want: Want): IterableIterator<Claim> {
  const { live, index } = state.claims;
  if (want.scope?.worktree === undefined || index === undefined) return;
  for (const claim of found(index, live, want.scope, true)) {
    if (claim.holder === want.agent || claim.scope === undefined) continue;
    if (!sameWorktree(claim.scope, want.scope)) yield claim;
  }
}

/**
 * Waits of others, earlier than `before`, that the wanted claim would barge past, in any order. Waits that `had`
 * already met, the scope the agent holds by now, are not news to anybody; nor are those for an id it holds itself.
 */
export function* waitsAhead(state: State, want: Want, before: number, had?: Scope): IterableIterator<Wait> {
  const { waits } = state;
  if (waits.bySeq.size === 0) return;
  const mine = state.claims.live.get(want.claim)?.holder === want.agent;
  for (const seq of mine ? [] : (waits.byClaim.get(want.claim) ?? [])) {
    if (seq >= before) break;
    const wait = waits.bySeq.get(seq);
    if (wait !== undefined && wait.agent !== want.agent) yield wait;
  }
  if (want.scope === undefined || waits.index === undefined) return;
  for (const key of waits.index.overlapping(want.scope, { acrossWorktrees: true })) {
    const wait = waits.bySeq.get(Number(key));
    if (wait === undefined || wait.seq >= before || wait.claim === want.claim) continue;
    if (!meets(wait, want)) continue;
    if (had !== undefined && wait.scope !== undefined && overlapsHeld(wait.scope, had, state)) continue;
    yield wait;
  }
}

/** Whether a wait could be granted now. */
export function isFree(state: State, want: Want, before: number): boolean {
  if (holderOf(state, want) !== undefined) return false;
  for (const _ of overlapping(state, want)) return false;
  for (const _ of waitsAhead(state, want, before, heldScope(state, want))) return false;
  return true;
}

/** The scope the agent holds by now under the wanted id. */
export function heldScope(state: State, want: Want): Scope | undefined {
  const claim = state.claims.live.get(want.claim);
  return claim?.holder === want.agent ? claim.scope : undefined;
}

function refuses(claim: Claim, want: Want): boolean {
  return claim.holder !== want.agent && !(claim.shared && want.shared);
}

/** Whether two wants of different agents, known to overlap in paths, exclude each other. */
function meets(wait: Wait, want: Want): boolean {
  if (wait.agent === want.agent || (wait.shared && want.shared)) return false;
  if (wait.scope === undefined || want.scope === undefined) return false;
  return wait.acrossWorktrees || want.acrossWorktrees || sameWorktree(wait.scope, want.scope);
}

function overlapsHeld(scope: Scope, had: Scope, state: State): boolean {
  const { foldCase } = state.log.settings;
  return sameWorktree(scope, had) && overlaps(compileScope(scope, foldCase), compileScope(had, foldCase));
}

/** Live claims that an index finds for a scope. */
export function* found(
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
