/**
 * The hub's end of an agent's folder.
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
import type { SignParams } from "./requests.ts";

/** What becomes of what the hub says. */
export interface SpoolOutlet {
  frame(frame: string): void;
  bufferedBytes(): number;
  /** It is over; with a reason when the hub ended it. Called once. */
  closed(reason: CloseReason | undefined, words: string | undefined): void;
}

const reasons: readonly CloseReason[] = [
  "goodbye",
  "too-slow",
  "refused",
  "taken-over",
  "shutting-down",
  "failed",
];

/** How an end closed, from what it wrote; whatever it wrote, it is only words. */
export function closedBy({ reason: said, words }: SignParams): Closed {
  const reason = reasons.find((known) => known === said) ?? "goodbye";
  const more = typeof words === "string" && words !== "" ? `: ${words.slice(0, 200)}` : "";
  return { goodbye: reason === "goodbye", reason: `${reason}${more}` };
}

export class SpoolConnection implements Connection {
  readonly peer: Peer;
  readonly codec: Codec = "json";
  readonly #outlet: SpoolOutlet;
  #receiver: Receiver | undefined;
  #closed: Closed | undefined;
  #told = false;
  #over = false;

  constructor(peer: Peer, outlet: SpoolOutlet) {
    this.peer = peer;
    this.#outlet = outlet;
  }

  get bufferedBytes(): number {
    return this.#closed === undefined ? this.#outlet.bufferedBytes() : 0;
  }

  /** Whether somebody listens: else lines wait in the file. */
  get isHeard(): boolean {
    return this.#receiver !== undefined;
  }

  receive(receiver: Receiver): void {
    this.#receiver = receiver;
    queueMicrotask(() => this.#tell());
  }

  send(frame: Frame): void {
    if (this.#closed !== undefined || typeof frame !== "string") return;
    this.#outlet.frame(frame);
    if (this.bufferedBytes > limits.connectionBufferBytesMax) this.#over = true;
  }

  close(reason: CloseReason, words?: string): void {
    if (this.#closed !== undefined) return;
    const said = words === undefined || words === "" ? reason : `${reason}: ${words}`;
    this.#end({ goodbye: reason === "goodbye", reason: said });
    this.#outlet.closed(reason, words);
  }

  /** A line of the agent's; never called from within `send` or `receive`. */
  hear(frame: string): void {
    if (this.#closed === undefined) this.#receiver?.frame(frame);
  }

  /** The agent closed it. */
  endBy(params: SignParams): void {
    if (this.#closed !== undefined) return;
    this.#end(closedBy(params));
    this.#outlet.closed(undefined, undefined);
  }

  /** Something was written. */
  wrote(): void {
    if (!this.#over || this.bufferedBytes > limits.connectionBufferBytesMax / 2) return;
    this.#over = false;
    if (this.#closed === undefined) this.#receiver?.drained();
  }

  #end(how: Closed): void {
    this.#closed = how;
    queueMicrotask(() => this.#tell());
  }

  #tell(): void {
    if (this.#told || this.#receiver === undefined || this.#closed === undefined) return;
    this.#told = true;
    this.#receiver.closed(this.#closed);
  }
}
