/**
 * Acquire: deciding a `claim.acquire`, from its first reading to a grant, a place in the queue or a
 * refusal.
 *
 * Order of precedence where several refusals apply: scope, own epoch, task, quota, holder of the id,
 * overlaps, earlier waiters, deadlock.
 */
import { limits } from "../limits.ts";
import { type Checkpoint, checkpointFor } from "./checkpoints.ts";
import type { Claim } from "./claim-state.ts";
import { type ClaimCommand, heldClaim, overQuota, overWaits } from "./claims.ts";
import { cycleByChange, cycleThrough, deadlock } from "./deadlock.ts";
import { invalid } from "./log.ts";
import type { Event, State } from "./model.ts";
import { holderOf, nearby, overlapping, type Want, waitsAhead } from "./obstacles.ts";
import { compileScope, firstOverlap, normaliseScope, type Scope } from "./scopes.ts";
import { boolean, integer, list, object, optional, string } from "./shape.ts";
import { accept, type Context, type Decision, type Rejection, refusal, rejecter } from "./slice.ts";
import { claimRefusal, lentScope } from "./task-access.ts";
import type { Terms } from "./terms.ts";
import { positionOf, type Wait, waitsFor } from "./waits.ts";

type Acquire = Extract<ClaimCommand, { type: "claim.acquire" }>;

const id = string("id", limits.idMax);
const path = string("path", limits.pathMax);

export const acquireRejections = {
  "claim.held": refusal(
    "The id is held by another (or, with `fresh`, by anybody).",
    {
      claim: id,
      holder: id,
      epoch: integer(1),
      expiresAtMs: integer(0),
      remainingMs: integer(0),
      note: optional(string("line", limits.noteMax)),
      waiting: integer(0),
    },
    (f) =>
      `${f.claim} is held by ${f.holder} for another ${span(f.remainingMs)}${f.waiting > 0 ? `, ${f.waiting} waiting` : ""}` +
      `${f.note === undefined ? "" : ` ("${f.note.slice(0, 80)}")`}. Wait for it (waitMs), take other work, or ask ` +
      `${f.holder} to hand it off; nothing was changed.`,
  ),
  "claim.overlap": refusal(
    "Live claims of others cover some of the same paths.",
    {
      conflicts: list(
        object({
          claim: id,
          holder: id,
          epoch: integer(1),
          expiresAtMs: integer(0),
          remainingMs: integer(0),
          mine: path,
          theirs: path,
        }),
        limits.conflictsShown,
      ),
      more: boolean,
    },
    ({ conflicts, more }) => {
      const first = conflicts[0];
      const others =
        conflicts.length > 1 ? ` (and ${conflicts.length - 1}${more ? " or more" : ""} others)` : "";
      return first === undefined
        ? "The paths are covered by others; nothing was changed."
        : `${clip(first.mine)} meets ${clip(first.theirs)}, held by ${first.holder} as ${clip(first.claim)} for another ` +
            `${span(first.remainingMs)}${others}. Wait for it (waitMs), choose other files, or ask ${first.holder}; ` +
            "nothing was changed.";
    },
  ),
  "claim.queued-ahead": refusal(
    "Nobody holds it, but others wait for it and came earlier.",
    { claim: id, agent: id, theirs: id, waiting: integer(1) },
    (f) =>
      `${f.agent} waits for ${clip(f.theirs)}, which ${clip(f.claim)} meets, and came first (${f.waiting} waiting). ` +
      "Queue behind with waitMs, or choose other work; nothing was changed.",
  ),
  "scope.outside": refusal(
    "A path is absolute, starts with `~`, or climbs above the worktree's root.",
    { path },
    (f) =>
      `${clip(f.path)} is outside the worktree. Give paths relative to its root, like src/a.ts; nothing was changed.`,
  ),
} as const;
const reject = rejecter(acquireRejections);

