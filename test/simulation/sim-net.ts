/**
 * Connections whose delays and breaks are simulated. Frames keep their order; what is under way when a
 * connection is cut is lost from some frame on; an end may hear of it late, or go on speaking to nobody; a
 * reader may stop to read.
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
import type { Loop, Process } from "./loop.ts";
import type { Random } from "./random.ts";

/** One end of a wire; the hub's is given to the engine. */
export class End implements Connection {
  readonly peer: Peer = { transport: "sim", loopback: true };
  readonly codec: Codec;
  bufferedBytes = 0;
  /** This end is gone, or was told that the other is. */
  closed = false;
  /** Nothing more arrives at the other end, and nobody is told. */
  mute = false;
  /** The other end does not read for now. */
  stalled = false;
  /** Why this end closed it, if it did. */
  reason: CloseReason | undefined;
  readonly owner: Process | undefined;
  private other: End | undefined;
  private receiver: Receiver | undefined;
  private readonly wire: Wire;
  private readonly flying: Frame[] = [];
  private lastMs = 0;

  constructor(wire: Wire, owner: Process | undefined) {
    this.wire = wire;
    this.codec = wire.codec;
    this.owner = owner;
  }

  join(other: End): void {
    this.other = other;
  }

  receive(receiver: Receiver): void {
    this.receiver = receiver;
  }

  send(frame: Frame): void {
    if (this.closed) return;
    this.bufferedBytes += frame.length * this.wire.scale;
    this.flying.push(frame);
    const { loop, random } = this.wire;
    const atMs = Math.max(this.lastMs, loop.nowMs + random.between(0, this.wire.latencyMs));
    this.lastMs = atMs;
    loop.at(atMs - loop.nowMs, this.other?.owner, () => this.arrive());
  }

  /** Delivers what has arrived, unless nobody reads. */
  arrive(): void {
    if (this.stalled || this.mute || this.wire.cutAt !== undefined) return;
    const frame = this.flying.shift();
    if (frame === undefined) return;
    const was = this.bufferedBytes;
    this.bufferedBytes -= frame.length * this.wire.scale;
    const max = limits.connectionBufferBytesMax;
    if (this.other?.closed === false) this.other.receiver?.frame(frame);
    if (was >= max && this.bufferedBytes < max && !this.closed) this.receiver?.drained();
  }

  /** The other end reads again. */
  flow(): void {
    this.stalled = false;
    for (let i = this.flying.length; i > 0; i--) this.arrive();
  }

  close(reason: CloseReason, words?: string): void {
    if (this.closed) return;
    this.reason = reason;
    const goodbye = reason === "goodbye";
    const said = words === undefined ? reason : `${reason}: ${words}`;
    this.end({ goodbye, reason: said }, 0);
    const { loop, random } = this.wire;
    const delayMs = Math.max(this.lastMs - loop.nowMs, 0) + random.between(0, this.wire.latencyMs);
    if (!this.mute) this.other?.end({ goodbye, reason: said }, delayMs);
  }

  /** Tells this end that it is over, after a while. */
  end(how: Closed, delayMs: number): void {
    const tell = () => {
      if (this.receiver === undefined || this.told) return;
      this.told = true;
      this.closed = true;
      this.receiver.closed(how);
    };
    if (delayMs === 0) this.closed = true;
    this.wire.loop.at(delayMs, this.owner, tell);
  }
  private told = false;
}

export class Wire {
  readonly loop: Loop;
  readonly random: Random;
  readonly latencyMs: number;
  /** What a byte counts for, so that little traffic can fill a connection. */
  readonly scale: number;
  readonly codec: Codec;
  readonly client: End;
  readonly hub: End;
  cutAt: number | undefined;

  constructor(
    loop: Loop,
    random: Random,
    hub: Process,
    caller: Process | undefined,
    latencyMs: number,
    scale: number,
    codec: Codec,
  ) {
    this.loop = loop;
    this.random = random;
    this.latencyMs = latencyMs;
    this.scale = scale;
    this.codec = codec;
    this.client = new End(this, caller);
    this.hub = new End(this, hub);
    this.client.join(this.hub);
    this.hub.join(this.client);
  }

  /** Breaks: what is under way is lost; each end learns of it some time later. */
  cut(): void {
    if (this.cutAt !== undefined) return;
    this.cutAt = this.loop.nowMs;
    const broken = { goodbye: false, reason: "broken" };
    this.client.end(broken, this.random.between(0, 50));
    this.hub.end(broken, this.random.happens(0.2) ? 3000 : this.random.between(0, 50));
  }

  /** One direction, or both, goes nowhere from now on, and nobody is told. */
  deafen(): void {
    const way = this.random.between(0, 2);
    if (way !== 1) this.client.mute = true;
    if (way !== 0) this.hub.mute = true;
  }
}
