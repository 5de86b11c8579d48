/**
 * A hostile world around one hub: malformed requests over every transport, noise on every port, floods, storms, and
 * followers that never read, while a bystander works on and must not be disturbed.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect } from "../../adapters/node/connect.ts";
import type { Client } from "../../core/client/client.ts";
import type { Connection, Frame } from "../../core/ports/transport.ts";
import { decode, encode } from "../../core/protocol/codec.ts";
import { connect as dial } from "../../transports/index.ts";
import type { Random } from "../simulation/random.ts";
import type { Acknowledged } from "./acknowledged.ts";
import { type Malformed, oddBytes } from "./hostile-frames.ts";
import { pause } from "./hub-process.ts";

const ANSWER_MS = 15_000;

/** An ordinary agent that acquires and releases all the time, and notices when it is disturbed. */
export class Bystander {
  readonly acknowledged: Acknowledged[] = [];
  /** Times its connection went down. */
  downs = 0;
  /** How long each answer took, in milliseconds. */
  readonly tookMs: number[] = [];
  private client: Client | undefined;
  private working: Promise<void> = Promise.resolve();
  private stopping = false;

  async begin(url: string): Promise<this> {
    const onNotice = ({ kind }: { kind: string }): void => {
      if (kind === "down" && !this.stopping) this.downs++;
    };
    this.client = await connect(url, { agent: "bystander", onNotice });
    this.working = this.work(this.client);
    return this;
  }

  async end(): Promise<void> {
    this.stopping = true;
    await this.working;
    await this.client?.close();
  }

  /** The longest answer since the last time this was asked, in milliseconds. */
  slowestMs(): number {
    return Math.round(Math.max(0, ...this.tookMs.splice(0)));
  }

  private async work(client: Client): Promise<void> {
    for (let n = 0; !this.stopping; n++) {
      const claim = `bystander-${n % 10}`;
      const startedMs = performance.now();
      const { seq, epoch } = await client.call("claim.acquire", { claim });
      this.tookMs.push(performance.now() - startedMs);
      this.acknowledged.push({ seq, type: "claim.granted", agent: "bystander", claim, epoch });
      await client.call("claim.release", { claim, epoch });
      await pause(5);
    }
  }
}

/** What a fuzzed connection came to. */
export interface Fuzzed {
  sent: number;
  /** Answers by error code; `ok` where nothing was wrong after all. */
  readonly answers: Record<string, number>;
  readonly wrong: string[];
}

/** Sends malformed requests over one connection; each must be answered, and the connection must stand. */
export async function fuzz(
  url: string,
  requests: readonly Malformed[],
  codec: "json" | "msgpack",
): Promise<Fuzzed> {
  const fuzzed: Fuzzed = { sent: 0, answers: {}, wrong: [] };
  const heard = new Map<string, number | undefined>();
  let closed: string | undefined;
  // Of a line that is no frame nobody knows the id.
  let anonymous = 0;
  const connection: Connection = await dial(url, { agent: "fuzzer", codec, timeoutMs: 20_000 });
  connection.receive({
    frame(frame: Frame) {
      const decoded = decode(frame);
      const { value } = decoded as { value?: unknown };
      for (const message of Array.isArray(value) ? value : [value]) {
        const { id, error } = (message ?? {}) as { id?: unknown; error?: { code: number } };
        if (typeof id === "string") heard.set(id, error?.code);
        else if (id === null && error !== undefined) anonymous++;
      }
    },
    drained() {},
    closed: ({ reason }) => {
      closed ??= reason;
    },
  });
  const say = (id: string, method: string, params: unknown): void => {
    try {
      connection.send(encode(codec, { jsonrpc: "2.0", id, method, params }));
      fuzzed.sent++;
    } catch {
      // What cannot even be written in this codec was never sent.
      heard.set(id, undefined);
    }
  };
  const missing = (ids: readonly string[]): readonly string[] => ids.filter((id) => !heard.has(id));
  const wait = async (ids: readonly string[]): Promise<void> => {
    const untilMs = performance.now() + ANSWER_MS;
    while (closed === undefined && performance.now() < untilMs && missing(ids).length > anonymous)
      await pause(2);
  };
  say("open", "session.open", { agent: "fuzzer" });
  await wait(["open"]);
  for (let at = 0; at < requests.length && closed === undefined; at += 50) {
    const some = requests.slice(at, at + 50);
    for (const { id, method, params } of some) say(id, method, params);
    await wait(requests.slice(0, at + 50).map(({ id }) => id));
  }
  say("last", "session.ping", {});
  await wait(["last"]);
  if (closed !== undefined) fuzzed.wrong.push(`${url} (${codec}) was closed: ${closed}`);
  fuzzed.answers.anonymous = anonymous;
  const silent = requests.filter(({ id }) => !heard.has(id));
  for (const { id, params } of silent.length > anonymous ? silent : []) {
    fuzzed.wrong.push(`${id} was never answered: ${JSON.stringify(params)?.slice(0, 200)}`);
  }
  for (const code of heard.values()) fuzzed.answers[code ?? "ok"] = (fuzzed.answers[code ?? "ok"] ?? 0) + 1;
  connection.close("goodbye");
  return fuzzed;
}

