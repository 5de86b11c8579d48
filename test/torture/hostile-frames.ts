/**
 * What hostile peers send: every command, question and session method with one thing wrong, frames that are none, and
 * bytes that are nothing at all.
 */
import { randomFillSync } from "node:crypto";
import fc from "fast-check";
import { limits } from "../../core/limits.ts";
import { commands, pasts, queries } from "../../core/model/model.ts";
import type { ObjectShape } from "../../core/model/shape.ts";
import { sessionMethods } from "../../core/protocol/methods.ts";
import { corrupt } from "../properties/arbitrary.ts";
import type { Random } from "../simulation/random.ts";

/** A request with one thing wrong. */
export interface Malformed {
  readonly id: string;
  readonly method: string;
  readonly params: unknown;
}

/** Params of every method there is but those that end the session. */
export const methods: { readonly [method: string]: ObjectShape } = {
  ...Object.fromEntries(
    Object.entries(commands).map(([type, { fields }]) => [type, { kind: "object", fields } as ObjectShape]),
  ),
  ...Object.fromEntries(
    Object.entries({ ...queries, ...pasts }).map(([method, { params }]) => [method, params]),
  ),
  ...Object.fromEntries(
    Object.entries(sessionMethods)
      .filter(([method]) => method !== "session.close")
      .map(([method, { fields }]) => [method, { kind: "object", fields } as ObjectShape]),
  ),
};

/** So many malformed requests of each method; the same for the same seed. */
export function malformed(each: number, seed: number, prefix: string): Malformed[] {
  return Object.entries(methods).flatMap(([method, shape]) =>
    fc
      .sample(corrupt(shape), { numRuns: each, seed })
      .map(({ value }, i) => ({ id: `${prefix}-${method}-${i}`, method, params: impatient(value) })),
  );
}

/** Without a wait: what is in order after all must be answered at once. */
function impatient(params: unknown): unknown {
  if (typeof params !== "object" || params === null || !("waitMs" in params)) return params;
  return typeof params.waitMs === "number" && params.waitMs > 0 && params.waitMs <= limits.waitMsMax
    ? { ...params, waitMs: 0 }
    : params;
}

/** Texts that are no proper frames; whoever gets one answers with an error, or not at all, and goes on. */
export function oddTexts(): readonly string[] {
  const request = (params: string, method = '"claim.acquire"') =>
    `{"jsonrpc":"2.0","id":"odd","method":${method},"params":${params}}`;
  return [
    "{",
    "null",
    "[]",
    '"text"',
    "123",
    "\ufeff{}",
    "[".repeat(100_000),
    '{"a":'.repeat(50_000),
    `${"[".repeat(40)}${"]".repeat(40)}`,
    `[${"1,".repeat(2000)}1]`,
    request('{"claim":"x","ttlMs":1e999}'),
    request('{"claim":"x","ttlMs":-0}'),
    request('{"claim":"x","ttlMs":9007199254740993}'),
    request('{"claim":"x","ttlMs":123456789012345678901234567890}'),
    request('{"claim":"\\ud800"}'),
    request('{"claim":"\\u0000"}'),
    request('{"claim":"a\\u001b[31mb"}'),
    request('{"claim":"x","claim":"y"}'),
    request('{"__proto__":{"claim":"x"}}'),
    request('{"claim":"x","scope":{"__proto__":{"files":["a"]}}}'),
    request('{"constructor":{"prototype":{"claim":"x"}}}'),
    request("{}", '"__proto__"'),
    request("{}", '"constructor"'),
    request("{}", '"toString"'),
    request("{}", "7"),
    request("[1,2]"),
    request('{"claim":"x","scope":{"paths":["{{{{{{"]}}'),
    request(`{"claim":"x","scope":{"paths":["${"{a,b}".repeat(60)}"]}}`),
    request(`{"claim":"x","scope":{"paths":["${"*".repeat(900)}"]}}`),
    request(`{"claim":"x","scope":{"paths":["${"**/".repeat(300)}x"]}}`),
    request(`{"claim":"x","note":"${"n".repeat(900_000)}"}`),
    request(`{${Array.from({ length: 300 }, (_, i) => `"k${i}":1`).join(",")}}`),
    '{"jsonrpc":"1.0","id":1,"method":"state.summary"}',
    '{"jsonrpc":"2.0","id":{"a":1},"method":"state.summary"}',
    '{"jsonrpc":"2.0","id":[],"method":"state.summary"}',
    '{"jsonrpc":"2.0","id":1e308,"method":"state.summary"}',
    '{"jsonrpc":"2.0","id":1,"result":{}}',
    '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}',
    `{"jsonrpc":"2.0","id":"${"i".repeat(5000)}","method":"state.summary"}`,
    `[${Array.from({ length: 1001 }, (_, i) => `{"jsonrpc":"2.0","id":${i},"method":"session.ping"}`).join(",")}]`,
    `{"jsonrpc":"2.0","id":"big","method":"activity.log","params":{"kind":"x","text":"${"x".repeat(limits.frameBytesMax)}"}}`,
  ];
}

/** Bytes for a port: noise, and the beginnings of what it speaks, gone wrong. */
export function oddBytes(random: Random): Buffer {
  const noise = Buffer.alloc(random.between(1, 4000));
  randomFillSync(noise);
  const upgrade =
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  const starts = [
    "",
    "GET / HTTP/1.1\r\n",
    "POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n",
    "POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
    "POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    `GET /${"a".repeat(20_000)} HTTP/1.1\r\n\r\n`,
    `GET / HTTP/1.1\r\n${"X-A: b\r\n".repeat(3000)}\r\n`,
    "GET /entries?after=-1 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://evil.example\r\nUpgrade: websocket\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    upgrade,
    `${upgrade}\u0081\u00fe`,
    // CONNECT of MQTT 3.1.1 with a name that goes on for ever, a packet of 256 MiB, and one with a wrong flag.
    "\u0010\u00ff\u00ff\u00ff\u007f",
    "\u0030\u00ff\u00ff\u00ff\u007f",
    "\u0010\u0010\u0000\u0004MQTT\u0004\u0002\u0000\u003c\u0000\u0004spam",
    "\u0010\u0010\u0000\u0004MQTT\u0004\u0001\u0000\u003c\u0000\u0004spam",
  ];
  return Buffer.concat([Buffer.from(random.pick(starts), "latin1"), noise]);
}
