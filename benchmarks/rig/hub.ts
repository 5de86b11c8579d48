/**
 * A hub in a process of its own: the real engine on a log, listening for WebSockets. `node hub.js LOG`.
 */
import { serve } from "../../adapters/node/hub.ts";
import { answerParent } from "./child.ts";
import { fill } from "./filling.ts";

const startedMs = performance.now();
const hub = await serve({ log: process.argv[2] ?? "memory:", listen: ["ws://127.0.0.1:0"] });
const openedMs = performance.now() - startedMs;

answerParent(
  {
    url: () => hub.urls[0],
    /** How long opening took, in milliseconds, and how far the log goes. */
    opened: () => ({ ms: openedMs, seq: hub.engine.head() }),
    /** Resident bytes after a collection. */
    memory: () => {
      globalThis.gc?.();
      return process.memoryUsage.rss();
    },
    /** Claims files until so many claims live. */
    fill: (claims: number) => fill(hub.engine, claims),
  },
  () => hub.close(),
);
