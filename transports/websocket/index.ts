/**
 * `ws://HOST:PORT[/path]`: one frame a WebSocket message; subprotocols `holdfast.json` and
 * `holdfast.msgpack`.
 */
import type { Abilities } from "../../core/ports/transport.ts";

export { connect } from "./connector.ts";
export type { WebSocketListenOptions } from "./listener.ts";
export { listen } from "./listener.ts";

/** What this transport can do. */
export const abilities: Abilities = {
  binary: true,
  backpressure: true,
  goodbye: true,
  reasons: true,
  flushes: true,
};
