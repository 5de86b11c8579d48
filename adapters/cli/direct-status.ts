/**
 * What an engine or an earlier `status` saw last, kept beside the log: as long as nothing was appended
 * since, the same is true now, and the state need not be folded again.
 */
import { readFileSync } from "node:fs";
import { elapsedMs, machineClock, now } from "../log/machine.ts";
import { openDriver } from "../log/sqlite-driver.ts";
import { SqliteFile } from "../log/sqlite-file.ts";
import type { StatusFile } from "../node/status-file.ts";

/** A summary that still stands. */
export interface Recalled {
  readonly durable: string;
  readonly summary: { readonly [field: string]: unknown };
}

/**
 * What was seen of the log in `file`, as `agent` sees it, if it still stands. Whatever is odd makes it
 * nothing: then the log is opened in earnest, which says what is wrong.
 */
export async function recallStatus(file: string, agent: string): Promise<Recalled | undefined> {
  let db: SqliteFile | undefined;
  try {
    const seen = JSON.parse(readFileSync(`${file}.status`, "utf8")) as StatusFile;
    const inbox = seen.inboxes.find(([name]) => name === agent)?.[1] ?? seen.others;
    if (inbox === undefined || !withinWitness(file, seen.head)) return undefined;
    db = await SqliteFile.open(file, {
      openDriver,
      readOnly: true,
      create: false,
      full: true,
      autocheckpoint: 0,
    });
    const tail = db.tail();
    if (tail === undefined || tail.seq !== seen.head || db.head() !== seen.head) return undefined;
    if (Buffer.from(tail.hash).toString("hex") !== seen.hash) return undefined;
    const ageMs = elapsedMs({ boot: tail.boot, monoMs: tail.mono, wallMs: tail.wall }, now(machineClock));
    const nowMs = seen.atMs + Math.floor(ageMs);
    return { durable: seen.durable, summary: { ...seen.summary, inbox, seq: seen.head, nowMs } };
  } catch {
    return undefined;
  } finally {
    db?.close();
  }
}

/** Whether the log's witness exists and never saw more; its checks are for whoever opens the log. */
function withinWitness(file: string, head: number): boolean {
  const seqs = readFileSync(`${file}.witness`, "latin1").matchAll(/"seq":(\d+)/g);
  return [...seqs].every(([, seq]) => Number(seq) <= head);
}
