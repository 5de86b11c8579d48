/**
 * `mqtt://HOST:PORT`: a broker in the hub, and clients of it. Frames on `holdfast/<agent>/request` and
 * `/response`, entries on `holdfast/log/…`, the live state retained on `holdfast/state/…`. With
 * `mqtt+client://HOST` hub and clients join a broker of the fleet's own.
 */
import type { Abilities, Accept, Connection, ConnectOptions, Listener } from "../../core/ports/transport.ts";
import type { MqttListenOptions } from "./listener.ts";

export type { MqttBounds, MqttListenOptions } from "./listener.ts";

/** Where a shared web server is upgraded to MQTT; its WebSocket listener must leave this path alone. */
export const MQTT_PATH = "/mqtt";

/** What this transport can do; frames are JSON. */
export const abilities: Abilities = {
  binary: false,
  backpressure: true,
  goodbye: true,
  reasons: true,
  flushes: true,
};

/**
 * Serves a broker at `mqtt://HOST:PORT` (port 0 takes a free one), or joins the one at
 * `mqtt+client://HOST[:PORT] [?prefix=NAME]`. Throws `usage` for a bad url, a port that is taken
 * (`fields.taken`), a prefix another hub serves, or where others than this machine could connect without a
 * token; `hub.unreachable` and `hub.refused` for a broker.
 */
export async function listen(url: string, options: MqttListenOptions, accept: Accept): Promise<Listener> {
  if (/^mqtts?\+client:/i.test(url)) return (await import("./guest.ts")).join(url, options, accept);
  return (await import("./listener.ts")).listen(url, options, accept);
}

/**
 * Connects to a hub's own broker, or to a hub on the broker of `mqtt+client://`. Fails at the first try
 * with `hub.unreachable`, `hub.refused` or `usage`.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Connection> {
  return (await import("./connector.ts")).connect(url, options);
}
