/**
 * The embedded broker as a general MQTT 3.1.1 broker: what any client may expect of it on topics of its own, and what a
 * hostile or frozen one may not do to others.
 */
import { once } from "node:events";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import {
  brokerOf,
  connectPacket,
  endAll,
  type Heard,
  packet,
  pause,
  plain,
  raw,
  text,
  until,
} from "./mqtt-rig.ts";

afterEach(endAll);

const shown = (heard: readonly Heard[]) => heard.map(({ topic, text, qos }) => `${topic}=${text}@${qos}`);

describe("topics of one's own", () => {
  test("each pair of qualities of service delivers once, at the lower of them", async () => {
    const { port } = await brokerOf();
    const sender = await plain(port);
    for (const wanted of [0, 1, 2] as const) {
      const { client, heard } = await plain(port);
      await client.subscribeAsync("free/+/x", { qos: wanted });
      for (const qos of [0, 1, 2] as const) await sender.client.publishAsync("free/a/x", `q${qos}`, { qos });
      await until(() => heard.length >= 3);
      await pause(30);
      expect(heard.map(({ text, qos }) => [text, qos]).sort()).toEqual([
        ["q0", 0],
        ["q1", Math.min(1, wanted)],
        ["q2", Math.min(2, wanted)],
      ]);
      await client.endAsync();
    }
  });

  test("loses nothing and repeats nothing where qualities, retained or not, are mixed in a burst", async () => {
    const { port } = await brokerOf();
    const sender = await plain(port);
    const { client, heard } = await plain(port);
    // Both filters match: each message comes once.
    await client.subscribeAsync({ "mix/#": { qos: 2 }, "mix/+": { qos: 2 } });
    const sent = Array.from({ length: 600 }, (_, at) => ({
      at,
      qos: ((at * 7) % 3) as 0 | 1 | 2,
      retain: at % 5 === 0,
    }));
    await Promise.all(
      sent.map(({ at, qos, retain }) =>
        sender.client.publishAsync(`mix/${at % 4}`, String(at), { qos, retain }),
      ),
    );
    await until(() => heard.length >= sent.length, "all arrive");
    await pause(50);
    expect(heard.map(({ text }) => Number(text)).sort((a, b) => a - b)).toEqual(sent.map(({ at }) => at));
    for (const quality of [0, 1, 2]) {
      const order = heard
        .map(({ text }) => Number(text))
        .filter((at) => sent[at]?.qos === quality && !sent[at]?.retain);
      expect(order).toEqual([...order].sort((a, b) => a - b));
    }
  });

  test("retains, replaces and clears", async () => {
    const { port } = await brokerOf();
    const { client } = await plain(port);
    for (const [topic, words] of [
      ["r/a", "old"],
      ["r/b", "b"],
      ["r/a", "new"],
      ["r/b", ""],
    ] as const) {
      await client.publishAsync(topic, words, { qos: 1, retain: true });
    }
    const late = await plain(port);
    await late.client.subscribeAsync("r/#", { qos: 1 });
    await until(() => late.heard.length > 0);
    await pause(30);
    expect(late.heard.map(({ topic, text, retain }) => [topic, text, retain])).toEqual([
      ["r/a", "new", true],
    ]);
    await client.publishAsync("r/a", "live", { qos: 1, retain: true });
    await until(() => late.heard.length > 1);
    expect(late.heard[1]).toMatchObject({ text: "live", retain: false });
  });

  test("filters match as the standard says", async () => {
    const { port } = await brokerOf();
    const level = fc.constantFrom("a", "b", "", "c d", "é", "$x");
    const topics = fc.uniqueArray(
      fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/")),
      { minLength: 3, maxLength: 12 },
    );
    const wild = fc.array(fc.oneof(level, fc.constant("+")), { minLength: 1, maxLength: 4 });
    const filters = fc
      .tuple(wild, fc.boolean())
      .map(([levels, more]) => [...levels, ...(more ? ["#"] : [])].join("/"))
      .filter((filter) => filter !== "");
    const sender = await plain(port);
    await fc.assert(
      fc.asyncProperty(topics, filters, async (names, filter) => {
        const usable = names.filter(
          (name) => name !== "" && !name.startsWith("$") && !name.startsWith("holdfast"),
        );
        const { client, heard } = await plain(port);
        await client.subscribeAsync(filter, { qos: 1 });
        await client.subscribeAsync("the/end", { qos: 1 });
        for (const name of usable) sender.client.publish(name, name, { qos: 1 });
        await sender.client.publishAsync("the/end", "", { qos: 1 });
        await until(() => heard.some(({ topic }) => topic === "the/end"));
        const ended = heard.filter(({ topic, text }) => topic !== "the/end" || text !== "");
        expect(ended.map(({ text }) => text).sort()).toEqual(
          usable.filter((name) => expected(filter, name)).sort(),
        );
        await client.endAsync(true);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test("keeps a session for who comes back, and no more than its bound", async () => {
    const { port } = await brokerOf({ bounds: { brokerQueuedMax: 10 } });
    const first = await plain(port, { clientId: "away", clean: false });
    await first.client.subscribeAsync("post/#", { qos: 1 });
    await first.client.endAsync();
    const sender = await plain(port);
    for (let at = 0; at < 15; at++) await sender.client.publishAsync(`post/${at}`, String(at), { qos: 1 });
    const again = await plain(port, { clientId: "away", clean: false });
    await until(() => again.heard.length >= 10);
    await sender.client.publishAsync("post/now", "now", { qos: 1 });
    await until(() => again.heard.some(({ text }) => text === "now"));
    expect(again.heard.map(({ text }) => text).slice(0, 10)).toEqual([..."0123456789"]);
    expect(again.heard).toHaveLength(11);
    await again.client.endAsync();
    const clean = await plain(port, { clientId: "away", clean: true });
    await sender.client.publishAsync("post/later", "later", { qos: 1 });
    await pause(50);
    expect(clean.heard).toEqual([]);
  });

  test("a will is published when its client breaks, not when it says goodbye", async () => {
    const { port } = await brokerOf();
    const watcher = await plain(port);
    await watcher.client.subscribeAsync("wills/#", { qos: 1 });
    const will = (topic: string) => ({
      will: { topic, payload: Buffer.from("dead"), qos: 1 as const, retain: false },
    });
    const polite = await plain(port, will("wills/polite"));
    await polite.client.endAsync();
    const broken = await plain(port, will("wills/broken"));
    broken.client.stream.destroy();
    await until(() => watcher.heard.length > 0);
    await pause(50);
    expect(shown(watcher.heard)).toEqual(["wills/broken=dead@1"]);
  });

  test("a second client of an id takes the place of the first, but not of another user's", async () => {
    const { port } = await brokerOf();
    const alice = await plain(port, { clientId: "same", username: "alice" });
    const bob = await plain(port, { clientId: "same", username: "bob" });
    await pause(30);
    expect([alice.client.connected, bob.client.connected]).toEqual([true, true]);
    const closed = new Promise((resolve) => alice.client.once("close", () => resolve(undefined)));
    const again = await plain(port, { clientId: "same", username: "alice" });
    await closed;
    expect([again.client.connected, bob.client.connected]).toEqual([true, true]);
  });

  test("refuses shared subscriptions and topics of the broker's own", async () => {
    const { port } = await brokerOf();
    const sharing = raw(port, connectPacket("s"), packet(0x82, 0, 1, "$share/group/a", 1));
    await pause(100);
    sharing.socket.end();
    expect([...(await sharing.told)]).toEqual([0x20, 2, 0, 0, 0x90, 3, 0, 1, 0x80]);
    const { client, heard } = await plain(port);
    await client.subscribeAsync("#", { qos: 1 });
    await client.publishAsync("$SYS/fake", "x", { qos: 1 });
    await client.publishAsync("real", "y", { qos: 1 });
    await until(() => heard.length > 0);
    expect(shown(heard)).toEqual(["real=y@1"]);
  });
});

describe("hostile bytes", () => {
  const lone = Buffer.from([0xc3, 0x28]);
  const giant = packet(0x30, "t", Buffer.alloc(1024 * 1024 + 1));
  const cases: [string, Uint8Array[]][] = [
    ["noise", [Uint8Array.from({ length: 4096 }, (_, at) => (at * 167 + 13) & 0xff)]],
    ["an HTTP request", [Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")]],
    ["PUBLISH before CONNECT", [packet(0x30, "t", Buffer.from("x"))]],
    ["a second CONNECT", [connectPacket("twice"), connectPacket("twice")]],
    ["a length without end", [connectPacket("len"), Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0xff])]],
    ["a giant", [connectPacket("giant"), giant]],
    ["the promise of a giant", [connectPacket("promise"), Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f])]],
    ["a giant CONNECT", [packet(0x10, Buffer.alloc(300_000))]],
    ["a topic with NUL", [connectPacket("nul"), packet(0x30, "a\0b", Buffer.from("x"))]],
    ["a topic that is no UTF-8", [connectPacket("utf"), packet(0x30, text(lone), Buffer.from("x"))]],
    ["an empty topic", [connectPacket("empty"), packet(0x30, "", Buffer.from("x"))]],
    ["a topic with a wildcard", [connectPacket("wild"), packet(0x30, "a/+", Buffer.from("x"))]],
    ["a filter that is no UTF-8", [connectPacket("sub"), packet(0x82, 0, 1, text(lone), 0)]],
    ["a filter that is none", [connectPacket("bad"), packet(0x82, 0, 1, "a+", 0)]],
    ["another that is none", [connectPacket("bad2"), packet(0x82, 0, 1, "a/#/b", 0)]],
    ["a filter without its quality", [connectPacket("qos"), packet(0x82, 0, 1, "a")]],
    ["quality 3", [connectPacket("q3"), packet(0x36, "t", 0, 1)]],
    ["a client id that is no UTF-8", [packet(0x10, "MQTT", 4, 2, 0, 0, text(lone))]],
    ["a topic longer than its packet", [connectPacket("long"), packet(0x30, 0xff, 0xff, 1)]],
    ["101 levels", [connectPacket("deep"), packet(0x30, "a/".repeat(120), Buffer.from("x"))]],
  ];

  test.each(cases)("%s ends that client only", async (_name, says) => {
    const { port } = await brokerOf();
    const other = await plain(port);
    await other.client.subscribeAsync("ok", { qos: 1 });
    await raw(port, ...says).told;
    await other.client.publishAsync("ok", "still", { qos: 1 });
    await until(() => other.heard.length > 0);
    expect(other.heard).toHaveLength(1);
  });

  test("an empty client id needs a clean session, a version must be known", async () => {
    const { port } = await brokerOf();
    expect([...(await raw(port, connectPacket("", 0)).told)]).toEqual([0x20, 2, 0, 2]);
    expect([...(await raw(port, packet(0x10, "MQTT", 5, 2, 0, 0, 0, "v5")).told)].slice(0, 4)).toEqual([
      0x20, 2, 0, 1,
    ]);
    const anonymous = raw(port, connectPacket(""), packet(0xe0));
    expect([...(await anonymous.told)]).toEqual([0x20, 2, 0, 0]);
  });

  test("who says nothing is cut, and so is who drips", async () => {
    const { port } = await brokerOf({ bounds: { handshakeMs: 200 } });
    const dripping = raw(port, connectPacket("drip").subarray(0, 3));
    const drip = setInterval(() => dripping.socket.write(Buffer.from([0])), 50);
    await Promise.all([raw(port).told, dripping.told]);
    clearInterval(drip);
  });

  test("packets may come byte by byte, or many at once", async () => {
    const { port } = await brokerOf();
    const bytes = Buffer.concat([
      connectPacket("bytes"),
      packet(0x82, 0, 1, "é/#", 0),
      packet(0xc0),
      packet(0x30, "é/1", Buffer.from("one")),
      packet(0x30, "é/2", Buffer.from("x".repeat(300))),
    ]);
    for (const sizes of [1, 7, bytes.length]) {
      const { socket, told } = raw(port);
      for (let at = 0; at < bytes.length; at += sizes) {
        socket.write(bytes.subarray(at, at + sizes));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await pause(150);
      socket.end(packet(0xe0));
      const heard = (await told).toString("latin1");
      expect(heard).toContain("one");
      expect(heard).toContain("x".repeat(300));
    }
  });
});

test("a frozen subscriber costs the others a moment once, and is cut", async () => {
  const { port } = await brokerOf({ bounds: { brokerBufferBytesMax: 256 * 1024, brokerDrainMs: 300 } });
  const frozen = raw(port, connectPacket("frozen"), packet(0x82, 0, 1, "flood/#", 0));
  await once(frozen.socket, "data");
  await pause(50);
  frozen.socket.pause();
  const healthy = await plain(port);
  await healthy.client.subscribeAsync("flood/#", { qos: 0 });
  const sender = await plain(port);
  const words = "f".repeat(32 * 1024);
  const started = performance.now();
  for (let at = 0; at < 600; at++) await sender.client.publishAsync("flood/x", words, { qos: 1 });
  await until(() => healthy.heard.length >= 600);
  expect(performance.now() - started).toBeLessThan(15_000);
  frozen.socket.resume();
  await frozen.told;
}, 60_000);

/** MQTT 3.1.1, 4.7, by regular expression. */
function expected(filter: string, topic: string): boolean {
  const source = filter
    .split("/")
    .map((level) =>
      level === "+" ? "[^/]*" : level === "#" ? ".*" : level.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"),
    )
    .join("/")
    .replace(/\/\.\*$/, "(/.*)?");
  return new RegExp(`^${source}$`).test(topic);
}
