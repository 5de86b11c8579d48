/**
 * The documents' part of the state, and the only functions that change it.
 *
 * Invariants: a block's `version` counts the patches it has had; `patches` holds its newest ones without
 * a hole, keyed by the version they made, so that older texts can be had back; `order` names every block
 * once; `bytes` is what the texts and fences take in UTF-8. A block whose id was used before begins at a
 * version no earlier one of the document had, so that a patch meant for the old one can never fit the new
 * one.
 */
import { limits } from "../limits.ts";
import { ChunkedText } from "./chunked-text.ts";
import { KeyMap } from "./map.ts";
import type { Written } from "./markpact.ts";
import { type Changes, invertChanges, isCanonical, removedBy } from "./patch.ts";
import { SeqMap } from "./seq-map.ts";
import type { At, Row } from "./slice.ts";
import { utf8Length } from "./text.ts";

export type DocumentFormat = "markpact" | "text";

/** A patch as it was applied. */
export interface Patch {
  /** The version it made. */
  readonly version: number;
  readonly seq: number;
  readonly by: string;
  /** Log time. */
  readonly atMs: number;
  readonly changes: Changes;
  /** What each change took away. */
  readonly removed: readonly string[];
  /** The version whose patch it takes back. */
  readonly undoes?: number;
  /** It was taken back since. */
  readonly undone?: true;
}

export interface Block extends Omit<Written, "text"> {
  readonly text: ChunkedText;
  readonly version: number;
  /** By version. */
  readonly patches: SeqMap<Patch>;
  /** What the kept patches take, in code units. */
  readonly kept: number;
}

export interface Document {
  readonly document: string;
  readonly format: DocumentFormat;
  readonly path?: string;
  readonly worktree?: string;
  readonly shared: boolean;
  readonly order: readonly string[];
  readonly blocks: KeyMap<Block>;
  readonly bytes: number;
  /** Where the versions of new blocks begin. */
  readonly floor: number;
  readonly by: string;
  readonly changedAtMs: number;
}

export interface DocumentsState {
  readonly byId: KeyMap<Document>;
  /** What all of them take. */
  readonly bytes: number;
  /** Where the versions of blocks of new documents begin: above those of any that was removed. */
  readonly floor: number;
}

/** Before the first entry. */
export const noDocuments: DocumentsState = { byId: KeyMap.empty(), bytes: 0, floor: 0 };

/** What stands for a kept patch besides its texts, in code units. */
const PATCH_OVERHEAD = 64;

/**
 * What an event says of a block that is stored: its text, or changes to the one before, or neither: as it
 * was.
 */
export interface Stored extends Omit<Written, "text"> {
  readonly version: number;
  readonly text?: string;
  readonly changes?: Changes;
}

/** A block as it is written. */
export function writtenOf({ text, version: _, patches: __, kept: ___, ...block }: Block): Written {
  return { ...block, text: text.toString() };
}

/** The blocks in their order. */
export function* blocksOf({ order, blocks }: Document): IterableIterator<Block> {
  for (const id of order) {
    const block = blocks.get(id);
    if (block !== undefined) yield block;
  }
}

/** With the document as it is now. */
export function withDocument(slice: DocumentsState, document: Document, at: At): DocumentsState {
  const before = slice.byId.get(document.document)?.bytes ?? 0;
  return {
    ...slice,
    byId: slice.byId.set(document.document, document, at.edit),
    bytes: slice.bytes - before + document.bytes,
  };
}

/** Without a document. */
export function withoutDocument(slice: DocumentsState, id: string, at: At): DocumentsState {
  const document = slice.byId.get(id);
  if (document === undefined) return slice;
  const floor = Math.max(slice.floor, floorAfter(document.floor, [...blocksOf(document)]));
  return { byId: slice.byId.delete(id, at.edit), bytes: slice.bytes - document.bytes, floor };
}

/** Applies a patch that fits; another one changes nothing. */
export function withPatch(
  slice: DocumentsState,
  event: {
    readonly document: string;
    readonly block: string;
    readonly version: number;
    readonly changes: Changes;
    readonly undoes?: number;
  },
  at: At,
): DocumentsState {
  const document = slice.byId.get(event.document);
  const block = document?.blocks.get(event.block);
  if (document === undefined || block === undefined || event.version !== block.version + 1) return slice;
  if (!isCanonical(event.changes, block.text.length)) return slice;
  const removed = removedBy(event.changes, (from, to) => block.text.slice(from, to));
  const patched = patchedBlock(block, event.changes, removed, event.undoes, at);
  const grown = bytesOfChanges(event.changes, removed);
  return withDocument(
    slice,
    {
      ...document,
      blocks: document.blocks.set(event.block, patched, at.edit),
      bytes: document.bytes + grown,
      by: at.by,
      changedAtMs: at.atMs,
    },
    at,
  );
}

