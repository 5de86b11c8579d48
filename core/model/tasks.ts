/**
 * Tasks: the ledger of what is to be done, what it waits for, and whose it is.
 *
 * Invariant: no task waits for itself through dependencies and parents; at most one live claim is on a
 * task, and a task with one is not open; a task that all children have settled is finished.
 */
import { limits } from "../limits.ts";
import { isFinished } from "./dependencies.ts";
import type { Event, State } from "./model.ts";
import { boolean, bytes, doc, integer, list, optional, string, type Typed } from "./shape.ts";
import { type At, accept, type Context, command, type Decision, event, type Slice } from "./slice.ts";
import { finishRefusal, liveClaim, notOpen, startRefusal } from "./task-access.ts";
import { amend, declare } from "./task-content.ts";
import { concernsTasks, effectsOf } from "./task-effects.ts";
import { attach, detach, loadTasks, move, put, saveTasks, touch } from "./task-ledger.ts";
import { next } from "./task-next.ts";
import { refuse } from "./task-refusals.ts";
import { isClaimed, noTasks, type Task, type TasksState } from "./task-state.ts";
import { ttlMs } from "./terms.ts";

const id = string("id", limits.idMax);
const title = string("line", limits.noteMax);
const line = string("line", limits.noteMax);
const words = list(id, limits.requiresMax);
const result = optional(doc("What came of it.", bytes("text", limits.taskTextBytesMax)));
const reason = optional(line);

const content = {
  description: optional(bytes("text", limits.taskTextBytesMax)),
  dependsOn: optional(
    doc("Tasks to be done or cancelled first; they may be declared later.", list(id, limits.dependsOnMax)),
  ),
  parent: optional(doc("The task it is a part of, which is done when all its children are.", id)),
  priority: optional(
    doc("Higher comes first; 0 unless said.", integer(-limits.priorityMax, limits.priorityMax)),
  ),
  requires: optional(doc("Capabilities that `task.next` matches.", words)),
  suggested: optional(doc("The agent that would suit; a hint.", id)),
} as const;
const path = string("pattern", limits.pathMax);

export const taskCommands = {
  "task.declare": command("Adds a task to the ledger.", {
    task: doc("Not `m` and digits: those are the engine's own.", id),
    title,
    ...content,
    paths: optional(doc("What it will touch; lent to its claim.", list(path, limits.scopePathsMax, 1))),
  }),
  "task.amend": command("Changes a task: the given fields replace what was said, lists as a whole.", {
    task: id,
    version: doc("The version that was read.", integer(1)),
    title: optional(title),
    ...content,
    paths: optional(list(path, limits.scopePathsMax)),
    noParent: optional(doc("Takes it out from under its parent.", boolean)),
    owner: optional(doc("Whose it is from now on; only in progress without a live claim.", id)),
  }),
  "task.start": command("Takes a task up without a claim.", { task: id }),
  "task.complete": command("Says that a task is done.", { task: id, result }),
  "task.fail": command("Says that a task failed.", { task: id, reason }),
  "task.block": command("Says that a task cannot go on; it stays so until it is reopened.", {
    task: id,
    reason: line,
  }),
  "task.cancel": command("Says that a task is not wanted any more.", { task: id, reason }),
  "task.reopen": command("Opens a task again that is blocked, finished, or in progress without a claim.", {
    task: id,
    reason,
  }),
  "task.next": command("Starts and claims, under its own id, the best ready task that the sender can take.", {
    capabilities: optional(doc("Those of the sender's description unless said.", words)),
    worktree: optional(string("line", limits.pathMax, 0)),
    ttlMs: optional(ttlMs),
    note: optional(line),
  }),
} as const;
export type TaskCommand = Typed<typeof taskCommands>;

const paths = optional(list(path, limits.scopePathsMax));
const child = optional(doc("The child from which this follows.", id));
const claim = optional(doc("The claim from which this follows.", id));
export const taskEvents = {
  "task.declared": event("A task was added; version 1, open.", {
    task: id,
    title,
    ...content,
    paths,
    asked: optional(doc("Who was asked for it by a message.", list(id, limits.askedMax))),
    held: optional(doc("A live claim lies under its id.", boolean)),
  }),
  "task.amended": event("A task was changed in what is given here.", {
    task: id,
    version: integer(1),
    title: optional(title),
    ...content,
    paths,
    noParent: optional(boolean),
    owner: optional(id),
  }),
  "task.started": event("A task is in progress, and somebody's.", { task: id, title, owner: id, claim }),
  "task.completed": event("A task is done.", { task: id, result, claim, child }),
  "task.failed": event("A task failed.", { task: id, reason, claim }),
  "task.blocked": event("A task cannot go on.", { task: id, reason: line }),
  "task.cancelled": event("A task is not wanted any more.", { task: id, reason }),
  "task.reopened": event(
    "A task is open again. Reasons of the engine: abandoned, broken, expired (its claim), stalled, child.",
    { task: id, reason, child },
  ),
} as const;
export type TaskEvent = Typed<typeof taskEvents>;

