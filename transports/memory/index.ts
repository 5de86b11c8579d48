/**
 * `memory:NAME`: both ends in one process, for embedding, tests and simulation.
 */
import type { Abilities } from "../../core/ports/transport.ts";

export { connect } from "./connector.ts";
export type { MemoryListenOptions } from "./listener.ts";
export { listen } from "./listener.ts";
export { memoryPair } from "./pair.ts";

/** What this transport can do. */
export const abilities: Abilities = {
  binary: true,
  backpressure: true,
  goodbye: true,
  reasons: true,
  flushes: true,
};
