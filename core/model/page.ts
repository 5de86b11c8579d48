/**
 * Pages: how a query gives a long list in bounded pieces.
 */
import { limits } from "../limits.ts";
import { integer, optional, string } from "./shape.ts";

/** Fields every listing query takes. `cursor` is the `next` of the page before. */
export const paging = {
  limit: optional(integer(1, limits.pageItemsMax)),
  cursor: optional(string("token", limits.idMax)),
} as const;

export interface Paging {
  readonly limit?: number;
  readonly cursor?: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** The `cursor` of the following page; absent on the last. */
  readonly next?: string;
}

/** The seq in a cursor, or `fallback` where there is none or it is no number. */
export function cursorSeq(paging: Paging, fallback: number): number {
  if (paging.cursor === undefined) return fallback;
  const seq = Number(paging.cursor);
  return Number.isSafeInteger(seq) && seq >= 0 ? seq : fallback;
}

/**
 * Takes a page from rows that are in order and already start at the cursor. `show` may leave a row out by
 * returning
 * `undefined`. A page holds at most `limit` items and about `limits.pageBytesMax` bytes, but at least one
 * item.
 */
export function page<K extends string | number, V, T>(
  rows: Iterable<readonly [K, V]>,
  paging: Paging,
  show: (value: V, key: K) => T | undefined,
): Page<T> {
  const limit = paging.limit ?? limits.pageItemsDefault;
  const items: T[] = [];
  let bytes = 0;
  for (const [key, value] of rows) {
    if (items.length >= limit || bytes > limits.pageBytesMax) return { items, next: String(key) };
    const item = show(value, key);
    if (item === undefined) continue;
    const size = sizeOf(item);
    if (items.length > 0 && bytes + size > limits.pageBytesMax) return { items, next: String(key) };
    items.push(item);
    bytes += size;
  }
  return { items };
}

/** About how many bytes a plain value takes on the wire; never less than a third of the truth. */
export function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length + 3;
  if (typeof value !== "object" || value === null) return 8;
  let bytes = 2;
  if (Array.isArray(value)) {
    for (const item of value) bytes += sizeOf(item) + 1;
    return bytes;
  }
  const fields = value as { readonly [key: string]: unknown };
  for (const key in fields) bytes += key.length + 4 + sizeOf(fields[key]);
  return bytes;
}
