/**
 * The tools of the ledger: what is to be done, and what to do next.
 */
import { commands, events, queries } from "../../core/model/model.ts";
import { doc, object, optional } from "../../core/model/shape.ts";
import type { TaskView } from "../../core/model/task-queries.ts";
import { cautious, grantText, labelled, PATIENCE, pathsField, rows } from "./claim-tools.ts";
import { CAUTION, CAUTION_FIELD, inline, quoted } from "./quote.ts";
import { pick } from "./schema.ts";
import type { Action, Answer, Caller, Given, ToolSource } from "./tool.ts";

const { task: taskId, title } = commands["task.declare"].fields;

export const nextTool: ToolSource = {
  title: "Take the next task",
  description:
    "Take and claim, in one step, the best ready task whose files nobody holds. Use it when you look for work. " +
    "Returns the task with its files leased under its id; isError when there is none for you.",
  actions: {
    next: {
      exact: true,
      takes: object(pick(commands["task.next"].fields, "capabilities", "ttlMs", "note")),
      run: async (given, caller) => {
        const { client, seat } = caller;
        const grant = await client.call("task.next", { ...given, ...labelled(caller) }, PATIENCE);
        seat.epochs.remember(grant.claim, grant.epoch);
        const { items } = await client.call("tasks.list", { task: grant.claim }, PATIENCE);
        const [task] = items;
        const about = task === undefined ? "" : `\n${CAUTION}\n${whole(task)}`;
        return {
          fields: {
            ...cautious(grant),
            ...(task === undefined ? {} : { caution: CAUTION_FIELD, about: task }),
          },
          text: `${grantText(grant, caller)}${about}\nWhen done: task with action complete.`,
        };
      },
    },
  },
  gives: pick(events["claim.granted"].fields, "claim", "epoch"),
};

/** Commands whose params a model gives as they are. */
const plain = (
  method: `task.${"start" | "complete" | "fail" | "block" | "cancel" | "reopen"}`,
  now: string,
): Action => ({
  takes: commands[method],
  run: async (given, { client }) => ({
    fields: { ...(await client.send(method, given, PATIENCE)) },
    text: `${given.task} is ${now}.`,
  }),
});

export const taskTool: ToolSource = {
  title: "The task ledger",
  description:
    "Plan and report work. list/ready: tasks and who does them. declare: add one. amend: change it at the version you read. " +
    "start, complete, fail, block, cancel, reopen: say how it stands. note: report progress.",
  actions: {
    list: listed("tasks.list"),
    ready: listed("tasks.ready"),
    declare: {
      takes: object({ ...commands["task.declare"].fields, paths: optional(pathsField) }),
      run: (given, caller) => changed("task.declare", given, caller, "declared"),
    },
    amend: {
      takes: object({ ...commands["task.amend"].fields, paths: optional(pathsField) }),
      run: (given, caller) => changed("task.amend", given, caller, "amended"),
    },
    start: plain("task.start", "in progress"),
    complete: plain("task.complete", "done"),
    fail: plain("task.fail", "failed"),
    block: plain("task.block", "blocked"),
    cancel: plain("task.cancel", "cancelled"),
    reopen: plain("task.reopen", "open"),
    note: {
      takes: object({
        task: optional(taskId),
        ...pick(commands["progress.note"].fields, "text"),
        kind: optional(doc("`note` unless said.", commands["progress.note"].fields.kind)),
      }),
      run: async (given, { client }) => ({
        fields: { ...(await client.send("progress.note", { kind: "note", ...given }, PATIENCE)) },
        text: "Noted.",
      }),
    },
  },
  gives: { task: taskId, title },
};

function listed(method: "tasks.list" | "tasks.ready"): Action {
  return {
    reads: true,
    takes: queries[method].params,
    run: async (given, { client }): Promise<Answer> => {
      const page = await client.call(method, rows(given), PATIENCE);
      const { items, next } = page;
      const one = items.length === 1 ? items[0] : undefined;
      const lines = one === undefined ? items.map(taskLine) : [whole(one)];
      const more = next === undefined ? [] : [`More: cursor ${next}`];
      const text = items.length === 0 ? "No such tasks." : [CAUTION, ...lines, ...more].join("\n");
      return { fields: { caution: CAUTION_FIELD, ...page }, text };
    },
  };
}

async function changed(
  method: "task.declare" | "task.amend",
  { paths, ...given }: Given,
  { client, seat }: Caller,
  how: string,
): Promise<Answer> {
  const scope = paths === undefined ? undefined : seat.scopeOf(paths as readonly string[]);
  // A task may outlive a worktree, so its files stand among its patterns.
  const patterns = scope && [...(scope.files ?? []).map(asPattern), ...(scope.paths ?? [])];
  const params = { ...given, ...(patterns === undefined ? {} : { paths: patterns }) };
  const done = await client.send(method, params, PATIENCE);
  return { fields: { ...done }, text: `${given.task} is ${how}.` };
}

/** A file's name as a pattern that means nothing else. */
function asPattern(file: string): string {
  return file.replace(/[*?[{}]/g, "[$&]");
}

/** A task on one line. */
export function taskLine(task: TaskView): string {
  const { task: id, status, owner, holder, waitingFor, ready } = task;
  const who = holder ?? owner;
  return (
    `${id}: ${inline(task.title)}, ${ready === true ? "ready" : status}${who === undefined ? "" : ` (${who})`}` +
    `${waitingFor === undefined ? "" : `, after ${waitingFor.join(", ")}`}`
  );
}

/** All that a model should know of a task. */
function whole(task: TaskView): string {
  const { version, description, paths, reason, result } = task;
  const lines = [`${taskLine(task)}, version ${version}`];
  if (paths.length > 0) lines.push(`files: ${paths.join(", ")}`);
  if (reason !== undefined) lines.push(`reason: ${inline(reason)}`);
  if (description !== undefined) lines.push(quoted(description));
  if (result !== undefined) lines.push("result:", quoted(result));
  return lines.join("\n");
}
