/**
 * Patterns: the algebra of path patterns without braces, and whether two of them have a path in common.
 *
 * A segment is a sequence of characters with stars between them, and a pattern is a sequence of segments
 * with `**` between them: the same thing at two levels, a `Run`. Neighbours in a run do not constrain each
 * other, which makes intersection simple and exact at both levels (`meets`):
 * - both starred: what stands before the first star must agree, and what stands after the last. The rest
 * always
 *   fits: the longer beginning, one's middle, the other's middle, the longer end is a word of both;
 * - one starred: the other has a fixed length, and each middle piece goes to the first place where it fits;
 * - none starred: place by place.
 * So no automaton is built, and the time is at most the product of the two lengths.
 */

import { ANY, type Cell, classCells, classEnd, foldPoint, foldText, sameCell } from "./characters.ts";

/**
 * A sequence of items, `starred` when anything may stand between its pieces; without a star all is in
 * `head`.
 */
export interface Run<T> {
  readonly head: readonly T[];
  readonly mids: readonly (readonly T[])[];
  readonly tail: readonly T[];
  readonly starred: boolean;
}

/** A segment with wildcards. */
export interface Glob {
  readonly text: string;
  readonly cells: Run<Cell>;
  /** The literal characters that any match begins with, and ends with. */
  readonly lead: string;
  readonly trail: string;
  /** What stands between the stars, when nothing but stars is special. */
  readonly words: readonly string[] | undefined;
}
/** One segment of a path pattern: literal text, or a glob. */
export type Segment = string | Glob;

/**
 * One way of a pattern or file to cover a path: without braces, its last segment's rule already applied.
 */
export interface Part extends Run<Segment> {
  /** The file or pattern it came from, as written in the canonical scope. */
  readonly source: string;
}

