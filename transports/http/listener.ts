/**
 * Listening for HTTP, on a port of its own or on a server that others share: the gate, the bounds, the
 * table of paths.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { limits } from "../../core/limits.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Accept, Listener } from "../../core/ports/transport.ts";
import { codes, errorReply } from "../../core/protocol/frame.ts";
import { type Gate, refusedAtGate } from "../../core/protocol/gate.ts";
import { assertGuarded } from "../socket/bind.ts";
import { streamEntries } from "./entries.ts";
import { ALWAYS, answer, answerText, Bodies, type BodyProblem, type Exchange, peerOf } from "./exchange.ts";
import { LINK_BODY_BYTES_MAX, Links } from "./links.ts";
import { answerRpc } from "./rpc.ts";
import { openWebServer, type WebServer, webPlace } from "./server.ts";

/** How to listen; all of it may be left out on loopback. */
export interface HttpListenOptions {
  /** Whether sessions must show a token. Without, only loopback may be bound. */
  readonly hasTokens?: boolean;
  /**
   * Origins of pages that may call besides the hub's own. They are let through the gate; CORS stays off.
   */
  readonly allowedOrigins?: readonly string[];
  /** Names by which the hub may be called besides loopback and the bound host. */
  readonly allowedHosts?: readonly string[];
  /** A server to share: whoever made it also listens with it, sets its timeouts and closes it. */
  readonly server?: Server;
  /** Timers for heartbeat and patience; real time unless told otherwise. */
  readonly clock?: Pick<Clock, "after">;
  /** Narrower bounds than `limits`, e.g. for a small machine or a test. */
  readonly bounds?: Partial<HttpBounds>;
  /** How the hub stands, for `/healthz` and `/readyz`; `serving` unless told otherwise. */
  readonly status?: () => string;
  /** The text of `/metrics`, which is not there otherwise. */
  readonly metrics?: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Answers paths this transport does not know, behind the same gate; whether it did. */
  readonly pages?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** Bounds of one listener; each is its namesake in `limits`. */
export interface HttpBounds {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly headersMs: number;
  readonly requestMs: number;
  readonly drainMs: number;
}

/** Real time, never keeping the process alive. */
const realAfter: Clock["after"] = (ms, run) => {
  const timer = setTimeout(run, ms);
  timer.unref();
  return () => clearTimeout(timer);
};

/** Listens at `http://HOST:PORT`; port 0 takes a free one. Throws what `openWebServer` does. */
export async function listen(url: string, options: HttpListenOptions, accept: Accept): Promise<Listener> {
  const place = webPlace(url);
  assertGuarded(place.host, options.hasTokens === true, url);
  const own: WebServer | undefined =
    options.server === undefined ? await openWebServer(url, options) : undefined;
  const server = (options.server ?? own?.server) as Server;
  const desk = new HttpDesk(place.host, options, accept);
  server.on("request", desk.take);
  return {
    get urls() {
      const address = server.address() as AddressInfo | null;
      return [`http://${place.urlHost}:${address?.port ?? own?.place.port ?? place.port}`];
    },
    async close() {
      await desk.close();
      server.off("request", desk.take);
      await own?.close();
    },
  };
}

type Route = { readonly [method: string]: (exchange: Exchange) => unknown };

/** Takes requests and keeps count of them until they are answered. */
class HttpDesk {
  /**
   * Takes a request. One sent before the last on its connection was answered waits for that: else its own
   * answer, which nobody would ever read after a stream, is kept for as long as the hub lives.
   */
  readonly take = (request: IncomingMessage, response: ServerResponse): void => {
    if (response.socket === null) return this.#wait(request, response);
    this.#take(request, response).catch(() => response.destroy());
  };
  readonly #options: HttpListenOptions;
  readonly #bounds: HttpBounds;
  readonly #accept: Accept;
  readonly #gate: Gate;
  readonly #after: Clock["after"];
  readonly #bodies = new Bodies();
  readonly #links: Links;
  readonly #open = new Set<ServerResponse>();
  readonly #perAddress = new Map<string, number>();
  readonly #routes: { readonly [path: string]: Route };
  /** Requests that wait for the answer to the one before them, by connection. */
  readonly #waiting = new WeakMap<Socket, number>();
  readonly #connections = new Set<{ close(reason: "shutting-down"): void }>();
  #closing = false;

