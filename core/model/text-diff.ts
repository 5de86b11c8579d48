/**
 * Text difference: the changes that make one text of another, small enough to merge well with others'.
 *
 * First lines are compared, then the words of what differs. Where two texts have too little in common for
 * that to end soon, the stretch is replaced as a whole: the result is then coarser, never wrong. No cut
 * falls inside a surrogate pair or a CRLF. A function of the two texts alone.
 */
import { diffArrays } from "diff/lib/diff/array.js";
import { limits } from "../limits.ts";
import { type Change, type Changes, change } from "./patch.ts";

/**
 * Lines (or words) that may differ before a stretch is given up on: the time it takes grows with its
 * square.
 */
const LINES_APART_MAX = 1000;
const WORDS_APART_MAX = 200;
/** Longest stretch that is compared word by word, in code units. */
const STRETCH_MAX = 8192;

const LINE = /[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+/g;
const WORD = /\r\n|[\p{L}\p{N}_]+|[^\S\r\n]+|./gsu;

/** Canonical changes that make `to` of `from`; at most `limits.changesMax`. */
export function diffTexts(from: string, to: string): Changes {
  if (from === to) return [];
  const head = commonHead(from, to);
  const tail = commonTail(from, to, head);
  const before = from.slice(head, from.length - tail);
  const after = to.slice(head, to.length - tail);
  const changes = before === "" || after === "" ? whole(before, after) : byLines(before, after);
  const fitting = changes.length > limits.changesMax ? whole(before, after) : changes;
  return fitting.map((one) => change(one.from + head, (one.to ?? one.from) + head, one.insert ?? ""));
}

function whole(before: string, after: string): Changes {
  return [change(0, before.length, after)];
}

function byLines(before: string, after: string): Changes {
  const hunks = hunksOf(before.match(LINE) ?? [], after.match(LINE) ?? [], LINES_APART_MAX);
  if (hunks === undefined) return whole(before, after);
  return hunks.flatMap((hunk) => {
    const { from, to = from, insert = "" } = hunk;
    if (to === from || insert === "" || to - from > STRETCH_MAX || insert.length > STRETCH_MAX) return [hunk];
    const words = before.slice(from, to).match(WORD) ?? [];
    const finer = hunksOf(words, insert.match(WORD) ?? [], WORDS_APART_MAX);
    if (finer === undefined) return [hunk];
    return finer.map((one) => change(one.from + from, (one.to ?? one.from) + from, one.insert ?? ""));
  });
}

/** What differs between two lists of parts, in offsets of the first; `undefined` when it is too much. */
function hunksOf(before: string[], after: string[], apartMax: number): Changes | undefined {
  const parts = diffArrays(before, after, { maxEditLength: apartMax });
  if (parts === undefined) return undefined;
  const changes: Change[] = [];
  let at = 0;
  let taken = 0;
  let put = "";
  const flush = () => {
    if (taken > 0 || put !== "") changes.push(change(at, at + taken, put));
    at += taken;
    taken = 0;
    put = "";
  };
  for (const { added, removed, value } of parts) {
    const text = value.join("");
    if (added) put += text;
    else if (removed) taken += text.length;
    else {
      flush();
      at += text.length;
    }
  }
  flush();
  return changes;
}

function commonHead(a: string, b: string): number {
  const max = Math.min(a.length, b.length);
  let at = 0;
  while (at < max && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return isInner(a, at) || isInner(b, at) ? at - 1 : at;
}

function commonTail(a: string, b: string, head: number): number {
  const max = Math.min(a.length, b.length) - head;
  let length = 0;
  while (length < max && a.charCodeAt(a.length - 1 - length) === b.charCodeAt(b.length - 1 - length))
    length++;
  return isInner(a, a.length - length) || isInner(b, b.length - length) ? length - 1 : length;
}

/** Whether a cut here would fall inside a surrogate pair or a CRLF. */
function isInner(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (code === 0x0a) return text.charCodeAt(at - 1) === 0x0d;
  if ((code & 0xfc00) !== 0xdc00) return false;
  return (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
}
