/**
 * Calling a hub over WebSocket, from Node.
 */
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Connection, ConnectOptions } from "../../core/ports/transport.ts";
import { isLoopbackAddress } from "../../core/protocol/gate.ts";
import { refusal, unreachable } from "../socket/unreached.ts";
import { realAfter, subprotocols, WebSocketConnection, type WebSocketEnd } from "./connection.ts";

/**
 * Connects to `ws://…` or `wss://…` and fails at the first try: `hub.unreachable` when nobody answers
 * in time, `hub.refused` when a server answers without opening a WebSocket, `usage` when the url is
 * none.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Connection> {
  const shown = shownUrl(url);
  const codec = options.codec ?? "json";
  // `closeTimeout` is younger than the declarations of the library.
  const settings = {
    perMessageDeflate: false,
    maxPayload: limits.frameBytesMax,
    closeTimeout: limits.closeMs,
    headers: options.token === undefined ? {} : { authorization: `Bearer ${options.token}` },
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  };
  const socket = new WebSocket(url, [subprotocols[codec]], settings);
  return await new Promise<Connection>((resolve, reject) => {
    const timeoutMs = options.timeoutMs ?? limits.handshakeMs;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      socket.terminate();
    }, timeoutMs);
    const fail = (failure: Failure): void => {
      clearTimeout(timer);
      reject(failure);
    };
    let stream: Duplex | undefined;
    socket.on("upgrade", (response) => {
      stream = response.socket;
    });
    socket.on("error", (error) => fail(unreachable(shown, late ? `no answer in ${timeoutMs} ms` : error)));
    socket.on("unexpected-response", (request, response) => {
      refusal(shown, response).then((failure) => {
        fail(failure);
        request.destroy();
      }, fail);
    });
    socket.on("open", () => {
      clearTimeout(timer);
      if (stream === undefined) return fail(unreachable(shown, "no stream below the WebSocket"));
      resolve(opened(socket as unknown as WebSocketEnd, stream, codec, new URL(url).host));
    });
  });
}

function opened(
  socket: WebSocketEnd,
  stream: Duplex,
  codec: "json" | "msgpack",
  address: string,
): Connection {
  const remote = (stream as Duplex & { remoteAddress?: string }).remoteAddress;
  const connection = new WebSocketConnection(socket, {
    peer: { transport: "websocket", address, loopback: isLoopbackAddress(remote) },
    codec,
    server: false,
    stream,
    after: realAfter,
    drainMs: limits.drainMs,
  });
  connection.holdUntilReceived();
  const pulse = setInterval(() => connection.beat(), limits.pingMs);
  pulse.unref();
  socket.on("close", () => clearInterval(pulse));
  return connection;
}

/** The url without user, password and query, where secrets may stand. */
function shownUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (
    parsed === undefined ||
    (parsed.protocol !== "ws:" && parsed.protocol !== "wss:") ||
    parsed.hash !== ""
  ) {
    throw new Failure("usage", "A WebSocket url has the form ws://HOST:PORT[/path].", { fields: { url } });
  }
  return `${parsed.protocol}//${parsed.host}${parsed.pathname === "/" ? "" : parsed.pathname}`;
}
