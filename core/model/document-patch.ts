/**
 * Patching: deciding a `block.patch` and a `document.undo`.
 *
 * Order of precedence where several refusals apply: document, claim, block, base, changes, hash,
 * conflict, size.
 */
import { limits } from "../limits.ts";
import { editableBlock, reject, tooLarge } from "./document-refusals.ts";
import { type Block, bytesOfChanges, type Document, type Patch, textAt } from "./document-state.ts";
import type { DocumentCommand, DocumentEvent } from "./documents.ts";
import { invalid } from "./log.ts";
import type { State } from "./model.ts";
import {
  type Change,
  type Changes,
  canonicalChanges,
  invertChanges,
  mapChanges,
  mapOffset,
  type Range,
  rangeOf,
  removedBy,
} from "./patch.ts";
import { accept, type Context, type Decision } from "./slice.ts";
import { diffTexts } from "./text-diff.ts";

type PatchBlock = Extract<DocumentCommand, { type: "block.patch" }>;
type Undo = Extract<DocumentCommand, { type: "document.undo" }>;
type Patched = Extract<DocumentEvent, { type: "block.patched" }>;

/** Bytes of UTF-8 that a code unit takes at most. */
const UTF8_MOST = 3;

/** A patch mapped to now. */
interface Mapped {
  readonly changes: Changes;
  /** Stretches of the text after it, and the patches it met there. */
  readonly met: readonly { readonly range: Range; readonly patch: Patch; readonly index: number }[];
}

/** Decides a `block.patch` (DO4 to DO8). */
export function patchBlock(state: State, command: PatchBlock, context: Context): Decision {
  const found = editableBlock(state, command, context);
  if ("rejection" in found) return found;
  const { document, block } = found;
  const { version } = block;
  const { base } = command;
  const where = { document: document.document, block: block.block };
  if (base > version) return reject("block.base-unknown", { ...where, version });
  if (base < version && !block.patches.has(base + 1)) {
    return reject("block.base-too-old", { ...where, version, hash: context.hash(block.text.toString()) });
  }
  const asked = changesAsked(command, block);
  if (asked === "neither") return invalid("changes", "give either changes or content");
  if (asked === undefined) return reject("block.out-of-range", { ...where, version });
  if (command.hash !== undefined && !matches(command.hash, block, base, asked, context)) {
    return reject("block.hash-mismatch", { ...where, version, hash: context.hash(block.text.toString()) });
  }
  if (asked.length === 0) return accept();
  const mapped = base === version ? { changes: asked, met: [] } : mapToNow(block, base, asked);
  if (block.text.cutsPair(mapped.changes)) return reject("block.out-of-range", { ...where, version });
  if (mapped.met.length > 0 && command.onConflict === "reject") {
    return reject("block.conflict", { ...where, version, base, mine: shown(asked), theirs: theirs(mapped) });
  }
  return patched(state, document, block, mapped, { base, wantHash: command.wantHash }, context);
}

/** The canonical changes a command asks for; `undefined` when they do not fit the text at its base. */
function changesAsked(command: PatchBlock, block: Block): Changes | "neither" | undefined {
  const { base, changes, content } = command;
  if ((changes === undefined) === (content === undefined)) return "neither";
  if (content !== undefined) return diffTexts(textAt(block, base)?.toString() ?? "", content);
  return canonicalChanges(changes ?? [], lengthAt(block, base));
}

/** How long the text was at a version whose later patches are kept. */
function lengthAt(block: Block, base: number): number {
  let { length } = block.text;
  for (let v = block.version; v > base; v--) {
    const patch = block.patches.get(v);
    patch?.changes.forEach(({ insert = "" }, i) => {
      length += (patch.removed[i]?.length ?? 0) - insert.length;
    });
  }
  return length;
}

function matches(hash: string, block: Block, base: number, changes: Changes, context: Context): boolean {
  const before = textAt(block, base);
  if (before === undefined) return false;
  return context.hash(before.toString()) === hash || context.hash(before.apply(changes).toString()) === hash;
}

/** Maps changes over what came since a version, and notes whom they met. */
function mapToNow(block: Block, base: number, asked: Changes): Mapped {
  const since: Patch[] = [];
  for (let v = base + 1; v <= block.version; v++) {
    const patch = block.patches.get(v);
    if (patch !== undefined) since.push(patch);
  }
  return mapOver(asked, since);
}

function mapOver(asked: Changes, since: readonly Patch[]): Mapped {
  let changes = asked;
  let met: { range: Range; patch: Patch; index: number }[] = [];
  for (const patch of since) {
    const indexes = new Set<number>();
    changes = mapChanges(changes, patch.changes, false, (index) => indexes.add(index));
    met = met.map((one) => ({ ...one, range: moved(one.range, patch.changes) }));
    for (const index of indexes) {
      if (met.length === limits.conflictsShown) break;
      met.push({ range: rangeOf(patch.changes, index), patch, index });
    }
  }
  return { changes, met: met.map((one) => ({ ...one, range: moved(one.range, changes) })) };
}

