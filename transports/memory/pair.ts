/**
 * A linked pair of connections in one process.
 *
 * Frames wait in the queue of the end that will read them and are handed over in microtasks: never from
 * within `send`, so that neither end is entered twice.
 */
import { limits } from "../../core/limits.ts";
import type {
  Closed,
  CloseReason,
  Codec,
  Connection,
  Frame,
  Peer,
  Receiver,
} from "../../core/ports/transport.ts";

/**
 * Frames handed over before timers and sockets of the process get a turn: microtasks alone would starve
 * them.
 */
const FRAMES_A_TURN = 512;

const LOCAL: Peer = { transport: "memory", loopback: true };

let handedOver = 0;

/**
 * Two connections, each the other's end: the first has `peerOfFirst` as its `peer`, the second
 * `peerOfSecond`. Bytes are handed over as they are, not copied. `ended` is called once, when the pair
 * is closed.
 */
export function memoryPair(
  peerOfFirst: Peer = LOCAL,
  peerOfSecond: Peer = LOCAL,
  codec: Codec = "json",
  ended: () => void = () => undefined,
): readonly [Connection, Connection] {
  const first = new MemoryEnd(peerOfFirst, codec, ended);
  const second = new MemoryEnd(peerOfSecond, codec, () => undefined);
  first.link(second);
  second.link(first);
  return [first, second];
}

class MemoryEnd implements Connection {
  readonly peer: Peer;
  readonly codec: Codec;
  readonly #whenEnded: () => void;
  #other: MemoryEnd | undefined;
  #receiver: Receiver | undefined;
  /** What the other end sent and this one has not read. */
  #inbox: Frame[] = [];
  #inboxBytes = 0;
  /** Set as soon as no more frames can come in; told to the receiver behind those that did. */
  #ended: Closed | undefined;
  #open = true;
  #over = false;
  #scheduled = false;

  constructor(peer: Peer, codec: Codec, whenEnded: () => void) {
    this.#whenEnded = whenEnded;
    this.peer = peer;
    this.codec = codec;
  }

  link(other: MemoryEnd): void {
    this.#other = other;
  }

  get bufferedBytes(): number {
    return this.#open ? (this.#other?.inboxBytes ?? 0) : 0;
  }

  get inboxBytes(): number {
    return this.#inboxBytes;
  }

  receive(receiver: Receiver): void {
    this.#receiver = receiver;
    this.#schedule();
  }

  send(frame: Frame): void {
    if (!this.#open || this.#other === undefined) return;
    if (byteLength(frame) > limits.frameBytesMax) {
      this.#finish("frame-too-large", false);
      return;
    }
    this.#other.take(frame);
    if (this.bufferedBytes > limits.connectionBufferBytesMax) this.#over = true;
  }

  close(reason: CloseReason, words?: string): void {
    if (!this.#open) return;
    this.#finish(words === undefined || words === "" ? reason : `${reason}: ${words}`, reason === "goodbye");
  }

  /** Ends both: what this end sent is still read by the other, what it was sent is dropped. */
  #finish(reason: string, goodbye: boolean): void {
    this.#inbox = [];
    this.#inboxBytes = 0;
    this.end({ goodbye, reason });
    this.#other?.end({ goodbye, reason });
  }

  take(frame: Frame): void {
    this.#inbox.push(frame);
    this.#inboxBytes += byteLength(frame);
    this.#schedule();
  }

  end(how: Closed): void {
    if (!this.#open) return;
    this.#open = false;
    this.#ended = how;
    this.#whenEnded();
    this.#schedule();
  }

  /** Called when the other end has read something. */
  read(): void {
    if (!this.#over || !this.#open || this.bufferedBytes > limits.connectionBufferBytesMax / 2) return;
    this.#over = false;
    this.#receiver?.drained();
  }

  #schedule(): void {
    if (this.#scheduled || this.#receiver === undefined) return;
    this.#scheduled = true;
    if (handedOver < FRAMES_A_TURN) queueMicrotask(this.#deliver);
    else setImmediate(this.#deliverNextTurn);
  }

  readonly #deliverNextTurn = (): void => {
    handedOver = 0;
    this.#deliver();
  };

  readonly #deliver = (): void => {
    const frames = this.#inbox;
    let next = 0;
    try {
      for (; next < frames.length && this.#inbox === frames && handedOver < FRAMES_A_TURN; next++) {
        const frame = frames[next] as Frame;
        this.#inboxBytes -= byteLength(frame);
        handedOver++;
        this.#receiver?.frame(frame);
      }
    } finally {
      // `close` from within `frame` has put a new, empty queue in place.
      if (this.#inbox === frames) this.#inbox = next >= frames.length ? [] : frames.slice(next);
      this.#scheduled = false;
      if (this.#inbox.length > 0) this.#schedule();
    }
    this.#other?.read();
    if (this.#ended === undefined || this.#inbox.length > 0) return;
    this.#receiver?.closed(this.#ended);
  };
}

function byteLength(frame: Frame): number {
  return typeof frame === "string" ? Buffer.byteLength(frame) : frame.byteLength;
}
