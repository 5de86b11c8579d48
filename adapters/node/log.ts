/**
 * Logs by url, and the check of a whole log, for programs that want no engine around them.
 */
import type { EventLog, Seq } from "../../core/ports/event-log.ts";
import { openLog as open } from "../log/index.ts";
import { verifyLog as verify } from "../log/verify.ts";
import type { OpenLogOptions } from "./engine.ts";

/** What verifying a log found. */
export interface LogReport {
  readonly file: string;
  readonly ok: boolean;
  readonly head: Seq;
  /** The seq before the first entry that is kept. */
  readonly horizon: Seq;
  /** Entries and appends that were read and found to be what was written. */
  readonly entries: number;
  readonly appends: number;
  /** Hash of the newest sound append, in lower-case hex: the same on every copy of this log. */
  readonly hash: string;
  /** Losses that were accepted (LO8). */
  readonly holes: readonly { readonly afterSeq: Seq; readonly throughSeq: Seq }[];
  readonly witnessSeq: Seq | undefined;
  readonly snapshots: readonly { readonly seq: Seq; readonly whole: boolean }[];
  readonly problems: readonly { readonly code: string; readonly message: string; readonly seq?: Seq }[];
}

/**
 * Opens a log: `sqlite:FILE`, the path of a file, or `memory:NAME`. Throws `Failure` with what is wrong
 * with it.
 */
export function openLog(where: string, options: OpenLogOptions = {}): Promise<EventLog> {
  return open(where, options);
}

/**
 * Checks every stored byte of the log in a file, also while it is written to. Damage is reported, not
 * thrown.
 */
export function verifyLog(file: string): Promise<LogReport> {
  return verify(file);
}
