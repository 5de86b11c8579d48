/**
 * The spool: agents that only write files, whatever their file system, their crashes or their malice
 * do to the files.
 */
import { execFile } from "node:child_process";
import {
  appendFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connect } from "../../adapters/node/connect.ts";
import { openEngineOnLog } from "../../adapters/node/engine.ts";
import type { Engine } from "../../core/engine/engine.ts";
import { limits } from "../../core/limits.ts";
import type { Listener } from "../../core/ports/transport.ts";
import { listen, type SpoolListenOptions } from "../../transports/ndjson/index.ts";
import { agentOf, folderOf } from "../../transports/ndjson/place.ts";

const run = promisify(execFile);
let root: string;
let engine: Engine;
let closeEngine: () => Promise<void>;
let listener: Listener;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "holdfast-spool-"));
  ({ engine, close: closeEngine } = await openEngineOnLog({ log: "memory:" }));
  await serve();
});

afterEach(async () => {
  await listener.close();
  await closeEngine();
  await rm(root, { recursive: true, force: true });
});

async function serve(spool: SpoolListenOptions["spool"] = {}): Promise<void> {
  listener = await listen(
    `ndjson:${root}`,
    { spool: { spoolPollMs: 5, spoolRestMs: 20, ...spool } },
    (connection) => engine.accept(connection),
  );
}

const path = (agent: string, name = "requests.ndjson") => join(root, folderOf(agent), name);

function call(id: number | string, method: string, params: object = {}): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}
const claim = (name: string, more: object = {}) =>
  call(name, "claim.acquire", { claim: name, scope: { paths: [`${name}/**`] }, ...more });

async function write(agent: string, ...lines: string[]): Promise<void> {
  await mkdir(join(root, folderOf(agent)), { recursive: true });
  await appendFile(path(agent), lines.map((line) => `${line}\n`).join(""));
}

// biome-ignore lint/suspicious/noExplicitAny: tests look at whatever fields they expect
type Reply = any;

