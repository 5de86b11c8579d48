/**
 * The hub as a guest on a broker that is not its own: mosquitto, where it is installed.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { connect } from "../../transports/mqtt/index.ts";
import { agentOf, atEnd, endAll, hubOf, lastingLog, pause, plain, portOf, until } from "./mqtt-rig.ts";

afterEach(endAll);

const installed = await promisify(execFile)("mosquitto", ["-h"]).then(
  () => true,
  (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
);

/** A mosquitto on a free port. */
async function mosquitto(): Promise<number> {
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const port = (free.address() as { port: number }).port;
  await new Promise((resolve) => free.close(resolve));
  const folder = await mkdtemp(join(tmpdir(), "holdfast-mosquitto-"));
  const config = join(folder, "mosquitto.conf");
  const lines = [`listener ${port} 127.0.0.1`, "allow_anonymous true", "max_queued_messages 100000"];
  await writeFile(config, `${lines.join("\n")}\n`);
  const broker = spawn("mosquitto", ["-c", config], { stdio: "ignore" });
  atEnd(async () => {
    broker.kill();
    await once(broker, "exit");
    await rm(folder, { recursive: true });
  });
  for (let tries = 0; tries < 100; tries++) {
    const socket = connectTcp(port, "127.0.0.1");
    const open = await Promise.race([
      once(socket, "connect").then(() => true),
      new Promise<boolean>((resolve) => socket.once("error", () => resolve(false))),
    ]).catch(() => false);
    socket.destroy();
    if (open) return port;
    await pause(50);
  }
  throw new Error("mosquitto does not start");
}

/** A way to a port that can be cut. */
async function proxyTo(port: number) {
  const open = new Set<Socket>();
  let away = false;
  const server = createServer((near) => {
    if (away) return near.destroy();
    const far = connectTcp(port, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
      one.pipe(other);
    }
    return undefined;
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const socket of open) socket.destroy();
    open.clear();
  };
  atEnd(() => {
    cut();
    server.close();
  });
  return {
    port: (server.address() as { port: number }).port,
    /** Breaks what is open, and keeps out who comes until it is called with `false`. */
    block(on: boolean): void {
      away = on;
      cut();
    },
  };
}

/** What a client holds of the topics it is sent, the newest of each. */
function held(heard: readonly { topic: string; text: string }[]): { [topic: string]: string } {
  const topics: { [topic: string]: string } = {};
  for (const { topic, text } of heard) {
    if (text === "") delete topics[topic];
    else topics[topic] = text;
  }
  return topics;
}

