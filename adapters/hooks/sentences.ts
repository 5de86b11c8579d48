/**
 * What an agent is told about an edit that another's claim stands against: what, who, why, until when, what
 * to do instead, and that nothing was changed.
 */
import { clipped, named, quoted } from "./frame.ts";

/** What stands in the way of one path. */
export interface Obstacle {
  /** The path as the agent knows it. */
  readonly path: string;
  readonly claim: string;
  readonly holder: string;
  readonly epoch?: number;
  readonly remainingMs: number;
  readonly note?: string;
  readonly task?: string;
  /** Nobody holds it yet: the holder named waits for it, and came first. */
  readonly isWaited?: boolean;
}

/** Long enough for all six parts, whatever names and notes there are. */
const SENTENCE_BYTES_MAX = 1500;
const PATHS_SHOWN = 5;

/** Why a tool may not be used now. At least one obstacle. */
export function refusal(obstacles: readonly Obstacle[], nowMs: number): string {
  return clipped(
    `${standing(obstacles, nowMs)} ${instead(obstacles[0])} Nothing was changed.`,
    SENTENCE_BYTES_MAX,
  );
}

/** The same where the policy only warns. */
export function caution(obstacles: readonly Obstacle[], nowMs: number): string {
  return clipped(
    `${standing(obstacles, nowMs)} This repository only warns: the edit goes on. ${instead(obstacles[0])}`,
    SENTENCE_BYTES_MAX,
  );
}

/** What, who, why and until when. */
export function standing(obstacles: readonly Obstacle[], nowMs: number): string {
  const [first] = obstacles;
  if (first === undefined) return "";
  const { path, holder, claim, remainingMs, isWaited } = first;
  const same = obstacles.filter((one) => one.holder === holder && one.claim === claim);
  const rest = obstacles.length - same.length;
  const shown = same.slice(0, PATHS_SHOWN).map((one) => named(one.path));
  if (same.length > shown.length) shown.push(`${same.length - shown.length} more`);
  const what =
    shown.length > 1 ? `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)} are` : `${named(path)} is`;
  const others = rest > 0 ? ` (${rest} more of these paths ${rest === 1 ? "is" : "are"} held as well)` : "";
  if (isWaited === true)
    return `${what} awaited by ${named(holder)} as ${named(claim)}, who came first${others}.`;
  return (
    `${what} held by ${named(holder)} as ${named(claim)}${because(first)} until ${clock(nowMs + remainingMs)}` +
    ` (another ${span(remainingMs)})${others}.`
  );
}

function because({ note, task }: Obstacle): string {
  const reasons = [
    ...(task === undefined ? [] : [`task ${named(task)}`]),
    ...(note === undefined ? [] : [`"${quoted(note, 120)}"`]),
  ];
  return reasons.length === 0 ? "" : ` (${reasons.join(", ")})`;
}

function instead(first: Obstacle | undefined): string {
  const holder = first === undefined ? "" : named(first.holder);
  const name = /^[A-Za-z0-9._/:-]+$/.test(holder) ? holder : `"${holder.replace(/[$`\\]/g, "")}"`;
  return (
    "Edit other files or take other work (holdfast next), ask for it " +
    `(holdfast send ${name} "…"), or try again when it is free; do not write it by another way.`
  );
}

/** A length of time as people say it. */
export function span(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  return `${Math.ceil(minutes / 60)} h`;
}

/** Wall time at this machine. */
function clock(ms: number): string {
  const at = new Date(ms);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
