/**
 * What must be true of claims and waits behind every entry, said naively: by looking at every pair, without indexes.
 */
import type { Claim } from "../../core/model/claim-state.ts";
import type { State } from "../../core/model/model.ts";
import { compileScope, coversFile, overlaps, type Scope } from "../../core/model/scopes.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Wait } from "../../core/model/waits.ts";

/** What a claim or a wait covers, and how. */
interface Footprint {
  readonly claim: string;
  readonly scope?: Scope | undefined;
  readonly shared: boolean;
  readonly across: boolean;
}

/** Throws with what is wrong, if anything is, behind any entry. */
export function checkClaims(state: State, files: readonly string[]): void {
  const { foldCase } = state.log.settings;
  const live = [...state.claims.live.values()];
  for (const [i, a] of live.entries()) {
    for (const b of live.slice(i + 1)) {
      if (a.holder === b.holder) continue;
      if (exclude(ofClaim(a), ofClaim(b), foldCase))
        throw new Error(`two holders: ${show(a)} and ${show(b)}`);
      const both = files.find((file) => covers(a, file, foldCase) && covers(b, file, foldCase));
      const near = a.acrossWorktrees || b.acrossWorktrees || sameTree(a.scope, b.scope);
      if (both !== undefined && near && !(a.shared && b.shared)) {
        throw new Error(`${both} has two holders: ${show(a)} and ${show(b)}`);
      }
    }
  }
  checkOrders(state, live);
}

/** The other orders of the live claims, and the indexes, say the same as `live`. */
function checkOrders(state: State, live: readonly Claim[]): void {
  const { claims, waits } = state;
  const byEpoch = [...live].sort((a, b) => a.epoch - b.epoch);
  equal(
    "order",
    [...claims.order],
    byEpoch.map(({ epoch, claim }) => [epoch, claim]),
  );
  const holders = new Set([...live.map(({ holder }) => holder), ...claims.holdings.keys()]);
  for (const holder of holders) {
    const held = byEpoch.filter((claim) => claim.holder === holder).map(({ claim }) => claim);
    equal(`holdings of ${holder}`, claims.holdings.get(holder), held);
    if (held.length > 128) throw new Error(`${holder} holds ${held.length} claims`);
  }
  const across = live.filter(({ acrossWorktrees, scope }) => acrossWorktrees && scope !== undefined);
  const scoped = live.filter(({ scope }) => scope !== undefined);
  const sharing = scoped.filter(({ shared }) => shared);
  equal("index size", claims.index?.size, scoped.length - sharing.length);
  equal("size of the index of shared ones", claims.shared?.size, sharing.length);
  equal("size of the index across worktrees", claims.across?.size, across.length);
  for (const { claim, scope, shared } of live) {
    if (scope === undefined) continue;
    const index = shared ? claims.shared : claims.index;
    const found = [...(index?.overlapping(scope, { acrossWorktrees: true }) ?? [])];
    if (!found.includes(claim)) throw new Error(`${claim} is not in the index`);
  }
  const queued = [...waits.bySeq.values()];
  equal("waits' index size", waits.index?.size, queued.filter(({ scope }) => scope !== undefined).length);
  for (const { agent, claim } of queued) {
    const of = (mine: (wait: Wait) => boolean) => queued.filter(mine).map(({ seq }) => seq);
    equal(
      `waits of ${agent}`,
      waits.byAgent.get(agent),
      of((wait) => wait.agent === agent),
    );
    equal(
      `waits for ${claim}`,
      waits.byClaim.get(claim),
      of((wait) => wait.claim === claim),
    );
  }
  equal("ended", [...claims.endedOrder.values()].sort(), [...claims.ended.keys()].sort());
  for (const claim of claims.ended.keys())
    if (claims.live.has(claim)) throw new Error(`${claim} lives and ended`);
}

