/**
 * The hub's notes about a spool: how far each agent's requests were read and which of them have no answer.
 */
import { readFile } from "node:fs/promises";
import type { Note } from "./spool-agent.ts";

/**
 * A note that was kept; `undefined` when there is none that makes sense, and the file is read from its
 * start.
 */
export async function readNote(path: string): Promise<Note | undefined> {
  try {
    const note = JSON.parse(await readFile(path, "utf8")) as Partial<Note>;
    const { ino, birthMs, turn, offset, tail, open } = note;
    const counts = [ino, birthMs, turn, offset].every((value) => typeof value === "number" && value >= 0);
    const offsets = Array.isArray(open) && open.every((at) => Number.isSafeInteger(at) && at >= 0);
    return counts && offsets && typeof tail === "string" ? (note as Note) : undefined;
  } catch {
    return undefined;
  }
}