/** By how many bytes of UTF-8 changes let a text grow. */
export function bytesOfChanges(changes: Changes, removed: readonly string[]): number {
  let bytes = 0;
  for (const { insert } of changes) if (insert !== undefined) bytes += utf8Length(insert);
  for (const text of removed) bytes -= utf8Length(text);
  return bytes;
}

function patchedBlock(
  block: Block,
  changes: Changes,
  removed: readonly string[],
  undoes: number | undefined,
  at: At,
): Block {
  // No block is ever patched so often, but an event may say that it was.
  const version = Math.min(block.version + 1, Number.MAX_SAFE_INTEGER);
  const { seq, by, atMs } = at;
  const patch: Patch =
    undoes === undefined
      ? { version, seq, by, atMs, changes, removed }
      : { version, seq, by, atMs, changes, removed, undoes };
  let patches = block.patches.set(version, patch, at.edit);
  const undone = undoes === undefined ? undefined : patches.get(undoes);
  if (undone !== undefined && undoes !== version) {
    patches = patches.set(undone.version, { ...undone, undone: true }, at.edit);
  }
  let kept = block.kept + sizeOf(patch);
  while (patches.size > limits.patchesPerBlock || kept > limits.patchTextsPerBlock) {
    const oldest = patches.first();
    if (oldest === undefined) break;
    patches = patches.delete(oldest[0], at.edit);
    kept -= sizeOf(oldest[1]);
  }
  return { ...block, text: block.text.apply(changes), version, patches, kept };
}

function sizeOf({ changes, removed }: Patch): number {
  let size = PATCH_OVERHEAD;
  for (const { insert } of changes) size += insert === undefined ? 0 : insert.length;
  for (const text of removed) size += text.length;
  return size;
}

/** What a block takes in bytes: its text and its fence. */
function bytesOfBlock({ open, text, close }: Block): number {
  return utf8Length(text.toString()) + utf8Length(open ?? "") + utf8Length(close ?? "");
}

function newBlock({ changes: _, text = "", version, ...block }: Stored): Block {
  return { ...block, text: ChunkedText.of(text), version, patches: SeqMap.empty(), kept: 0 };
}

/**
 * The document that an event stores in place of the one before, whose blocks live on where they are
 * named.
 */
export function storedDocument(
  { byId, floor }: DocumentsState,
  event: Pick<Document, "document" | "format" | "path" | "worktree"> & {
    readonly shared?: boolean;
    readonly blocks: readonly Stored[];
  },
  at: At,
): Document {
  const { blocks: stored, shared = false, ...about } = event;
  const before = byId.get(event.document);
  let blocks = KeyMap.empty<Block>();
  const order: string[] = [];
  for (const one of stored) {
    if (blocks.has(one.block)) continue;
    const old = before?.blocks.get(one.block);
    order.push(one.block);
    blocks = blocks.set(
      one.block,
      old === undefined || one.text !== undefined ? newBlock(one) : again(old, one, at),
    );
  }
  const document = { ...about, shared, order, blocks, by: at.by, changedAtMs: at.atMs };
  const gone = before === undefined ? [] : [...blocksOf(before)].filter(({ block }) => !blocks.has(block));
  return { ...document, bytes: total(blocks), floor: floorAfter(before?.floor ?? floor, gone) };
}

/** A block that is stored again under its id: changed, or with another fence. */
function again(old: Block, { changes, text: _, version: __, ...said }: Stored, at: At): Block {
  const fits = changes !== undefined && isCanonical(changes, old.text.length);
  const removed = fits ? removedBy(changes, (from, to) => old.text.slice(from, to)) : [];
  const { text, version, patches, kept } = fits ? patchedBlock(old, changes, removed, undefined, at) : old;
  return { ...said, text, version, patches, kept };
}

