/**
 * Characters: what one place of a glob may hold, classes such as `[a-c]`, and comparing without case.
 *
 * A `/` is in no class, and under case folding neither is a character that folding changes, since no folded
 * path has one: so two classes have a character in common exactly when their ranges meet.
 */

/** What one character may be: a code point, or sorted disjoint ranges `[from, to, from, to, …]`. */
export type Cell = number | readonly number[];

const SLASH = 0x2f;
const LAST_POINT = 0x10ffff;
/** Any character of a segment: what `?` stands for. */
export const ANY: Cell = [0, SLASH - 1, SLASH + 1, LAST_POINT];

/**
 * Where a class that begins at `at` ends (behind its `]`), or -1 when nothing closes it within its segment.
 */
export function classEnd(text: string, at: number): number {
  let i = at + 1;
  if (text[i] === "!" || text[i] === "^") i++;
  if (text[i] === "]") i++;
  while (i < text.length && text[i] !== "]") {
    if (text[i] === "/") return -1;
    i++;
  }
  return i < text.length ? i + 1 : -1;
}

/** What a whole class `[…]` admits, or a word on what is wrong with it. */
export function classCells(text: string, fold: boolean): readonly number[] | string {
  if (/^\[[!^]?\[[:.=]/.test(text)) return "named classes such as [:alpha:] are not known";
  const negated = text[1] === "!" || text[1] === "^";
  const points = Array.from(text.slice(negated ? 2 : 1, -1), (c) => c.codePointAt(0) as number);
  const ranges: [number, number][] = [];
  for (let i = 0; i < points.length; i++) {
    const from = points[i] as number;
    const to = points[i + 1] === 0x2d ? points[i + 2] : undefined;
    if (to === undefined) ranges.push([from, from]);
    else if (to < from) return `the range ${String.fromCodePoint(from, 0x2d, to)} runs backwards`;
    else ranges.push([from, to]);
    if (to !== undefined) i += 2;
  }
  const folded = fold ? foldedRanges(ranges) : ranges;
  const sorted = negated
    ? without([[0, LAST_POINT]], joined(fold ? [...folded, ...cased()] : folded))
    : folded;
  const cells = without(joined(sorted), [[SLASH, SLASH]]).flat();
  return cells.length === 0 ? "a class that no character matches" : cells;
}

function joined(ranges: readonly (readonly [number, number])[]): [number, number][] {
  const out: [number, number][] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return out;
}

/** Both sorted and disjoint. */
function without(
  ranges: readonly (readonly [number, number])[],
  holes: readonly (readonly [number, number])[],
) {
  const out: [number, number][] = [];
  for (const [from, to] of ranges) {
    let next = from;
    for (const [first, last] of holes) {
      if (last < next || first > to) continue;
      if (first > next) out.push([next, first - 1]);
      next = last + 1;
    }
    if (next <= to) out.push([next, to]);
  }
  return out;
}

/**
 * Folds case one code point at a time, so that the fold of a text is the fold of its parts; a character
 * whose lower case is longer than one code point stays as it is.
 */
export function foldText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is the fast path
  if (/^[\x00-\x7f]*$/.test(text)) return text.toLowerCase();
  let out = "";
  for (const c of text) out += String.fromCodePoint(foldPoint(c.codePointAt(0) as number));
  return out;
}

/** The fold of one code point. */
export function foldPoint(point: number): number {
  const lower = String.fromCodePoint(point).toLowerCase();
  const folded = lower.codePointAt(0) as number;
  return lower.length === (folded > 0xffff ? 2 : 1) ? folded : point;
}

/** No character above this one has a case. */
const CASED_LAST = 0x1ffff;
let casedRanges: [number, number][] | undefined;

/** The code points that folding changes: none of them occurs in a folded path. */
function cased(): [number, number][] {
  if (casedRanges === undefined) {
    const points: [number, number][] = [];
    for (let c = 0; c <= CASED_LAST; c++) if (foldPoint(c) !== c) points.push([c, c]);
    casedRanges = joined(points);
  }
  return casedRanges;
}

function foldedRanges(ranges: readonly [number, number][]): [number, number][] {
  const out: [number, number][] = [];
  for (const [from, to] of ranges) {
    for (const [first, last] of cased()) {
      for (let c = Math.max(from, first); c <= Math.min(to, last); c++)
        out.push([foldPoint(c), foldPoint(c)]);
    }
  }
  return [...out, ...without(joined(ranges), cased())];
}

/** Whether some character is in both. */
export function sameCell(a: Cell, b: Cell): boolean {
  if (typeof a === "number") return typeof b === "number" ? a === b : within(a, a, b);
  if (typeof b === "number") return within(b, b, a);
  for (let i = 0; i < a.length; i += 2) if (within(a[i] as number, a[i + 1] as number, b)) return true;
  return false;
}

function within(from: number, to: number, ranges: readonly number[]): boolean {
  for (let i = 0; i < ranges.length; i += 2) {
    if ((ranges[i] as number) <= to && from <= (ranges[i + 1] as number)) return true;
  }
  return false;
}
