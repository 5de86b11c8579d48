/**
 * A hub in a process of its own: the real engine on a log, listening for WebSockets and at what else is named.
 * `node hub.js LOG [URL…]`.
 */
import { spareMemory } from "../../adapters/node/frugal.ts";
import { serve } from "../../adapters/node/hub.ts";
import { answerParent } from "./child.ts";
import { fill, pass, publish } from "./filling.ts";

const startedMs = performance.now();
const startedCpu = process.cpuUsage();
const hub = await serve({
  log: process.argv[2] ?? "memory:",
  listen: ["ws://127.0.0.1:0", ...process.argv.slice(3)],
});
await hub.engine.query("state.summary", {});
spareMemory();
const openedMs = performance.now() - startedMs;
const { user, system } = process.cpuUsage(startedCpu);

answerParent(
  {
    url: () => hub.urls[0],
    urls: () => hub.urls,
    head: () => hub.engine.head(),
    /** How long it took to the first answer, and how much CPU, in milliseconds. */
    opened: () => ({ ms: openedMs, cpuMs: (user + system) / 1000 }),
    /** Resident bytes, if wanted after a collection. */
    memory: (collected: boolean) => {
      if (collected) globalThis.gc?.();
      return process.memoryUsage.rss();
    },
    /** Claims files until so many claims live. */
    fill: (claims: number) => fill(hub.engine, claims),
    /** Has so many entries of the mixed workload pass. */
    pass: (entries: number) => pass(hub.engine, entries),
    /** Publishes so many entries; the text of the last one ends with `mark`. */
    publish: ({ entries, mark }: { entries: number; mark: string }) => publish(hub.engine, entries, mark),
  },
  () => hub.close(),
);
