/**
 * The intake: what stands between a client's bytes and the broker. It passes on whole packets only, none
 * over the limit, none with a text that MQTT forbids, and sees a goodbye before the broker does.
 *
 * Invariant: never more than one packet, of at most the limit, waits here.
 */
import { isUtf8 } from "node:buffer";
import { Duplex } from "node:stream";

/** What an intake holds a client to. */
export interface IntakeBounds {
  /** Bytes of one message. */
  readonly frameBytesMax: number;
  /** Bytes that may wait for the client before the broker waits, too. */
  readonly bufferBytesMax: number;
}

/** The largest packet besides PUBLISH: a SUBSCRIBE with many filters, a CONNECT with a will. */
const CONTROL_BYTES_MAX = 256 * 1024;
/** A topic and its length, and a packet identifier. */
const TOPIC_BYTES_MAX = 65_535 + 4;

const CONNECT = 1;
const PUBLISH = 3;
const SUBSCRIBE = 8;
const UNSUBSCRIBE = 10;
const DISCONNECT = 14;

/** A byte stream as the broker sees it: checked on the way in, untouched on the way out. */
export class Intake extends Duplex {
  /** The client sent DISCONNECT. */
  saidGoodbye = false;
  /** Why it was cut off, for its connections: the medium's own word. */
  fault: string | undefined;
  readonly #stream: Duplex;
  readonly #bounds: IntakeBounds;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Bytes of the packet that is being gathered, once its head is there. */
  #needed: number | undefined;
  #held = false;
  #waiting = false;
  #wantsMore = true;
  #connected = false;