  constructor(boundHost: string, options: HttpListenOptions, accept: Accept) {
    this.#options = options;
    this.#bounds = { ...limits, ...options.bounds };
    this.#after = options.clock?.after.bind(options.clock) ?? realAfter;
    this.#gate = {
      boundHost,
      allowedHosts: options.allowedHosts ?? [],
      allowedOrigins: options.allowedOrigins ?? [],
    };
    this.#accept = (connection) => {
      this.#connections.add(connection);
      accept(connection);
    };
    const { drainMs } = this.#bounds;
    this.#links = new Links(this.#accept, this.#after, drainMs);
    this.#routes = {
      "/": { GET: ({ response }) => answerText(response, 200, "text/plain; charset=utf-8", WELCOME) },
      "/rpc": { POST: (exchange) => this.#rpc(exchange) },
      "/entries": { GET: (exchange) => streamEntries(exchange, this.#accept, this.#after, drainMs) },
      "/link": {
        GET: (exchange) => this.#links.open(exchange),
        POST: (exchange) => this.#frames(exchange),
        DELETE: (exchange) => this.#unlink(exchange),
      },
      "/healthz": {
        GET: ({ response }) => this.#status(response, (status) => !/^(failed|closed)$/.test(status)),
      },
      "/readyz": { GET: ({ response }) => this.#status(response, (status) => status === "serving") },
      "/metrics": { GET: (exchange) => this.#metrics(exchange) },
      "/openapi.json": {
        GET: async ({ response, request }) => {
          const { openapi } = await import("../../core/protocol/openapi.ts");
          answer(response, 200, openapi(`http://${request.headers.host}`));
        },
      },
      "/asyncapi.json": {
        GET: async ({ response, request }) => {
          const { asyncapi } = await import("../../core/protocol/asyncapi.ts");
          answer(response, 200, asyncapi(request.headers.host ?? ""));
        },
      },
    };
  }

  /** Ends every session with `shutting-down` and waits until the answers are out, or cut. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const connection of this.#connections) connection.close("shutting-down");
    const open = [...this.#open];
    const gone = Promise.all(
      open.map((response) => new Promise((resolve) => response.once("close", resolve))),
    );
    let stop: () => void = () => undefined;
    const late = new Promise<void>((resolve) => {
      stop = this.#after(limits.closeMs, resolve);
    });
    await Promise.race([gone, late]);
    stop();
    for (const response of this.#open) response.destroy();
  }

  #wait(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const waiting = (this.#waiting.get(socket) ?? 0) + 1;
    this.#waiting.set(socket, waiting);
    if (waiting > limits.pipelinedMax) return void socket.destroy();
    response.once("socket", () => {
      this.#waiting.set(socket, (this.#waiting.get(socket) ?? 1) - 1);
      this.take(request, response);
    });
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const address = request.socket.remoteAddress ?? "unknown";
    const why = refusedAtGate(this.#gate, request.headers) ?? foreignPage(request);
    if (why !== undefined) return refuse(request, response, 403, why);
    if (this.#closing || this.#open.size >= this.#bounds.connectionsMax || this.#isFull(address)) {
      return refuse(request, response, 503, "This hub takes no more requests; try later.");
    }
    this.#count(address, response);
    const target = request.url ?? "/";
    if (!URL.canParse(target, "http://hub")) return refuse(request, response, 400, "That is no path.");
    const url = new URL(target, "http://hub");
    const route = Object.hasOwn(this.#routes, url.pathname) ? this.#routes[url.pathname] : undefined;
    if (route === undefined) {
      if (this.#options.pages?.(request, response) === true) return;
      return refuse(request, response, 404, "There is nothing at this path.");
    }
    const method = request.method === "HEAD" && url.pathname !== "/link" ? "GET" : (request.method ?? "");
    const run = Object.hasOwn(route, method) ? route[method] : undefined;
    if (run === undefined || (request.method === "HEAD" && url.pathname === "/entries")) {
      return refuse(
        request,
        response,
        405,
        "This path does not take that method.",
        Object.keys(route).join(", "),
      );
    }
    await run({ request, response, url, peer: peerOf(request) });
  }

  async #rpc(exchange: Exchange): Promise<void> {
    const body = await this.#bodies.read(exchange.request, limits.frameBytesMax);
    if ("problem" in body) return unreadable(exchange, body.problem);
    return answerRpc(exchange, body.text, this.#accept, this.#after);
  }

  async #frames(exchange: Exchange): Promise<void> {
    const body = await this.#bodies.read(exchange.request, LINK_BODY_BYTES_MAX);
    if ("text" in body) return this.#links.frames(exchange, body.text);
    if (body.problem === "too-large") return this.#links.frames(exchange, undefined);
    return unreadable(exchange, body.problem);
  }

  async #unlink(exchange: Exchange): Promise<void> {
    const body = await this.#bodies.read(exchange.request, 4096);
    return this.#links.close(exchange, "text" in body ? body.text : "");
  }

  #status(response: ServerResponse, good: (status: string) => boolean): void {
    const status = this.#options.status?.() ?? "serving";
    answer(response, good(status) ? 200 : 503, { status });
  }

  /** Without a token also on a hub that has them: counts and times only, nothing that names anybody. */
  async #metrics({ request, response }: Exchange): Promise<void> {
    const { metrics } = this.#options;
    if (metrics === undefined) return refuse(request, response, 404, "This hub keeps no metrics.");
    const { contentType, text } = await metrics();
    answerText(response, 200, contentType, text);
  }

  #isFull(address: string): boolean {
    return (this.#perAddress.get(address) ?? 0) >= this.#bounds.connectionsPerAddressMax;
  }

  #count(address: string, response: ServerResponse): void {
    this.#open.add(response);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    response.once("close", () => {
      this.#open.delete(response);
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(address, left);
      else this.#perAddress.delete(address);
      this.#forgetEnded();
    });
  }

  #forgetEnded(): void {
    for (const connection of this.#connections) {
      if ((connection as { readonly isEnded?: boolean }).isEnded === true)
        this.#connections.delete(connection);
    }
  }
}