export const tasks: Slice<TasksState, TaskCommand, TaskEvent> = {
  initial: noTasks,
  decide: {
    "task.declare": declare,
    "task.amend": amend,
    "task.start": (state, { task: id }, context) => {
      const task = state.tasks.byId.get(id);
      if (task === undefined) return refuse("task.unknown", { task: id });
      if (task.status === "in-progress" && task.owner === context.agent) return accept();
      const refused = startRefusal(state, task, context);
      if (refused !== undefined) return refused;
      return accept({ type: "task.started", task: id, title: task.title, owner: context.agent });
    },
    "task.complete": (state, { type: _, ...said }, context) =>
      finish(state, said.task, context, { status: "done", event: { type: "task.completed", ...said } }),
    "task.fail": (state, { type: _, ...said }, context) =>
      finish(state, said.task, context, { status: "failed", event: { type: "task.failed", ...said } }),
    "task.cancel": (state, { type: _, ...said }, context) =>
      finish(state, said.task, context, { status: "cancelled", event: { type: "task.cancelled", ...said } }),
    "task.block": (state, { task: id, reason }, context) => {
      const task = state.tasks.byId.get(id);
      if (task === undefined) return refuse("task.unknown", { task: id });
      const refused = finishRefusal(state, task, context);
      if (refused !== undefined) return refused;
      if (isFinished(task.status)) return notOpen(state, task, context.nowMs);
      if (task.status === "blocked" && task.reason === reason) return accept();
      return accept({ type: "task.blocked", task: id, reason });
    },
    "task.reopen": reopen,
    "task.next": next,
  },
  evolve: {
    "task.declared": (slice, { type: _, asked, held, ...said }, at) => {
      const before = slice.byId.get(said.task);
      const { task: id, title, dependsOn = [], paths = [], priority = 0, requires = [], ...rest } = said;
      const task: Task = {
        task: id,
        title,
        status: "open",
        version: 1,
        dependsOn,
        paths,
        priority,
        requires,
        declaredBy: at.by,
        declaredAtMs: at.atMs,
        changedAtMs: at.atMs,
        activeAtMs: at.atMs,
        place: before?.place ?? slice.nextPlace,
        unmet: 0,
        ...(asked === undefined ? undefined : { asked }),
        ...rest,
      };
      const added = put(slice, before, task, at);
      return held ? attach(added, task.task, added.held.get(task.task) || undefined, at) : added;
    },
    "task.amended": (slice, { type: _, noParent, ...given }, at) => {
      const before = slice.byId.get(given.task);
      if (before === undefined) return slice;
      const { parent, ...rest } = before;
      const kept = noParent || parent === undefined ? rest : { ...rest, parent };
      return put(slice, before, { ...kept, ...given, changedAtMs: at.atMs, activeAtMs: at.atMs }, at);
    },
    "task.started": (slice, { task, owner }, at) => move(slice, task, "in-progress", { owner }, at),
    "task.completed": (slice, { task, result }, at) =>
      move(slice, task, "done", { owner: slice.byId.get(task)?.owner, result }, at),
    "task.failed": (slice, { task, reason }, at) =>
      move(slice, task, "failed", { owner: slice.byId.get(task)?.owner, reason }, at),
    "task.blocked": (slice, { task, reason }, at) =>
      move(slice, task, "blocked", { owner: slice.byId.get(task)?.owner, reason }, at),
    "task.cancelled": (slice, { task, reason }, at) =>
      move(slice, task, "cancelled", { owner: slice.byId.get(task)?.owner, reason }, at),
    "task.reopened": (slice, { task, reason }, at) => move(slice, task, "open", { reason }, at),
    "claim.granted": (slice, { claim, task }, at) => attach(slice, claim, task, at),
    "claim.renewed": (slice, { claim, task }, at) =>
      task === undefined ? slice : attach(slice, claim, task, at),
    "claim.handed-off": (slice, { claim, to }, at) => {
      const task = slice.byId.get(slice.held.get(claim) ?? "");
      if (task === undefined || isFinished(task.status)) return slice;
      return put(slice, task, { ...task, owner: to, activeAtMs: at.atMs }, at);
    },
    "claim.released": (slice, { claim }, at) => detach(slice, claim, at),
    "claim.expired": (slice, { claim }, at) => detach(slice, claim, at),
    "claim.broken": (slice, { claim }, at) => detach(slice, claim, at),
    "progress.noted": (slice, { task }, at) => (task === undefined ? slice : touch(slice, task, at)),
  },
  save: saveTasks,
  load: loadTasks,
  deadlines: {
    set: (event, state) => {
      switch (event.type) {
        case "task.started":
        case "task.amended":
        case "progress.noted":
          return event.task === undefined ? undefined : stalls(state, event.task);
        case "claim.released":
        case "claim.expired":
        case "claim.broken":
          return stalls(state, event.claim);
        default:
          return undefined;
      }
    },
    all: function* (state) {
      for (const id of state.tasks.order.values()) {
        const due = stalls(state, id);
        if (due !== undefined) yield due;
      }
    },
    lapse: (state, key, context) => {
      const due = stalls(state, key);
      if (due === undefined || due[0] > context.nowMs) return undefined;
      return [{ type: "task.reopened", task: key, reason: "stalled" }];
    },
  },
  join,
  answer: {
    "task.declared": ({ task }) => ({ task, version: 1 }),
    "task.amended": ({ task, version }) => ({ task, version }),
    "task.started": ({ task, title, owner }) => ({ task, title, owner }),
    "task.completed": ({ task, child }) => (child === undefined ? { task, status: "done" } : {}),
    "task.failed": ({ task }) => ({ task, status: "failed" }),
    "task.blocked": ({ task }) => ({ task, status: "blocked" }),
    "task.cancelled": ({ task }) => ({ task, status: "cancelled" }),
    "task.reopened": ({ task, child }) => (child === undefined ? { task, status: "open" } : {}),
  },
  redact: {
    "task.declared": (event, { agent, operator, guarded }) => {
      const { asked, ...rest } = event;
      const open = !guarded || operator || asked === undefined || asked.includes("all");
      return open || asked.includes(agent) ? event : rest;
    },
  },
};

