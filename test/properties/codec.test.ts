/** Properties of the codecs: nothing is lost, both say the same, and no bytes whatever do harm. */
import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { limits } from "../../core/limits.ts";
import { decode, encode } from "../../core/protocol/codec.ts";
import { classify, messages } from "../../core/protocol/frame.ts";
import { json } from "./arbitrary.ts";

const plain = new Packr({ useRecords: false });

describe("round trips", () => {
  it("what is encoded decodes to the same value, in both codecs", () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(decode(encode("json", value))).toEqual({ value });
        expect(decode(encode("msgpack", value))).toEqual({ value });
      }),
      { numRuns: 1000 },
    );
  });

  it("our MessagePack and msgpackr's are each other's", () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(plain.unpack(encode("msgpack", value) as Uint8Array)).toEqual(value);
        expect(decode(plain.pack(value))).toEqual({ value });
      }),
      { numRuns: 500 },
    );
  });

  it("a lone surrogate never breaks a frame", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("\ud800", "\udc00", "a", "é", "x".repeat(40))), (parts) => {
        const text = parts.join("");
        expect(decode(encode("json", { text }))).toEqual({ value: { text } });
        expect(decode(encode("msgpack", { text }))).toEqual({ value: { text: text.toWellFormed() } });
      }),
    );
  });
});

describe("hostile frames", () => {
  const bombs: readonly [what: string, frame: string | Uint8Array][] = [
    ["lists", "[".repeat(500_000)],
    ["closed lists", "[".repeat(500_000) + "]".repeat(500_000)],
    ["objects", '{"a":'.repeat(200_000)],
    ["lists behind a string", `["${"\\\\".repeat(1000)}",${"[".repeat(500_000)}`],
    ["packed lists", new Uint8Array(500_000).fill(0x91)],
    ["packed long lists", new Uint8Array(500_000).fill(0xdd)],
    ["packed maps", Uint8Array.from({ length: 500_000 }, (_, i) => [0x81, 0xa1, 0x61][i % 3] as number)],
    ["packed wide maps", new Uint8Array(500_000).fill(0xdf)],
    [
      "packed lists of lists",
      Uint8Array.from({ length: 500_000 }, (_, i) => (i % 5 === 0 ? 0xdd : i % 5 === 4 ? 255 : 0)),
    ],
  ];
  it.each(bombs)("%s 500,000 deep are refused at once, in little memory", (_, frame) => {
    const before = process.memoryUsage().heapUsed;
    const began = performance.now();
    for (let i = 0; i < 5; i++) expect(decode(frame)).toEqual({ problem: expect.any(String) });
    expect(performance.now() - began).toBeLessThan(2000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
  });

  it("quotes and backslashes of a whole frame take time in proportion", () => {
    const began = performance.now();
    for (const unit of ['"', "\\", '\\"', '"[', '\\\\"', '"\\', '["\\\\\\"']) {
      decode(`${"[".repeat(33)}${unit.repeat(limits.frameBytesMax / unit.length)}`);
      decode(`["${unit.repeat(limits.frameBytesMax / unit.length)}"`);
    }
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it("the depth that is refused is the depth there is", () => {
    const depthOf = (value: unknown): number =>
      typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
    const deep = fc
      .tuple(json, fc.array(fc.boolean(), { minLength: 24, maxLength: 36 }), fc.string({ unit: "binary" }))
      .map(([value, steps, text]) =>
        steps.reduce<unknown>(
          (inner, list) => (list ? [text, inner] : { [`k${text}`]: text, k: inner }),
          value,
        ),
      );
    fc.assert(
      fc.property(deep, (value) => {
        const fits = depthOf(value) <= limits.nestingMax;
        expect("value" in decode(encode("json", value))).toBe(fits);
        expect("value" in decode(encode("msgpack", value))).toBe(fits);
      }),
      { numRuns: 500 },
    );
  });
});

describe("noise", () => {
  const survives = (frame: string | Uint8Array) => {
    const decoded = decode(frame);
    if ("problem" in decoded) return;
    // Whatever comes through is JSON's data model: it can be told apart, and encoded again without change.
    const list = messages(decoded.value);
    if (!("kind" in list)) for (const message of list) classify(message);
    expect(decode(encode("json", decoded.value))).toEqual({
      value: JSON.parse(JSON.stringify(decoded.value)),
    });
  };

  it("random bytes never throw", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), survives), { numRuns: 3000 });
  });

  it("random text never throws", () => {
    const pieces = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      '"',
      ":",
      ",",
      "\\",
      "1",
      "-0",
      "1e999",
      "null",
      "\\u0000",
      " ",
      "__proto__",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => survives(parts.join(""))),
      { numRuns: 3000 },
    );
    fc.assert(fc.property(fc.string({ unit: "binary" }), survives));
  });

  it("a good frame with a byte changed, cut or doubled never throws", () => {
    fc.assert(
      fc.property(
        json,
        fc.nat(),
        fc.nat(255),
        fc.constantFrom("change", "cut", "double"),
        (value, where, byte, how) => {
          const frame = encode("msgpack", value) as Uint8Array;
          const at = where % frame.length;
          if (how === "change") survives(frame.with(at, byte));
          else if (how === "cut") survives(frame.subarray(0, at));
          else survives(Uint8Array.from([...frame.subarray(0, at), ...frame.subarray(Math.max(0, at - 1))]));
        },
      ),
      { numRuns: 3000 },
    );
  });
});
