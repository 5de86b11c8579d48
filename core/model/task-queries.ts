/**
 * What can be asked about tasks.
 */
import { limits } from "../limits.ts";
import { statuses } from "./dependencies.ts";
import type { State } from "./model.ts";
import { cursorSeq, type Page, page, paging } from "./page.ts";
import { choice, doc, list, optional, string } from "./shape.ts";
import { query } from "./slice.ts";
import { liveClaim, waitingFor } from "./task-access.ts";
import { isClaimed, linksOf, type Task } from "./task-state.ts";

/** A task as it is listed. */
export interface TaskView extends Omit<Task, "place" | "unmet" | "ended" | "asked"> {
  /** Whether it can be taken up now. */
  readonly ready?: true;
  /** What it waits for; as much of it as is shown. */
  readonly waitingFor?: readonly string[];
  /** The live claim on it or under its id. */
  readonly claim?: string;
  readonly holder?: string;
  readonly expiresAtMs?: number;
  readonly children?: { readonly unfinished: number; readonly done: number; readonly failed: number };
}

const id = string("id", limits.idMax);

export const taskQueries = {
  "tasks.list": query(
    "Tasks, in the order they were declared.",
    {
      ...paging,
      task: optional(id),
      status: optional(choice(...statuses)),
      owner: optional(id),
      parent: optional(doc("Only its children.", id)),
    },
    (state, params): Page<TaskView> => {
      const { byId, order } = state.tasks;
      const shown = (id: string): TaskView | undefined => {
        const task = byId.get(id);
        if (task === undefined) return undefined;
        if (params.status !== undefined && params.status !== task.status) return undefined;
        if (params.owner !== undefined && params.owner !== task.owner) return undefined;
        if (params.parent !== undefined && params.parent !== task.parent) return undefined;
        return taskView(state, task);
      };
      if (params.task !== undefined) {
        const view = shown(params.task);
        return { items: view === undefined ? [] : [view] };
      }
      const among = params.parent === undefined ? order : linksOf(state.tasks, params.parent).children;
      return page(among.from(cursorSeq(params, 0)), params, shown);
    },
  ),
  "tasks.ready": query(
    "Tasks that can be taken up now, the first to be taken first.",
    {
      ...paging,
      capabilities: optional(doc("Only those that need no others.", list(id, limits.requiresMax))),
    },
    (state, params): Page<TaskView> => {
      const able = params.capabilities && new Set(params.capabilities);
      return page(state.tasks.ready.from(cursorSeq(params, 0)), params, (id) => {
        const task = state.tasks.byId.get(id);
        if (task === undefined || (able && !task.requires.every((word) => able.has(word)))) return undefined;
        return taskView(state, task);
      });
    },
  ),
} as const;

/** How many tasks stand how, and how many of the open ones can be taken up. */
export function taskCounts({ tasks }: State) {
  return { ...tasks.counts, ready: tasks.ready.size };
}

/** A task as it is shown: with what it waits for, who holds it, and how its children stand. */
export function taskView(state: State, task: Task): TaskView {
  const { place: _, unmet, ended: __, asked: ___, ...shown } = task;
  const { unfinished, done, failed, children } = linksOf(state.tasks, task.task);
  const waits = waitingFor(state, task.task, limits.waitingShown);
  const live = liveClaim(state, task.task);
  const ready =
    task.status === "open" &&
    unmet + unfinished === 0 &&
    live === undefined &&
    !isClaimed(state.tasks, task.task);
  return {
    ...shown,
    ...(ready ? { ready } : {}),
    ...(waits.length === 0 ? {} : { waitingFor: waits }),
    ...(live === undefined ? {} : { claim: live.claim, holder: live.holder, expiresAtMs: live.expiresAtMs }),
    ...(children.size === 0 ? {} : { children: { unfinished, done, failed } }),
  };
}
