/** Both codecs, value by value and byte by byte. */
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { limits } from "../../core/limits.ts";
import type { Codec } from "../../core/ports/transport.ts";
import { batch, decode, encode, entryNotification } from "../../core/protocol/codec.ts";

const both: readonly Codec[] = ["json", "msgpack"];
const plain = new Packr({ useRecords: false });

function bytes(...parts: (number | string)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === "string" ? [...Buffer.from(part)] : [part])),
  );
}
/** The value of a frame; fails the test when there is none. */
function valueIn(frame: string | Uint8Array): unknown {
  const decoded = decode(frame);
  if ("problem" in decoded) throw new Error(decoded.problem);
  return decoded.value;
}
function problemIn(frame: string | Uint8Array): string {
  const decoded = decode(frame);
  return "problem" in decoded ? decoded.problem : "none";
}

describe.each(both)("%s", (codec) => {
  const values: readonly unknown[] = [
    null,
    true,
    false,
    0,
    1,
    -1,
    127,
    128,
    255,
    256,
    65535,
    65536,
    -32,
    -33,
    -128,
    -129,
    -32768,
    -32769,
    2 ** 31,
    -(2 ** 31),
    2 ** 32 - 1,
    2 ** 32,
    -(2 ** 31) - 1,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    0.1,
    -1e300,
    5e-324,
    "",
    "a",
    "x".repeat(31),
    "x".repeat(32),
    "x".repeat(255),
    "x".repeat(256),
    "x".repeat(65536),
    "é".repeat(16),
    "é".repeat(31),
    "é".repeat(128),
    "日".repeat(30000),
    "🦀",
    "\u0000",
    "\ufeffbom",
    "a\ufeff",
    [],
    {},
    [[]],
    { "": { "": "" } },
    { é: 1, "🦀": 2 },
    new Array(15).fill(1),
    new Array(16).fill(1),
    new Array(70000).fill(null),
    { a: [{ b: [1, "1", true, null] }] },
    Object.fromEntries(Array.from({ length: 256 }, (_, i) => [`k${i}`, i])),
    { 1: "a", 0: "b" },
    { valueOf: 1, toString: 2 },
  ];
  it("gives back what it was given", () => {
    values.forEach((value, i) => {
      expect(valueIn(encode(codec, value)), `value ${i}`).toEqual(value);
    });
  });

  it("leaves out undefined fields, and writes -0 as 0", () => {
    expect(valueIn(encode(codec, { a: undefined, b: 1, c: -0 }))).toEqual({ b: 1, c: 0 });
  });

  const nested = (depth: number): unknown =>
    depth === 0 ? 1 : depth % 2 ? [nested(depth - 1)] : { a: nested(depth - 1) };
  it("admits what is as deep as the limit and nothing deeper", () => {
    expect(valueIn(encode(codec, nested(limits.nestingMax)))).toEqual(nested(limits.nestingMax));
    expect(problemIn(encode(codec, nested(limits.nestingMax + 1)))).toContain("deep");
  });

  it("admits as many keys as the limit and no more", () => {
    const keys = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [i.toString(36), 0]));
    expect(valueIn(encode(codec, { a: [keys(limits.keysMax)] }))).toEqual({ a: [keys(limits.keysMax)] });
    expect(problemIn(encode(codec, { a: [keys(limits.keysMax + 1)] }))).toContain("keys");
  });

  it.each(["__proto__", "constructor", "prototype"])("refuses the key %s anywhere", (key) => {
    for (const make of [
      (bad: unknown) => bad,
      (bad: unknown) => ({ a: [1, { b: bad }] }),
      (bad: unknown) => [bad],
    ]) {
      const bad = Object.defineProperty({}, key, { value: { polluted: 1 }, enumerable: true });
      expect(problemIn(encode(codec, make(bad)))).toContain(key);
    }
    expect(({} as { polluted?: 1 }).polluted).toBeUndefined();
    expect(valueIn(encode(codec, { a: key, [`${key}s`]: 1 }))).toEqual({ a: key, [`${key}s`]: 1 });
  });

  it("an entry's notification is its encoding, and frames join to the batch of their messages", () => {
    const entry = {
      seq: 7,
      atMs: 5,
      wallMs: 1_700_000_000_000,
      by: "hub",
      id: "",
      events: [{ type: "x", note: "é\n" }],
    };
    const message = { jsonrpc: "2.0", method: "entry", params: entry };
    const frame = entryNotification(codec, entry);
    expect(frame).toEqual(encode(codec, message));
    expect(batch(codec, [frame])).toBe(frame);
    expect(valueIn(batch(codec, [frame, frame]))).toEqual([message, message]);
    expect(valueIn(batch(codec, new Array(300).fill(frame)))).toEqual(new Array(300).fill(message));
  });
});

