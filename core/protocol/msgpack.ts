/**
 * MessagePack for JSON's data model and nothing else: plain maps with string keys, no extensions, no binary, no
 * 64-bit integers beyond the safe ones.
 *
 * The decoder is bounded before it recurses (depth, keys, lengths against the bytes that are left), because the
 * bytes are a stranger's. Strings are copied out: nothing decoded keeps its frame alive.
 */
import { limits } from "../limits.ts";
import { isForbiddenKey } from "./formats.ts";

// Pure and in every runtime, though not in the language's own library.
declare const TextEncoder: new () => {
  encodeInto(text: string, to: Uint8Array): { readonly written: number };
};
declare const TextDecoder: new (
  label: "utf-8",
  options: { readonly fatal: true; readonly ignoreBOM: true },
) => { decode(from: Uint8Array): string };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Below this length a loop over ASCII is faster than a call into the runtime. */
const SHORT = 32;

/** Thrown inside the decoder and caught at its border. */
class Malformed extends Error {}

let bytes = new Uint8Array(8192);
let view = new DataView(bytes.buffer);
let end = 0;

/** A larger scratch buffer than this is not kept after a message. */
const SCRATCH_MAX = 256 * 1024;

function room(size: number): void {
  if (end + size <= bytes.length) return;
  const larger = new Uint8Array(Math.max(bytes.length * 2, end + size));
  larger.set(bytes.subarray(0, end));
  bytes = larger;
  view = new DataView(larger.buffer);
}

/** Writes a string's UTF-8 at `start` and returns the offset behind it; there must be room for 3 bytes a unit. */
function writeUtf8(text: string, start: number): number {
  const units = text.length;
  if (units < SHORT) {
    let i = 0;
    for (; i < units; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) break;
      bytes[start + i] = code;
    }
    if (i === units) return start + units;
  }
  return start + encoder.encodeInto(text, bytes.subarray(start)).written;
}

function stringHeaderSize(length: number): number {
  return length < 32 ? 1 : length < 0x100 ? 2 : length < 0x10000 ? 3 : 5;
}

function packString(text: string): void {
  const units = text.length;
  room(units * 3 + 5);
  const start = end;
  // Most strings are ASCII: the header is guessed from the units and the bytes are moved where it was too small.
  const guess = stringHeaderSize(units);
  let stop = writeUtf8(text, start + guess);
  const length = stop - start - guess;
  const size = stringHeaderSize(length);
  if (size !== guess) {
    bytes.copyWithin(start + size, start + guess, stop);
    stop += size - guess;
  }
  if (size === 1) bytes[start] = 0xa0 | length;
  else if (size === 2) {
    bytes[start] = 0xd9;
    bytes[start + 1] = length;
  } else if (size === 3) {
    bytes[start] = 0xda;
    view.setUint16(start + 1, length);
  } else {
    bytes[start] = 0xdb;
    view.setUint32(start + 1, length);
  }
  end = stop;
}

function packNumber(value: number): void {
  room(9);
  if (value >>> 0 === value) {
    if (value < 0x80) bytes[end++] = value;
    else if (value < 0x100) {
      bytes[end++] = 0xcc;
      bytes[end++] = value;
    } else if (value < 0x10000) {
      bytes[end++] = 0xcd;
      bytes[end++] = value >> 8;
      bytes[end++] = value & 0xff;
    } else {
      bytes[end] = 0xce;
      view.setUint32(end + 1, value);
      end += 5;
    }
  } else if (value >> 0 === value) {
    if (value >= -32) bytes[end++] = value & 0xff;
    else if (value >= -0x80) {
      bytes[end++] = 0xd0;
      bytes[end++] = value & 0xff;
    } else if (value >= -0x8000) {
      bytes[end] = 0xd1;
      view.setInt16(end + 1, value);
      end += 3;
    } else {
      bytes[end] = 0xd2;
      view.setInt32(end + 1, value);
      end += 5;
    }
  } else if (value - value === 0) {
    // Beyond 32 bits as a double: exact for safe integers, and readers in JavaScript need no bigint.
    bytes[end] = 0xcb;
    view.setFloat64(end + 1, value);
    end += 9;
  } else bytes[end++] = 0xc0;
}

