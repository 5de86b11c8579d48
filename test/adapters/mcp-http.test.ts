/**
 * `/mcp` of a hub: who is who, what comes in that should not, what is kept and for how long, and how it ends.
 */
import { request as httpRequest } from "node:http";
import { connect as connectSocket } from "node:net";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Visitors } from "../../adapters/mcp/visitors.ts";
import { nameFor, pathsIn } from "../../adapters/mcp/who.ts";
import { connect } from "../../adapters/node/connect.ts";
import { type Hub, serve } from "../../adapters/node/hub.ts";
import { limits } from "../../core/limits.ts";
import { Bodies } from "../../transports/http/exchange.ts";
import { connectHttp, type McpHostClient, pause } from "./mcp-hosts.ts";

let hub: Hub;
let url: URL;
const hosts: McpHostClient[] = [];
const reports: unknown[] = [];

async function begin(more: Partial<Parameters<typeof serve>[0]> = {}): Promise<void> {
  const report = (what: string, error: unknown): void => {
    reports.push([what, error]);
  };
  hub = await serve({ listen: ["http://127.0.0.1:0"], log: "memory:", report, ...more });
  url = new URL("/mcp", hub.urls[0]);
}

const open: typeof connectHttp = async (...args) => {
  const host = await connectHttp(...args);
  hosts.push(host);
  return host;
};

beforeEach(() => begin());
afterEach(async () => {
  await Promise.all(hosts.splice(0).map(({ client }) => client.close()));
  await hub.close();
  expect(reports.splice(0)).toEqual([]);
});

const JSON_BOTH = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const envelope = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** A request of today's revision by hand. */
function today(method: string, params: object, headers: Record<string, string> = {}): Promise<Response> {
  const name = (params as { name?: string; uri?: string }).name ?? (params as { uri?: string }).uri;
  return fetch(url, {
    method: "POST",
    headers: {
      ...JSON_BOTH,
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(name === undefined ? {} : { "mcp-name": name }),
      ...headers,
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method,
      params: { ...params, _meta: { ...envelope, ...(params as { _meta?: object })._meta } },
    }),
  });
}

function initialize(headers: Record<string, string> = {}, name = "Raw Client!"): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { ...JSON_BOTH, ...headers },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name, version: "1" } },
    }),
  });
}

