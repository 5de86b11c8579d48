/**
 * A connection over topics: what both ends and both kinds of broker have in common. Frames wait until there
 * is a receiver, nothing comes after the end, and the end is told once.
 */
import { isUtf8 } from "node:buffer";
import { limits } from "../../core/limits.ts";
import type { Cancel, Clock } from "../../core/ports/clock.ts";
import type { Closed, CloseReason, Connection, Frame, Peer, Receiver } from "../../core/ports/transport.ts";
import { withWords } from "./notes.ts";

/** What carries the frames of one connection. */
export interface Carrier {
  readonly bufferedBytes: number;
  send(frame: Frame): void;
  /** Nobody reads yet: what can be made to wait in the network should. */
  hold(): void;
  letGo(): void;
  /** This end closes: tells the other and gives up what is its own. */
  close(reason: CloseReason, words: string | undefined): void;
}

/** Below this, a connection that was over its limit has room again. */
const ROOM_BYTES = limits.connectionBufferBytesMax / 2;

export class TopicConnection implements Connection {
  readonly peer: Peer;
  readonly codec = "json";
  readonly #carrier: Carrier;
  readonly #after: Clock["after"];
  readonly #drainMs: number;
  #receiver: Receiver | undefined;
  #early: Frame[] = [];
  #ended: Closed | undefined;
  #told = false;
  #held = false;
  #over = false;
  #endPatience: Cancel | undefined;

  constructor(peer: Peer, carrier: Carrier, after: Clock["after"], drainMs: number) {
    this.peer = peer;
    this.#carrier = carrier;
    this.#after = after;
    this.#drainMs = drainMs;
  }

  get bufferedBytes(): number {
    return this.#carrier.bufferedBytes;
  }

  get isEnded(): boolean {
    return this.#ended !== undefined;
  }

  receive(receiver: Receiver): void {
    this.#receiver = receiver;
    queueMicrotask(this.#begin);
  }

  /** Lets the network hold what comes until there is a receiver. */
  holdUntilReceived(): void {
    if (this.#receiver !== undefined || this.isEnded) return;
    this.#held = true;
    this.#carrier.hold();
  }

  send(frame: Frame): void {
    if (this.isEnded) return;
    this.#carrier.send(frame);
    if (this.#over || this.bufferedBytes <= limits.connectionBufferBytesMax) return;
    this.#over = true;
    const words = `Nothing was read for ${this.#drainMs} ms.`;
    this.#endPatience = this.#after(this.#drainMs, () => this.close("too-slow", words));
  }

  close(reason: CloseReason, words?: string): void {
    if (this.isEnded) return;
    // Nothing is delivered after a close of one's own; what came before the other's still is.
    this.#early = [];
    this.end({ goodbye: reason === "goodbye", reason: withWords(reason, words) });
    this.#carrier.close(reason, words);
  }

  /** A payload came: a text, or bytes that are none and will be answered as such. */
  take(payload: Uint8Array): void {
    if (this.isEnded) return;
    const frame = isUtf8(payload)
      ? Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString()
      : payload;
    if (this.#receiver === undefined || this.#early.length > 0) this.#early.push(frame);
    else this.#receiver.frame(frame);
  }

  /** The carrier has taken something. */
  took(): void {
    if (!this.#over || this.isEnded || this.bufferedBytes > ROOM_BYTES) return;
    this.#over = false;
    this.#endPatience?.();
    this.#receiver?.drained();
  }

  /** Over, by whichever end; only the first time counts. */
  end(how: Closed): void {
    if (this.isEnded) return;
    this.#ended = how;
    this.#endPatience?.();
    if (this.#held) this.#letGo();
    queueMicrotask(this.#tell);
  }

  #letGo(): void {
    this.#held = false;
    this.#carrier.letGo();
  }

  readonly #begin = (): void => {
    for (const frames = this.#early; frames.length > 0 && frames === this.#early; ) {
      this.#receiver?.frame(frames.shift() as Frame);
    }
    if (this.#held) this.#letGo();
    this.#tell();
  };

  readonly #tell = (): void => {
    if (this.#told || this.#receiver === undefined || this.#ended === undefined) return;
    this.#told = true;
    this.#receiver.closed(this.#ended);
  };
}
