/**
 * Listening for WebSockets, on a port of its own or on the upgrade requests of a server that others share.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Accept, Codec, Listener, Peer } from "../../core/ports/transport.ts";
import { bearerToken, type Gate, isLocalRequest, refusedAtGate } from "../../core/protocol/gate.ts";
import { assertGuarded, bind, placeIn, type SocketPlace } from "../socket/bind.ts";
import { realAfter, subprotocols, WebSocketConnection, type WebSocketEnd } from "./connection.ts";

/** How to listen; all of it may be left out on loopback. */
export interface WebSocketListenOptions {
  /** Whether sessions must show a token. Without, only loopback may be bound. */
  readonly hasTokens?: boolean;
  /** Origins of pages that may call besides the hub's own, e.g. `https://dash.example`. */
  readonly allowedOrigins?: readonly string[];
  /** Names by which the hub may be called besides loopback and the bound host. */
  readonly allowedHosts?: readonly string[];
  /** A server to share: whoever made it also listens with it, sets its timeouts and closes it. */
  readonly server?: Server;
  /** Paths of the shared server whose upgrade requests somebody else answers; all others get 404. */
  readonly otherUpgradePaths?: readonly string[];
  /** Timers for heartbeat and patience; real time unless told otherwise. */
  readonly clock?: Pick<Clock, "after">;
  /** Narrower bounds than `limits`, e.g. for a small machine or a test. */
  readonly bounds?: Partial<WebSocketBounds>;
}

/** Bounds of one listener; each is its namesake in `limits`. */
export interface WebSocketBounds {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly frameBytesMax: number;
  readonly headersMs: number;
  readonly drainMs: number;
  readonly pingMs: number;
}

/** Heartbeats of many connections are spread over this many moments of an interval. */
const PHASES = 16;

/**
 * Listens at `ws://HOST:PORT[/path]`; port 0 takes a free one. Throws `usage` when the url is none,
 * when the port is taken (`fields.taken`), or when others than this machine could connect without a
 * token.
 */
export async function listen(
  url: string,
  options: WebSocketListenOptions,
  accept: Accept,
): Promise<Listener> {
  const place = placeOf(url);
  assertGuarded(place.host, options.hasTokens === true, url);
  const bounds = { ...limits, ...options.bounds };
  const door = new WebSocketDoor(place, options, bounds, accept);
  const server = options.server ?? ownServer(bounds, place.path);
  server.on("upgrade", door.knock);
  if (options.server === undefined) await bind(server, place, url);
  door.startBeating();
  return {
    get urls() {
      const address = server.address() as AddressInfo | null;
      const path = place.path === "/" ? "" : place.path;
      return [`ws://${place.urlHost}:${address?.port ?? place.port}${path}`];
    },
    async close() {
      const freed = options.server === undefined ? closed(server) : undefined;
      await door.close();
      server.off("upgrade", door.knock);
      if (options.server === undefined) server.closeAllConnections();
      await freed;
    },
  };
}

interface Place extends SocketPlace {
  readonly path: string;
}

