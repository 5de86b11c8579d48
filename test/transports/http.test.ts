/**
 * The HTTP transport: posts, the stream of entries, links, documents; and what strangers may send it.
 */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { connect as connectClient } from "../../adapters/node/connect.ts";
import { openEngineOnLog } from "../../adapters/node/engine.ts";
import type { Engine } from "../../core/engine/engine.ts";
import type { EngineOptions } from "../../core/engine/options.ts";
import { limits } from "../../core/limits.ts";
import { type ListenOptions, listen } from "../../transports/index.ts";

interface Hub {
  readonly engine: Engine;
  readonly url: string;
  readonly port: number;
  readonly urls: readonly string[];
}

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function hubAt(
  options: ListenOptions = {},
  engineOptions: Partial<EngineOptions> = {},
  url = "http://127.0.0.1:0",
): Promise<Hub> {
  const { engine, close } = await openEngineOnLog({ log: "memory:", ...engineOptions });
  endings.push(close);
  const listener = await listen(url, options, engine.accept.bind(engine));
  endings.push(() => listener.close());
  const own = listener.urls.find((found) => found.startsWith("http:")) as string;
  return { engine, url: own, port: Number(new URL(own).port), urls: listener.urls };
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever fields they expect
  readonly body: any;
}

async function post(
  hub: Hub,
  body: unknown,
  headers: { [name: string]: string } = { "holdfast-agent": "ann" },
): Promise<Answer> {
  const text =
    typeof body === "string" || body instanceof Uint8Array ? (body as string) : JSON.stringify(body);
  const response = await fetch(`${hub.url}/rpc`, { method: "POST", body: text, headers });
  const said = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: said === "" ? undefined : JSON.parse(said),
  };
}

function call(id: number | string, method: string, params: object = {}): object {
  return { jsonrpc: "2.0", id, method, params };
}

const claim = (name: string, more: object = {}) =>
  call(name, "claim.acquire", { claim: name, scope: { paths: [`${name}/**`] }, ...more });

interface Event {
  readonly id?: string;
  readonly event?: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever fields they expect
  readonly data?: any;
}

/** Events of a stream as they come; ends with the test. */
async function stream(hub: Hub, query: string, headers: { [name: string]: string } = {}) {
  const stop = new AbortController();
  endings.push(() => stop.abort());
  const response = await fetch(`${hub.url}/entries?${query}`, { headers, signal: stop.signal });
  const events: Event[] = [];
  const comments: string[] = [];
  const read = async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      const parts = text.split("\n\n");
      text = parts.pop() ?? "";
      for (const part of parts) {
        const fields = Object.fromEntries(
          part
            .split("\n")
            .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
        );
        if (fields.data !== undefined) events.push({ ...fields, data: JSON.parse(fields.data) });
        else comments.push(part);
      }
    }
  };
  if (response.status === 200) void read().catch(() => undefined);
  return { response, events, comments, stop: () => stop.abort() };
}

