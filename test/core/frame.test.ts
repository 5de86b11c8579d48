/** JSON-RPC 2.0: what an incoming message is, and how ours look. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limits } from "../../core/limits.ts";
import { encode } from "../../core/protocol/codec.ts";
import {
  classify,
  codes,
  errorReply,
  messages,
  notification,
  reply,
  request,
} from "../../core/protocol/frame.ts";
import { receive } from "../../core/protocol/receive.ts";

const v = { jsonrpc: "2.0" };

describe("classify", () => {
  it("knows our own messages", () => {
    expect(classify(request("c1", "claim.renew", { claim: "a" }))).toEqual({
      kind: "request",
      id: "c1",
      method: "claim.renew",
      params: { claim: "a" },
    });
    expect(classify(request(0, "state.summary"))).toEqual({
      kind: "request",
      id: 0,
      method: "state.summary",
      params: {},
    });
    expect(classify(notification("cursor", { seq: 4 }))).toEqual({
      kind: "notification",
      method: "cursor",
      params: { seq: 4 },
    });
    expect(classify(reply(7, { seq: 1 }))).toEqual({ kind: "reply", id: 7, result: { seq: 1 } });
    expect(classify(reply(7, undefined))).toEqual({ kind: "reply", id: 7, result: null });
    expect(classify(errorReply("a", codes.rejection, "No.", { code: "claim.held" }))).toEqual({
      kind: "error",
      id: "a",
      error: { code: 1, message: "No.", data: { code: "claim.held" } },
    });
    expect(classify(errorReply(null, codes.parseError, "Not JSON."))).toMatchObject({
      kind: "error",
      id: null,
    });
  });

  it("a null id is a notification", () => {
    expect(classify({ ...v, id: null, method: "m" })).toEqual({
      kind: "notification",
      method: "m",
      params: {},
    });
  });

  it.each<[message: unknown, id: unknown, code: number]>([
    [1, null, -32600],
    ["x", null, -32600],
    [null, null, -32600],
    [[], null, -32600],
    [{}, null, -32600],
    [{ id: 5, method: "m" }, 5, -32600],
    [{ jsonrpc: "1.0", id: 5, method: "m" }, 5, -32600],
    [{ ...v, id: 5 }, 5, -32600],
    [{ ...v, id: 5, method: 1 }, 5, -32600],
    [{ ...v, id: {}, method: "m" }, null, -32600],
    [{ ...v, id: true, method: "m" }, null, -32600],
    [{ ...v, id: "x".repeat(limits.idMax + 1), method: "m" }, null, -32600],
    [{ ...v, id: "\ud800", method: "m" }, null, -32600],
    [{ ...v, id: Number.NaN, method: "m" }, null, -32600],
    [{ ...v, id: 5, method: "m", params: [1] }, 5, -32602],
    [{ ...v, id: 5, method: "m", params: null }, 5, -32602],
    [{ ...v, id: 5, method: "m", params: "x" }, 5, -32602],
    [{ ...v, method: "m", params: 1 }, null, -32602],
    [{ ...v, id: 5, result: 1, error: { code: 1, message: "" } }, 5, -32600],
    [{ ...v, result: 1 }, null, -32600],
    [{ ...v, id: 5, error: "bad" }, 5, -32600],
    [{ ...v, id: 5, error: { code: "1", message: "" } }, 5, -32600],
  ])("%j is a problem", (message, id, code) => {
    expect(classify(message)).toEqual({ kind: "problem", id, code, at: "", why: expect.any(String) });
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), fc.anything(), (id, method, params, error) => {
        classify(id);
        classify({ ...v, id, method, params, error });
        messages(params);
      }),
    );
  });
});

describe("batches", () => {
  it("a message stands for itself, a list for its messages", () => {
    expect(messages({ a: 1 })).toEqual([{ a: 1 }]);
    expect(messages([1, 2])).toEqual([1, 2]);
  });
  it("an empty or too long one is one problem", () => {
    expect(messages([])).toMatchObject({ kind: "problem", id: null, code: -32600 });
    expect(messages(new Array(limits.batchMax).fill(1))).toHaveLength(limits.batchMax);
    expect(messages(new Array(limits.batchMax + 1).fill(1))).toMatchObject({ kind: "problem", code: -32600 });
  });
});

describe.each(["json", "msgpack"] as const)("receive, %s", (codec) => {
  const good = request(1, "state.summary");
  const withKey = (key: string) => Object.defineProperty({ a: 1 }, key, { value: 1, enumerable: true });

  it("gives the messages in their order", () => {
    expect(receive(encode(codec, good))).toEqual([classify(good)]);
    expect(receive(encode(codec, [good, { ...good, id: 2 }]))).toMatchObject([{ id: 1 }, { id: 2 }]);
    expect(receive(encode(codec, []))).toMatchObject([{ kind: "problem", code: -32600, id: null }]);
  });

  it.each(["__proto__", "constructor", "prototype"])(
    "blames the key %s on its message, under its id",
    (key) => {
      const bad = request("bad", "claim.acquire", { claim: "a", git: [withKey(key)] });
      expect(receive(encode(codec, [good, bad, { ...good, id: 3 }]))).toEqual([
        classify(good),
        { kind: "problem", id: "bad", code: -32602, at: `git/0/${key}`, why: expect.stringContaining(key) },
        { kind: "request", id: 3, method: "state.summary", params: {} },
      ]);
      const envelope = Object.assign(withKey(key), good);
      expect(receive(encode(codec, envelope))).toMatchObject([
        { kind: "problem", id: 1, code: -32600, at: "" },
      ]);
      const params = request(5, "claim.acquire", withKey(key));
      expect(receive(encode(codec, params))).toMatchObject([
        { kind: "problem", id: 5, code: -32602, at: key },
      ]);
    },
  );

  it("blames too many keys on their message", () => {
    const many = Object.fromEntries(Array.from({ length: limits.keysMax + 1 }, (_, i) => [`k${i}`, i]));
    expect(receive(encode(codec, [good, request(2, "m", many)]))).toMatchObject([
      { kind: "request", id: 1 },
      { kind: "problem", id: 2, code: -32602, at: "" },
    ]);
  });

  it("what cannot be decoded is one problem without an id", () => {
    const broken = codec === "json" ? '{"jsonrpc":"2.0","id":1' : Uint8Array.of(0x82, 0xa2);
    expect(receive(broken)).toMatchObject([{ kind: "problem", id: null, code: -32700 }]);
  });
});
