/**
 * Writing a feed: entries to the newest file, which is rotated when it is full; going on after a crash.
 */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { limits } from "../../core/limits.ts";
import type { Entry } from "../../core/model/slice.ts";
import { FeedDecoder, FeedEncoder, type FeedHeader, headerLine } from "./feed-codec.ts";
import { rotateFeed } from "./feed-files.ts";
import { openTrusted } from "./line-file.ts";
import { takeLock } from "./lock.ts";

/** What to write, and how much of it to keep. */
export interface FeedOptions {
  /** Path of the newest file, e.g. `feed.ndjson`. */
  readonly file: string;
  /** Id of the log; files of another log are rotated away. */
  readonly log: string;
  /** Whether the entries come unredacted, so that the files say so. */
  readonly full?: boolean;
  /** The log's newest seq: a feed that is ahead of it tells of what was lost, and a new file begins. */
  readonly head?: number;
  readonly feedBytesMax?: number;
  readonly feedFilesMax?: number;
}

/** An open feed. One process at a time writes one. */
export class FeedWriter {
  readonly #options: FeedOptions;
  readonly #unlock: () => void;
  #handle: FileHandle | undefined;
  #encoder: FeedEncoder | undefined;
  #sizeBytes = 0;

  /** Used by `openFeedWriter`. */
  constructor(options: FeedOptions, unlock: () => void) {
    this.#options = options;
    this.#unlock = unlock;
  }

  /** The last entry that is in the feed; `undefined` while there is none. Go on after it. */
  get seq(): number | undefined {
    return this.#encoder?.seq;
  }

  /** Used by `openFeedWriter`: finds where an earlier process stopped, and cuts off a torn last line. */
  async begin(): Promise<void> {
    const { file, log, full = false, head = Number.MAX_SAFE_INTEGER } = this.#options;
    const trusted = await openTrusted(file);
    if (trusted === undefined) return;
    await trusted.close();
    const bytes = await readFile(file);
    const whole = bytes.lastIndexOf(0x0a) + 1;
    const lines = bytes.toString("utf8", 0, whole).split("\n").slice(0, -1);
    try {
      const decoder = new FeedDecoder(lines[0] ?? "");
      if (decoder.header.log !== log || decoder.header.full !== full) return;
      for (const line of lines.slice(1)) decoder.decode(line);
      if (decoder.seq > head) return;
      this.#handle = await open(file, constants.O_RDWR | constants.O_NOFOLLOW);
      if (whole < bytes.length) await this.#handle.truncate(whole);
      await this.#handle.close();
      this.#handle = await open(file, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
      this.#encoder = new FeedEncoder(decoder.state);
      this.#sizeBytes = whole;
    } catch {
      // Not ours, or damaged: it is left to readers as it is, and a new file begins.
      await this.#handle?.close();
      this.#handle = undefined;
    }
  }

  /**
   * Appends entries, which follow on the last one in the order of the log. Those that are there
   * already are passed over. Rejects when the disk does; then nothing is certain, and the feed is to
   * be opened again.
   */
  async append(entries: readonly Entry[]): Promise<void> {
    const { feedBytesMax = limits.feedBytesMax } = this.#options;
    let text = "";
    for (const entry of entries) {
      if (this.#encoder !== undefined && entry.seq <= this.#encoder.seq) continue;
      // A gap that no reader could notice within one file: the next one says where it begins.
      const gap = this.#encoder !== undefined && entry.seq !== this.#encoder.seq + 1;
      if (this.#encoder === undefined || gap || this.#sizeBytes + text.length >= feedBytesMax) {
        await this.#write(text);
        text = "";
        await this.#beginFile(entry.seq - 1);
      }
      text += (this.#encoder as FeedEncoder).encode(entry);
      if (text.length > 256 * 1024) {
        await this.#write(text);
        text = "";
      }
    }
    await this.#write(text);
  }

  /** Closes the file and lets others write. */
  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
    this.#unlock();
  }

  async #write(text: string): Promise<void> {
    if (text === "") return;
    const bytes = Buffer.from(text);
    await this.#handle?.appendFile(bytes);
    this.#sizeBytes += bytes.length;
  }

  /** The new file has its header before it has its name, so that nobody sees it without. */
  async #beginFile(after: number): Promise<void> {
    const { file, log, full = false, feedFilesMax = limits.feedFilesMax } = this.#options;
    await this.#handle?.close();
    const header: FeedHeader = { feed: 1, log, after, full };
    const line = `${headerLine(header)}\n`;
    const fresh = `${file}.new`;
    const flags =
      constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_APPEND | constants.O_NOFOLLOW;
    this.#handle = await open(fresh, flags, 0o600);
    await this.#handle.appendFile(line);
    await rotateFeed(file, Math.max(1, feedFilesMax));
    await rename(fresh, file);
    this.#encoder = new FeedEncoder(header);
    this.#sizeBytes = Buffer.byteLength(line);
  }
}

/** Opens a feed for writing. Throws `usage` (`fields.taken`) while another process does. */
export async function openFeedWriter(options: FeedOptions): Promise<FeedWriter> {
  await mkdir(dirname(options.file), { recursive: true, mode: 0o700 });
  const writer = new FeedWriter(options, takeLock(`${options.file}.lock`, `The feed ${options.file}`));
  try {
    await writer.begin();
  } catch (error) {
    await writer.close();
    throw error;
  }
  return writer;
}
