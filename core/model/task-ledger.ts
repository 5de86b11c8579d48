/**
 * The ledger: the only functions that change the tasks' part of the state.
 *
 * `put` is the one place where a task changes; everything kept beside the tasks follows from the difference
 * between the task before and after, so its cost goes with what the task is linked to, not with how many
 * tasks there are.
 */
import { isFinished, isMet, isReady, rankOf, type TaskStatus } from "./dependencies.ts";
import { Edit, KeyMap } from "./map.ts";
import { type At, changed, type Row } from "./slice.ts";
import {
  isClaimed,
  type Links,
  linksOf,
  noLinks,
  noTasks,
  type Task,
  type TasksState,
} from "./task-state.ts";

/** A state in the making. */
type Draft = { -readonly [K in keyof TasksState]: TasksState[K] };

/** A copy to change. */
function drafted(slice: TasksState): Draft {
  const { byId, order, links, ready, held, claimed, ended, counts, nextPlace, nextEnded } = slice;
  return { byId, order, links, ready, held, claimed, ended, counts, nextPlace, nextEnded };
}

/** What a change of status says besides the status; what is left out is gone from the task. */
export interface Standing {
  readonly owner?: string | undefined;
  readonly reason?: string | undefined;
  readonly result?: string | undefined;
}

/** Puts a task in place of `before`, or adds it, and forgets what is to be forgotten (TA15). */
export function put(slice: TasksState, before: Task | undefined, after: Task, at: At): TasksState {
  const draft = drafted(slice);
  if (before === undefined) draft.nextPlace = Math.max(draft.nextPlace, after.place + 1);
  if (after.ended !== undefined) draft.nextEnded = Math.max(draft.nextEnded, after.ended + 1);
  change(draft, before, after, at.edit);
  while (draft.ended.size > at.settings.tasksEndedMax) {
    const oldest = draft.byId.get(draft.ended.first()?.[1] ?? "");
    if (oldest === undefined) break;
    forget(draft, oldest, at.edit);
  }
  return draft;
}

/** A declared task in another status; one that is not declared stays so. */
export function move(
  slice: TasksState,
  id: string,
  status: TaskStatus,
  { owner, reason, result }: Standing,
  at: At,
): TasksState {
  const before = slice.byId.get(id);
  if (before === undefined) return slice;
  const ended = isFinished(status) ? (before.ended ?? slice.nextEnded) : undefined;
  return put(slice, before, moved(before, status, { owner, reason, result }, ended, at.atMs), at);
}

/** The task in another status, made field by field: see `changed`. */
function moved(
  task: Task,
  status: TaskStatus,
  { owner, reason, result }: Standing,
  ended: number | undefined,
  atMs: number,
): Task {
  const made: { -readonly [K in keyof Task]: Task[K] } = {
    task: task.task,
    title: task.title,
    status,
    version: task.version,
    dependsOn: task.dependsOn,
    paths: task.paths,
    priority: task.priority,
    requires: task.requires,
    declaredBy: task.declaredBy,
    declaredAtMs: task.declaredAtMs,
    changedAtMs: atMs,
    activeAtMs: atMs,
    place: task.place,
    unmet: task.unmet,
  };
  if (task.description !== undefined) made.description = task.description;
  if (task.parent !== undefined) made.parent = task.parent;
  if (task.suggested !== undefined) made.suggested = task.suggested;
  if (task.asked !== undefined) made.asked = task.asked;
  if (owner !== undefined) made.owner = owner;
  if (reason !== undefined) made.reason = reason;
  if (result !== undefined) made.result = result;
  if (ended !== undefined) made.ended = ended;
  return made;
}

/** Notes a sign of work on a task. */
export function touch(slice: TasksState, id: string, at: At): TasksState {
  const task = slice.byId.get(id);
  if (task === undefined) return slice;
  const draft = drafted(slice);
  draft.byId = slice.byId.set(id, changed(task, { activeAtMs: at.atMs }), at.edit);
  return draft;
}

/** Notes a live claim, on `task` if given, where a task is concerned. */
export function attach(slice: TasksState, claim: string, task: string | undefined, at: At): TasksState {
  const earlier = slice.held.get(claim);
  if (task === undefined && earlier === undefined && !slice.byId.has(claim)) return slice;
  const draft = drafted(slice);
  draft.held = slice.held.set(claim, task ?? "", at.edit);
  if (earlier !== undefined && earlier !== task) unclaim(draft, claim, earlier, at.edit);
  if (task !== undefined) {
    draft.claimed = draft.claimed.set(task, claim, at.edit);
    refresh(draft, task, at.edit);
  }
  refresh(draft, claim, at.edit);
  return draft;
}

