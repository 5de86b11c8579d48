/**
 * The witness: a second file that remembers how far the log once came, so that a log that was cut or put
 * back to an older copy is noticed.
 *
 * Two slots of one sector each are written in turns: a torn write leaves the other. It is only ever raised,
 * by whoever holds the log's write lock, and never above what is durable.
 */
import { createHash } from "node:crypto";
import { closeSync, fdatasyncSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { Seq } from "../../core/ports/event-log.ts";
import { hex, type Link } from "./chain.ts";

/** How far the log is known to have come. */
export interface Witness {
  readonly seq: Seq;
  /** Lower-case hex. */
  readonly hash: string;
}

const SLOT = 512;

function checkOf(seq: Seq, hash: string): string {
  return createHash("sha256").update(`holdfast witness ${seq} ${hash}`).digest("hex").slice(0, 32);
}

function slotOf(bytes: Buffer, at: number): Witness | undefined {
  try {
    const { seq, hash, check } = JSON.parse(bytes.toString("latin1", at, at + SLOT));
    return Number.isSafeInteger(seq) && check === checkOf(seq, hash) ? { seq, hash } : undefined;
  } catch {
    return undefined;
  }
}

function slots(file: string): readonly [Witness | undefined, Witness | undefined] | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return [slotOf(bytes, 0), slotOf(bytes, SLOT)];
}

function newest(pair: ReturnType<typeof slots>): Witness | undefined {
  if (pair === undefined) return undefined;
  const [a, b] = pair;
  return a === undefined || (b !== undefined && b.seq > a.seq) ? b : a;
}

/** What the file tells; `undefined` when it is missing or nothing in it can be read. */
export function readWitness(file: string): Witness | undefined {
  return newest(slots(file));
}

/** Makes what was created in a folder durable. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Raises the witness to `link` and makes that durable; does nothing when it is there already or above.
 * The caller holds the log's write lock, and `link` is durable.
 */
export function raiseWitness(file: string, link: Link): void {
  const pair = slots(file);
  const current = newest(pair);
  const hash = hex(link.hash);
  if (
    current !== undefined &&
    (current.seq > link.seq || (current.seq === link.seq && current.hash === hash))
  ) {
    return;
  }
  const body = JSON.stringify({ seq: link.seq, hash, check: checkOf(link.seq, hash) });
  const slot = Buffer.from(`${body.padEnd(SLOT - 1)}\n`, "latin1");
  const at = pair !== undefined && current !== undefined && current === pair[0] ? SLOT : 0;
  const fd = openSync(file, pair === undefined ? "w" : "r+", 0o600);
  try {
    writeSync(fd, slot, 0, SLOT, at);
    if (pair === undefined) fsyncSync(fd);
    else fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (pair === undefined) syncFolder(dirname(file));
}
