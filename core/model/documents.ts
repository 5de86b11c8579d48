/**
 * Documents: texts that several agents edit at the same time, as ordered blocks whose concatenation is
 * the file.
 *
 * Only patches travel. A patch names the version it was made against and is mapped over what came since,
 * by the one who orders them all (document-patch.ts); its event carries the changes as they were applied.
 * So whoever applies the events in order holds the text, whatever happened on the way.
 */
import { limits } from "../limits.ts";
import { insertBlocks, moveBlock, putDocument, removeBlock, removeDocument } from "./document-blocks.ts";
import { patchBlock, undoPatch } from "./document-patch.ts";
import {
  type DocumentsState,
  loadDocuments,
  noDocuments,
  saveDocuments,
  storedDocument,
  withBlocks,
  withDocument,
  withMoved,
  withoutBlock,
  withoutDocument,
  withPatch,
} from "./document-state.ts";
import { boolean, bytes, choice, doc, integer, list, object, optional, string, type Typed } from "./shape.ts";
import { command, event, type Slice } from "./slice.ts";

const id = string("id", limits.idMax);
const text = bytes("text", limits.documentBytesMax);
const line = string("line", limits.pathMax);
const offset = integer(0, limits.documentBytesMax);
const change = object({ from: offset, to: optional(offset), insert: optional(text) });
const changes = doc(
  "`[{from, to?, insert?}, …]` in offsets (UTF-16 code units) of the text at `base`; without overlaps.",
  list(change, limits.changesMax),
);
const hash = string("token", 64, 64);
const format = choice("markpact", "text");
const version = integer(0);
const place = {
  after: optional(doc("The block it stands behind; with neither: at the end.", id)),
  before: optional(doc("The block it stands before.", id)),
} as const;

export const documentCommands = {
  "document.put": command(
    "Stores a document. One that is there already becomes this content, as patches to those of its blocks that differ.",
    {
      document: id,
      format,
      content: text,
      path: optional(
        doc(
          "Where it stands in the worktree: claims on it count for the document.",
          string("path", limits.pathMax),
        ),
      ),
      worktree: optional(line),
      shared: optional(doc("May be edited though another's claim covers its path.", boolean)),
      fresh: optional(doc("Refused when it is there already.", boolean)),
    },
  ),
  "document.remove": command("Takes a document away; its history stays in the log.", { document: id }),
  "document.undo": command("Takes back an agent's last patch to a block, as a new patch mapped to now.", {
    document: id,
    block: id,
    by: optional(doc("Whose; absent: one's own.", id)),
    wantHash: optional(boolean),
  }),
  "block.patch": command(
    "Changes a block: by changes to the text at `base`, or by what that text should have become.",
    {
      document: id,
      block: id,
      base: doc("The version the patch was made against.", version),
      changes: optional(changes),
      content: optional(text),
      hash: optional(
        doc("Of the text at `base`, or of what the patch makes of it: either must match.", hash),
      ),
      wantHash: optional(boolean),
      onConflict: optional(
        doc(
          "Where others touched the same characters since; absent: merge, and say so.",
          choice("merge", "reject"),
        ),
      ),
    },
  ),
  "block.insert": command("Puts in a new block, or the blocks of a piece of a Markpact file.", {
    document: id,
    block: optional(doc("Its id; absent: made of kind and path.", id)),
    kind: optional(
      doc("`prose`, or what shall stand behind `markpact:`; absent: prose.", string("line", 64)),
    ),
    lang: optional(string("line", 64)),
    meta: optional(string("line", limits.pathMax)),
    text: optional(text),
    content: optional(
      doc("Instead of kind, lang, meta and text: blocks as they stand in a file, fences and all.", text),
    ),
    ...place,
  }),
  "block.remove": command("Takes a block away.", {
    document: id,
    block: id,
    base: optional(doc("Refused when the block was patched since this version.", version)),
  }),
  "block.move": command("Puts a block in another place.", { document: id, block: id, ...place }),
} as const;
export type DocumentCommand = Typed<typeof documentCommands>;

const mapped = list(change, limits.changesMappedMax);
const written = {
  block: id,
  kind: string("line", 64),
  lang: optional(string("text", limits.documentBytesMax)),
  meta: optional(string("text", limits.documentBytesMax)),
  open: optional(doc("The opening line of its fence.", text)),
  close: optional(doc("The closing line.", text)),
  version,
} as const;

export const documentEvents = {
  "document.stored": event(
    "A document is there, or has become this: blocks with text are new, with changes patched.",
    {
      document: id,
      format,
      path: optional(string("path", limits.pathMax)),
      worktree: optional(line),
      shared: optional(boolean),
      blocks: list(
        object({ ...written, text: optional(text), changes: optional(mapped) }),
        limits.blocksPerDocument,
      ),
    },
  ),
  "document.removed": event("A document is gone.", { document: id }),
  "block.patched": event("A block has a new version: apply the changes, in offsets of its text before.", {
    document: id,
    block: id,
    version,
    changes: mapped,
    base: optional(doc("The version it was made against, where others came between.", version)),
    hash: optional(doc("Of the new text.", hash)),
    conflict: optional(
      doc(
        "Stretches of the new text where it met others' patches, and whose.",
        list(object({ from: integer(0), to: integer(0), by: id }), limits.conflictsShown),
      ),
    ),
    undoes: optional(doc("The version whose patch it takes back.", version)),
  }),
  "block.inserted": event("New blocks, behind another or first.", {
    document: id,
    after: optional(id),
    blocks: list(object({ ...written, text }), limits.blocksPerDocument, 1),
  }),
  "block.removed": event("A block is gone.", { document: id, block: id, version }),
  "block.moved": event("A block stands behind another, or first.", {
    document: id,
    block: id,
    after: optional(id),
  }),
} as const;
export type DocumentEvent = Typed<typeof documentEvents>;

export const documents: Slice<DocumentsState, DocumentCommand, DocumentEvent> = {
  initial: noDocuments,
  decide: {
    "document.put": putDocument,
    "document.remove": removeDocument,
    "document.undo": undoPatch,
    "block.patch": patchBlock,
    "block.insert": insertBlocks,
    "block.remove": removeBlock,
    "block.move": moveBlock,
  },
  evolve: {
    "document.stored": (slice, { type: _, ...event }, at) =>
      withDocument(slice, storedDocument(slice, event, at), at),
    "document.removed": (slice, { document }, at) => withoutDocument(slice, document, at),
    "block.patched": withPatch,
    "block.inserted": withBlocks,
    "block.removed": withoutBlock,
    "block.moved": withMoved,
  },
  save: saveDocuments,
  load: loadDocuments,
  answer: {
    "document.stored": ({ document, blocks }) => ({
      document,
      blocks: blocks.map(({ block, kind, version }) => ({ block, kind, version })),
    }),
    "document.removed": ({ document }) => ({ document }),
    "block.patched": ({ type: _, ...patched }) => patched,
    "block.inserted": ({ document, after, blocks }) => ({
      document,
      ...(after === undefined ? {} : { after }),
      blocks: blocks.map(({ block, kind, version }) => ({ block, kind, version })),
    }),
    "block.removed": ({ document, block }) => ({ document, block }),
    "block.moved": ({ type: _, ...moved }) => moved,
  },
};
