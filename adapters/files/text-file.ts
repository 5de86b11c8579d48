/**
 * A text file: read exactly, written so that nobody ever sees half of it.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Failure } from "../../core/failures.ts";

/**
 * The text of a file, byte for byte, a byte order mark too; `undefined` when there is none. Throws
 * `usage` when it is no UTF-8.
 */
export function readTextFile(path: string): string | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Failure("usage", `${path} is not UTF-8 text; nothing was done.`);
  }
}

/**
 * Writes a file whole or not at all: to a temporary name beside it, then renamed over it. Links are
 * followed, the mode is kept. `unless` is asked just before the renaming; when it says so, nothing
 * happens and `false` is returned.
 */
export function writeTextFile(path: string, text: string, unless: () => boolean = () => false): boolean {
  const target = realOf(path);
  const mode = statSync(target, { throwIfNoEntry: false })?.mode;
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = openSync(temporary, "wx", mode === undefined ? 0o666 : mode & 0o7777);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (unless()) {
      rmSync(temporary, { force: true });
      return false;
    }
    renameSync(temporary, target);
    return true;
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