describe("today's revision", () => {
  it("answers each request for itself, discovery first", async () => {
    const found = await today("server/discover", {}, { "holdfast-agent": "alice" });
    expect(found.status).toBe(200);
    const { result } = (await found.json()) as { result: object };
    expect(result).toMatchObject({ supportedVersions: ["2026-07-28"], capabilities: { tools: {} } });
    const args = { name: "claim", arguments: { claim: "A" } };
    const granted = await today("tools/call", args, { "holdfast-agent": "alice" });
    expect(granted.headers.get("mcp-session-id")).toBeNull();
    expect(await granted.json()).toMatchObject({ result: { structuredContent: { holder: "alice" } } });
    const listed = (await (await today("tools/list", {})).json()) as { result: object };
    expect(listed.result).toMatchObject({ resultType: "complete", cacheScope: "public", ttlMs: 3_600_000 });
  });

  it("lets one without a name look, not act; takes the name from the url, too", async () => {
    const acts = { name: "claim", arguments: { claim: "A" } };
    expect(await (await today("tools/call", acts)).json()).toMatchObject({
      result: { isError: true, structuredContent: { code: "agent.unnamed" } },
    });
    const looks = await today("tools/call", { name: "status", arguments: {} });
    expect(await looks.json()).toMatchObject({ result: { content: [{ text: /^You have no name here/ }] } });
    const watcher = await connect(hub.urls[0] as string, { agent: "watcher" });
    const { items } = await watcher.call("agents.list", {});
    expect(items.map(({ agent }) => agent)).toEqual(["watcher"]);
    await watcher.close();
    url = new URL("/mcp?agent=b%C3%B6b", url);
    expect(await (await today("tools/call", acts)).json()).toMatchObject({
      result: { structuredContent: { holder: "böb" } },
    });
  });

  it("is not disturbed by garbage", async () => {
    const post = (body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(url, { method: "POST", headers: { ...JSON_BOTH, ...headers }, body });
    expect((await post("this is no JSON")).status).toBe(400);
    expect((await post("")).status).toBe(400);
    expect((await post(new Uint8Array([0xff, 0xfe, 0x00]))).status).toBe(400);
    expect((await post("[".repeat(100_000))).status).toBe(400);
    expect((await post('{"__proto__":{"x":1}}')).status).toBe(400);
    expect((await post("null")).status).toBe(400);
    expect((await post("[]")).status).toBe(400);
    expect((await post('{"jsonrpc":"2.0","id":1,"method":"tools/list"}')).status).toBe(400);
    expect((await post("{}", { "content-type": "text/plain" })).status).toBe(415);
    expect((await post(`"${"x".repeat(limits.frameBytesMax)}"`)).status).toBe(413);
    expect(
      (await post('{"jsonrpc":"2.0","id":1,"method":"tools/list"}', { "mcp-session-id": "nope" })).status,
    ).toBe(404);
    expect((await post("{}", { "holdfast-agent": "%zz" })).status).toBe(400);
    expect((await fetch(url, { method: "PUT", body: "x" })).status).toBe(405);
    expect((await fetch(url)).status).toBe(400);
    expect((await fetch(url, { headers: { "mcp-session-id": "nope" } })).status).toBe(404);
    expect((await fetch(url, { method: "DELETE", headers: { "mcp-session-id": "nope" } })).status).toBe(404);
    expect((await fetch(url, { headers: { origin: "https://evil.example" } })).status).toBe(403);
    expect((await today("tools/list", {}, { "mcp-method": "tools/call" })).status).toBe(400);
    expect((await today("tools/list", {}, { "mcp-protocol-version": "1999-01-01" })).status).toBe(400);
    expect(
      (await today("tools/call", { name: "claim", arguments: { claim: "A" } }, { "holdfast-agent": "all" }))
        .status,
    ).toBe(400);
    expect((await today("tools/list", {}, { "holdfast-agent": "alice" })).status).toBe(200);
  });

  it("gives back a claim that nobody waits for any more", async () => {
    const alice = await open(url, "2026-07-28", { "holdfast-agent": "alice" });
    await alice.call("claim", { claim: "A" });
    const gone = new AbortController();
    const waiting = fetch(url, {
      method: "POST",
      signal: gone.signal,
      headers: {
        ...JSON_BOTH,
        "holdfast-agent": "bob",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "claim",
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "claim", arguments: { claim: "A", waitMs: 30_000 }, _meta: envelope },
      }),
    });
    await pause(200);
    gone.abort();
    await expect(waiting).rejects.toThrow();
    await pause(100);
    await alice.call("release", { claim: "A" });
    let holders: unknown[] = [{}];
    for (let i = 0; holders.length > 0 && i < 100; i++) {
      await pause(20);
      holders = (await alice.read("holdfast://territory")).claims;
    }
    expect(holders).toEqual([]);
  });
});

