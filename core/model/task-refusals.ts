/**
 * What a command about tasks can be refused with.
 */
import { limits } from "../limits.ts";
import type { TaskStatus } from "./dependencies.ts";
import { boolean, integer, list, optional, string } from "./shape.ts";
import { refusal, rejecter } from "./slice.ts";

const id = string("id", limits.idMax);
/** Also `undeclared`, for a task nobody declared. */
const status = string("line", 20);

export const taskRejections = {
  "task.exists": refusal(
    "A task of that id was declared before.",
    { task: id, status, version: integer(1), declaredBy: id },
    (f) =>
      `${clip(f.task)} was declared by ${clip(f.declaredBy)} and is ${f.status}. Change it with task.amend, naming ` +
      `version ${f.version}, or choose another id; nothing was changed.`,
  ),
  "task.unknown": refusal(
    "No task of that id is declared.",
    { task: id },
    (f) =>
      `There is no task ${clip(f.task)}, or it ended so long ago that it was forgotten. See \`holdfast task list\`, or ` +
      "declare it first; nothing was changed.",
  ),
  "task.stale": refusal(
    "The task was amended since the version that was named.",
    { task: id, version: integer(1) },
    (f) =>
      `${clip(f.task)} was amended meanwhile and is at version ${f.version}. Read it again with tasks.list and amend that ` +
      "version; nothing was changed.",
  ),
  "task.cycle": refusal(
    "The task would wait for itself, through dependencies or through parents, which wait for their children.",
    { path: list(id, limits.cycleShown + 1), more: optional(boolean) },
    (f) =>
      `These would wait for each other for ever: ${f.path.map(clip).join(" → ").slice(0, 240)}` +
      `${f.more === true ? " …" : ""}. Leave out one of the dependencies or parents; nothing was changed.`,
  ),
  "task.not-open": refusal(
    "The task is not in a state to be taken up, or to be changed in this way.",
    {
      task: id,
      status,
      waitingFor: list(id, limits.waitingShown),
      more: optional(boolean),
      owner: optional(id),
      claim: optional(id),
      holder: optional(id),
      expiresAtMs: optional(integer(0)),
      remainingMs: optional(integer(0)),
    },
    (f) => `${standing(f)} ${advice(f)} Nothing was changed.`,
  ),
  "task.not-yours": refusal(
    "The sender neither holds, owns nor declared the task, was not asked for it, and is no operator.",
    { task: id, owner: optional(id), declaredBy: id },
    (f) =>
      (f.owner === undefined
        ? `${clip(f.task)} is nobody's yet: take it up first (claim.acquire with task, task.start or task.next), `
        : `${clip(f.task)} is ${clip(f.owner)}'s, not yours: ask ${clip(f.owner)}, `) +
      `or ${clip(f.declaredBy)}, who declared it, or an operator. Nothing was changed.`,
  ),
  "task.none-ready": refusal(
    "No task is ready that the sender could take.",
    { ready: boolean, waiting: boolean, inConflict: boolean },
    (f) =>
      `No task is ready for you${
        f.inConflict
          ? ": others hold or wait for the files of those that are"
          : f.ready
            ? ": those that are need capabilities you did not name, or were asked of others"
            : f.waiting
              ? ": those that are open wait for others"
              : ": none is open"
      }. Ask again when a task or claim has ended, or declare one; \`holdfast task list\` shows them all. Nothing was changed.`,
  ),
} as const;

/** Refuses with one of them. */
export const refuse = rejecter(taskRejections);

interface NotOpen {
  readonly task: string;
  readonly status: string;
  readonly waitingFor: readonly string[];
  readonly more?: boolean;
  readonly owner?: string;
  readonly claim?: string;
  readonly holder?: string;
  readonly remainingMs?: number;
}

function standing({ task, status, waitingFor, more, owner, claim, holder, remainingMs }: NotOpen): string {
  const name = clip(task);
  if (status === "undeclared") return `${name} is not declared.`;
  const whose = owner === undefined || owner === holder ? "" : `, owned by ${clip(owner)}`;
  const left = remainingMs === undefined ? "" : ` for another ${Math.ceil(remainingMs / 1000)} s`;
  const held =
    claim === undefined || holder === undefined ? "" : `, held by ${clip(holder)} as ${clip(claim)}${left}`;
  const first = waitingFor.slice(0, 2).map(clip).join(", ");
  const others = waitingFor.length > 2 ? ` and ${waitingFor.length - 2}${more ? " or more" : ""} others` : "";
  const waits = waitingFor.length === 0 ? "" : `, waiting for ${first}${others}`;
  return `${name} is ${status}${whose}${held}${waits}.`;
}

function advice({ status, waitingFor, holder }: NotOpen): string {
  const known: { readonly [status: string]: string } = {
    undeclared: "Declare it first, or leave the task out.",
    blocked: "Reopen it (task.reopen) once the reason is gone.",
    done: "Reopen it (task.reopen) if there is more to do, or take another (task.next).",
    failed: "Reopen it (task.reopen) to try again, or take another (task.next).",
    cancelled: "Reopen it (task.reopen) if it is wanted after all, or take another (task.next).",
  } satisfies Partial<Record<TaskStatus | "undeclared", string>>;
  const said = known[status];
  if (said !== undefined) return said;
  if (holder !== undefined)
    return `Take another (task.next), or ask ${clip(holder)} to hand it off or release it.`;
  if (waitingFor.length > 0) return "Finish those first, or take another (task.next).";
  return "Take another (task.next), or ask its owner.";
}

/** So that long ids cannot push the advice out of a sentence. */
function clip(text: string): string {
  return text.length > 40 ? `${text.slice(0, 19)}…${text.slice(-20)}` : text;
}