async function replies(agent: string): Promise<Reply[]> {
  const text = await readFile(path(agent, "responses.ndjson"), "utf8").catch(() => "");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** The reply to an id, once it is there. */
async function reply(agent: string, id: number | string | null): Promise<Reply> {
  let found: Reply;
  await until(async () => {
    found = (await replies(agent)).find((one) => one.id === id);
    return found !== undefined;
  }, `a reply to ${id} for ${agent}`);
  return found;
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = performance.now() + 15_000;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** That the hub still serves others. */
async function stillServes(): Promise<void> {
  const id = `healthy-${Math.floor(performance.now() * 1000)}`;
  await write("healthy", call(id, "claims.list"));
  expect((await reply("healthy", id)).result).toBeDefined();
}

describe("an agent that only writes files", () => {
  test("has the whole protocol, without opening a session", async () => {
    await write("ann", claim("one"));
    const { result } = await reply("ann", "one");
    expect(result).toMatchObject({ claim: "one", epoch: expect.any(Number) });
    await write(
      "ann",
      `[${call(2, "claim.renew", { claim: "one", epoch: result.epoch })},${call(3, "claims.list")}]`,
    );
    expect(await reply("ann", 2)).toMatchObject({ result: { claim: "one" } });
    expect((await reply("ann", 3)).result.items).toMatchObject([{ claim: "one", holder: "ann" }]);
    expect((await replies("ann")).map(({ id }) => id).sort()).toEqual([2, 3, "one"]);
  });

  test("may open one itself, but only as who it is", async () => {
    await write("ann", call("o", "session.open", { agent: "ann", role: "builder" }), claim("a"));
    expect((await reply("ann", "o")).result).toMatchObject({ agent: "ann", protocol: 1 });
    expect((await reply("ann", "a")).result).toMatchObject({ claim: "a" });
    await write("bob", call("o", "session.open", { agent: "ann" }));
    expect((await reply("bob", "o")).error.data).toMatchObject({ code: "session.not-you" });
  });

  test("may have any name", async () => {
    for (const name of ["../up", ".hub", "..", "a/b", "ä ö", "100%", "x".repeat(64)]) {
      const folder = folderOf(name);
      expect(folder).not.toMatch(/[/\\]|^\./);
      expect(agentOf(folder)).toBe(name);
      await write(name, call(1, "claims.list"));
      expect((await reply(name, 1)).result).toBeDefined();
    }
    expect(() => folderOf("x".repeat(65))).toThrow();
    for (const folder of ["a b", "%61", "%zz", "%2e", ".x", "a%2fb"]) expect(agentOf(folder)).toBeUndefined();
  });

  test("follows the log", async () => {
    await write("ann", call("f", "log.follow", { after: 0 }));
    await reply("ann", "f");
    await write("bob", claim("b"));
    await until(
      async () => (await replies("ann")).some((one) => one.params?.events?.[0]?.claim === "b"),
      "the entry",
    );
  });

  test("is a client like any other through connect(url)", async () => {
    const [ann, bob] = await Promise.all(
      ["ann", "bob"].map((agent) => connect(`ndjson:${root}?agent=${agent}`, { agent })),
    );
    const granted = (await ann?.call("claim.acquire", { claim: "c", scope: { paths: ["c/**"] } })) as {
      epoch: number;
    };
    await expect(bob?.call("claim.acquire", { claim: "c" })).rejects.toMatchObject({ code: "claim.held" });
    const waited = bob?.call("claim.acquire", { claim: "c", waitMs: 10_000 });
    await ann?.call("claim.release", { claim: "c", epoch: granted.epoch });
    expect(await waited).toMatchObject({ claim: "c" });
    await Promise.all([ann?.close(), bob?.close()]);
    await until(
      async () => (await readdir(root)).every((name) => name === ".hub"),
      "the folders to be cleaned up",
    );
  });

  test("finds no hub where none is", async () => {
    await listener.close();
    await expect(connect(`ndjson:${root}`, { agent: "ann", timeoutMs: 100 })).rejects.toMatchObject({
      code: "hub.unreachable",
    });
    await serve();
  });

  test("is left alone by others' garbage and long waits", async () => {
    await write("bob", claim("held"));
    await reply("bob", "held");
    await write("cid", claim("held", { waitMs: 60_000 }));
    await write("eve", "garbage ".repeat(100_000), ..."x".repeat(2000).split(""));
    const startMs = performance.now();
    await write("ann", call(1, "claims.list"));
    await reply("ann", 1);
    expect(performance.now() - startMs).toBeLessThan(5000);
  });

  test("runs in Python in twenty lines", async (context) => {
    const folder = fileURLToPath(new URL("../../transports/ndjson/examples/", import.meta.url));
    const script =
      "from file_client import FileClient\n" +
      `c = FileClient(${JSON.stringify(root)}, "snake")\n` +
      'g = c.call("claim.acquire", claim="py", scope={"paths": ["py/**"]})["result"]\n' +
      'c.call("claim.renew", claim="py", epoch=g["epoch"])["result"]\n' +
      'print(c.call("claim.release", claim="py", epoch=g["epoch"])["result"]["seq"])\n';
    const found = await run("python3", ["--version"]).catch(() => undefined);
    if (found === undefined) return context.skip("python3 is not installed");
    const { stdout } = await run("python3", ["-B", "-c", script], {
      env: { ...process.env, PYTHONPATH: folder },
    });
    expect(Number(stdout)).toBe(engine.head());
  });
});

describe("a file as it may look to a reader", () => {
  test("a torn last line waits for its rest, a torn one in the middle is reported", async () => {
    await write("ann", call(1, "claims.list"));
    const torn = claim("late");
    await appendFile(path("ann"), torn.slice(0, 30));
    await reply("ann", 1);
    await pause(100);
    expect(await replies("ann")).toHaveLength(1);
    await appendFile(
      path("ann"),
      `${torn.slice(30)}\n{"jsonrpc":"2.0","id":9,"met\n${call(2, "claims.list")}\n`,
    );
    expect((await reply("ann", "late")).result).toMatchObject({ claim: "late" });
    expect((await reply("ann", 2)).result.items).toHaveLength(1);
    expect((await reply("ann", null)).error).toMatchObject({
      code: -32700,
      data: { offset: expect.any(Number) },
    });
  });

  test("lines written twice have one effect", async () => {
    const post = call("p", "message.post", { to: "bob", kind: "chat", body: "once" });
    await write("ann", post, claim("a"), post, claim("a"));
    await until(async () => (await replies("ann")).length === 4, "four replies");
    const seqs = (await replies("ann")).map(({ id, result }) => `${id} ${result.seq}`);
    expect(new Set(seqs).size).toBe(2);
    await write("bob", call(1, "inbox.list"));
    expect((await reply("bob", 1)).result.items).toHaveLength(1);
  });

  test("zeros where bytes are still to come are waited for", async () => {
    const line = `${claim("holey")}\n`;
    await write("ann", call(1, "claims.list"));
    await reply("ann", 1);
    const { size } = await stat(path("ann"));
    await truncate(path("ann"), size + line.length - 1);
    await appendFile(path("ann"), "\n");
    await pause(50);
    const bytes = await readFile(path("ann"));
    bytes.write(line, size);
    await writeFile(path("ann"), bytes, { flag: "r+" });
    expect((await reply("ann", "holey")).result).toMatchObject({ claim: "holey" });
  });

  test("a file replaced under the reader is read from its start, after the rest of the old one", async () => {
    await write("ann", claim("a"));
    await reply("ann", "a");
    await appendFile(path("ann"), `${claim("b")}\n`);
    await writeFile(path("ann", "new"), `${claim("c")}\n`);
    await rename(path("ann", "new"), path("ann"));
    expect((await reply("ann", "c")).result).toMatchObject({ claim: "c" });
  });

  test("a file truncated or written anew in place is noticed", async () => {
    await write("ann", claim("a"), claim("b"));
    await reply("ann", "b");
    await writeFile(path("ann"), `${claim("c")}\n`);
    expect((await reply("ann", "c")).result).toMatchObject({ claim: "c" });
    await writeFile(path("ann"), `${claim("d")}\n${claim("e")}\n${claim("f")}\n${claim("g")}\n`);
    expect((await reply("ann", "g")).result).toMatchObject({ claim: "g" });
    expect((await reply("ann", "d")).result).toMatchObject({ claim: "d" });
  });

  test("a hub started anew neither loses nor repeats", async () => {
    const post = (at: number) =>
      call(`p${at}`, "message.post", { to: "bob", kind: "chat", body: `number ${at}` });
    await write("ann", post(0), post(1));
    await reply("ann", "p1");
    await listener.close();
    await write("ann", post(2), post(3));
    await serve();
    await reply("ann", "p3");
    await rm(join(root, ".hub", "ann.json"));
    await listener.close();
    await serve();
    await write("ann", post(4));
    await reply("ann", "p4");
    await write("bob", call(1, "inbox.list"));
    const bodies = (await reply("bob", 1)).result.items.map(({ body }: { body: string }) => body);
    expect(bodies).toEqual([0, 1, 2, 3, 4].map((at) => `number ${at}`));
  });

  test("a wait that a hub left open is taken up by the next one", async () => {
    await write("bob", claim("held"));
    const { result } = await reply("bob", "held");
    await write("ann", claim("held", { waitMs: 60_000 }));
    await until(() => engine.head() >= 5, "the wait");
    await listener.close();
    await serve();
    await write("bob", call("r", "claim.release", { claim: "held", epoch: result.epoch }));
    expect((await reply("ann", "held")).result).toMatchObject({ claim: "held" });
  });

  test("finished files go, and what was put there meanwhile stays", async () => {
    await write("ann", call(1, "claims.list"));
    await reply("ann", 1);
    await unlink(path("ann"));
    await until(async () => !(await readdir(root)).includes("ann"), "the folder to go");
    await listener.close();
    await serve({ spoolKeptMs: 150, spoolIdleMs: 50 });
    await write("bob", call(1, "claims.list"));
    await reply("bob", 1);
    await until(async () => !(await readdir(root)).includes("bob"), "the folder to go");
    await write("bob", call(2, "claims.list"));
    expect((await reply("bob", 2)).result).toBeDefined();
  });

  test("a batch that is too long is refused as a whole, and whoever sent it is served on", async () => {
    const calls = Array.from({ length: limits.batchMax + 1 }, (_, at) =>
      JSON.parse(call(at + 10, "claims.list")),
    );
    await write("ann", call(1, "claims.list"), JSON.stringify(calls), call(2, "claims.list"));
    expect((await reply("ann", 2)).result).toBeDefined();
    await write("ann", call(3, "claims.list"));
    expect((await reply("ann", 3)).result).toBeDefined();
  });

  test("responses are bounded, and a reader that keeps up loses none", async () => {
    await listener.close();
    await serve({ responsesBytesMax: 20_000, responsesKept: 40 });
    const client = await connect(`ndjson:${root}?agent=ann`, { agent: "ann" });
    for (let at = 0; at < 30; at++) await client.call("decision.record", { text: `${at} `.repeat(400) });
    const lists = await Promise.all(Array.from({ length: 20 }, () => client.call("decisions.list", {})));
    expect(lists).toHaveLength(20);
    expect((await readdir(join(root, "ann"))).length).toBeGreaterThan(2);
    await client.close();
    await listener.close();
    await serve({ responsesBytesMax: 5000, responsesKept: 2 });
    await write("bob", ...Array.from({ length: 60 }, (_, at) => call(at, "decisions.list", { limit: 2 })));
    await reply("bob", 59);
    expect((await readdir(join(root, "bob"))).length).toBeLessThanOrEqual(4);
  });

  test("has one hub at a time", async () => {
    await expect(listen(`ndjson:${root}`, {}, () => undefined)).rejects.toMatchObject({
      fields: { taken: true },
    });
  });
});

describe("a hostile agent", () => {
  test("does not read what is outside the spool", async () => {
    const secret = join(root, "secret");
    await writeFile(secret, `${call("s", "claims.list")}\n`);
    await mkdir(join(root, "eve"));
    await symlink(secret, path("eve"));
    const other = join(root, "other");
    await writeFile(other, `${call("s", "claims.list")}\n`);
    await mkdir(join(root, "eva"));
    await link(other, path("eva"));
    const outside = await mkdtemp(join(tmpdir(), "holdfast-outside-"));
    await writeFile(join(outside, "requests.ndjson"), `${call("s", "claims.list")}\n`);
    await symlink(outside, join(root, "evo"));
    await mkdir(path("evi"), { recursive: true });
    await run("mkfifo", [
      join(
        await mkdir(join(root, "evu"), { recursive: true }).then(() => join(root, "evu")),
        "requests.ndjson",
      ),
    ]);
    await pause(150);
    for (const name of ["eve", "eva", "evi", "evu"]) expect(await replies(name)).toEqual([]);
    expect(await readdir(outside)).toEqual(["requests.ndjson"]);
    await rm(outside, { recursive: true });
    await stillServes();
  });

  test("does not make the hub write outside the spool", async () => {
    const target = join(root, "target");
    await writeFile(target, '"precious"\n');
    await mkdir(join(root, "eve"));
    await symlink(target, path("eve", "responses.ndjson"));
    await write("eve", call(1, "claims.list"));
    expect((await reply("eve", 1)).result).toBeDefined();
    await mkdir(join(root, "eva"));
    await link(target, path("eva", "responses.ndjson"));
    await write("eva", call(1, "claims.list"));
    expect((await reply("eva", 1)).result).toBeDefined();
    expect(await readFile(target, "utf8")).toBe('"precious"\n');
  });

  test("is answered, whatever it writes", async () => {
    const lines: [string, number][] = [
      ["garbage", -32700],
      ["[]", -32600],
      ["7", -32600],
      [`${"[".repeat(5000)}${"]".repeat(5000)}`, -32700],
      ['{"jsonrpc":"2.0","id":null,"method":"claims.list","params":{"__proto__":{}}}', -32700],
      [`"${"x".repeat(limits.frameBytesMax)}"`, -32600],
    ];
    for (const [at, [line, code]] of lines.entries()) {
      await write(`eve${at}`, line, call("after", "claims.list"));
      expect((await reply(`eve${at}`, "after")).result).toBeDefined();
      expect((await reply(`eve${at}`, null)).error.code).toBe(code);
    }
    await mkdir(join(root, "bytes"));
    await writeFile(
      path("bytes"),
      Buffer.concat([
        Buffer.from([0x22, 0xff, 0xfe, 0x22, 0x0a]),
        Buffer.from(`${call(1, "claims.list")}\n`),
      ]),
    );
    expect((await reply("bytes", 1)).result).toBeDefined();
    expect((await reply("bytes", null)).error.code).toBe(-32700);
    await stillServes();
  });

  test("floods only itself", async () => {
    await write("eve", ...Array.from({ length: 20_000 }, (_, at) => call(at, "claims.list")));
    const startMs = performance.now();
    await stillServes();
    expect(performance.now() - startMs).toBeLessThan(10_000);
    await until(async () => (await replies("eve")).length === 20_000, "all its replies");
  });

  test("cannot pretend that the hub said something", async () => {
    await write(
      "eve",
      '{"jsonrpc":"2.0","method":"spool.close","params":{"reason":7,"words":{}}}',
      claim("a"),
    );
    expect((await reply("eve", "a")).result).toMatchObject({ claim: "a" });
    await write("eve", '{"jsonrpc":"2.0","method":"spool.open","params":7}', call(2, "claims.list"));
    expect((await reply("eve", 2)).result).toBeDefined();
    await stillServes();
  });
});
