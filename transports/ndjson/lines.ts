/**
 * Lines: bytes as they come, to whole lines of bounded length, each valid UTF-8 or a problem.
 */
import { limits } from "../../core/limits.ts";
import { codes, errorReply } from "../../core/protocol/frame.ts";

/** A line of text, or why it is none as the predicate of a sentence. */
export type Line = { readonly text: string } | { readonly problem: string };

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** The text of a line's bytes, without its end. */
export function lineOf(bytes: Uint8Array, bytesMax: number = limits.frameBytesMax): Line {
  const end = bytes.at(-1) === RETURN ? bytes.length - 1 : bytes.length;
  if (end > bytesMax) return { problem: `is longer than ${bytesMax} bytes` };
  try {
    return { text: utf8.decode(bytes.subarray(0, end)) };
  } catch {
    return { problem: "is not UTF-8" };
  }
}

/**
 * A frame as a line of its own, with its end. In JSON a line break only stands where a blank means the
 * same.
 */
export function lineFor(frame: string): string {
  return `${/[\r\n]/.test(frame) ? frame.replace(/[\r\n]/g, " ") : frame}\n`;
}

/** What is answered to a line that is no frame; `where` says which. */
export function lineProblem(why: string, where?: object): string {
  const code = why.includes("longer") ? codes.invalidRequest : codes.parseError;
  return JSON.stringify(errorReply(null, code, `a line ${why}`, { at: "", why, ...where }));
}

/** Cuts a stream into lines. Blank ones are passed over; of an overlong one only the problem is kept. */
export class LineCutter {
  readonly #heard: (line: Line) => void;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #skipping = false;

  constructor(heard: (line: Line) => void) {
    this.#heard = heard;
  }

  push(chunk: Uint8Array): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#add(chunk.subarray(start, end));
      this.#end();
      start = end + 1;
    }
    if (start < chunk.length) this.#add(chunk.subarray(start));
  }

  #add(part: Uint8Array): void {
    if (this.#skipping) return;
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes <= limits.frameBytesMax + 1) return;
    this.#skipping = true;
    this.#parts = [];
  }

  #end(): void {
    const skipped = this.#skipping;
    const [first] = this.#parts;
    const bytes = this.#parts.length === 1 && first !== undefined ? first : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    this.#skipping = false;
    if (skipped) return this.#heard({ problem: `is longer than ${limits.frameBytesMax} bytes` });
    const line = lineOf(bytes);
    if ("problem" in line || line.text.trim() !== "") this.#heard(line);
  }
}
