/**
 * Snapshots of a log on disk: one file each, beside the log.
 *
 * A file is a magic word, frames of a length and MessagePack bytes (the first tells the seq and the log's
 * chain there), a length of 0, and a SHA-256 over everything before. It gets its name only once it is whole
 * and durable.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Seq, SnapshotChunk, SnapshotStore } from "../../core/ports/event-log.ts";
import type { Link } from "./chain.ts";
import { packValue, unpackValue } from "./codec.ts";
import { syncFolder } from "./witness.ts";

const MAGIC = Buffer.from("HFSNAP01", "latin1");
const DIGEST = 32;
const PIECE = 256 * 1024;
const STALE_MS = 3_600_000;

/** What a snapshot asks of the log it belongs to. */
export interface SnapshotChain {
  /** The place in the chain that a snapshot at `seq` notes down. */
  at(seq: Seq): Link;
  /** Whether this log has, or had below its horizon, exactly that place. */
  holds(link: Link): boolean;
  /** Throws when nothing may be written. */
  writable(): void;
}

interface Header {
  readonly seq: Seq;
  readonly link: Link;
}

/** The snapshots in a folder. */
export class SnapshotFiles implements SnapshotStore {
  readonly #folder: string;
  readonly #chain: SnapshotChain;

  constructor(folder: string, chain: SnapshotChain) {
    this.#folder = folder;
    this.#chain = chain;
  }

