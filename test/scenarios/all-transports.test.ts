/**
 * One fleet, each agent on another way in: WebSocket, MQTT, HTTP, files, and a command line on the log itself. They meet
 * each other as if there were one way.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect } from "../../adapters/node/connect.ts";
import type { Client } from "../../core/client/client.ts";
import { readFeed } from "../../transports/ndjson/feed-reader.ts";
import { Sandbox } from "../adapters/command-line.ts";

let box: Sandbox;
let urls: readonly string[];
const clients = new Map<string, Client>();

const spool = () => join(box.folder, "spool");
const feed = () => join(box.folder, "feed.ndjson");
const urlOf = (scheme: string) => urls.find((url) => url.startsWith(`${scheme}:`)) as string;

beforeAll(async () => {
  box = new Sandbox("none");
  ({ urls } = await box.serve("mqtt://127.0.0.1:0", "--spool", spool(), "--feed", feed()));
  // Without it the command line does not find the hub, and goes to the log itself.
  rmSync(join(box.root, ".holdfast/hub.json"));
  const ways = {
    web: urlOf("ws"),
    broker: urlOf("mqtt"),
    page: urlOf("http"),
    files: `ndjson:${spool()}`,
  };
  for (const [agent, url] of Object.entries(ways)) clients.set(agent, await connect(url, { agent }));
}, 60_000);

afterAll(async () => {
  for (const client of clients.values()) await client.close();
  await box.dispose();
});

const others = () => [...clients.keys(), "shell"];

it("each claims, and everyone sees all of it", async () => {
  for (const [agent, client] of clients) {
    await client.call("claim.acquire", { claim: `of-${agent}`, scope: { paths: [`src/${agent}/**`] } });
  }
  const own = await box.run(["claim", "of-shell", "--worktree", "", "--paths", "src/shell", "--json"], {
    as: "shell",
  });
  expect(own.err).toBe("");
  const all = others().map((agent) => [`of-${agent}`, agent]);
  for (const client of clients.values()) {
    await expect
      .poll(async () => {
        const { items } = await client.call("claims.list", {});
        return items.map(({ claim, holder }) => [claim, holder]).sort();
      })
      .toEqual([...all].sort());
    const { items } = await client.call("agents.list", {});
    expect(items.map(({ agent }) => agent).sort()).toEqual(others().sort());
  }
  const seen = (await box.run(["claims", "--json"], { as: "shell" })).json;
  expect(seen.items).toHaveLength(5);
  expect((await box.run(["status", "--json"])).json).toMatchObject({ claims: 5, file: expect.any(String) });
});

it("whoever comes second is refused with the first one's name, whichever ways they came", async () => {
  const names = others().slice(0, 4);
  for (const [at, agent] of names.entries()) {
    const first = others()[(at + 1) % 5] as string;
    await expect(
      clients.get(agent)?.call("claim.acquire", { claim: "mine", scope: { files: [`src/${first}/x`] } }),
    ).rejects.toMatchObject({
      code: "claim.overlap",
      rejection: { conflicts: [{ claim: `of-${first}`, holder: first }] },
    });
  }
  const refused = await box.run(["claim", "mine", "--worktree", "", "--paths", "src/web/x", "--json"], {
    as: "shell",
  });
  expect(refused.json).toMatchObject({ code: "claim.overlap", conflicts: [{ holder: "web" }] });
});

it("a claim goes round: each waits for the one before", async () => {
  const first = await clients.get("web")?.call("claim.acquire", { claim: "baton" });
  let epoch = first?.epoch as number;
  const waiting = ["broker", "page", "files"].map((agent) => ({
    agent,
    grant: clients.get(agent)?.call("claim.acquire", { claim: "baton", waitMs: 60_000 }),
  }));
  await expect
    .poll(async () => (await clients.get("web")?.call("waits.list", {}))?.items.length)
    .toBe(waiting.length);
  const last = box.run(["claim", "baton", "--wait", "1m", "--json"], { as: "shell" });
  await expect.poll(async () => (await clients.get("web")?.call("waits.list", {}))?.items.length).toBe(4);
  const order = (await clients.get("web")?.call("waits.list", {}))?.items.map(({ agent }) => agent) ?? [];
  expect(order.at(-1)).toBe("shell");
  let holder = "web";
  for (const agent of order) {
    await clients.get(holder)?.call("claim.release", { claim: "baton", epoch });
    if (agent === "shell") break;
    const grant = await waiting.find((one) => one.agent === agent)?.grant;
    expect(grant?.epoch).toBeGreaterThan(epoch);
    epoch = grant?.epoch as number;
    holder = agent;
  }
  expect((await last).json).toMatchObject({ claim: "baton", holder: "shell" });
}, 60_000);

it("a word to all reaches every one, and each answer comes back", async () => {
  const sent = (await box.run(["send", "all", "who is there?", "--json"], { as: "shell" })).json;
  for (const [agent, client] of clients) {
    await expect
      .poll(async () => {
        const { items } = await client.call("inbox.list", {});
        return (items as unknown as { message: string }[]).map(({ message }) => message);
      })
      .toContain(sent.message);
    await client.call("message.post", { to: "shell", body: agent, replyTo: sent.message });
  }
  const heard = (await box.run(["inbox", "--json"], { as: "shell" })).json.items as { body: string }[];
  expect(heard.map(({ body }) => body).sort()).toEqual([...clients.keys()].sort());
});

it("who only looks sees it, too: retained topics over WebSocket, server-sent events, the feed", async () => {
  const watcher = await mqtt.connectAsync(`${urlOf("ws")}/mqtt`, { protocolVersion: 4 });
  const claims = new Set<string>();
  watcher.on("message", (topic) => claims.add(topic.slice("holdfast/state/claims/".length)));
  await watcher.subscribeAsync("holdfast/state/claims/#", { qos: 1 });
  await expect.poll(() => claims.size).toBe(6);
  expect([...claims].sort()).toEqual([...others().map((agent) => `of-${agent}`), "baton"].sort());
  await watcher.endAsync();

  const log = (await box.run(["log", "--after", "0", "--json"])).out.trim().split("\n");
  const head = JSON.parse(log.at(-1) as string).seq as number;
  const read: number[] = [];
  for await (const entry of readFeed(feed(), { follow: true })) {
    read.push(entry.seq);
    if (entry.seq >= head) break;
  }
  expect(read).toEqual(log.map((_, at) => at + 1));
  const shown = await box.run(["feed", feed(), "--after", String(head - 1)]);
  expect(shown.out).toMatch(new RegExp(`^ *${head} `));
  expect(shown.out).not.toContain('"files"');

  const stop = new AbortController();
  const events = await fetch(`${urlOf("http")}/entries?after=${head - 2}`, { signal: stop.signal });
  let text = "";
  const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader();
  while (!text.includes(`id: ${head}\n`)) text += (await reader?.read())?.value;
  stop.abort();
  expect(text).toContain(`id: ${head - 1}\n`);
});

it("a hub that ends takes its feed and spool with it", async () => {
  for (const client of clients.values()) await client.close();
  expect(await box.stop()).toEqual([0]);
  expect(existsSync(`${feed()}.lock`)).toBe(false);
  const kept = await box.run(["feed", feed()]);
  expect(kept.out).toContain("claim.granted");
});
