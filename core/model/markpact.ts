/**
 * Markpact: a Markdown file as ordered blocks, and back. A fenced code block at the top level whose info
 * string says `markpact:KIND` is a block of that kind; everything between such blocks is prose, blocks
 * too.
 *
 * Invariant: the blocks of a text, put one behind the other, are that text, byte for byte. What stands
 * around the text of a fenced block, its opening and closing line, is kept as it was written; only where
 * an edit makes it necessary does `render` lengthen a fence or end a line.
 */

/** The lines a fenced code block takes, `end` not included; lines end with LF, CR or CRLF. */
export interface Fence {
  readonly start: number;
  readonly end: number;
}

/**
 * Finds the fenced code blocks at the top level of a CommonMark document, those in lists, quotes, HTML
 * and other fences not among them, in order. A function given to core, so that no parser is loaded where
 * none is needed.
 */
export type FindFences = (text: string) => readonly Fence[];

/** A block as it is written. */
export interface Written {
  /** The block's id, unique in its document. */
  readonly block: string;
  /** `prose`, `text`, or what stands behind `markpact:`. */
  readonly kind: string;
  readonly lang?: string;
  /** The rest of the info string; `path=…` also where it was written `markpact:file=…`. */
  readonly meta?: string;
  /** The opening line of a fence, indentation and line end with it; prose has none. */
  readonly open?: string;
  readonly text: string;
  /** The closing line; a fence that nothing closes has none. */
  readonly close?: string;
}

/** Kind of what stands between fenced blocks. */
export const PROSE = "prose";
/** Kind and id of the only block of a plain text. */
export const TEXT = "text";

const LINE_END = /\r\n?|\n/g;
const OPENING = /^( {0,3})(`{3,}|~{3,})([^\r\n]*)(\r\n?|\n)?$/;
const CLOSING = /^ {0,3}(`{3,}|~{3,})[ \t]*(?:\r\n?|\n)?$/;
const INFO = /^(?:(?!markpact:)(\S+)[ \t]+)?markpact:([A-Za-z0-9][\w-]{0,63})(?:=(\S+))?(?:[ \t]+(.*))?$/;
const PATH = /(?:^|[ \t])path=(?:"([^"]*)"|'([^']*)'|(\S+))/;

/**
 * The blocks of a Markpact file. Ids: `prose`, `markpact:KIND` or `markpact:KIND=PATH`, the second of one
 * `…#2`.
 */
export function parseMarkpact(text: string, fencesOf: FindFences): readonly Written[] {
  const blocks: Written[] = [];
  const taken = new Set<string>();
  const starts = [0];
  for (const { 0: end, index } of text.matchAll(LINE_END)) starts.push(index + end.length);
  const offset = (line: number) => starts[line] ?? text.length;
  let at = 0;
  const prose = (to: number) => {
    if (to > at) blocks.push({ block: numbered(PROSE, taken), kind: PROSE, text: text.slice(at, to) });
  };
  for (const { start, end } of fencesOf(text)) {
    const block = fenced(text, offset(start), offset(start + 1), offset(end - 1), offset(end));
    if (block === undefined) continue;
    prose(offset(start));
    blocks.push({ block: numbered(idOf(block), taken), ...block });
    at = offset(end);
  }
  prose(text.length);
  return blocks;
}

/** The blocks of a plain text: one. */
export function parseText(text: string): readonly Written[] {
  return [{ block: TEXT, kind: TEXT, text }];
}

/**
 * The file path a block's info string names, as written; to be checked before anything is written there.
 */
export function pathOf({ meta }: { readonly meta?: string | undefined }): string | undefined {
  const found = meta === undefined ? null : PATH.exec(meta);
  return found === null ? undefined : (found[1] ?? found[2] ?? found[3]);
}

/** An id that is not taken yet: itself, or with a number behind it. Takes it. */
export function numbered(id: string, taken: Set<string>): string {
  let unique = id;
  for (let n = 2; taken.has(unique); n++) unique = `${id}#${n}`;
  taken.add(unique);
  return unique;
}

/** The id of a block before it is numbered. */
export function idOf(block: { readonly kind: string; readonly meta?: string | undefined }): string {
  if (block.kind === PROSE || block.kind === TEXT) return block.kind;
  const path = pathOf(block);
  const id = `markpact:${block.kind}`;
  return path === undefined || !isNameable(path) ? id : `${id}=${path}`;
}

