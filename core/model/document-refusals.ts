/**
 * Why a command about a document is refused, and what every such command looks at first.
 */
import { limits } from "../limits.ts";
import { overlapRefusal, wantOf } from "./acquire.ts";
import { territory } from "./claim-queries.ts";
import type { Block, Document } from "./document-state.ts";
import type { State } from "./model.ts";
import type { Scope } from "./scopes.ts";
import { integer, list, object, optional, string } from "./shape.ts";
import { type Context, type Rejection, refusal, rejecter } from "./slice.ts";

const id = string("id", limits.idMax);
const named = { document: id, block: id } as const;
const texts = list(
  object({
    from: integer(0),
    to: integer(0),
    insert: string("text", limits.conflictTextShown, 0),
    by: optional(id),
    version: optional(integer(0)),
  }),
  limits.conflictsShown,
);

export const documentRejections = {
  "document.unknown": refusal(
    "There is no such document.",
    { document: id },
    (f) => `There is no document ${f.document}. Put it first, or see documents.list; nothing was changed.`,
  ),
  "document.exists": refusal(
    "A fresh document was to be put, and it is there already.",
    { document: id },
    (f) =>
      `${f.document} is there already. Patch its blocks (push merges with what others changed), or put it without ` +
      "`fresh` to make it this content; nothing was changed.",
  ),
  "document.too-large": refusal(
    "The document, or all of them together, would take more than there is room for.",
    { document: id, bytes: integer(0), max: integer(1) },
    (f) =>
      `${f.document} would need ${f.bytes} bytes where ${f.max} are the most. Split it, or remove what is no longer ` +
      "needed; nothing was changed.",
  ),
  "document.too-many": refusal(
    "There are as many documents, or blocks in this one, as there may be.",
    { document: id, max: integer(1) },
    (f) =>
      `There is room for ${f.max} and no more: ${f.document} would be one too many. Nothing was changed.`,
  ),
  "document.format": refusal(
    "The document has no such blocks: it is plain text, or this hub cannot read Markpact.",
    { document: id, format: string("line", 20) },
    (f) => `${f.document} cannot be handled as ${f.format} that way; nothing was changed.`,
  ),
  "block.unknown": refusal(
    "The document has no such block (any more).",
    named,
    (f) => `${f.document} has no block ${f.block}. See document.blocks; nothing was changed.`,
  ),
  "block.exists": refusal(
    "A block of this id is there already.",
    named,
    (f) =>
      `${f.document} has a block ${f.block} already. Patch it, or choose another id; nothing was changed.`,
  ),
  "block.out-of-range": refusal(
    "The changes overlap, reach outside the text at `base`, or cut a character in two.",
    { ...named, version: integer(0) },
    (f) =>
      `The changes do not fit ${f.block}: offsets are UTF-16 code units of the text at \`base\`, must not overlap, and ` +
      "must not cut a surrogate pair in two; nothing was changed.",
  ),
  "block.base-unknown": refusal(
    "The base is a version the block has not had yet.",
    { ...named, version: integer(0) },
    (f) => `${f.block} is at version ${f.version}, below your base. Read it again; nothing was changed.`,
  ),
  "block.base-too-old": refusal(
    "Not all patches since the base are kept, so that yours cannot be mapped over them.",
    { ...named, version: integer(0), hash: string("token", 64) },
    (f) =>
      `${f.block} has come too far since your base: it is at version ${f.version}. Read it, make your change again ` +
      "and patch that; nothing was changed.",
  ),
  "block.hash-mismatch": refusal(
    "The hash given is neither that of the text at `base` nor that of what the patch makes of it.",
    { ...named, version: integer(0), hash: string("token", 64) },
    (f) =>
      `Your copy of ${f.block} is not the text there was (it is at version ${f.version}). Read it again; nothing was ` +
      "changed.",
  ),
  "block.conflict": refusal(
    "Others touched the same characters since the base, and the sender wanted no merge. Offsets of `mine` and " +
      "of each of `theirs` are those of the text it was made against.",
    { ...named, version: integer(0), base: integer(0), mine: texts, theirs: texts },
    (f) =>
      `${f.theirs[0]?.by ?? "Another"} changed the same characters of ${f.block} since version ${f.base}; it is at ` +
      `${f.version}. Read it and decide what is right, or send again without onConflict to merge; nothing was changed.`,
  ),
  "block.nothing-to-undo": refusal(
    "No patch of that agent is left to take back among those that are kept.",
    { ...named, agent: id },
    (f) => `No patch of ${f.agent} to ${f.block} is left to take back; nothing was changed.`,
  ),
} as const;
/** Refuses with one of them. */
export const reject = rejecter(documentRejections);

type Refused = { readonly rejection: Rejection };

/** The document, if the sender may edit it now (DO13). */
export function editable(
  state: State,
  id: string,
  context: Context,
): { readonly document: Document } | Refused {
  const document = state.documents.byId.get(id);
  if (document === undefined) return reject("document.unknown", { document: id });
  return claimedByOthers(state, document, context) ?? { document };
}

/** The same with one of its blocks. */
export function editableBlock(
  state: State,
  { document: id, block: of }: { readonly document: string; readonly block: string },
  context: Context,
): { readonly document: Document; readonly block: Block } | Refused {
  const found = editable(state, id, context);
  if ("rejection" in found) return found;
  const block = found.document.blocks.get(of);
  if (block === undefined) return reject("block.unknown", { document: id, block: of });
  return { document: found.document, block };
}

/** The refusal where another's live claim covers the document's path, and it is not shared (DO13). */
export function claimedByOthers(
  state: State,
  { path, worktree, shared }: Pick<Document, "path" | "worktree" | "shared">,
  { agent, nowMs }: Context,
): Refused | undefined {
  if (path === undefined || shared || state.claims.live.size === 0) return undefined;
  const scope: Scope = { ...(worktree === undefined ? {} : { worktree }), files: [path] };
  if (territory(state, scope, agent, nowMs, 1).mayEdit) return undefined;
  return overlapRefusal(state, wantOf("", agent, { scope }), nowMs);
}

/** The refusal where documents would take too much; `grown` in bytes. */
export function tooLarge(state: State, id: string, bytes: number, grown: number): Refused | undefined {
  if (bytes > limits.documentBytesMax && grown > 0) {
    return reject("document.too-large", { document: id, bytes, max: limits.documentBytesMax });
  }
  const all = state.documents.bytes + grown;
  if (all <= limits.documentsBytesMax || grown <= 0) return undefined;
  return reject("document.too-large", { document: id, bytes: all, max: limits.documentsBytesMax });
}
