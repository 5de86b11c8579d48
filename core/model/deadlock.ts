/**
 * Deadlock: whether a wait would close a cycle of agents each holding, or queued before another for, what
 * the next one waits for (WA4).
 *
 * The graph is never stored: its edges are what stands in the way of each wait right now, so an ended wait
 * can leave no false edge behind (WA5). A search visits each wait once.
 */
import { limits } from "../limits.ts";
import { type Claim, put, remove, replace } from "./claim-state.ts";
import type { State } from "./model.ts";
import { overlapping, type Want, waitsAhead, wantNow } from "./obstacles.ts";
import { list, type Of, object, optional, string } from "./shape.ts";
import { type At, type Context, refusal, rejecter } from "./slice.ts";
import type { Wait } from "./waits.ts";

/** Steps of a cycle shown in a refusal. */
const CYCLE_SHOWN = 100;

const id = string("id", limits.idMax);
/**
 * One step of a cycle: `agent` waits for the claim `waitsFor`, while holding what the one before it waits
 * for.
 */
export const cycle = list(object({ agent: id, holds: optional(id), waitsFor: id }), CYCLE_SHOWN);
export type Cycle = Of<typeof cycle>;

export const deadlockRejections = {
  "claim.deadlock": refusal(
    "The wait, hand-off or widening would close a cycle of agents waiting for each other.",
    { cycle },
    ({ cycle }) =>
      `This would deadlock: ${cycle.map((step) => `${step.agent} waits for ${step.waitsFor}`).join(", ")}. ` +
      "Release what you hold first, or take the claims in one order; nothing was changed.",
  ),
} as const;
const reject = rejecter(deadlockRejections);

/** The refusal that shows the cycle. */
export function deadlock(cycle: Cycle) {
  return reject("claim.deadlock", { cycle });
}

interface Edge {
  readonly agent: string;
  readonly holds?: string;
}

/** The cycle that `want` would close by waiting from now on, if any. */
export function cycleThrough(state: State, want: Want, before: number): Cycle | undefined {
  return search(state, want.agent, [{ want, before }]);
}

/** The cycle that `agent` would be part of, if any. */
export function cycleOf(state: State, agent: string): Cycle | undefined {
  return search(state, agent, waitsOf(state, agent));
}

/** The state as it would be if `claim` were `to`'s; for asking, not for folding. */
export function ifHanded(state: State, claim: Claim, to: string, context: Context): State {
  const at = supposed(state, context);
  const moved = { ...claim, holder: to, epoch: context.seq };
  return { ...state, claims: put(remove(state.claims, claim, at), moved, at) };
}

/** The cycle that changing a claim's terms would close through its holder's own waits, if any. */
export function cycleByChange(
  state: State,
  before: Claim,
  after: Claim,
  context: Context,
): Cycle | undefined {
  if (!state.waits.byAgent.has(before.holder)) return undefined;
  const claims = replace(state.claims, before, after, supposed(state, context));
  return cycleOf({ ...state, claims }, before.holder);
}

/** Where an event would stand that is only supposed. */
function supposed(state: State, { seq, nowMs, agent, submission }: Context): At {
  const { settings } = state.log;
  return { seq, atMs: nowMs, wallMs: 0, by: agent, id: submission, settings, edit: undefined };
}

interface Waiting {
  readonly want: Want;
  readonly before: number;
}

interface Step {
  readonly agent: string;
  holds: string | undefined;
  /** What the agent waits for on the way that is being looked at. */
  waitsFor: string;
  readonly ways: Iterator<readonly [waitsFor: string, edge: Edge]>;
}

/** Looks, depth first, for a way from the first waits back to `start`. Visits each agent once. */
function search(state: State, start: string, first: readonly Waiting[]): Cycle | undefined {
  const seen = new Set<string>();
  const step = (agent: string, holds: string | undefined, waitings: readonly Waiting[]): Step => ({
    agent,
    holds,
    waitsFor: "",
    ways: ways(state, waitings),
  });
  const path: Step[] = [step(start, undefined, first)];
  for (let last = path[0]; last !== undefined; last = path[path.length - 1]) {
    const next = last.ways.next();
    if (next.done === true) {
      path.pop();
      continue;
    }
    const [waitsFor, edge] = next.value;
    last.waitsFor = waitsFor;
    if (edge.agent === start) {
      if (path[0] !== undefined) path[0].holds = edge.holds;
      return path.slice(0, CYCLE_SHOWN).map(({ agent, holds, waitsFor }) => ({
        agent,
        ...(holds === undefined ? {} : { holds }),
        waitsFor,
      }));
    }
    if (seen.has(edge.agent)) continue;
    seen.add(edge.agent);
    path.push(step(edge.agent, edge.holds, waitsOf(state, edge.agent)));
  }
  return undefined;
}

function* ways(state: State, waitings: readonly Waiting[]): IterableIterator<readonly [string, Edge]> {
  for (const waiting of waitings) {
    for (const edge of edges(state, waiting)) yield [waiting.want.claim, edge];
  }
}

function waitsOf(state: State, agent: string): readonly Waiting[] {
  const waitings: Waiting[] = [];
  for (const seq of state.waits.byAgent.get(agent) ?? []) {
    const wait = state.waits.bySeq.get(seq);
    if (wait !== undefined) waitings.push({ want: wantNow(state, wait), before: wait.seq });
  }
  return waitings;
}

/**
 * Who stands in the way of a wait. Of an id's own queue only the one right before: the rest follows through
 * it.
 */
function* edges(state: State, { want, before }: Waiting): IterableIterator<Edge> {
  const held = state.claims.live.get(want.claim);
  if (held !== undefined && held.holder !== want.agent) yield { agent: held.holder, holds: held.claim };
  for (const { holder, claim } of overlapping(state, want)) yield { agent: holder, holds: claim };
  let last: Wait | undefined;
  for (const wait of waitsAhead(state, want, before)) {
    if (wait.claim !== want.claim) yield { agent: wait.agent };
    // A holder's own wait does not stand behind the others in line.
    else if (wait.agent !== held?.holder) last = wait;
  }
  if (last !== undefined) yield { agent: last.agent };
}
