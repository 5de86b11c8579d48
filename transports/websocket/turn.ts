/**
 * A turn of the event loop: what was sent during it goes out at its end, in one system call a
 * connection, and a frame that several connections send is encoded once.
 */
import type { Frame } from "../../core/ports/transport.ts";

/** Frames remembered within one turn; a fan-out sends the same few to many. */
const SHARED_MAX = 512;

let waiting: (() => void)[] = [];
const shared = new Map<Frame, Buffer | undefined>();

/** Calls `flush` at the end of this turn. */
export function atEndOfTurn(flush: () => void): void {
  if (waiting.push(flush) === 1) process.nextTick(endTurn);
}

/**
 * The bytes of an unmasked, unfragmented message (RFC 6455, 5.2) holding this frame, when it was asked
 * for before in this turn; else `undefined`, since most frames go to one connection only.
 */
export function sharedMessage(frame: Frame): Buffer | undefined {
  const known = shared.get(frame);
  if (known !== undefined) return known;
  if (shared.has(frame)) {
    const message = encodeMessage(frame);
    shared.set(frame, message);
    return message;
  }
  if (shared.size < SHARED_MAX) shared.set(frame, undefined);
  return undefined;
}

function endTurn(): void {
  const flushes = waiting;
  waiting = [];
  shared.clear();
  for (const flush of flushes) flush();
}

function encodeMessage(frame: Frame): Buffer {
  const size = typeof frame === "string" ? Buffer.byteLength(frame) : frame.byteLength;
  const headerSize = size < 126 ? 2 : size < 65_536 ? 4 : 10;
  const message = Buffer.allocUnsafe(headerSize + size);
  message[0] = 0x80 | (typeof frame === "string" ? 1 : 2);
  if (headerSize === 2) message[1] = size;
  else if (headerSize === 4) {
    message[1] = 126;
    message.writeUInt16BE(size, 2);
  } else {
    message[1] = 127;
    message.writeBigUInt64BE(BigInt(size), 2);
  }
  if (typeof frame === "string") message.write(frame, headerSize);
  else message.set(frame, headerSize);
  return message;
}
