/**
 * Sessions of the older protocol revisions: begun by `initialize`, told apart by `Mcp-Session-Id`, ended by
 * their host or, as hosts rarely do, by time.
 */
import { randomUUID } from "node:crypto";
import { isInitializeRequest, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import type { Client } from "../../core/client/client.ts";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import { fieldsOf } from "./listening.ts";
import type { Seat } from "./seat.ts";
import { type SeatedServer, serverFor } from "./server.ts";
import type { Visitors } from "./visitors.ts";
import { nameFor, type Who } from "./who.ts";

/** One session. */
interface Session {
  readonly id: string;
  readonly who: Who;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly served: SeatedServer;
  /** Requests and streams that are not over. */
  uses: number;
  usedMs: number;
  /** Keeps the visitor while resources are watched. */
  kept?: () => void;
}

/** All sessions of a hub. */
export class Sessions {
  readonly #visitors: Visitors;
  /** By id, the one used longest ago first. */
  readonly #known = new Map<string, Session>();

  constructor(visitors: Visitors) {
    this.#visitors = visitors;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Who asks, once their session is known: it may have given them a name. Not found: no such session. */
  who(request: Request, body: unknown, asks: Who): Who | "unknown" | "needed" {
    const id = request.headers.get("mcp-session-id");
    if (id === null) return isInitializeRequest(body) ? asks : "needed";
    const session = this.#known.get(id);
    // An id is no proof: whoever has it must be the one who began it.
    const isSame =
      session !== undefined &&
      asks.token === session.who.token &&
      asks.loopback === session.who.loopback &&
      (asks.agent === undefined || asks.agent === session.who.agent);
    return isSame ? session.who : "unknown";
  }

  /**
   * Serves a request that `who` has let pass; `done` is called when its answer is out. Throws `Refused` when
   * the hub does not let them in, and `busy`.
   */
  async take(
    request: Request,
    body: unknown,
    who: Who,
  ): Promise<{ readonly answer: Response; readonly done: () => void }> {
    const id = request.headers.get("mcp-session-id");
    const session = id === null ? this.#new(fieldsOf(body), who) : this.#touched(id);
    const { visitor, done } = this.#visitors.use(session.who);
    session.uses += 1;
    const over = (): void => {
      session.uses -= 1;
      session.usedMs = performance.now();
      this.#keep(session);
      done();
    };
    try {
      await visitor.client();
      if (id === null) await this.#connect(session);
      const parsed = body === undefined ? {} : { parsedBody: body };
      return { answer: await session.transport.handleRequest(request, parsed), done: over };
    } catch (error) {
      over();
      throw error;
    }
  }

  /** Ends sessions that nobody has used for long. */
  async sweep(): Promise<void> {
    const before = performance.now() - limits.mcpSessionIdleMs;
    const idle = [...this.#known].filter(([, { uses, usedMs }]) => uses === 0 && usedMs < before);
    await Promise.all(idle.map(([, { served }]) => served.server.close()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#known.values()].map(({ served }) => served.server.close()));
  }

  #touched(id: string): Session {
    const session = this.#known.get(id);
    if (session === undefined)
      throw new Failure("closed", "That session has just ended; begin with initialize.");
    this.#known.delete(id);
    this.#known.set(id, session);
    return session;
  }

  #new({ params }: { readonly [field: string]: unknown }, asks: Who): Session {
    const id = randomUUID();
    const agent = asks.agent ?? nameFor(fieldsOf(fieldsOf(params).clientInfo).name, id);
    const who = { ...asks, agent };
    const seat = { ...this.#visitors.seatOf(who), client: () => this.#client(who) };
    const forAgent = (agent: string): Seat => this.#visitors.seatOf({ ...asks, agent });
    const served = serverFor(asks.agent === undefined ? { ...seat, forAgent } : seat);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      onsessioninitialized: () => {
        this.#known.set(id, session);
      },
      keepAliveMs: limits.streamHeartbeatMs,
    });
    const session: Session = { id, who, transport, served, uses: 0, usedMs: performance.now() };
    return session;
  }

  async #connect(session: Session): Promise<void> {
    const { server } = session.served;
    if (this.#known.size >= limits.mcpSessionsMax) await this.#endOldest();
    const closed = server.onclose;
    server.onclose = () => {
      closed?.();
      session.kept?.();
      this.#known.delete(session.id);
    };
    await server.connect(session.transport);
  }

  /** The visitor's client; another one when the visitor was away for long. */
  async #client(who: Who): Promise<Client> {
    const { visitor, done } = this.#visitors.use(who);
    try {
      return await visitor.client();
    } finally {
      done();
    }
  }

  /** While a session watches, its visitor stays. */
  #keep(session: Session): void {
    if (session.served.watch.size === 0) {
      session.kept?.();
      delete session.kept;
    } else session.kept ??= this.#visitors.use(session.who).done;
  }

  async #endOldest(): Promise<void> {
    const oldest = [...this.#known.values()].find(({ uses }) => uses === 0) ?? [...this.#known.values()][0];
    await oldest?.served.server.close();
  }
}
