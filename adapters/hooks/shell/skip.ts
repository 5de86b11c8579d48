/**
 * Finds where things end in a shell command: `$(…)`, `${…}`, backticks, here-documents. No recursion, and
 * a budget that all searches in one command share, so that no nesting makes reading slower than linear.
 */

/** Characters that may still be looked at. */
export interface Budget {
  left: number;
}

/** A here-document that begins after the current line. */
export interface Delimiter {
  readonly text: string;
  /** `<<-`: leading tabs do not count. */
  readonly isIndented: boolean;
}

const NOT_FOUND = -1;

/**
 * The index behind the bracket that closes what was opened right before `start`: `(` of a command, `{` of
 * `${`. Negative when it never closes or the budget is used up.
 */
export function endOf(text: string, start: number, opened: "(" | "{", budget: Budget): number {
  const open: string[] = [opened];
  const waiting: Delimiter[] = [];
  let i = start;
  while (i < text.length && budget.left > 0) {
    const before = i;
    const c = text[i] as string;
    const mode = open[open.length - 1];
    if (c === "\\") i += 2;
    else if (c === "`") i = endOfBackticks(text, i + 1);
    else if (c === "$" && (text[i + 1] === "(" || text[i + 1] === "{")) {
      open.push(text[i + 1] as string);
      i += 2;
    } else if (c === '"') {
      if (mode === '"') open.pop();
      else open.push('"');
      i++;
    } else if (mode === '"') i++;
    else if (mode === "{") {
      if (c === "}") open.pop();
      i++;
    } else i = afterPlain(text, i, open, waiting);
    if (i < 0) return NOT_FOUND;
    budget.left -= i - before;
    if (open.length === 0) return i <= text.length ? i : NOT_FOUND;
  }
  return NOT_FOUND;
}

/** One step among plain words of a command: quotes, comments, brackets, here-documents. */
function afterPlain(text: string, i: number, open: string[], waiting: Delimiter[]): number {
  const c = text[i] as string;
  if (c === "'") {
    const end = text.indexOf("'", i + 1);
    return end < 0 ? NOT_FOUND : end + 1;
  }
  if (c === "(") open.push("(");
  else if (c === ")") open.pop();
  else if (c === "#" && /[\s;&|(]/.test(text[i - 1] ?? " ")) return lineEnd(text, i);
  else if (c === "<" && text[i + 1] === "<" && text[i + 2] !== "<") {
    const found = delimiterAt(text, i + 2);
    if (found === undefined) return i + 2;
    waiting.push(found.delimiter);
    return found.end;
  } else if (c === "<" && text.startsWith("<<<", i)) return i + 3;
  else if (c === "\n" && waiting.length > 0) {
    let next = i + 1;
    for (const delimiter of waiting.splice(0)) next = bodyAt(text, next, delimiter).end;
    return next;
  }
  return i + 1;
}

/** The index behind the closing backtick. */
export function endOfBackticks(text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "`") return i + 1;
  }
  return NOT_FOUND;
}

/** The index of the line's end, the newline not included. */
export function lineEnd(text: string, start: number): number {
  const end = text.indexOf("\n", start);
  return end < 0 ? text.length : end;
}

/** What ends a here-document, as written behind `<<`; nothing where it is no such thing (`1 << 2`). */
export function delimiterAt(
  text: string,
  start: number,
): { readonly delimiter: Delimiter; readonly isQuoted: boolean; readonly end: number } | undefined {
  const pattern = /(-?)[ \t]*((?:[\w.%+@/!:,=-]|\\.|'[^'\n]{0,200}'|"[^"\n]{0,200}"){1,200})/y;
  pattern.lastIndex = start;
  const found = pattern.exec(text);
  if (found === null) return undefined;
  const word = found[2] as string;
  if (/^\d/.test(word)) return undefined;
  return {
    delimiter: { text: word.replace(/['"\\]/g, ""), isIndented: found[1] === "-" },
    isQuoted: /['"\\]/.test(word),
    end: start + found[0].length,
  };
}

/** The body of a here-document that begins at `start`, and the index behind its last line. */
export function bodyAt(
  text: string,
  start: number,
  delimiter: Delimiter,
): { readonly body: string; readonly end: number; readonly isClosed: boolean } {
  let at = start;
  while (at < text.length) {
    const end = lineEnd(text, at);
    const line = text.slice(at, end).replace(/\r$/, "");
    if ((delimiter.isIndented ? line.replace(/^\t+/, "") : line) === delimiter.text)
      return { body: text.slice(start, at), end: Math.min(end + 1, text.length), isClosed: true };
    at = end + 1;
  }
  return { body: text.slice(start), end: text.length, isClosed: false };
}
