/**
 * Changes for people: a patch on one line, like `12 -"old" +"new"`.
 */
import type { Changes } from "../../core/model/patch.ts";
import { safeLine } from "./render.ts";

/** Characters of each text, and changes, that are shown. */
const TEXT = 40;
const SHOWN = 4;

/**
 * Each change as its offset, what it takes away (how much, where that is not known) and what it puts in.
 */
export function changesText(changes: Changes, removed?: readonly string[]): string {
  const parts = changes.slice(0, SHOWN).map(({ from, to = from, insert = "" }, i) => {
    const gone = removed?.[i];
    const minus = to === from ? "" : gone === undefined ? ` -${to - from}` : ` -${quoted(gone)}`;
    return `${from}${minus}${insert === "" ? "" : ` +${quoted(insert)}`}`;
  });
  if (changes.length > SHOWN) parts.push(`and ${changes.length - SHOWN} more`);
  return parts.join(", ");
}

function quoted(text: string): string {
  const shown = text.length > TEXT ? `${text.slice(0, TEXT - 1)}…`.toWellFormed() : text;
  return safeLine(JSON.stringify(shown));
}
