/**
 * The chain: each stored row's hash covers its exact bytes and the hash before it, so that a changed, lost
 * or foreign row is noticed. SQLite's own integrity check sees none of that.
 */
import { createHash } from "node:crypto";
import type { Seq } from "../../core/ports/event-log.ts";

/** A place in the chain: the seq a row ends at, and its hash. */
export interface Link {
  readonly seq: Seq;
  readonly hash: Uint8Array;
}

/** What stands before the first row of a log. */
export const GENESIS: Link = { seq: 0, hash: new Uint8Array(32) };

/** One row as stored: the entries of one append. */
export interface StoredRow {
  readonly seq: Seq;
  readonly first: Seq;
  readonly hash: Uint8Array;
  readonly boot: string;
  readonly mono: number;
  readonly wall: number;
  readonly bytes: Uint8Array;
}

const head = Buffer.alloc(64);

/** The hash of a row that stands behind `before`. */
export function rowHash(before: Uint8Array, row: Omit<StoredRow, "hash">): Uint8Array {
  head.set(before, 0);
  head.writeDoubleLE(row.first, 32);
  head.writeDoubleLE(row.seq, 40);
  head.writeDoubleLE(row.mono, 48);
  head.writeDoubleLE(row.wall, 56);
  return createHash("sha256").update(head).update(row.boot, "latin1").update(row.bytes).digest();
}

/** Whether two hashes are the same. */
export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** A hash for people and files. */
export function hex(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString("hex");
}
