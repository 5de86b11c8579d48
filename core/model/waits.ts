/**
 * Waits: the queue behind a claim. First come, first served; nobody barges, nobody starves.
 *
 * Invariant: a wait stands exactly as long as it is neither granted nor ended, it stands for one
 * submission, and no wait that could be granted is left standing behind the entry that freed it.
 */
import { limits } from "../limits.ts";
import { extension, grant, termsHeld } from "./acquire.ts";
import type { Freed } from "./claim-state.ts";
import { type Edit, KeyMap } from "./map.ts";
import type { Event, State } from "./model.ts";
import { isFree, ownClaim, type Want, waitsAhead, wantNow } from "./obstacles.ts";
import { cursorSeq, type Page, page, paging } from "./page.ts";
import { ScopeIndex } from "./scope-index.ts";
import type { Scope } from "./scopes.ts";
import { SeqMap } from "./seq-map.ts";
import { boolean, doc, integer, object, optional, string, type Typed } from "./shape.ts";
import {
  type At,
  type Context,
  changed,
  event,
  query,
  refusal,
  rejecter,
  type Slice,
  submissionKey,
} from "./slice.ts";
import { claimRefusal, tooLate } from "./task-access.ts";
import { type Terms, terms, ttlMs } from "./terms.ts";

/** One agent's place in the queue. */
export interface Wait extends Terms {
  /** The seq of the entry that queued it: earlier is served first. */
  readonly seq: number;
  readonly claim: string;
  readonly agent: string;
  readonly submission: string;
  /** When the wait is over, in log time. */
  readonly deadlineMs: number;
  readonly ttlMs: number;
  /** The epoch under which its holder wants the claim extended; the wait ends with it. */
  readonly epoch?: number;
  /** `scope` is to join what is held under the id. */
  readonly joins?: boolean;
  /** Not to be granted while the agent itself holds the id. */
  readonly fresh?: boolean;
}

export interface WaitsState {
  readonly bySeq: SeqMap<Wait>;
  /** Seqs of the waits for an id, in order. */
  readonly byClaim: KeyMap<readonly number[]>;
  /** Seqs of the waits of an agent, in order. */
  readonly byAgent: KeyMap<readonly number[]>;
  /** What the newest entry that ended a wait without a grant set free. */
  readonly freed: { readonly seq: number; readonly items: readonly Freed[] };
  /** Waits that want a scope, by seq; absent during a bulk fold. Derived. */
  readonly index: ScopeIndex | undefined;
}

const id = string("id", limits.idMax);
const submission = string("token", limits.idMax);
const closes = object({ agent: id, submission });

export const waitEvents = {
  "claim.queued": event("The command waits; a later `claim.granted` or `wait.expired` answers it.", {
    claim: id,
    agent: id,
    submission,
    position: integer(1),
    deadlineMs: integer(0),
    ttlMs,
    epoch: optional(doc("The epoch under which its holder wants the claim extended.", integer(1))),
    joins: optional(doc("The scope is to join what is held.", boolean)),
    fresh: optional(doc("Not to be granted while the agent itself holds it.", boolean)),
    ...terms,
  }),
  "wait.expired": event("The wait is over without a grant: its time is up, or its agent or claim is gone.", {
    claim: id,
    agent: id,
    closes,
    task: optional(doc("The task that could not be had any more when it was the wait's turn.", id)),
    status: optional(string("line", 20)),
    owner: optional(id),
  }),
} as const;
export type WaitEvent = Typed<typeof waitEvents>;

export const waitRejections = {
  "claim.wait-timeout": refusal(
    "The wait ended without a grant.",
    { claim: id },
    (f) =>
      `${f.claim} did not become free in the time you gave. See \`holdfast claims\` for who holds it; ask again with a ` +
      "longer wait, or take other work.",
  ),
} as const;
const reject = rejecter(waitRejections);