/** Lets WebSockets in and keeps count of them until they are really gone. */
class WebSocketDoor {
  readonly knock = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    this.#knock(request, stream, head);
  };
  readonly #place: Place;
  readonly #options: WebSocketListenOptions;
  readonly #bounds: WebSocketBounds;
  readonly #accept: Accept;
  readonly #gate: Gate;
  readonly #sockets: WebSocketServer;
  readonly #open = new Map<WebSocketConnection, number>();
  readonly #perAddress = new Map<string, number>();
  readonly #after: Clock["after"];
  #phase = 0;
  #stopBeating: () => void = () => undefined;
  #whenEmpty: (() => void) | undefined;

  constructor(place: Place, options: WebSocketListenOptions, bounds: WebSocketBounds, accept: Accept) {
    this.#place = place;
    this.#options = options;
    this.#bounds = bounds;
    this.#accept = accept;
    this.#after = options.clock?.after.bind(options.clock) ?? realAfter;
    this.#gate = {
      boundHost: place.host,
      allowedHosts: options.allowedHosts ?? [],
      allowedOrigins: options.allowedOrigins ?? [],
    };
    // `closeTimeout` is younger than the declarations of the library.
    const settings = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: bounds.frameBytesMax,
      closeTimeout: limits.closeMs,
      handleProtocols: (offered: Set<string>) =>
        [...offered].find((name) => codecOf(name) !== undefined) ?? false,
    };
    this.#sockets = new WebSocketServer(settings);
  }

  startBeating(): void {
    this.#stopBeating = this.#after(this.#bounds.pingMs / PHASES, () => {
      this.#phase = (this.#phase + 1) % PHASES;
      for (const [connection, phase] of this.#open) if (phase === this.#phase) connection.beat();
      this.startBeating();
    });
  }

  async close(): Promise<void> {
    this.#stopBeating();
    const empty = new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
    for (const connection of this.#open.keys()) connection.close("shutting-down");
    if (this.#open.size > 0) await empty;
  }

  #knock(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const others = this.#options.server === undefined ? undefined : this.#options.otherUpgradePaths;
    if (path !== this.#place.path && others?.includes(path)) return;
    stream.on("error", () => stream.destroy());
    const address = request.socket.remoteAddress ?? "unknown";
    const why = this.#whyNot(path, address, request);
    if (why !== undefined) {
      refuse(stream, ...why);
      return;
    }
    this.#sockets.handleUpgrade(request, stream, head, (socket) => {
      const codec = codecOf(socket.protocol) ?? "json";
      this.#welcome(socket as unknown as WebSocketEnd, codec, address, request, stream);
    });
  }

  /** The HTTP status and the words of a refusal. */
  #whyNot(path: string, address: string, request: IncomingMessage): [string, string] | undefined {
    if (path !== this.#place.path) return ["404 Not Found", "There is no WebSocket at this path."];
    const why = refusedAtGate(this.#gate, request.headers);
    if (why !== undefined) return ["403 Forbidden", why];
    const full =
      this.#whenEmpty !== undefined ||
      this.#open.size >= this.#bounds.connectionsMax ||
      (this.#perAddress.get(address) ?? 0) >= this.#bounds.connectionsPerAddressMax;
    return full ? ["503 Service Unavailable", "This hub takes no more connections; try later."] : undefined;
  }

  #welcome(
    socket: WebSocketEnd,
    codec: Codec,
    address: string,
    request: IncomingMessage,
    stream: Duplex,
  ): void {
    const token = bearerToken(request.headers.authorization);
    const peer: Peer = {
      transport: "websocket",
      address,
      loopback: isLocalRequest(address, request.headers),
      ...(token === undefined ? {} : { token }),
    };
    const connection = new WebSocketConnection(socket, {
      peer,
      codec,
      server: true,
      stream,
      after: this.#after,
      drainMs: this.#bounds.drainMs,
    });
    this.#open.set(connection, this.#open.size % PHASES);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    socket.on("close", () => this.#gone(connection, address));
    this.#accept(connection);
    connection.holdUntilReceived();
  }

  #gone(connection: WebSocketConnection, address: string): void {
    this.#open.delete(connection);
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
    if (this.#open.size === 0) this.#whenEmpty?.();
  }
}

function placeOf(url: string): Place {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== "ws:" || parsed.hostname === "") {
    throw new Failure("usage", `${url} is not of the form ws://HOST:PORT[/path].`, { fields: { url } });
  }
  return { ...placeIn(parsed, 80), path: parsed.pathname };
}

function codecOf(protocol: string): Codec | undefined {
  if (protocol === subprotocols.json) return "json";
  return protocol === subprotocols.msgpack ? "msgpack" : undefined;
}

function ownServer(bounds: WebSocketBounds, path: string): Server {
  const server = createServer(
    {
      headersTimeout: bounds.headersMs,
      requestTimeout: Math.max(bounds.headersMs, limits.requestMs),
      connectionsCheckingInterval: Math.min(1000, bounds.headersMs),
    },
    (request, response) => {
      const here = (request.url ?? "/").split("?", 1)[0] === path;
      response.writeHead(here ? 426 : 404, {
        connection: "close",
        "content-type": "text/plain; charset=utf-8",
        ...(here ? { upgrade: "websocket" } : {}),
      });
      response.end(
        `This is a Holdfast hub. It speaks WebSocket at ${path}, and nothing else on this port.\n`,
      );
    },
  );
  server.maxConnections = bounds.connectionsMax;
  return server;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}

function refuse(stream: Duplex, status: string, words: string): void {
  stream.once("finish", () => stream.destroy());
  stream.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(words) + 1}\r\n\r\n${words}\n`,
  );
}
