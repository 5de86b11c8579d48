/**
 * Entries on topics and the live state retained on topics, held against what the hub itself says.
 */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { Hub } from "../../adapters/node/hub.ts";
import type { Client } from "../../core/client/client.ts";
import type { Entry } from "../../core/model/slice.ts";
import {
  agentOf,
  endAll,
  entriesOf,
  hubOf,
  lastingLog,
  type Plain,
  pause,
  plain,
  rowsOf,
  until,
  urlOf,
} from "./mqtt-rig.ts";

afterEach(endAll);

describe("entries and state on topics", () => {
  test("each entry is told once a type, without what is not for all", async () => {
    const hub = await hubOf();
    const { client, heard } = await plain(hub.port);
    await client.subscribeAsync("holdfast/log/#", { qos: 1 });
    const alice = await agentOf(urlOf(hub), "alice");
    await alice.call("task.declare", { task: "T", title: "one" });
    await alice.call("claim.acquire", { claim: "T", task: "T", ttlMs: 60_000 });
    await alice.call("task.complete", { task: "T", result: "done" } as never);
    const wanted = (await entriesOf(hub)).slice(1);
    const count = wanted.reduce((sum, { events }) => sum + new Set(events.map(({ type }) => type)).size, 0);
    await until(() => heard.length >= count);
    await pause(50);
    for (const { topic, text } of heard) {
      for (const { type } of JSON.parse(text).events)
        expect(topic).toBe(`holdfast/log/${type.replace(".", "/")}`);
    }
    const told = new Map<number, Entry[]>();
    for (const { text } of heard) {
      const entry: Entry = JSON.parse(text);
      told.set(entry.seq, [...(told.get(entry.seq) ?? []), entry]);
    }
    for (const entry of wanted) {
      const parts = told.get(entry.seq) ?? [];
      const types = [...new Set(entry.events.map(({ type }) => type))];
      const expected = types.map((type) => ({
        ...entry,
        events: entry.events.filter((event) => event.type === type),
      }));
      expect(parts).toEqual(JSON.parse(JSON.stringify(expected)));
    }
  });

  test("without tokens, too, what is for some is not told on a topic for all", async () => {
    const hub = await hubOf();
    const { client, heard } = await plain(hub.port);
    await client.subscribeAsync("#", { qos: 1 });
    await agentOf(urlOf(hub), "bob");
    const alice = await agentOf(urlOf(hub), "alice");
    await alice.call("message.post", { to: "bob", body: "SECRET" });
    await alice.call("message.post", { to: "all", body: "NEWS" });
    await until(() => heard.some(({ text }) => text.includes("NEWS")));
    expect(heard.filter(({ text }) => text.includes("SECRET"))).toEqual([]);
    expect(heard.map(({ topic }) => topic)).toContain("holdfast/log/message/redacted");
  });

  test("what is retained is the live state, after anything and after a restart", {
    timeout: 120_000,
  }, async () => {
    const names = ["ann", "ben", "cy/d"];
    const step = fc.record({
      who: fc.constantFrom(...names),
      what: fc.constantFrom(
        "acquire",
        "renew",
        "release",
        "task",
        "start",
        "finish",
        "save",
        "leave",
        "ask",
        "next",
      ),
      id: fc.constantFrom("A", "B", "C/1", "D"),
      other: fc.constantFrom(...names),
      flag: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 60 }), async (steps) => {
        const log = await lastingLog();
        let hub = await hubOf({ log });
        const watching = await plain(hub.port);
        await watching.client.subscribeAsync("holdfast/state/#", { qos: 1 });
        const half = Math.floor(steps.length / 2);
        await play(hub, steps.slice(0, half));
        await same(hub, watching);
        await hub.close();
        hub = await hubOf({ log, listen: ["memory:"] });
        await hub.close();
        hub = await hubOf({ log });
        const later = await plain(hub.port);
        await later.client.subscribeAsync("holdfast/state/#", { qos: 1 });
        await same(hub, later);
        await play(hub, steps.slice(half));
        await same(hub, later);
        const last = await plain(hub.port);
        await last.client.subscribeAsync("holdfast/state/#", { qos: 1 });
        await same(hub, last);
        await endAll();
      }),
      { numRuns: 10, endOnFailure: true },
    );
  });
});

