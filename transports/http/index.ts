/**
 * `http://HOST:PORT`: JSON-RPC by POST, the log as server-sent events, and links that carry whole sessions.
 */
import type { Abilities } from "../../core/ports/transport.ts";

export { connect } from "./connector.ts";
export type { HttpBounds, HttpListenOptions } from "./listener.ts";
export { listen } from "./listener.ts";
export { openWebServer, type WebServer } from "./server.ts";

/** What this transport can do; frames are lines of text. */
export const abilities: Abilities = {
  binary: false,
  backpressure: true,
  goodbye: true,
  reasons: true,
  flushes: true,
};
