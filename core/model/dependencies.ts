/**
 * Dependencies: the algebra of the task graph, apart from what a task is and from how the state keeps it.
 *
 * A task waits for what it depends on, and a parent for its children. Both are edges of one graph, which
 * must stay free of cycles, also through ids that are not declared yet.
 */
import { limits } from "../limits.ts";

export const statuses = ["open", "in-progress", "blocked", "done", "failed", "cancelled"] as const;
export type TaskStatus = (typeof statuses)[number];

/** Whether no more work is expected of it, unless it is reopened. */
export function isFinished(status: TaskStatus): boolean {
  return status === "done" || status === "failed" || status === "cancelled";
}

/** Whether those who depend on it need not wait any more; an undeclared one has no status (TA4). */
export function isMet(status: TaskStatus | undefined): boolean {
  return status === "done" || status === "cancelled";
}

/** How many children of a task stand how; the cancelled ones count nowhere. */
export interface Children {
  readonly unfinished: number;
  readonly done: number;
  readonly failed: number;
}

/** Whether children in this state make their parent done (TA9). */
export function settles({ unfinished, done, failed }: Children): boolean {
  return unfinished === 0 && failed === 0 && done > 0;
}

/** What decides whether a task can be taken up. */
export interface Readiness {
  readonly status: TaskStatus;
  /** Dependencies that are not done or cancelled, or not declared. */
  readonly unmet: number;
  readonly unfinishedChildren: number;
  /** Whether a live claim lies under its id or on it. */
  readonly claimed: boolean;
}

/** Whether a task can be taken up (TA5). */
export function isReady({ status, unmet, unfinishedChildren, claimed }: Readiness): boolean {
  return status === "open" && unmet === 0 && unfinishedChildren === 0 && !claimed;
}

/** Places in the order of declaration there may be; with the range of priorities it makes 2^53. */
const PLACES = 2 ** 33;

/** A safe integer that sorts tasks by priority, the highest first, then by declaration. */
export function rankOf(priority: number, place: number): number {
  return (limits.priorityMax - priority) * PLACES + place;
}

/** The graph as it stands, in both directions. Ids may be undeclared. */
export interface Edges {
  readonly dependencies: (task: string) => Iterable<string>;
  readonly dependents: (task: string) => Iterable<string>;
  readonly children: (task: string) => Iterable<string>;
  readonly parent: (task: string) => string | undefined;
}

/**
 * The cycle there would be if `task` depended on `dependsOn` and had `parent`, instead of what `edges` says
 * of it now, as ids that each wait for the next, from `task` to `task`; `undefined` when there is none.
 *
 * Both ends are searched in turns, so it costs twice the smaller side at most: a new task that nobody knows
 * of yet is cheap however much it depends on, and so is one with few dependencies however many wait for it.
 */
export function cycleThrough(
  edges: Edges,
  task: string,
  dependsOn: readonly string[],
  parent: string | undefined,
): readonly string[] | undefined {
  if (parent === task || dependsOn.includes(task)) return [task, task];
  const starts = function* () {
    yield* dependsOn;
    yield* edges.children(task);
  };
  const ends = function* () {
    if (parent !== undefined) yield parent;
    yield* edges.dependents(task);
  };
  const ahead: Trail = new Map();
  const behind: Trail = new Map();
  const forward = walk(starts(), (id) => waitsFor(edges, id), task, ahead);
  const backward = walk(ends(), (id) => waitedForBy(edges, id), task, behind);
  let meeting: string | undefined;
  while (meeting === undefined) {
    const step = forward.next();
    if (step.done === true) {
      // All that is ahead is known now: there is a cycle if and only if an end is among it.
      meeting = firstIn(ahead, ends());
      break;
    }
    if (step.value !== undefined && behind.has(step.value)) meeting = step.value;
    const back = backward.next();
    if (meeting !== undefined) break;
    if (back.done === true) {
      meeting = firstIn(behind, starts());
      break;
    }
    if (back.value !== undefined && ahead.has(back.value)) meeting = back.value;
  }
  if (meeting === undefined) return undefined;
  return [task, ...trail(ahead, meeting).reverse(), meeting, ...trail(behind, meeting), task];
}

/** From each visited id to the one it was reached from; none for where the walk began. */
type Trail = Map<string, string | undefined>;

function* waitsFor(edges: Edges, id: string): Generator<string, void, undefined> {
  yield* edges.dependencies(id);
  yield* edges.children(id);
}

function* waitedForBy(edges: Edges, id: string): Generator<string, void, undefined> {
  const parent = edges.parent(id);
  if (parent !== undefined) yield parent;
  yield* edges.dependents(id);
}

/**
 * Visits breadth first whatever can be reached without passing `except`; gives what is new, a step an edge.
 */
function* walk(
  from: Iterable<string>,
  next: (id: string) => Iterable<string>,
  except: string,
  seen: Trail,
): Generator<string | undefined, void, undefined> {
  const queue: string[] = [];
  const visit = (id: string, reachedFrom: string | undefined): string | undefined => {
    if (id === except || seen.has(id)) return undefined;
    seen.set(id, reachedFrom);
    queue.push(id);
    return id;
  };
  for (const id of from) yield visit(id, undefined);
  for (const at of queue) for (const id of next(at)) yield visit(id, at);
}

function firstIn(seen: Trail, ids: Iterable<string>): string | undefined {
  for (const id of ids) if (seen.has(id)) return id;
  return undefined;
}

/** The ids from `id`, itself left out, to where the walk began. */
function trail(seen: Trail, id: string): string[] {
  const ids: string[] = [];
  for (let at = seen.get(id); at !== undefined; at = seen.get(at)) ids.push(at);
  return ids;
}
