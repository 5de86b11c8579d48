/**
 * Verifying a log in a file from end to end: every stored byte, every seq, the witness and the snapshots.
 */
import { Failure } from "../../core/failures.ts";
import type { Seq } from "../../core/ports/event-log.ts";
import { hex, type Link } from "./chain.ts";
import { pause } from "./machine.ts";
import { placeOf } from "./place.ts";
import { openSqliteLog } from "./sqlite.ts";
import { openDriver } from "./sqlite-driver.ts";
import type { Hole } from "./sqlite-file.ts";
import { openForReading } from "./sqlite-opening.ts";
import { checkLink, rowEntries } from "./sqlite-reader.ts";
import { readWitness } from "./witness.ts";

/** Something wrong with a log. */
export interface LogProblem {
  readonly code: Failure["code"];
  readonly message: string;
  readonly seq?: Seq;
}

/** What verifying found. */
export interface LogReport {
  readonly file: string;
  /** Nothing is wrong; a damaged snapshot alone is a problem, too. */
  readonly ok: boolean;
  readonly head: Seq;
  readonly horizon: Seq;
  /** Entries and appends that were read and found to be what was written. */
  readonly entries: number;
  readonly appends: number;
  /** Hash of the newest sound append, in lower-case hex: the same on every copy of this log. */
  readonly hash: string;
  /** Losses that were accepted (LO8). */
  readonly holes: readonly Hole[];
  readonly witnessSeq: Seq | undefined;
  readonly snapshots: readonly { readonly seq: Seq; readonly whole: boolean }[];
  readonly problems: readonly LogProblem[];
}

const ROWS = 128;

function problemOf(error: unknown): LogProblem {
  if (!(error instanceof Failure)) return { code: "log.damaged", message: String(error) };
  const seq = error.fields.seq;
  return { code: error.code, message: error.message, ...(typeof seq === "number" ? { seq } : {}) };
}

/**
 * Checks the whole log in `file`, also while it is written to. Damage is reported, not thrown; throws
 * `log.unusable`
 * or `log.format` when there is no log to check.
 */
export async function verifyLog(file: string): Promise<LogReport> {
  const place = placeOf(file);
  const problems: LogProblem[] = [];
  const snapshots: { seq: Seq; whole: boolean }[] = [];
  try {
    const log = await openSqliteLog(file, { readOnly: true });
    try {
      for (const seq of await log.snapshots.names()) {
        const whole = await drains(log.snapshots.read(seq), problems);
        snapshots.push({ seq, whole });
      }
    } finally {
      await log.close();
    }
  } catch (error) {
    if (!(error instanceof Failure) || error.code === "log.unusable" || error.code === "log.format")
      throw error;
    problems.push(problemOf(error));
  }
  const witnessSeq = readWitness(place.witness)?.seq;
  const rows = await checkRows(place.file, problems);
  return { file: place.file, ok: problems.length === 0, ...rows, witnessSeq, snapshots, problems };
}

async function drains(chunks: AsyncIterable<unknown>, problems: LogProblem[]): Promise<boolean> {
  try {
    for await (const _ of chunks);
    return true;
  } catch (error) {
    problems.push(problemOf(error));
    return false;
  }
}

type Rows = Pick<LogReport, "head" | "horizon" | "entries" | "appends" | "hash" | "holes">;

async function checkRows(file: string, problems: LogProblem[]): Promise<Rows> {
  const found = { head: 0, horizon: 0, entries: 0, appends: 0, hash: "", holes: [] as readonly Hole[] };
  let opened: Awaited<ReturnType<typeof openForReading>> | undefined;
  try {
    opened = await openForReading(file, {
      openDriver,
      readOnly: true,
      create: false,
      full: true,
      autocheckpoint: 0,
    });
    const open = opened.db;
    const start = open.view(() => ({ head: open.head(), horizon: open.horizon(), holes: open.holes() }));
    found.head = start.head;
    found.horizon = start.horizon.seq;
    found.holes = start.holes;
    let link: Link = start.horizon.link;
    for (;;) {
      const page = open.page(link.seq, start.head, ROWS);
      for (const row of page) {
        checkLink(file, link, row, () => start.holes);
        found.entries += rowEntries(file, row).length;
        found.appends++;
        link = { seq: row.seq, hash: row.hash };
      }
      if (page.length === 0) break;
      await pause(0);
    }
    found.hash = hex(link.hash);
    const ends = link.seq === start.head || start.holes.some((hole) => hole.throughSeq === start.head);
    if (!ends)
      throw new Failure("log.damaged", `${file} is damaged: the entries after ${link.seq} are missing.`);
  } catch (error) {
    problems.push(problemOf(error));
  } finally {
    opened?.db.close();
    opened?.discard();
  }
  return found;
}
