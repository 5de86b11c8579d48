/**
 * What a task says: declaring it, and changing what was said.
 *
 * Invariant: the graph of dependencies and parents stays free of cycles, and lists are canonical, each item
 * once.
 */
import { limits } from "../limits.ts";
import { canonical } from "./acquire.ts";
import { isKnown, unknownAgent } from "./agents.ts";
import { cycleThrough, type Edges } from "./dependencies.ts";
import { invalid } from "./log.ts";
import type { State } from "./model.ts";
import { accept, type Context, type Decision } from "./slice.ts";
import { finishRefusal, notOpen } from "./task-access.ts";
import { refuse } from "./task-refusals.ts";
import { isClaimed, linksOf } from "./task-state.ts";
import type { TaskCommand } from "./tasks.ts";

/** Decides a `task.declare` (TA1, TA3, TA4). */
export function declare(
  state: State,
  { type: _, ...said }: Extract<TaskCommand, { type: "task.declare" }>,
): Decision {
  const id = said.task;
  if (/^m\d+$/.test(id)) return invalid("task", "ids of m and digits are given by the engine alone");
  const known = state.tasks.byId.get(id);
  if (known !== undefined) {
    const { status, version, declaredBy } = known;
    return refuse("task.exists", { task: id, status, version, declaredBy });
  }
  const content = checked(state, id, said, said.parent);
  if ("rejection" in content) return content;
  const held = state.claims.live.has(id) ? { held: true } : {};
  return accept({ type: "task.declared", ...said, ...content.given, ...held });
}

/** Decides a `task.amend` (TA2, TA3): only what changes is in the event. */
export function amend(
  state: State,
  { type: _, version, ...said }: Extract<TaskCommand, { type: "task.amend" }>,
  context: Context,
): Decision {
  const { task: id, noParent = false, parent: under, ...rest } = said;
  const given = noParent || under === undefined ? rest : { ...rest, parent: under };
  const task = state.tasks.byId.get(id);
  if (task === undefined) return refuse("task.unknown", { task: id });
  if (task.version !== version) return refuse("task.stale", { task: id, version: task.version });
  if (given.owner !== undefined && given.owner !== task.owner) {
    const refused = finishRefusal(state, task, context);
    if (refused !== undefined) return refused;
    if (task.status !== "in-progress" || isClaimed(state.tasks, id)) {
      return notOpen(state, task, context.nowMs);
    }
    if (!isKnown(state, given.owner)) return unknownAgent(given.owner);
  }
  const parent = noParent ? undefined : (under ?? task.parent);
  const content = checked(state, id, { dependsOn: task.dependsOn, ...given }, parent);
  if ("rejection" in content) return content;
  const fields = { ...given, ...content.given };
  const now: { readonly [field: string]: unknown } = { ...task };
  const changed = Object.entries(fields).filter(([name, value]) => !sameValue(now[name], value));
  const orphaned = noParent && task.parent !== undefined;
  if (changed.length === 0 && !orphaned) return accept();
  const change: typeof given = Object.fromEntries(changed);
  const alone = orphaned ? { noParent: true } : {};
  return accept({ type: "task.amended", task: id, version: version + 1, ...change, ...alone });
}

/** The lists of a declaration in their one spelling, each item once; or what is wrong with it. */
function checked(
  state: State,
  id: string,
  said: {
    readonly dependsOn?: readonly string[];
    readonly paths?: readonly string[];
    readonly requires?: readonly string[];
  },
  parent: string | undefined,
) {
  const scope = said.paths === undefined || said.paths.length === 0 ? undefined : { paths: said.paths };
  const normal = scope === undefined ? undefined : canonical(scope, "");
  if (normal !== undefined && "rejection" in normal) return normal;
  const dependsOn = said.dependsOn === undefined ? undefined : [...new Set(said.dependsOn)];
  const cycle = cycleOf(state, id, dependsOn ?? [], parent);
  if (cycle !== undefined) {
    const more = cycle.length > limits.cycleShown + 1 ? { more: true } : {};
    return refuse("task.cycle", { path: cycle.slice(0, limits.cycleShown + 1), ...more });
  }
  return {
    given: {
      ...(dependsOn === undefined ? {} : { dependsOn }),
      ...(said.paths === undefined ? {} : { paths: normal?.scope.paths ?? [] }),
      ...(said.requires === undefined ? {} : { requires: [...new Set(said.requires)] }),
    },
  };
}

/** The cycle that would come about; most tasks have nothing on one of their sides, and so can be in none. */
function cycleOf(state: State, id: string, dependsOn: readonly string[], parent: string | undefined) {
  const { dependents, children } = linksOf(state.tasks, id);
  const first = parent === undefined && dependents.size === 0 && !dependsOn.includes(id);
  const last = dependsOn.length === 0 && children.size === 0 && parent !== id;
  return first || last ? undefined : cycleThrough(edgesOf(state), id, dependsOn, parent);
}

function edgesOf({ tasks }: State): Edges {
  return {
    dependencies: (id) => tasks.byId.get(id)?.dependsOn ?? [],
    dependents: (id) => linksOf(tasks, id).dependents.values(),
    children: (id) => linksOf(tasks, id).children.values(),
    parent: (id) => tasks.byId.get(id)?.parent,
  };
}

function sameValue(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => item === b[i]);
  return a === b;
}
