/**
 * Visitors: those who ask over HTTP, each with a session at the hub that is kept open between requests, for
 * a while. The one who asked longest ago makes room for another.
 */
import type { IncomingMessage } from "node:http";
import { createMcpHandler, InMemoryServerEventBus, type McpHttpHandler } from "@modelcontextprotocol/server";
import type { Client, ClientOptions } from "../../core/client/client.ts";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import { epochsInMemory, type Seat } from "./seat.ts";
import { serverFor } from "./server.ts";
import { Watch } from "./watch.ts";
import { keyOf, pathsIn, type Who } from "./who.ts";

/** What visitors need of their hub. */
export interface McpHost {
  connect(visitor: Omit<ClientOptions, "dial" | "clock" | "chance">, loopback?: boolean): Promise<Client>;
  report(what: string, error: unknown): void;
  /** Reads bodies as the hub's own pages do. */
  readonly bodies: {
    read(
      request: IncomingMessage,
      bytesMax: number,
    ): Promise<{ readonly text: string } | { readonly problem: BodyProblem }>;
  };
}

/** Why a body could not be taken. */
export type BodyProblem = "too-large" | "too-many" | "aborted" | "not-utf8";

/** Under this name those look on who did not say theirs. */
const NAMELESS = "mcp-guest";

/** One who asks. */
export class Visitor {
  readonly seat: Seat;
  /** What this visitor watches by streams of the newer protocol revision. */
  readonly watch: Watch;
  /** Serves the newer revision. */
  readonly handler: McpHttpHandler;
  /** Requests and streams that are not over. */
  uses = 0;
  usedMs = 0;
  readonly #open: () => Promise<Client>;
  #client: Promise<Client> | undefined;

  constructor(host: McpHost, who: Who, hubRoot: string, forAgent: (agent: string) => Seat) {
    const { agent, token, loopback } = who;
    this.#open = () =>
      host.connect(
        {
          agent: agent ?? NAMELESS,
          ...(agent === undefined ? { observe: true } : {}),
          ...(token === undefined ? {} : { token }),
          onNotice: ({ kind }) => {
            if (kind === "ended") this.#client = undefined;
          },
        },
        loopback,
      );
    this.seat = {
      ...(agent === undefined ? { forAgent } : { agent }),
      ...pathsIn(who.worktree, hubRoot),
      client: () => this.client(),
      epochs: epochsInMemory(),
    };
    const bus = new InMemoryServerEventBus();
    this.watch = new Watch(this.seat, (uri) => bus.publish({ kind: "resource_updated", uri }));
    this.handler = createMcpHandler(() => serverFor(this.seat).server, {
      legacy: "reject",
      bus,
      maxSubscriptions: limits.mcpStreamsMax,
      keepAliveMs: limits.streamHeartbeatMs,
    });
  }

  /** The session at the hub, opened when it is first asked for. Throws `Refused` when it is not let in. */
  client(): Promise<Client> {
    this.#client ??= this.#open().catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }

  async close(): Promise<void> {
    this.watch.close();
    await this.handler.close();
    await this.#client?.then((client) => client.close()).catch(() => undefined);
  }
}

/** All visitors of a hub. */
export class Visitors {
  readonly #host: McpHost;
  readonly #hubRoot: string;
  /** The one who asked longest ago first. */
  readonly #known = new Map<string, Visitor>();

  constructor(host: McpHost, hubRoot: string) {
    this.#host = host;
    this.#hubRoot = hubRoot;
  }

  get size(): number {
    return this.#known.size;
  }

  /** The visitor who asks, kept until `done` is called. Throws `busy` when all there may be are asking. */
  use(who: Who): { readonly visitor: Visitor; readonly done: () => void } {
    const key = keyOf(who);
    const visitor = this.#known.get(key) ?? this.#admitted(who);
    this.#known.delete(key);
    this.#known.set(key, visitor);
    visitor.uses += 1;
    let isDone = false;
    const done = (): void => {
      if (isDone) return;
      isDone = true;
      visitor.uses -= 1;
      visitor.usedMs = performance.now();
    };
    return { visitor, done };
  }

  /** The seat of one who asks. */
  seatOf(who: Who): Seat {
    const { visitor, done } = this.use(who);
    done();
    return visitor.seat;
  }

  /** Ends the sessions of those who have not asked for a while. */
  async sweep(): Promise<void> {
    const before = performance.now() - limits.mcpVisitorIdleMs;
    const idle = [...this.#known].filter(([, { uses, usedMs }]) => uses === 0 && usedMs < before);
    await Promise.all(idle.map(([key, visitor]) => this.#end(key, visitor)));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#known].map(([key, visitor]) => this.#end(key, visitor)));
  }

  #admitted(who: Who): Visitor {
    if (this.#known.size >= limits.mcpVisitorsMax) {
      const oldest = [...this.#known].find(([, { uses }]) => uses === 0);
      if (oldest === undefined)
        throw new Failure("busy", "This hub serves as many over MCP as it can; try later.");
      this.#end(...oldest).catch((error: unknown) => this.#host.report("/mcp", error));
    }
    return new Visitor(this.#host, who, this.#hubRoot, (agent) => this.seatOf({ ...who, agent }));
  }

  async #end(key: string, visitor: Visitor): Promise<void> {
    this.#known.delete(key);
    await visitor.close();
  }
}
