/**
 * MCP on standard input and output: one host, one seat, until the host closes its end.
 */
import type { JSONRPCMessage, Server, Transport } from "@modelcontextprotocol/server";
import { type StdioServerHandle, StdioServerTransport, serveStdio } from "@modelcontextprotocol/server/stdio";
import { limits } from "../../core/limits.ts";
import { cancelled, listenedTo } from "./listening.ts";
import type { Seat } from "./seat.ts";
import { serverFor } from "./server.ts";
import { Watch } from "./watch.ts";

/** One line of a host: a frame of the log whose every character may be spelled as an escape. */
const LINE_BYTES_MAX = 4 * limits.frameBytesMax;

/** What a host says that only looks whether somebody is there. */
const HANDSHAKE = new Set(["server/discover", "initialize", "notifications/initialized", "ping"]);

/** How a connection is served. */
export interface StdioOptions {
  readonly seat: Seat;
  /** Called once, when the host goes on after the handshake: it means to stay. */
  readonly begun: () => void;
  /** Hears of what went wrong and is nobody's to answer. */
  readonly report: (what: string, error: unknown) => void;
}

/** A connection that is served. */
export interface Served {
  /** Resolves when the host has closed its end, or `close` was called. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** Serves the process's standard input and output; nothing but MCP must be written there. */
export function serveOverStdio({ seat, begun, report }: StdioOptions): Served {
  let current: Server | undefined;
  // The SDK hands each change to those of its subscriptions that asked for it.
  const watch = new Watch(seat, (uri) => {
    current?.sendResourceUpdated({ uri }).catch(() => undefined);
  });
  const wire = new StdioServerTransport(process.stdin, process.stdout, {
    maxBufferSize: LINE_BYTES_MAX,
  });
  const listening = new Listening(watch);
  let hasBegun = false;
  const hear = (message: JSONRPCMessage): Promise<void> => {
    if (!hasBegun && "method" in message && !HANDSHAKE.has(message.method)) {
      hasBegun = true;
      begun();
    }
    return listening.hear(message);
  };
  const handle: StdioServerHandle = serveStdio(
    () => {
      current = serverFor(seat).server;
      return current;
    },
    {
      transport: tapped(wire, hear),
      maxSubscriptions: limits.mcpStreamsMax,
      onerror: (error) => report("mcp", error),
    },
  );
  const ended = new Promise<void>((resolve) => {
    const told = wire.onclose;
    wire.onclose = () => {
      told?.();
      watch.close();
      resolve();
    };
  });
  return { ended, close: () => handle.close() };
}

/** The subscriptions of the newer revision, by the ids of the requests that made them. */
class Listening {
  readonly #watch: Watch;
  readonly #ends = new Map<string | number, () => void>();

  constructor(watch: Watch) {
    this.#watch = watch;
  }

  /** Looks at a message before it is served; resolves when it may be. */
  async hear(message: JSONRPCMessage): Promise<void> {
    const over = cancelled(message);
    if (over !== undefined) {
      this.#ends.get(over)?.();
      this.#ends.delete(over);
      return;
    }
    const asked = listenedTo(message);
    if (asked === undefined || this.#ends.size >= limits.mcpStreamsMax) return;
    this.#ends.get(asked.id)?.();
    this.#ends.set(asked.id, await this.#watch.add(asked.uris));
  }
}

/** The same transport, each of whose messages is heard before it is handed on, in order. */
function tapped(wire: Transport, hear: (message: JSONRPCMessage) => Promise<void>): Transport {
  let last = Promise.resolve();
  const transport: Transport = {
    start: () => wire.start(),
    send: (message, options) => wire.send(message, options),
    close: () => wire.close(),
  };
  wire.onmessage = (message, extra) => {
    // Heard and handed on in the order they came; nothing is held up but by a subscription that begins.
    last = last
      .then(() => hear(message))
      .then(
        () => transport.onmessage?.(message, extra),
        (error: unknown) => transport.onerror?.(error as Error),
      );
  };
  wire.onerror = (error) => transport.onerror?.(error);
  wire.onclose = () => transport.onclose?.();
  return transport;
}