describe("sessions", () => {
  it("name one who did not say who they are after the client and the session", async () => {
    const [one, two] = await Promise.all([
      open(url, "2025-11-25", {}, "Claude Code"),
      open(url, "2025-11-25", {}, "Claude Code"),
    ]);
    const first = await one.call("claim", { claim: "A" });
    const second = await two.call("claim", { claim: "A" });
    expect(first.fields.holder).toMatch(/^claude-code-[0-9a-f]{8}$/);
    expect(second.fields).toMatchObject({ code: "claim.held", holder: first.fields.holder });
  });

  it("are, with Codex, whom each call names, unless a header did", async () => {
    const called = async (headers: Record<string, string>, thread: string) => {
      const host = await open(url, "2025-11-25", headers, "codex-mcp-client");
      const _meta = { sessionId: "s-1", threadId: thread };
      const result = await host.client.callTool({ name: "status", arguments: {}, _meta });
      return (result.structuredContent as { agent: string }).agent;
    };
    expect(await called({}, "s-1")).toBe("codex-s-1");
    expect(await called({}, "t-2")).toBe("codex-s-1/t-2");
    expect(await called({ "holdfast-agent": "alice" }, "s-1")).toBe("alice");
    const turn = { session_id: "s-9", thread_id: "s-9" };
    const params = { name: "claim", arguments: { claim: "A" }, _meta: { "x-codex-turn-metadata": turn } };
    expect(await (await today("tools/call", params)).json()).toMatchObject({
      result: { structuredContent: { holder: "codex-s-9" } },
    });
  });

  it("belong to who began them, and end when told to", async () => {
    const begun = await initialize({ "holdfast-agent": "alice" });
    const session = begun.headers.get("mcp-session-id") as string;
    expect(await begun.text()).toContain('"protocolVersion":"2025-06-18"');
    const list = (headers: Record<string, string>): Promise<Response> =>
      fetch(url, {
        method: "POST",
        headers: {
          ...JSON_BOTH,
          "mcp-session-id": session,
          "mcp-protocol-version": "2025-06-18",
          ...headers,
        },
        body: '{"jsonrpc":"2.0","id":2,"method":"tools/list"}',
      });
    expect((await list({ "holdfast-agent": "mallory" })).status).toBe(404);
    expect((await list({ authorization: "Bearer other" })).status).toBe(404);
    expect((await list({ "x-forwarded-for": "203.0.113.9" })).status).toBe(404);
    const listed = await list({});
    expect(listed.status).toBe(200);
    expect(await listed.text()).toContain('"claim"');
    expect((await list({ "holdfast-agent": "alice" })).status).toBe(200);
    const ended = await fetch(url, { method: "DELETE", headers: { "mcp-session-id": session } });
    expect(ended.status).toBe(200);
    expect((await list({})).status).toBe(404);
  });

  it("take a bad beginning for what it is", async () => {
    expect((await initialize({ accept: "text/html" })).status).toBe(406);
    expect((await initialize({}, "x".repeat(10_000))).status).toBe(200);
    const names = ["", "!!!", "日本"].map((name) => nameFor(name, "12345678-9"));
    expect(names).toEqual(["mcp-12345678", "mcp-12345678", "mcp-12345678"]);
    expect(nameFor({}, "12345678-9")).toBe("mcp-12345678");
  });
});

describe("tokens", () => {
  beforeEach(async () => {
    await hub.close();
    const verify = (agent: string, token: string) =>
      token === `secret-of-${agent}` ? { operator: false } : undefined;
    await begin({ verify });
  });

  it("prove the name; without, nobody is let in", async () => {
    for (const headers of [
      {},
      { "holdfast-agent": "alice" },
      { "holdfast-agent": "alice", authorization: "Bearer wrong" },
    ]) {
      const refused = await today("tools/list", {}, headers);
      expect(refused.status).toBe(401);
      expect(refused.headers.get("www-authenticate")).toMatch(/^Bearer/);
      expect(await refused.json()).toMatchObject({
        error: { message: /was not let in/, data: { code: "session.refused" } },
      });
      expect((await initialize(headers)).status).toBe(401);
    }
    const right = { "holdfast-agent": "alice", authorization: "Bearer secret-of-alice" };
    for (const era of ["2025-11-25", "2026-07-28"] as const) {
      const alice = await open(url, era, right);
      expect((await alice.call("claim", { claim: era })).fields.holder).toBe("alice");
    }
  });
});

describe("a hub without tokens", () => {
  it("serves its own machine only, also behind a proxy", async () => {
    const far = await today(
      "tools/list",
      {},
      { "holdfast-agent": "alice", "x-forwarded-for": "203.0.113.9" },
    );
    expect(far.status).toBe(401);
    const withToken = {
      "holdfast-agent": "alice",
      "x-forwarded-for": "203.0.113.9",
      authorization: "Bearer any",
    };
    expect((await today("tools/list", {}, withToken)).status).toBe(401);
  });
});

