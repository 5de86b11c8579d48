/**
 * The files of a feed: `feed.ndjson`, the newest, and `feed.1.ndjson`, `feed.2.ndjson` …, each older
 * than the one before. Every one is self-contained; its header says which seq it follows on.
 */
import { rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { limits } from "../../core/limits.ts";
import { type FeedHeader, headerOf } from "./feed-codec.ts";
import { LineFile, openTrusted } from "./line-file.ts";

/** The path of the file that is `age` rotations old; 0 is the newest. */
export function feedFile(file: string, age: number): string {
  if (age === 0) return file;
  const extension = extname(file);
  return join(dirname(file), `${basename(file, extension)}.${age}${extension}`);
}

/** Makes room for a new file: each becomes one older, and what is older than `filesMax` allows goes. */
export async function rotateFeed(file: string, filesMax: number): Promise<void> {
  await rm(feedFile(file, filesMax - 1), { force: true });
  for (let age = filesMax - 2; age >= 0; age--) {
    await rename(feedFile(file, age), feedFile(file, age + 1)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
  }
}

/** The header of a file; `undefined` where there is no file, or none with a whole header. */
export async function feedHeader(path: string): Promise<FeedHeader | undefined> {
  const handle = await openTrusted(path);
  if (handle === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(8192);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    const end = bytes.subarray(0, bytesRead).indexOf(0x0a);
    return end < 0 ? undefined : headerOf(bytes.toString("utf8", 0, end));
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

/** A file of the feed, and the seq that the next newer one follows on, if there is one. */
export interface FeedPart {
  readonly file: LineFile;
  readonly next?: number;
}

/** Lines hold an entry each: what one frame brought about, with its escapes. */
const LINE_BYTES_MAX = 4 * limits.frameBytesMax;

/**
 * Opens the file in which the entry after a cursor is, or will be. `oldest`: the cursor is below all
 * of them, and the oldest follows on that seq. `undefined` when there is none yet.
 */
export async function openFeedAt(
  file: string,
  after: number,
): Promise<FeedPart | { readonly oldest: number } | undefined> {
  let newer: number | undefined;
  for (let age = 0; ; age++) {
    const path = feedFile(file, age);
    const header = await feedHeader(path);
    if (header === undefined) {
      // The newest may be missing for the moment between two renames.
      if (age > 0) return newer === undefined ? undefined : { oldest: newer };
      continue;
    }
    if (header.after > after) {
      newer = header.after;
      continue;
    }
    const found = await LineFile.open(path, { lineBytesMax: LINE_BYTES_MAX });
    if (found === undefined) return undefined;
    // Rotated between the two looks: then it is another one.
    const again = await feedHeader(path);
    if (again?.after === header.after && (await found.isAt(path))) {
      return { file: found, ...(newer === undefined ? {} : { next: newer }) };
    }
    await found.close();
    age = -1;
    newer = undefined;
  }
}
