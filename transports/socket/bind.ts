/**
 * Binding a port: what the transports that listen on sockets have in common.
 */
import type { Server } from "node:net";
import { Failure } from "../../core/failures.ts";
import { isLoopbackHost } from "../../core/protocol/gate.ts";

/** Where a server stands. */
export interface SocketPlace {
  readonly host: string;
  /** The same as it stands in a url, an IPv6 address in brackets. */
  readonly urlHost: string;
  readonly port: number;
}

/** The place a parsed url names. */
export function placeIn(url: URL, defaultPort: number): SocketPlace {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, urlHost: url.hostname, port: url.port === "" ? defaultPort : Number(url.port) };
}

/** Throws `usage` where others than this machine could call a hub that knows no tokens. */
export function assertGuarded(host: string, hasTokens: boolean, url: string): void {
  if (hasTokens || isLoopbackHost(host)) return;
  throw new Failure(
    "usage",
    `${host} can be reached from other machines, and this hub knows no tokens: make one with ` +
      "`holdfast token add NAME` and serve with --token-file, or listen at 127.0.0.1.",
    { fields: { url } },
  );
}

/** Binds a server; throws `usage` when that cannot be, with `fields.taken` when the port is taken. */
export async function bind(server: Server, place: SocketPlace, url: string): Promise<void> {
  // The resolver may answer ::1 for localhost, where older clients do not look.
  const host = place.host === "localhost" ? "127.0.0.1" : place.host;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const taken = error.code === "EADDRINUSE";
      const words = taken ? "the port is taken; choose another, or 0 for a free one" : error.message;
      const fields = { url, taken };
      reject(new Failure("usage", `Cannot listen at ${url}: ${words}.`, { fields, cause: error }));
    });
    server.listen({ host, port: place.port, backlog: 1024 }, resolve);
  });
}
