/**
 * Claims: leases over an id and, perhaps, a scope, each grant fenced by an epoch.
 *
 * A lease's length is a lower bound. Two agents may for a moment both believe they hold; only the one with
 * the current epoch can act.
 */
import { limits } from "../limits.ts";
import { acquire, overlapRefusal, termsHeld, wantOf } from "./acquire.ts";
import { isKnown } from "./agents.ts";
import {
  type Claim,
  type ClaimsState,
  end,
  freeing,
  granted,
  indexed,
  kept,
  loadClaims,
  noClaims,
  put,
  remove,
  renewed,
  replace,
  reported,
  saveClaims,
  unfreed,
} from "./claim-state.ts";
import { cycleOf, deadlock, ifHanded } from "./deadlock.ts";
import { notOperator } from "./log.ts";
import type { State } from "./model.ts";
import { presenceOf } from "./presence.ts";
import { scope } from "./scopes.ts";
import {
  boolean,
  choice,
  doc,
  integer,
  list,
  object,
  openChoice,
  optional,
  string,
  type Typed,
} from "./shape.ts";
import {
  accept,
  type Context,
  changed,
  command,
  event,
  type Rejection,
  refusal,
  rejecter,
  type Slice,
} from "./slice.ts";
import { terms, ttlMs } from "./terms.ts";

const id = string("id", limits.idMax);
const epoch = doc("The epoch the claim was granted under.", integer(1));
const note = string("line", limits.noteMax);

export const claimCommands = {
  "claim.acquire": command(
    "Leases an id and, perhaps, a scope. By its holder: extends, and replaces or widens what is given.",
    {
      claim: id,
      scope: optional(scope),
      ttlMs: optional(ttlMs),
      waitMs: optional(
        doc("How long to queue when it is not free; absent or 0: not at all.", integer(0, limits.waitMsMax)),
      ),
      shared: optional(boolean),
      acrossWorktrees: optional(doc("Also refuses overlaps from other worktrees.", boolean)),
      note: optional(note),
      task: optional(id),
      epoch: optional(epoch),
      fresh: optional(doc("Refused even when the sender itself holds it.", boolean)),
      addFiles: optional(list(string("path", limits.pathMax), limits.scopePathsMax, 1)),
      addPaths: optional(list(string("pattern", limits.pathMax), limits.scopePathsMax, 1)),
      onGone: optional(choice("release")),
      git: terms.git,
    },
  ),
  "claim.renew": command("Extends the lease; nothing else changes.", {
    claim: id,
    epoch,
    ttlMs: optional(ttlMs),
  }),
  "claim.report": command("Says how the work under the claim stands.", {
    claim: id,
    epoch,
    status: choice("working", "input-required"),
    note: optional(note),
    artifact: optional(string("line", limits.pathMax)),
  }),
  "claim.release": command("Ends the claim.", {
    claim: id,
    epoch: optional(epoch),
    outcome: optional(choice("done", "failed", "abandoned")),
  }),
  "claim.handoff": command("Passes the claim, with everything that belongs to it, to another agent.", {
    claim: id,
    epoch,
    to: id,
  }),
  "claim.break": command("Ends another's claim; operators only.", { claim: id, reason: optional(note) }),
} as const;
export type ClaimCommand = Typed<typeof claimCommands>;

