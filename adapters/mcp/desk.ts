/**
 * `/mcp` of a hub: MCP over streamable HTTP, in today's revision, where each request stands for itself, and
 * in those before it, which have sessions. Who may call at all was asked at the gate.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isJsonContentType, isLegacyRequest } from "@modelcontextprotocol/server";
import { Refused } from "../../core/client/refused.ts";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import { decode } from "../../core/protocol/codec.ts";
import { findRepository } from "../place/repository.ts";
import { sendError, sendWeb, webRequest } from "./exchange.ts";
import { listenedTo } from "./listening.ts";
import { Sessions } from "./sessions.ts";
import { type BodyProblem, type McpHost, Visitors } from "./visitors.ts";
import { type Who, whoAsks } from "./who.ts";

export type { McpHost } from "./visitors.ts";

/** How often those who no longer ask are looked for, in milliseconds. */
const SWEEP_MS = 30_000;

/** Opens the desk. */
export function openMcpDesk(host: McpHost): McpDesk {
  return new McpDesk(host);
}

/** The desk: takes requests until it is closed. */
export class McpDesk {
  readonly #host: McpHost;
  readonly #root: string;
  readonly #visitors: Visitors;
  readonly #sessions: Sessions;
  readonly #sweeping: NodeJS.Timeout;
  #closed = false;

  constructor(host: McpHost) {
    this.#host = host;
    this.#root = findRepository(process.cwd()).root;
    this.#visitors = new Visitors(host, this.#root);
    this.#sessions = new Sessions(this.#visitors);
    this.#sweeping = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeping.unref();
  }

  /** Answers one request, whatever it holds; does not throw. */
  async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#take(request, response);
    } catch (error) {
      if (!(error instanceof Refused) && !(error instanceof Failure)) this.#host.report("/mcp", error);
      refuse(response, error);
    }
  }

  /** Ends every stream, session and visit. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeping);
    await this.#sessions.close();
    await this.#visitors.close();
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#closed) return sendError(response, 503, "This hub is closing.");
    const { method = "" } = request;
    if (method !== "POST" && method !== "GET" && method !== "DELETE") {
      request.resume();
      return sendError(response, 405, "This path takes POST, GET and DELETE.", {
        headers: { allow: "POST, GET, DELETE" },
      });
    }
    const who = whoAsks(request, this.#root);
    const web = webRequest(request, response);
    if (method !== "POST") return this.#older(web, undefined, who, response);
    if (!isJsonContentType(request.headers["content-type"])) {
      request.resume();
      return sendError(response, 415, "The body must be application/json.");
    }
    const body = await this.#host.bodies.read(request, limits.frameBytesMax);
    if ("problem" in body) return unreadable(response, body.problem);
    const decoded = decode(body.text);
    if ("problem" in decoded)
      return sendError(response, 400, `The body is ${decoded.problem}.`, { code: -32_700 });
    const isOlder = await isLegacyRequest(web, decoded.value);
    return isOlder
      ? this.#older(web, decoded.value, who, response)
      : this.#today(web, decoded.value, who, response);
  }

  async #today(web: Request, body: unknown, who: Who, response: ServerResponse): Promise<void> {
    const { visitor, done } = this.#visitors.use(who);
    let end: (() => void) | undefined;
    try {
      // Whoever is not let in is told so by HTTP, not by each tool.
      await visitor.client();
      const asked = listenedTo(body);
      if (asked !== undefined) end = await visitor.watch.add(asked.uris);
      await sendWeb(await visitor.handler.fetch(web, { parsedBody: body }), response);
    } finally {
      end?.();
      done();
    }
  }

  async #older(web: Request, body: unknown, asks: Who, response: ServerResponse): Promise<void> {
    const who = this.#sessions.who(web, body, asks);
    if (who === "needed")
      return sendError(response, 400, "Begin with initialize; later requests carry Mcp-Session-Id.");
    if (who === "unknown")
      return sendError(response, 404, "There is no such session; begin with initialize.", { code: -32_001 });
    const { answer, done } = await this.#sessions.take(web, body, who);
    try {
      await sendWeb(answer, response);
    } finally {
      done();
    }
  }

  #sweep(): void {
    Promise.all([this.#sessions.sweep(), this.#visitors.sweep()]).catch((error: unknown) =>
      this.#host.report("/mcp", error),
    );
  }
}

/** How each is answered and said. */
const PROBLEMS = {
  "too-large": [413, "too large"],
  "not-utf8": [400, "not UTF-8"],
  "too-many": [503, "too many at once"],
} as const;

function unreadable(response: ServerResponse, problem: BodyProblem): void {
  if (problem === "aborted") return void response.destroy();
  const [status, words] = PROBLEMS[problem];
  sendError(response, status, `The body is ${words}. Nothing was done.`);
}

/** Says why a request was not served at all. */
function refuse(response: ServerResponse, error: unknown): void {
  if (error instanceof Refused) {
    const isUnproven = error.code === "session.refused";
    const hint = isUnproven
      ? " Say who you are: the headers Holdfast-Agent: NAME and Authorization: Bearer TOKEN."
      : "";
    return sendError(response, isUnproven ? 401 : 403, `${error.message}${hint}`, {
      data: error.rejection,
      headers: isUnproven ? { "www-authenticate": 'Bearer realm="holdfast"' } : {},
    });
  }
  if (!(error instanceof Failure)) return sendError(response, 500, "Something went wrong here.");
  sendError(response, STATUS[error.code] ?? 500, error.message);
}

/** Of failures: a name that is none, a session that ended in between, too many at once, a hub that ends. */
const STATUS: { readonly [code: string]: number } = {
  usage: 400,
  closed: 404,
  busy: 503,
  "hub.unreachable": 503,
};