export const waits: Slice<WaitsState, never, WaitEvent> = {
  initial: {
    bySeq: SeqMap.empty(),
    byClaim: KeyMap.empty(),
    byAgent: KeyMap.empty(),
    freed: { seq: 0, items: [] },
    index: undefined,
  },
  decide: {},
  evolve: {
    "claim.queued": (slice, event, at) => {
      const { type: _, position: __, ...said } = event;
      const wait: Wait = changed(said, { seq: at.seq });
      const bySeq = slice.bySeq.set(at.seq, wait, at.edit);
      const byClaim = append(slice.byClaim, wait.claim, at);
      const byAgent = append(slice.byAgent, wait.agent, at);
      const index =
        wait.scope === undefined ? slice.index : slice.index?.add(String(at.seq), wait.scope, at.edit);
      return { ...slice, bySeq, byClaim, byAgent, index };
    },
    "claim.granted": (slice, event, at) => served(slice, event.closes, at),
    "claim.renewed": (slice, event, at) => served(slice, event.closes, at),
    "wait.expired": (slice, event, at) => {
      const wait = waitOf(slice, event.closes.agent, event.closes.submission);
      if (wait === undefined) return slice;
      const { claim, scope } = wait;
      const freed: Freed = scope === undefined ? { claim } : { claim, scope };
      // One that names a task stands among others that are owed to one cause, and adds to what they set
      // free.
      const adds = event.task !== undefined || slice.freed.seq === at.seq;
      const items = adds ? [...slice.freed.items, freed] : [freed];
      return { ...drop(slice, wait, at), freed: { seq: at.seq, items } };
    },
    "log.created": (slice, { settings }) =>
      slice.index === undefined ? slice : indexed({ ...slice, index: undefined }, settings.foldCase),
  },
  save: function* (slice) {
    for (const wait of slice.bySeq.values()) yield ["wait", wait];
    yield ["freed", slice.freed];
  },
  load: (rows) => {
    const all: Wait[] = [];
    let freed = waits.initial.freed;
    for (const [part, value] of rows) {
      if (part === "freed") freed = value as WaitsState["freed"];
      else all.push(value as Wait);
    }
    all.sort((a, b) => a.seq - b.seq);
    return {
      bySeq: SeqMap.from(all.map((wait) => [wait.seq, wait] as const)),
      byClaim: grouped(all, (wait) => wait.claim),
      byAgent: grouped(all, (wait) => wait.agent),
      freed,
      index: undefined,
    };
  },
  settle: (slice, { foldCase }) => indexed(slice, foldCase),
  deadlines: {
    // The key is the wait's seq, which `set` does not see; agent and submission name it as well.
    set: (event) =>
      event.type === "claim.queued"
        ? [event.deadlineMs, submissionKey(event.agent, event.submission)]
        : undefined,
    all: function* (state) {
      for (const wait of state.waits.bySeq.values())
        yield [wait.deadlineMs, submissionKey(wait.agent, wait.submission)];
    },
    lapse: (state, key, context) => {
      const cut = key.indexOf("\n");
      const wait = waitOf(state.waits, key.slice(0, cut), key.slice(cut + 1));
      return wait === undefined || wait.deadlineMs > context.nowMs ? undefined : [expired(wait)];
    },
  },
  join: (state, events) => {
    if (state.waits.bySeq.size === 0) return [];
    const ended: WaitEvent[] = [];
    for (const event of events) for (const wait of endedBy(state, event)) ended.push(expired(wait));
    return ended;
  },
  owes: (state) => state.waits.bySeq.size > 0,
  follow: (state, context, cause) => {
    for (const wait of candidates(state, cause)) {
      const want = wantNow(state, wait);
      if (!isFree(state, want, wait.seq)) continue;
      const closed = wait.task !== undefined && taskClosed(state, wait, wait.task, context.nowMs);
      return [closed ? { ...expired(wait), ...closed } : granted(state, wait, want, context)];
    }
    return undefined;
  },
  answer: {
    "wait.expired": ({ claim, task, status, owner }) =>
      task === undefined ? reject("claim.wait-timeout", { claim }) : tooLate(task, status ?? "done", owner),
  },
  defers: ["claim.queued"],
};

