/**
 * What a hub tells about itself over HTTP: metrics, documents; and the feed beside it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { connect } from "../../adapters/node/connect.ts";
import { serveFeed } from "../../adapters/node/feed.ts";
import { serve } from "../../adapters/node/hub.ts";
import { tables } from "../../core/model/model.ts";
import type { Entry } from "../../core/model/slice.ts";
import { readFeed } from "../../transports/ndjson/feed-reader.ts";

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function hub() {
  const served = await serve({ log: "memory:", listen: ["http://127.0.0.1:0"] });
  endings.push(() => served.close());
  const url = served.urls[0] as string;
  const client = await connect(url, { agent: "secret-agent" });
  endings.push(() => client.close());
  return { ...served, url, client };
}

test("metrics count decisions, events and waits, and name nobody", async () => {
  const { url, client } = await hub();
  await client.call("claim.acquire", { claim: "secret-claim", scope: { paths: ["secret/**"] } });
  await expect(client.call("claim.release", { claim: "nothing", epoch: 3 })).rejects.toMatchObject({
    code: "claim.unknown",
  });
  const text = await (await fetch(`${url}/metrics`)).text();
  expect(text).toMatch(/holdfast_decisions_total\{outcome="accepted",code=""\} [2-9]/);
  expect(text).toMatch(/holdfast_decisions_total\{outcome="refused",code="claim.unknown"\} 1/);
  expect(text).toMatch(/holdfast_events_total\{type="claim.granted"\} 1/);
  expect(text).toMatch(/holdfast_claims 1\n/);
  for (const name of [
    "append_seconds_bucket",
    "append_entries_sum",
    "waits 0",
    "followers 0",
    "follower_lag_entries 0",
  ]) {
    expect(text).toContain(`holdfast_${name}`);
  }
  expect(text).not.toContain("secret");
});

test("the documents describe every method and event, and each reference leads somewhere", async () => {
  const { url } = await hub();
  for (const [path, version] of [
    ["/openapi.json", "openapi"],
    ["/asyncapi.json", "asyncapi"],
  ] as const) {
    // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever fields they expect
    const document = (await (await fetch(url + path)).json()) as any;
    expect(document[version]).toMatch(/^3\./);
    const text = JSON.stringify(document);
    for (const method of [
      ...Object.keys(tables.commands),
      ...Object.keys(tables.queries),
      "session.open",
      "log.follow",
    ]) {
      expect(text).toContain(`"request.${method}"`);
    }
    for (const type of Object.keys(tables.events)) expect(text).toContain(`"event.${type}"`);
    for (const [, at = ""] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const found = at.split("/").reduce((part, key) => part?.[key], document);
      expect(found, at).toBeDefined();
    }
  }
});

test("http and ws on one port are one", async () => {
  const first = await serve({ log: "memory:", listen: ["ws://127.0.0.1:0"] });
  const port = new URL(first.urls[0] as string).port;
  await first.close();
  const served = await serve({
    log: "memory:",
    listen: [`ws://127.0.0.1:${port}`, `http://127.0.0.1:${port}`],
  });
  endings.push(() => served.close());
  expect(served.urls).toEqual([`ws://127.0.0.1:${port}`, `http://127.0.0.1:${port}`]);
});

test("the feed has what the log has, without what is private", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-feed-"));
  endings.push(() => rm(folder, { recursive: true }));
  const { engine, log, client } = await hub();
  await client.call("claim.acquire", { claim: "a", scope: { paths: ["a/**"] } });
  await client.call("message.post", { to: "bob", kind: "chat", body: "between us" });
  const feeds = { plain: join(folder, "feed.ndjson"), full: join(folder, "full.ndjson") };
  for (const full of [false, true]) {
    const feed = await serveFeed(engine, log, { file: full ? feeds.full : feeds.plain, full });
    await client.call("decision.record", { text: `decided, ${full}` });
    await feed.close();
  }
  const again = await serveFeed(engine, log, { file: feeds.plain });
  await client.call("decision.record", { text: "decided again" });
  await again.close();
  const read = async (file: string): Promise<Entry[]> => {
    const found: Entry[] = [];
    for await (const entry of readFeed(file)) found.push(entry);
    return found;
  };
  const stored: Entry[] = [];
  for await (const entries of log.read(0)) stored.push(...entries);
  expect(await read(feeds.full)).toEqual(stored.slice(0, -1));
  const shown = await read(feeds.plain);
  expect(shown.map(({ seq }) => seq)).toEqual(stored.map(({ seq }) => seq));
  expect(JSON.stringify(shown)).not.toContain("between us");
  expect(JSON.stringify(shown)).toContain("message.redacted");
});