describe.skipIf(!installed)("on mosquitto (needs it installed)", () => {
  test("agents of both kinds work, two of one name apart, and the state is retained", async () => {
    const port = await mosquitto();
    const url = `mqtt+client://127.0.0.1:${port}?prefix=fleet/one`;
    const hub = await hubOf({ listen: [url] });
    expect(hub.urls).toEqual([url]);
    const one = await agentOf(url, "twin");
    const two = await agentOf(url, "twin");
    const [grant, list] = await Promise.all([
      one.call("claim.acquire", { claim: "A/1", ttlMs: 60_000 }),
      two.call("agents.list", {}),
    ]);
    expect([grant.claim, list.items.length]).toEqual(["A/1", 1]);
    const { client, heard } = await plain(port);
    await client.subscribeAsync(["fleet/one/state/#", "fleet/one/plain/response"], { qos: 1 });
    await until(() => heard.length >= 2);
    expect(Object.keys(held(heard)).sort()).toEqual([
      "fleet/one/state/agents/twin",
      "fleet/one/state/claims/A%2F1",
    ]);
    const ask = (id: number, method: string, params: object) =>
      client.publishAsync("fleet/one/plain/request", JSON.stringify({ jsonrpc: "2.0", id, method, params }), {
        qos: 1,
      });
    await ask(1, "session.open", { agent: "plain" });
    await ask(2, "claim.acquire", { claim: "B", ttlMs: 60_000 });
    await until(() => heard.some(({ text }) => text.includes('"id":2')));
    await until(() => held(heard)["fleet/one/state/claims/B"] !== undefined);
    await one.call("claim.release", { claim: "A/1", epoch: grant.epoch, outcome: "done" });
    await until(() => held(heard)["fleet/one/state/claims/A%2F1"] === undefined);
    await hub.close();
    await until(() => Object.keys(held(heard)).filter((topic) => topic.includes("/state/")).length === 0);
  });

  test("one hub a prefix; without a hub nobody is served", async () => {
    const port = await mosquitto();
    const url = `mqtt+client://127.0.0.1:${port}`;
    await expect(connect(url, { agent: "early", timeoutMs: 500 })).rejects.toMatchObject({
      code: "hub.unreachable",
    });
    const hub = await hubOf({ listen: [url] });
    await expect(hubOf({ listen: [url] })).rejects.toMatchObject({ code: "usage", fields: { taken: true } });
    await hubOf({ listen: [`${url}?prefix=other`] });
    expect(await (await agentOf(url, "a")).call("claims.list", {})).toMatchObject({ items: [] });
    await hub.close();
    await hubOf({ listen: [url] });
    await expect(hubOf({ listen: ["mqtt+client://127.0.0.1:1"] })).rejects.toMatchObject({
      code: "hub.unreachable",
    });
  });

  test("what an earlier hub left retained is cleared, and a hub that dies says so by its will", async () => {
    const port = await mosquitto();
    const proxy = await proxyTo(port);
    const { client, heard } = await plain(port);
    await client.publishAsync("holdfast/state/claims/STALE", "{}", { qos: 1, retain: true });
    await client.subscribeAsync(["holdfast/state/#", "holdfast/hub/online"], { qos: 1 });
    const log = await lastingLog();
    await hubOf({ log, listen: [`mqtt+client://127.0.0.1:${proxy.port}`] });
    await until(() => heard.some(({ topic }) => topic === "holdfast/hub/online"));
    expect(held(heard)["holdfast/state/claims/STALE"]).toBeUndefined();
    const agent = await agentOf(`mqtt+client://127.0.0.1:${port}`, "worker");
    const first = await agent.call("claim.acquire", { claim: "C", ttlMs: 60_000 });
    expect(first.epoch).toBeGreaterThan(0);
    proxy.block(true);
    await until(() => held(heard)["holdfast/hub/online"] === undefined, "the will");
    await until(() => !agent.isUp, "the agent is told");
    proxy.block(false);
    await until(() => held(heard)["holdfast/hub/online"] !== undefined, "the hub is back");
    expect(await agent.call("claim.renew", { claim: "C", epoch: first.epoch, ttlMs: 90_000 })).toMatchObject({
      epoch: first.epoch,
    });
    await until(() => held(heard)["holdfast/state/claims/C"]?.includes('"ttlMs":90000') === true);
  });

  test("an agent that dies is idle at once, by its will", async () => {
    const port = await mosquitto();
    const proxy = await proxyTo(port);
    const hub = await hubOf({ listen: [`mqtt+client://127.0.0.1:${port}`] });
    const agent = await agentOf(`mqtt+client://127.0.0.1:${proxy.port}`, "mortal");
    expect(agent.isUp).toBe(true);
    const idle = new Promise<void>((resolve) =>
      hub.engine.entries$.subscribe(({ events }) => {
        if (events.some(({ type }) => type === "agent.idle")) resolve();
      }),
    );
    proxy.block(true);
    await idle;
  });
});

test("a broker's url", () => {
  expect(portOf("mqtt+client://h:1234?x")).toBe(1234);
});

test.each([
  "mqtt+client://",
  "mqtt+client://h/path",
  "mqtt://h?prefix=x",
  "mqtt+client://h?prefix=a/%23",
  "mqttx://h",
])("refuses the url %j", async (url) => {
  await expect(connect(url, { agent: "a" })).rejects.toMatchObject({ code: "usage" });
});
