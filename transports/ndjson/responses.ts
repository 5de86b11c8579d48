/**
 * The file an agent reads: lines appended in order, bounded by rotation. `responses.ndjson` becomes
 * `responses.N.ndjson`, N counting up, and the oldest of them go.
 */
import { constants } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { RESPONSES } from "./place.ts";

const ROTATED = /^responses\.(\d+)\.ndjson$/;

/** How large the files may become, and how many old ones are kept. */
export interface ResponsesBounds {
  readonly responsesBytesMax: number;
  readonly responsesKept: number;
}

/** The numbers of the rotated files in a folder, oldest first. */
export async function rotatedResponses(folder: string): Promise<readonly number[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const numbers = names.map((name) => Number(ROTATED.exec(name)?.[1] ?? -1));
  return numbers.filter((number) => number >= 0).sort((a, b) => a - b);
}

/** Removes all of them. */
export async function removeResponses(folder: string): Promise<void> {
  const names = (await rotatedResponses(folder)).map((number) => `responses.${number}.ndjson`);
  for (const name of [...names, RESPONSES]) await rm(join(folder, name), { force: true });
}

/** Writes one agent's responses; a failed write is told to `failed` and ends it. */
export class Responses {
  readonly #folder: string;
  readonly #owner: number;
  readonly #bounds: ResponsesBounds;
  readonly #failed: (error: Error) => void;
  readonly #wrote: () => void;
  #handle: FileHandle | undefined;
  #sizeBytes = 0;
  #queue: string[] = [];
  #bufferedBytes = 0;
  #writing: Promise<void> | undefined;
  #dead = false;

  constructor(
    folder: string,
    owner: number,
    bounds: ResponsesBounds,
    ends: { failed(error: Error): void; wrote(): void },
  ) {
    this.#folder = folder;
    this.#owner = owner;
    this.#bounds = bounds;
    this.#failed = (error) => ends.failed(error);
    this.#wrote = () => ends.wrote();
  }

  /** Bytes that are not written yet. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Queues a line with its end. */
  add(line: string): void {
    if (this.#dead) return;
    this.#queue.push(line);
    this.#bufferedBytes += Buffer.byteLength(line);
    this.#writing ??= this.#run();
  }

  /** Writes what is queued and closes the file. */
  async close(): Promise<void> {
    await this.#writing;
    this.#dead = true;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #run(): Promise<void> {
    try {
      // What is said in this turn is written together.
      await new Promise((resolve) => setImmediate(resolve));
      while (this.#queue.length > 0) {
        const text = this.#queue.join("");
        const bytes = Buffer.from(text);
        this.#queue = [];
        this.#handle ??= await this.#open();
        if (this.#sizeBytes > 0 && this.#sizeBytes + bytes.length > this.#bounds.responsesBytesMax) {
          await this.#rotate();
        }
        await this.#handle.appendFile(bytes);
        this.#sizeBytes += bytes.length;
        this.#bufferedBytes -= bytes.length;
        this.#wrote();
      }
    } catch (error) {
      this.#dead = true;
      this.#queue = [];
      this.#bufferedBytes = 0;
      this.#failed(error as Error);
    } finally {
      this.#writing = undefined;
    }
  }

  /** The file as the hub's own: what an agent put in its place (a link, a pipe) is removed, not followed. */
  async #open(): Promise<FileHandle> {
    const path = join(this.#folder, RESPONSES);
    const flags =
      constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    let handle = await open(path, flags, 0o600).catch(() => undefined);
    const found = await handle?.stat();
    const uid = process.getuid?.() ?? this.#owner;
    const trusted =
      found?.isFile() === true && found.nlink === 1 && (found.uid === uid || found.uid === this.#owner);
    if (handle === undefined || found === undefined || !trusted) {
      await handle?.close();
      await unlink(path).catch(() => undefined);
      handle = await open(path, flags | constants.O_EXCL, 0o600);
      if (uid === 0 && this.#owner !== 0) await handle.chown(this.#owner, -1).catch(() => undefined);
      this.#sizeBytes = 0;
      return handle;
    }
    this.#sizeBytes = found.size;
    if (found.size > 0) {
      // A hub that died in the middle of a line: what follows must not be glued to it.
      const last = Buffer.alloc(1);
      await handle.read(last, 0, 1, found.size - 1);
      if (last[0] !== 0x0a) await handle.appendFile("\n");
    }
    return handle;
  }

  async #rotate(): Promise<void> {
    await this.#handle?.close();
    const numbers = await rotatedResponses(this.#folder);
    const next = (numbers.at(-1) ?? 0) + 1;
    await rename(join(this.#folder, RESPONSES), join(this.#folder, `responses.${next}.ndjson`));
    for (const number of numbers.slice(0, Math.max(0, numbers.length + 1 - this.#bounds.responsesKept))) {
      await rm(join(this.#folder, `responses.${number}.ndjson`), { force: true });
    }
    this.#handle = await this.#open();
  }
}

/**
 * The next file for a reader that has read one to its end: the one rotated after it, else the current
 * one.
 */
export async function nextResponses(
  folder: string,
  ino: number,
  inoOf: (path: string) => Promise<number | undefined>,
): Promise<string> {
  const numbers = await rotatedResponses(folder);
  for (const [at, number] of numbers.entries()) {
    if ((await inoOf(join(folder, `responses.${number}.ndjson`))) !== ino) continue;
    const after = numbers[at + 1];
    return join(folder, after === undefined ? RESPONSES : `responses.${after}.ndjson`);
  }
  return join(folder, RESPONSES);
}