/** With blocks put in behind another, or first. */
export function withBlocks(
  slice: DocumentsState,
  event: { readonly document: string; readonly after?: string; readonly blocks: readonly Stored[] },
  at: At,
): DocumentsState {
  const document = slice.byId.get(event.document);
  if (document === undefined) return slice;
  const fresh: Block[] = [];
  let { blocks } = document;
  for (const one of event.blocks) {
    if (blocks.has(one.block)) continue;
    const block = newBlock(one);
    fresh.push(block);
    blocks = blocks.set(one.block, block, at.edit);
  }
  const ids = fresh.map(({ block }) => block);
  const bytes = document.bytes + fresh.reduce((sum, block) => sum + bytesOfBlock(block), 0);
  return restructured(
    slice,
    document,
    { blocks, order: placed(document.order, ids, event.after), bytes },
    at,
  );
}

/** With a block in another place. */
export function withMoved(
  slice: DocumentsState,
  event: { readonly document: string; readonly block: string; readonly after?: string },
  at: At,
): DocumentsState {
  const document = slice.byId.get(event.document);
  if (document === undefined || !document.blocks.has(event.block) || event.after === event.block)
    return slice;
  const rest = document.order.filter((id) => id !== event.block);
  return restructured(slice, document, { order: placed(rest, [event.block], event.after) }, at);
}

/** Without a block. */
export function withoutBlock(
  slice: DocumentsState,
  event: { readonly document: string; readonly block: string },
  at: At,
): DocumentsState {
  const document = slice.byId.get(event.document);
  const block = document?.blocks.get(event.block);
  if (document === undefined || block === undefined) return slice;
  return restructured(
    slice,
    document,
    {
      order: document.order.filter((id) => id !== event.block),
      blocks: document.blocks.delete(event.block, at.edit),
      bytes: document.bytes - bytesOfBlock(block),
      floor: floorAfter(document.floor, [block]),
    },
    at,
  );
}

function restructured(slice: DocumentsState, document: Document, changed: Partial<Document>, at: At) {
  const next = { ...document, ...changed, by: at.by, changedAtMs: at.atMs };
  return withDocument(slice, next, at);
}

/** With ids put in behind one of them; first, where none or an unknown one is named. */
function placed(
  order: readonly string[],
  ids: readonly string[],
  after: string | undefined,
): readonly string[] {
  const at = after === undefined ? 0 : order.indexOf(after) + 1;
  return [...order.slice(0, at), ...ids, ...order.slice(at)];
}

function floorAfter(floor: number, gone: readonly Block[]): number {
  return gone.reduce((highest, { version }) => Math.max(highest, version + 1), floor);
}

function total(blocks: KeyMap<Block>): number {
  let bytes = 0;
  for (const block of blocks.values()) bytes += bytesOfBlock(block);
  return bytes;
}

/** The text as it was at a version whose later patches are all kept; `undefined` for another. */
export function textAt(block: Block, version: number): ChunkedText | undefined {
  let { text } = block;
  for (let v = block.version; v > version; v--) {
    const patch = block.patches.get(v);
    if (patch === undefined) return undefined;
    text = text.apply(invertChanges(patch.changes, patch.removed));
  }
  return text;
}

export function* saveDocuments(slice: DocumentsState): IterableIterator<Row> {
  yield ["floor", slice.floor];
  for (const { blocks, ...about } of slice.byId.values()) {
    yield ["document", about];
    for (const { patches, text, ...block } of blocks.values()) {
      yield ["block", about.document, { ...block, text: text.toString() }];
      for (const patch of patches.values()) yield ["patch", about.document, block.block, patch];
    }
  }
}

export function loadDocuments(rows: Iterable<Row>): DocumentsState {
  const abouts: Omit<Document, "blocks">[] = [];
  const blocks = new Map<string, (Omit<Block, "text" | "patches"> & { readonly text: string })[]>();
  const patches = new Map<string, [number, Patch][]>();
  let { floor } = noDocuments;
  for (const [part, first, second, third] of rows) {
    if (part === "floor") floor = first as number;
    else if (part === "document") abouts.push(first as Omit<Document, "blocks">);
    else if (part === "block") listed(blocks, first as string).push(second as never);
    else {
      const patch = third as Patch;
      listed(patches, JSON.stringify([first, second])).push([patch.version, patch]);
    }
  }
  let bytes = 0;
  const byId = abouts.map((about) => {
    bytes += about.bytes;
    const own = (blocks.get(about.document) ?? []).map((block): [string, Block] => {
      const kept = patches.get(JSON.stringify([about.document, block.block])) ?? [];
      return [block.block, { ...block, text: ChunkedText.of(block.text), patches: SeqMap.from(kept) }];
    });
    return [about.document, { ...about, blocks: KeyMap.from(own) }] as const;
  });
  return { byId: KeyMap.from(byId), bytes, floor };
}

function listed<V>(lists: Map<string, V[]>, key: string): V[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}
