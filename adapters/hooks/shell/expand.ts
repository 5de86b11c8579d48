/**
 * What a word becomes: braces and known names are unfolded, quotes removed, plain globs kept as patterns.
 * What only running would tell stays unknown.
 */
import { limits } from "../../../core/limits.ts";
import { normalisePattern } from "../../../core/model/paths.ts";
import { type Arg, literal } from "./sink.ts";
import type { Word } from "./words.ts";

/** What is known of the shell's variables; a name that is not in it comes from outside and is unknown. */
export type Names = ReadonlyMap<string, string | undefined>;

interface Part {
  readonly text: string;
  readonly isQuoted: boolean;
  /** Came out of a variable: braces in it are characters. */
  readonly isValue: boolean;
}

const UNKNOWN: readonly Arg[] = [{}];

/** The arguments that a word stands for; one that nothing is known of where any part of it is unknown. */
export function expand(word: Word, names: Names): readonly Arg[] {
  const parts: Part[] = [];
  for (const piece of word) {
    if (piece.kind === "unknown") {
      if (piece.isPipe !== true || word.length > 1) return UNKNOWN;
      return [{ text: "/dev/fd/63" }];
    }
    if (piece.kind === "text") parts.push({ text: piece.text, isQuoted: piece.isQuoted, isValue: false });
    else {
      const value = names.get(piece.name);
      if (value === undefined) return UNKNOWN;
      if (!piece.isQuoted && (/\s/.test(value) || value === "")) return split(word, value);
      parts.push({ text: value, isQuoted: piece.isQuoted, isValue: true });
    }
  }
  const first = parts[0];
  if (first !== undefined && !first.isQuoted && !first.isValue && first.text.startsWith("~")) return UNKNOWN;
  const isBraced = parts.some(({ text, isQuoted, isValue }) => !isQuoted && !isValue && text.includes("{"));
  if (!isBraced) return [argOf(parts)];
  return unbraced(parts)?.map(argOf) ?? UNKNOWN;
}

/** An unquoted value falls apart at its blanks; inside a longer word that is too rare to follow. */
function split(word: Word, value: string): readonly Arg[] {
  if (word.length > 1) return UNKNOWN;
  const words = value.split(/\s+/).filter((text) => text !== "");
  if (words.length > limits.shellWordsMax) return UNKNOWN;
  return words.map((text) => argOf([{ text, isQuoted: false, isValue: true }]));
}

function argOf(parts: readonly Part[]): Arg {
  const text = parts.map((part) => part.text).join("");
  // What is longer than any path is no path.
  if (text.length > limits.hookPathMax || !parts.some(isGlob)) return { text };
  const pattern = parts.map(patternOf).join("");
  const isSound = "pattern" in normalisePattern(pattern.replace(/^(?:\.{0,2}\/+)+/, ""));
  return isSound ? { text, pattern } : {};
}

function isGlob({ text, isQuoted }: Part): boolean {
  if (isQuoted) return false;
  const open = text.indexOf("[");
  return /[*?]/.test(text) || (open >= 0 && text.indexOf("]", open + 2) > 0);
}

function patternOf({ text, isQuoted }: Part): string {
  if (isQuoted) return literal(text);
  // A bracket that does not close means itself, and so do braces by now.
  const last = text.lastIndexOf("]");
  return text.replace(/[{[]/g, (c, at: number) => (c === "[" && at < last - 1 ? c : `[${c}]`));
}

// Braces, character by character: only short words have any.

interface Cell {
  readonly c: string;
  readonly isLive: boolean;
}

function unbraced(parts: readonly Part[]): readonly (readonly Part[])[] | undefined {
  const length = parts.reduce((sum, part) => sum + part.text.length, 0);
  if (length > limits.hookPathMax) return undefined;
  const cells = parts.flatMap((part) =>
    [...part.text].map((c) => ({ c, isLive: !part.isQuoted && !part.isValue })),
  );
  if (cells.filter((cell) => isLive(cell, "{")).length > limits.shellWordsMax) return undefined;
  const open: (readonly Cell[])[] = [cells];
  const done: (readonly Part[])[] = [];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const options = firstBrace(next);
    if (options === undefined) done.push(joined(next));
    else open.push(...options.toReversed());
    if (open.length + done.length > limits.shellWordsMax) return undefined;
  }
  return done;
}

/** The words that the first brace with alternatives unfolds to; nothing when there is none. */
function firstBrace(cells: readonly Cell[]): readonly (readonly Cell[])[] | undefined {
  for (let i = 0; i < cells.length; i++) {
    if (!isLive(cells[i], "{") || isLive(cells[i - 1], "$")) continue;
    const found = optionsAt(cells, i);
    if (found === undefined) continue;
    const [before, after] = [cells.slice(0, i), cells.slice(found.end + 1)];
    return found.options.map((option) => [...before, ...option, ...after]);
  }
  return undefined;
}

function optionsAt(
  cells: readonly Cell[],
  start: number,
): { readonly options: readonly (readonly Cell[])[]; readonly end: number } | undefined {
  const options: (readonly Cell[])[] = [];
  let depth = 0;
  let from = start + 1;
  for (let i = start; i < cells.length; i++) {
    if (isLive(cells[i], "{")) depth++;
    else if (isLive(cells[i], "}")) depth--;
    if (depth > 1 || (depth === 1 && !isLive(cells[i], ","))) continue;
    options.push(cells.slice(from, i));
    from = i + 1;
    if (depth > 0) continue;
    if (options.length > 1) return { options, end: i };
    const range = rangeOf(options[0] ?? []);
    return range === undefined ? undefined : { options: range, end: i };
  }
  return undefined;
}

/** `1..3`. */
function rangeOf(cells: readonly Cell[]): readonly (readonly Cell[])[] | undefined {
  const found = /^(\d{1,9})\.\.(\d{1,9})$/.exec(cells.map(({ c }) => c).join(""));
  if (found === null) return undefined;
  const [from, to] = [Number(found[1]), Number(found[2])];
  const count = Math.min(Math.abs(to - from) + 1, limits.shellWordsMax + 1);
  const step = to < from ? -1 : 1;
  return Array.from({ length: count }, (_, i) =>
    [...String(from + i * step)].map((c) => ({ c, isLive: false })),
  );
}

function isLive(cell: Cell | undefined, c: string): boolean {
  return cell?.isLive === true && cell.c === c;
}

function joined(cells: readonly Cell[]): readonly Part[] {
  return cells.map(({ c, isLive }) => ({ text: c, isQuoted: !isLive, isValue: false }));
}

/** The value that a word gives a variable: not split, no patterns; nothing when it is not known. */
export function valueIn(word: Word, names: Names): string | undefined {
  let value = "";
  for (const piece of word) {
    const text =
      piece.kind === "text" ? piece.text : piece.kind === "name" ? names.get(piece.name) : undefined;
    if (text === undefined) return undefined;
    value += text;
  }
  const [first] = word;
  const isHome = first?.kind === "text" && !first.isQuoted && first.text.startsWith("~");
  return isHome || value.length > limits.hookCommandMax ? undefined : value;
}
