/**
 * Links over HTTP, frame by frame: what comes twice, too late or altered is noticed, and what nobody will ever
 * answer or read is not kept.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect as connectTcp, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type Hub, serve } from "../../adapters/node/hub.ts";
import { limits } from "../../core/limits.ts";
import { connect, listen } from "../../transports/index.ts";

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function hubAt(): Promise<{ hub: Hub; url: string; port: number }> {
  const hub = await serve({ log: "memory:", listen: ["http://127.0.0.1:0"] });
  endings.push(() => hub.close());
  const url = hub.urls.find((one) => one.startsWith("http:")) as string;
  return { hub, url, port: Number(new URL(url).port) };
}

const line = (id: number, method: string, params: object) =>
  `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`;

/** A link spoken by hand. */
async function openLink(url: string) {
  const stop = new AbortController();
  endings.push(() => stop.abort());
  const response = await fetch(`${url}/link`, { signal: stop.signal });
  let text = "";
  let over = false;
  const read = async () => {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
      text += Buffer.from(chunk).toString();
  };
  read()
    .catch(() => {})
    .finally(() => {
      over = true;
    });
  const events = () =>
    text
      .split("\n\n")
      .filter((part) => part.includes("data: "))
      .map((part) => ({
        id: Number(/^id: (\d+)$/m.exec(part)?.[1]),
        event: /^event: (\w+)$/m.exec(part)?.[1],
        data: /^data: (.*)$/m.exec(part)?.[1] ?? "",
      }));
  await expect.poll(() => events().length).toBe(1);
  const name = events()[0]?.data as string;
  const post = async (body: string, headers: { [name: string]: string } = {}, method = "POST") => {
    const answer = await fetch(`${url}/link`, {
      method,
      body,
      headers: { "holdfast-link": name, ...headers },
    });
    await answer.text();
    return { status: answer.status, number: answer.headers.get("holdfast-post") };
  };
  return { events, post, isOver: () => over };
}

const open = line(0, "session.open", { agent: "ann" });
const claim = (id: number, name: string) => line(id, "claim.acquire", { claim: name });

