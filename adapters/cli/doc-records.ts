/**
 * Records: what a file was when it and its document were the same last; so that what was edited in it
 * since can be told from what others did to the document. They stand beside the log; without one, the
 * likeliest version is taken.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Caller } from "../../core/client/visit.ts";
import { matched } from "../../core/model/block-match.ts";
import type { BlockView, DocumentView } from "../../core/model/document-queries.ts";
import type { Written } from "../../core/model/markpact.ts";
import { applyChanges, invertChanges } from "../../core/model/patch.ts";
import { type BaseBlock, likelyBase } from "../files/push.ts";
import { writeTextFile } from "../files/text-file.ts";
import { toFile } from "../place/paths.ts";
import { findRepository } from "../place/repository.ts";
import type { Command } from "./command.ts";
import { placeOf } from "./reach.ts";

/** Versions that are looked at for a likely base. */
const VERSIONS = 200;

/** What can be asked. */
export type Asking = Pick<Caller, "call">;

/** A document with all its blocks. */
export type ReadDocument = Omit<DocumentView, "blocks"> & {
  readonly blocks: readonly BlockView[];
  readonly seq: number;
  readonly nowMs: number;
};

/** Reads a document whole. Rejects with `document.unknown`. */
export async function readDocument(client: Asking, document: string): Promise<ReadDocument> {
  return (await client.call("document.read", { document, blocks: true })) as unknown as ReadDocument;
}

/**
 * The document a word means: `--document`, else an existing file's path in the worktree, else the word
 * itself.
 */
export function documentId({ args, cwd }: Command, word: string): string {
  const named = args.text("document");
  if (named !== undefined) return named;
  if (!existsSync(resolve(cwd, word))) return word;
  try {
    return toFile(word, findRepository(cwd).root, cwd);
  } catch {
    return word;
  }
}

interface Kept {
  readonly document: string;
  readonly log: string;
  readonly blocks: readonly BaseBlock[];
}

/** The records of one log. */
export class Records {
  readonly #folder: string;

  constructor(command: Command) {
    this.#folder = join(placeOf(command).folder, "documents");
  }

  /** The blocks the file had, if that was kept. */
  recall(file: string, document: string, log: string): readonly BaseBlock[] | undefined {
    try {
      const kept = JSON.parse(readFileSync(this.#of(file), "utf8")) as Kept;
      return kept.document === document && kept.log === log ? kept.blocks : undefined;
    } catch {
      return undefined;
    }
  }

  remember(file: string, document: string, log: string, blocks: readonly BaseBlock[]): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const kept: Kept = { document, log, blocks };
    writeTextFile(this.#of(file), JSON.stringify(kept));
  }

  #of(file: string): string {
    const real = existsSync(file) ? realpathSync(file) : resolve(file);
    return join(this.#folder, `${createHash("sha256").update(real).digest("hex").slice(0, 32)}.json`);
  }
}

/** For each block the version that the file's text of it was most likely made from. */
export async function guessBase(
  client: Asking,
  document: string,
  blocks: readonly BlockView[],
  file: readonly Written[],
): Promise<readonly BaseBlock[]> {
  const texts = new Map(matched(blocks, file).map(({ block, text }) => [block, text]));
  const base: BaseBlock[] = [];
  for (const block of blocks) {
    const text = texts.get(block.block);
    if (text === undefined || text === block.text || block.version === 0) base.push(block);
    else base.push({ ...block, ...likelyBase(await versionsOf(client, document, block), text) });
  }
  return base;
}

/** A block's versions as far as they are kept, the newest first. */
async function versionsOf(client: Asking, document: string, { block, text, version }: BlockView) {
  const { items } = await client.call("document.history", { document, block, limit: VERSIONS });
  const versions = [{ version, text }];
  let older = text;
  for (const patch of items) {
    // Patched between the two questions: what is newer than what was read is passed over.
    if (patch.version > version) continue;
    older = applyChanges(older, invertChanges(patch.changes, patch.removed ?? []));
    versions.push({ version: patch.version - 1, text: older });
  }
  return versions;
}