async function until(holds: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error(`Waited in vain: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
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

async function stillServes(hub: Hub): Promise<void> {
  const { status, body } = await post(hub, call(1, "state.summary"), { "holdfast-agent": "healthy" });
  expect(status).toBe(200);
  expect(body.result).toBeDefined();
}

describe("POST /rpc", () => {
  test("answers one request, for the agent of the header", async () => {
    const hub = await hubAt();
    const { status, headers, body } = await post(hub, claim("one"), { "holdfast-agent": "%C3%A4nn" });
    expect(status).toBe(200);
    expect(headers.get("access-control-allow-origin")).toBeNull();
    expect(body).toMatchObject({ jsonrpc: "2.0", id: "one", result: { epoch: expect.any(Number) } });
    const list = await post(hub, call(2, "claims.list"));
    expect(list.body.result.items).toMatchObject([{ claim: "one", holder: "änn" }]);
  });

  test("answers a batch as an array, refusals and problems among the replies", async () => {
    const hub = await hubAt();
    await post(hub, claim("held"), { "holdfast-agent": "bob" });
    const { status, body } = await post(hub, [
      claim("mine"),
      claim("held"),
      call(3, "no.such"),
      call(4, "claim.acquire", { claim: 7 }),
      { jsonrpc: "2.0", method: "claims.list" },
      "junk",
    ]);
    expect(status).toBe(200);
    const byId = new Map(body.map((reply: { id: unknown }) => [reply.id, reply]));
    expect(body).toHaveLength(5);
    expect(byId.get("mine")).toMatchObject({ result: { claim: "mine" } });
    expect(byId.get("held")).toMatchObject({
      error: { code: 1, data: { code: "claim.held", holder: "bob" } },
    });
    expect(byId.get(3)).toMatchObject({ error: { code: -32601 } });
    expect(byId.get(4)).toMatchObject({ error: { code: -32602 } });
    expect(byId.get(null)).toMatchObject({ error: { code: -32600 } });
  });

  test("wants to know who speaks, from a header or from session.open", async () => {
    const hub = await hubAt();
    const nobody = await post(hub, claim("a"), {});
    expect(nobody).toMatchObject({
      status: 401,
      body: { id: "a", error: { data: { code: "session.not-open" } } },
    });
    const named = await post(hub, [call("o", "session.open", { agent: "cid" }), claim("a")], {});
    expect(named.body).toMatchObject([
      { id: "o", result: { agent: "cid" } },
      { id: "a", result: { claim: "a" } },
    ]);
    const other = await post(hub, call("o", "session.open", { agent: "cid" }), { "holdfast-agent": "dan" });
    expect(other.body).toMatchObject({ error: { data: { code: "session.not-you" } } });
  });

  test("asks for tokens where there are any", async () => {
    const verify = (agent: string, token: string) =>
      token === `for-${agent}` ? { operator: false } : undefined;
    const hub = await hubAt({ hasTokens: true }, { verify });
    const refused = await post(hub, [claim("a"), claim("b")]);
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toMatch(/^Bearer/);
    expect(refused.body.map(({ id }: { id: string }) => id)).toEqual(["a", "b"]);
    const stolen = await post(hub, claim("a"), { "holdfast-agent": "ann", authorization: "Bearer for-bob" });
    expect(stolen.status).toBe(401);
    const proven = await post(hub, claim("a"), { "holdfast-agent": "ann", authorization: "Bearer for-ann" });
    expect(proven).toMatchObject({ status: 200, body: { result: { claim: "a" } } });
    expect((await stream(hub, "after=0")).response.status).toBe(401);
  });

  test("waits as long as it was asked to, and forgets who hangs up", async () => {
    const hub = await hubAt();
    const held = await post(hub, claim("busy"), { "holdfast-agent": "bob" });
    const waiting = post(hub, claim("busy", { waitMs: 20_000 }));
    const gone = new AbortController();
    const aborted = fetch(`${hub.url}/rpc`, {
      method: "POST",
      body: JSON.stringify(claim("busy", { waitMs: 20_000 })),
      headers: { "holdfast-agent": "cid" },
      signal: gone.signal,
    }).catch(() => "aborted");
    await new Promise((resolve) => setTimeout(resolve, 100));
    gone.abort();
    expect(await aborted).toBe("aborted");
    await post(hub, call(1, "claim.release", { claim: "busy", epoch: held.body.result.epoch }), {
      "holdfast-agent": "bob",
    });
    expect((await waiting).body).toMatchObject({ result: { claim: "busy" } });
  });

  test("gives up on an answer that does not come, without saying that nothing happened", async () => {
    const timers: (() => void)[] = [];
    const clock = {
      after(_ms: number, run: () => void) {
        timers.push(run);
        return () => undefined;
      },
    };
    const { listen: listenHttp } = await import("../../transports/http/index.ts");
    const listener = await listenHttp("http://127.0.0.1:0", { clock }, (connection) =>
      connection.receive({
        frame(frame) {
          if (String(frame).includes("session.open"))
            connection.send('{"jsonrpc":"2.0","id":"open","result":{}}');
        },
        drained: () => undefined,
        closed: () => undefined,
      }),
    );
    endings.push(() => listener.close());
    const url = listener.urls[0] as string;
    const asked = post({ url } as Hub, claim("a"));
    await until(() => timers.length >= 2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const run of timers.slice()) run();
    expect((await asked).body).toMatchObject({ id: "a", error: { code: 2, data: { code: "hub.timeout" } } });
  });

  test("leaves no trace of presence but contact", async () => {
    const hub = await hubAt();
    await post(hub, call(1, "claims.list"));
    const { body } = await post(hub, call(1, "agents.list"), { "holdfast-agent": "bob" });
    expect(
      body.result.items.map(({ agent, presence }: Record<string, string>) => [agent, presence]).sort(),
    ).toEqual([
      ["ann", "present"],
      ["bob", "present"],
    ]);
  });
});

describe("GET /entries", () => {
  test("streams what there is and what comes, each with its seq", async () => {
    const hub = await hubAt();
    await post(hub, claim("one"));
    const { events, response } = await stream(hub, "after=0");
    expect(response.headers.get("content-type")).toMatch("text/event-stream");
    await post(hub, claim("two"));
    await until(() => events.some(({ data }) => data.events?.[0]?.claim === "two"));
    const seqs = events.map(({ id }) => Number(id));
    expect(seqs).toEqual(seqs.map((_, at) => at + 1));
    for (const { id, data } of events) expect(String(data.seq)).toBe(id);
  });

  test("resumes behind Last-Event-ID, whatever the url says", async () => {
    const hub = await hubAt();
    for (const name of ["a", "b", "c"]) await post(hub, claim(name));
    const head = hub.engine.head();
    const { events } = await stream(hub, "after=0", { "last-event-id": String(head - 1) });
    await until(() => events.length > 0);
    expect(events[0]?.id).toBe(String(head));
    const fresh = await stream(hub, "after=now");
    await post(hub, claim("d"));
    await until(() => fresh.events.length > 0);
    expect(fresh.events[0]?.data.events[0]).toMatchObject({ type: "claim.granted", claim: "d" });
  });

  test("filters, and says how far it has come", async () => {
    const hub = await hubAt();
    await post(hub, claim("a"));
    await post(hub, claim("b"), { "holdfast-agent": "bob" });
    const claims = await stream(hub, "after=0&events=claim.*,task.*");
    const bobs = await stream(hub, "after=0&agent=bob", { "holdfast-agent": "watcher" });
    await post(hub, call(1, "decision.record", { text: "so be it" }));
    await until(() =>
      claims.events.some(({ event, id }) => event === "cursor" && Number(id) === hub.engine.head()),
    );
    const shown = claims.events.filter(({ event }) => event === undefined);
    expect(shown.map(({ data }) => data.events[0].claim)).toEqual(["a", "b"]);
    await until(() => bobs.events.some(({ data }) => data.events?.[0].claim === "b"));
    expect(bobs.events.every(({ event, data }) => event === "cursor" || data.by === "bob")).toBe(true);
  });

  test("looks on without taking part", async () => {
    const hub = await hubAt();
    const before = hub.engine.head();
    const { events } = await stream(hub, "after=0&agent=ghost");
    await until(() => events.length > 0);
    expect(hub.engine.head()).toBe(before);
  });

  test("refuses before the stream begins", async () => {
    const hub = await hubAt();
    const statuses = async (query: string) => (await stream(hub, query)).response.status;
    expect(await statuses("after=999")).toBe(416);
    expect(await statuses("after=x")).toBe(400);
    expect(await statuses("after=0&wrong=1")).toBe(400);
    expect(await statuses("after=0&log=other")).toBe(409);
    expect(await statuses(`after=0&events=${"e".repeat(200)}`)).toBe(400);
    await stillServes(hub);
  });

  test("stops reading the log for a peer that does not read, and cuts it in the end", async () => {
    const hub = await hubAt({ bounds: { drainMs: 300 } });
    const { socket } = rawClient(hub.port, "GET /entries?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(socket, "data");
    socket.pause();
    const text = "x".repeat(60_000);
    const before = process.memoryUsage().rss;
    for (let at = 0; at < 400; at++) {
      const batch = Array.from({ length: 4 }, (_, i) =>
        call(i, "checkpoint.save", { claim: "c", epoch: 0, text }),
      );
      if (at === 0) {
        const { body } = await post(hub, claim("c"));
        expect(body.result).toBeDefined();
      }
      const { body } = await post(
        hub,
        batch.map((one, i) =>
          call(i, "decision.record", { text: text.slice(0, 16_000) + at + i + JSON.stringify(one).length }),
        ),
      );
      expect(body).toHaveLength(4);
      if (hub.engine.subscriptions.size === 0) break;
    }
    await until(() => hub.engine.subscriptions.size === 0);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
    await stillServes(hub);
  });
});

describe("the small pages", () => {
  test("tell how the hub stands", async () => {
    let status = "serving";
    const hub = await hubAt({ status: () => status });
    const get = async (path: string) => (await fetch(hub.url + path)).status;
    expect([await get("/healthz"), await get("/readyz")]).toEqual([200, 200]);
    status = "full";
    expect([await get("/healthz"), await get("/readyz")]).toEqual([200, 503]);
    status = "failed";
    expect([await get("/healthz"), await get("/readyz")]).toEqual([503, 503]);
    expect([await get("/metrics"), await get("/nowhere"), await get("/rpc"), await get("/")]).toEqual([
      404, 404, 405, 200,
    ]);
  });

  test("show metrics where there are any", async () => {
    const hub = await hubAt({
      metrics: async () => ({ contentType: "text/plain; version=0.0.4", text: "up 1\n" }),
    });
    const response = await fetch(`${hub.url}/metrics`);
    expect([response.headers.get("content-type"), await response.text()]).toEqual([
      "text/plain; version=0.0.4",
      "up 1\n",
    ]);
  });
});

describe("one port", () => {
  test.each(["http", "ws"])("serves HTTP and WebSocket, whichever was asked for: %s", async (scheme) => {
    const hub = await hubAt({}, {}, `${scheme}://127.0.0.1:0`);
    expect(hub.urls.map((url) => url.split(":")[0])).toEqual(
      scheme === "ws" ? ["ws", "http"] : ["http", "ws"],
    );
    expect(new Set(hub.urls.map((url) => new URL(url).port)).size).toBe(1);
    const clients = await Promise.all(
      hub.urls.map((url, at) => connectClient(url, { agent: `agent-${at}` })),
    );
    endings.push(...clients.map((client) => () => client.close()));
    const [one, two] = clients;
    const granted = await one?.call("claim.acquire", { claim: "shared", scope: { paths: ["a/**"] } });
    expect(granted).toMatchObject({ claim: "shared" });
    await expect(two?.call("claim.acquire", { claim: "shared" })).rejects.toMatchObject({
      code: "claim.held",
    });
    const waited = two?.call("claim.acquire", { claim: "shared", waitMs: 10_000 });
    await one?.call("claim.release", { claim: "shared", epoch: (granted as { epoch: number }).epoch });
    expect(await waited).toMatchObject({ claim: "shared" });
    for (const client of clients) {
      const found: number[] = [];
      for await (const entry of client.follow({ after: 0 })) {
        found.push(entry.seq);
        if (found.length === 4) break;
      }
      expect(found).toEqual([1, 2, 3, 4]);
    }
  });
});