/** Sends texts that are no frames, one a connection; a medium may close that connection, and only that one. */
export async function sendOdd(url: string, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    const connection = await dial(url, { agent: "odd", timeoutMs: 20_000 });
    connection.receive({ frame() {}, drained() {}, closed() {} });
    connection.send(
      encode("json", { jsonrpc: "2.0", id: "o", method: "session.open", params: { agent: "odd" } }),
    );
    connection.send(text);
    await pause(10);
    connection.close("goodbye");
  }
}

/** Throws noise at a port so many times, over raw connections that are left for the hub to end or cut after a while. */
export async function sendNoise(port: number, times: number, random: Random): Promise<void> {
  const sockets: Socket[] = [];
  for (let i = 0; i < times; i++) {
    const socket = connectTcp(port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(oddBytes(random));
    socket.resume();
    sockets.push(socket);
    if (i % 20 === 19) await pause(10);
  }
  await pause(200);
  for (const socket of sockets) socket.destroy();
}

/** A raw socket that speaks WebSocket, and reads only when it is told to. */
export async function rawWebSocket(port: number): Promise<Socket> {
  const socket = connectTcp(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed during the handshake")));
    socket.write(
      `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    socket.once("data", (bytes: Buffer) => {
      if (bytes.toString("latin1").startsWith("HTTP/1.1 101")) resolve();
      else reject(new Error(`refused: ${bytes.toString("latin1", 0, 80)}`));
    });
  });
  return socket;
}

/** A text as one masked WebSocket frame (RFC 6455, 5.2), with a mask that changes nothing. */
export function maskedFrame(text: string): Buffer {
  const body = Buffer.from(text);
  const head =
    body.length < 126 ? Buffer.alloc(6) : body.length < 65_536 ? Buffer.alloc(8) : Buffer.alloc(14);
  head[0] = 0x81;
  if (head.length === 6) head[1] = 0x80 | body.length;
  else if (head.length === 8) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(body.length, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeUInt32BE(body.length, 6);
  }
  return Buffer.concat([head, body]);
}

const request = (id: number, method: string, params: object): string =>
  JSON.stringify({ jsonrpc: "2.0", id, method, params });

/** Opens so many connections, each with a session that looks on, and leaves them; returns what ends them. */
export async function idle(port: number, count: number): Promise<() => void> {
  const sockets: Socket[] = [];
  const open = async (): Promise<void> => {
    const socket = await rawWebSocket(port);
    socket.write(maskedFrame(request(1, "session.open", { agent: `idle-${sockets.length}`, observe: true })));
    socket.resume();
    sockets.push(socket);
  };
  while (sockets.length < count)
    await Promise.all(Array.from({ length: Math.min(100, count - sockets.length) }, open));
  return () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
}

/** Opens so many connections a second for so long, most of them gone at once; how many were made. */
export async function storm(port: number, aSecond: number, seconds: number, random: Random): Promise<number> {
  const startedMs = performance.now();
  let made = 0;
  while (performance.now() - startedMs < seconds * 1000) {
    const due = Math.min(aSecond * seconds, ((performance.now() - startedMs) / 1000) * aSecond);
    for (; made < due; made++) {
      const socket = connectTcp(port, "127.0.0.1");
      const how = random.between(0, 2);
      socket.on("error", () => undefined);
      socket.on("connect", () => {
        if (how === 0) return socket.resetAndDestroy();
        socket.write(
          how === 1
            ? oddBytes(random)
            : "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        );
        setTimeout(() => socket.resetAndDestroy(), 50);
      });
    }
    await pause(5);
  }
  await pause(300);
  return made;
}

/** A follower from the beginning that never reads again. */
export async function neverReads(port: number): Promise<Socket> {
  const socket = await rawWebSocket(port);
  socket.write(maskedFrame(request(1, "session.open", { agent: "sleeper" })));
  socket.write(maskedFrame(request(2, "log.follow", { after: 0 })));
  socket.pause();
  return socket;
}

/** A client that sends as fast as the hub takes it, for so long, and reads nothing; how many bytes it got rid of. */
export async function flood(port: number, seconds: number): Promise<number> {
  const socket = await rawWebSocket(port);
  socket.write(maskedFrame(request(1, "session.open", { agent: "flooder" })));
  socket.pause();
  const many = Buffer.concat(
    Array.from({ length: 500 }, (_, i) => maskedFrame(request(i, "log.read", { after: 0, limit: 1000 }))),
  );
  const untilMs = performance.now() + seconds * 1000;
  while (performance.now() < untilMs && !socket.destroyed) {
    if (socket.writableLength < 4_000_000) socket.write(many);
    await pause(5);
  }
  const taken = socket.bytesWritten - socket.writableLength;
  socket.resetAndDestroy();
  return taken;
}
