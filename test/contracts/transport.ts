/**
 * The contract of a transport, as a suite: whoever implements the port runs it over their own.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { limits } from "../../core/limits.ts";
import type {
  Abilities,
  Accept,
  Closed,
  Connection,
  ConnectOptions,
  Frame,
  Listener,
} from "../../core/ports/transport.ts";

/** One transport, set up in a place of its own. */
export interface TransportPlace {
  /** Listens at a url of an earlier listener of this place, or at a fresh one. */
  listen(accept: Accept, url?: string): Promise<Listener>;
  connect(url: string, options: ConnectOptions): Promise<Connection>;
  /** Removes what the place left behind. */
  close(): Promise<void>;
}

/** Everything one end was told, in order. */
interface Heard {
  readonly frames: Frame[];
  readonly closed: Closed[];
  drained: number;
}

interface Pair {
  readonly hub: Connection;
  readonly caller: Connection;
}

const WAIT_MS = 20_000;

/**
 * Holds a transport to the contract of the port; cases that need an ability run only where it is
 * declared.
 */
export function transportContract(
  name: string,
  abilities: Abilities,
  make: () => Promise<TransportPlace>,
): void {
  describe(`${name} keeps the contract of a transport`, { timeout: 60_000 }, () => {
    let place: TransportPlace;
    let listener: Listener;
    const accepted: Connection[] = [];
    const callers: Connection[] = [];

    beforeEach(async () => {
      place = await make();
      accepted.length = 0;
      callers.length = 0;
      listener = await place.listen((connection) => accepted.push(connection));
    });

    afterEach(async () => {
      for (const caller of callers) caller.close("goodbye");
      await listener.close();
      await place.close();
    });

    const call = async (options: ConnectOptions = {}): Promise<Pair> => {
      const known = accepted.length;
      const url = listener.urls[0];
      if (url === undefined) throw new Error("the listener has no url");
      const caller = await place.connect(url, { agent: `caller-${callers.length + 1}`, ...options });
      callers.push(caller);
      await until(() => accepted.length > known, "the hub accepts");
      return { caller, hub: accepted[known] as Connection };
    };

    carries(abilities, call);
    closes(abilities, call);
    if (abilities.backpressure) pushesBack(call);

    test("keeps two connections apart", async () => {
      const one = await call();
      const two = await call();
      const [oneHeard, twoHeard] = [listenTo(one.caller), listenTo(two.caller)];
      listenTo(one.hub);
      const twoHubHeard = listenTo(two.hub);
      one.hub.send('"for one"');
      two.hub.send('"for two"');
      await until(() => oneHeard.frames.length > 0 && twoHeard.frames.length > 0, "both hear");
      one.caller.close("goodbye");
      await until(() => oneHeard.closed.length > 0, "one closes");
      two.caller.send('"still here"');
      await until(() => twoHubHeard.frames.length > 0, "two is heard");
      expect([oneHeard.frames, twoHeard.frames]).toEqual([['"for one"'], ['"for two"']]);
      expect(twoHeard.closed).toEqual([]);
    });

    test("ends every connection and frees its place when the listener closes", async () => {
      const pairs = [await call(), await call(), await call()];
      const heard = pairs.flatMap(({ hub, caller }) => [listenTo(hub), listenTo(caller)]);
      const url = listener.urls[0] as string;
      await listener.close();
      await until(() => heard.every(({ closed }) => closed.length === 1), "all are told");
      for (const { closed } of heard) {
        expect(closed[0]?.goodbye).toBe(false);
        if (abilities.reasons) expect(closed[0]?.reason).toMatch(/^shutting-down\b/);
      }
      await expect(place.connect(url, { agent: "late", timeoutMs: 1000 })).rejects.toMatchObject({
        code: "hub.unreachable",
      });
      listener = await place.listen((connection) => accepted.push(connection), url);
      expect(listener.urls).toEqual([url]);
      const { hub, caller } = await call();
      const again = listenTo(hub);
      caller.send('"again"');
      await until(() => again.frames.length > 0, "the new listener hears");
    });
  });
}