/** Decides a `claim.acquire` (CL1 to CL8, WA1, WA3, WA4). */
export function acquire(state: State, command: Acquire, context: Context): Decision {
  const asked = termsOf(command, scopeFor(state, command, context));
  if ("rejection" in asked) return asked;
  if (command.epoch !== undefined) {
    const held = heldClaim(state, command.claim, command.epoch, context);
    if ("rejection" in held) return held;
  }
  const mine = state.claims.live.get(command.claim);
  if (mine !== undefined && mine.holder === context.agent)
    return again(state, command, mine, asked.terms, context);
  const closed = taskRefusal(state, command, context);
  if (closed !== undefined) return closed;
  const quota = overQuota(state, context.agent);
  if (quota !== undefined) return quota;
  const widened = widen(command, asked.terms.scope);
  if ("rejection" in widened) return widened;
  const terms = termsLike(asked.terms, widened.scope);
  const want = wantOf(command.claim, context.agent, terms, command.fresh);
  const obstacle = refuse(state, want, context);
  const ttlMs = command.ttlMs ?? limits.ttlMsDefault;
  if (obstacle === undefined) return accept(grant(state, want, terms, ttlMs, context));
  const asWaited = { ...terms, ttlMs, ...(command.fresh ? { fresh: true } : {}) };
  return queue(state, command, want, asWaited, obstacle, context);
}

/** The event that grants `want` now; nothing stands in its way. */
export function grant(
  state: State,
  want: Want,
  terms: Terms,
  ttlMs: number,
  context: Context,
): Extract<Event, { type: "claim.granted" }> {
  const checkpoint: Checkpoint | undefined = checkpointFor(state, want.claim, terms.task, context.nowMs);
  const near: { claim: string; holder: string; worktree?: string }[] = [];
  let more = false;
  for (const { claim, holder, scope } of nearby(state, want)) {
    if (near.length === limits.nearbyShown) {
      more = true;
      break;
    }
    near.push({ claim, holder, ...(scope?.worktree === undefined ? {} : { worktree: scope.worktree }) });
  }
  return {
    type: "claim.granted",
    claim: want.claim,
    holder: want.agent,
    epoch: context.seq,
    ttlMs,
    expiresAtMs: context.nowMs + ttlMs,
    ...terms,
    ...(checkpoint === undefined ? undefined : { checkpoint }),
    ...(near.length === 0 ? undefined : { nearby: near }),
    ...(more ? { nearbyMore: true } : undefined),
  };
}

/** What is wanted, for the search of obstacles. */
export function wantOf(claim: string, agent: string, terms: Terms, fresh = false): Want {
  const { scope, shared = false, acrossWorktrees = false } = terms;
  const want: Want = { claim, agent, shared, acrossWorktrees, fresh };
  return scope === undefined ? want : { claim, agent, shared, acrossWorktrees, fresh, scope };
}

/** The refusal for overlaps with live claims of others, if there are any (CL3). */
export function overlapRefusal(state: State, want: Want, nowMs: number) {
  if (want.scope === undefined) return undefined;
  const { foldCase } = state.log.settings;
  const conflicts = [];
  let more = false;
  for (const { claim, holder, epoch, expiresAtMs, scope } of overlapping(state, want)) {
    if (conflicts.length === limits.conflictsShown) {
      more = true;
      break;
    }
    const where = scope && firstOverlap(compileScope(want.scope, foldCase), compileScope(scope, foldCase));
    const { mine, theirs } = where ?? { mine: "**", theirs: "**" };
    conflicts.push({ claim, holder, epoch, expiresAtMs, remainingMs: expiresAtMs - nowMs, mine, theirs });
  }
  return conflicts.length === 0 ? undefined : reject("claim.overlap", { conflicts, more });
}

/** A canonical scope, or the refusal that says what is wrong with it; it stands at `at` in the command. */
export function canonical(
  scope: Scope,
  at = "scope/",
): { readonly scope: Scope } | { readonly rejection: Rejection } {
  const normal = normaliseScope(scope);
  if ("scope" in normal) return normal;
  const { problem } = normal;
  if (problem.kind === "outside") return reject("scope.outside", { path: problem.path });
  return invalid(`${at}${problem.at}`, problem.why);
}

