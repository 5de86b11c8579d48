/**
 * Rendering for terminals: tables for people, JSON for programs. Whatever agents wrote is stripped of
 * everything a terminal would obey.
 */
import { fstatSync, writeSync } from "node:fs";
import { safeLine, safeText } from "../place/plain.ts";

export { safeLine, safeText };

/**
 * As far as that can be told without node:tty, which would cost a tenth of the start: the null device looks
 * like one.
 */
function looksLikeTerminal(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isCharacterDevice();
  } catch {
    return false;
  }
}

/** Whether stdout may be coloured. */
export function mayColour(env: NodeJS.ProcessEnv = process.env, isTerminal = looksLikeTerminal(1)): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== "") return false;
  return isTerminal && env.TERM !== "dumb";
}

const STYLES = { bold: ["\u001b[1m", "\u001b[22m"], dim: ["\u001b[2m", "\u001b[22m"] } as const;

/** Text in a style, where colours may be used. The text must be safe already. */
export function styled(style: keyof typeof STYLES, text: string, colour = mayColour()): string {
  const [on, off] = STYLES[style];
  return colour ? `${on}${text}${off}` : text;
}

/** A table: columns under their heads, the last one as wide as it likes. Cells are made safe. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly (string | number | undefined)[])[],
  colour = mayColour(),
): string {
  const cells = rows.map((row) => heads.map((_, i) => safeLine(String(row[i] ?? ""))));
  const widths = heads.map((head, i) => Math.max(head.length, ...cells.map((row) => width(row[i] ?? ""))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell + " ".repeat((widths[i] ?? 0) - width(cell))))
      .join("  ")
      .trimEnd();
  return [styled("bold", line(heads), colour), ...cells.map(line)].join("\n");
}

// Graphemes are not counted; code points come near enough for columns.
function width(text: string): number {
  return /^[\u0020-\u007e]*$/.test(text) ? text.length : [...text].length;
}

/** Where a verb writes: data to stdout, words to stderr. */
export interface Output {
  readonly json: boolean;
  /** Data: the value as one line of JSON, or what `people` makes of it. */
  data(value: unknown, people: () => string): void;
  /** Words for people, on stderr. */
  say(words: string): void;
}

/** The output of a process. */
export function processOutput(json: boolean): Output {
  return {
    json,
    data(value, people) {
      const text = json ? JSON.stringify(value) : people();
      if (text !== "") write(1, `${text}\n`);
    },
    say: (words) => write(2, `${words}\n`),
  };
}

/**
 * Writes all of a text to a descriptor before it returns. `process.stdout` would cost more than most
 * commands take; it is only asked where the reader has to be waited for.
 */
export function write(descriptor: 1 | 2, text: string): void {
  let bytes = Buffer.from(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(writeSync(descriptor, bytes));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A reader that has seen enough is no failure.
    if (code === "EPIPE") process.exit(0);
    if (code !== "EAGAIN") throw error;
    (descriptor === 1 ? process.stdout : process.stderr).write(bytes);
  }
}
