/**
 * Access to tasks: who may take one up, under which claim, and who may say what became of it.
 *
 * Invariant kept by those who ask here before they grant: no task has two live claims on it, and none is
 * claimed while it waits for others or is blocked or finished.
 */
import { limits } from "../limits.ts";
import type { Claim } from "./claim-state.ts";
import { isMet, type TaskStatus } from "./dependencies.ts";
import type { State } from "./model.ts";
import type { Scope } from "./scopes.ts";
import type { Context, Rejection } from "./slice.ts";
import { refuse } from "./task-refusals.ts";
import { linksOf, type Task } from "./task-state.ts";

/**
 * Why `agent` may not have `task` under `claim`, if so (TA6). It may when the task is ready, or in progress
 * without a live claim; or when that very claim is on it already, so that it can be renewed or waited for.
 */
export function claimRefusal(
  state: State,
  task: string,
  claim: string,
  agent: string,
  nowMs: number,
): { readonly rejection: Rejection } | undefined {
  const known = state.tasks.byId.get(task);
  if (known === undefined) return refuse("task.not-open", { task, status: "undeclared", waitingFor: [] });
  const on = state.tasks.claimed.get(task);
  if (on !== undefined) return on === claim ? undefined : notOpen(state, known, nowMs);
  const under = state.claims.live.get(task);
  if (under !== undefined && under.holder !== agent && under.claim !== claim)
    return notOpen(state, known, nowMs);
  return known.status === "in-progress" || canStart(state, known) ? undefined : notOpen(state, known, nowMs);
}

/**
 * Why `agent` may not take up `task` without a claim, if so (TA6b): it must be ready, where a claim of
 * one's own under its id does not count.
 */
export function startRefusal(state: State, task: Task, context: Context) {
  const live = liveClaim(state, task.task);
  const mine = live !== undefined && live.holder === context.agent && live.task !== task.task;
  const free = live === undefined || mine;
  const taken = task.status === "in-progress" && !context.operator;
  const open = task.status === "in-progress" ? !taken : canStart(state, task);
  return free && open ? undefined : notOpen(state, task, context.nowMs);
}

/** The refusal that says how a task stands, whose it is, and what it waits for. */
export function notOpen(state: State, { task, status, owner }: Task, nowMs: number) {
  const shown = waitingFor(state, task, limits.waitingShown + 1);
  const live = liveClaim(state, task);
  return refuse("task.not-open", {
    task,
    status,
    waitingFor: shown.slice(0, limits.waitingShown),
    ...(shown.length > limits.waitingShown ? { more: true } : {}),
    ...(owner === undefined ? {} : { owner }),
    ...(live === undefined
      ? {}
      : {
          claim: live.claim,
          holder: live.holder,
          expiresAtMs: live.expiresAtMs,
          remainingMs: live.expiresAtMs - nowMs,
        }),
  });
}

/** The refusal of a wait whose task cannot be had any more when its turn has come. */
export function tooLate(task: string, status: string, owner: string | undefined) {
  return refuse("task.not-open", { task, status, waitingFor: [], ...(owner === undefined ? {} : { owner }) });
}

/** Why the sender may not say what became of a task, if so (TA7, AG12). */
export function finishRefusal(state: State, { task, owner, declaredBy, asked }: Task, context: Context) {
  const { agent, operator } = context;
  if (operator || agent === owner || agent === declaredBy) return undefined;
  if (asked !== undefined && (asked.includes(agent) || asked.includes("all"))) return undefined;
  if (claimOn(state, task)?.holder === agent || claimUnder(state, task)?.holder === agent) return undefined;
  return refuse("task.not-yours", { task, declaredBy, ...(owner === undefined ? {} : { owner }) });
}

/** The live claim on a task, or else the one under its id. */
export function liveClaim(state: State, task: string): Claim | undefined {
  return claimOn(state, task) ?? claimUnder(state, task);
}

/** What an unfinished task waits for: dependencies first, then children; at most `max` of them. */
export function waitingFor(state: State, task: string, max: number): string[] {
  const ids: string[] = [];
  const { byId } = state.tasks;
  const known = byId.get(task);
  if (known === undefined || known.status === "done" || known.status === "cancelled") return ids;
  for (const id of known.unmet === 0 ? [] : known.dependsOn) {
    if (ids.length === max) return ids;
    if (!isMet(byId.get(id)?.status)) ids.push(id);
  }
  const { unfinished, children } = linksOf(state.tasks, task);
  if (unfinished === 0) return ids;
  for (const id of children.values()) {
    if (ids.length === max) return ids;
    if (isUnfinished(byId.get(id)?.status) && !ids.includes(id)) ids.push(id);
  }
  return ids;
}

/**
 * The scope a claim on `task` gets that names no files or paths of its own (CL4): the task's paths, in the
 * worktree that was named; `scope` itself where it names some, or where the task has no paths.
 */
export function lentScope(
  state: State,
  task: string | undefined,
  scope: Scope | undefined,
): Scope | undefined {
  if (task === undefined || scope?.files !== undefined || scope?.paths !== undefined) return scope;
  const paths = state.tasks.byId.get(task)?.paths ?? [];
  return scopeOf(paths, scope?.worktree);
}

/** The scope of a task with these paths in a worktree, if it has any. */
export function scopeOf(paths: readonly string[], worktree: string | undefined): Scope | undefined {
  if (paths.length === 0) return undefined;
  return worktree === undefined ? { paths } : { worktree, paths };
}

function claimOn(state: State, task: string): Claim | undefined {
  const claim = state.tasks.claimed.get(task);
  return claim === undefined ? undefined : state.claims.live.get(claim);
}

function claimUnder(state: State, task: string): Claim | undefined {
  return state.claims.live.get(task);
}

/** Ready, claims aside. */
function canStart(state: State, { task, status, unmet }: Task): boolean {
  return status === "open" && unmet === 0 && linksOf(state.tasks, task).unfinished === 0;
}

function isUnfinished(status: TaskStatus | undefined): boolean {
  return status === "open" || status === "in-progress" || status === "blocked";
}
