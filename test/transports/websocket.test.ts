/**
 * The WebSocket transport at its edge: forged headers, hostile bytes, silent and slow peers, many peers.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect as connectTcp, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { connect as openClient } from "../../adapters/node/connect.ts";
import { serve } from "../../adapters/node/hub.ts";
import type { Client } from "../../core/client/client.ts";
import { limits } from "../../core/limits.ts";
import type { Closed, Connection, Frame, Listener } from "../../core/ports/transport.ts";
import { connect, listen, type WebSocketListenOptions } from "../../transports/websocket/index.ts";

interface Hub {
  readonly listener: Listener;
  readonly url: string;
  readonly port: number;
  readonly connections: Connection[];
  readonly frames: Frame[];
  readonly closed: Closed[];
}

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A hub that echoes every frame. */
async function echoHub(options: WebSocketListenOptions = {}, url = "ws://127.0.0.1:0"): Promise<Hub> {
  const [connections, frames, closed]: [Connection[], Frame[], Closed[]] = [[], [], []];
  const listener = await listen(url, options, (connection) => {
    connections.push(connection);
    connection.receive({
      frame(frame) {
        frames.push(frame);
        connection.send(frame);
      },
      drained: () => undefined,
      closed: (how) => closed.push(how),
    });
  });
  endings.push(() => listener.close());
  const own = listener.urls[0] as string;
  return { listener, url: own, port: Number(new URL(own).port), connections, frames, closed };
}

/** A client of the bare library; never rejects. */
function bareClient(
  url: string,
  headers: { [name: string]: string } = {},
  protocols: string[] = [],
): WebSocket {
  const socket = new WebSocket(url, protocols, { headers, perMessageDeflate: false });
  socket.on("error", () => undefined);
  endings.push(() => socket.terminate());
  return socket;
}

/** How a handshake was answered: 101 or the status of the refusal. */
function answered(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => {
    socket.on("open", () => resolve(101));
    socket.on("unexpected-response", (_request, response: IncomingMessage) =>
      resolve(response.statusCode ?? 0),
    );
  });
}

/** A TCP client and what it was told until the server hung up. */
function rawClient(port: number, say: string | Uint8Array): { socket: Socket; told: Promise<string> } {
  const socket = connectTcp(port, "127.0.0.1");
  endings.push(() => socket.destroy());
  let heard = "";
  socket.on("data", (chunk) => {
    heard += chunk.toString("latin1");
  });
  socket.on("error", () => undefined);
  socket.write(say);
  return { socket, told: once(socket, "close").then(() => heard) };
}

