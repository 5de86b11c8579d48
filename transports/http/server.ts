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
import { isLoopbackHost } from "../../core/protocol/gate.ts";

/** Where a web server stands. */
export interface WebPlace {
  readonly host: string;
  /** The same as it stands in a url, an IPv6 address in brackets. */
  readonly urlHost: string;
  readonly port: number;
}

/** A bound server that several transports may share. */
export interface WebServer {
  readonly server: Server;
  readonly place: WebPlace;
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
export function webPlace(url: string): WebPlace {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^(http|ws):$/.test(parsed.protocol) || parsed.hostname === "") {
    throw new Failure("usage", `${url} is not of the form http://HOST:PORT.`, { fields: { url } });
  }
  const host = parsed.hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, urlHost: parsed.hostname, port: parsed.port === "" ? 80 : Number(parsed.port) };
}

/** Throws `usage` where others than this machine could call a hub that knows no tokens. */
export function assertGuarded(place: WebPlace, hasTokens: boolean, url: string): void {
  if (hasTokens || isLoopbackHost(place.host)) return;
  throw new Failure(
    "usage",
    `${place.host} can be reached from other machines, and this hub knows no tokens: make one with ` +
      "`holdfast token add NAME` and serve with --token-file, or listen at 127.0.0.1.",
    { fields: { url } },
  );
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
  assertGuarded(place, options.hasTokens === true, url);
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

async function bind(server: Server, place: WebPlace, url: string): Promise<void> {
  // The resolver may answer ::1 for localhost, where older clients do not look.
  const host = place.host === "localhost" ? "127.0.0.1" : place.host;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const taken = error.code === "EADDRINUSE";
      const words = taken ? "the port is taken; choose another, or 0 for a free one" : error.message;
      reject(
        new Failure("usage", `Cannot listen at ${url}: ${words}.`, { fields: { url, taken }, cause: error }),
      );
    });
    server.listen({ host, port: place.port, backlog: 1024 }, resolve);
  });
}