/** Notes the end of a live claim; that was a sign of work, too. */
export function detach(slice: TasksState, claim: string, at: At): TasksState {
  const task = slice.held.get(claim);
  if (task === undefined) return slice;
  const draft = drafted(slice);
  draft.held = slice.held.delete(claim, at.edit);
  unclaim(draft, claim, task, at.edit);
  refresh(draft, claim, at.edit);
  return touch(touch(draft, task, at), claim, at);
}

export function* saveTasks(slice: TasksState): IterableIterator<Row> {
  for (const id of slice.order.values()) yield ["task", slice.byId.get(id)];
  for (const [claim, task] of slice.held) yield ["held", claim, task];
  for (const [id, { done, failed }] of slice.links) {
    if (done + failed > 0) yield ["children", id, done, failed];
  }
  yield ["next", slice.nextPlace, slice.nextEnded];
}

export function loadTasks(rows: Iterable<Row>): TasksState {
  const tasks: Task[] = [];
  const held: [string, string][] = [];
  const children: [string, number, number][] = [];
  let { nextPlace, nextEnded } = noTasks;
  for (const [part, first, second, third] of rows) {
    if (part === "task") tasks.push(first as Task);
    else if (part === "held") held.push([first as string, second as string]);
    else if (part === "children") children.push([first as string, second as number, third as number]);
    else [nextPlace, nextEnded] = [first as number, second as number];
  }
  tasks.sort((a, b) => a.place - b.place);
  const draft: Draft = {
    ...noTasks,
    held: KeyMap.from(held),
    claimed: KeyMap.from(held.filter(([, task]) => task !== "").map(([claim, task]) => [task, claim])),
    nextPlace,
    nextEnded,
  };
  const edit = new Edit();
  for (const task of tasks) change(draft, undefined, task, edit);
  for (const [id, done, failed] of children) relink(draft, id, (links) => ({ ...links, done, failed }), edit);
  return draft;
}

/** The number of dependencies that are not met as things stand. */
function unmetOf(draft: Draft, dependsOn: readonly string[]): number {
  let unmet = 0;
  for (const id of dependsOn) if (!isMet(draft.byId.get(id)?.status)) unmet += 1;
  return unmet;
}

function change(draft: Draft, before: Task | undefined, next: Task, edit: Edit | undefined): void {
  const id = next.task;
  const edges = before === undefined || before.dependsOn !== next.dependsOn;
  const unmet = edges ? unmetOf(draft, next.dependsOn) : next.unmet;
  const after = unmet === next.unmet ? next : changed(next, { unmet });
  draft.byId = draft.byId.set(id, after, edit);
  if (before === undefined) draft.order = draft.order.set(after.place, id, edit);
  if (before?.status !== after.status) {
    const counts = { ...draft.counts };
    if (before !== undefined) counts[before.status] -= 1;
    counts[after.status] += 1;
    draft.counts = counts;
  }
  if (before !== undefined && before.priority !== after.priority) unrank(draft, before, edit);
  linkDependencies(draft, before, after, edit);
  linkParent(draft, before, after, edit);
  if (before?.ended !== after.ended) {
    if (before?.ended !== undefined) draft.ended = draft.ended.delete(before.ended, edit);
    settle(draft, id, edit);
  }
  const met = isMet(after.status);
  if (met !== isMet(before?.status)) {
    for (const dependent of linksOf(draft, id).dependents.values()) {
      const task = draft.byId.get(dependent);
      if (task === undefined) continue;
      draft.byId = draft.byId.set(dependent, changed(task, { unmet: task.unmet + (met ? -1 : 1) }), edit);
      refresh(draft, dependent, edit);
    }
  }
  refresh(draft, id, edit);
}

function linkDependencies(draft: Draft, before: Task | undefined, after: Task, edit: Edit | undefined): void {
  const was = waits(before);
  const is = waits(after);
  if (before !== undefined && before.dependsOn === after.dependsOn) {
    if (was === is) return;
    for (const id of after.dependsOn) {
      relink(draft, id, (links) => ({ ...links, waiting: links.waiting + is - was }), edit);
    }
    return;
  }
  const { place, task } = after;
  for (const id of before?.dependsOn ?? []) {
    const dependents = linksOf(draft, id).dependents.delete(place, edit);
    relink(draft, id, (links) => ({ ...links, dependents, waiting: links.waiting - was }), edit);
  }
  for (const id of after.dependsOn) {
    const dependents = linksOf(draft, id).dependents.set(place, task, edit);
    relink(draft, id, (links) => ({ ...links, dependents, waiting: links.waiting + is }), edit);
  }
}

