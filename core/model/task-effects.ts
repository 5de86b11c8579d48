/**
 * Effects: what an event brings about among tasks, within the same entry.
 *
 * Claims start, finish and give back the task they are on (TA6); requests declare one and results complete
 * it (ME6); children make their parents done, or not done after all, all the way up (TA9). Each effect is
 * an event of its own, so the log reads by itself and a fold needs no rules.
 */
import { limits } from "../limits.ts";
import { isFinished, isMet, settles } from "./dependencies.ts";
import type { Event, State } from "./model.ts";
import type { Context } from "./slice.ts";
import { finishRefusal } from "./task-access.ts";
import { linksOf, type Task, type TasksState } from "./task-state.ts";

type Of<T extends Event["type"]> = Extract<Event, { type: T }>;

/** Whether an event can bring about anything among tasks, as they stand before it; most cannot. */
export function concernsTasks(slice: TasksState, event: Event): boolean {
  switch (event.type) {
    case "task.declared":
      return slice.links.has(event.task) || parentOf(slice, event.parent)?.status === "done";
    case "task.amended":
      return event.parent !== undefined || event.noParent === true;
    case "task.completed":
    case "task.cancelled":
      return mayBeLast(slice, event.task);
    case "task.reopened":
      return slice.claimed.has(event.task) || slice.byId.get(event.task)?.parent !== undefined;
    case "claim.granted":
    case "claim.renewed":
      return event.task !== undefined || slice.held.has(event.claim);
    case "claim.released":
    case "claim.expired":
    case "claim.broken":
    case "claim.handed-off":
      return event.task !== undefined;
    case "message.posted":
      return event.kind === "task_request" || event.kind === "task_result";
    default:
      return false;
  }
}

/** Whether a task that is settled now may be the one its parent has waited for. */
function mayBeLast(slice: TasksState, id: string): boolean {
  const parent = parentOf(slice, slice.byId.get(id)?.parent);
  if (parent === undefined) return false;
  const { unfinished, failed } = linksOf(slice, parent.task);
  return unfinished + failed <= 1;
}

function parentOf(slice: TasksState, parent: string | undefined): Task | undefined {
  return parent === undefined ? undefined : slice.byId.get(parent);
}

/** What follows at once from an event, given the tasks before and after it. */
export function effectsOf(
  state: State,
  before: TasksState,
  after: TasksState,
  event: Event,
  context: Context,
): readonly Event[] {
  switch (event.type) {
    case "claim.granted":
    case "claim.renewed":
      return taken(before, after, event);
    case "claim.released":
      return event.outcome === "abandoned"
        ? givenBack(after, event, event.outcome)
        : finished(after, event, event.outcome);
    case "claim.expired":
      return givenBack(after, event, "expired");
    case "claim.broken":
      return givenBack(after, event, "broken");
    case "claim.handed-off":
      return handedOff(event);
    case "message.posted":
      return event.kind === "task_request"
        ? [requested(state, event)]
        : resulted(state, after, event, context);
    case "task.declared": {
      const done = settles(linksOf(after, event.task));
      return done
        ? [{ type: "task.completed", task: event.task }]
        : joined(after, after.byId.get(event.task));
    }
    case "task.amended": {
      const was = before.byId.get(event.task);
      const is = after.byId.get(event.task);
      if (is === undefined || was?.parent === is.parent) return [];
      const left = was?.parent === undefined ? [] : rolledUp(after, was.parent, event.task);
      return [...left, ...joined(after, is)];
    }
    case "task.completed":
    case "task.cancelled":
      return joined(after, after.byId.get(event.task));
    case "task.reopened":
      return reopened(state, after, event);
    default:
      return [];
  }
}