describe("json", () => {
  it.each([
    "",
    " ",
    "{",
    "nul",
    "[1,]",
    '{"a":1}x',
    "{'a':1}",
    "NaN",
    '"\u0001"',
    '{"a":\\u0031}',
    "[".repeat(40),
  ])("%j is a problem", (text) => {
    expect(decode(text)).toHaveProperty("problem");
  });

  it("brackets inside strings are not depth, whatever is escaped", () => {
    const open = "[{".repeat(40);
    for (const text of [open, `\\${open}`, `"${open}`, `\\"${open}`, `a\\\\"${open}\\`, `\\\\\\`]) {
      expect(valueIn(JSON.stringify({ a: text, [text]: [1] }))).toEqual({ a: text, [text]: [1] });
    }
    expect(problemIn(`{"a":"\\\\",${`"b":[`.slice(0, -1)}${"[".repeat(33)}`)).toContain("deep");
    // Many brackets, none of them deep.
    expect(valueIn(`[${new Array(1000).fill('{"a":[]}').join(",")}]`)).toHaveLength(1000);
  });

  it("a forbidden key is found however it is spelled; a repeated key counts once", () => {
    expect(problemIn('{"\\u005f_proto__":1}')).toContain("__proto__");
    expect(problemIn('{"a":{"\\u0063onstructor":1}}')).toContain("constructor");
    expect(problemIn('{"\\u005F\\u005fpr\\u006fto__":1}')).toContain("__proto__");
    expect(valueIn('{"a":1,"a":2}')).toEqual({ a: 2 });
  });
});

describe("msgpack", () => {
  it("is what msgpackr reads and writes without records", () => {
    const message = {
      jsonrpc: "2.0",
      id: "c1",
      method: "claim.acquire",
      params: {
        claim: "TASK-1",
        scope: { paths: ["src/auth/**", "é".repeat(40)] },
        ttlMs: 900_000,
        atMs: 2 ** 41,
        f: 0.5,
      },
    };
    expect(plain.unpack(encode("msgpack", message) as Uint8Array)).toEqual(message);
    expect(valueIn(plain.pack(message))).toEqual(message);
  });

  it("takes 64-bit integers of other writers as long as they are safe", () => {
    expect(valueIn(bytes(0xcf, 0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0))).toBe(0x18bcfe56800);
    expect(valueIn(bytes(0xd3, 255, 255, 255, 255, 255, 255, 255, 254))).toBe(-2);
    expect(problemIn(bytes(0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0))).toContain("53 bits");
    expect(problemIn(bytes(0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0))).toContain("53 bits");
    expect(valueIn(bytes(0xca, 0x3f, 0x80, 0, 0))).toBe(1);
  });

  it.each<[what: string, frame: Uint8Array]>([
    ["nothing at all", bytes()],
    ["the reserved byte", bytes(0xc1)],
    ["binary", bytes(0xc4, 1, 0)],
    ["an extension", bytes(0xd4, 1, 0)],
    ["undefined as msgpackr writes it", bytes(0xd4, 0, 0)],
    ["a date", bytes(0xd6, 0xff, 0, 0, 0, 1)],
    ["a long extension", bytes(0xc9, 255, 255, 255, 255, 1)],
    ["a record definition", bytes(0xd4, 0x72, 0x40, 0x91, 0xa1, "a", 1)],
    ["NaN", bytes(0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0)],
    ["Infinity", bytes(0xca, 0x7f, 0x80, 0, 0)],
    ["a number as key", bytes(0x81, 1, 1)],
    ["nil as key", bytes(0x81, 0xc0, 1)],
    ["a list as key", bytes(0x81, 0x90, 1)],
    ["too little of a string", bytes(0xa5, "abc")],
    ["half a number", bytes(0xcd, 1)],
    ["a list that ends early", bytes(0x92, 1)],
    ["a list of four billion", bytes(0xdd, 255, 255, 255, 255)],
    ["a map of four billion", bytes(0xdf, 255, 255, 255, 255)],
    ["a string of four billion", bytes(0xdb, 255, 255, 255, 255, "a")],
    ["something left over", bytes(1, 1)],
    ["invalid UTF-8", bytes(0xa1, 0xff)],
    ["an overlong character", bytes(0xa2, 0xc0, 0xaf)],
    ["half a character", bytes(0xa1, 0xc3)],
    ["a surrogate in UTF-8", bytes(0xa3, 0xed, 0xa0, 0x80)],
    ["invalid UTF-8 in a long string", bytes(0xd9, 40, "x".repeat(39), 0xff)],
    ["invalid UTF-8 in a key", bytes(0x81, 0xa1, 0xe9, 1)],
  ])("%s is a problem", (_, frame) => {
    expect(decode(frame)).toEqual({ problem: expect.any(String) });
  });

  it("a key that was seen before is not mistaken for another one of the same length", () => {
    for (let i = 0; i < 3; i++) {
      for (const key of ["abca", "acba", "aXYa", "é", "Ã©", "éa", "ab"]) {
        expect(valueIn(plain.pack({ [key]: 1 }))).toEqual({ [key]: 1 });
      }
    }
    expect(valueIn(encode("msgpack", { "\u00e9": 1 }))).toEqual({ é: 1 });
    // The bytes of é in Latin-1 are not the é that was seen before, whatever place the two have in a cache.
    for (let first = 0x80; first < 0x100; first++) {
      for (let second = 0x21; second < 0x100; second += second === 0x7e ? 0x22 : 1) {
        const key = String.fromCharCode(first, second);
        expect(valueIn(encode("msgpack", { [key]: 1 }))).toEqual({ [key]: 1 });
        if (first >= 0xc2 && second >= 0x80 && second < 0xc0) continue;
        expect(problemIn(bytes(0x81, 0xa2, first, second, 1))).toContain("UTF-8");
      }
    }
  });

  it("nothing decoded changes when the frame's memory is used again, and a view is read at its place", () => {
    const packed = encode("msgpack", { text: "x".repeat(100), key: "short" }) as Uint8Array;
    const shared = new Uint8Array(packed.length + 20).fill(0xc1);
    shared.set(packed, 7);
    const value = valueIn(shared.subarray(7, 7 + packed.length));
    shared.fill(0x41);
    expect(value).toEqual({ text: "x".repeat(100), key: "short" });
  });

  it("a frame already made is not touched by the next one", () => {
    const first = encode("msgpack", { a: 1 });
    encode("msgpack", { b: "x".repeat(1_000_000) });
    encode("msgpack", { c: 2 });
    expect(valueIn(first)).toEqual({ a: 1 });
  });
});