function linkParent(draft: Draft, before: Task | undefined, after: Task, edit: Edit | undefined): void {
  const { place, task, parent } = after;
  if (before !== undefined && before.parent === parent) {
    if (parent === undefined || before.status === after.status) return;
    relink(draft, parent, (links) => counted(counted(links, before.status, -1), after.status, 1), edit);
    return;
  }
  if (before?.parent !== undefined) {
    const { status } = before;
    const children = linksOf(draft, before.parent).children.delete(place, edit);
    relink(draft, before.parent, (links) => ({ ...counted(links, status, -1), children }), edit);
  }
  if (parent === undefined) return;
  const children = linksOf(draft, parent).children.set(place, task, edit);
  relink(draft, parent, (links) => ({ ...counted(links, after.status, 1), children }), edit);
}

/** 1 while what it depends on must be kept. */
function waits(task: Task | undefined): number {
  return task === undefined || isFinished(task.status) ? 0 : 1;
}

function counted(links: Links, status: TaskStatus, by: number): Links {
  if (status === "done") return { ...links, done: links.done + by };
  if (status === "failed") return { ...links, failed: links.failed + by };
  if (status === "cancelled") return links;
  return { ...links, unfinished: links.unfinished + by };
}

/** Changes what is said of an id, and what follows for the id itself. */
function relink(draft: Draft, id: string, to: (links: Links) => Links, edit: Edit | undefined): void {
  const links = to(linksOf(draft, id));
  const members = links.dependents.size + links.children.size;
  const empty = members === 0 && (!draft.byId.has(id) || links.done + links.failed === 0);
  draft.links = empty ? draft.links.delete(id, edit) : draft.links.set(id, links, edit);
  settle(draft, id, edit);
  refresh(draft, id, edit);
}

/** Whether a finished task may be forgotten. */
function settle(draft: Draft, id: string, edit: Edit | undefined): void {
  const ended = draft.byId.get(id)?.ended;
  if (ended === undefined) return;
  const { waiting, unfinished } = draft.links.get(id) ?? noLinks;
  draft.ended = waiting + unfinished > 0 ? draft.ended.delete(ended, edit) : draft.ended.set(ended, id, edit);
}

function refresh(draft: Draft, id: string, edit: Edit | undefined): void {
  const task = draft.byId.get(id);
  if (task === undefined) return;
  const { status, unmet } = task;
  const unfinishedChildren = linksOf(draft, id).unfinished;
  const ready = isReady({ status, unmet, unfinishedChildren, claimed: isClaimed(draft, id) });
  if (!ready) unrank(draft, task, edit);
  else draft.ready = draft.ready.set(rankOf(task.priority, task.place), id, edit);
}

function unrank(draft: Draft, { priority, place }: Task, edit: Edit | undefined): void {
  draft.ready = draft.ready.delete(rankOf(priority, place), edit);
}

function unclaim(draft: Draft, claim: string, task: string, edit: Edit | undefined): void {
  if (draft.claimed.get(task) !== claim) return;
  draft.claimed = draft.claimed.delete(task, edit);
  refresh(draft, task, edit);
}

/**
 * Forgets a finished task that nothing unfinished refers to. Whoever depended on it, and may be reopened,
 * need not wait for it again if it was done or cancelled; and its parent goes on counting it.
 */
function forget(
  draft: Draft,
  { task: id, status, place, ended, dependsOn, parent }: Task,
  edit: Edit | undefined,
) {
  draft.byId = draft.byId.delete(id, edit);
  draft.order = draft.order.delete(place, edit);
  draft.counts = { ...draft.counts, [status]: draft.counts[status] - 1 };
  if (ended !== undefined) draft.ended = draft.ended.delete(ended, edit);
  for (const other of dependsOn) {
    const dependents = linksOf(draft, other).dependents.delete(place, edit);
    relink(draft, other, (links) => ({ ...links, dependents }), edit);
  }
  if (parent !== undefined) {
    const children = linksOf(draft, parent).children.delete(place, edit);
    relink(draft, parent, (links) => ({ ...links, children }), edit);
  }
  let { dependents } = linksOf(draft, id);
  if (isMet(status)) {
    for (const name of dependents.values()) {
      const task = draft.byId.get(name);
      if (task === undefined) continue;
      const left = task.dependsOn.filter((other) => other !== id);
      draft.byId = draft.byId.set(name, { ...task, dependsOn: left }, edit);
    }
    dependents = noLinks.dependents;
  }
  relink(draft, id, (links) => ({ ...links, dependents }), edit);
}