type Call = (options?: ConnectOptions) => Promise<Pair>;

function carries(abilities: Abilities, call: Call): void {
  test("carries texts whole and unchanged, both ways", async () => {
    const { hub, caller } = await call();
    const [hubHeard, callerHeard] = [listenTo(hub), listenTo(caller)];
    const texts = [
      "0",
      "{}",
      '"ä€😀\\u2028\u2028 \\n \\u0000"',
      JSON.stringify("x".repeat(125)),
      ...sizedTexts(),
    ];
    for (const text of texts) {
      caller.send(text);
      hub.send(text);
      await until(
        () => hubHeard.frames.length > 0 && callerHeard.frames.length > 0,
        `a frame of ${text.length}`,
      );
      expect(hubHeard.frames.splice(0).every((frame) => frame === text)).toBe(true);
      expect(callerHeard.frames.splice(0).every((frame) => frame === text)).toBe(true);
    }
  });

  test.runIf(abilities.binary)("carries bytes whole and unchanged, both ways", async () => {
    const { hub, caller } = await call({ codec: "msgpack" });
    expect([hub.codec, caller.codec]).toEqual(["msgpack", "msgpack"]);
    const [hubHeard, callerHeard] = [listenTo(hub), listenTo(caller)];
    for (const size of [1, 125, 126, 65_535, 65_536, limits.frameBytesMax - 1, limits.frameBytesMax]) {
      const bytes = Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8)) & 0xff);
      caller.send(bytes);
      hub.send(bytes);
      await until(() => hubHeard.frames.length > 0 && callerHeard.frames.length > 0, `${size} bytes`);
      for (const frame of [...hubHeard.frames.splice(0), ...callerHeard.frames.splice(0)]) {
        expect(frame).toBeInstanceOf(Uint8Array);
        expect(Buffer.compare(frame as Uint8Array, bytes)).toBe(0);
      }
    }
  });

  test("speaks JSON unless told otherwise", async () => {
    const { hub, caller } = await call();
    expect([hub.codec, caller.codec]).toEqual(["json", "json"]);
  });

  test("keeps 10,000 frames in order, both ways at once", async () => {
    const { hub, caller } = await call();
    const [hubHeard, callerHeard] = [listenTo(hub), listenTo(caller)];
    const sent = Array.from({ length: 10_000 }, (_, at) => JSON.stringify({ at, pad: "p".repeat(at % 97) }));
    for (const [at, text] of sent.entries()) {
      caller.send(text);
      hub.send(text);
      if (at % 500 === 499) await turn();
    }
    await until(() => hubHeard.frames.length + callerHeard.frames.length >= 20_000, "all arrive");
    expect(hubHeard.frames).toEqual(sent);
    expect(callerHeard.frames).toEqual(sent);
  });

  test("sends one frame to many connections", async () => {
    const pairs = [await call(), await call(), await call()];
    const heard = pairs.map(({ caller }) => listenTo(caller));
    const texts = ['"ä€😀"', JSON.stringify("y".repeat(300)), JSON.stringify("€".repeat(30_000))];
    for (const text of texts) for (const { hub } of pairs) hub.send(text);
    await until(() => heard.every(({ frames }) => frames.length >= texts.length), "all hear");
    for (const { frames } of heard) expect(frames.every((frame, at) => frame === texts[at])).toBe(true);
  });

  test("delivers frames that came before there was a receiver", async () => {
    const { hub, caller } = await call();
    for (const text of ["1", "2", "3"]) {
      caller.send(text);
      hub.send(text);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [hubHeard, callerHeard] = [listenTo(hub), listenTo(caller)];
    await until(() => hubHeard.frames.length + callerHeard.frames.length >= 6, "all arrive");
    expect([hubHeard.frames, callerHeard.frames]).toEqual([
      ["1", "2", "3"],
      ["1", "2", "3"],
    ]);
  });

  test("never delivers from within send or receive", async () => {
    const { hub, caller } = await call();
    const heard = listenTo(caller);
    let within = false;
    let entered = false;
    const frames: Frame[] = [];
    const guarded = (run: () => void): void => {
      within = true;
      run();
      within = false;
    };
    guarded(() =>
      hub.receive({
        frame(frame) {
          entered ||= within;
          frames.push(frame);
          guarded(() => hub.send(frame));
        },
        drained: () => undefined,
        closed: () => undefined,
      }),
    );
    guarded(() => caller.send("1"));
    guarded(() => caller.send("2"));
    await until(() => heard.frames.length >= 2, "the echo");
    expect(entered).toBe(false);
    expect([frames, heard.frames]).toEqual([
      ["1", "2"],
      ["1", "2"],
    ]);
  });
}

