/**
 * A connection of the hub's that is made of requests and answers: frames go in by one path and out by
 * another.
 */
import type {
  Closed,
  CloseReason,
  Codec,
  Connection,
  Frame,
  Peer,
  Receiver,
} from "../../core/ports/transport.ts";

/** What the hub does with the connection, told to whoever stands between it and the medium. */
export interface Outlet {
  /** A frame for the peer. */
  frame(frame: string): void;
  /** Bytes that `frame` accepted and the medium has not taken. */
  readonly bufferedBytes: number;
  /** The hub ended it; called once, and not when `end` was called before. */
  closed(reason: CloseReason, words: string | undefined): void;
}

/** The hub's end. The other end is played by calling `deliver`, `drained` and `end`. */
export class RequestConnection implements Connection {
  readonly peer: Peer;
  readonly codec: Codec = "json";
  readonly #outlet: Outlet;
  #receiver: Receiver | undefined;
  #ended: Closed | undefined;
  #told = false;
  #scheduled = false;
  #inbox: string[] = [];
  #emptied: (() => void)[] = [];

  constructor(peer: Peer, outlet: Outlet) {
    this.peer = peer;
    this.#outlet = outlet;
  }

  get bufferedBytes(): number {
    return this.#ended === undefined ? this.#outlet.bufferedBytes : 0;
  }

  get isEnded(): boolean {
    return this.#ended !== undefined;
  }

  receive(receiver: Receiver): void {
    this.#receiver = receiver;
    this.#schedule();
  }

  send(frame: Frame): void {
    if (this.#ended === undefined && typeof frame === "string") this.#outlet.frame(frame);
  }

  close(reason: CloseReason, words?: string): void {
    if (this.#ended !== undefined) return;
    const said = words === undefined || words === "" ? reason : `${reason}: ${words}`;
    this.end({ goodbye: reason === "goodbye", reason: said });
    this.#outlet.closed(reason, words);
  }

  /** Hands the hub frames, as soon as it has a receiver; resolves once it took them all, or ended. */
  deliver(frames: readonly string[]): Promise<void> {
    if (this.#ended !== undefined) return Promise.resolve();
    this.#inbox.push(...frames);
    this.#schedule();
    return new Promise((resolve) => this.#emptied.push(resolve));
  }

  /** There is room again. */
  drained(): void {
    if (this.#ended === undefined) this.#receiver?.drained();
  }

  /** The peer is gone; nothing is delivered any more. Calling it again does nothing. */
  end(how: Closed): void {
    if (this.#ended !== undefined) return;
    this.#ended = how;
    this.#inbox = [];
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#run);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    if (this.#receiver !== undefined) {
      while (this.#inbox.length > 0) {
        const frames = this.#inbox;
        this.#inbox = [];
        for (const frame of frames) if (this.#ended === undefined) this.#receiver.frame(frame);
      }
      if (this.#ended !== undefined && !this.#told) {
        this.#told = true;
        this.#receiver.closed(this.#ended);
      }
    }
    if (this.#inbox.length === 0) for (const resolve of this.#emptied.splice(0)) resolve();
  };
}
