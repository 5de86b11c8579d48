/**
 * Unpacking: MessagePack to plain values of JSON's data model, and nothing else: string keys, no
 * extensions, no binary, no integers beyond the safe ones, no NaN.
 *
 * Bounded before it recurses (depth, and lengths against the bytes that are left), because the bytes are a
 * stranger's. Strings are copied out: nothing decoded keeps its frame alive.
 */
import { limits } from "../limits.ts";
import { isForbiddenKey } from "./formats.ts";

// Pure and in every runtime, though not in the language's own library.
declare const TextDecoder: new (
  label: "utf-8",
  options: { readonly fatal: true; readonly ignoreBOM: true },
) => { decode(from: Uint8Array): string };

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Below this length a loop over ASCII is faster than a call into the runtime. */
const SHORT = 32;

/** Thrown inside the decoder and caught at its border. */
class Malformed extends Error {}

const NOTHING = new Uint8Array(0);
let source = NOTHING;
let sourceView = new DataView(source.buffer);
let at = 0;
let suspect = false;

/** Moves past `size` bytes that must be there, and returns where they begin. */
function take(size: number): number {
  const start = at;
  at += size;
  if (at > source.length) throw new Malformed("the frame ends in the middle of a value");
  return start;
}

const ascii = String.fromCharCode;

function readString(length: number): string {
  const start = take(length);
  if (length < SHORT) {
    let text = "";
    let i = start;
    for (const stop = at - 3; i < stop; i += 4) {
      const a = source[i] as number;
      const b = source[i + 1] as number;
      const c = source[i + 2] as number;
      const d = source[i + 3] as number;
      if ((a | b | c | d) > 0x7f) return readWide(start);
      text += ascii(a, b, c, d);
    }
    for (; i < at; i++) {
      const byte = source[i] as number;
      if (byte > 0x7f) return readWide(start);
      text += ascii(byte);
    }
    return text;
  }
  return readWide(start);
}

function readWide(start: number): string {
  try {
    return decoder.decode(source.subarray(start, at));
  } catch {
    throw new Malformed("a string is not valid UTF-8");
  }
}

/** Keys seen lately by a hash of their bytes: nearly all keys of a connection are the same few words. */
const keys: (string | undefined)[] = new Array(256).fill(undefined);

function readShortKey(length: number): string {
  const start = take(length);
  const slot = ((source[start] as number) * 31 + (source[at - 1] as number) * 7 + length) & 0xff;
  const known = keys[slot];
  if (known !== undefined && known.length === length) {
    let i = 0;
    while (i < length && known.charCodeAt(i) === source[start + i]) i++;
    // Equal unit by byte, so plain ASCII or not valid at all: a unit above 0x7f is never one byte of UTF-8.
    if (i === length) return known;
  }
  at = start;
  const key = readString(length);
  // Of another length only when it is not ASCII.
  if (key.length === length) keys[slot] = key;
  return key;
}

function readKey(): string {
  const lead = source[take(1)] as number;
  let length = -1;
  if (lead >= 0xa0 && lead < 0xc0) length = lead & 0x1f;
  else if (lead === 0xd9) length = source[take(1)] as number;
  else if (lead === 0xda) length = sourceView.getUint16(take(2));
  else if (lead === 0xdb) length = sourceView.getUint32(take(4));
  if (length < 0) throw new Malformed("a key is not a string");
  return length > 0 && length < SHORT ? readShortKey(length) : readString(length);
}

function readMap(count: number, depth: number): { [key: string]: unknown } {
  if (depth === 0) throw new Malformed(`nested more than ${limits.nestingMax} deep`);
  if (count > limits.keysMax) suspect = true;
  const value: { [key: string]: unknown } = {};
  for (let i = 0; i < count; i++) {
    const key = readKey();
    if (isForbiddenKey(key)) {
      suspect = true;
      // As JSON.parse does it: assignment to `__proto__` would change the prototype.
      const item = readValue(depth - 1);
      Object.defineProperty(value, key, {
        value: item,
        enumerable: true,
        writable: true,
        configurable: true,
      });
    } else value[key] = readValue(depth - 1);
  }
  return value;
}

function readList(count: number, depth: number): unknown[] {
  if (depth === 0) throw new Malformed(`nested more than ${limits.nestingMax} deep`);
  const value: unknown[] = [];
  for (let i = 0; i < count; i++) value.push(readValue(depth - 1));
  return value;
}

function safe(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new Malformed("an integer is beyond 53 bits");
  return number;
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new Malformed("a number is not finite");
  return value;
}

function readValue(depth: number): unknown {
  const lead = source[take(1)] as number;
  if (lead < 0x80) return lead;
  if (lead < 0x90) return readMap(lead & 0x0f, depth);
  if (lead < 0xa0) return readList(lead & 0x0f, depth);
  if (lead < 0xc0) return readString(lead & 0x1f);
  if (lead >= 0xe0) return lead - 0x100;
  switch (lead) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xca:
      return finite(sourceView.getFloat32(take(4)));
    case 0xcb:
      return finite(sourceView.getFloat64(take(8)));
    case 0xcc:
      return source[take(1)];
    case 0xcd:
      return sourceView.getUint16(take(2));
    case 0xce:
      return sourceView.getUint32(take(4));
    case 0xcf:
      return safe(sourceView.getBigUint64(take(8)));
    case 0xd0:
      return sourceView.getInt8(take(1));
    case 0xd1:
      return sourceView.getInt16(take(2));
    case 0xd2:
      return sourceView.getInt32(take(4));
    case 0xd3:
      return safe(sourceView.getBigInt64(take(8)));
    case 0xd9:
      return readString(source[take(1)] as number);
    case 0xda:
      return readString(sourceView.getUint16(take(2)));
    case 0xdb:
      return readString(sourceView.getUint32(take(4)));
    case 0xdc:
      return readList(sourceView.getUint16(take(2)), depth);
    case 0xdd:
      return readList(sourceView.getUint32(take(4)), depth);
    case 0xde:
      return readMap(sourceView.getUint16(take(2)), depth);
    case 0xdf:
      return readMap(sourceView.getUint32(take(4)), depth);
    default:
      throw new Malformed(`type 0x${lead.toString(16)} has no place in JSON`);
  }
}

/** A decoded value, `suspect` when there may be keys in it that nobody should send; or what is wrong. */
export type Parsed = { readonly value: unknown; readonly suspect: boolean } | { readonly problem: string };

/** Decodes one value that fills the frame, or says what is wrong. Never throws, whatever the bytes. */
export function unpack(frame: Uint8Array): Parsed {
  source = frame as Uint8Array<ArrayBuffer>;
  sourceView = new DataView(frame.buffer, frame.byteOffset, frame.byteLength) as DataView<ArrayBuffer>;
  at = 0;
  suspect = false;
  try {
    const value = readValue(limits.nestingMax);
    return at === source.length ? { value, suspect } : { problem: "bytes are left over after the value" };
  } catch (error) {
    if (error instanceof Malformed) return { problem: error.message };
    throw error;
  } finally {
    source = NOTHING;
  }
}