function closes(abilities: Abilities, call: Call): void {
  const ends = [
    { closing: "caller", reason: "goodbye" },
    { closing: "hub", reason: "goodbye" },
    { closing: "caller", reason: "failed" },
    { closing: "hub", reason: "taken-over" },
    { closing: "hub", reason: "refused" },
  ] as const;

  test.each(ends)("tells both ends once when the $closing closes: $reason", async ({ closing, reason }) => {
    const pair = await call();
    const near = closing === "hub" ? pair.hub : pair.caller;
    const far = closing === "hub" ? pair.caller : pair.hub;
    const [nearHeard, farHeard] = [listenTo(near), listenTo(far)];
    near.close(reason, "in words");
    expect(nearHeard.closed).toEqual([]);
    near.close("failed", "closing again does nothing");
    near.send('"too late"');
    await until(() => nearHeard.closed.length > 0 && farHeard.closed.length > 0, "both are told");
    far.send('"too late"');
    far.close("goodbye");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(nearHeard).toMatchObject({ frames: [], closed: [{ goodbye: reason === "goodbye" }] });
    expect(nearHeard.closed[0]?.reason).toBe(`${reason}: in words`);
    expect(farHeard).toMatchObject({ frames: [], closed: [{}] });
    if (abilities.goodbye) expect(farHeard.closed[0]?.goodbye).toBe(reason === "goodbye");
    if (abilities.reasons) expect(farHeard.closed[0]?.reason).toMatch(new RegExp(`^${reason}\\b`));
    expect([near.bufferedBytes, far.bufferedBytes].every(Number.isFinite)).toBe(true);
  });

  test("delivers nothing after close, also in the middle of a burst", async () => {
    const { hub, caller } = await call();
    const frames: Frame[] = [];
    const closed: Closed[] = [];
    hub.receive({
      frame(frame) {
        frames.push(frame);
        if (frames.length === 3) hub.close("refused");
      },
      drained: () => undefined,
      closed: (how) => closed.push(how),
    });
    const heard = listenTo(caller);
    for (let at = 0; at < 100; at++) caller.send(String(at));
    await until(() => heard.closed.length > 0 && closed.length > 0, "both are told");
    expect(frames).toEqual(["0", "1", "2"]);
    expect(closed).toHaveLength(1);
  });

  test("tells an end that was closed before it had a receiver", async () => {
    const { hub, caller } = await call();
    const hubHeard = listenTo(hub);
    caller.close("goodbye");
    await until(() => hubHeard.closed.length > 0, "the hub is told");
    const callerHeard = listenTo(caller);
    await until(() => callerHeard.closed.length > 0, "the caller is told");
    await turn();
    expect([hubHeard.closed.length, callerHeard.closed.length]).toEqual([1, 1]);
  });

  test("tells an end once that closes before it has a receiver", async () => {
    const { caller } = await call();
    caller.close("failed");
    const heard = listenTo(caller);
    expect(heard.closed).toEqual([]);
    await until(() => heard.closed.length > 0, "the caller is told");
    await turn();
    expect(heard.closed).toEqual([{ goodbye: false, reason: "failed" }]);
  });

  test.runIf(abilities.flushes)("still brings what was sent before close", async () => {
    const { hub, caller } = await call();
    const heard = listenTo(caller);
    const texts = Array.from({ length: 50 }, (_, at) => JSON.stringify({ at, pad: "p".repeat(10_000) }));
    for (const text of texts) hub.send(text);
    hub.close("goodbye");
    await until(() => heard.closed.length > 0, "the caller is told");
    expect(heard.frames).toEqual(texts);
  });

  test("survives a frame over the limit: an error or a close, and the next caller is served", async () => {
    const { hub, caller } = await call();
    const [hubHeard, callerHeard] = [listenTo(hub), listenTo(caller)];
    caller.send(JSON.stringify("x".repeat(limits.frameBytesMax)));
    await until(() => hubHeard.closed.length + callerHeard.frames.length > 0, "it is answered");
    expect(hubHeard.frames).toEqual([]);
    const next = await call();
    const heard = listenTo(next.hub);
    next.caller.send("1");
    await until(() => heard.frames.length > 0, "the next is heard");
  });
}