/** Throws where, the hub owing nothing more, a wait could be granted, or agents wait in a circle. */
export function checkWaits(state: State): void {
  const next = new Map<string, Set<string>>();
  for (const wait of state.waits.bySeq.values()) {
    const blockers = blockersOf(state, wait);
    if (blockers.length === 0) throw new Error(`${show(wait)} could be granted`);
    const edges = next.get(wait.agent) ?? new Set();
    for (const agent of blockers) if (agent !== wait.agent) edges.add(agent);
    next.set(wait.agent, edges);
  }
  for (const start of next.keys()) {
    const reached = new Set<string>();
    const open = [...(next.get(start) ?? [])];
    for (let agent = open.pop(); agent !== undefined; agent = open.pop()) {
      if (agent === start)
        throw new Error(
          `${start} waits for itself: ${JSON.stringify([...next].map(([a, b]) => [a, [...b]]))}`,
        );
      if (reached.has(agent)) continue;
      reached.add(agent);
      open.push(...(next.get(agent) ?? []));
    }
  }
}

/** Throws where an epoch is not the seq of its entry, or not above every earlier one. */
export function checkEpochs(entries: readonly Entry[]): void {
  let newest = 0;
  for (const { seq, events } of entries) {
    for (const event of events) {
      if (event.type !== "claim.granted" && event.type !== "claim.handed-off") continue;
      if (event.epoch !== seq) throw new Error(`epoch ${event.epoch} in entry ${seq}`);
      if (event.epoch <= newest) throw new Error(`epoch ${event.epoch} after ${newest}`);
      newest = event.epoch;
    }
  }
}

/** The agents in the way of a wait, one for each thing that is. */
function blockersOf(state: State, wait: Wait): readonly string[] {
  const { foldCase } = state.log.settings;
  const live = [...state.claims.live.values()];
  const queue = [...state.waits.bySeq.values()];
  const mine = live.find((claim) => claim.claim === wait.claim && claim.holder === wait.agent && !wait.fresh);
  const wanted = ofWait(wait, mine);
  const blockers: string[] = [];
  for (const claim of live) {
    const sameId = claim.claim === wait.claim && claim !== mine;
    const inTheWay = claim.holder !== wait.agent && exclude(ofClaim(claim), wanted, foldCase);
    if (sameId || inTheWay) blockers.push(claim.holder);
  }
  for (const other of queue) {
    if (other.agent === wait.agent || other.seq >= wait.seq) continue;
    if (other.claim === wait.claim) {
      if (mine === undefined) blockers.push(other.agent);
      continue;
    }
    const theirs = { ...ofWait(other, undefined) };
    const stopped = mine !== undefined && exclude(ofClaim(mine), theirs, foldCase);
    if (!stopped && exclude(theirs, wanted, foldCase)) blockers.push(other.agent);
  }
  return blockers;
}

function ofClaim({ claim, scope, shared, acrossWorktrees }: Claim): Footprint {
  return { claim, scope, shared, across: acrossWorktrees };
}

function ofWait(wait: Wait, mine: Claim | undefined): Footprint {
  if (mine !== undefined && wait.scope === undefined) return ofClaim(mine);
  const held = wait.joins ? mine?.scope : undefined;
  return {
    claim: wait.claim,
    scope: wait.scope && {
      ...wait.scope,
      files: [...(held?.files ?? []), ...(wait.scope.files ?? [])],
      paths: [...(held?.paths ?? []), ...(wait.scope.paths ?? [])],
    },
    shared: wait.shared ?? false,
    across: wait.acrossWorktrees ?? false,
  };
}

function exclude(a: Footprint, b: Footprint, foldCase: boolean): boolean {
  if (a.scope === undefined || b.scope === undefined || (a.shared && b.shared)) return false;
  if (!a.across && !b.across && !sameTree(a.scope, b.scope)) return false;
  return overlaps(compileScope(a.scope, foldCase), compileScope(b.scope, foldCase));
}

function sameTree(a: Scope | undefined, b: Scope | undefined): boolean {
  return a?.worktree === undefined || b?.worktree === undefined || a.worktree === b.worktree;
}

function covers({ scope }: Claim, file: string, foldCase: boolean): boolean {
  return scope !== undefined && coversFile(compileScope(scope, foldCase), file);
}

function equal(what: string, is: unknown, should: unknown): void {
  const [a, b] = [JSON.stringify(is), JSON.stringify(should)];
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
}

function show(value: object): string {
  return JSON.stringify(value);
}