function moved({ from, to }: Range, over: Changes): Range {
  const start = mapOffset(from, over, false);
  return { from: start, to: Math.max(start, mapOffset(to, over, true)) };
}

/** The event of a patch that fits now. */
function patched(
  state: State,
  document: Document,
  { block, version: before, text }: Block,
  { changes, met }: Mapped,
  { base, wantHash, undoes }: { base: number; wantHash?: boolean | undefined; undoes?: number },
  context: Context,
): Decision {
  if (changes.length > limits.changesMappedMax) {
    return reject("block.base-too-old", {
      document: document.document,
      block,
      version: before,
      hash: context.hash(text.toString()),
    });
  }
  const refused = withoutRoom(state, document, changes, text);
  if (refused !== undefined) return refused;
  const version = before + 1;
  // Field by field, since there may be hundreds of thousands of these.
  const event: { -readonly [K in keyof Patched]: Patched[K] } = {
    type: "block.patched",
    document: document.document,
    block,
    version,
    changes,
  };
  if (base !== before) event.base = base;
  if (wantHash === true || version % limits.hashEveryVersions === 0) {
    event.hash = context.hash(text.apply(changes).toString());
  }
  if (met.length > 0) event.conflict = met.map(({ range, patch }) => ({ ...range, by: patch.by }));
  if (undoes !== undefined) event.undoes = undoes;
  return accept(event);
}

/** The refusal where changes make a document too large. */
function withoutRoom(state: State, { document, bytes }: Document, changes: Changes, text: Block["text"]) {
  let most = 0;
  for (const { insert } of changes) if (insert !== undefined) most += UTF8_MOST * insert.length;
  // Nearly always there is room for more than this can possibly take.
  if (tooLarge(state, document, bytes + most, most) === undefined) return undefined;
  const grown = bytesOfChanges(changes, removed(changes, text));
  return tooLarge(state, document, bytes + grown, grown);
}

function shown(changes: Changes) {
  return changes.slice(0, limits.conflictsShown).map(shownChange);
}

function shownChange({ from, to = from, insert = "" }: Change) {
  const clipped =
    insert.length > limits.conflictTextShown ? insert.slice(0, limits.conflictTextShown) : insert;
  return { from, to, insert: clipped.toWellFormed() };
}

function theirs({ met }: Mapped) {
  return met.map(({ patch, index }) => ({
    ...shownChange(patch.changes[index] as Change),
    by: patch.by,
    version: patch.version,
  }));
}

/** Decides a `document.undo` (DO10). */
export function undoPatch(state: State, command: Undo, context: Context): Decision {
  const found = editableBlock(state, command, context);
  if ("rejection" in found) return found;
  const { document, block } = found;
  const agent = command.by ?? context.agent;
  const patch = lastOf(block, agent);
  if (patch === undefined) {
    return reject("block.nothing-to-undo", { document: document.document, block: block.block, agent });
  }
  const since = effective(block, patch);
  const mapped = mapOver(invertChanges(patch.changes, patch.removed), since);
  const undoes = patch.version;
  const { wantHash } = command;
  return patched(state, document, block, mapped, { base: block.version, wantHash, undoes }, context);
}

/** The newest patch of an agent that is neither an undo nor undone, among its newest `limits.undoDepth`. */
function lastOf(block: Block, agent: string): Patch | undefined {
  let seen = 0;
  for (const [, patch] of block.patches.downFrom()) {
    if (patch.by !== agent || patch.undoes !== undefined) continue;
    if (patch.undone === undefined) return patch;
    seen += 1;
    if (seen === limits.undoDepth) return undefined;
  }
  return undefined;
}

/**
 * What came since a patch, as if no patch that was undone again had ever been: an inverse mapped over
 * both would lose what the first of them took away for a while.
 */
function effective(block: Block, patch: Patch): readonly Patch[] {
  const since: Patch[] = [];
  let undone = false;
  for (let v = patch.version + 1; v <= block.version; v++) {
    const later = block.patches.get(v);
    if (later === undefined) continue;
    since.push(later);
    undone ||= later.undoes !== undefined && later.undoes > patch.version;
  }
  if (!undone) return since;
  let text = textAt(block, patch.version);
  for (let i = 0; text !== undefined && i < since.length; ) {
    const later = since[i] as Patch;
    const pair = since.findIndex(({ undoes }) => undoes === later.version);
    if (pair > i) {
      withoutPair(since, i, pair, invertChanges(later.changes, removed(later.changes, text)));
      continue;
    }
    text = text.apply(later.changes);
    i += 1;
  }
  return since;
}

function removed(changes: Changes, text: Block["text"]): readonly string[] {
  return removedBy(changes, (from, to) => text.slice(from, to));
}

/** Takes a patch and its undo out of a history, and what stands between them back to a text without it. */
function withoutPair(history: Patch[], first: number, undo: number, inverse: Changes): void {
  let back = inverse;
  for (let i = first + 1; i < undo; i++) {
    const between = history[i] as Patch;
    history[i] = { ...between, changes: mapChanges(between.changes, back, true) };
    back = mapChanges(back, between.changes, false);
  }
  history.splice(undo, 1);
  history.splice(first, 1);
}