  async list(): Promise<readonly Seq[]> {
    const whole: Seq[] = [];
    for (const seq of await this.names()) {
      if (await this.#looksWhole(seq)) whole.push(seq);
    }
    return whole;
  }

  /** Seqs of all that is called a snapshot here, newest first. */
  async names(): Promise<readonly Seq[]> {
    let names: string[];
    try {
      names = await readdir(this.#folder);
    } catch {
      return [];
    }
    return names
      .filter((name) => /^\d{1,16}\.snap$/.test(name))
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => b - a);
  }

  async write(seq: Seq, chunks: AsyncIterable<SnapshotChunk> | Iterable<SnapshotChunk>): Promise<void> {
    this.#chain.writable();
    const link = this.#chain.at(seq);
    const temporary = join(this.#folder, `.${seq}.${randomBytes(6).toString("hex")}.tmp`);
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      const handle = await open(temporary, "wx", 0o600);
      try {
        await writeFrames(handle, { seq, link: { seq: link.seq, hash: Buffer.from(link.hash) } }, chunks);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, this.#path(seq));
      syncFolder(this.#folder);
    } catch (error) {
      await rm(temporary, { force: true });
      throw writeFailure(this.#path(seq), error);
    }
  }

  async *read(seq: Seq): AsyncGenerator<readonly SnapshotChunk[]> {
    let handle: FileHandle;
    try {
      handle = await open(this.#path(seq), "r");
    } catch (error) {
      throw this.#damaged(seq, (error as Error).message);
    }
    try {
      if (!(await isWhole(handle))) throw this.#damaged(seq, "its hash does not match");
      let header: Header | undefined;
      for await (const bytes of frames(handle)) {
        if (header === undefined) {
          header = unpackValue(bytes) as Header;
          if (header.seq !== seq || !this.#chain.holds(header.link)) {
            throw this.#damaged(seq, "it belongs to another log");
          }
        } else yield [unpackValue(bytes) as SnapshotChunk];
      }
      if (header === undefined) throw this.#damaged(seq, "it is empty");
    } finally {
      await handle.close();
    }
  }

  async prune(keep: number): Promise<void> {
    const kept = new Set((await this.list()).slice(0, keep));
    for (const seq of await this.names()) {
      if (!kept.has(seq)) await rm(this.#path(seq), { force: true });
    }
    // What a crash left half written.
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const path = join(this.#folder, name);
      if (!name.endsWith(".tmp")) continue;
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined && Date.now() - found.mtimeMs > STALE_MS) await rm(path, { force: true });
    }
  }

  /** Bytes of all snapshots. */
  async sizeBytes(): Promise<number> {
    let sum = 0;
    for (const seq of await this.names())
      sum += (await stat(this.#path(seq)).catch(() => ({ size: 0 }))).size;
    return sum;
  }

  #path(seq: Seq): string {
    return join(this.#folder, `${seq}.snap`);
  }

  #damaged(seq: Seq, what: string): Failure {
    return new Failure("snapshot.damaged", `The snapshot ${this.#path(seq)} cannot be used: ${what}.`, {
      fields: { file: this.#path(seq), seq },
    });
  }

  /** Cheap: the head and the tail of the file; `read` checks everything. */
  async #looksWhole(seq: Seq): Promise<boolean> {
    let handle: FileHandle;
    try {
      handle = await open(this.#path(seq), "r");
    } catch {
      return false;
    }
    try {
      const { size } = await handle.stat();
      const end = Buffer.alloc(4);
      await handle.read(end, 0, 4, size - DIGEST - 4);
      if (size < MAGIC.length + 8 + DIGEST || end.readUInt32LE(0) !== 0) return false;
      for await (const bytes of frames(handle)) {
        const header = unpackValue(bytes) as Header;
        return header.seq === seq && this.#chain.holds(header.link);
      }
      return false;
    } catch {
      return false;
    } finally {
      await handle.close();
    }
  }
}

function writeFailure(file: string, error: unknown): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  if (code !== "ENOSPC" && code !== "EDQUOT") {
    const words = `${file} cannot be written: ${message}. Check the disk; the log goes on without it.`;
    return new Failure("log.unusable", words, { fields: { file }, cause: error });
  }
  return new Failure(
    "log.full",
    `No room to write ${file}. Free some disk space; the log goes on without it.`,
    {
      fields: { file, retryAfterMs: limits.fullRetryMs },
      cause: error,
    },
  );
}

async function writeFrames(
  handle: FileHandle,
  header: Header,
  chunks: AsyncIterable<SnapshotChunk> | Iterable<SnapshotChunk>,
): Promise<void> {
  const hash = createHash("sha256");
  let pieces: Uint8Array[] = [];
  let gathered = 0;
  const flush = async (): Promise<void> => {
    const piece = Buffer.concat(pieces);
    pieces = [];
    gathered = 0;
    hash.update(piece);
    await handle.appendFile(piece);
  };
  const add = async (value: unknown): Promise<void> => {
    const bytes = packValue(value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    pieces.push(length, bytes);
    gathered += bytes.length + 4;
    if (gathered >= PIECE) await flush();
  };
  pieces.push(MAGIC);
  await add(header);
  for await (const chunk of chunks) await add(chunk);
  pieces.push(Buffer.alloc(4));
  await flush();
  await handle.appendFile(hash.digest());
}

/** Whether the file ends in the SHA-256 of what stands before. */
async function isWhole(handle: FileHandle): Promise<boolean> {
  const { size } = await handle.stat();
  const body = size - DIGEST;
  if (body < MAGIC.length + 8) return false;
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafe(PIECE);
  for (let at = 0; at < body; ) {
    const { bytesRead } = await handle.read(piece, 0, Math.min(PIECE, body - at), at);
    if (bytesRead === 0) return false;
    hash.update(piece.subarray(0, bytesRead));
    at += bytesRead;
  }
  const digest = Buffer.alloc(DIGEST);
  await handle.read(digest, 0, DIGEST, body);
  return digest.equals(hash.digest());
}

/** The frames of a file, in order; throws on anything that cannot be one. */
async function* frames(handle: FileHandle): AsyncGenerator<Uint8Array> {
  const head = Buffer.alloc(MAGIC.length);
  await handle.read(head, 0, head.length, 0);
  if (!head.equals(MAGIC)) throw new TypeError("not a snapshot");
  const length = Buffer.alloc(4);
  for (let at = MAGIC.length; ; ) {
    await handle.read(length, 0, 4, at);
    const size = length.readUInt32LE(0);
    if (size === 0) return;
    if (size > limits.snapshotChunkBytesMax) throw new TypeError(`a piece of ${size} bytes`);
    const bytes = Buffer.allocUnsafe(size);
    const { bytesRead } = await handle.read(bytes, 0, size, at + 4);
    if (bytesRead !== size) throw new TypeError("it ends early");
    yield bytes;
    at += 4 + size;
  }
}
