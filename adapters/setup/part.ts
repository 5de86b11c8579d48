/**
 * Parts: what Holdfast puts into one file, and how it is taken out again. Each is a function of the text that
 * is there, so that what will happen can be shown before it does.
 */

/** What becomes of a file. */
export type Outcome =
  /** Its text from then on; the same text when there is nothing to do. */
  | { readonly kind: "text"; readonly text: string }
  /** There is nothing left for it to hold. */
  | { readonly kind: "gone" }
  /** It is left as it is, and why; with what to put in by hand. */
  | { readonly kind: "left"; readonly why: string }
  /** It cannot be understood, so nothing at all is to be changed. */
  | { readonly kind: "broken"; readonly why: string };

/** What Holdfast has in one file. */
export interface Part {
  /** The file, relative to the root of the repository, with `/` between. */
  readonly path: string;
  /** What it is, for people. */
  readonly about: string;
  /** Puts it in; absent: there is no such file. Doing so twice is doing so once. */
  put(text: string | undefined): Outcome;
  /** Takes it out of a file, and nothing else. */
  strip(text: string): Outcome;
}

/** The outcome that a text stands from then on. */
export function standing(text: string): Outcome {
  return { kind: "text", text };
}

/** A file that is Holdfast's as a whole, known by a mark in it; one without the mark is somebody else's. */
export function ownFile(path: string, about: string, mark: string, text: string): Part {
  const isForeign = (found: string): boolean => !found.includes(mark);
  return {
    path,
    about,
    put(found) {
      if (found === undefined || !isForeign(found)) return standing(text);
      return {
        kind: "left",
        why: "somebody else's file of this name is there; rename it and run init again",
      };
    },
    strip: (found) => (isForeign(found) ? standing(found) : { kind: "gone" }),
  };
}

/** Two lines of a text file between which all is Holdfast's. */
export interface Marks {
  readonly begin: string;
  readonly end: string;
}

/** Marks in Markdown, which nobody sees when it is rendered. */
export const markdownMarks: Marks = { begin: "<!-- holdfast:begin -->", end: "<!-- holdfast:end -->" };
/** Marks where `#` begins a comment. */
export const hashMarks: Marks = { begin: "# holdfast:begin", end: "# holdfast:end" };

/** How a block stands in a file of others. */
export interface BlockOptions {
  /** Whether a file is made where there is none. Default: yes. */
  readonly make?: boolean;
  /** Whether a text has what the block would say without it. */
  readonly isSaid?: (text: string) => boolean;
}

/** A marked block in a text file, put at its end and found again by its marks. */
export function markedBlock(
  path: string,
  about: string,
  marks: Marks,
  lines: readonly string[],
  { make = true, isSaid = () => false }: BlockOptions = {},
): Part {
  return {
    path,
    about,
    put(found) {
      if (found === undefined) {
        return make ? standing(`${[marks.begin, ...lines, marks.end].join("\n")}\n`) : { kind: "gone" };
      }
      const eol = /\r\n/.test(found) ? "\r\n" : "\n";
      const block = [marks.begin, ...lines, marks.end].join(eol);
      const at = findBlock(found, marks);
      if (at === "torn") return torn(marks);
      if (at !== undefined) return standing(found.slice(0, at.from) + block + found.slice(at.to));
      if (isSaid(found)) return standing(found);
      const gap = /^\s*$/.test(found) ? "" : found.endsWith("\n") ? eol : eol + eol;
      return standing(`${found}${gap}${block}${eol}`);
    },
    strip(found) {
      const at = findBlock(found, marks);
      if (at === "torn") return torn(marks);
      if (at === undefined) return standing(found);
      const before = found.slice(0, at.from).replace(/(\r?\n)\r?\n$/, "$1");
      const rest = before + found.slice(at.to).replace(/^\r?\n/, "");
      return /^\s*$/.test(rest) ? { kind: "gone" } : standing(rest);
    },
  };
}

function torn({ begin, end }: Marks): Outcome {
  return {
    kind: "broken",
    why: `one of the lines ${begin} and ${end} is missing or doubled; mend that first`,
  };
}

/** Where the block stands, marks included. */
function findBlock(
  text: string,
  { begin, end }: Marks,
): { readonly from: number; readonly to: number } | undefined | "torn" {
  const [begins, ends] = [begin, end].map((mark) => linesThatAre(text, mark));
  if (begins?.length === 0 && ends?.length === 0) return undefined;
  const [from] = begins ?? [];
  const [last] = ends ?? [];
  const one = begins?.length === 1 && ends?.length === 1;
  if (!one || from === undefined || last === undefined || from > last) return "torn";
  return { from, to: last + end.length };
}

/** Where lines begin that are a mark and nothing else. */
function linesThatAre(text: string, mark: string): readonly number[] {
  const found: number[] = [];
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + 1)) {
    const starts = at === 0 || text[at - 1] === "\n" || (at === 1 && text[0] === "\uFEFF");
    if (starts && /^[ \t]*(\r?\n|$)/.test(text.slice(at + mark.length))) found.push(at);
  }
  return found;
}