async function until(holds: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error(`Waited in vain: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** That the hub still serves others. */
async function stillServes({ url, port }: Hub): Promise<void> {
  const connection = await connect(url);
  const frames: Frame[] = [];
  connection.receive({ frame: (frame) => frames.push(frame), drained() {}, closed() {} });
  connection.send(`"still ${port}"`);
  await until(() => frames.length > 0);
  connection.close("goodbye");
}

describe("who may knock", () => {
  const cases: [string, { [name: string]: string }, number][] = [
    ["no origin", {}, 101],
    ["its own origin", { origin: "http://127.0.0.1:PORT" }, 101],
    ["a page of another site", { origin: "https://evil.example" }, 403],
    ["a page of another port of this machine", { origin: "http://127.0.0.1:3000" }, 403],
    ["a page without an origin of its own", { origin: "null" }, 403],
    ["an origin that only begins like its own", { origin: "http://127.0.0.1:PORT.evil.example" }, 403],
    ["an origin with a user in it", { origin: "http://127.0.0.1:PORT@evil.example" }, 403],
    ["a page that was allowed", { origin: "https://dash.example" }, 101],
    ["localhost by name", { host: "localhost:PORT", origin: "http://localhost:PORT" }, 101],
    ["IPv6 loopback", { host: "[::1]:PORT" }, 101],
    ["a rebound name", { host: "evil.example:PORT", origin: "http://evil.example:PORT" }, 403],
    ["a rebound name without origin", { host: "evil.example" }, 403],
    ["a name that only begins like loopback", { host: "127.0.0.1.evil.example" }, 403],
    ["a foreign address", { host: "192.0.2.7:PORT" }, 403],
    ["a Host that is none", { host: "a b" }, 403],
    ["a name that was allowed", { host: "hub.example:PORT", origin: "https://hub.example:PORT" }, 101],
  ];

  test.each(cases)("%s", async (_name, headers, status) => {
    const hub = await echoHub({ allowedHosts: ["hub.example"], allowedOrigins: ["https://dash.example/"] });
    const filled = Object.entries(headers).map(([name, value]) => [
      name,
      value.replace("PORT", String(hub.port)),
    ]);
    expect(await answered(bareClient(hub.url, Object.fromEntries(filled)))).toBe(status);
  });

  test("other machines only with tokens", async () => {
    for (const host of ["0.0.0.0", "[::]", "192.0.2.7", "hub.example"]) {
      await expect(echoHub({}, `ws://${host}:0`)).rejects.toMatchObject({ code: "usage" });
    }
    const hub = await echoHub({ hasTokens: true }, "ws://0.0.0.0:0");
    const url = `ws://127.0.0.1:${hub.port}`;
    expect(await answered(bareClient(url))).toBe(101);
    expect(await answered(bareClient(url, { host: `192.0.2.7:${hub.port}` }))).toBe(101);
    expect(await answered(bareClient(url, { host: `evil.example:${hub.port}` }))).toBe(403);
  });

  test("the token of the header is known, and a proxy is not this machine", async () => {
    const hub = await echoHub();
    const connection = await connect(hub.url, { token: "s3cret", codec: "msgpack" });
    const proxied = bareClient(hub.url, { "x-forwarded-for": "198.51.100.1" });
    await once(proxied, "open");
    connection.close("goodbye");
    expect(hub.connections.map(({ peer, codec }) => [peer.token, peer.loopback, codec])).toEqual([
      ["s3cret", true, "msgpack"],
      [undefined, false, "json"],
    ]);
  });

  test("only subprotocols it speaks", async () => {
    const hub = await echoHub();
    const both = bareClient(hub.url, {}, ["mqtt", "holdfast.msgpack", "holdfast.json"]);
    await once(both, "open");
    expect(both.protocol).toBe("holdfast.msgpack");
    const [error] = await once(bareClient(hub.url, {}, ["mqtt"]), "error");
    expect(String(error)).toMatch(/subprotocol/);
  });

  test("as many as the bounds say", async () => {
    const hub = await echoHub({ bounds: { connectionsPerAddressMax: 2 } });
    const [first] = [bareClient(hub.url), bareClient(hub.url)];
    await until(() => hub.connections.length === 2);
    expect(await answered(bareClient(hub.url))).toBe(503);
    first?.close(1000);
    await until(() => hub.closed.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await answered(bareClient(hub.url))).toBe(101);
  });
});

describe("calling a hub", () => {
  test("fails at the first try where nobody listens, naming the url but no secret", async () => {
    const hub = await echoHub();
    await hub.listener.close();
    const failed = connect(`ws://ann:hunter2@127.0.0.1:${hub.port}/?token=hunter2`);
    await expect(failed).rejects.toMatchObject({ code: "hub.unreachable", definite: true });
    await expect(failed).rejects.toThrow(`ws://127.0.0.1:${hub.port}`);
    await expect(failed).rejects.not.toThrow("hunter2");
  });

  test("says what a refusing server said", async () => {
    const hub = await echoHub();
    await expect(connect(`${hub.url}/elsewhere`)).rejects.toMatchObject({
      code: "hub.refused",
      fields: { status: 404 },
    });
    await expect(connect(`${hub.url}/elsewhere`)).rejects.toThrow("no WebSocket at this path");
  });

  test("gives up on a server that never answers", async () => {
    const silent = createServer().on("connection", () => undefined);
    silent.removeAllListeners("request").listen(0, "127.0.0.1");
    await once(silent, "listening");
    endings.push(() => silent.close().closeAllConnections());
    const { port } = silent.address() as AddressInfo;
    await expect(connect(`ws://127.0.0.1:${port}`, { timeoutMs: 100 })).rejects.toMatchObject({
      code: "hub.unreachable",
      message: expect.stringContaining("100 ms"),
    });
  });

  test.each(["ws://", "http://127.0.0.1:1", "nonsense", "ws://127.0.0.1:1/#part"])(
    "refuses %s",
    async (url) => {
      await expect(connect(url)).rejects.toMatchObject({ code: "usage" });
    },
  );
});

