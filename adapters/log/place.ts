/**
 * Where a log's files stand, and whether a log can be kept there.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  realpathSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import { syncFolder } from "./witness.ts";

/** The files of one log; the database's own companions (`-wal`, `-shm`) aside. */
export interface Place {
  readonly file: string;
  readonly witness: string;
  readonly snapshots: string;
  readonly reserve: string;
}

/** Names the files of the log at `path`, the same ones whatever links lead to it. */
export function placeOf(path: string): Place {
  const asked = resolve(path);
  const folder = dirname(asked);
  let file = asked;
  if (existsSync(asked)) file = realpathSync(asked);
  else if (existsSync(folder)) file = join(realpathSync(folder), basename(asked));
  return {
    file,
    witness: `${file}.witness`,
    snapshots: `${file}.snapshots`,
    reserve: `${file}.reserve`,
  };
}

/** Makes the folder of a new log, for its owner only; folders that exist are left as they are. */
export function makeFolder(folder: string): void {
  try {
    const made = mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (made !== undefined) syncFolder(dirname(made));
  } catch (error) {
    throw new Failure("log.unusable", `The folder ${folder} cannot be made: ${(error as Error).message}.`, {
      fields: { folder },
      cause: error,
    });
  }
}

/**
 * Makes an empty file for its owner only, so that the database and its companions are never readable by
 * others.
 */
export function makeFile(file: string): void {
  try {
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw new Failure("log.unusable", `${file} cannot be made: ${(error as Error).message}.`, {
      fields: { file },
      cause: error,
    });
  }
}

/** File systems whose locks or shared memory do not hold between machines, by the kernel's magic number. */
const networks: { readonly [magic: number]: string } = {
  26985: "NFS",
  20859: "SMB",
  4283649346: "CIFS",
  4266872130: "SMB2",
  1397113167: "AFS",
  1799439955: "AFS",
  12805120: "Ceph",
  198183888: "Lustre",
  22092: "NCP",
  1937076805: "Coda",
};

/** The network file system with this magic number (`statfs`), if it is one. */
export function networkKind(magic: number): string | undefined {
  return networks[magic];
}

/** Refuses a folder on a network file system, where that can be told: SQLite's locks do not hold there. */
export function refuseNetwork(folder: string): void {
  if (process.platform !== "linux") return;
  let magic: number;
  try {
    magic = Number(statfsSync(folder).type) >>> 0;
  } catch {
    return;
  }
  const kind = networkKind(magic);
  if (kind === undefined) return;
  throw new Failure(
    "log.unusable",
    `${folder} is on a network file system (${kind}), where locks do not hold. Put the log on a local disk and serve it.`,
    { fields: { folder, kind } },
  );
}

/** Whether this process may write a log here. */
export function isWritable(file: string): boolean {
  try {
    accessSync(file, constants.W_OK);
    accessSync(dirname(file), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Sets room aside for the day the disk is full; without effect where there is none to spare. */
export function keepReserve(file: string): void {
  if (existsSync(file)) return;
  try {
    const fd = openSync(file, "wx", 0o600);
    try {
      writeSync(fd, Buffer.alloc(limits.reserveBytes, 0x2e));
    } finally {
      closeSync(fd);
    }
  } catch {
    rmSync(file, { force: true });
  }
}

/** Gives the room back. */
export function freeReserve(file: string): void {
  rmSync(file, { force: true });
}

/** Whether so little room is left at a folder that SQLite could not even open a log there. */
export function isFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < limits.reserveBytes / 2;
  } catch {
    return false;
  }
}
