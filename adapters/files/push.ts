/**
 * Pushing: what an edited file asks of its document, block by block, against what the file was before.
 */
import { matched } from "../../core/model/block-match.ts";
import type { Written } from "../../core/model/markpact.ts";
import { type Changes, growth, mapChanges } from "../../core/model/patch.ts";
import { diffTexts } from "../../core/model/text-diff.ts";

/** A block as the file had it before it was edited, and the version that was. */
export interface BaseBlock extends Written {
  readonly version: number;
}

/** One thing to be asked of the document. */
export type Step =
  | {
      readonly do: "patch";
      readonly block: string;
      readonly base: number;
      readonly changes: Changes;
      readonly text: string;
    }
  | { readonly do: "insert"; readonly block: string; readonly content: string; readonly after?: string }
  | { readonly do: "remove"; readonly block: string; readonly base: number }
  | { readonly do: "move"; readonly block: string; readonly after?: string };

export interface PlanOptions {
  /** Ids that are taken in the document besides those of the base. */
  readonly taken: readonly string[];
  /** It is not known what the file was before: what only the document has stays, and where it stands. */
  readonly guessed: boolean;
}

/** The steps that make the document what the file became, on top of whatever others did. */
export function planPush(
  base: readonly BaseBlock[],
  file: readonly Written[],
  options: PlanOptions,
): readonly Step[] {
  const steps: Step[] = [];
  const known = new Map(base.map((block) => [block.block, block]));
  const now = matched(base, file, options.taken);
  const kept: string[] = [];
  const anew = new Set<string>();
  for (const block of now) {
    const was = known.get(block.block);
    if (was === undefined) continue;
    // A fence cannot be patched: a block with another one is another block of its name.
    if (was.open !== block.open || was.close !== block.close) {
      anew.add(block.block);
      steps.push({ do: "remove", block: block.block, base: was.version });
      continue;
    }
    kept.push(block.block);
    const changes = diffTexts(was.text, block.text);
    if (changes.length > 0) {
      steps.push({ do: "patch", block: block.block, base: was.version, changes, text: block.text });
    }
  }
  if (!options.guessed) {
    const there = new Set(now.map(({ block }) => block));
    for (const { block, version } of base) {
      if (!there.has(block)) steps.push({ do: "remove", block, base: version });
    }
  }
  const order = base.map(({ block }) => block).filter((block) => kept.includes(block));
  const still = options.guessed ? new Set(kept) : inOrder(kept, order);
  let previous: string | undefined;
  for (const { block, open = "", text, close = "" } of now) {
    const place = previous === undefined ? {} : { after: previous };
    if (anew.has(block) || !known.has(block)) {
      steps.push({ do: "insert", block, content: open + text + close, ...place });
    } else if (!still.has(block)) steps.push({ do: "move", block, ...place });
    previous = block;
  }
  return steps;
}

/** The most of the blocks that can stay where they are: a longest run that has the same order in both. */
function inOrder(now: readonly string[], before: readonly string[]): ReadonlySet<string> {
  const places = new Map(before.map((block, i) => [block, i]));
  const best: { readonly length: number; readonly from: number }[] = [];
  now.forEach((block, i) => {
    let length = 1;
    let from = -1;
    for (let j = 0; j < i; j++) {
      const longer = (best[j]?.length ?? 0) + 1;
      if ((places.get(now[j] as string) ?? 0) < (places.get(block) ?? 0) && longer > length) {
        length = longer;
        from = j;
      }
    }
    best.push({ length, from });
  });
  const stay = new Set<string>();
  let at = best.reduce((top, { length }, i) => (length > (best[top]?.length ?? 0) ? i : top), 0);
  for (; at >= 0 && best[at] !== undefined; at = best[at]?.from ?? -1) stay.add(now[at] as string);
  return stay;
}

/** A local change of `base` on top of what that text has become elsewhere. */
export function onTop(
  base: string,
  local: Changes,
  theirs: string,
): { readonly changes: Changes; readonly met: number } {
  const met = new Set<number>();
  const changes = mapChanges(local, diffTexts(base, theirs), false, (index) => met.add(index));
  return { changes, met: met.size };
}

/**
 * The most likely base of a text that nobody kept a record of: the version, newest first, that it differs
 * least from. A difference that also took back what others did would be larger.
 */
export function likelyBase(
  versions: Iterable<{ readonly version: number; readonly text: string }>,
  text: string,
): { readonly version: number; readonly text: string } | undefined {
  let best: { readonly version: number; readonly text: string } | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of versions) {
    const size = sizeOf(diffTexts(candidate.text, text));
    if (size < least) {
      best = candidate;
      least = size;
    }
    if (size === 0) break;
  }
  return best;
}

function sizeOf(changes: Changes): number {
  let size = 0;
  for (const one of changes) size += 2 * (one.insert?.length ?? 0) - growth([one]) + 1;
  return size;
}