function pushesBack(call: Call): void {
  const FRAMES_MAX = 6000;
  const text = JSON.stringify("b".repeat(16 * 1024));

  test.each(["hub", "caller"] as const)(
    "shows the %s a peer that does not read, and its room later",
    async (side) => {
      const pair = await call();
      const [writer, reader] = side === "hub" ? [pair.hub, pair.caller] : [pair.caller, pair.hub];
      const written = listenTo(writer);
      let sent = 0;
      while (writer.bufferedBytes <= limits.connectionBufferBytesMax && sent < FRAMES_MAX) {
        writer.send(text);
        sent += 1;
        // Once it is full nobody must wait: a medium may take it all in that moment.
        const full = writer.bufferedBytes > limits.connectionBufferBytesMax;
        if (sent % 16 === 0 && !full) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(writer.bufferedBytes).toBeGreaterThan(limits.connectionBufferBytesMax);
      expect(writer.bufferedBytes).toBeLessThan(limits.connectionBufferBytesMax + 2 * text.length);
      expect(written.drained).toBe(0);
      const read = listenTo(reader);
      await until(() => written.drained > 0, "there is room again");
      expect(writer.bufferedBytes).toBeLessThanOrEqual(limits.connectionBufferBytesMax);
      writer.send('"the last"');
      await until(() => read.frames.length > sent, "all arrive");
      expect(written.drained).toBe(1);
      expect(read.frames).toHaveLength(sent + 1);
      expect(read.frames.slice(0, sent).every((frame) => frame === text)).toBe(true);
      expect(written.closed).toEqual([]);
    },
  );

  test("says nothing of room where it never lacked", async () => {
    const { hub, caller } = await call();
    const [hubHeard, callerHeard] = [listenTo(hub), listenTo(caller)];
    for (let at = 0; at < 20; at++) hub.send(text);
    await until(() => callerHeard.frames.length >= 20, "all arrive");
    await turn();
    expect(hubHeard.drained).toBe(0);
    expect(hub.bufferedBytes).toBe(0);
  });
}

/** Texts of exactly the sizes where media change their framing, up to the limit. */
function sizedTexts(): string[] {
  return [126, 65_535, 65_536, limits.frameBytesMax - 1, limits.frameBytesMax].map((size) => {
    const wide = "€".repeat(Math.floor((size - 2) / 3));
    return `"${wide}${"x".repeat((size - 2) % 3)}"`;
  });
}

function listenTo(connection: Connection): Heard {
  const heard: Heard = { frames: [], closed: [], drained: 0 };
  connection.receive({
    frame: (frame) => heard.frames.push(frame),
    drained: () => {
      heard.drained++;
    },
    closed: (how) => heard.closed.push(how),
  });
  return heard;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
