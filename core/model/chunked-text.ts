/**
 * Chunked text: a text that is changed at one place without being copied as a whole. A held version never
 * changes.
 *
 * Representation: pieces of at most `CHUNK_MAX` code units, none empty, whose concatenation is the text.
 * A change copies the list of pieces and builds the piece it falls into anew. So a keystroke costs a
 * short list and a short text, and the largest document there may be has about a thousand pieces.
 */
import { applyChanges, type Changes } from "./patch.ts";

const CHUNK_MAX = 2048;
/** What a piece that got too long is cut into. */
const CHUNK = 1024;
/** With more changes than this at once, the text is written anew. */
const SPLICES_MAX = 16;

/** An immutable text; offsets are UTF-16 code units. */
export class ChunkedText {
  readonly length: number;
  private readonly chunks: readonly string[];

  private constructor(chunks: readonly string[], length: number) {
    this.chunks = chunks;
    this.length = length;
  }

  static of(text: string): ChunkedText {
    return new ChunkedText(text === "" ? [] : cut(text), text.length);
  }

  toString(): string {
    return this.chunks.join("");
  }

  /** The code units from `from` up to `to`. */
  slice(from: number, to: number): string {
    const { chunks } = this;
    let start = 0;
    let out = "";
    for (const chunk of chunks) {
      if (start >= to) break;
      const end = start + chunk.length;
      if (end > from) out += chunk.slice(Math.max(0, from - start), to - start);
      start = end;
    }
    return out;
  }

  /** The code unit at an offset; NaN outside. */
  codeAt(offset: number): number {
    let start = 0;
    for (const chunk of this.chunks) {
      if (offset < start + chunk.length) return chunk.charCodeAt(offset - start);
      start += chunk.length;
    }
    return Number.NaN;
  }

  /** Whether a change begins or ends inside a surrogate pair. */
  cutsPair(changes: Changes): boolean {
    for (const { from, to = from } of changes) {
      if (this.isInPair(from) || (to !== from && this.isInPair(to))) return true;
    }
    return false;
  }

  private isInPair(offset: number): boolean {
    return (this.codeAt(offset) & 0xfc00) === 0xdc00 && (this.codeAt(offset - 1) & 0xfc00) === 0xd800;
  }

  /** The text after changes that are canonical for it. */
  apply(changes: Changes): ChunkedText {
    if (changes.length > SPLICES_MAX) return ChunkedText.of(applyChanges(this.toString(), changes));
    let text: ChunkedText = this;
    for (let i = changes.length - 1; i >= 0; i--) {
      const { from, to = from, insert = "" } = changes[i] as Changes[number];
      text = text.splice(from, to, insert);
    }
    return text;
  }

  private splice(from: number, to: number, insert: string): ChunkedText {
    const { chunks } = this;
    const length = this.length + insert.length - (to - from);
    if (chunks.length === 0) return ChunkedText.of(insert);
    let first = 0;
    let start = 0;
    for (; first < chunks.length - 1; first++) {
      const end = start + (chunks[first] as string).length;
      if (from <= end) break;
      start = end;
    }
    let last = first;
    let lastStart = start;
    for (; last < chunks.length - 1; last++) {
      const end = lastStart + (chunks[last] as string).length;
      if (to <= end) break;
      lastStart = end;
    }
    const head = (chunks[first] as string).slice(0, from - start);
    const piece = head + insert + (chunks[last] as string).slice(to - lastStart);
    if (first === last && piece.length <= CHUNK_MAX && piece !== "") {
      const next = chunks.slice();
      next[first] = piece;
      return new ChunkedText(next, length);
    }
    const pieces = piece === "" ? [] : cut(piece);
    return new ChunkedText([...chunks.slice(0, first), ...pieces, ...chunks.slice(last + 1)], length);
  }
}

function cut(text: string): string[] {
  if (text.length <= CHUNK_MAX) return [text];
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += CHUNK) pieces.push(text.slice(at, at + CHUNK));
  return pieces;
}