const WELCOME = `This is a Holdfast hub.

POST /rpc            JSON-RPC 2.0, one request or a batch; say who you are in Holdfast-Agent
GET  /entries        the log as server-sent events: ?after=SEQ&events=claim.*&about=NAME
GET  /openapi.json   all of it, described for HTTP
GET  /asyncapi.json  all of it, described for WebSocket, which is spoken here too
GET  /healthz        /readyz /metrics
`;

/**
 * Browsers leave `Origin` out of some requests but say where they come from: a page of another site may
 * lead somebody here, but not load from here.
 */
function foreignPage(request: IncomingMessage): string | undefined {
  const site = request.headers["sec-fetch-site"];
  if (request.headers.origin !== undefined || request.headers["sec-fetch-mode"] === "navigate")
    return undefined;
  return site === "cross-site" || site === "same-site"
    ? "Pages of other sites may not call this hub."
    : undefined;
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  words: string,
  allow?: string,
): void {
  // A body that nobody will read ends the connection with the answer.
  const hasBody =
    request.headers["content-length"] !== undefined || request.headers["transfer-encoding"] !== undefined;
  answer(
    response,
    status,
    { error: { message: words } },
    {
      ...(hasBody ? { connection: "close" } : {}),
      ...(allow === undefined ? {} : { allow }),
    },
  );
}

function unreadable({ response }: Exchange, problem: BodyProblem): void {
  if (problem === "aborted") return void response.destroy();
  const max = limits.frameBytesMax;
  if (problem === "too-large") {
    const words = `The body is larger than ${max} bytes; split it. Nothing was done.`;
    return answer(response, 413, errorReply(null, codes.invalidRequest, words, { at: "", why: "too large" }));
  }
  if (problem === "not-utf8") {
    const words = "The body is not UTF-8.";
    return answer(response, 400, errorReply(null, codes.parseError, words, { at: "", why: "not UTF-8" }));
  }
  response.writeHead(503, { ...ALWAYS, "retry-after": "1" }).end();
}
