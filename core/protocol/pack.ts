/**
 * Packing: plain values as MessagePack, what JSON.stringify would write and nothing else: plain maps with
 * string keys, no extensions, no 64-bit integers.
 */

// Pure and in every runtime, though not in the language's own library.
declare const TextEncoder: new () => {
  encodeInto(text: string, to: Uint8Array): { readonly written: number };
};

const encoder = new TextEncoder();
/** Below this length a loop over ASCII is faster than a call into the runtime. */
const SHORT = 32;

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

/**
 * Writes a string's UTF-8 at `start` and returns the offset behind it; there must be room for 3 bytes a
 * unit.
 */
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
  // Most strings are ASCII: the header is guessed from the units and the bytes are moved where it was too
  // small.
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

/**
 * Packs what JSON.stringify would write, of plain values: fields that are `undefined` are left out, NaN is
 * null.
 */
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