describe("what a hostile peer sends", () => {
  test("an oversized frame closes only that peer, with 1009", async () => {
    const hub = await echoHub();
    const socket = bareClient(hub.url);
    await once(socket, "open");
    socket.send("x".repeat(limits.frameBytesMax + 1));
    expect((await once(socket, "close"))[0]).toBe(1009);
    expect(hub.frames).toEqual([]);
    expect(hub.closed).toMatchObject([
      { goodbye: false, reason: expect.stringMatching(/^frame-too-large\b/) },
    ]);
    await stillServes(hub);
  });

  test("fragments beyond the limit close it too", async () => {
    const hub = await echoHub();
    const socket = bareClient(hub.url);
    await once(socket, "open");
    const part = "x".repeat(limits.frameBytesMax / 4);
    for (let at = 0; at < 8; at++) socket.send(part, { fin: false });
    expect((await once(socket, "close"))[0]).toBe(1009);
    expect(hub.frames).toEqual([]);
  });

  test("text that is no UTF-8 closes only that peer, with 1007", async () => {
    const hub = await echoHub();
    const socket = bareClient(hub.url);
    await once(socket, "open");
    socket.send(Uint8Array.of(0x22, 0xff, 0xfe, 0x22), { binary: false });
    expect((await once(socket, "close"))[0]).toBe(1007);
    expect(hub.frames).toEqual([]);
    expect(hub.closed).toMatchObject([{ goodbye: false, reason: expect.stringMatching(/^invalid-text\b/) }]);
    await stillServes(hub);
  });

  test("garbage instead of HTTP is answered and hung up on", async () => {
    const hub = await echoHub();
    const garbage = Uint8Array.from({ length: 4096 }, (_, at) => (at * 167 + 13) & 0xff);
    expect(await rawClient(hub.port, garbage).told).toMatch(/^HTTP\/1.1 400/);
    expect(await rawClient(hub.port, "GET / HTTP/1.1\r\n\r\n").told).toMatch(/^HTTP\/1.1 400/);
    expect(await rawClient(hub.port, `GET / HTTP/1.1\r\nHost: localhost\r\n\r\n`).told).toMatch(
      /^HTTP\/1.1 426/,
    );
    expect(await rawClient(hub.port, `GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n`).told).toMatch(
      /^HTTP\/1.1 404/,
    );
    await stillServes(hub);
  });

  test("garbage after the handshake ends that connection", async () => {
    const hub = await echoHub();
    const upgrade =
      "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    const { told } = rawClient(hub.port, Buffer.concat([Buffer.from(upgrade), Buffer.alloc(64, 0xff)]));
    expect(await told).toMatch(/^HTTP\/1.1 101/);
    expect(hub.closed).toMatchObject([
      { goodbye: false, reason: expect.stringMatching(/^protocol-error\b/) },
    ]);
    await stillServes(hub);
  });

  test("a reset in the middle of a frame is noticed as broken", async () => {
    const hub = await echoHub();
    const socket = bareClient(hub.url);
    await once(socket, "open");
    socket.terminate();
    await until(() => hub.closed.length > 0);
    expect(hub.closed[0]).toMatchObject({ goodbye: false, reason: "broken" });
  });

  test("a browser's close without a code is a goodbye", async () => {
    const hub = await echoHub();
    const socket = bareClient(hub.url);
    await once(socket, "open");
    socket.close();
    await until(() => hub.closed.length > 0);
    expect(hub.closed).toEqual([{ goodbye: true, reason: "goodbye" }]);
  });
});