const NONE: readonly never[] = [];
const WILD = /[*?[]/;

/** Reads one segment that `normalisePattern` has let through and that is not `**`. */
export function segmentOf(text: string, fold: boolean): Segment {
  if (!WILD.test(text)) return fold ? foldText(text) : text;
  const runs: Cell[][] = [[]];
  for (let i = 0; i < text.length; ) {
    const run = runs.at(-1) as Cell[];
    const c = text[i];
    if (c === "*") {
      if (run.length > 0 || runs.length === 1) runs.push([]);
      i++;
    } else if (c === "?") {
      run.push(ANY);
      i++;
    } else if (c === "[") {
      const end = classEnd(text, i);
      const cells = classCells(text.slice(i, end), fold) as readonly number[];
      run.push(cells.length === 2 && cells[0] === cells[1] ? (cells[0] as number) : cells);
      i = end;
    } else {
      const point = text.codePointAt(i) as number;
      run.push(fold ? foldPoint(point) : point);
      i += point > 0xffff ? 2 : 1;
    }
  }
  const only = runs[0] as Cell[];
  if (runs.length === 1 && only.every((cell) => typeof cell === "number"))
    return String.fromCodePoint(...only);
  const last = runs.at(-1) as Cell[];
  const lead = only.slice(0, leading(only));
  const trail = last.slice(last.length - leading([...last].reverse()));
  const cells = runOf(runs);
  const isPlain = cells.starred && runs.every((run) => leading(run) === run.length);
  return {
    text,
    cells,
    lead: String.fromCodePoint(...(lead as number[])),
    trail: String.fromCodePoint(...(trail as number[])),
    words: isPlain ? cells.mids.map((run) => String.fromCodePoint(...(run as number[]))) : undefined,
  };
}

function leading(cells: readonly Cell[]): number {
  const at = cells.findIndex((cell) => typeof cell !== "number");
  return at < 0 ? cells.length : at;
}

/** The pieces between the stars, as a run; one piece is a run without a star. */
function runOf<T>(pieces: readonly (readonly T[])[]): Run<T> {
  const head = pieces[0] ?? NONE;
  if (pieces.length === 1) return { head, mids: NONE, tail: NONE, starred: false };
  const mids = pieces.slice(1, -1).filter((piece) => piece.length > 0);
  return { head, mids: mids.length === 0 ? NONE : mids, tail: pieces.at(-1) ?? NONE, starred: true };
}

/** What a canonical file covers: itself. */
export function filePart(file: string, fold: boolean): Part {
  const head = (fold ? foldText(file) : file).split("/");
  return { head, mids: NONE, tail: NONE, starred: false, source: file };
}

/** What an alternative of a canonical pattern covers. */
export function patternPart(alternative: string, source: string, fold: boolean): Part {
  if (alternative === ".") return { head: NONE, mids: NONE, tail: NONE, starred: true, source };
  if (!WILD.test(alternative)) {
    const head = (fold ? foldText(alternative) : alternative).split("/");
    return { head, mids: NONE, tail: NONE, starred: true, source };
  }
  const texts = alternative.split("/");
  const pieces: Segment[][] = [[]];
  for (const [at, text] of texts.entries()) {
    const isLast = at === texts.length - 1;
    const segment = text === "**" ? undefined : segmentOf(text, fold);
    const isStar = segment === undefined || (isLast && typeof segment !== "string" && isAnything(segment));
    if (!isStar) pieces.at(-1)?.push(segment);
    if (isStar || (isLast && typeof segment === "string")) pieces.push([]);
  }
  return { ...runOf(pieces), source };
}

/** `*`, however many times it is written. */
function isAnything({ cells }: Glob): boolean {
  return cells.starred && cells.head.length + cells.mids.length + cells.tail.length === 0;
}

/** Whether some sequence is in both runs, when `same` says whether two items have something in common. */
function meets<T>(a: Run<T>, b: Run<T>, same: (x: T, y: T) => boolean): boolean {
  if (!a.starred) {
    if (b.starred) return fits(a.head, b, same);
    return a.head.length === b.head.length && agrees(a.head, 0, b.head, 0, a.head.length, same);
  }
  if (!b.starred) return fits(b.head, a, same);
  const tail = Math.min(a.tail.length, b.tail.length);
  return (
    agrees(a.head, 0, b.head, 0, Math.min(a.head.length, b.head.length), same) &&
    agrees(a.tail, a.tail.length - tail, b.tail, b.tail.length - tail, tail, same)
  );
}

function agrees<T>(
  a: readonly T[],
  atA: number,
  b: readonly T[],
  atB: number,
  count: number,
  same: (x: T, y: T) => boolean,
): boolean {
  for (let i = 0; i < count; i++) if (!same(a[atA + i] as T, b[atB + i] as T)) return false;
  return true;
}

function fits<T>(fixed: readonly T[], { head, mids, tail }: Run<T>, same: (x: T, y: T) => boolean): boolean {
  const end = fixed.length - tail.length;
  if (head.length > end) return false;
  if (!agrees(fixed, 0, head, 0, head.length, same) || !agrees(fixed, end, tail, 0, tail.length, same))
    return false;
  let at = head.length;
  for (const mid of mids) {
    while (at + mid.length <= end && !agrees(fixed, at, mid, 0, mid.length, same)) at++;
    at += mid.length;
    if (at > end) return false;
  }
  return true;
}

/** Whether some name matches both segments. */
export function segmentsMeet(a: Segment, b: Segment): boolean {
  if (typeof a === "string") return typeof b === "string" ? a === b : matches(a, b);
  if (typeof b === "string") return matches(b, a);
  return a.text === b.text || meets(a.cells, b.cells, sameCell);
}

function matches(name: string, { cells, lead, trail, words }: Glob): boolean {
  if (!name.startsWith(lead) || !name.endsWith(trail)) return false;
  if (words !== undefined) {
    const end = name.length - trail.length;
    let at = lead.length;
    for (const word of words) {
      const found = name.indexOf(word, at);
      if (found < 0) return false;
      at = found + word.length;
    }
    return at <= end;
  }
  const points = Array.from(name, (c) => c.codePointAt(0) as number);
  return meets<Cell>({ head: points, mids: NONE, tail: NONE, starred: false }, cells, sameCell);
}

/** Whether some path is covered by both. */
export function partsMeet(a: Part, b: Part): boolean {
  return meets<Segment>(a, b, segmentsMeet);
}

/**
 * How many comparisons at each place of a path a part may ask for. Nothing for literal text and for stars
 * between literal text, which are searched for in one go.
 */
export function effortOf({ head, mids, tail }: Part): number {
  let effort = behindFirst(mids);
  for (const piece of [head, ...mids, tail]) {
    for (const segment of piece) {
      if (typeof segment === "string" || segment.words !== undefined) continue;
      effort += segment.cells.starred ? behindFirst(segment.cells.mids) : segment.cells.head.length;
    }
  }
  return effort;
}

function behindFirst(pieces: readonly (readonly unknown[])[]): number {
  return pieces.reduce((count, piece) => count + piece.length - 1, 0);
}