/** The holder acquires its own claim again (CL5, CL5b). */
function again(state: State, command: Acquire, mine: Claim, asked: Terms, context: Context): Decision {
  if (command.fresh === true) return heldRefusal(state, mine, context.nowMs);
  const closed = taskRefusal(state, command, context);
  if (closed !== undefined) return closed;
  const widened = widen(command, asked.scope ?? mine.scope);
  if ("rejection" in widened) return widened;
  const given: Terms = { ...asked, ...(widened.scope === mine.scope ? {} : { scope: widened.scope }) };
  const terms: Terms = { ...termsHeld(mine), ...given };
  const ttlMs = command.ttlMs ?? mine.ttlMs;
  const want = wantOf(mine.claim, mine.holder, terms);
  const { scope, shared, acrossWorktrees } = given;
  const onlyLease = scope === undefined && shared === undefined && acrossWorktrees === undefined;
  const obstacle = onlyLease ? undefined : refuse(state, want, context);
  if (obstacle !== undefined) {
    const asWaited = { ...awaited(command, mine, terms, given), ttlMs };
    return queue(state, command, want, asWaited, obstacle, context);
  }
  if (!onlyLease) {
    const changed = { ...mine, ...given };
    const cycle = cycleByChange(state, mine, changed, context);
    if (cycle !== undefined) return deadlock(cycle);
  }
  if (command.epoch === undefined) return accept(grant(state, want, terms, ttlMs, context));
  return accept(extension(mine, given, ttlMs, context.nowMs));
}

/**
 * What a holder's wait for more of its claim says: where files and paths are added and nothing else
 * changes, only those, to be joined to what is held by then; else the whole scope, so that it is found by
 * all of it.
 */
function awaited(command: Acquire, mine: Claim, terms: Terms, given: Terms) {
  const { shared = false, acrossWorktrees = false } = terms;
  const asked = { ...given, shared, acrossWorktrees };
  const epoch = command.epoch === undefined ? {} : { epoch: command.epoch };
  const adds = command.scope === undefined && command.shared === undefined;
  const whole = { ...asked, ...(terms.scope === undefined ? {} : { scope: terms.scope }), ...epoch };
  if (!adds || command.acrossWorktrees !== undefined) return whole;
  const worktree = mine.scope?.worktree;
  const added = widen(command, undefined);
  if ("rejection" in added || added.scope === undefined) return whole;
  const scope = { ...(worktree === undefined ? {} : { worktree }), ...added.scope };
  return { ...asked, scope, joins: true, ...epoch };
}

/** The event that extends a claim under its epoch and replaces what is given. */
export function extension(mine: Claim, given: Terms, ttlMs: number, nowMs: number) {
  const { claim, holder, epoch } = mine;
  return {
    type: "claim.renewed",
    claim,
    holder,
    epoch,
    ttlMs,
    expiresAtMs: nowMs + ttlMs,
    ...given,
  } as const;
}

/** The first of the reasons not to grant, in order of precedence. */
function refuse(state: State, want: Want, context: Context) {
  const held = holderOf(state, want);
  if (held !== undefined) return heldRefusal(state, held, context.nowMs);
  const overlap = overlapRefusal(state, want, context.nowMs);
  if (overlap !== undefined) return overlap;
  let first: { agent: string; claim: string } | undefined;
  let waiting = 0;
  for (const wait of waitsAhead(state, want, context.seq)) {
    first ??= wait;
    waiting += 1;
  }
  if (first === undefined) return undefined;
  return reject("claim.queued-ahead", {
    claim: want.claim,
    agent: first.agent,
    theirs: first.claim,
    waiting,
  });
}