describe("slow and silent peers", () => {
  test("a handshake that dawdles is cut", async () => {
    const hub = await echoHub({ bounds: { headersMs: 200 } });
    const silent = rawClient(hub.port, "");
    const slow = rawClient(hub.port, "GET / HTTP/1.1\r\nHost: local");
    const drip = setInterval(() => slow.socket.write("h"), 50);
    expect(await slow.told).toMatch(/^(HTTP\/1.1 408|$)/);
    clearInterval(drip);
    await silent.told;
    await stillServes(hub);
  });

  test("a peer that never reads costs bounded memory and is closed as too slow", async () => {
    const hub = await echoHub({ bounds: { drainMs: 300 } });
    const socket = bareClient(hub.url);
    await once(socket, "open");
    socket.pause();
    await until(() => hub.connections.length === 1);
    const connection = hub.connections[0] as Connection;
    const text = JSON.stringify("z".repeat(64 * 1024));
    let most = 0;
    let sentBytes = 0;
    while (hub.closed.length === 0) {
      for (let at = 0; at < 8 && connection.bufferedBytes <= limits.connectionBufferBytesMax; at++) {
        connection.send(text);
        sentBytes += text.length;
      }
      most = Math.max(most, connection.bufferedBytes);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(sentBytes).toBeGreaterThan(limits.connectionBufferBytesMax);
    expect(most).toBeLessThanOrEqual(limits.connectionBufferBytesMax + text.length + 16);
    expect(hub.closed[0]).toMatchObject({ goodbye: false, reason: expect.stringMatching(/^too-slow\b/) });
    socket.resume();
    expect((await once(socket, "close"))[0]).toBe(1013);
    await stillServes(hub);
  });

  test("a peer that answers no ping is cut, one that does stays", async () => {
    const beats: (() => void)[] = [];
    const clock = {
      after(_ms: number, run: () => void) {
        beats.push(run);
        return () => undefined;
      },
    };
    const hub = await echoHub({ clock });
    const dead = new WebSocket(hub.url, { autoPong: false });
    dead.on("error", () => undefined);
    endings.push(() => dead.terminate());
    await once(dead, "open");
    const alive = bareClient(hub.url);
    await once(alive, "open");
    let gone = false;
    dead.on("close", () => {
      gone = true;
    });
    for (let beat = 0; beat < 200 && !gone; beat++) {
      beats.shift()?.();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(hub.closed).toEqual([{ goodbye: false, reason: "broken" }]);
    expect(alive.readyState).toBe(WebSocket.OPEN);
  });
});

describe("the port", () => {
  test("holds 1,000 connections and is free at once afterwards", { timeout: 60_000 }, async () => {
    const hub = await echoHub();
    const heard: Frame[] = [];
    const closed: Closed[] = [];
    for (let wave = 0; wave < 10; wave++) {
      const opened = await Promise.all(Array.from({ length: 100 }, () => connect(hub.url)));
      for (const connection of opened) {
        connection.receive({
          frame: (frame) => heard.push(frame),
          drained() {},
          closed: (how) => closed.push(how),
        });
        connection.send("1");
      }
    }
    await until(() => heard.length === 1000);
    expect(hub.connections).toHaveLength(1000);
    await hub.listener.close();
    await until(() => closed.length === 1000);
    expect(closed.every(({ reason }) => reason === "shutting-down")).toBe(true);
    expect(hub.closed).toHaveLength(1000);
    const again = await echoHub({}, hub.url);
    await stillServes(again);
  });

  test("serves 1,000 clients at once", { timeout: 120_000 }, async () => {
    const hub = await serve({ log: "memory:", listen: ["ws://127.0.0.1:0"] });
    endings.push(() => hub.close());
    const clients: Client[] = [];
    endings.push(() => Promise.all(clients.map((client) => client.close())));
    for (let wave = 0; wave < 10; wave++) {
      const names = Array.from({ length: 100 }, (_, at) => `agent-${wave * 100 + at}`);
      // They and the hub share this process, and their handshakes its one thread.
      const opened = names.map((agent) => openClient(hub.urls[0] as string, { agent, timeoutMs: 60_000 }));
      clients.push(...(await Promise.all(opened)));
    }
    const watched = clients.map(async (client) => {
      let grants = 0;
      for await (const { events } of client.follow({ after: 0, events: ["claim.granted"] })) {
        grants += events.filter(({ type }) => type === "claim.granted").length;
        if (grants === 100) return grants;
      }
      return grants;
    });
    const claims = clients
      .slice(0, 100)
      .map((client, at) => client.call("claim.acquire", { claim: `C-${at}` }));
    expect(new Set((await Promise.all(claims)).map(({ epoch }) => epoch)).size).toBe(100);
    expect(new Set(await Promise.all(watched))).toEqual(new Set([100]));
    expect(hub.engine.subscriptions.size).toBe(1000);
    await Promise.all(clients.map((client) => client.call("claims.list", { limit: 1 })));
  });

  test("closes although peers neither read nor speak", async () => {
    const hub = await echoHub();
    const frozen = bareClient(hub.url);
    await once(frozen, "open");
    frozen.pause();
    const { socket } = rawClient(hub.port, "GET ");
    await once(socket, "connect");
    await hub.listener.close();
    await expect(connect(hub.url)).rejects.toMatchObject({ code: "hub.unreachable" });
  });

  test("is refused when taken", async () => {
    const hub = await echoHub();
    await expect(echoHub({}, hub.url)).rejects.toMatchObject({ code: "usage", fields: { taken: true } });
  });

  test("can be shared with others through one server", async () => {
    const server = createServer((_request, response) => void response.end("http"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    endings.push(() => server.close().closeAllConnections());
    const { port } = server.address() as AddressInfo;
    const hub = await echoHub({ server, otherUpgradePaths: ["/mqtt"] }, `ws://127.0.0.1:${port}/`);
    server.on("upgrade", (request, socket) => {
      if (request.url === "/mqtt") socket.end("HTTP/1.1 418 Other\r\n\r\n");
    });
    expect(hub.url).toBe(`ws://127.0.0.1:${port}`);
    await stillServes(hub);
    expect(await answered(bareClient(`${hub.url}/mqtt`))).toBe(418);
    expect(await answered(bareClient(`${hub.url}/nowhere`))).toBe(404);
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("http");
    await hub.listener.close();
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("http");
  });
});
