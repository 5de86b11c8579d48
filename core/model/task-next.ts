/**
 * Next: choosing a task for an agent that asks for work.
 *
 * Tasks are tried in their order until one fits; only those that an agent cannot do, or whose files are
 * taken, cost more than the first.
 */
import { limits } from "../limits.ts";
import { canonical, grant, wantOf } from "./acquire.ts";
import { overQuota } from "./claims.ts";
import type { State } from "./model.ts";
import { isFree } from "./obstacles.ts";
import { accept, type Context, type Decision } from "./slice.ts";
import { scopeOf } from "./task-access.ts";
import { refuse } from "./task-refusals.ts";
import type { Task } from "./task-state.ts";
import type { TaskCommand } from "./tasks.ts";
import type { Terms } from "./terms.ts";

/** TA11: the first ready task in order that the agent is able to do and whose files are free. */
export function next(
  state: State,
  command: Extract<TaskCommand, { type: "task.next" }>,
  context: Context,
): Decision {
  const { tasks } = state;
  const quota = overQuota(state, context.agent);
  if (quota !== undefined) return quota;
  const able = new Set(command.capabilities ?? state.agents.byName.get(context.agent)?.capabilities ?? []);
  const lease = command.ttlMs ?? limits.ttlMsDefault;
  const note = command.note === undefined ? {} : { note: command.note };
  const taken = new Set<string>();
  let inConflict = false;
  for (const id of tasks.ready.values()) {
    const task = tasks.byId.get(id);
    if (task === undefined || !task.requires.every((word) => able.has(word))) continue;
    if (!isFor(task, context.agent)) continue;
    const where = task.paths.join("\n");
    if (taken.has(where)) continue;
    const lent = scopeOf(task.paths, command.worktree);
    const normal = lent === undefined ? undefined : canonical(lent);
    if (normal !== undefined && "rejection" in normal) return normal;
    const terms: Terms = { ...normal, ...note, task: id };
    const want = wantOf(id, context.agent, terms);
    if (isFree(state, want, context.seq)) return accept(grant(state, want, terms, lease, context));
    inConflict = true;
    // Tasks of the same paths conflict alike; those without any are in the way of nothing but their own id.
    if (lent !== undefined) taken.add(where);
  }
  const waiting = tasks.counts.open > tasks.ready.size;
  return refuse("task.none-ready", { ready: tasks.ready.size > 0, waiting, inConflict });
}

/** Whether `next` may give it to the agent: what was asked of others by a message (ME6) is theirs to do. */
function isFor({ asked }: Task, agent: string): boolean {
  return asked === undefined || asked.includes("all") || asked.includes(agent);
}
