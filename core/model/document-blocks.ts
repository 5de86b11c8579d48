/**
 * Structure: deciding what puts, takes and moves whole documents and blocks.
 */
import { limits } from "../limits.ts";
import { canonical } from "./acquire.ts";
import { matched } from "./block-match.ts";
import { claimedByOthers, editable, editableBlock, reject, tooLarge } from "./document-refusals.ts";
import { blocksOf, type Document, type Stored, writtenOf } from "./document-state.ts";
import type { DocumentCommand } from "./documents.ts";
import { invalid } from "./log.ts";
import {
  fenceAround,
  idOf,
  numbered,
  PROSE,
  parseMarkpact,
  parseText,
  TEXT,
  type Written,
} from "./markpact.ts";
import type { State } from "./model.ts";
import { accept, type Context, type Decision, type Rejection } from "./slice.ts";
import { utf8Length } from "./text.ts";
import { diffTexts } from "./text-diff.ts";

type Sent<T extends DocumentCommand["type"]> = Extract<DocumentCommand, { type: T }>;
type Refused = { readonly rejection: Rejection };

/** Decides a `document.put` (DO1 to DO3). */
export function putDocument(state: State, command: Sent<"document.put">, context: Context): Decision {
  const { document: id, format, content, fresh } = command;
  const before = state.documents.byId.get(id);
  if (before !== undefined && fresh === true) return reject("document.exists", { document: id });
  const place = placeOf(command);
  if ("rejection" in place) return place;
  const { shared = false } = command;
  const claimed =
    (before && claimedByOthers(state, before, context)) ??
    claimedByOthers(state, { ...place, shared }, context);
  if (claimed !== undefined) return claimed;
  const read = readBlocks(id, format, content, context);
  if ("rejection" in read) return read;
  const bytes = utf8Length(content);
  const refused =
    tooMany(state, id, before, read.blocks.length) ??
    tooLarge(state, id, bytes, bytes - (before?.bytes ?? 0));
  if (refused !== undefined) return refused;
  const blocks = storedAgain(before, read.blocks, before?.floor ?? state.documents.floor);
  const about = { document: id, format, ...place, ...(shared ? { shared } : {}) };
  if (before !== undefined && isSame(before, about, blocks)) return accept();
  return accept({ type: "document.stored", ...about, blocks });
}

function placeOf({ path, worktree }: Sent<"document.put">): { path?: string; worktree?: string } | Refused {
  if (path === undefined) return worktree === undefined ? {} : { worktree };
  const asked = canonical({ files: [path], ...(worktree === undefined ? {} : { worktree }) }, "");
  if ("rejection" in asked) return asked;
  const [file = path] = asked.scope.files ?? [];
  return { path: file, ...(asked.scope.worktree === undefined ? {} : { worktree: asked.scope.worktree }) };
}

function readBlocks(
  document: string,
  format: Document["format"],
  content: string,
  { fences }: Context,
): { readonly blocks: readonly Written[] } | Refused {
  if (format === "text") return { blocks: parseText(content) };
  if (fences === undefined) return reject("document.format", { document, format });
  return { blocks: parseMarkpact(content, fences) };
}

function tooMany(state: State, document: string, before: Document | undefined, blocks: number) {
  const { blocksPerDocument, documentsMax } = limits;
  if (blocks > blocksPerDocument) return reject("document.too-many", { document, max: blocksPerDocument });
  if (before === undefined && state.documents.byId.size >= documentsMax) {
    return reject("document.too-many", { document, max: documentsMax });
  }
  return undefined;
}

/** The blocks of a document that takes on a content: those that go on under their id are patched. */
function storedAgain(
  before: Document | undefined,
  read: readonly Written[],
  floor: number,
): readonly Stored[] {
  const old = before === undefined ? [] : [...blocksOf(before)];
  const fresh = before === undefined ? read : matched(old.map(writtenOf), read);
  return fresh.map(({ text, ...block }) => {
    const was = before?.blocks.get(block.block);
    if (was === undefined) return { ...block, version: floor, text };
    const changes = diffTexts(was.text.toString(), text);
    return changes.length === 0
      ? { ...block, version: was.version }
      : { ...block, version: was.version + 1, changes };
  });
}

function isSame(
  before: Document,
  about: Pick<Document, "document" | "format" | "path" | "worktree"> & { readonly shared?: boolean },
  blocks: readonly Stored[],
): boolean {
  const { format, path, worktree, shared, order } = before;
  if (format !== about.format || path !== about.path || worktree !== about.worktree) return false;
  if (shared !== (about.shared ?? false) || order.length !== blocks.length) return false;
  return blocks.every(({ block, version, open, close }, i) => {
    const was = before.blocks.get(block);
    return order[i] === block && was?.version === version && was.open === open && was.close === close;
  });
}

/** Decides a `document.remove`. */
export function removeDocument(
  state: State,
  { document }: Sent<"document.remove">,
  context: Context,
): Decision {
  const found = editable(state, document, context);
  return "rejection" in found ? found : accept({ type: "document.removed", document });
}

