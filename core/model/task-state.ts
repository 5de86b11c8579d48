/**
 * The tasks' part of the state: the ledger, and what is kept beside it to answer at once.
 *
 * Invariants, all of them about tasks in `byId`:
 * - the graph of dependencies and parents has no cycle;
 * - `unmet`, `links`, `ready`, `ended` and `counts` say nothing that `byId`, `held` and `claimed` do not
 * say,
 *   but for the children that were done or failed before they were forgotten;
 * - `ready` holds exactly the ready tasks (TA5), `ended` the finished ones that nothing unfinished depends
 * on or is a
 *   child of.
 */
import type { TaskStatus } from "./dependencies.ts";
import { KeyMap } from "./map.ts";
import { SeqMap } from "./seq-map.ts";

/** A task. Times are log time. */
export interface Task {
  readonly task: string;
  readonly title: string;
  readonly description?: string;
  readonly status: TaskStatus;
  /** 1 when declared, one more with each amendment. */
  readonly version: number;
  readonly owner?: string;
  readonly dependsOn: readonly string[];
  readonly parent?: string;
  /** Canonical patterns; empty when it touches no files. */
  readonly paths: readonly string[];
  readonly priority: number;
  readonly requires: readonly string[];
  /** Who would suit; a hint, nothing more. */
  readonly suggested?: string;
  /** Why it is blocked, failed, cancelled or open again. */
  readonly reason?: string;
  /** What came of it. */
  readonly result?: string;
  /** Who was asked for it by a message; `all` when anybody was. */
  readonly asked?: readonly string[];
  readonly declaredBy: string;
  readonly declaredAtMs: number;
  readonly changedAtMs: number;
  /** The last sign of work on it. */
  readonly activeAtMs: number;
  /** Its place in the order of declaration. */
  readonly place: number;
  /** How many of `dependsOn` are not done or cancelled, or not declared. */
  readonly unmet: number;
  /** Its place in the order of finishing; only while finished. */
  readonly ended?: number;
}

/** What others say of an id, declared or not. */
export interface Links {
  /** Tasks that depend on it, by place. */
  readonly dependents: SeqMap<string>;
  /** Its children, by place. */
  readonly children: SeqMap<string>;
  /** How many of the dependents are unfinished. */
  readonly waiting: number;
  /** How its children stand, those that were forgotten included. */
  readonly unfinished: number;
  readonly done: number;
  readonly failed: number;
}

export interface TasksState {
  readonly byId: KeyMap<Task>;
  /** All tasks, by place. */
  readonly order: SeqMap<string>;
  readonly links: KeyMap<Links>;
  /** Ready tasks by rank: the first is the next. */
  readonly ready: SeqMap<string>;
  /** Live claims under a task's id or on a task: the task each is on, empty where it is on none. */
  readonly held: KeyMap<string>;
  /** The live claim on each task that has one. */
  readonly claimed: KeyMap<string>;
  /** Finished tasks that may be forgotten, the longest finished first. */
  readonly ended: SeqMap<string>;
  readonly counts: { readonly [S in TaskStatus]: number };
  readonly nextPlace: number;
  readonly nextEnded: number;
}

/** What is said of an id that nobody mentions. */
export const noLinks: Links = {
  dependents: SeqMap.empty(),
  children: SeqMap.empty(),
  waiting: 0,
  unfinished: 0,
  done: 0,
  failed: 0,
};

/** Before the first entry. */
export const noTasks: TasksState = {
  byId: KeyMap.empty(),
  order: SeqMap.empty(),
  links: KeyMap.empty(),
  ready: SeqMap.empty(),
  held: KeyMap.empty(),
  claimed: KeyMap.empty(),
  ended: SeqMap.empty(),
  counts: { open: 0, "in-progress": 0, blocked: 0, done: 0, failed: 0, cancelled: 0 },
  nextPlace: 0,
  nextEnded: 0,
};

/** What others say of `id`. */
export function linksOf(slice: TasksState, id: string): Links {
  return slice.links.get(id) ?? noLinks;
}

/** Whether a live claim lies under the task's id or on it. */
export function isClaimed(slice: TasksState, id: string): boolean {
  return slice.claimed.has(id) || slice.held.has(id);
}