interface Step {
  readonly who: string;
  readonly what: string;
  readonly id: string;
  readonly other: string;
  readonly flag: boolean;
}

/** Does each step through a client; what is refused is refused. */
async function play(hub: Hub, steps: readonly Step[]): Promise<void> {
  const agents = new Map<string, Client>();
  for (const { who, what, id, other, flag } of steps) {
    const agent = agents.get(who) ?? (await agentOf(urlOf(hub), who));
    agents.set(who, agent);
    const { items } = await agent.call("claims.list", { claim: id });
    const epoch = items[0]?.epoch ?? 1;
    const call = (method: string, params: object) => agent.send(method, params).catch(() => undefined);
    const task = flag ? { task: id } : {};
    if (what === "acquire") await call("claim.acquire", { claim: id, ttlMs: 60_000, shared: flag, ...task });
    else if (what === "renew") await call("claim.renew", { claim: id, epoch, ttlMs: 90_000 });
    else if (what === "release")
      await call("claim.release", { claim: id, epoch, outcome: flag ? "done" : "failed" });
    else if (what === "task") await call("task.declare", { task: id, title: other, priority: flag ? 1 : 0 });
    else if (what === "start") await call(flag ? "task.start" : "task.block", { task: id, reason: "so" });
    else if (what === "finish") await call(flag ? "task.complete" : "task.reopen", { task: id });
    else if (what === "save") await call("checkpoint.save", { claim: id, epoch, text: other });
    else if (what === "leave") await call("agent.leave", {});
    else if (what === "ask") await call("message.post", { to: other, kind: "task_request", body: id });
    else await call("task.next", { ttlMs: 60_000 });
  }
  for (const agent of agents.values()) await agent.close();
}

/** Waits until what a client holds retained is what the hub lists. */
async function same(hub: Hub, { heard }: Plain): Promise<void> {
  const expected = await live(hub);
  const held = () => {
    const topics: { [topic: string]: unknown } = {};
    for (const { topic, text } of heard) {
      if (text === "") delete topics[topic];
      else topics[topic] = JSON.parse(text);
    }
    return topics;
  };
  await until(() => heard.length > 0 || Object.keys(expected).length === 0);
  const giveUpAt = performance.now() + 5000;
  while (
    JSON.stringify(sorted(held())) !== JSON.stringify(sorted(expected)) &&
    performance.now() < giveUpAt
  ) {
    await pause(5);
  }
  expect(held()).toEqual(expected);
}

async function live(hub: Hub): Promise<{ [topic: string]: unknown }> {
  const found: { [topic: string]: unknown } = {};
  const add = (kind: string, id: string, row: object, leaves: readonly string[]) => {
    const kept = Object.entries(row).filter(([field]) => !leaves.includes(field));
    found[`holdfast/state/${kind}/${encodeURIComponent(id)}`] = JSON.parse(
      JSON.stringify(Object.fromEntries(kept)),
    );
  };
  for (const row of await rowsOf(hub, "claims.list")) {
    add("claims", row.claim, row, ["remainingMs", "overdue", "waiting"]);
  }
  for (const row of await rowsOf(hub, "tasks.list")) {
    const over = ["done", "failed", "cancelled"].includes(row.status);
    if (!over)
      add("tasks", row.task, row, ["ready", "waitingFor", "claim", "holder", "expiresAtMs", "children"]);
  }
  for (const row of await rowsOf(hub, "agents.list")) {
    if (row.presence !== "gone") add("agents", row.agent, row, ["claims"]);
  }
  return found;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}
