/**
 * The bytes of what a log stores: MessagePack, each piece readable on its own.
 *
 * A plain `new Packr()` writes its record definitions into every piece. One with shared structures would
 * write pieces that only itself can read.
 */
import { Packr, Unpackr } from "msgpackr";
import type { Entry } from "../../core/model/slice.ts";

const packr = new Packr();
const unpackr = new Unpackr();

/** The entries of one append, as stored. */
export function packEntries(entries: readonly Entry[]): Uint8Array {
  return packr.pack(entries);
}

/** The entries of one append; throws when the bytes are something else. */
export function unpackEntries(bytes: Uint8Array): readonly Entry[] {
  const entries: unknown = unpackr.unpack(bytes);
  if (!Array.isArray(entries)) throw new TypeError("not a list of entries");
  return entries as readonly Entry[];
}

/** Any plain value as bytes. */
export function packValue(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** The value `packValue` was given; throws when the bytes are something else. */
export function unpackValue(bytes: Uint8Array): unknown {
  return unpackr.unpack(bytes);
}