/** A fence around a new block's text. */
export function fenceAround(kind: string, lang: string | undefined, meta: string | undefined) {
  const info = [lang, `markpact:${kind}`, meta].filter((part) => part !== undefined && part !== "").join(" ");
  // The info string of a fence of backticks has none in it.
  const fence = info.includes("`") ? "~~~" : "```";
  return { open: `${fence}${info}\n`, close: `${fence}\n` };
}

/** What an info string says, if it is one of a Markpact block. */
export function readInfo(
  info: string,
): { readonly kind: string; readonly lang?: string; readonly meta?: string } | undefined {
  const said = INFO.exec(info.trim());
  if (said === null) return undefined;
  const [, lang, kind = "", path, rest] = said;
  if (kind === PROSE || kind === TEXT) return undefined;
  const meta = [path === undefined ? "" : `path=${path}`, rest?.trim() ?? ""]
    .filter((part) => part !== "")
    .join(" ");
  return { kind, ...(lang === undefined ? {} : { lang }), ...(meta === "" ? {} : { meta }) };
}

/** The file: the blocks one behind the other, each fence as long as its text needs. */
export function render(blocks: readonly Omit<Written, "block" | "kind">[]): string {
  const parts: string[] = [];
  blocks.forEach(({ open, text, close }, i) => {
    const part = open === undefined ? text : fence(open, text, close, i === blocks.length - 1);
    // A fence begins a line; and what closed the fence above may have been the end of a file, without a
    // line end.
    const fences = open !== undefined || blocks[i - 1]?.open !== undefined;
    if (fences && parts.length > 0 && !endsLine(parts.at(-1) ?? "")) parts.push("\n");
    if (part !== "") parts.push(part);
  });
  return parts.join("");
}

/** One fenced block, as it is to be written behind a line end. */
function fence(open: string, text: string, close: string | undefined, last: boolean): string {
  const [, indent = "", marks = "```", info = "", end] = OPENING.exec(open) ?? [];
  const closing = close ?? (last ? undefined : `${indent}${marks}${end ?? "\n"}`);
  const bare = end === undefined && text === "" && closing === undefined;
  const longer = lengthFor(text, marks);
  const opened =
    longer === marks.length ? open : `${indent}${marks.charAt(0).repeat(longer)}${info}${end ?? ""}`;
  const body = `${opened}${bare || end !== undefined ? "" : "\n"}${text}`;
  if (closing === undefined) return body;
  const ending = text === "" || endsLine(text) ? "" : (end ?? "\n");
  return `${body}${ending}${lengthened(closing, marks, longer)}`;
}

/** The closing line, at least as long as the fence it closes. */
function lengthened(close: string, marks: string, longer: number): string {
  if (longer === marks.length) return close;
  const mark = marks.charAt(0);
  const had = close.length - close.replaceAll(mark, "").length;
  return had >= longer ? close : close.replace(mark, mark.repeat(longer - had + 1));
}

/** How long a fence must be so that no line of the text closes it. */
function lengthFor(text: string, marks: string): number {
  if (!text.includes(marks)) return marks.length;
  let longest = marks.length - 1;
  const closer = marks.startsWith("~") ? /(?<=^|[\r\n]) {0,3}(~{3,})[ \t]*(?=[\r\n]|$)/g : CLOSER;
  for (const [, run = ""] of text.matchAll(closer)) longest = Math.max(longest, run.length);
  return longest + 1;
}

const CLOSER = /(?<=^|[\r\n]) {0,3}(`{3,})[ \t]*(?=[\r\n]|$)/g;

function endsLine(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last === 0x0a || last === 0x0d;
}

/**
 * Reads a fence from its lines: the opening one from `from` to `body`, the last one from `last` to `end`.
 */
function fenced(text: string, from: number, body: number, last: number, end: number) {
  const open = text.slice(from, body);
  const [, , marks = "", info = ""] = OPENING.exec(open) ?? [];
  const said = marks === "" ? undefined : readInfo(info);
  if (said === undefined) return undefined;
  const close = last >= body ? text.slice(last, end) : "";
  const run = CLOSING.exec(close)?.[1] ?? "";
  const closes = run.length >= marks.length && run.charAt(0) === marks.charAt(0);
  return closes
    ? { ...said, open, text: text.slice(body, last), close }
    : { ...said, open, text: text.slice(body, end) };
}

/** Whether a path can stand in an id. */
function isNameable(path: string): boolean {
  return (
    path.length <= 150 && !/[\p{Cc}\p{Zs}\p{Zl}\p{Zp}\ufeff]/u.test(path) && path.normalize("NFC") === path
  );
}
