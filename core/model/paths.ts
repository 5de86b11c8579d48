/**
 * Paths: the one spelling of a file or pattern, and what is wrong with it when it has none.
 *
 * Both are relative to the root of a worktree: NFC, `/` between segments, no `.`, `..` or empty segment.
 * Braces are unfolded here; everything behind this file deals with alternatives, in which only `*`, `?` and
 * classes are special.
 */
import { limits } from "../limits.ts";
import { classCells, classEnd } from "./characters.ts";
import { segmentOf } from "./patterns.ts";

/** `outside`: absolute, beginning with `~`, or above the root. `invalid`: means nothing, and why. */
export type PathProblem = { readonly kind: "outside" } | { readonly kind: "invalid"; readonly why: string };

/** A canonical pattern: its text, and the brace-free alternatives that it stands for. */
export interface Pattern {
  readonly text: string;
  readonly alternatives: readonly string[];
}

/** Whatever needs more than a look: not ASCII, `\`, absolute, `~`, or segments that fold away. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is the fast path
const UNSETTLED = /[^\x00-\x5b\x5d-\x7f]|^[~/]|^[A-Za-z]:|(?:^|\/)\.{0,2}(?:\/|$)/;
const BRACED = /[{[]/;
const OUTSIDE: PathProblem = { kind: "outside" };

function invalid(why: string): PathProblem {
  return { kind: "invalid", why };
}

/**
 * The canonical spelling of an exact file name, in which no character is special; `undefined` for the root.
 */
export function normaliseFile(text: string): { readonly path: string } | { readonly problem: PathProblem } {
  if (text.length > limits.pathMax) return { problem: tooLong };
  if (!UNSETTLED.test(text)) return { path: text };
  if (text === "") return { problem: invalid("is empty") };
  const folded = foldSegments(slashed(text), () => false);
  if (typeof folded !== "string") return { problem: folded };
  if (folded === ".") return { problem: invalid("names a folder, not a file") };
  return folded.length > limits.pathMax ? { problem: tooLong } : { path: folded };
}

const tooLong = invalid(`is longer than ${limits.pathMax} characters`);

/** The canonical spelling of a pattern, `.` for the root, and its alternatives. */
export function normalisePattern(
  text: string,
): { readonly pattern: Pattern } | { readonly problem: PathProblem } {
  if (text.length > limits.pathMax) return { problem: tooLong };
  const unsettled = UNSETTLED.test(text);
  if (!unsettled && !BRACED.test(text)) return { pattern: { text, alternatives: [text] } };
  if (text === "") return { problem: invalid("is empty") };
  const pieces = piecesOf(slashed(text));
  if (!Array.isArray(pieces)) return { problem: pieces as PathProblem };
  const alternatives = new Set<string>();
  for (const raw of unfold(pieces)) {
    if (raw === "") return { problem: invalid("an alternative is empty") };
    const folded = foldSegments(raw.normalize("NFC"), isWild);
    if (typeof folded !== "string") return { problem: folded };
    alternatives.add(folded);
  }
  const canonical = canonicalText(pieces, [...alternatives]);
  if (canonical.length > limits.pathMax) return { problem: tooLong };
  return { pattern: { text: canonical, alternatives: [...alternatives] } };
}

/** The alternatives of a text that `normalisePattern` has made. */
export function alternativesOf(canonical: string): readonly string[] {
  if (!canonical.includes("{")) return [canonical];
  const result = normalisePattern(canonical);
  return "pattern" in result ? result.pattern.alternatives : [];
}

function slashed(text: string): string {
  return text.replaceAll("\\", "/").normalize("NFC");
}

function isWild(segment: string): boolean {
  return segment === "**" || typeof segmentOf(segment, false) !== "string";
}

/** Folds `.`, `..` and empty segments away; `.` when nothing is left. */
function foldSegments(text: string, wild: (segment: string) => boolean): string | PathProblem {
  if (text.startsWith("/")) return OUTSIDE;
  const segments: string[] = [];
  for (const segment of text.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") segments.push(segment);
    else if (segments.some(wild)) return invalid("`..` after a wildcard");
    else if (segments.pop() === undefined) return OUTSIDE;
  }
  const folded = segments.join("/");
  if (folded.startsWith("~") || /^[A-Za-z]:(?:\/|$)/.test(folded)) return OUTSIDE;
  return folded === "" ? "." : folded;
}

/** A text between braces, or the alternatives within. */
type Piece = string | readonly string[];

/** Takes a pattern apart at its braces, checking classes on the way. */
function piecesOf(text: string): readonly Piece[] | PathProblem {
  const pieces: Piece[] = [];
  let options: string[] | undefined;
  let start = 0;
  let count = 1;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "[") {
      const end = classEnd(text, i);
      if (end < 0) return invalid("an unclosed `[`: write `[[]` for the character itself");
      const cells = classCells(text.slice(i, end), false);
      if (typeof cells === "string") return invalid(cells);
      i = end - 1;
    } else if (c === "{") {
      if (options !== undefined) return invalid("nested braces");
      pieces.push(text.slice(start, i));
      options = [];
      start = i + 1;
    } else if (options !== undefined && (c === "," || c === "}")) {
      options.push(text.slice(start, i));
      start = i + 1;
      if (c === ",") continue;
      if (options.length === 1 && /^-?\w+\.\.-?\w+/.test(options[0] as string))
        return invalid("a range in braces");
      count *= options.length;
      if (count > limits.alternativesMax) return invalid(`more than ${limits.alternativesMax} alternatives`);
      pieces.push(options);
      options = undefined;
    }
  }
  if (options !== undefined) return invalid("an unclosed `{`: write `[{]` for the character itself");
  pieces.push(text.slice(start));
  return pieces;
}

function unfold(pieces: readonly Piece[]): readonly string[] {
  let texts: readonly string[] = [""];
  for (const piece of pieces) {
    const options = typeof piece === "string" ? [piece] : piece;
    texts = texts.flatMap((text) => options.map((option) => text + option));
  }
  return texts;
}

/**
 * Keeps the braces as written where each stays within one ordinary segment, since folding the others then
 * does the same to every alternative. Otherwise one brace around all alternatives says the same.
 */
function canonicalText(pieces: readonly Piece[], alternatives: readonly string[]): string {
  if (pieces.length === 1) return alternatives[0] as string;
  const segments: Piece[][] = [[]];
  for (const piece of pieces) {
    const [first, ...rest] = typeof piece === "string" ? piece.split("/") : [piece];
    segments.at(-1)?.push(first as Piece);
    for (const next of rest) segments.push([next]);
  }
  const texts = segments.map((segment) =>
    segment.map((piece) => (typeof piece === "string" ? piece : `{${piece.join(",")}}`)).join(""),
  );
  const whole = segments.every(
    (segment) => segment.length === 1 || unfold(segment).every((text) => !/^\.{0,2}$|\//.test(text)),
  );
  const folded = whole ? foldSegments(texts.join("/"), () => false) : undefined;
  if (typeof folded === "string") return folded;
  const escaped = alternatives.map((text) =>
    text.replace(/\[[!^]?\]?[^\]]*\]|[,}]/g, (c) => (c.length > 1 ? c : `[${c}]`)),
  );
  return escaped.length === 1 ? (alternatives[0] as string) : `{${escaped.join(",")}}`;
}
