/**
 * Listening for MQTT: a broker on a port of its own, and on the WebSocket upgrades of a web server that
 * others share.
 */
import type { IncomingMessage, Server as WebServer } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer } from "ws";
import type { Verify } from "../../core/engine/admission.ts";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Accept, Listener } from "../../core/ports/transport.ts";
import { type Gate, isLocalRequest, isLoopbackAddress, refusedAtGate } from "../../core/protocol/gate.ts";
import { assertGuarded, bind, placeIn, type SocketPlace } from "../socket/bind.ts";
import { Broker, type BrokerBounds, brokerBounds } from "./broker.ts";
import { Mirror, type Outlet } from "./mirror.ts";
import { realAfter } from "./patience.ts";
import { hangUp, Switchboard } from "./switchboard.ts";
import { Topics } from "./topics.ts";

/** How to listen; all of it may be left out on loopback. */
export interface MqttListenOptions {
  /** Whether sessions must show a token. Without, only loopback may be bound. */
  readonly hasTokens?: boolean;
  /** Proves a user name by its password; must be there where `hasTokens` is. */
  readonly verify?: Verify;
  /**
   * How the listener itself looks on at the hub, to tell entries and retain state; without, it only carries
   * frames.
   */
  readonly observe?: Accept;
  /** Certificates (PEM) of the authorities a joined broker's may come from, instead of those Node knows. */
  readonly ca?: string;
  /** A web server to serve MQTT over WebSocket on, too, at `/mqtt`; whoever made it closes it. */
  readonly server?: WebServer;
  /** Origins of pages that may call over WebSocket besides the hub's own. */
  readonly allowedOrigins?: readonly string[];
  /** Names by which the hub may be called over WebSocket besides loopback and the bound host. */
  readonly allowedHosts?: readonly string[];
  /** Timers for patience; real time unless told otherwise. */
  readonly clock?: Pick<Clock, "after">;
  /** Narrower bounds than `limits`, e.g. for a small machine or a test. */
  readonly bounds?: Partial<MqttBounds>;
}

/** Bounds of one listener; each is its namesake in `limits`. */
export interface MqttBounds extends BrokerBounds {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly drainMs: number;
}

/**
 * Listens at `mqtt://HOST:PORT`; port 0 takes a free one. Throws `usage` when the url is none, when the
 * port is taken (`fields.taken`), or when others than this machine could connect without a token.
 */
export async function listen(url: string, options: MqttListenOptions, accept: Accept): Promise<Listener> {
  const place = placeOf(url);
  assertGuarded(place.host, options.hasTokens === true, url);
  if (options.hasTokens === true && options.verify === undefined) {
    throw new Failure("usage", "An MQTT broker with tokens must be told how to verify them.", {
      fields: { url },
    });
  }
  const bounds = { ...limits, ...brokerBounds, ...options.bounds };
  const after = options.clock?.after.bind(options.clock) ?? realAfter;
  const topics = new Topics();
  const switchboard = new Switchboard({ topics, accept, after, drainMs: bounds.drainMs });
  const outlet: Outlet = {
    hears: (topic) => broker.bulletin.hears(topic),
    publish: (topic, payload, retain, done) => broker.bulletin.publish(topic, payload, retain, done),
  };
  const mirror = options.observe && new Mirror(topics, outlet, options.observe, after);
  // A hub that nobody speaks MQTT to mirrors nothing.
  const ready = async (): Promise<void> => mirror?.begin();
  const verify = options.hasTokens === true ? options.verify : undefined;
  const broker = await Broker.open({ topics, switchboard, verify, bounds, ready, after });
  const door = new Door(broker, bounds);
  const server = createServer({ noDelay: true }, (socket) => door.tcp(socket));
  try {
    await bind(server, place, url);
  } catch (error) {
    mirror?.close();
    await broker.close();
    throw error;
  }
  const web = options.server === undefined ? undefined : serveWeb(options.server, place.host, options, door);
  return {
    get urls() {
      const address = server.address() as AddressInfo | null;
      return [`mqtt://${place.urlHost}:${address?.port ?? place.port}`];
    },
    async close() {
      door.shut = true;
      const freed = new Promise<void>((resolve) => server.close(() => resolve()));
      web?.();
      for (const caller of [...broker.callers]) {
        for (const connection of [...caller.connections.values()]) connection.close("shutting-down");
        hangUp(caller, after);
      }
      await door.empty();
      mirror?.close();
      await broker.close();
      await freed;
    },
  };
}

