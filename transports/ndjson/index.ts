/**
 * `ndjson:DIR?agent=NAME`: a spool, for agents that can only write files in a folder.
 */
import type { Abilities } from "../../core/ports/transport.ts";

export { connect } from "./connector.ts";
export type { SpoolListenOptions } from "./listener.ts";
export { listen } from "./listener.ts";

/**
 * What this transport can do. A file takes everything, so nobody is pushed back; old responses are
 * dropped instead.
 */
export const abilities: Abilities = {
  binary: false,
  backpressure: false,
  goodbye: true,
  reasons: true,
  flushes: true,
};
