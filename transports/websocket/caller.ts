/**
 * Calling a hub over WebSocket without a library: one end of RFC 6455 for short visits of a client, in
 * JSON. A command line starts in half the time without `ws` and `node:http`.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type {
  Closed,
  CloseReason,
  Connection,
  ConnectOptions,
  Frame,
  Receiver,
} from "../../core/ports/transport.ts";

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
/** A hub's refusal before the WebSocket stands is short. */
const HEAD_BYTES_MAX = 16 * 1024;

/**
 * Connects to `ws://HOST:PORT[/path]`; fails at the first try with `hub.unreachable`, `hub.refused` or
 * `usage`. Sends and takes text only.
 */
export async function call(url: string, options: ConnectOptions = {}): Promise<Connection> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== "ws:" || parsed.hash !== "") {
    throw new Failure("usage", "A WebSocket url has the form ws://HOST:PORT[/path].", { fields: { url } });
  }
  const shown = `ws://${parsed.host}${parsed.pathname === "/" ? "" : parsed.pathname}`;
  const host = parsed.hostname.replace(/^\[(.*)\]$/, "$1");
  const socket = connectTcp({ host, port: parsed.port === "" ? 80 : Number(parsed.port), noDelay: true });
  const key = noise(16).toString("base64");
  const path = `${parsed.pathname}${parsed.search}`;
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${parsed.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: holdfast.json\r\n` +
      `${options.token === undefined ? "" : `Authorization: Bearer ${options.token}\r\n`}\r\n`,
  );
  try {
    const rest = await shaken(socket, shown, options.timeoutMs ?? limits.handshakeMs);
    return new Caller(socket, parsed.host, rest);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** A key and masks keep proxies from taking frames for something else; they are no secrets. */
function noise(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, () => Math.floor(Math.random() * 256)));
}

/** Waits for the hub's answer to the handshake; resolves with what came behind it. */
function shaken(socket: Socket, url: string, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let got = Buffer.alloc(0);
    const unreachable = (why: string): void =>
      reject(new Failure("hub.unreachable", `No hub answers at ${url}: ${why}.`, { fields: { url } }));
    const timer = setTimeout(() => unreachable(`no answer in ${timeoutMs} ms`), timeoutMs);
    const done = (finish: () => void): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      finish();
    };
    socket.on("error", (error: NodeJS.ErrnoException) =>
      done(() => unreachable(error.message || (error.code ?? ""))),
    );
    socket.on("end", () => done(() => unreachable("the connection was closed")));
    socket.on("data", (bytes: Buffer) => {
      got = Buffer.concat([got, bytes]);
      const end = got.indexOf("\r\n\r\n");
      if (end < 0) {
        if (got.length > HEAD_BYTES_MAX) done(() => unreachable("its answer is no WebSocket's"));
        return;
      }
      const [status = "", ...lines] = got.toString("latin1", 0, end).split("\r\n");
      // Only a hub names this subprotocol; that proves more than the digest of the key, which would load
      // node:crypto.
      const agreed = lines.some((line) => /^sec-websocket-protocol:\s*holdfast\.json\s*$/i.test(line));
      if (/^HTTP\/1\.1 101/.test(status) && agreed) {
        const rest = got.subarray(end + 4);
        return done(() => resolve(rest));
      }
      const said = got
        .toString("utf8", end + 4)
        .replace(/\s+/g, " ")
        .trim()
        .slice(0, 400);
      const code = Number(status.split(" ")[1] ?? 0);
      const words = `${url} refused with ${status.slice(0, 40)}${said === "" ? "." : `: ${said}`}`;
      done(() => reject(new Failure("hub.refused", words, { fields: { url, status: code } })));
    });
  });
}

class Caller implements Connection {
  readonly codec = "json";
  readonly peer;
  readonly #socket: Socket;
  #receiver: Receiver | undefined;
  #pending: Buffer;
  #text: Buffer[] = [];
  #over: Closed | undefined;

  constructor(socket: Socket, address: string, rest: Buffer) {
    this.peer = { transport: "websocket", address, loopback: false };
    this.#socket = socket;
    this.#pending = rest;
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("error", () => this.#end({ goodbye: false, reason: "broken" }));
    socket.on("close", () => this.#end({ goodbye: false, reason: "broken" }));
    socket.pause();
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  receive(receiver: Receiver): void {
    this.#receiver = receiver;
    this.#socket.resume();
    queueMicrotask(() => this.#take(Buffer.alloc(0)));
  }

  send(frame: Frame): void {
    if (this.#over === undefined) this.#write(TEXT, Buffer.from(frame));
  }

  close(_reason: CloseReason, _words = ""): void {
    if (this.#over !== undefined) return;
    this.#write(CLOSE, Buffer.from([1000 >> 8, 1000 & 255]));
    this.#socket.end();
    // Nobody waits for the other end's goodbye.
    this.#socket.unref();
    queueMicrotask(() => this.#end({ goodbye: true, reason: "goodbye" }));
  }

  /** One message or control frame, masked as a client must. */
  #write(opcode: number, payload: Buffer): void {
    const size = payload.length;
    const long = size < 126 ? 0 : size < 65536 ? 2 : 8;
    const frame = Buffer.allocUnsafe(2 + long + 4 + size);
    frame[0] = 0x80 | opcode;
    frame[1] = 0x80 | (long === 0 ? size : long === 2 ? 126 : 127);
    if (long === 2) frame.writeUInt16BE(size, 2);
    if (long === 8) frame.writeBigUInt64BE(BigInt(size), 2);
    const mask = noise(4);
    const start = 2 + long + 4;
    mask.copy(frame, start - 4);
    for (let i = 0; i < size; i++) frame[start + i] = (payload[i] as number) ^ (mask[i & 3] as number);
    if (this.#socket.writable) this.#socket.write(frame);
  }

  #take(bytes: Buffer): void {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    while (this.#over === undefined && this.#receiver !== undefined) {
      const frame = this.#next();
      if (frame === undefined) return;
      this.#handle(frame.opcode, frame.last, frame.payload);
    }
  }

  /** Takes one whole frame off what has come in. */
  #next(): { opcode: number; last: boolean; payload: Buffer } | undefined {
    const bytes = this.#pending;
    if (bytes.length < 2) return undefined;
    const first = bytes[0] as number;
    const short = bytes[1] as number;
    const long = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (bytes.length < 2 + long) return undefined;
    const size = long === 0 ? short : long === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    // A masked frame, or one with extensions, comes from no hub; neither does one beyond every limit.
    if ((first & 0x70) !== 0 || short > 127 || size > 2 * limits.frameBytesMax) {
      this.#socket.destroy();
      return undefined;
    }
    if (bytes.length < 2 + long + size) return undefined;
    this.#pending = bytes.subarray(2 + long + size);
    return { opcode: first & 15, last: first >= 0x80, payload: bytes.subarray(2 + long, 2 + long + size) };
  }

  #handle(opcode: number, last: boolean, payload: Buffer): void {
    if (opcode === PING) return this.#write(PONG, payload);
    if (opcode === PONG) return;
    if (opcode === CLOSE) {
      const goodbye = payload.length >= 2 && payload.readUInt16BE(0) === 1000;
      const words = payload.toString("utf8", 2);
      this.#write(CLOSE, payload.subarray(0, 2));
      this.#socket.end();
      return this.#end({ goodbye, reason: words === "" ? "goodbye" : words });
    }
    this.#text.push(payload);
    if (!last) return;
    const whole = Buffer.concat(this.#text).toString("utf8");
    this.#text = [];
    this.#receiver?.frame(whole);
  }

  #end(how: Closed): void {
    if (this.#over !== undefined) return;
    this.#over = how;
    this.#receiver?.closed(how);
  }
}
