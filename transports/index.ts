/**
 * The transports by the scheme of their urls. Each is loaded when it is first used, so that a
 * command-line verb pays only for its own.
 */
import { Failure } from "../core/failures.ts";
import type { Abilities, Accept, Connection, ConnectOptions, Listener } from "../core/ports/transport.ts";
import type { HttpListenOptions } from "./http/index.ts";
import type { MemoryListenOptions } from "./memory/index.ts";
import type { MqttListenOptions } from "./mqtt/index.ts";
import type { SpoolListenOptions } from "./ndjson/index.ts";
import type { StdioListenOptions } from "./ndjson/stdio.ts";
import type { WebSocketListenOptions } from "./websocket/index.ts";

/** What listeners may be told; each transport takes what it knows. */
export type ListenOptions = MemoryListenOptions &
  WebSocketListenOptions &
  HttpListenOptions &
  SpoolListenOptions &
  StdioListenOptions &
  MqttListenOptions;

/** One way to carry frames. A transport that has only one end to offer leaves the other out. */
export interface Transport {
  readonly abilities: Abilities;
  listen?(url: string, options: ListenOptions, accept: Accept): Promise<Listener>;
  connect?(url: string, options?: ConnectOptions): Promise<Connection>;
}

/** Every transport, by scheme; the contract suite and the benchmarks go through all of them. */
export const transports: { readonly [scheme: string]: () => Promise<Transport> } = {
  memory: () => import("./memory/index.ts"),
  ws: () => import("./websocket/index.ts"),
  wss: async () => onlyConnecting(await import("./websocket/index.ts")),
  http: () => import("./http/index.ts"),
  https: async () => onlyConnecting(await import("./http/index.ts")),
  mqtt: () => import("./mqtt/index.ts"),
  mqtts: async () => onlyConnecting(await import("./mqtt/index.ts")),
  "mqtt+client": () => import("./mqtt/index.ts"),
  "mqtts+client": () => import("./mqtt/index.ts"),
  ndjson: () => import("./ndjson/index.ts"),
  stdio: () => import("./ndjson/stdio.ts"),
};

/**
 * Starts listening at a url; `accept` gets each connection. HTTP and WebSocket come together, on one port,
 * whichever of them the url names. Throws `usage` for what cannot be listened at.
 */
export async function listen(url: string, options: ListenOptions, accept: Accept): Promise<Listener> {
  if (/^(ws|http):/i.test(url)) return listenOnWeb(url, options, accept);
  const transport = await transportOf(url);
  if (transport.listen !== undefined) return transport.listen(url, options, accept);
  throw new Failure("usage", `A hub cannot listen at ${schemeOf(url)}: urls, only be called there.`, {
    fields: { scheme: schemeOf(url) },
  });
}

/**
 * Connects to a hub at a url. Throws `hub.unreachable` or `hub.refused` at the first try, `usage` for a
 * bad url.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Connection> {
  const transport = await transportOf(url);
  if (transport.connect !== undefined) return transport.connect(url, options);
  throw new Failure("usage", `A hub cannot be called at ${schemeOf(url)}: urls.`, {
    fields: { scheme: schemeOf(url) },
  });
}

/**
 * A WebSocket may have a path of its own; HTTP has its fixed ones. The url that was asked for comes first.
 */
async function listenOnWeb(url: string, options: ListenOptions, accept: Accept): Promise<Listener> {
  const http = await import("./http/index.ts");
  const webSocket = await import("./websocket/index.ts");
  const own = options.server === undefined ? await http.openWebServer(url, options) : undefined;
  const told = own === undefined ? options : { ...options, server: own.server };
  const listeners: Listener[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.close()));
    await own?.close();
  };
  try {
    listeners.push(await http.listen(url.replace(/^ws:/i, "http:"), told, accept));
    listeners.push(await webSocket.listen(url.replace(/^http:/i, "ws:"), told, accept));
  } catch (error) {
    await close();
    throw error;
  }
  if (/^ws:/i.test(url)) listeners.reverse();
  return {
    get urls() {
      return listeners.flatMap((listener) => [...listener.urls]);
    },
    close,
  };
}

async function transportOf(url: string): Promise<Transport> {
  const scheme = schemeOf(url);
  const load = Object.hasOwn(transports, scheme) ? transports[scheme] : undefined;
  if (load !== undefined) return load();
  const known = Object.keys(transports)
    .map((name) => `${name}:`)
    .join(", ");
  throw new Failure(
    "usage",
    `There is no transport for urls of the scheme ${JSON.stringify(scheme)}; there are ${known}.`,
    {
      fields: { scheme, known: Object.keys(transports) },
    },
  );
}

/** The scheme is what stands before the first colon; `mqtt+client` is one. */
function schemeOf(url: string): string {
  return /^[a-z][a-z0-9+.-]*(?=:)/i.exec(url)?.[0].toLowerCase() ?? "";
}

function onlyConnecting({ abilities, connect }: Transport & Required<Pick<Transport, "connect">>): Transport {
  return { abilities, connect };
}