/** Decides a `block.insert` (DO9). */
export function insertBlocks(state: State, command: Sent<"block.insert">, context: Context): Decision {
  const found = editable(state, command.document, context);
  if ("rejection" in found) return found;
  const { document } = found;
  if (document.format === "text")
    return reject("document.format", { document: document.document, format: "blocks" });
  const place = behind(document, document.order, command);
  if ("rejection" in place) return place;
  const fresh = newBlocks(document, command, context);
  if ("rejection" in fresh) return fresh;
  const { blocks } = fresh;
  const grown = blocks.reduce((sum, block) => sum + bytesOf(block), 0);
  const refused =
    tooMany(state, document.document, document, document.order.length + blocks.length) ??
    tooLarge(state, document.document, document.bytes + grown, grown);
  if (refused !== undefined) return refused;
  const stored = blocks.map((block) => ({ ...block, version: document.floor }));
  return accept({ type: "block.inserted", document: document.document, ...place, blocks: stored });
}

function newBlocks(
  document: Document,
  command: Sent<"block.insert">,
  context: Context,
): { readonly blocks: readonly Written[] } | Refused {
  const { block: id, kind = PROSE, lang, meta, text, content } = command;
  if ((text === undefined) === (content === undefined)) return invalid("text", "give either text or content");
  if (id !== undefined && document.blocks.has(id)) {
    return reject("block.exists", { document: document.document, block: id });
  }
  const taken = new Set(document.order);
  if (content !== undefined) {
    if (lang !== undefined || meta !== undefined || command.kind !== undefined) {
      return invalid("content", "says kind, lang and meta itself");
    }
    const read = readBlocks(document.document, document.format, content, context);
    if ("rejection" in read) return read;
    const { blocks } = read;
    if (blocks.length === 0) return invalid("content", "must not be empty");
    if (id !== undefined && blocks.length > 1)
      return invalid("block", "names one block, and content holds more");
    return { blocks: blocks.map((one) => ({ ...one, block: id ?? numbered(idOf(one), taken) })) };
  }
  const prose = kind === PROSE;
  if (!prose && (kind === TEXT || !/^[A-Za-z0-9][\w-]*$/.test(kind))) {
    return invalid("kind", "must be prose, or letters, digits, - and _");
  }
  if (prose && (lang !== undefined || meta !== undefined))
    return invalid("kind", "prose has no lang and no meta");
  if (lang !== undefined && !/^(?!markpact:)[^\s`~]+$/.test(lang)) return invalid("lang", "must be one word");
  const named = { kind, ...(lang === undefined ? {} : { lang }), ...(meta === undefined ? {} : { meta }) };
  const block = id ?? numbered(idOf(named), taken);
  const fence = prose ? {} : fenceAround(kind, lang, meta);
  return { blocks: [{ block, ...named, ...fence, text: text ?? "" }] };
}

/** The block that something is to stand behind; none: first. */
function behind(
  { document }: Document,
  order: readonly string[],
  { after, before }: { readonly after?: string; readonly before?: string },
): { readonly after?: string } | Refused {
  if (after !== undefined && before !== undefined) return invalid("after", "give either after or before");
  const named = after ?? before;
  const at = named === undefined ? order.length : order.indexOf(named);
  if (at < 0) return reject("block.unknown", { document, block: named as string });
  const previous = after ?? order[at - 1];
  return previous === undefined ? {} : { after: previous };
}

/** Decides a `block.remove`. */
export function removeBlock(state: State, command: Sent<"block.remove">, context: Context): Decision {
  const found = editableBlock(state, command, context);
  if ("rejection" in found) return found;
  const { document, version, block, text, patches } = { ...found.block, document: command.document };
  const { base = version } = command;
  if (base > version) return reject("block.base-unknown", { document, block, version });
  if (base === version) return accept({ type: "block.removed", document, block, version });
  const theirs = [...patches.from(base + 1)].slice(0, limits.conflictsShown).map(([, patch]) => {
    const [{ from, to = from } = { from: 0 }] = patch.changes;
    return { from, to, insert: "", by: patch.by, version: patch.version };
  });
  const mine = [{ from: 0, to: text.length, insert: "" }];
  return reject("block.conflict", { document, block, version, base, mine, theirs });
}

/** Decides a `block.move`. */
export function moveBlock(state: State, command: Sent<"block.move">, context: Context): Decision {
  const found = editableBlock(state, command, context);
  if ("rejection" in found) return found;
  const { document } = found;
  const { block } = command;
  if (command.after === block || command.before === block)
    return invalid("after", "a block cannot stand behind itself");
  const rest = document.order.filter((id) => id !== block);
  const place = behind(document, rest, command);
  if ("rejection" in place) return place;
  const previous = document.order[document.order.indexOf(block) - 1];
  if (previous === place.after) return accept();
  return accept({ type: "block.moved", document: document.document, block, ...place });
}

function bytesOf({ open = "", text, close = "" }: Written): number {
  return utf8Length(open) + utf8Length(text) + utf8Length(close);
}
