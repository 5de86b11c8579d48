/**
 * The hub over MQTT: frames, and who may publish and read what.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import type { Hub } from "../../adapters/node/hub.ts";
import type { Client } from "../../core/client/client.ts";
import { connect, listen } from "../../transports/mqtt/index.ts";
import {
  agentOf,
  atEnd,
  connectPacket,
  endAll,
  entriesOf,
  hubOf,
  type Plain,
  packet,
  pause,
  plain,
  raw,
  speaker,
  until,
  urlOf,
} from "./mqtt-rig.ts";

afterEach(endAll);

const verify = (agent: string, token: string) =>
  token === `token-of-${agent}` ? { operator: agent === "root" } : undefined;
const as = (agent: string) => ({ username: agent, password: `token-of-${agent}` });

/** A hub and a thousand clients share this process, and their handshakes its one thread. */
const SHARED = { timeoutMs: 60_000 };

const eventsOf = async (hub: Hub) => (await entriesOf(hub)).flatMap(({ events }) => events);

describe("who may do what", () => {
  test("with tokens, user and password are the agent and its token", async () => {
    const hub = await hubOf({ verify });
    await expect(plain(hub.port)).rejects.toMatchObject({ code: 5 });
    await expect(plain(hub.port, { username: "alice" })).rejects.toMatchObject({ code: 5 });
    await expect(plain(hub.port, { ...as("alice"), username: "bob" })).rejects.toMatchObject({ code: 4 });
    await expect(connect(urlOf(hub), { agent: "alice", token: "wrong" })).rejects.toMatchObject({
      code: "hub.refused",
    });
    const alice = await agentOf(urlOf(hub), "alice", { token: "token-of-alice" });
    expect(await alice.call("claim.acquire", { claim: "C", ttlMs: 60_000 })).toMatchObject({
      holder: "alice",
    });
    const bob = await speaker(hub.port, "bob", as("bob"));
    expect((await bob.ask("session.open", { agent: "alice" })).error?.data).toMatchObject({
      code: "session.not-you",
    });
  });

  test("publishes reach one's own request topic and free topics, and nothing else of the hub's", async () => {
    const hub = await hubOf({ verify });
    const alice = await agentOf(urlOf(hub), "alice", { token: "token-of-alice" });
    await alice.call("claim.acquire", { claim: "C", ttlMs: 60_000 });
    const watcher = await plain(hub.port, as("watcher"));
    await watcher.client.subscribeAsync("#", { qos: 1 });
    const eve = await speaker(hub.port, "eve", as("eve"));
    const evil = JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "claim.release",
      params: { claim: "C", epoch: 3 },
    });
    const forbidden = [
      "holdfast/alice/request",
      "holdfast/alice/response",
      "holdfast/eve/response",
      "holdfast/eve/request/more",
      "holdfast/eve",
      "holdfast",
      "holdfast/state/claims/C",
      "holdfast/state/claims/FAKE",
      "holdfast/log/claim/released",
      "holdfast/hub/online",
      "$holdfast/nowhere",
      "$SYS/x",
    ];
    await until(() => watcher.heard.length > 2);
    const before = watcher.heard.length;
    for (const topic of forbidden) {
      for (const qos of [0, 1, 2] as const)
        await eve.client.publishAsync(topic, evil, { qos, retain: qos !== 2 });
    }
    await until(
      () =>
        eve.heard.filter(({ text }) => text.includes("You may not publish")).length >= forbidden.length * 3,
    );
    await eve.client.publishAsync("holdfast-free/eve", "free", { qos: 1 });
    await until(() => watcher.heard.some(({ text }) => text === "free"));
    // That eve is here is the hub's own to say, and may come late.
    const since = watcher.heard.slice(before).map(({ topic }) => topic);
    expect(since.filter((topic) => topic !== "holdfast/state/agents/eve")).toEqual(["holdfast-free/eve"]);
    expect((await eventsOf(hub)).map(({ type }) => type)).not.toContain("claim.released");
    const late = await plain(hub.port, as("late"));
    await late.client.subscribeAsync("#", { qos: 1 });
    await until(() => late.heard.length >= 3);
    await pause(50);
    expect(late.heard.map(({ topic }) => topic).sort()).toEqual([
      "holdfast/state/agents/alice",
      "holdfast/state/agents/eve",
      "holdfast/state/claims/C",
    ]);
    expect(JSON.parse(late.heard.find(({ topic }) => topic.endsWith("/C"))?.text ?? "")).toMatchObject({
      holder: "alice",
    });
  });

  test("direct messages and frames are read by nobody else, through any subscription", async () => {
    const hub = await hubOf({ verify });
    const eve = await plain(hub.port, as("eve"));
    const filters = [
      "#",
      "+/#",
      "holdfast/#",
      "holdfast/+/#",
      "holdfast/+/response",
      "holdfast/+/request",
      "+/+/+/+",
    ];
    for (const filter of filters) await eve.client.subscribeAsync(filter, { qos: 2 });
    for (const filter of ["holdfast/bob/response", "holdfast/bob/#", "holdfast/bob/+"]) {
      await expect(eve.client.subscribeAsync(filter, { qos: 1 })).rejects.toThrow();
    }
    const bob = await speaker(hub.port, "bob", as("bob"));
    const alice = await speaker(hub.port, "alice", as("alice"));
    const spool = await plain(hub.port, { ...as("eve"), clientId: "eve-later", clean: false });
    await spool.client.subscribeAsync("holdfast/#", { qos: 1 });
    await spool.client.endAsync();
    await alice.ask("message.post", { to: "bob", body: "SECRET" });
    await alice.ask("message.post", { to: "all", body: "NEWS" });
    const inbox = await bob.ask("inbox.list", {});
    expect(JSON.stringify(inbox.result)).toContain("SECRET");
    await until(() => eve.heard.some(({ text }) => text.includes("NEWS")));
    const again = await plain(hub.port, { ...as("eve"), clientId: "eve-later", clean: false });
    await until(() => again.heard.some(({ text }) => text.includes("NEWS")));
    const read = [...eve.heard, ...again.heard];
    expect(read.filter(({ text }) => text.includes("SECRET"))).toEqual([]);
    expect(read.filter(({ topic }) => /request|response/.test(topic))).toEqual([]);
    expect(read.map(({ topic }) => topic)).toContain("holdfast/log/message/redacted");
  });

  test("two clients of one agent hear each their own answers", async () => {
    const hub = await hubOf();
    const one = await speaker(hub.port, "twin");
    const two = await speaker(hub.port, "twin");
    await Promise.all([
      one.ask("claim.acquire", { claim: "A", ttlMs: 60_000 }, 7),
      two.ask("claims.list", {}, 7),
    ]);
    await pause(30);
    const answers = (heard: Plain["heard"]) => heard.filter(({ text }) => text.includes('"id":7'));
    expect([answers(one.heard).length, answers(two.heard).length]).toEqual([1, 1]);
    expect(answers(one.heard)[0]?.text).toContain("epoch");
  });

  test("a name with every kind of character is one level", async () => {
    const hub = await hubOf();
    for (const name of ["a/b", "50%", "x+y#z", "é 雪", "$SYS"]) {
      const { opened, ask } = await speaker(hub.port, name);
      expect(opened.result).toMatchObject({ agent: name });
      await ask("claim.acquire", { claim: `of ${name}/#+`, ttlMs: 60_000 });
    }
    const { client, heard } = await plain(hub.port);
    await client.subscribeAsync("holdfast/state/claims/+", { qos: 1 });
    await until(() => heard.length >= 5);
    expect(heard.map(({ topic }) => decodeURIComponent(topic.slice(22))).sort()).toEqual(
      heard.map(({ text }) => JSON.parse(text).claim).sort(),
    );
  });
});