describe("paths", () => {
  it("are the worktree's that is named, and look at no files elsewhere", async () => {
    const at = (worktree: string) => ({ "holdfast-agent": "alice", "holdfast-worktree": worktree });
    const alice = await open(url, "2026-07-28", at("/elsewhere/tree/"));
    const here = await alice.call("claim", {
      claim: "A",
      paths: ["/elsewhere/tree/src/a.ts", "./lib", "x/*.ts"],
    });
    expect(here.fields.scope).toEqual({ worktree: "/elsewhere/tree", paths: ["src/a.ts", "lib", "x/*.ts"] });
    expect((await alice.call("claim", { claim: "B", paths: ["/etc/passwd"] })).fields.code).toBe(
      "scope.outside",
    );
    expect((await alice.call("claim", { claim: "B", paths: ["../x"] })).fields.code).toBe("scope.outside");
    const other = pathsIn("/a", "/b");
    expect(other.scopeOf(["/a", "."])).toEqual({ paths: ["**"] });
    expect(() => other.fileOf("~/x")).toThrow(/outside the worktree/);
    const bob = await open(url, "2026-07-28", { ...at("/third"), "holdfast-agent": "bob" });
    const near = await bob.call("claim", { claim: "N", paths: ["src/a.ts"] });
    expect(near.fields).toMatchObject({
      nearby: [{ claim: "A", holder: "alice", worktree: "/elsewhere/tree" }],
    });
    expect(near.text).toContain("Nearby: alice holds A in /elsewhere/tree");
    // Without a name of its own, the worktree is the hub's, where files are seen for what they are.
    const carol = await open(url, "2026-07-28", { "holdfast-agent": "carol" });
    const seen = await carol.call("claim", { claim: "C", paths: ["package.json", "core"] });
    expect(seen.fields.scope).toEqual({ worktree: process.cwd(), files: ["package.json"], paths: ["core"] });
  });
});

describe("visitors", () => {
  const makeHost = () => {
    const opened: string[] = [];
    const closed: string[] = [];
    return {
      opened,
      closed,
      bodies: new Bodies(),
      report: () => undefined,
      connect: async ({ agent }: { agent: string }) => {
        opened.push(agent);
        return { close: async () => void closed.push(agent) } as never;
      },
    };
  };
  const who = (agent: string) => ({ agent, worktree: "/w", loopback: true });

  it("are kept between requests; the one who asked longest ago makes room, unless still asking", async () => {
    const host = makeHost();
    const visitors = new Visitors(host, "/w");
    for (let i = 0; i < limits.mcpVisitorsMax; i++) {
      const { visitor, done } = visitors.use(who(`a${i}`));
      await visitor.client();
      if (i > 0) done();
    }
    const again = visitors.use(who("a1"));
    expect(again.visitor).toBe(visitors.use(who("a1")).visitor);
    again.done();
    visitors.use(who("one more"));
    await pause(20);
    expect(visitors.size).toBe(limits.mcpVisitorsMax);
    expect(host.closed).toEqual(["a2"]);
    expect(host.opened.filter((agent) => agent === "a1")).toHaveLength(1);
    await visitors.sweep();
    expect(host.closed).toEqual(["a2"]);
    await visitors.close();
    expect(visitors.size).toBe(0);
    expect(host.closed).toHaveLength(limits.mcpVisitorsMax);
  });

  it("are refused when all there may be are asking", () => {
    const visitors = new Visitors(makeHost(), "/w");
    for (let i = 0; i < limits.mcpVisitorsMax; i++) visitors.use(who(`a${i}`));
    expect(() => visitors.use(who("late"))).toThrow(/as many over MCP as it can/);
  });
});

