/**
 * Calling a hub over WebSocket, from Node.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Connection, ConnectOptions } from "../../core/ports/transport.ts";
import { isLoopbackAddress } from "../../core/protocol/gate.ts";
import { realAfter, subprotocols, WebSocketConnection, type WebSocketEnd } from "./connection.ts";

/** What of a refusal's text is repeated to people. */
const REFUSAL_WORDS_MAX = 400;

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

function unreachable(url: string, cause: Error | string): Failure {
  const words = typeof cause === "string" ? cause : reasonOf(cause);
  const options = { fields: { url }, ...(typeof cause === "string" ? {} : { cause }) };
  return new Failure("hub.unreachable", `No hub answers at ${url}: ${words}.`, options);
}

/** Node hides the errors of several addresses in an AggregateError without words. */
function reasonOf(error: Error & { code?: string }): string {
  return error.message || error.code || "the connection failed";
}

async function refusal(url: string, response: IncomingMessage): Promise<Failure> {
  let words = "";
  try {
    for await (const chunk of response) {
      words += String(chunk);
      if (words.length > REFUSAL_WORDS_MAX) break;
    }
  } catch {
    // The status says enough.
  }
  const said = words.replace(/\s+/g, " ").trim().slice(0, REFUSAL_WORDS_MAX);
  const status = response.statusCode ?? 0;
  return new Failure("hub.refused", `${url} refused with HTTP ${status}${said === "" ? "." : `: ${said}`}`, {
    fields: { url, status },
  });
}
