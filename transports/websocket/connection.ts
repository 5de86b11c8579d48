/**
 * One WebSocket as a connection, the same at both ends: corked writes, back-pressure, heartbeat, closing.
 */
import type { Duplex } from "node:stream";
import { limits } from "../../core/limits.ts";
import type { Cancel, Clock } from "../../core/ports/clock.ts";
import type {
  Closed,
  CloseReason,
  Codec,
  Connection,
  Frame,
  Peer,
  Receiver,
} from "../../core/ports/transport.ts";
import { closeCodes, closedByFault, closedByPeer, closingWords, withWords } from "./closing.ts";
import { atEndOfTurn, sharedMessage } from "./turn.ts";

/** The subprotocol that names a codec. */
export const subprotocols: { readonly [codec in Codec]: string } = {
  json: "holdfast.json",
  msgpack: "holdfast.msgpack",
};

/**
 * Corked bytes are written before the end of the turn when there are this many, so that the medium is
 * kept busy.
 */
const CORKED_BYTES_MAX = 64 * 1024;

/** Below this, a connection that was over its limit has room again. */
const ROOM_BYTES = limits.connectionBufferBytesMax / 2;

/** What is asked of a WebSocket; `ws` has it. */
export interface WebSocketEnd {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: Frame, done?: () => void): void;
  ping(): void;
  pause(): void;
  resume(): void;
  close(code: number, words: string): void;
  terminate(): void;
  on(event: "message", heard: (data: Buffer, binary: boolean) => void): unknown;
  on(event: "ping" | "pong", heard: () => void): unknown;
  on(event: "close", heard: (code: number, words: Buffer) => void): unknown;
  on(event: "error", heard: (error: Error) => void): unknown;
}

/** What a connection is told when it is made. */
export interface WebSocketPlace {
  readonly peer: Peer;
  readonly codec: Codec;
  /** Whether this end is the server: its messages go unmasked, so one encoding fits all. */
  readonly server: boolean;
  /** The byte stream below, which must carry no extension of the protocol. */
  readonly stream: Duplex;
  readonly after: Clock["after"];
  readonly drainMs: number;
}

const OPEN = 1;

/** A connection over an open WebSocket. */
export class WebSocketConnection implements Connection {
  readonly peer: Peer;
  readonly codec: Codec;
  readonly #socket: WebSocketEnd;
  readonly #place: WebSocketPlace;
  #receiver: Receiver | undefined;
  #ended: Closed | undefined;
  #told = false;
  #held = false;
  #corked = false;
  /** Whether `bufferedBytes` passed the limit and has not come below half of it since. */
  #over = false;
  #endPatience: Cancel | undefined;
  #heard = true;

  constructor(socket: WebSocketEnd, place: WebSocketPlace) {
    this.peer = place.peer;
    this.codec = place.codec;
    this.#socket = socket;
    this.#place = place;
    socket.on("message", (data, binary) => {
      this.#heard = true;
      if (this.#ended === undefined) this.#receiver?.frame(binary ? data : data.toString());
    });
    const alive = (): void => {
      this.#heard = true;
    };
    socket.on("ping", alive);
    socket.on("pong", alive);
    socket.on("error", (error) => this.#end(closedByFault(error)));
    socket.on("close", (code, words) => this.#end(closedByPeer(code, words.toString())));
  }

  /** In bytes of text as long as it is ASCII; a character beyond counts as one byte until it is encoded. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  receive(receiver: Receiver): void {
    this.#receiver = receiver;
    if (this.#held) this.#letGo();
    if (this.#ended !== undefined) queueMicrotask(this.#tell);
  }

  /** Reads nothing until there is a receiver: what comes before waits in the network, not in memory. */
  holdUntilReceived(): void {
    if (this.#receiver !== undefined || this.#ended !== undefined) return;
    this.#held = true;
    this.#socket.pause();
  }

  send(frame: Frame): void {
    if (this.#ended !== undefined || this.#socket.readyState !== OPEN) return;
    const { stream, server } = this.#place;
    if (!this.#corked) {
      this.#corked = true;
      stream.cork();
      atEndOfTurn(this.#flush);
    }
    const done = this.bufferedBytes + frame.length > ROOM_BYTES ? this.#written : undefined;
    const message = server ? sharedMessage(frame) : undefined;
    if (message === undefined) this.#socket.send(frame, done);
    else stream.write(message, done);
    if (this.bufferedBytes > CORKED_BYTES_MAX) this.#busy();
  }

  close(reason: CloseReason, words?: string): void {
    if (this.#ended !== undefined) return;
    this.#end({ goodbye: reason === "goodbye", reason: withWords(reason, words) });
    if (this.#held) this.#letGo();
    this.#socket.close(closeCodes[reason], closingWords(words ?? ""));
  }

  /**
   * To be called every `limits.pingMs`: cuts a peer that was silent since the last time, asks the
   * others to speak.
   */
  beat(): void {
    if (this.#ended !== undefined) return;
    if (this.#heard) this.#socket.ping();
    else this.#socket.terminate();
    this.#heard = false;
  }

  #letGo(): void {
    this.#held = false;
    this.#socket.resume();
  }

  readonly #flush = (): void => {
    this.#corked = false;
    this.#place.stream.uncork();
  };

  #busy(): void {
    const { stream, after, drainMs } = this.#place;
    if (this.#corked) {
      stream.uncork();
      stream.cork();
    }
    if (this.#over || this.bufferedBytes <= limits.connectionBufferBytesMax) return;
    this.#over = true;
    this.#endPatience = after(drainMs, () => this.close("too-slow", `Nothing was read for ${drainMs} ms.`));
  }

  readonly #written = (): void => {
    if (!this.#over || this.#ended !== undefined || this.bufferedBytes > ROOM_BYTES) return;
    this.#over = false;
    this.#endPatience?.();
    this.#receiver?.drained();
  };

  #end(how: Closed): void {
    if (this.#ended !== undefined) return;
    this.#ended = how;
    this.#endPatience?.();
    queueMicrotask(this.#tell);
  }

  readonly #tell = (): void => {
    if (this.#told || this.#receiver === undefined || this.#ended === undefined) return;
    this.#told = true;
    this.#receiver.closed(this.#ended);
  };
}

/** Real time, never keeping the process alive. */
export const realAfter: Clock["after"] = (ms, run) => {
  const timer = setTimeout(run, ms);
  timer.unref();
  return () => clearTimeout(timer);
};
