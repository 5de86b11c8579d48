/**
 * The table of transports, and what the in-memory one does beyond the contract.
 */
import { expect, test } from "vitest";
import type { Connection, Frame } from "../../core/ports/transport.ts";
import { connect, listen, transports } from "../../transports/index.ts";
import { memoryPair } from "../../transports/memory/index.ts";

test.each(["", "nonsense", "gopher://hub", "constructor:x", "__proto__:x"])(
  "refuses the url %j",
  async (url) => {
    const known = { code: "usage", fields: { known: Object.keys(transports) } };
    await expect(connect(url)).rejects.toMatchObject(known);
    await expect(listen(url, {}, () => undefined)).rejects.toMatchObject(known);
  },
);

test("says what can only be called", async () => {
  await expect(listen("wss://127.0.0.1:0", {}, () => undefined)).rejects.toMatchObject({ code: "usage" });
});

test("a name in memory is taken once, and free again", async () => {
  const accepted: Connection[] = [];
  const listener = await listen("memory:hub", {}, (connection) => accepted.push(connection));
  await expect(listen("memory:hub", {}, () => undefined)).rejects.toMatchObject({ fields: { taken: true } });
  const caller = await connect("memory:hub", { token: "t", codec: "msgpack" });
  expect(accepted.map(({ peer, codec }) => ({ ...peer, codec }))).toEqual([
    { transport: "memory", loopback: true, token: "t", codec: "msgpack" },
  ]);
  expect(caller.peer).toEqual({ transport: "memory", loopback: true, address: "hub" });
  await listener.close();
  await expect(connect("memory:hub")).rejects.toMatchObject({ code: "hub.unreachable" });
});

test("two ends in memory that never rest still let timers run", async () => {
  const [first, second] = memoryPair();
  const echo = (connection: Connection): void =>
    connection.receive({ frame: (frame: Frame) => connection.send(frame), drained() {}, closed() {} });
  echo(first);
  echo(second);
  first.send("1");
  await new Promise((resolve) => setTimeout(resolve, 5));
  first.close("goodbye");
});
