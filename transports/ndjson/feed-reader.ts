/**
 * Reading a feed: every entry after a cursor once, in order, across rotations; then those to come.
 */
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Entry } from "../../core/model/slice.ts";
import { FeedDecoder } from "./feed-codec.ts";
import { openFeedAt } from "./feed-files.ts";
import type { LineFile } from "./line-file.ts";

/** From where, and for how long. */
export interface ReadFeedOptions {
  /** The last seq already taken; 0, or absent, for everything since the log began. */
  readonly after?: number;
  /** Begin with what is there, wherever it begins. */
  readonly fromOldest?: boolean;
  /** Goes on waiting for more until `signal` says otherwise. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
  readonly pollMs?: number;
}

/**
 * The entries of a feed after a cursor. Throws `log.horizon` (`fields.seq`: the first cursor that can
 * be served) where they are not there any more, `log.damaged` where a line in the middle is not what
 * was written.
 */
export async function* readFeed(file: string, options: ReadFeedOptions = {}): AsyncGenerator<Entry, void> {
  const { follow = false, signal, pollMs = limits.feedPollMs, fromOldest = false } = options;
  let cursor = options.after ?? 0;
  let first = true;
  while (signal?.aborted !== true) {
    let opened = await openFeedAt(file, cursor);
    if (opened !== undefined && "oldest" in opened) {
      if (!(first && fromOldest)) throw horizon(file, opened.oldest);
      cursor = opened.oldest;
      opened = await openFeedAt(file, cursor);
    }
    if (opened !== undefined && !("oldest" in opened)) {
      first = false;
      try {
        for await (const entry of entriesOf(file, opened.file, cursor, options)) {
          cursor = entry.seq;
          yield entry;
        }
      } finally {
        await opened.file.close();
      }
      if (isOver(signal)) return;
      // What stands between the files is not in the feed.
      if (opened.next !== undefined && cursor < opened.next) throw horizon(file, opened.next);
      // Either at the end of everything, or of a file that was rotated: then there is a next one by now.
      if (!follow && !(await goesOn(file, cursor, opened.file))) return;
    } else if (!follow) return;
    if (opened === undefined) await pause(pollMs, signal);
  }
}

/**
 * The entries of one file after a cursor, until it is at its end and, when following, not the newest
 * any more.
 */
async function* entriesOf(
  path: string,
  file: LineFile,
  after: number,
  { follow = false, signal, pollMs = limits.feedPollMs }: ReadFeedOptions,
): AsyncGenerator<Entry, void> {
  let decoder: FeedDecoder | undefined;
  while (signal?.aborted !== true) {
    const isNewest = await file.isAt(path);
    const lines = await file.next();
    for (const { line } of lines) {
      try {
        if ("problem" in line) throw new Error(`a line ${line.problem}`);
        if (decoder === undefined) {
          decoder = new FeedDecoder(line.text);
          continue;
        }
        const entry = decoder.decode(line.text);
        if (entry !== undefined && entry.seq > after) yield entry;
      } catch (error) {
        const why = (error as Error).message;
        const words = `The feed is damaged after entry ${decoder?.seq ?? "none"}: ${why}.`;
        throw new Failure("log.damaged", words, { fields: { seq: decoder?.seq ?? 0 }, cause: error });
      }
    }
    if (lines.length > 0) continue;
    if (!follow || !isNewest) return;
    await pause(pollMs, signal);
  }
}

/** Whether there is a file for this cursor besides the one that was read. */
async function goesOn(path: string, cursor: number, read: LineFile): Promise<boolean> {
  const next = await openFeedAt(path, cursor);
  if (next === undefined) return false;
  if ("oldest" in next) throw horizon(path, next.oldest);
  await next.file.close();
  return next.file.ino !== read.ino || next.next !== undefined;
}

function isOver(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function horizon(file: string, seq: number): Failure {
  const words = `The feed ${file} begins after entry ${seq}; read on from there, or ask the hub for the rest.`;
  return new Failure("log.horizon", words, { fields: { seq } });
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
}