const closes = object({ agent: id, submission: string("token", limits.idMax) });
const ending = { claim: id, holder: id, epoch, task: optional(id) } as const;
export const claimEvents = {
  "claim.granted": event("A new holder, or a new epoch for the same one.", {
    claim: id,
    holder: id,
    epoch,
    ttlMs,
    expiresAtMs: integer(0),
    ...terms,
    checkpoint: optional(
      object({
        text: string("text", limits.checkpointBytesMax, 0),
        summary: optional(note),
        ref: optional(string("line", limits.pathMax)),
        savedBy: id,
        savedAtMs: integer(0),
      }),
    ),
    nearby: optional(
      list(object({ claim: id, holder: id, worktree: optional(string("line", limits.pathMax)) }), 20),
    ),
    nearbyMore: optional(boolean),
    closes: optional(closes),
  }),
  "claim.renewed": event("The lease was extended, and what else is given was replaced; the epoch stays.", {
    claim: id,
    holder: id,
    epoch,
    ttlMs,
    expiresAtMs: integer(0),
    ...terms,
    closes: optional(closes),
  }),
  "claim.reported": event("The holder said how the work stands.", {
    claim: id,
    holder: id,
    epoch,
    status: choice("working", "input-required"),
    note: optional(note),
    artifact: optional(string("line", limits.pathMax)),
  }),
  "claim.released": event("The holder ended the claim, or its agent is gone and wanted it so.", {
    ...ending,
    outcome: choice("done", "failed", "abandoned"),
  }),
  "claim.expired": event("The lease ran out.", ending),
  "claim.broken": event("An operator ended the claim.", { ...ending, by: id, reason: optional(note) }),
  "claim.handed-off": event("The claim has a new holder, epoch and lease; all else went along.", {
    claim: id,
    from: id,
    to: id,
    epoch,
    ttlMs,
    expiresAtMs: integer(0),
    task: optional(id),
  }),
} as const;
export type ClaimEvent = Typed<typeof claimEvents>;

export const claimRejections = {
  "claim.not-holder": refusal(
    "The claim is held by another.",
    { claim: id, holder: id },
    (f) =>
      `${f.claim} is held by ${f.holder}, not by you. Acquire it (perhaps with waitMs) or ask ${f.holder} to hand it ` +
      "off; nothing was changed.",
  ),
  "claim.stale": refusal(
    "The epoch is not the current one: the sender was superseded, or guesses.",
    { claim: id, epoch },
    (f) =>
      `Your epoch of ${f.claim} is not the current one (${f.epoch}): the claim was granted anew since. Stop working ` +
      "under it; acquire it again to go on. Nothing was changed.",
  ),
  "claim.unknown": refusal(
    "Nobody holds the claim.",
    {
      claim: id,
      lastHolder: optional(id),
      endedAtMs: optional(integer(0)),
      how: optional(openChoice("done", "failed", "abandoned", "expired", "broken")),
    },
    (f) =>
      f.lastHolder === undefined
        ? `Nobody holds ${f.claim}. Acquire it first; nothing was changed.`
        : `Nobody holds ${f.claim} any more: ${f.lastHolder}'s claim ended (${f.how}). Acquire it again to go on; ` +
          "nothing was changed.",
  ),
  "claim.quota": refusal(
    "The agent holds and waits for as many claims as one may.",
    { agent: id, max: integer(1) },
    (f) =>
      `${f.agent} holds or waits for ${f.max} claims, the most one agent may. Release some first; nothing was changed.`,
  ),
  "claim.to-self": refusal(
    "A hand-off to its own holder.",
    { claim: id },
    (f) => `You hold ${f.claim} already; name another agent to hand it to. Nothing was changed.`,
  ),
  "claim.to-absent": refusal(
    "A hand-off to an agent that is unknown or gone.",
    { claim: id, to: id },
    (f) =>
      `${f.to} is not here to take ${f.claim}. Choose an agent that \`holdfast who\` shows as present or idle; nothing ` +
      "was changed.",
  ),
} as const;
const reject = rejecter(claimRejections);