function packLength(length: number, fix: number, fixMax: number, wide: number): void {
  room(5);
  if (length <= fixMax) bytes[end++] = fix | length;
  else if (length < 0x10000) {
    bytes[end] = wide;
    view.setUint16(end + 1, length);
    end += 3;
  } else {
    bytes[end] = wide + 1;
    view.setUint32(end + 1, length);
    end += 5;
  }
}

function packObject(value: { readonly [key: string]: unknown }): void {
  let count = 0;
  for (const key in value) if (value[key] !== undefined) count++;
  packLength(count, 0x80, 15, 0xde);
  for (const key in value) {
    const item = value[key];
    if (item === undefined) continue;
    packString(key);
    packValue(item);
  }
}

function packValue(value: unknown): void {
  if (typeof value === "string") packString(value);
  else if (typeof value === "number") packNumber(value);
  else if (typeof value === "object" && value !== null) {
    if (Array.isArray(value)) {
      packLength(value.length, 0x90, 15, 0xdc);
      for (let i = 0; i < value.length; i++) packValue(value[i]);
    } else packObject(value as { readonly [key: string]: unknown });
  } else {
    room(1);
    bytes[end++] = value === true ? 0xc3 : value === false ? 0xc2 : 0xc0;
  }
}

/** Packs what JSON.stringify would write, of plain values: fields that are `undefined` are left out, NaN is null. */
export function pack(value: unknown): Uint8Array {
  end = 0;
  packValue(value);
  const packed = bytes.slice(0, end);
  if (bytes.length > SCRATCH_MAX) {
    bytes = new Uint8Array(8192);
    view = new DataView(bytes.buffer);
  }
  return packed;
}

/** One packed list of values that are packed already. */
export function packedList(items: readonly Uint8Array[]): Uint8Array {
  end = 0;
  packLength(items.length, 0x90, 15, 0xdc);
  let size = end;
  for (const item of items) size += item.length;
  const list = new Uint8Array(size);
  list.set(bytes.subarray(0, end));
  let at = end;
  for (const item of items) {
    list.set(item, at);
    at += item.length;
  }
  return list;
}

const NOTHING = new Uint8Array(0);
let source = NOTHING;
let sourceView = new DataView(source.buffer);
let at = 0;

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
  if (count > limits.keysMax) throw new Malformed(`an object has more than ${limits.keysMax} keys`);
  const value: { [key: string]: unknown } = {};
  for (let i = 0; i < count; i++) {
    const key = readKey();
    if (isForbiddenKey(key)) throw new Malformed(`\`${key}\` is not allowed as a key`);
    value[key] = readValue(depth - 1);
  }
  return value;
}

function readList(count: number, depth: number): unknown[] {
  if (depth === 0) throw new Malformed(`nested more than ${limits.nestingMax} deep`);
  if (count > source.length - at) throw new Malformed("the frame ends in the middle of a list");
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

/** Decodes one value that fills the frame, or says what is wrong. Never throws, whatever the bytes. */
export function unpack(frame: Uint8Array): { readonly value: unknown } | { readonly problem: string } {
  source = frame as Uint8Array<ArrayBuffer>;
  sourceView = new DataView(frame.buffer, frame.byteOffset, frame.byteLength) as DataView<ArrayBuffer>;
  at = 0;
  try {
    const value = readValue(limits.nestingMax);
    return at === source.length ? { value } : { problem: "bytes are left over after the value" };
  } catch (error) {
    if (error instanceof Malformed) return { problem: error.message };
    throw error;
  } finally {
    source = NOTHING;
  }
}