describe("who may knock", () => {
  const cases: [string, { [name: string]: string }, number][] = [
    ["its own origin", { Origin: "http://127.0.0.1:PORT" }, 200],
    ["a page of another site", { Origin: "https://evil.example" }, 403],
    ["a page without an origin of its own", { Origin: "null" }, 403],
    ["a page of another port", { Origin: "http://127.0.0.1:3000" }, 403],
    ["a picture on another site", { "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors" }, 403],
    ["a link on another site", { "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate" }, 200],
    ["a rebound name", { Host: "evil.example:PORT" }, 403],
    ["an allowed name", { Host: "hub.example" }, 200],
  ];
  test.each(cases)("%s", async (_name, headers, status) => {
    const hub = await hubAt({ allowedHosts: ["hub.example"] });
    for (const path of ["/healthz", "/entries?after=0", "/link"]) {
      const lines = Object.entries({ Host: "127.0.0.1:PORT", ...headers }).map(
        ([name, value]) => `${name}: ${value}`,
      );
      const { socket } = rawClient(
        hub.port,
        `GET ${path} HTTP/1.1\r\n${lines.join("\r\n").replaceAll("PORT", String(hub.port))}\r\n\r\n`,
      );
      const [chunk] = await once(socket, "data");
      expect(String(chunk)).toMatch(`HTTP/1.1 ${status} `);
      expect(String(chunk)).not.toMatch(/access-control/i);
      socket.destroy();
    }
  });

  test("other machines only with tokens", async () => {
    for (const host of ["0.0.0.0", "[::]", "192.0.2.7"]) {
      await expect(hubAt({}, {}, `http://${host}:0`)).rejects.toMatchObject({ code: "usage" });
    }
    await expect(hubAt({}, {}, "http://")).rejects.toMatchObject({ code: "usage" });
  });

  test("as many as the bounds say, and again when some are gone", async () => {
    const hub = await hubAt({ bounds: { connectionsPerAddressMax: 3 } });
    const open = await Promise.all([1, 2, 3].map(() => stream(hub, "after=0")));
    expect((await post(hub, claim("a"))).status).toBe(503);
    open[0]?.stop();
    await until(() => hub.engine.subscriptions.size === 2);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect((await post(hub, claim("a"))).status).toBe(200);
  });
});