export const waitQueries = {
  "waits.list": query(
    "Who waits for what, the first come first.",
    { ...paging, claim: optional(id), agent: optional(id) },
    (state, params, asker): Page<Wait & { readonly remainingMs: number }> =>
      page(state.waits.bySeq.from(cursorSeq(params, 0)), params, (wait) => {
        if (params.claim !== undefined && params.claim !== wait.claim) return undefined;
        if (params.agent !== undefined && params.agent !== wait.agent) return undefined;
        return { ...wait, remainingMs: wait.deadlineMs - asker.nowMs };
      }),
  ),
} as const;

/** Whether an agent waits for an id. */
export function waitsFor({ byClaim, bySeq }: WaitsState, claim: string, agent: string): boolean {
  return (byClaim.get(claim) ?? []).some((seq) => bySeq.get(seq)?.agent === agent);
}

/** The place a newcomer gets: 1 is next. */
export function positionOf(state: State, want: Want, before: number): number {
  let position = 1;
  for (const _ of waitsAhead(state, want, before)) position += 1;
  return position;
}

/**
 * Waits that an event leaves without a sense: those of an agent that is gone; those of a holder for more of
 * its claim when the claim ends or passes on; where it is granted anew, those under the old epoch; and
 * where one of them has replaced what is held, the others, which were asked before.
 */
function endedBy(state: State, event: Event): readonly Wait[] {
  if (event.type === "agent.gone") return waitsIn(state, state.waits.byAgent.get(event.agent));
  const own = (claim: string, holder: string) =>
    waitsIn(state, state.waits.byClaim.get(claim)).filter((wait) => wait.agent === holder && !wait.fresh);
  switch (event.type) {
    case "claim.released":
    case "claim.expired":
    case "claim.broken":
      return own(event.claim, event.holder);
    case "claim.handed-off":
      return own(event.claim, event.from);
    case "claim.granted":
    case "claim.renewed": {
      const all = own(event.claim, event.holder);
      const served = event.closes && all.find((wait) => wait.submission === event.closes?.submission);
      const replaces = served?.scope !== undefined && !served.joins;
      if (replaces && state.claims.live.get(event.claim)?.holder === event.holder) {
        return all.filter((wait) => wait !== served);
      }
      return event.type === "claim.granted" ? all.filter((wait) => wait.epoch !== undefined) : [];
    }
    default:
      return [];
  }
}

function waitsIn(state: State, seqs: readonly number[] = []): readonly Wait[] {
  return seqs.flatMap((seq) => state.waits.bySeq.get(seq) ?? []);
}

/**
 * Waits that what was freed by entry `cause` may concern (without a cause: all of them), the first come
 * first.
 */
function candidates(state: State, cause: number | undefined): Iterable<Wait> {
  const { waits, claims } = state;
  if (waits.bySeq.size === 0) return [];
  if (cause === undefined) return waits.bySeq.values();
  const seqs = new Set<number>();
  const items = [
    ...(claims.freed.seq >= cause ? claims.freed.items : []),
    ...(waits.freed.seq >= cause ? waits.freed.items : []),
  ];
  for (const { claim, scope } of items) {
    for (const wait of waits.byClaim.get(claim) ?? []) seqs.add(wait);
    if (scope === undefined || waits.index === undefined) continue;
    for (const key of waits.index.overlapping(scope, { acrossWorktrees: true })) seqs.add(Number(key));
  }
  // A holder's wait without a scope of its own is in no index: it wants the claim's. Waits are few beside
  // claims.
  if (items.some(({ scope }) => scope !== undefined)) {
    for (const { seq, scope, claim, agent } of waits.bySeq.values()) {
      if (scope === undefined && claims.live.get(claim)?.holder === agent) seqs.add(seq);
    }
  }
  const waiting: Wait[] = [];
  for (const seq of [...seqs].sort((a, b) => a - b)) {
    const wait = waits.bySeq.get(seq);
    if (wait !== undefined) waiting.push(wait);
  }
  return waiting;
}