function queue(
  state: State,
  command: Acquire,
  want: Want,
  asked: Terms & Pick<Wait, "ttlMs" | "epoch" | "joins" | "fresh">,
  obstacle: { readonly rejection: Rejection },
  context: Context,
): Decision {
  const waitMs = command.waitMs ?? 0;
  if (waitMs === 0) return obstacle;
  // Nobody queues behind itself: who stood between the two would make that a circle.
  if (want.fresh && waitsFor(state.waits, want.claim, want.agent)) return obstacle;
  const quota = overWaits(state, context.agent);
  if (quota !== undefined) return quota;
  const cycle = cycleThrough(state, want, context.seq);
  if (cycle !== undefined) return deadlock(cycle);
  return accept({
    type: "claim.queued",
    claim: want.claim,
    agent: want.agent,
    submission: context.submission,
    position: positionOf(state, want, context.seq),
    deadlineMs: context.nowMs + waitMs,
    ...asked,
  });
}

/**
 * The scope to be read: the command's, or its task's where neither it nor the sender's claim has one (CL4).
 */
function scopeFor(state: State, { claim, task, scope }: Acquire, { agent }: Context): Scope | undefined {
  const live = state.claims.live.get(claim);
  const has = live?.holder === agent && live.scope !== undefined && scope === undefined;
  return has ? undefined : lentScope(state, task, scope);
}

function taskRefusal(state: State, { task, claim }: Acquire, { agent, nowMs }: Context) {
  return task === undefined ? undefined : claimRefusal(state, task, claim, agent, nowMs);
}

/** What the command asks for, its scope canonical and not yet widened. */
function termsOf(
  command: Acquire,
  scope: Scope | undefined,
): { readonly terms: Terms } | { readonly rejection: Rejection } {
  const given = scope === undefined ? NOTHING : canonical(scope);
  return "rejection" in given ? given : { terms: termsLike(command, given.scope) };
}

const NOTHING: { readonly scope?: Scope } = {};

/** The terms among the fields of something, with this scope. */
function termsLike(said: Omit<Terms, "scope">, scope: Scope | undefined): Terms {
  const { shared, acrossWorktrees, note, task, onGone, git } = said;
  const terms: { -readonly [K in keyof Terms]: Terms[K] } = {};
  if (scope !== undefined) terms.scope = scope;
  if (shared !== undefined) terms.shared = shared;
  if (acrossWorktrees !== undefined) terms.acrossWorktrees = acrossWorktrees;
  if (note !== undefined) terms.note = note;
  if (task !== undefined) terms.task = task;
  if (onGone !== undefined) terms.onGone = onGone;
  if (git !== undefined) terms.git = git;
  return terms;
}

/** The scope with `addFiles` and `addPaths` joined to it. */
function widen(
  { addFiles, addPaths }: Acquire,
  scope: Scope | undefined,
): { readonly scope?: Scope } | { readonly rejection: Rejection } {
  if (addFiles === undefined && addPaths === undefined) return scope === undefined ? {} : { scope };
  const files = [...(scope?.files ?? []), ...(addFiles ?? [])];
  const paths = [...(scope?.paths ?? []), ...(addPaths ?? [])];
  return canonical({
    ...(scope?.worktree === undefined ? {} : { worktree: scope.worktree }),
    ...(files.length === 0 ? {} : { files }),
    ...(paths.length === 0 ? {} : { paths }),
  });
}

/** What a holder chose. */
export function termsHeld(claim: Claim): Terms {
  const terms: { -readonly [K in keyof Terms]: Terms[K] } = termsLike(claim, claim.scope);
  // What is not said is not so.
  if (!claim.shared) delete terms.shared;
  if (!claim.acrossWorktrees) delete terms.acrossWorktrees;
  return terms;
}

function heldRefusal(state: State, { claim, holder, epoch, expiresAtMs, note }: Claim, nowMs: number) {
  const waiting = state.waits.byClaim.get(claim)?.length ?? 0;
  const remainingMs = expiresAtMs - nowMs;
  const said = note === undefined ? {} : { note };
  return reject("claim.held", { claim, holder, epoch, expiresAtMs, remainingMs, ...said, waiting });
}

/** A length of time for people: `45 s`, `12 min`, `3 h`. */
function span(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}

/** So that a long path cannot push the advice out of a sentence. */
function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 29)}…${text.slice(-30)}` : text;
}
