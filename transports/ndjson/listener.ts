/**
 * Serving a spool: finds the folders of agents and watches each by itself, so that none delays another.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "../../core/limits.ts";
import type { Accept, Listener } from "../../core/ports/transport.ts";
import { takeLock } from "./lock.ts";
import { agentOf, makeFolder, NOTES, spoolPlace } from "./place.ts";
import { SpoolAgent, type SpoolBounds } from "./spool-agent.ts";

/** How to serve a spool. */
export interface SpoolListenOptions {
  /** Other paces and bounds than `limits`. */
  readonly spool?: Partial<SpoolBounds>;
}

/**
 * Serves `ndjson:DIR`, which is made when there is none. Throws `usage`; `fields.taken` when another
 * process does.
 */
export async function listen(url: string, options: SpoolListenOptions, accept: Accept): Promise<Listener> {
  const { root } = spoolPlace(url);
  await makeFolder(join(root, NOTES));
  const unlock = takeLock(join(root, NOTES, "lock"), `The spool ${root}`);
  const bounds = { ...limits, ...options.spool };
  const agents = new Map<string, SpoolAgent>();
  let stopped = false;
  let wake: () => void = () => undefined;
  const scan = async (): Promise<void> => {
    const found = await readdir(root, { withFileTypes: true }).catch(() => []);
    const folders = new Set<string>();
    for (const entry of found) {
      const agent = entry.isDirectory() ? agentOf(entry.name) : undefined;
      if (agent === undefined) continue;
      folders.add(entry.name);
      if (stopped || agents.has(entry.name) || agents.size >= limits.spoolAgentsMax) continue;
      agents.set(entry.name, new SpoolAgent(root, entry.name, agent, accept, bounds));
    }
    for (const [folder, agent] of agents) {
      if (folders.has(folder)) continue;
      agents.delete(folder);
      void agent.stop();
    }
  };
  const watching = (async () => {
    while (!stopped) {
      await scan();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, bounds.spoolPollMs * 2);
        timer.unref();
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  })();
  return {
    urls: [`ndjson:${root}`],
    async close() {
      stopped = true;
      wake();
      await watching;
      await Promise.all([...agents.values()].map((agent) => agent.stop()));
      unlock();
    },
  };
}