/**
 * Appends the effects of events, and theirs. Each event is judged by the tasks as those before it left
 * them.
 */
function join(state: State, events: readonly Event[], context: Context): readonly Event[] {
  let concerns = false;
  for (const event of events) concerns ||= concernsTasks(state.tasks, event);
  if (!concerns) return NOTHING;
  const at: At = {
    seq: context.seq,
    atMs: context.nowMs,
    wallMs: 0,
    by: context.agent,
    id: context.submission,
    settings: state.log.settings,
    edit: undefined,
  };
  const all: Event[] = [...events];
  let slice = state.tasks;
  // It grows while this goes over it: effects have effects.
  for (const event of all) {
    const before = slice;
    slice = fold(slice, event, at);
    if (concernsTasks(before, event)) all.push(...effectsOf(state, before, slice, event, context));
  }
  return all.slice(events.length);
}

const NOTHING: readonly Event[] = [];

function fold(slice: TasksState, event: Event, at: At): TasksState {
  const handler = tasks.evolve[event.type] as
    | ((slice: TasksState, event: Event, at: At) => TasksState)
    | undefined;
  return handler === undefined ? slice : handler(slice, event, at);
}

/** A task comes to its end, by somebody who may say so. A failed one can still be cancelled. */
function finish(
  state: State,
  id: string,
  context: Context,
  end: { readonly status: "done" | "failed" | "cancelled"; readonly event: TaskEvent },
): Decision {
  const task = state.tasks.byId.get(id);
  if (task === undefined) return refuse("task.unknown", { task: id });
  if (task.status === end.status) return accept();
  const refused = finishRefusal(state, task, context);
  if (refused !== undefined) return refused;
  const closed = isFinished(task.status) && !(task.status === "failed" && end.status === "cancelled");
  return closed ? notOpen(state, task, context.nowMs) : accept(end.event);
}

function reopen(
  state: State,
  { task: id, reason }: Extract<TaskCommand, { type: "task.reopen" }>,
  context: Context,
): Decision {
  const task = state.tasks.byId.get(id);
  if (task === undefined) return refuse("task.unknown", { task: id });
  if (task.status === "open") return accept();
  if (task.status === "in-progress") {
    if (liveClaim(state, id) !== undefined) return notOpen(state, task, context.nowMs);
    const refused = finishRefusal(state, task, context);
    if (refused !== undefined) return refused;
  }
  return accept({ type: "task.reopened", task: id, ...(reason === undefined ? {} : { reason }) });
}

/** When supervision gives a task back that is in progress without a live claim (TA14). */
function stalls(state: State, id: string): readonly [number, string] | undefined {
  const task = state.tasks.byId.get(id);
  if (task?.status !== "in-progress" || isClaimed(state.tasks, id)) return undefined;
  return [task.activeAtMs + state.log.settings.stalledAfterMs, id];
}
