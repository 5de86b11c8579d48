/**
 * Connecting: `connect(url)` gives the same `Client` for every url, over a transport to a hub or, for
 * `sqlite:FILE`, with an engine in this process on the shared log.
 */
import { type Client, type ClientOptions, openClient } from "../../core/client/client.ts";
import type { Connection } from "../../core/ports/transport.ts";
import { connect as dial } from "../../transports/index.ts";
import { memoryPair } from "../../transports/memory/pair.ts";
import type { EngineOnLog, NodeEngineOptions } from "./engine.ts";
import { systemChance, systemClock } from "./system.ts";

/** Who connects, and how. */
export interface ConnectOptions extends Partial<Omit<ClientOptions, "dial" | "agent">> {
  readonly agent: string;
  /** The kind of frame on the way; `json` unless told otherwise. */
  readonly codec?: "json" | "msgpack";
  /**
   * Over TLS: certificates (PEM) of the authorities the hub's may come from, instead of those Node knows.
   * To trust some besides those, everywhere: NODE_EXTRA_CA_CERTS.
   */
  readonly ca?: string;
  /** How long the first attempt may take, in milliseconds. */
  readonly timeoutMs?: number;
  /** With `sqlite:FILE`: how to open the engine. */
  readonly engine?: Omit<NodeEngineOptions, "log">;
}

/**
 * Connects and opens a session. Throws `hub.unreachable` or `hub.refused` when the first attempt fails,
 * `usage` for a url nobody knows, `Refused` when the session is refused; for `sqlite:FILE` what opening the
 * log throws.
 */
export async function connect(url: string, options: ConnectOptions): Promise<Client> {
  const { codec, timeoutMs, ca, engine, ...rest } = options;
  if (/^sqlite:/i.test(url)) {
    const { openEngineOnLog } = await import("./engine.ts");
    return connectTo(await openEngineOnLog({ ...engine, log: url }), rest);
  }
  const { token, agent } = rest;
  return openClient({
    clock: systemClock,
    chance: systemChance,
    ...rest,
    dial: () =>
      dial(url, {
        agent,
        ...(codec === undefined ? {} : { codec }),
        ...(token === undefined ? {} : { token }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...(ca === undefined ? {} : { ca }),
      }),
  });
}

/** A client of an engine in this process; closing it closes the engine and its log. */
export async function connectTo(
  served: Pick<EngineOnLog, "engine" | "close">,
  options: Omit<ConnectOptions, "codec" | "timeoutMs" | "ca" | "engine">,
): Promise<Client> {
  const dial = async (): Promise<Connection> => {
    const [near, far] = memoryPair();
    served.engine.accept(far);
    return near;
  };
  try {
    const client = await openClient({ clock: systemClock, chance: systemChance, ...options, dial });
    const close = client.close.bind(client);
    client.close = async () => {
      await close();
      await served.close();
    };
    return client;
  } catch (error) {
    await served.close();
    throw error;
  }
}