describe("frames", () => {
  test("quality 1 delivered again has one effect", async () => {
    const hub = await hubOf();
    const frame = (id: string, method: string, params: object) =>
      JSON.stringify({ jsonrpc: "2.0", id, method, params });
    const publish = (first: number, id: number, text: string) =>
      packet(first, "holdfast/dup/request", 0, id, Buffer.from(text));
    const open = frame("o", "session.open", { agent: "dup" });
    const acquire = frame("a", "claim.acquire", { claim: "D", ttlMs: 60_000, submission: "s1" });
    const { socket } = raw(
      hub.port,
      connectPacket("dup"),
      packet(0x82, 0, 1, "holdfast/dup/response", 1),
      publish(0x32, 2, open),
      publish(0x32, 3, acquire),
      publish(0x3a, 3, acquire),
      publish(0x3a, 3, acquire),
    );
    let told = "";
    socket.on("data", (chunk) => {
      told += chunk.toString("latin1");
    });
    await until(() => told.split('"epoch":').length > 3);
    expect((await eventsOf(hub)).filter(({ type }) => type === "claim.granted")).toHaveLength(1);
    expect(new Set(told.match(/"epoch":\d+/g)).size).toBe(1);
  });

  test("garbage on a request topic is answered, and the next is served", async () => {
    const hub = await hubOf();
    const { client, heard, ask } = await speaker(hub.port, "odd");
    const garbage = [
      "",
      "{",
      "[]",
      "null",
      '{"jsonrpc":"2.0","id":1,"method":"__proto__"}',
      "[".repeat(5000),
    ];
    for (const text of garbage) await client.publishAsync("holdfast/odd/request", text, { qos: 1 });
    await client.publishAsync("holdfast/odd/request", Buffer.from([0xc3, 0x28, 0xff]), { qos: 1 });
    await until(() => heard.filter(({ text }) => text.includes('"error"')).length >= garbage.length + 1);
    expect((await ask("claims.list", {})).result).toMatchObject({ items: [] });
  });

  test("a client that only asks speaks on the connection of the one that listens", async () => {
    const hub = await hubOf({ verify });
    const ear = await plain(hub.port, as("shell"));
    await ear.client.subscribeAsync("holdfast/shell/response", { qos: 1 });
    const say = async (id: number, method: string, params: object): Promise<void> => {
      const mouth = await plain(hub.port, as("shell"));
      const text = JSON.stringify({ jsonrpc: "2.0", id, method, params });
      await mouth.client.publishAsync("holdfast/shell/request", text, { qos: 1 });
      await mouth.client.endAsync();
      await until(() => ear.heard.some(({ text }) => text.includes(`"id":${id},`)), method);
    };
    await say(1, "session.open", { agent: "shell" });
    await say(2, "claim.acquire", { claim: "S", ttlMs: 60_000 });
    await say(3, "claim.renew", { claim: "S", epoch: 3, ttlMs: 90_000 });
    expect(ear.heard.map(({ text }) => JSON.parse(text).error)).toEqual([undefined, undefined, undefined]);
  });

  test("a last will or a goodbye makes the agent idle at once, a break does not", async () => {
    const hub = await hubOf();
    const will = { topic: "anything", payload: Buffer.from("dead"), qos: 0 as const, retain: false };
    const willing = await speaker(hub.port, "willing", { will });
    const polite = await speaker(hub.port, "polite");
    const broken = await speaker(hub.port, "broken");
    const ours = await agentOf(urlOf(hub), "ours");
    expect(ours.isUp).toBe(true);
    willing.client.stream.destroy();
    broken.client.stream.destroy();
    await polite.client.endAsync();
    const idle = async () =>
      (await eventsOf(hub)).flatMap((event) => (event.type === "agent.idle" ? [event.agent] : [])).sort();
    let seen: string[] = [];
    const look = setInterval(() => void idle().then((names) => (seen = names)), 20);
    atEnd(() => clearInterval(look));
    await until(() => seen.length >= 2);
    await pause(300);
    expect(await idle()).toEqual(["polite", "willing"]);
  });

  test("a will on the request topic is the agent's last request", async () => {
    const hub = await hubOf();
    const release = { claim: "W", epoch: 3, outcome: "abandoned" };
    const payload = Buffer.from(
      JSON.stringify({ jsonrpc: "2.0", id: 9, method: "claim.release", params: release }),
    );
    const will = { topic: "holdfast/dying/request", payload, qos: 1 as const, retain: false };
    const dying = await speaker(hub.port, "dying", { will });
    expect((await dying.ask("claim.acquire", { claim: "W", ttlMs: 60_000 })).result).toMatchObject({
      epoch: 3,
    });
    dying.client.stream.destroy();
    let types: string[] = [];
    const look = setInterval(
      () => void eventsOf(hub).then((all) => (types = all.map(({ type }) => type))),
      20,
    );
    atEnd(() => clearInterval(look));
    await until(() => types.includes("agent.idle") && types.includes("claim.released"));
  });

  /** A broker that lets in, grants subscriptions if it is told to, and confirms nothing that is published. */
  async function muteBroker(grants: boolean) {
    const open = new Set<Socket>();
    const server = createServer((socket) => {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => open.delete(socket));
      socket.on("data", (bytes) => {
        if (bytes[0] === 0x10) socket.write(Uint8Array.of(0x20, 2, 0, 0));
        // The packet is short: its identifier stands behind two bytes.
        if (bytes[0] === 0x82 && grants)
          socket.write(Uint8Array.of(0x90, 4, bytes[2] ?? 0, bytes[3] ?? 0, 1, 1));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    atEnd(() => {
      for (const socket of open) socket.destroy();
      server.close();
    });
    return { open, place: `127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  test("a broker that lets in and says nothing more is given up, by agents and by hubs", async () => {
    const { open, place } = await muteBroker(false);
    for (const scheme of ["mqtt", "mqtt+client"]) {
      await expect(connect(`${scheme}://${place}`, { agent: "a", timeoutMs: 300 })).rejects.toMatchObject({
        code: "hub.unreachable",
        message: expect.stringContaining("No answer comes from the broker"),
      });
    }
    const bounds = { handshakeMs: 300 };
    await expect(listen(`mqtt+client://${place}`, { bounds }, () => {})).rejects.toMatchObject({
      code: "hub.unreachable",
    });
    await until(() => open.size === 0);
  });

  test("a broker that confirms nothing is left all the same", async () => {
    const { open, place } = await muteBroker(true);
    const connection = await connect(`mqtt://${place}`, { agent: "a" });
    connection.receive({ frame() {}, drained() {}, closed() {} });
    connection.send("{}");
    connection.close("goodbye");
    await until(() => open.size === 0);
  });

  test("1,000 clients at once", { timeout: 120_000 }, async () => {
    const hub = await hubOf();
    const agents: Client[] = [];
    for (let wave = 0; wave < 10; wave++) {
      agents.push(
        ...(await Promise.all(
          Array.from({ length: 100 }, (_, at) => agentOf(urlOf(hub), `agent-${wave * 100 + at}`, SHARED)),
        )),
      );
    }
    const grants = await Promise.all(
      agents.map((agent, at) => agent.call("claim.acquire", { claim: `C-${at}`, ttlMs: 600_000 })),
    );
    expect(new Set(grants.map(({ epoch }) => epoch)).size).toBe(1000);
    const { client, heard } = await plain(hub.port);
    await client.subscribeAsync("holdfast/state/#", { qos: 0 });
    await until(() => new Set(heard.map(({ topic }) => topic)).size >= 2000);
    await Promise.all(agents.map((agent) => agent.close()));
  });
});

const run = promisify(execFile);
const hasClients = await run("mosquitto_pub", ["--help"]).then(
  () => true,
  (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
);

test.skipIf(!hasClients)(
  "a shell claims, renews and releases (needs mosquitto's clients)",
  async () => {
    const hub = await hubOf({ verify });
    const script = join(import.meta.dirname, "../../transports/mqtt/examples/claim.sh");
    const { stdout } = await run(script, ["127.0.0.1", String(hub.port), "shelly", "S-1", "src/**"], {
      env: { ...process.env, HOLDFAST_TOKEN: "token-of-shelly" },
    });
    const answers = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(answers.map(({ id, error }) => [id, error])).toEqual(
      ["open", "claim", "renew", "release", "close"].map((id) => [id, undefined]),
    );
    expect((await eventsOf(hub)).map(({ type }) => type)).toEqual(
      expect.arrayContaining(["claim.granted", "claim.renewed", "claim.released"]),
    );
  },
  60_000,
);
