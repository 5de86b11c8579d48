/**
 * The spool: what happened while no hub ran, one line an event in a file beside the log, for the next hub.
 * Whoever takes it takes all of it, by renaming, so that two hubs never read the same lines.
 */
import { appendFileSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../core/limits.ts";
import type { HookEvent } from "./event.ts";

/** An event as it waits. */
export interface Spooled {
  /** Tells it from every other, so that it takes effect once. */
  readonly id: string;
  /** Wall time. */
  readonly atMs: number;
  /** HOLDFAST_AGENT of its session's environment. */
  readonly agent?: string;
  readonly event: HookEvent;
}

const FILE = "hooks.ndjson";

/** Adds an event, if there is room; whether it did. */
export function spool(folder: string, spooled: Spooled): boolean {
  const file = join(folder, FILE);
  const line = `${JSON.stringify(spooled)}\n`;
  try {
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size + Buffer.byteLength(line) > limits.hookSpoolBytesMax) return false;
    // One write at the end: lines of two processes never mix.
    appendFileSync(file, line, { mode: 0o600 });
    return true;
  } catch {
    return false;
  }
}

/** Whether something waits; cheap. */
export function hasSpooled(folder: string): boolean {
  return statSync(join(folder, FILE), { throwIfNoEntry: false }) !== undefined;
}

/** Takes what waits, in order. What is no event of ours is left out. */
export function takeSpooled(folder: string): readonly Spooled[] {
  const taken = join(folder, `${FILE}.${process.pid}`);
  let text = "";
  try {
    renameSync(join(folder, FILE), taken);
    if (statSync(taken).size <= 2 * limits.hookSpoolBytesMax) text = readFileSync(taken, "utf8");
  } catch {
    // Somebody else was faster.
  }
  rmSync(taken, { force: true });
  return text.split("\n").flatMap((line) => parsed(line) ?? []);
}

function parsed(line: string): Spooled | undefined {
  try {
    const said = JSON.parse(line) as Spooled;
    const { event } = said;
    const isWhole =
      typeof said.id === "string" &&
      said.id.length <= limits.idMax &&
      Number.isFinite(said.atMs) &&
      [event.host, event.event, event.moment, event.session, event.cwd].every((x) => typeof x === "string") &&
      Array.isArray(event.tools) &&
      event.tools.every(({ name, paths }) => typeof name === "string" && Array.isArray(paths));
    return isWhole ? said : undefined;
  } catch {
    return undefined;
  }
}