/** Lets byte streams in and keeps count of them until they are really gone. */
class Door {
  shut = false;
  readonly #broker: Broker;
  readonly #bounds: MqttBounds;
  readonly #perAddress = new Map<string, number>();
  #open = 0;
  #whenEmpty: () => void = () => undefined;

  constructor(broker: Broker, bounds: MqttBounds) {
    this.#broker = broker;
    this.#bounds = bounds;
  }

  tcp(socket: Socket): void {
    const address = socket.remoteAddress ?? "unknown";
    if (this.isFull(address)) socket.destroy();
    else this.enter(socket, address, isLoopbackAddress(address));
  }

  isFull(address: string): boolean {
    const { connectionsMax, connectionsPerAddressMax } = this.#bounds;
    const same = this.#perAddress.get(address) ?? 0;
    return this.shut || this.#open >= connectionsMax || same >= connectionsPerAddressMax;
  }

  enter(stream: Duplex, address: string, loopback: boolean): void {
    this.#open += 1;
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    stream.once("close", () => {
      this.#open -= 1;
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(address, left);
      else this.#perAddress.delete(address);
      if (this.#open === 0) this.#whenEmpty();
    });
    this.#broker.serve(stream, address, loopback);
  }

  empty(): Promise<void> {
    if (this.#open === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenEmpty = resolve;
    });
  }
}

/** Serves MQTT over WebSocket at `/mqtt` (subprotocol `mqtt`, 3.1.1 chapter 6); returns what ends that. */
function serveWeb(server: WebServer, boundHost: string, options: MqttListenOptions, door: Door): () => void {
  const gate: Gate = {
    boundHost,
    allowedHosts: options.allowedHosts ?? [],
    allowedOrigins: options.allowedOrigins ?? [],
  };
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.frameBytesMax * 2,
    handleProtocols: (offered) => (offered.has("mqtt") ? "mqtt" : offered.has("mqttv3.1") && "mqttv3.1"),
  });
  const knock = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    if ((request.url ?? "/").split("?", 1)[0] !== "/mqtt") return;
    stream.on("error", () => stream.destroy());
    const address = request.socket.remoteAddress ?? "unknown";
    const why = refusedAtGate(gate, request.headers);
    if (why !== undefined) return refuse(stream, "403 Forbidden", why);
    if (door.isFull(address))
      return refuse(stream, "503 Service Unavailable", "This hub is full; try later.");
    sockets.handleUpgrade(request, stream, head, (socket) => {
      const bytes = createWebSocketStream(socket);
      const local = isLocalRequest(address, request.headers);
      if (!local && options.hasTokens !== true) return socket.close(1008, "without tokens only this machine");
      door.enter(bytes, address, local);
    });
  };
  server.on("upgrade", knock);
  return () => server.off("upgrade", knock);
}

function refuse(stream: Duplex, status: string, words: string): void {
  stream.once("finish", () => stream.destroy());
  stream.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(words) + 1}\r\n\r\n${words}\n`,
  );
}

function placeOf(url: string): SocketPlace {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const plain = parsed !== undefined && /^\/?$/.test(parsed.pathname) && parsed.hash === "";
  if (parsed?.protocol !== "mqtt:" || parsed.hostname === "" || !plain) {
    throw new Failure("usage", `${url} is not of the form mqtt://HOST:PORT.`, { fields: { url } });
  }
  return placeIn(parsed, 1883);
}
