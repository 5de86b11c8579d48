/**
 * Codecs: values to frames and back, the same values in both. JSON is text, MessagePack is bytes.
 *
 * What is decoded is JSON's data model within the bounds of `limits`, whoever sent it: the depth is known
 * before anything recurses, no key can reach a prototype. Strings may still be ill-formed where JSON
 * escapes allow it: `compile` refuses those.
 */
import { limits } from "../limits.ts";
import type { Codec, Frame } from "../ports/transport.ts";
import { isForbiddenKey } from "./formats.ts";
import { pack, packedList } from "./pack.ts";
import { type Problem, pointer, within } from "./problem.ts";
import { type Parsed, unpack } from "./unpack.ts";

/**
 * The value of a frame, or what is wrong with it as a sentence without its end (`nested more than 32
 * deep`).
 */
export type Decoded = { readonly value: unknown } | { readonly problem: string };

const TOO_DEEP = `nested more than ${limits.nestingMax} deep`;
/**
 * A shorter text cannot hold an object of too many keys: each takes `"a":1,` at the least (two-character
 * keys mostly).
 */
const KEYS_TEXT_MIN = limits.keysMax * 5;

function countsUpTo(text: string, character: string, max: number): number {
  let count = 0;
  for (let i = text.indexOf(character); i >= 0 && count <= max; i = text.indexOf(character, i + 1)) count++;
  return count;
}

/** Where the string that begins at `open` ends: the offset of its closing quote, or the end of the text. */
function closingQuote(text: string, open: number): number {
  for (let quote = text.indexOf('"', open + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slashes = quote - 1;
    while (text.charCodeAt(slashes) === 0x5c) slashes--;
    if ((quote - slashes) % 2 === 1) return quote;
  }
  return text.length;
}

/**
 * Whether brackets outside strings open more than `limits.nestingMax` deep, exact up to the first error in
 * syntax.
 */
function tooDeep(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) i = closingQuote(text, i);
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > limits.nestingMax) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}

/** Whether the text could hold a forbidden key: as it is, or spelled with escapes. */
function suspicious(text: string): boolean {
  return text.includes("proto") || text.includes("constructor") || text.includes("\\u");
}

/** The first key that must not be there, or `undefined`. The value is known not to be deep. */
export function keyProblem(value: unknown): Problem | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const isList = Array.isArray(value);
  let keys = 0;
  for (const key in value) {
    if (!isList) {
      if (++keys > limits.keysMax) return { at: "", why: `an object has more than ${limits.keysMax} keys` };
      if (isForbiddenKey(key)) return { at: key, why: `\`${key}\` is not allowed as a key` };
    }
    const problem = keyProblem((value as { readonly [key: string]: unknown })[key]);
    if (problem !== undefined) return within(pointer(key), problem);
  }
  return undefined;
}

function parse(text: string): Parsed {
  const max = limits.nestingMax;
  if (countsUpTo(text, "{", max) + countsUpTo(text, "[", max) > max && tooDeep(text)) {
    return { problem: TOO_DEEP };
  }
  try {
    return { value: JSON.parse(text), suspect: text.length > KEYS_TEXT_MIN || suspicious(text) };
  } catch {
    return { problem: "not JSON" };
  }
}

/**
 * Decodes one frame, text as JSON and bytes as MessagePack, and leaves keys to the caller: a `suspect`
 * value must be shown to `keyProblem` before it is used. Never throws.
 */
export function parseFrame(frame: Frame): Parsed {
  return typeof frame === "string" ? parse(frame) : unpack(frame);
}

/** Decodes one frame, keys and all. Never throws. */
export function decode(frame: Frame): Decoded {
  const parsed = parseFrame(frame);
  if ("problem" in parsed) return parsed;
  const problem = parsed.suspect ? keyProblem(parsed.value) : undefined;
  return problem === undefined ? { value: parsed.value } : { problem: problem.why };
}

/**
 * Encodes a plain value; fields that are `undefined` are left out. Both codecs decode it to the same value.
 */
export function encode(codec: Codec, message: unknown): Frame {
  return codec === "json" ? JSON.stringify(message) : pack(message);
}

/** The notification that carries an entry to followers, as `encode` would make it; made once a codec. */
export function entryNotification(codec: Codec, entry: object): Frame {
  if (codec === "json") return `{"jsonrpc":"2.0","method":"entry","params":${JSON.stringify(entry)}}`;
  return pack({ jsonrpc: "2.0", method: "entry", params: entry });
}

/**
 * One batch of frames that `encode` made in this codec; a single one stays as it is. `frames` must not be
 * empty.
 */
export function batch(codec: Codec, frames: readonly Frame[]): Frame {
  if (frames.length === 1) return frames[0] as Frame;
  return codec === "json" ? `[${frames.join(",")}]` : packedList(frames as readonly Uint8Array[]);
}