describe("the posts of a link", () => {
  test("carry their number back, and are taken once", async () => {
    const { hub, url } = await hubAt();
    const link = await openLink(url);
    expect(await link.post(open, { "holdfast-post": "1" })).toEqual({ status: 204, number: "1" });
    for (const _ of "12")
      expect(await link.post(claim(1, "a"), { "holdfast-post": "2" })).toEqual({ status: 204, number: "2" });
    expect(await link.post(claim(2, "b"), { "holdfast-post": "3" })).toMatchObject({ status: 204 });
    expect(await link.post(claim(1, "c"), { "holdfast-post": "2" })).toMatchObject({ status: 204 });
    await expect.poll(() => link.events().length).toBe(4);
    expect([...hub.engine.state().claims.live.keys()].sort()).toEqual(["a", "b"]);
    expect(link.events().map(({ id }) => id)).toEqual([0, 1, 2, 3]);
  });

  test.each([
    ["that leaves one out", "POST", { "holdfast-post": "3" }],
    ["that is not what was sent", "POST", { "content-digest": "sha-256=:AAAA:", "holdfast-post": "2" }],
    ["that says goodbye too early", "DELETE", { "holdfast-post": "3" }],
  ])("one %s ends the link", async (_name, method, headers) => {
    const { hub, url } = await hubAt();
    const link = await openLink(url);
    await link.post(open, { "holdfast-post": "1" });
    expect(await link.post(claim(1, "a"), headers as { [name: string]: string }, method)).toMatchObject({
      status: 409,
    });
    await expect.poll(link.isOver).toBe(true);
    expect(await link.post(claim(2, "b"), { "holdfast-post": "2" })).toMatchObject({ status: 404 });
    expect(hub.engine.state().claims.live.size).toBe(0);
  });

  test("with the digest of their body are taken, and without a number in any order", async () => {
    const { hub, url } = await hubAt();
    const link = await openLink(url);
    const digest = (body: string) => `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
    expect(await link.post(open, { "content-digest": digest(open) })).toEqual({ status: 204, number: null });
    expect(await link.post(claim(1, "ä"), { "content-digest": digest(claim(1, "ä")) })).toMatchObject({
      status: 204,
    });
    expect(await link.post(claim(2, "b"))).toMatchObject({ status: 204 });
    await expect.poll(() => hub.engine.state().claims.live.size).toBe(2);
  });
});

/** A server that opens a link and then does as it is told. */
async function fakeHub(take: (request: IncomingMessage, response: ServerResponse) => void) {
  let stream: ServerResponse | undefined;
  const server = createServer((request, response) => {
    if (request.method !== "GET") return take(request, response);
    stream = response;
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("id: 0\nevent: link\ndata: abc\n\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endings.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const connection = await connect(`http://127.0.0.1:${port}`);
  const frames: unknown[] = [];
  const closed = new Promise<string>((resolve) =>
    connection.receive({
      frame: (frame) => frames.push(frame),
      drained: () => {},
      closed: ({ reason }) => resolve(reason),
    }),
  );
  return { connection, frames, closed, write: (text: string) => stream?.write(text) };
}

describe("a caller", () => {
  test("does not take the answer to another post for that to its own", async () => {
    const { connection, closed } = await fakeHub((request, response) => {
      request.resume().on("end", () => response.writeHead(204, { "holdfast-post": "7" }).end());
    });
    connection.send("{}");
    expect(await closed).toMatch(/^broken/);
  });

  test.each([
    ["is told twice", "id: 1\ndata: {}\n\nid: 1\ndata: {}\n\n", 1],
    ["is left out", "id: 2\ndata: {}\n\n", 0],
    ["runs into the next", "id: 1\ndata: {id: 1\ndata: {}\n\n", 0],
    ["has no number", "data: {}\n\n", 0],
    ["is no event", "3\r\n:\n\n\r\n", 0],
    ["is of no known kind", "id: 1\nevent: link\ndata: other\n\n", 0],
  ])("gives a link up at once when an event %s", async (_name, text, taken) => {
    const { frames, closed, write } = await fakeHub(() => {});
    write(text);
    expect(await closed).toMatch(/^broken/);
    expect(frames).toHaveLength(taken);
  });
});

describe("requests sent ahead of an answer", () => {
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

  function send(port: number, text: string): Socket {
    const socket = connectTcp(port, "127.0.0.1");
    endings.push(() => socket.destroy());
    socket.on("error", () => {});
    socket.on("data", () => {});
    socket.write(text);
    return socket;
  }

  test("are answered one after the other", async () => {
    const { port } = await hubAt();
    const socket = send(port, get("/healthz") + get("/") + get("/nothing"));
    let told = "";
    socket.on("data", (bytes) => {
      told += bytes.toString();
    });
    await expect
      .poll(() => told.match(/HTTP\/1\.1 \d+/g))
      .toEqual(["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 404"]);
  });

  test("behind a stream that breaks are forgotten with it", async () => {
    const accepted: unknown[] = [];
    const listener = await listen("http://127.0.0.1:0", { bounds: { connectionsMax: 3 } }, (connection) =>
      accepted.push(connection),
    );
    endings.push(() => listener.close());
    const url = listener.urls[0] as string;
    for (let i = 1; i <= 8; i++) {
      const socket = send(Number(new URL(url).port), get("/link") + get("/link") + get("/link"));
      await expect.poll(() => accepted.length).toBe(i);
      socket.destroy();
      await expect.poll(async () => (await fetch(`${url}/healthz`)).status).toBe(200);
    }
    expect(accepted).toHaveLength(8);
  });

  test("are not kept without end", async () => {
    const { url, port } = await hubAt();
    const socket = send(port, get("/entries") + get("/healthz").repeat(limits.pipelinedMax + 1));
    await once(socket, "close");
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
});