  constructor(stream: Duplex, bounds: IntakeBounds) {
    super({ allowHalfOpen: false });
    this.#stream = stream;
    this.#bounds = bounds;
    stream.on("data", (bytes: Buffer) => this.#take(bytes));
    stream.on("end", () => this.push(null));
    stream.on("drain", () => this.#drained());
    stream.on("error", (error) => this.destroy(error));
    stream.on("close", () => this.destroy());
  }

  /** Bytes that the client has not taken yet. */
  get waitingBytes(): number {
    return this.#stream.writableLength;
  }

  /** Reads nothing more for now. */
  hold(): void {
    this.#held = true;
    this.#stream.pause();
  }

  letGo(): void {
    this.#held = false;
    if (this.#wantsMore) this.#stream.resume();
  }

  /** Writes straight through: the broker waits only for a client that is far behind. */
  override write(...given: unknown[]): boolean {
    const chunk = given[0] as Buffer | string;
    const encoding = typeof given[1] === "string" ? (given[1] as BufferEncoding) : undefined;
    const done = given.find((one): one is () => void => typeof one === "function");
    if (this.#stream.destroyed || this.#stream.writableEnded) return true;
    if (encoding === undefined) this.#stream.write(chunk, done);
    else this.#stream.write(chunk, encoding, done);
    this.#waiting = this.waitingBytes > this.#bounds.bufferBytesMax;
    return !this.#waiting;
  }

  override cork(): void {
    this.#stream.cork();
  }

  override uncork(): void {
    this.#stream.uncork();
  }

  override _read(): void {
    this.#wantsMore = true;
    if (!this.#held) this.#stream.resume();
  }

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }

  override _final(done: () => void): void {
    this.#stream.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#pieces = [];
    this.#stream.destroy();
    done(error);
  }

  /** Cuts the client off. */
  refuse(fault: string): void {
    this.fault ??= fault;
    this.destroy();
  }

  #drained(): void {
    this.emit("room");
    if (!this.#waiting) return;
    this.#waiting = false;
    this.emit("drain");
  }

  #take(bytes: Buffer): void {
    if (this.destroyed) return;
    let rest = bytes;
    if (this.#pieces.length > 0) {
      this.#pieces.push(bytes);
      this.#pieceBytes += bytes.length;
      const needed = this.#needed;
      if (needed !== undefined && this.#pieceBytes < needed) return;
      rest = Buffer.concat(this.#pieces, this.#pieceBytes);
      this.#pieces = [];
    }
    let from = 0;
    let size = this.#sizeAt(rest, from);
    while (size !== undefined && from + size <= rest.length) {
      const fault = this.#faultOf(rest.subarray(from, from + size));
      if (fault !== undefined) return this.refuse(fault);
      from += size;
      size = this.#sizeAt(rest, from);
    }
    if (this.destroyed) return;
    if (from < rest.length) {
      this.#pieces = [rest.subarray(from)];
      this.#pieceBytes = rest.length - from;
      this.#needed = size;
    }
    if (from > 0) {
      this.#wantsMore = this.push(rest.subarray(0, from));
      if (!this.#wantsMore) this.#stream.pause();
    }
  }

  /**
   * Bytes of the packet that begins there, `undefined` until its length is there; refuses what is too long.
   */
  #sizeAt(bytes: Buffer, from: number): number | undefined {
    // Who begins with anything but CONNECT is not heard out.
    if (!this.#connected && from < bytes.length && bytes[from] !== CONNECT << 4) {
      this.refuse("protocol-error");
      return undefined;
    }
    let remaining = 0;
    for (let at = 1; at <= 4; at++) {
      const byte = bytes[from + at];
      if (byte === undefined) return undefined;
      remaining |= (byte & 0x7f) << (7 * (at - 1));
      if (byte < 0x80) {
        const publish = (bytes[from] as number) >> 4 === PUBLISH;
        const most = publish ? this.#bounds.frameBytesMax + TOPIC_BYTES_MAX : CONTROL_BYTES_MAX;
        if (remaining > most) this.refuse("frame-too-large");
        return remaining > most ? undefined : 1 + at + remaining;
      }
    }
    this.refuse("protocol-error");
    return undefined;
  }

  /** What is wrong with a whole packet. */
  #faultOf(packet: Buffer): string | undefined {
    const type = (packet[0] as number) >> 4;
    let head = 2;
    while ((packet[head - 1] as number) >= 0x80) head++;
    const body = packet.subarray(head);
    switch (type) {
      case CONNECT:
        if (this.#connected) return "protocol-error";
        this.#connected = true;
        return connectFault(body);
      case PUBLISH: {
        if ((((packet[0] as number) >> 1) & 3) === 3) return "protocol-error";
        const topic = textAt(body, 0);
        if (topic === undefined) return "invalid-text";
        const idBytes = (packet[0] as number) & 6 ? 2 : 0;
        const payloadBytes = body.length - topic.next - idBytes;
        if (payloadBytes < 0 || topic.next === 2) return "protocol-error";
        return payloadBytes > this.#bounds.frameBytesMax ? "frame-too-large" : undefined;
      }
      case SUBSCRIBE:
        return filtersFault(body, 1);
      case UNSUBSCRIBE:
        return filtersFault(body, 0);
      case DISCONNECT:
        this.saidGoodbye = true;
        return undefined;
      default:
        return undefined;
    }
  }
}

/** Where a text ends that begins with its length; `undefined` when it is no text of MQTT (3.1.1, 1.5.3). */
function textAt(body: Buffer, at: number): { readonly next: number } | undefined {
  if (at + 2 > body.length) return undefined;
  const next = at + 2 + body.readUInt16BE(at);
  if (next > body.length) return undefined;
  const text = body.subarray(at + 2, next);
  return isUtf8(text) && !text.includes(0) ? { next } : undefined;
}

function filtersFault(body: Buffer, extraBytes: number): string | undefined {
  let at = 2;
  if (body.length <= at) return "protocol-error";
  while (at < body.length) {
    const filter = textAt(body, at);
    if (filter === undefined) return "invalid-text";
    if (extraBytes === 1 && (body[filter.next] ?? 3) > 2) return "protocol-error";
    at = filter.next + extraBytes;
  }
  return undefined;
}

/** The client id, the will's topic and the user are texts; the will's payload and the password are bytes. */
function connectFault(body: Buffer): string | undefined {
  const protocol = textAt(body, 0);
  const level = body[protocol?.next ?? body.length];
  if (protocol === undefined || level === undefined) return "protocol-error";
  // Other versions are answered by the broker.
  if (level !== 3 && level !== 4) return undefined;
  const flags = body[protocol.next + 1] ?? 1;
  if ((flags & 1) !== 0) return "protocol-error";
  const id = textAt(body, protocol.next + 4);
  if (id === undefined) return "invalid-text";
  let at = id.next;
  if ((flags & 4) !== 0) {
    const topic = textAt(body, at);
    if (topic === undefined || topic.next + 2 > body.length) return "invalid-text";
    at = topic.next + 2 + body.readUInt16BE(topic.next);
  }
  if ((flags & 0x80) !== 0 && textAt(body, at) === undefined) return "invalid-text";
  return undefined;
}
