/**
 * Connecting: `connect(url)` gives the same `Client` for every url, over a transport to a hub or, for
 * `sqlite:FILE`, with an engine in this process on the shared log.
 */
import { type Client, type ClientOptions, type Notice, openClient } from "../../core/client/client.ts";
import { Failure } from "../../core/failures.ts";
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

/** One of several ways to a log. */
export interface Way {
  /** As `connect` takes it. */
  readonly url: string;
  /** The log it is said to lead to: where another answers, it is the wrong way. */
  readonly log?: string;
}

/**
 * A client that goes the first way that leads to the log, and seeks one anew whenever the one it went is
 * lost: what was not answered is then asked again, as the same submission. `ways` is asked each time.
 * Throws as `connect`, of the last way.
 */
export async function connectAnyhow(
  ways: () => readonly Way[],
  options: Pick<ConnectOptions, "agent" | "token">,
): Promise<Client> {
  const wrong = new Set<string>();
  let served: EngineOnLog | undefined;
  let taken: { readonly way: Way; readonly connection: Connection } | undefined;
  const go = async ({ url }: Way): Promise<Connection> => {
    if (!/^sqlite:/i.test(url)) return dial(url, options);
    const { openEngineOnLog } = await import("./engine.ts");
    served = await openEngineOnLog({ log: url });
    const [near, far] = memoryPair();
    served.engine.accept(far);
    return near;
  };
  const seek = async (): Promise<Connection> => {
    await served?.close();
    served = undefined;
    let last: unknown = new Failure("hub.unreachable", "There is no way to the log.");
    for (const way of ways()) {
      if (wrong.has(way.url)) continue;
      try {
        taken = { way, connection: await go(way) };
        return taken.connection;
      } catch (error) {
        last = error;
      }
    }
    throw last;
  };
  const onNotice = (notice: Notice): void => {
    if (notice.kind !== "up" || taken?.way.log === undefined || taken.way.log === notice.log) return;
    wrong.add(taken.way.url);
    taken.connection.close("goodbye");
  };
  try {
    const clocks = { clock: systemClock, chance: systemChance };
    const client = await openClient({ ...clocks, ...options, dial: seek, onNotice });
    const close = client.close.bind(client);
    client.close = async () => {
      await close();
      await served?.close();
    };
    if (wrong.size === 0) return client;
    // What it learned of a log that is not meant must not be carried to the one that is.
    await client.close();
    return connectAnyhow(() => ways().filter(({ url }) => !wrong.has(url)), options);
  } catch (error) {
    await served?.close();
    throw error;
  }
}