function granted(state: State, wait: Wait, want: Want, context: Context): Event {
  const {
    seq: _,
    claim: __,
    agent,
    submission,
    deadlineMs: ___,
    ttlMs,
    epoch,
    joins,
    fresh: ____,
    ...asked
  } = wait;
  const closes = { agent, submission };
  const mine = ownClaim(state, want);
  if (mine === undefined) return { ...grant(state, want, asked, ttlMs, context), closes };
  const { shared, acrossWorktrees, scope } = want;
  const given: Terms = { ...asked, shared, acrossWorktrees, ...(scope === undefined ? {} : { scope }) };
  if (epoch !== undefined) return { ...extension(mine, given, ttlMs, context.nowMs), closes };
  return { ...grant(state, want, { ...termsHeld(mine), ...given }, ttlMs, context), closes };
}

/** How the task of a wait stands, when it may not be claimed. */
function taskClosed(state: State, { claim, agent }: Wait, task: string, nowMs: number) {
  if (claimRefusal(state, task, claim, agent, nowMs) === undefined) return undefined;
  const { status, owner } = state.tasks.byId.get(task) ?? { status: "undeclared", owner: undefined };
  return owner === undefined ? { task, status } : { task, status, owner };
}

function expired({ claim, agent, submission }: Wait): WaitEvent {
  return { type: "wait.expired", claim, agent, closes: { agent, submission } };
}

function waitOf(slice: WaitsState, agent: string, submission: string): Wait | undefined {
  for (const seq of slice.byAgent.get(agent) ?? []) {
    const wait = slice.bySeq.get(seq);
    if (wait?.submission === submission) return wait;
  }
  return undefined;
}

function indexed(slice: WaitsState, foldCase: boolean): WaitsState {
  if (slice.index !== undefined) return slice;
  const scoped: [string, Scope][] = [];
  for (const { seq, scope } of slice.bySeq.values()) {
    if (scope !== undefined) scoped.push([String(seq), scope]);
  }
  return { ...slice, index: ScopeIndex.build(foldCase, scoped) };
}

function served(
  slice: WaitsState,
  closes: { readonly agent: string; readonly submission: string } | undefined,
  at: At,
): WaitsState {
  if (closes === undefined) return slice;
  const wait = waitOf(slice, closes.agent, closes.submission);
  if (wait === undefined) return slice;
  const left = drop(slice, wait, at);
  // What the entry before set free may be owed to others, too: what else this one ends adds to it.
  return slice.freed.seq === at.seq - 1 ? { ...left, freed: { ...slice.freed, seq: at.seq } } : left;
}

function drop(slice: WaitsState, wait: Wait, { edit }: At): WaitsState {
  return {
    ...slice,
    bySeq: slice.bySeq.delete(wait.seq, edit),
    byClaim: without(slice.byClaim, wait.claim, wait.seq, edit),
    byAgent: without(slice.byAgent, wait.agent, wait.seq, edit),
    index: wait.scope === undefined ? slice.index : slice.index?.remove(String(wait.seq), wait.scope, edit),
  };
}

function append(map: KeyMap<readonly number[]>, key: string, { seq, edit }: At): KeyMap<readonly number[]> {
  return map.set(key, [...(map.get(key) ?? []), seq], edit);
}

function without(map: KeyMap<readonly number[]>, key: string, seq: number, edit: Edit | undefined) {
  const left = (map.get(key) ?? []).filter((other) => other !== seq);
  return left.length === 0 ? map.delete(key, edit) : map.set(key, left, edit);
}

function grouped(all: readonly Wait[], by: (wait: Wait) => string): KeyMap<readonly number[]> {
  const groups = new Map<string, number[]>();
  for (const wait of all) {
    const group = groups.get(by(wait));
    if (group === undefined) groups.set(by(wait), [wait.seq]);
    else group.push(wait.seq);
  }
  return KeyMap.from(groups);
}
