/**
 * What can be asked about documents.
 */
import { limits } from "../limits.ts";
import { reject } from "./document-refusals.ts";
import { type Block, blocksOf, type Document, type Patch, writtenOf } from "./document-state.ts";
import { render, type Written } from "./markpact.ts";
import type { State } from "./model.ts";
import { cursorSeq, type Page, page, paging } from "./page.ts";
import { boolean, doc, optional, string } from "./shape.ts";
import { type Asker, query, type Rejection } from "./slice.ts";

const id = string("id", limits.idMax);
const wantHash = optional(doc("Also the hash of the text.", boolean));

/** A document as it is listed. Times are log time. */
export interface DocumentView extends Pick<Document, "document" | "format" | "path" | "worktree"> {
  readonly shared?: true;
  readonly blocks: number;
  readonly bytes: number;
  /** Who changed it last. */
  readonly by: string;
  readonly changedAtMs: number;
}

/** A block as it is read. */
export interface BlockView extends Written {
  readonly version: number;
  readonly hash?: string;
}

/** A patch as it is listed. */
export interface PatchView extends Omit<Patch, "removed"> {
  readonly block: string;
  /** What each change took away; absent where none took anything. */
  readonly removed?: readonly string[];
}

export const documentQueries = {
  "documents.list": query("The documents, by name.", { ...paging }, (state, params): Page<DocumentView> => {
    const from = params.cursor ?? "";
    const ids = [...state.documents.byId.keys()].filter((id) => id >= from).sort();
    return page(
      ids.map((id) => [id, id] as const),
      params,
      (id) => {
        const found = state.documents.byId.get(id);
        return found && view(found);
      },
    );
  }),
  "document.read": query(
    "The file, byte for byte; or one block; or, with `blocks`, all blocks at once.",
    { document: id, block: optional(id), blocks: optional(boolean), wantHash },
    (state, params, asker) => {
      const found = documentOf(state, params.document);
      if ("rejection" in found) return found;
      const { document } = found;
      if (params.block !== undefined) {
        const block = document.blocks.get(params.block);
        if (block === undefined)
          return reject("block.unknown", { document: params.document, block: params.block });
        return { document: params.document, ...blockView(block, params.wantHash, asker) };
      }
      const all = [...blocksOf(document)];
      const { blocks: _, ...about } = view(document);
      if (params.blocks === true) {
        return { ...about, blocks: all.map((block) => blockView(block, params.wantHash, asker)) };
      }
      const content = render(all.map(writtenOf));
      return { ...about, content, ...hashed(content, params.wantHash, asker) };
    },
  ),
  "document.blocks": query(
    "The blocks in their order.",
    { document: id, ...paging, wantHash },
    (state, params, asker): Page<BlockView> | { readonly rejection: Rejection } => {
      const found = documentOf(state, params.document);
      if ("rejection" in found) return found;
      const blocks = [...blocksOf(found.document)].map((block, i) => [i, block] as const);
      return page(blocks.slice(cursorSeq(params, 0)), params, (block) =>
        blockView(block, params.wantHash, asker),
      );
    },
  ),
  "document.history": query(
    "The patches that are kept, of all blocks or of one, the newest first.",
    { document: id, block: optional(id), ...paging },
    (state, params): Page<PatchView> | { readonly rejection: Rejection } => {
      const found = documentOf(state, params.document);
      if ("rejection" in found) return found;
      const patches: PatchView[] = [];
      for (const { block, patches: kept } of blocksOf(found.document)) {
        if (params.block !== undefined && params.block !== block) continue;
        for (const [, { removed, ...patch }] of kept.downFrom()) {
          const taken = removed.some((text) => text !== "") ? { removed } : {};
          patches.push({ block, ...patch, ...taken });
        }
      }
      patches.sort((a, b) => b.seq - a.seq || b.version - a.version);
      const rows = patches.map((patch, i) => [i, patch] as const).slice(cursorSeq(params, 0));
      return page(rows, params, (patch) => patch);
    },
  ),
} as const;

function documentOf(state: State, id: string) {
  const document = state.documents.byId.get(id);
  return document === undefined ? reject("document.unknown", { document: id }) : { document };
}

function view({
  document,
  format,
  path,
  worktree,
  shared,
  order,
  bytes,
  by,
  changedAtMs,
}: Document): DocumentView {
  return {
    document,
    format,
    ...(path === undefined ? {} : { path }),
    ...(worktree === undefined ? {} : { worktree }),
    ...(shared ? { shared } : {}),
    blocks: order.length,
    bytes,
    by,
    changedAtMs,
  };
}

function blockView(block: Block, wantHash: boolean | undefined, asker: Asker): BlockView {
  const written = writtenOf(block);
  return { ...written, version: block.version, ...hashed(written.text, wantHash, asker) };
}

function hashed(text: string, wantHash: boolean | undefined, { hash }: Asker) {
  return wantHash === true && hash !== undefined ? { hash: hash(text) } : {};
}