export const claims: Slice<ClaimsState, ClaimCommand, ClaimEvent> = {
  initial: noClaims,
  decide: {
    "claim.acquire": acquire,
    "claim.renew": (state, command, context) => {
      const held = heldClaim(state, command.claim, command.epoch, context);
      if ("rejection" in held) return held;
      const { claim, holder, epoch } = held.claim;
      const ttlMs = command.ttlMs ?? held.claim.ttlMs;
      return accept({
        type: "claim.renewed",
        claim,
        holder,
        epoch,
        ttlMs,
        expiresAtMs: context.nowMs + ttlMs,
      });
    },
    "claim.report": (state, command, context) => {
      const held = heldClaim(state, command.claim, command.epoch, context);
      if ("rejection" in held) return held;
      const { status, note, artifact, holder } = held.claim;
      const same =
        command.status === status &&
        (command.note ?? note) === note &&
        (command.artifact ?? artifact) === artifact;
      return same ? accept() : accept(changed(command, { type: "claim.reported" as const, holder }));
    },
    "claim.release": (state, command, context) => {
      const held = heldClaim(state, command.claim, command.epoch, context);
      if ("rejection" in held) return held;
      const outcome = command.outcome ?? (held.claim.task === undefined ? "abandoned" : "done");
      return accept({ type: "claim.released", ...ends(held.claim), outcome });
    },
    "claim.handoff": handoff,
    "claim.break": (state, command, context) => {
      if (!context.operator) return notOperator(command.type);
      const claim = state.claims.live.get(command.claim);
      if (claim === undefined) return unknownClaim(state, command.claim);
      const reason = command.reason === undefined ? {} : { reason: command.reason };
      return accept({ type: "claim.broken", ...ends(claim), by: context.agent, ...reason });
    },
  },
  evolve: {
    "claim.granted": (slice, event, at) => {
      const before = slice.live.get(event.claim);
      const claim = granted(event, before?.holder === event.holder ? before : undefined, at.atMs);
      if (before === undefined) return put(event.closes === undefined ? slice : kept(slice, at), claim, at);
      return put(freeing(remove(slice, before, at), before, at, event.closes !== undefined), claim, at);
    },
    "claim.renewed": (slice, event, at) => {
      const before = slice.live.get(event.claim);
      if (before === undefined || before.epoch !== event.epoch) return slice;
      return replace(slice, before, renewed(event, before), at, event.closes !== undefined);
    },
    "claim.reported": (slice, event, at) => {
      const before = slice.live.get(event.claim);
      if (before === undefined || before.epoch !== event.epoch) return slice;
      return replace(slice, before, reported(event, before), at);
    },
    "claim.handed-off": (slice, event, at) => {
      const before = slice.live.get(event.claim);
      if (before === undefined) return slice;
      const { to, epoch, ttlMs, expiresAtMs } = event;
      const after: Claim = { ...before, holder: to, epoch, ttlMs, expiresAtMs, grantedAtMs: at.atMs };
      return put(freeing(remove(slice, before, at), before, at), after, at);
    },
    "claim.released": (slice, event, at) => end(slice, event, event.outcome, at),
    "claim.expired": (slice, event, at) => end(slice, event, "expired", at),
    "claim.broken": (slice, event, at) => end(slice, event, "broken", at),
    // One that names a task is owed to what was freed: others may be owed to it too.
    "wait.expired": (slice, event, at) => (event.task === undefined ? unfreed(slice, at) : slice),
    "log.created": (slice, { settings }) =>
      slice.index === undefined ? slice : indexed({ ...slice, index: undefined }, settings.foldCase),
  },
  save: saveClaims,
  load: loadClaims,
  settle: (slice, { foldCase }) => indexed(slice, foldCase),
  deadlines: {
    set: (event) => {
      const due =
        event.type === "claim.granted" || event.type === "claim.renewed" || event.type === "claim.handed-off";
      return due ? [event.expiresAtMs, event.claim] : undefined;
    },
    all: function* (state) {
      for (const { claim, expiresAtMs } of state.claims.live.values()) yield [expiresAtMs, claim];
    },
    lapse: (state, key, context) => {
      const claim = state.claims.live.get(key);
      if (claim === undefined || claim.expiresAtMs > context.nowMs) return undefined;
      return [{ type: "claim.expired", ...ends(claim) }];
    },
  },
  join: (state, events) => {
    const released: ClaimEvent[] = [];
    for (const event of events) {
      if (event.type !== "agent.gone") continue;
      for (const held of state.claims.holdings.get(event.agent) ?? []) {
        const claim = state.claims.live.get(held);
        if (claim?.onGone !== "release") continue;
        released.push({ type: "claim.released", ...ends(claim), outcome: "abandoned" });
      }
    }
    return released;
  },
  since: {
    "claim.granted": endedSince,
    "claim.renewed": endedSince,
  },
  answer: {
    "claim.granted": ({ type: _, closes: __, ...granted }) => granted,
    "claim.renewed": ({ claim, holder, epoch, expiresAtMs, ttlMs }) => ({
      claim,
      holder,
      epoch,
      expiresAtMs,
      ttlMs,
    }),
    "claim.handed-off": ({ claim, to, epoch, expiresAtMs }) => ({ claim, holder: to, epoch, expiresAtMs }),
    "claim.released": ({ claim, outcome }) => ({ claim, outcome }),
    "claim.broken": ({ claim, holder }) => ({ claim, holder }),
  },
};

