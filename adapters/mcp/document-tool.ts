/**
 * The tool of documents: texts that several agents edit at the same time.
 */
import { commands, events, queries } from "../../core/model/model.ts";
import { type ObjectShape, object } from "../../core/model/shape.ts";
import { labelled, PATIENCE, rows } from "./claim-tools.ts";
import { CAUTION, CAUTION_FIELD, inline, marked, span } from "./quote.ts";
import { pick } from "./schema.ts";
import type { Action, Given, ToolSource } from "./tool.ts";

const puts = commands["document.put"].fields;
const inserts = commands["block.insert"].fields;
const patches = commands["block.patch"].fields;
const list = queries["documents.list"].params;
const read = queries["document.read"].params.fields;
const history = queries["document.history"].params;
const patched = events["block.patched"].fields;

/** A document as it is read: whole, by its blocks, or one block of it. */
interface Read {
  readonly content?: string;
  readonly text?: string;
  readonly block?: string;
  readonly version?: number;
  readonly blocks?: readonly { readonly block: string; readonly version: number; readonly text: string }[];
}

export const documentTool: ToolSource = {
  title: "Shared documents",
  description:
    "Texts several agents edit at once, as blocks. list; read: whole, one block, or all blocks with their versions. " +
    "put: store a whole one. patch: change a block from the base version you read, by changes or its new content; " +
    "others' edits since are merged. " +
    "insert, move, cut (a block); undo; history; remove (the document).",
  actions: {
    list: {
      reads: true,
      takes: list,
      run: async (given, { client }) => {
        const page = await client.call("documents.list", rows(given), PATIENCE);
        const lines = page.items.map(({ document, path, blocks, bytes, by, changedAtMs }) => {
          const where = path === undefined ? "" : ` (${path})`;
          const ago = span(page.nowMs - changedAtMs);
          return `${document}${where}: ${blocks} blocks, ${bytes} bytes, by ${by} ${ago} ago`;
        });
        return {
          fields: { ...page },
          text: lines.length === 0 ? "There are no documents." : lines.join("\n"),
        };
      },
    },
    read: {
      reads: true,
      exact: true,
      takes: object(pick(read, "document", "block", "blocks")),
      run: async (given, { client }) => {
        const found = await client.send("document.read", given, PATIENCE);
        return {
          fields: { caution: CAUTION_FIELD, ...found },
          text: readText(String(given.document), found),
        };
      },
    },
    put: {
      takes: object(pick(puts, "document", "format", "content", "path", "shared", "fresh")),
      run: async ({ path, ...given }, caller) => {
        const place =
          path === undefined ? {} : { path: caller.seat.fileOf(String(path)), ...labelled(caller) };
        const stored = await caller.client.send("document.put", { ...given, ...place }, PATIENCE);
        return { fields: { ...stored }, text: `${given.document} is stored. ${blocksText(stored)}` };
      },
    },
    patch: changing(
      "block.patch",
      object(pick(patches, "document", "block", "base", "changes", "content", "onConflict")),
    ),
    insert: changing(
      "block.insert",
      object(
        pick(inserts, "document", "block", "kind", "lang", "meta", "text", "content", "after", "before"),
      ),
    ),
    move: changing("block.move", commands["block.move"]),
    cut: changing("block.remove", commands["block.remove"]),
    undo: changing(
      "document.undo",
      object(pick(commands["document.undo"].fields, "document", "block", "by")),
    ),
    remove: changing("document.remove", commands["document.remove"]),
    history: {
      reads: true,
      exact: true,
      takes: history,
      run: async (given, { client }) => {
        const asked = rows(given) as { readonly document: string };
        const page = await client.call("document.history", asked, PATIENCE);
        const lines = page.items.map(({ block, version, by, seq, changes }) => {
          const put = inline(changes.map(({ insert }) => insert ?? "").join(" … "));
          return `${block} version ${version} by ${by} (${seq}): ${changes.length} changes ${put}`;
        });
        const text = lines.length === 0 ? "No patches are kept." : [CAUTION, ...lines].join("\n");
        return { fields: { caution: CAUTION_FIELD, ...page }, text };
      },
    },
  },
  gives: { document: puts.document, ...pick(patched, "block", "version") },
};

function changing(method: string, takes: ObjectShape): Action {
  return {
    takes,
    run: async (given, { client }) => {
      const done = (await client.send(method, given, PATIENCE)) as Given;
      const { version, conflict } = done;
      const at = version === undefined ? "" : ` Version ${version}.`;
      const met =
        Array.isArray(conflict) && conflict.length > 0 ? " It met others' edits: read the block again." : "";
      return { fields: done, text: `Done.${at}${met} ${blocksText(done)}`.trimEnd() };
    },
  };
}

function blocksText({ blocks }: { readonly blocks?: unknown }): string {
  if (!Array.isArray(blocks)) return "";
  return `Blocks: ${blocks.map(({ block, version }: Given) => `${block} (version ${version})`).join(", ")}`;
}

function readText(document: string, found: Read): string {
  const { blocks, content, text, block, version } = found;
  if (blocks !== undefined) {
    const texts = blocks.map((one) => `${one.block}, version ${one.version}\n${marked(one.text)}`);
    return [`${document}, ${blocks.length} blocks. ${CAUTION}`, ...texts].join("\n");
  }
  const what = block === undefined ? document : `${document}, block ${block}, version ${version}`;
  return `${what}. ${CAUTION}\n${marked(content ?? text ?? "")}`;
}
