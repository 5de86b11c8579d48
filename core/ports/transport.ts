/**
 * Transports: what carries frames between two ends.
 *
 * Contract, held by `test/contracts/transport.ts` over every implementation:
 * - A frame arrives whole or not at all: never split, merged, altered or, within a connection, reordered.
 * - When a connection breaks, frames may be lost, and on some transports repeated or delayed; both ends get
 * `closed` once.
 * - `send` never throws and never blocks; it queues. The sender watches `bufferedBytes`, and `drained`
 * tells when a
 *   connection that had been over its limit has room again.
 * - A frame over `limits.frameBytesMax` is answered by an error reply or by the medium's own close; never
 * by more memory.
 */

/** One JSON-RPC message (or batch): text is JSON, bytes are MessagePack. */
export type Frame = string | Uint8Array;

export type Codec = "json" | "msgpack";

/** What a transport knows of the other end before the first frame. */
export interface Peer {
  /** `websocket`, `mqtt`, `memory` … */
  readonly transport: string;
  /** Network address where there is one; only for people and limits. */
  readonly address?: string;
  /** Whether it comes from this machine: only such peers may go without a token. */
  readonly loopback: boolean;
  /**
   * The name the medium itself binds the connection to (an MQTT user, a spool folder); the session must
   * open as it.
   */
  readonly agent?: string;
  /** A token the medium carried (an HTTP header, an MQTT password); never logged. */
  readonly token?: string;
  /** One request and away: ending it says nothing about the agent's presence (AG7). */
  readonly oneShot?: boolean;
  /**
   * A part of the hub itself, such as what retains its state on a broker: it needs no token, and is no
   * operator.
   */
  readonly within?: boolean;
}

export interface Closed {
  /**
   * Whether the peer said goodbye (WebSocket 1000, MQTT DISCONNECT) or a last will: the agent is idle at
   * once.
   */
  readonly goodbye: boolean;
  /**
   * For people, and its first word for programs: the `CloseReason` either end gave, `broken` when the
   * connection was lost, else the medium's own (`frame-too-large`, `invalid-text` …); then `: ` and the
   * words that came along.
   */
  readonly reason: string;
}

export interface Receiver {
  frame(frame: Frame): void;
  /** The connection has room again after `bufferedBytes` had passed `limits.connectionBufferBytesMax`. */
  drained(): void;
  closed(how: Closed): void;
}

/** Why one end closes: the medium maps it to its own codes (WebSocket 1000, 1013, 1008 …). */
export type CloseReason = "goodbye" | "too-slow" | "refused" | "taken-over" | "shutting-down" | "failed";

export interface Connection {
  readonly peer: Peer;
  /** Which kind of frame the other end wants. */
  readonly codec: Codec;
  /** Set once, right away; frames that came before are delivered then. */
  receive(receiver: Receiver): void;
  /**
   * Queues a frame, whose bytes the sender gives away: it must not change them afterwards. Harmless after
   * `close`.
   */
  send(frame: Frame): void;
  /** Bytes accepted by `send` that the medium has not taken yet. */
  readonly bufferedBytes: number;
  /**
   * Ends the connection; nobody waits for the other end's handshake. Calling it again does nothing. No
   * frame is delivered afterwards; this end's own `closed` follows soon, never from within the call, with
   * this reason.
   */
  close(reason: CloseReason, words?: string): void;
}

export interface Listener {
  /** Where it can be reached, with the port that was really taken. */
  readonly urls: readonly string[];
  /** Stops accepting, closes every connection with `shutting-down`, frees the port. */
  close(): Promise<void>;
}

/** Called with each new connection. */
export type Accept = (connection: Connection) => void;

/** How to call a hub; each transport uses what its medium knows. */
export interface ConnectOptions {
  /** The kind of frame wanted; `json` unless told otherwise. */
  readonly codec?: Codec;
  /** Proves the name to a hub with tokens; travels in the medium's own place for it, never in a url. */
  readonly token?: string;
  /**
   * Certificates (PEM) of the authorities the hub's may come from, instead of those the platform knows; of
   * use over TLS only.
   */
  readonly ca?: string;
  /** The agent's name, where the medium binds the connection to it. */
  readonly agent?: string;
  /** How long the first attempt may take; `limits.handshakeMs` unless told otherwise. */
  readonly timeoutMs?: number;
}

/**
 * What an implementation declares of itself beyond the contract; a case of the contract suite that needs an
 * ability is only held against those that declare it.
 */
export interface Abilities {
  /** Carries bytes, so that the codec may be `msgpack`. */
  readonly binary: boolean;
  /**
   * `bufferedBytes` grows while the other end does not read (has not called `receive`), and `drained`
   * follows.
   */
  readonly backpressure: boolean;
  /** The other end learns whether it was a goodbye. */
  readonly goodbye: boolean;
  /** The other end learns the `CloseReason`. */
  readonly reasons: boolean;
  /** What was sent before `close` still arrives at an end that reads. */
  readonly flushes: boolean;
}
