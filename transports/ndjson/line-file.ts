/**
 * A file of lines that somebody else appends to, read by position and stat alone: whole lines once
 * each, however the writer's bytes arrive. It needs neither locks nor notifications nor atomic
 * appends.
 */
import { constants } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { limits } from "../../core/limits.ts";
import { type Line, lineOf } from "./lines.ts";

const NEWLINE = 0x0a;
/**
 * Bytes before the position that must still be what they were: else somebody wrote the file anew in
 * place.
 */
const TAIL_BYTES = 64;
const CHUNK_BYTES = 256 * 1024;
/**
 * A file system may show a write's length before its bytes, as zeros; after so many looks they are
 * taken for real.
 */
const ZERO_LOOKS = 200;

/** Where a reader stands in a file, to be kept while it is closed. */
export interface LinePlace {
  readonly ino: number;
  readonly birthMs: number;
  /** How often the file was seen to begin anew. */
  readonly turn: number;
  /** Behind the last line taken. */
  readonly offset: number;
  /** The last bytes before it, base64. */
  readonly tail: string;
}

/** A line and where it begins. */
export interface PlacedLine {
  readonly offset: number;
  readonly line: Line;
}

/** Why a path is not read: a sentence for people. */
export class Untrusted extends Error {}

/**
 * Opens a regular file for reading, or throws `Untrusted`: a link, a device, a file of a different
 * owner than `uid`, or one with several names. `undefined` where there is none.
 */
export async function openTrusted(path: string, uid?: number): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new Untrusted(code === "ELOOP" ? "it is a symbolic link" : `it cannot be read (${code})`);
  }
  const stat = await handle.stat();
  const why = !stat.isFile()
    ? "it is not a regular file"
    : stat.nlink > 1
      ? "it has more than one name"
      : uid !== undefined && stat.uid !== uid
        ? "it belongs to somebody else than its folder does"
        : undefined;
  if (why === undefined) return handle;
  await handle.close();
  throw new Untrusted(why);
}

/** One open file. */
export class LineFile {
  readonly ino: number;
  readonly birthMs: number;
  turn = 0;
  offset = 0;
  readonly #handle: FileHandle;
  readonly #lineBytesMax: number;
  #tail: Buffer = Buffer.alloc(0);
  #lastSize = -1;
  #looks = 0;
  #zeroLooks = 0;
  #skipping = false;

  private constructor(handle: FileHandle, ino: number, birthMs: number, lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
    this.#handle = handle;
    this.ino = ino;
    this.birthMs = birthMs;
  }

  /** Opens a file at its start, or where `place` says if it is still that file; throws `Untrusted`. */
  static async open(
    path: string,
    options: {
      readonly uid?: number;
      readonly place?: LinePlace | undefined;
      readonly lineBytesMax?: number;
    } = {},
  ): Promise<LineFile | undefined> {
    const { uid, place, lineBytesMax = limits.frameBytesMax } = options;
    const handle = await openTrusted(path, uid);
    if (handle === undefined) return undefined;
    const { ino, birthtimeMs } = await handle.stat();
    const file = new LineFile(handle, ino, birthtimeMs, lineBytesMax);
    if (place !== undefined && place.ino === ino && place.birthMs === birthtimeMs) {
      file.turn = place.turn;
      file.offset = place.offset;
      file.#tail = Buffer.from(place.tail, "base64");
    }
    return file;
  }

  get place(): LinePlace {
    const { ino, birthMs, turn, offset } = this;
    return { ino, birthMs, turn, offset, tail: this.#tail.toString("base64") };
  }

  /** Goes to the end: what is there already is not read. */
  async skipToEnd(): Promise<void> {
    const { size } = await this.#handle.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    this.#tail = await this.#read(start, size - start);
    this.offset = start + this.#tail.length;
  }

  /** Whether the path still leads to this file. */
  async isAt(path: string): Promise<boolean> {
    try {
      return (await lstat(path)).ino === this.ino;
    } catch {
      return false;
    }
  }

  /** The next whole lines, none when there are none yet. Blank ones are passed over. */
  async next(): Promise<readonly PlacedLine[]> {
    const { size } = await this.#handle.stat();
    // An unfinished line is looked at again when it grew, and now and then in case its bytes came late.
    if (size === this.#lastSize && ++this.#looks % 8 !== 0) return [];
    if (size !== this.#lastSize) this.#looks = 0;
    this.#lastSize = size;
    if (size < this.offset || !(await this.#isContinued())) this.#beginAnew();
    if (size <= this.offset) return [];
    let bytes = await this.#read(this.offset, Math.min(CHUNK_BYTES, size - this.offset));
    let end = bytes.lastIndexOf(NEWLINE);
    if (end < 0 && size - this.offset > CHUNK_BYTES) {
      bytes = await this.#read(this.offset, Math.min(this.#lineBytesMax + 2, size - this.offset));
      end = bytes.lastIndexOf(NEWLINE);
      if (end < 0 && bytes.length > this.#lineBytesMax + 1) return this.#overlong(bytes);
    }
    if (end < 0) return [];
    // More may stand behind these lines, so the same size is worth another look.
    if (this.offset + end + 1 < size) this.#lastSize = -1;
    return this.#cut(bytes.subarray(0, end + 1));
  }

  /** The lines at kept offsets, to be read again. */
  async at(offsets: readonly number[]): Promise<readonly PlacedLine[]> {
    const found: PlacedLine[] = [];
    for (const offset of offsets) {
      const bytes = await this.#read(offset, this.#lineBytesMax + 2);
      const end = bytes.indexOf(NEWLINE);
      if (end >= 0) found.push({ offset, line: lineOf(bytes.subarray(0, end)) });
    }
    return found;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  #cut(bytes: Buffer): readonly PlacedLine[] {
    const lines: PlacedLine[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      const part = bytes.subarray(start, end);
      if (part.includes(0) && ++this.#zeroLooks < ZERO_LOOKS) {
        this.#lastSize = -1;
        break;
      }
      this.#zeroLooks = 0;
      if (this.#skipping) this.#skipping = false;
      else {
        const line = lineOf(part, this.#lineBytesMax);
        if ("problem" in line || line.text.trim() !== "") lines.push({ offset: this.offset + start, line });
      }
      start = end + 1;
    }
    this.#pass(bytes, start);
    return lines;
  }

  /** A line longer than any may be: reported once, its rest passed over. */
  #overlong(bytes: Buffer): readonly PlacedLine[] {
    const offset = this.offset;
    const reported = this.#skipping;
    this.#skipping = true;
    this.#pass(bytes, bytes.length);
    this.#lastSize = -1;
    return reported ? [] : [{ offset, line: { problem: `is longer than ${this.#lineBytesMax} bytes` } }];
  }

  #pass(bytes: Buffer, length: number): void {
    if (length === 0) return;
    const passed = bytes.subarray(0, length);
    this.#tail = Buffer.concat([this.#tail, passed.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
    this.offset += length;
  }

  async #isContinued(): Promise<boolean> {
    if (this.#tail.length === 0) return true;
    return this.#tail.equals(await this.#read(this.offset - this.#tail.length, this.#tail.length));
  }

  #beginAnew(): void {
    this.turn++;
    this.offset = 0;
    this.#tail = Buffer.alloc(0);
    this.#skipping = false;
  }

  async #read(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(bytes, filled, length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  }
}
