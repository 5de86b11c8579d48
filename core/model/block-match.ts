/**
 * Matching: which block of a document a block of a newly read file continues.
 *
 * A fenced block continues the one of its id. Prose has no name of its own: it continues the only one
 * with its text, else the one behind the same fenced block, else the one before the same, else one with
 * the same text.
 */
import { numbered, PROSE, TEXT, type Written } from "./markpact.ts";

/**
 * The freshly read blocks, each under the id of the block it continues, or under an id the document has
 * not. `taken`: ids that are none of the document's and yet not free.
 */
export function matched(
  old: readonly Written[],
  fresh: readonly Written[],
  taken: Iterable<string> = [],
): readonly Written[] {
  const ids = new Map<Written, string>();
  const free = new Map(old.map((block) => [block.block, block]));
  const take = (block: Written, of: Written | undefined) => {
    if (of === undefined || ids.has(block) || !free.delete(of.block)) return;
    ids.set(block, of.block);
  };
  for (const block of fresh) {
    const same = free.get(block.block);
    if (!isProse(block) && same !== undefined && !isProse(same)) take(block, same);
  }
  const proseOf = old.filter(isProse);
  const behind = new Map(proseOf.map((block) => [neighbour(old, block, -1, (one) => one.block), block]));
  const before = new Map(proseOf.map((block) => [neighbour(old, block, 1, (one) => one.block), block]));
  const loose = fresh.filter(isProse);
  const known = (one: Written) => ids.get(one);
  const [only, onlyFresh] = [onlyOf(proseOf), onlyOf(loose)];
  for (const [text, block] of onlyFresh) if (block !== undefined) take(block, only.get(text));
  for (const block of loose) take(block, behind.get(neighbour(fresh, block, -1, known)));
  for (const block of loose) take(block, before.get(neighbour(fresh, block, 1, known)));
  for (const block of loose) {
    take(
      block,
      proseOf.find(({ block: id, text }) => free.has(id) && text === block.text),
    );
  }
  const used = new Set([...taken, ...old.map(({ block }) => block)]);
  return fresh.map((block) => {
    const id = ids.get(block);
    return { ...block, block: id ?? numbered(block.block.replace(/#\d+$/, ""), used) };
  });
}

/** Blocks by their text, where only one has it. */
function onlyOf(blocks: readonly Written[]): ReadonlyMap<string, Written | undefined> {
  const only = new Map<string, Written | undefined>();
  for (const block of blocks) only.set(block.text, only.has(block.text) ? undefined : block);
  return only;
}

function isProse({ kind }: Written): boolean {
  return kind === PROSE || kind === TEXT;
}

/** What stands next to a block, by id; an edge of the file has a name too. */
function neighbour(
  blocks: readonly Written[],
  of: Written,
  step: 1 | -1,
  idOf: (block: Written) => string | undefined,
): string | undefined {
  const next = blocks[blocks.indexOf(of) + step];
  return next === undefined ? "\u0000" : idOf(next);
}
