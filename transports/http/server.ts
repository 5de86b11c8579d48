/**
 * The web server that HTTP and WebSocket share: its port, and the patience it has with slow peers.
 *
 * Plain node:http, no framework: there are eight fixed paths, and what matters here (back-pressure,
 * aborts, bodies cut at a limit, half-open peers) is below what a framework offers. Side by side, hono
 * took 1.05 to 1.2 times the CPU.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import { assertGuarded, bind, placeIn, type SocketPlace } from "../socket/bind.ts";

/** A bound server that several transports may share. */
export interface WebServer {
  readonly server: Server;
  readonly place: SocketPlace;
  /** Frees the port and cuts what is still open. */
  close(): Promise<void>;
}

/** Bounds of a web server; each is its namesake in `limits`. */
export interface WebServerBounds {
  readonly connectionsMax: number;
  readonly headersMs: number;
  readonly requestMs: number;
}

/** The place a url like `http://HOST:PORT` names; the path is passed over. Throws `usage`. */
export function webPlace(url: string): SocketPlace {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^(http|ws):$/.test(parsed.protocol) || parsed.hostname === "") {
    throw new Failure("usage", `${url} is not of the form http://HOST:PORT.`, { fields: { url } });
  }
  return placeIn(parsed, 80);
}

/**
 * Binds a server at the host and port of `http://HOST:PORT` or `ws://HOST:PORT`; port 0 takes a free
 * one. Who answers is added afterwards. Throws `usage` when the url is none, when the port is taken
 * (`fields.taken`), or when others than this machine could call without a token.
 */
export async function openWebServer(
  url: string,
  options: { readonly hasTokens?: boolean; readonly bounds?: Partial<WebServerBounds> } = {},
): Promise<WebServer> {
  const place = webPlace(url);
  assertGuarded(place.host, options.hasTokens === true, url);
  const server = patientServer({ ...limits, ...options.bounds });
  await bind(server, place, url);
  const { port } = server.address() as AddressInfo;
  return {
    server,
    place: { ...place, port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** node:http alone would hold slow headers for a minute and any number of sockets. */
function patientServer(bounds: WebServerBounds): Server {
  const server = createServer({
    headersTimeout: bounds.headersMs,
    requestTimeout: Math.max(bounds.headersMs, bounds.requestMs),
    connectionsCheckingInterval: Math.min(1000, bounds.headersMs),
    keepAliveTimeout: limits.keepAliveMs,
    keepAlive: true,
    keepAliveInitialDelay: limits.pingMs,
  });
  server.maxConnections = bounds.connectionsMax;
  server.maxRequestsPerSocket = limits.requestsPerSocketMax;
  return server;
}
