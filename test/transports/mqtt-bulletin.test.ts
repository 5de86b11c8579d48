/**
 * What the hub publishes on its broker, under pressure: subscribers that come while the state changes, that stay away,
 * and that never read.
 */
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import type { Client } from "../../core/client/client.ts";
import {
  agentOf,
  connectPacket,
  endAll,
  hubOf,
  type Plain,
  packet,
  pause,
  plain,
  raw,
  rowsOf,
  until,
  urlOf,
} from "./mqtt-rig.ts";

afterEach(endAll);

/** Claims, renews and releases without pause until it is told to stop. */
function churn(agent: Client, claims: number): () => Promise<void> {
  let on = true;
  const run = async (at: number): Promise<void> => {
    while (on) {
      const claim = `claim-${at}-${"x".repeat(150)}`;
      const { epoch } = await agent.call("claim.acquire", { claim, ttlMs: 600_000 });
      await agent.call("claim.renew", { claim, epoch, ttlMs: 700_000 });
      if (Math.random() < 0.7) await agent.call("claim.release", { claim, epoch, outcome: "done" });
    }
  };
  const all = Promise.all(Array.from({ length: claims }, (_, at) => run(at)));
  return async () => {
    on = false;
    await all;
  };
}

test("whoever subscribes while the state changes ends with what is live", { timeout: 60_000 }, async () => {
  const hub = await hubOf();
  const stop = churn(await agentOf(urlOf(hub), "busy"), 40);
  const subscribers: Plain[] = [];
  for (let at = 0; at < 20; at++) {
    const one = await plain(hub.port);
    for (const filter of at % 2 ? ["holdfast/state/#"] : ["holdfast/+/claims/+", "holdfast/state/claims/#"]) {
      await one.client.subscribeAsync(filter, { qos: (at % 3) as 0 | 1 | 2 });
    }
    subscribers.push(one);
    await pause(20);
  }
  await stop();
  const items = await rowsOf(hub, "claims.list");
  const expected = items.map(({ claim, epoch, ttlMs }) => `${claim} ${epoch} ${ttlMs}`).sort();
  const held = ({ heard }: Plain) => {
    const newest = new Map<string, string>();
    for (const { topic, text } of heard)
      if (topic.startsWith("holdfast/state/claims/")) newest.set(topic, text);
    const live = [...newest.values()].filter((text) => text !== "").map((text) => JSON.parse(text));
    return live.map(({ claim, epoch, ttlMs }) => `${claim} ${epoch} ${ttlMs}`).sort();
  };
  const giveUpAt = performance.now() + 10_000;
  while (subscribers.some((one) => held(one).join() !== expected.join()) && performance.now() < giveUpAt) {
    await pause(20);
  }
  for (const one of subscribers) expect(held(one)).toEqual(expected);
});

test("a frozen subscriber costs the others a moment once, and is cut", { timeout: 60_000 }, async () => {
  const hub = await hubOf();
  const frozen = raw(hub.port, connectPacket("frozen"), packet(0x82, 0, 1, "#", 1));
  await once(frozen.socket, "data");
  await pause(50);
  frozen.socket.pause();
  const { client, heard } = await plain(hub.port);
  await client.subscribeAsync("holdfast/log/activity/+", { qos: 0 });
  const agent = await agentOf(urlOf(hub), "writer");
  const text = "a".repeat(4000);
  const entries = 4000;
  const started = performance.now();
  for (let at = 0; at < entries; at += 100) {
    await Promise.all(Array.from({ length: 100 }, () => agent.call("activity.log", { kind: "edit", text })));
  }
  await until(() => heard.length >= entries);
  expect(performance.now() - started).toBeLessThan(20_000);
  frozen.socket.resume();
  await frozen.told;
  expect(heard.map(({ text }) => JSON.parse(text).seq)).toEqual(
    [...heard.map(({ text }) => JSON.parse(text).seq)].sort((a, b) => a - b),
  );
});

test("a session that was away is told what happened meanwhile, once and in order", async () => {
  const hub = await hubOf();
  const agent = await agentOf(urlOf(hub), "writer");
  const options = { clientId: "later", clean: false, username: "reader" };
  const first = await plain(hub.port, options);
  await first.client.subscribeAsync("holdfast/log/activity/#", { qos: 1 });
  const log = (text: string) => agent.call("activity.log", { kind: "edit", text });
  await log("while here");
  await until(() => first.heard.length === 1);
  await first.client.endAsync();
  for (let at = 0; at < 20; at++) await log(`while away ${at}`);
  const again = await plain(hub.port, options);
  await until(() => again.heard.length >= 20);
  await log("back");
  await until(() => again.heard.length >= 21);
  await pause(30);
  expect(again.heard.map(({ text }) => JSON.parse(text).events[0].text)).toEqual([
    ...Array.from({ length: 20 }, (_, at) => `while away ${at}`),
    "back",
  ]);
});
