/**
 * Frames on standard input and output: a command that speaks for a hub, and what may come down a pipe.
 */
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { openEngineOnLog } from "../../adapters/node/engine.ts";
import { limits } from "../../core/limits.ts";
import type { Closed, Connection, Frame } from "../../core/ports/transport.ts";
import { connect, listen, wordsOf } from "../../transports/ndjson/stdio.ts";

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A hub on a pair of pipes, and everything it said. */
async function hub() {
  const { engine, close } = await openEngineOnLog({ log: "memory:" });
  endings.push(close);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const listener = await listen("stdio:", { stdio: { input, output } }, engine.accept.bind(engine));
  endings.push(() => listener.close());
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever fields they expect
  const said: any[] = [];
  let text = "";
  output.on("data", (chunk: Buffer) => {
    const lines = (text + chunk.toString()).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) said.push(JSON.parse(line));
  });
  return { input, output, said, listener, engine };
}

function call(id: number, method: string, params: object = {}): string {
  return `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`;
}

async function until(holds: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + 15_000;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error(`Waited in vain: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function heardBy(connection: Connection): { frames: Frame[]; closed: Closed[] } {
  const heard: { frames: Frame[]; closed: Closed[] } = { frames: [], closed: [] };
  connection.receive({
    frame: (frame) => heard.frames.push(frame),
    drained: () => undefined,
    closed: (how) => heard.closed.push(how),
  });
  return heard;
}

describe("a hub on its standard streams", () => {
  test("answers lines with lines, however they are cut", async () => {
    const { input, said } = await hub();
    const text = call(1, "session.open", { agent: "ann" }) + call(2, "decision.record", { text: "ä€😀" });
    for (const byte of Buffer.from(text)) input.write(Uint8Array.of(byte));
    input.write(`\r\n\n${call(3, "decisions.list").trimEnd()}\r\n`);
    await until(() => said.length === 3);
    expect(said[2].result.items).toMatchObject([{ text: "ä€😀" }]);
  });

  test("answers what is no frame, and goes on", async () => {
    const { input, said } = await hub();
    input.write(call(1, "session.open", { agent: "ann" }));
    input.write("garbage\n[]\n");
    input.write(Uint8Array.of(0x22, 0xff, 0x22, 0x0a));
    input.write(`"${"x".repeat(limits.frameBytesMax)}"\n`);
    for (let at = 0; at < 20; at++) input.write("y".repeat(limits.frameBytesMax));
    input.write(`\n${"[".repeat(10_000)}\n`);
    input.write(call(2, "claims.list"));
    await until(() => said.some(({ id }) => id === 2));
    const problems = said.filter(({ id }) => id === null).map(({ error }) => error.code);
    expect(problems.sort()).toEqual([-32600, -32600, -32600, -32700, -32700, -32700].sort());
  });

  test("ends with its input, and its listener ends it", async () => {
    const first = await hub();
    first.input.write(call(1, "session.open", { agent: "ann" }));
    await until(() => first.said.length === 1);
    first.input.end();
    await once(first.output, "close");
    const second = await hub();
    second.input.write(call(1, "session.open", { agent: "ann" }));
    await until(() => second.said.length === 1);
    await second.listener.close();
    expect(second.output.destroyed).toBe(true);
  });

  test("is not to be told where", async () => {
    await expect(listen("stdio:cat", {}, () => undefined)).rejects.toMatchObject({ code: "usage" });
  });
});

describe("a command that speaks for a hub", () => {
  const node = (script: string) => `stdio:${process.execPath} -e "${script}"`;

  test("hears and is heard", async () => {
    const connection = await connect(node("process.stdin.pipe(process.stdout)"));
    const heard = heardBy(connection);
    connection.send('{\n"a": "b"}');
    await until(() => heard.frames.length === 1);
    expect(heard.frames).toEqual(['{ "a": "b"}']);
    connection.close("goodbye");
    await until(() => heard.closed.length === 1);
  });

  test("that ends is told as broken; garbage of its own is passed over", async () => {
    const connection = await connect(node("process.stdout.write(Buffer.from([255,10,49,10]))"));
    const heard = heardBy(connection);
    await until(() => heard.closed.length === 1);
    expect(heard).toEqual({ frames: ["1"], closed: [{ goodbye: false, reason: "broken" }] });
  });

  test("that ends is heard out, also by who listens late", async () => {
    const connection = await connect(
      node("for(let i=0;i<3000;i++)process.stdout.write(i+'p'.repeat(30)+String.fromCharCode(10))"),
    );
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const heard = heardBy(connection);
    await until(() => heard.closed.length === 1);
    expect(heard.frames.map((frame) => Number.parseInt(String(frame), 10))).toEqual(
      Array.from({ length: 3000 }, (_, i) => i),
    );
  });

  test("that hears nothing more and says nothing is given up", async () => {
    const connection = await connect(
      node("require('fs').closeSync(0);console.log(1);setInterval(()=>0,1000)"),
    );
    const heard = heardBy(connection);
    await until(() => heard.frames.length === 1);
    for (let i = 0; i < 3; i++) connection.send("{}");
    await until(() => heard.closed.length === 1);
    expect(heard.closed).toEqual([{ goodbye: false, reason: "broken" }]);
  });

  test("that stays is killed", async () => {
    const connection = await connect(
      node("process.on('SIGTERM',()=>0);setInterval(()=>0,1000);console.log(process.pid)"),
    );
    const heard = heardBy(connection);
    await until(() => heard.frames.length === 1);
    connection.close("goodbye");
    const alive = (): boolean => {
      try {
        return process.kill(Number(heard.frames[0]), 0);
      } catch {
        return false;
      }
    };
    await until(() => !alive());
  });

  test("that cannot be started is unreachable", async () => {
    await expect(connect("stdio:/no/such/command x")).rejects.toMatchObject({ code: "hub.unreachable" });
    await expect(connect("stdio:  ")).rejects.toMatchObject({ code: "usage" });
  });

  test("is written as in a shell, without one", () => {
    expect(wordsOf(`a  "b c" 'd "e"' f\\ g "h\\"i" '' x"y"z $HOME ;`)).toEqual([
      "a",
      "b c",
      'd "e"',
      "f g",
      'h"i',
      "",
      "xyz",
      "$HOME",
      ";",
    ]);
    expect(wordsOf("  ")).toEqual([]);
  });
});