/**
 * The claim, when `context.agent` holds it under `epoch` (where one is given); else the refusal (CL13 to
 * CL15).
 */
export function heldClaim(
  state: State,
  claim: string,
  epoch: number | undefined,
  context: Context,
): { readonly claim: Claim } | { readonly rejection: Rejection } {
  const live = state.claims.live.get(claim);
  if (live === undefined) return unknownClaim(state, claim);
  if (live.holder !== context.agent) return reject("claim.not-holder", { claim, holder: live.holder });
  if (epoch !== undefined && live.epoch !== epoch) return reject("claim.stale", { claim, epoch: live.epoch });
  return { claim: live };
}

/** The refusal where an agent holds and waits for too many, if it does. */
export function overQuota(state: State, agent: string) {
  const holds = state.claims.holdings.get(agent)?.length ?? 0;
  const waits = state.waits.byAgent.get(agent)?.length ?? 0;
  if (holds + waits < limits.claimsPerAgentMax) return undefined;
  return reject("claim.quota", { agent, max: limits.claimsPerAgentMax });
}

/** The refusal where an agent has too many waits open, if it has. */
export function overWaits(state: State, agent: string) {
  const waits = state.waits.byAgent.get(agent)?.length ?? 0;
  if (waits < limits.waitsPerAgentMax) return undefined;
  return reject("claim.quota", { agent, max: limits.waitsPerAgentMax });
}

function unknownClaim(state: State, claim: string) {
  const ended = state.claims.ended.get(claim);
  if (ended === undefined) return reject("claim.unknown", { claim });
  const { lastHolder, endedAtMs, how } = ended;
  return reject("claim.unknown", { claim, lastHolder, endedAtMs, how });
}

function handoff(state: State, command: Extract<ClaimCommand, { type: "claim.handoff" }>, context: Context) {
  const held = heldClaim(state, command.claim, command.epoch, context);
  if ("rejection" in held) return held;
  const { claim, ttlMs, task } = held.claim;
  const to = command.to;
  if (to === context.agent) return reject("claim.to-self", { claim });
  if (!isKnown(state, to) || presenceOf(state, to)?.presence === "gone") {
    return reject("claim.to-absent", { claim, to });
  }
  const quota = overQuota(state, to);
  if (quota !== undefined) return quota;
  // What the holder has under two ids can be passed on only together with what it overlaps.
  const after = ifHanded(state, held.claim, to, context);
  const overlap = overlapRefusal(after, wantOf(claim, to, termsHeld(held.claim)), context.nowMs);
  if (overlap !== undefined) return overlap;
  const cycle = cycleOf(after, to);
  if (cycle !== undefined) return deadlock(cycle);
  const expiresAtMs = context.nowMs + ttlMs;
  const about = task === undefined ? {} : { task };
  return accept({
    type: "claim.handed-off",
    claim,
    from: context.agent,
    to,
    epoch: context.seq,
    ttlMs,
    expiresAtMs,
    ...about,
  });
}

function ends({ claim, holder, epoch, task }: Claim) {
  return task === undefined ? { claim, holder, epoch } : { claim, holder, epoch, task };
}

/** When what was granted or renewed is over by now. */
function endedSince(
  { claim, epoch }: { readonly claim: string; readonly epoch: number },
  { claims }: State,
  nowMs: number,
): { readonly endedAtMs?: number } {
  if (claims.live.get(claim)?.epoch === epoch) return {};
  const ended = claims.ended.get(claim);
  return { endedAtMs: ended?.epoch === epoch ? ended.endedAtMs : nowMs };
}