describe("the end", () => {
  it("of a hub ends streams and calls that are open", async () => {
    const alice = await open(url, "2026-07-28", { "holdfast-agent": "alice" });
    const bob = await open(url, "2025-11-25", { "holdfast-agent": "bob" });
    await alice.watch("holdfast://board");
    await bob.watch("holdfast://board");
    await alice.call("claim", { claim: "A" });
    const waiting = bob.call("claim", { claim: "A", waitMs: 40_000 }).catch((error: unknown) => error);
    await pause(150);
    const before = performance.now();
    await hub.close();
    expect(performance.now() - before).toBeLessThan(2 * limits.closeMs + 3000);
    await begin();
    // Nobody answers any more what was asked of that hub.
    expect(await Promise.race([waiting, pause(50)])).not.toMatchObject({ isError: false });
  });

  it("of a host in the middle of a stream or a body leaves nothing", async () => {
    const { port } = url;
    const cut = connectSocket(Number(port), "127.0.0.1");
    await new Promise((resolve) => cut.once("connect", resolve));
    cut.write(
      "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    );
    await pause(50);
    cut.destroy();
    const listening = httpRequest(url, {
      method: "POST",
      headers: {
        ...JSON_BOTH,
        "holdfast-agent": "alice",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "subscriptions/listen",
      },
    });
    listening.on("error", () => undefined);
    const params = { notifications: { resourceSubscriptions: ["holdfast://board"] }, _meta: envelope };
    listening.end(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "subscriptions/listen", params }));
    const answer = await new Promise<import("node:http").IncomingMessage>((resolve) =>
      listening.once("response", resolve),
    );
    expect(answer.headers["content-type"]).toBe("text/event-stream");
    const [acknowledged] = (await answer[Symbol.asyncIterator]().next()).value.toString().split("\n\n");
    expect(acknowledged).toContain("notifications/subscriptions/acknowledged");
    listening.destroy();
    await pause(100);
    const alice = await open(url, "2026-07-28", { "holdfast-agent": "alice" });
    expect((await alice.call("task", { action: "declare", task: "T", title: "t" })).isError).toBe(false);
  });
});

describe("an agent that was superseded", () => {
  it("is told so once, and is granted anew when it asks again", async () => {
    const at = (worktree: string) =>
      open(url, "2026-07-28", { "holdfast-agent": "alice", "holdfast-worktree": worktree });
    const [before, since] = await Promise.all([at("/one"), at("/two")]);
    const old = await before.call("claim", { claim: "A" });
    await since.call("release", { claim: "A" });
    const anew = await since.call("claim", { claim: "A" });
    expect(anew.fields.epoch).toBeGreaterThan(old.fields.epoch);
    expect((await before.call("checkpoint", { claim: "A", text: "late" })).fields.code).toBe("claim.stale");
    expect((await before.call("release", { claim: "A" })).fields.code).toBe("claim.stale");
    expect((await before.call("claim", { claim: "A" })).fields.code).toBe("claim.stale");
    expect((await before.call("claim", { claim: "A" })).fields.epoch).toBeGreaterThan(anew.fields.epoch);
    expect((await before.call("release", { claim: "A" })).isError).toBe(false);
    // What ended is no obstacle to a new grant.
    expect((await since.call("claim", { claim: "A" })).isError).toBe(false);
  });
});

describe("two clients of one agent", () => {
  it("are one agent, whichever revision they speak", async () => {
    const one = await open(url, "2026-07-28", { "holdfast-agent": "alice" });
    const two = await open(url, "2025-11-25", { "holdfast-agent": "alice" });
    const granted = await one.call("claim", { claim: "A" });
    expect((await two.call("claim", { claim: "A" })).fields.epoch).toBe(granted.fields.epoch);
    const client = new Client({ name: "auto", version: "1" }, { versionNegotiation: { mode: "auto" } });
    await client.connect(
      new StreamableHTTPClientTransport(url, { requestInit: { headers: { "holdfast-agent": "x" } } }),
    );
    expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
    await client.close();
  });
});
