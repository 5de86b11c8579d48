/**
 * Listening in memory: one register of names for the whole process.
 */
import { Failure } from "../../core/failures.ts";
import type { Accept, Codec, Connection, Listener, Peer } from "../../core/ports/transport.ts";
import { memoryPair } from "./pair.ts";

/** Nothing to choose. */
export type MemoryListenOptions = object;

/** Makes a connection to whoever listens under a name. */
type Call = (codec: Codec, token: string | undefined) => Connection;

const listening = new Map<string, Call>();
let unnamed = 0;

/** Listens at `memory:NAME`, or at a free name for `memory:`. Throws `usage` when the name is taken. */
export async function listen(url: string, _options: MemoryListenOptions, accept: Accept): Promise<Listener> {
  const name = memoryName(url) || `unnamed-${++unnamed}`;
  if (listening.has(name)) {
    throw new Failure("usage", `memory:${name} is taken in this process; listen under another name.`, {
      fields: { url, taken: true },
    });
  }
  const open = new Set<Connection>();
  listening.set(name, (codec, token) => {
    const caller: Peer = { transport: "memory", loopback: true, ...(token === undefined ? {} : { token }) };
    const hub: Peer = { transport: "memory", loopback: true, address: name };
    const [here, there] = memoryPair(caller, hub, codec, () => open.delete(here));
    open.add(here);
    accept(here);
    return there;
  });
  return {
    urls: [`memory:${name}`],
    async close() {
      listening.delete(name);
      for (const connection of open) connection.close("shutting-down");
    },
  };
}

/** Who listens under the name of `memory:NAME`. */
export function memoryListener(url: string): Call | undefined {
  return listening.get(memoryName(url));
}

function memoryName(url: string): string {
  return url.slice(url.indexOf(":") + 1);
}