/** A claim has come to lie on a task, and perhaps left another. */
function taken(before: TasksState, after: TasksState, event: Of<"claim.granted" | "claim.renewed">): Event[] {
  const { claim, holder } = event;
  const earlier = before.held.get(claim);
  const now = after.held.get(claim);
  const events: Event[] = [];
  if (earlier !== undefined && earlier !== now) {
    const left = after.byId.get(earlier);
    if (left?.status === "in-progress" && !after.claimed.has(earlier)) {
      events.push({ type: "task.reopened", task: earlier, reason: "abandoned" });
    }
  }
  const task = now === undefined ? undefined : after.byId.get(now);
  if (task === undefined || after.claimed.get(task.task) !== claim) return events;
  if (task.status === "open" || (task.status === "in-progress" && task.owner !== holder)) {
    events.push(started(task, holder, claim));
  }
  return events;
}

function started({ task, title }: Task, owner: string, claim: string): Of<"task.started"> {
  return { type: "task.started", task, title, owner, claim };
}

/** A claim ended with its work finished. */
function finished(
  after: TasksState,
  { task, claim }: Of<"claim.released">,
  outcome: "done" | "failed",
): readonly Event[] {
  const known = task === undefined ? undefined : after.byId.get(task);
  if (known === undefined || isFinished(known.status)) return [];
  return [{ type: outcome === "done" ? "task.completed" : "task.failed", task: known.task, claim }];
}

/** A claim ended with its work unfinished. */
function givenBack(
  after: TasksState,
  { task }: Of<"claim.released" | "claim.expired" | "claim.broken">,
  reason: string,
): readonly Event[] {
  const known = task === undefined ? undefined : after.byId.get(task);
  if (known?.status !== "in-progress" || after.claimed.has(known.task)) return [];
  return [{ type: "task.reopened", task: known.task, reason }];
}

function handedOff({ task, from, to }: Of<"claim.handed-off">): readonly Event[] {
  if (task === undefined) return [];
  return [{ type: "progress.noted", task, kind: "note", text: `handed off by ${from} to ${to}` }];
}

/** A request declares a task (ME6). What a directed one says is for its recipients alone. */
function requested(state: State, { message, body, broadcast, recipients }: Of<"message.posted">): Event {
  const line = (body.split(/[\r\n]/, 1)[0] ?? "")
    .replace(/\p{Cc}/gu, " ")
    .trim()
    .slice(0, limits.noteMax);
  const title = broadcast && line !== "" ? line.toWellFormed() : `request ${message}`;
  const named = broadcast !== true && recipients.length <= limits.askedMax;
  const asked = named ? recipients : ["all"];
  const held = state.claims.live.has(message) ? { held: true } : {};
  return { type: "task.declared", task: message, title, asked, ...held };
}

/** A result completes the task of the request it replies to, if its sender may. */
function resulted(
  state: State,
  after: TasksState,
  { replyTo }: Of<"message.posted">,
  context: Context,
): readonly Event[] {
  const task = replyTo === undefined ? undefined : after.byId.get(replyTo);
  if (task === undefined || isFinished(task.status)) return [];
  if (finishRefusal(state, task, context) !== undefined) return [];
  return [{ type: "task.completed", task: task.task }];
}

/** A task is open again: not so if somebody has a claim on it; and a parent is not done then. */
function reopened(state: State, after: TasksState, event: Of<"task.reopened">): readonly Event[] {
  const task = after.byId.get(event.task);
  if (task === undefined) return [];
  const claim = after.claimed.get(task.task);
  const holder = claim === undefined ? undefined : state.claims.live.get(claim)?.holder;
  const goesOn =
    claim === undefined || holder === undefined || task.status !== "open"
      ? []
      : [started(task, holder, claim)];
  return [...goesOn, ...joined(after, task)];
}

/** A task stands under its parent in a new way. */
function joined(after: TasksState, task: Task | undefined): readonly Event[] {
  const parent = parentOf(after, task?.parent);
  if (task === undefined || parent === undefined) return [];
  if (isMet(task.status)) return rolledUp(after, parent.task, task.task);
  if (parent.status !== "done") return [];
  return [{ type: "task.reopened", task: parent.task, reason: "child", child: task.task }];
}

/** A parent is done when its children say so. */
function rolledUp(after: TasksState, parent: string, child: string): readonly Event[] {
  const task = after.byId.get(parent);
  if (task === undefined || isFinished(task.status) || !settles(linksOf(after, parent))) return [];
  return [{ type: "task.completed", task: parent, child }];
}
