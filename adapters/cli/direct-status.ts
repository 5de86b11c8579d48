/**
 * What `status` saw last, kept beside the log: as long as nothing was appended since, the same is true now,
 * and the state need not be folded again. A memory, never the truth: without it everything is only slower.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { elapsedMs, machineClock, now } from "../log/machine.ts";
import { openDriver } from "../log/sqlite-driver.ts";
import { SqliteFile } from "../log/sqlite-file.ts";

/** A summary and the place in the log it is of. */
export interface Seen {
  readonly head: number;
  /** Log time of the newest entry. */
  readonly atMs: number;
  readonly durable: string;
  readonly summary: { readonly seq: number; readonly nowMs: number; readonly [field: string]: unknown };
}

/**
 * What was seen of the log in `file` by `agent`, if it still stands. Whatever is odd makes it nothing: then
 * the log is opened in earnest, which says what is wrong.
 */
export async function recallStatus(file: string, agent: string): Promise<Seen | undefined> {
  let db: SqliteFile | undefined;
  try {
    const seen = JSON.parse(readFileSync(memoryOf(file), "utf8")) as Seen & { readonly key: string };
    if (seen.key !== keyOf(file, agent, seen.head)) return undefined;
    db = await SqliteFile.open(file, {
      openDriver,
      readOnly: true,
      create: false,
      full: true,
      autocheckpoint: 0,
    });
    const tail = db.tail();
    if (tail === undefined || tail.seq !== seen.head || db.head() !== seen.head) return undefined;
    const ageMs = elapsedMs({ boot: tail.boot, monoMs: tail.mono, wallMs: tail.wall }, now(machineClock));
    return { ...seen, summary: { ...seen.summary, nowMs: seen.atMs + Math.floor(ageMs) } };
  } catch {
    return undefined;
  } finally {
    db?.close();
  }
}

/** Keeps what was seen. A folder that takes nothing costs only the memory. */
export function rememberStatus(file: string, agent: string, seen: Seen): void {
  const target = memoryOf(file);
  const draft = `${target}.${process.pid}`;
  try {
    const key = keyOf(file, agent, seen.head);
    writeFileSync(draft, JSON.stringify({ ...seen, key }), { mode: 0o600 });
    renameSync(draft, target);
  } catch {
    rmSync(draft, { force: true });
  }
}

function memoryOf(file: string): string {
  return `${file}.status`;
}

/** Names who saw which history: the witness tells one log from another that was put in its place. */
function keyOf(file: string, agent: string, head: number): string {
  return JSON.stringify([agent, head, readFileSync(`${file}.witness`, "base64")]);
}
