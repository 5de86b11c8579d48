/**
 * The transport contract, over every registered transport.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Failure } from "../../core/failures.ts";
import type { Listener } from "../../core/ports/transport.ts";
import { type Transport, transports } from "../../transports/index.ts";
import { type TransportPlace, transportContract } from "../contracts/transport.ts";

type Listening = Required<Transport>;

/** How a transport gets a place for the suite; a string names the scheme whose code it shares. */
const places: { readonly [scheme: string]: string | ((transport: Listening) => Promise<TransportPlace>) } = {
  memory: async (transport) => placeAt(transport, "memory:"),
  ws: async (transport) => placeAt(transport, "ws://127.0.0.1:0"),
  wss: "ws",
  mqtt: async (transport) => placeAt(transport, "mqtt://127.0.0.1:0"),
  mqtts: "mqtt",
  "mqtt+client": "mqtt",
  "mqtts+client": "mqtt",
  http: async (transport) => placeAt(transport, "http://127.0.0.1:0"),
  https: "http",
  ndjson: spoolPlace,
  stdio: stdioPlace,
};

describe("every registered transport", () => {
  test("has a place in this test", () => {
    expect(Object.keys(places).sort()).toEqual(Object.keys(transports).sort());
  });
});

for (const [scheme, load] of Object.entries(transports)) {
  const place = places[scheme];
  if (typeof place !== "function") continue;
  const transport = (await load()) as Listening;
  transportContract(scheme, transport.abilities, () => place(transport));
}

function placeAt(transport: Listening, fresh: string): TransportPlace {
  return {
    listen: (accept, url = fresh) => transport.listen(url, {}, accept),
    connect: (url, options) => transport.connect(url, options),
    close: async () => undefined,
  };
}

/** A spool in a folder of its own. */
async function spoolPlace(transport: Listening): Promise<TransportPlace> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-spool-"));
  return {
    listen: (accept, url = `ndjson:${folder}`) => transport.listen(url, {}, accept),
    connect: (url, options) => transport.connect(url, options),
    close: () => rm(folder, { recursive: true }),
  };
}

/**
 * Copies its standard input to a port and what comes from there to its standard output. It ends by itself, not by
 * `exit`, which would drop what the pipe has not taken yet.
 */
const RELAY =
  "const s=require('net').connect(+process.argv[1],'127.0.0.1');s.on('error',()=>process.exit(1));" +
  "process.stdin.pipe(s);s.pipe(process.stdout);s.on('close',()=>process.stdin.destroy())";

/**
 * Each command started is a relay to a port here, behind which a hub sits on the standard streams of
 * its own.
 */
async function stdioPlace(transport: Listening): Promise<TransportPlace> {
  const open = new Set<number>();
  const portOf = (url: string): number => Number(/(\d+)$/.exec(url)?.[1]);
  return {
    async listen(accept, url) {
      const hubs = new Set<Listener>();
      const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
        socket.on("error", () => undefined);
        const stdio = { input: socket, output: socket };
        void transport.listen("stdio:", { stdio }, accept).then((hub) => hubs.add(hub));
      });
      await new Promise<void>((resolve) =>
        server.listen(url === undefined ? 0 : portOf(url), "127.0.0.1", resolve),
      );
      const port = (server.address() as { port: number }).port;
      open.add(port);
      return {
        urls: [`stdio:${process.execPath} -e "${RELAY}" ${port}`],
        async close() {
          open.delete(port);
          const closed = new Promise((resolve) => server.close(resolve));
          await Promise.all([...hubs].map((hub) => hub.close()));
          await closed;
        },
      };
    },
    async connect(url, options) {
      // A command that starts and finds no hub is not the transport's to notice.
      if (!open.has(portOf(url))) throw new Failure("hub.unreachable", "Nobody is behind the relay.");
      return transport.connect(url, options);
    },
    close: async () => undefined,
  };
}