describe("what a hostile peer sends", () => {
  test.each([
    ["nothing", "", 400],
    ["no JSON", "{", 400],
    ["a number", "7", 400],
    ["an empty batch", "[]", 400],
    ["too deep", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, 400],
    ["a batch too long", JSON.stringify(Array.from({ length: limits.batchMax + 1 }, () => claim("x"))), 400],
    ["too large", JSON.stringify("x".repeat(limits.frameBytesMax)), 413],
    ["a prototype", '{"jsonrpc":"2.0","id":1,"method":"claims.list","params":{"__proto__":{}}}', 400],
    ["no UTF-8", Uint8Array.of(0x22, 0xff, 0x22), 400],
  ])("%s is answered", async (_name, body, status) => {
    const hub = await hubAt();
    const answer = await post(hub, body);
    expect(answer.status).toBe(status);
    expect(answer.body.error.code).toBeLessThan(0);
    expect(hub.engine.head()).toBeLessThan(3);
    await stillServes(hub);
  });

  test("an endless body is neither kept nor waited for", async () => {
    const hub = await hubAt({ bounds: { requestMs: 1500, headersMs: 500 } });
    const { socket, told } = rawClient(
      hub.port,
      "POST /rpc HTTP/1.1\r\nHost: localhost\r\nHoldfast-Agent: eve\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    const chunk = `10000\r\n${"y".repeat(65_536)}\r\n`;
    const flood = setInterval(() => socket.write(chunk), 5);
    expect(await told).toMatch(/^(HTTP\/1.1 408|$)/);
    clearInterval(flood);
    await stillServes(hub);
  });

  test("slow headers, half requests and garbage are hung up on", async () => {
    const hub = await hubAt({ bounds: { headersMs: 300, requestMs: 300 } });
    const slow = rawClient(hub.port, "GET /healthz HTTP/1.1\r\nHost: local");
    const drip = setInterval(() => slow.socket.write("h"), 50);
    const half = rawClient(hub.port, "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
    const garbage = rawClient(
      hub.port,
      Uint8Array.from({ length: 4096 }, (_, at) => (at * 167 + 13) & 0xff),
    );
    expect(await garbage.told).toMatch(/^HTTP\/1.1 400/);
    expect(await slow.told).toMatch(/^(HTTP\/1.1 408|$)/);
    expect(await half.told).toMatch(/^(HTTP\/1.1 408|$)/);
    clearInterval(drip);
    await stillServes(hub);
  });

  test("nobody speaks along another's link", async () => {
    const hub = await hubAt();
    const guess = await fetch(`${hub.url}/link`, {
      method: "POST",
      body: "{}",
      headers: { "holdfast-link": "AAAA" },
    });
    expect(guess.status).toBe(404);
    const client = await connectClient(hub.url, { agent: "ann" });
    endings.push(() => client.close());
    await fetch(`${hub.url}/link`, { method: "DELETE", headers: { "holdfast-link": "__proto__" } });
    expect(await client.call("claims.list", {})).toMatchObject({ items: [] });
  });

  test("a replies' flood is cut to what was asked for in one batch", async () => {
    const hub = await hubAt();
    for (let at = 0; at < 10; at++)
      await post(hub, call(at, "decision.record", { text: "z".repeat(16_000) + at }));
    const { body } = await post(
      hub,
      Array.from({ length: 200 }, (_, at) => call(at, "decisions.list")),
    );
    expect(body).toHaveLength(200);
    const sizes = body.reduce((sum: number, reply: unknown) => sum + JSON.stringify(reply).length, 0);
    expect(sizes).toBeLessThan(limits.batchReplyBytesMax + 200 * 400);
    expect(body.filter(({ error }: { error?: unknown }) => error !== undefined).length).toBeGreaterThan(10);
    await stillServes(hub);
  });
});

test("closing tells streams and links, and frees the port", async () => {
  const { engine, close } = await openEngineOnLog({ log: "memory:" });
  endings.push(close);
  const listener = await listen("http://127.0.0.1:0", {}, engine.accept.bind(engine));
  const url = listener.urls[0] as string;
  const ended = fetch(`${url}/entries`).then((response) => response.text());
  const socket = new WebSocket(url.replace("http", "ws"));
  await once(socket, "open");
  const hungUp = once(socket, "close");
  await until(() => engine.subscriptions.size === 1);
  await listener.close();
  expect(await ended).toContain("id: 1");
  await hungUp;
  await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  const again = await listen(url, {}, engine.accept.bind(engine));
  await again.close();
});
