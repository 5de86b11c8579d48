/**
 * A spool on a hub with tokens: the token stands in a file of the agent's folder that is its alone, and nowhere else.
 */
import { execFile } from "node:child_process";
import {
  appendFile,
  chmod,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connect } from "../../adapters/node/connect.ts";
import { type Hub, serve } from "../../adapters/node/hub.ts";

const SECRET = "correct-horse-battery";
const run = promisify(execFile);
let root: string;
let hub: Hub;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "holdfast-spool-"));
  const verify = (agent: string, token: string) =>
    token === SECRET && agent !== "eve" ? { operator: false } : undefined;
  hub = await serve({ log: "memory:", listen: [`ndjson:${root}`], verify });
});

afterEach(async () => {
  await hub.close();
  await rm(root, { recursive: true, force: true });
});

const at = (agent: string, name: string) => join(root, agent, name);

let ids = 0;

/** Appends a request and waits for its answer. */
// biome-ignore lint/suspicious/noExplicitAny: tests look at whatever fields they expect
async function ask(agent: string, method: string, params: object = {}): Promise<any> {
  await mkdir(join(root, agent), { recursive: true, mode: 0o700 });
  const id = `r${++ids}`;
  await appendFile(
    at(agent, "requests.ndjson"),
    `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`,
  );
  let found: { id?: unknown } | undefined;
  await expect
    .poll(
      async () => {
        const text = await readFile(at(agent, "responses.ndjson"), "utf8").catch(() => "");
        const lines = text.split("\n").slice(0, -1);
        found = lines.map((line) => JSON.parse(line)).find((one) => one.id === id);
        return found;
      },
      { timeout: 10_000 },
    )
    .toBeDefined();
  return found;
}

async function put(agent: string, token: string, mode = 0o600): Promise<void> {
  await mkdir(join(root, agent), { recursive: true, mode: 0o700 });
  await writeFile(at(agent, "token"), token);
  await chmod(at(agent, "token"), mode);
}

/** Everything written for anybody but the agent's own token file. */
async function written(): Promise<string> {
  const files = await readdir(root, { recursive: true, withFileTypes: true });
  const texts = files
    .filter((file) => file.isFile() && file.name !== "token")
    // A hub's drafts have their real names a moment later.
    .filter((file) => !file.name.endsWith(".new"))
    .map((file) => readFile(join(file.parentPath, file.name), "utf8"));
  let text = (await Promise.all(texts)).join("\n");
  for await (const entries of hub.log.read(0)) text += JSON.stringify(entries);
  return text;
}

describe("a spool on a hub with tokens", () => {
  test("says what to do where there is none, and serves from when there is one", async () => {
    const refused = await ask("ann", "claim.acquire", { claim: "a" });
    expect(refused.error).toMatchObject({
      message: expect.stringMatching(
        /asks for a token.*Write your token into the file `token` of this folder/,
      ),
      data: { code: "session.refused" },
    });
    expect(refused.error.message.length).toBeLessThanOrEqual(400);
    await put("ann", `${SECRET}\n`);
    expect((await ask("ann", "claim.acquire", { claim: "a" })).result).toMatchObject({ holder: "ann" });
    expect((await ask("ann", "claims.list")).result.items).toHaveLength(1);
    expect(await written()).not.toContain(SECRET);
  });

  test("proves the name also where the agent opens its session itself", async () => {
    await put("ann", SECRET);
    await rm(at("ann", "token"));
    expect((await ask("ann", "session.open", { agent: "ann" })).error.data.code).toBe("session.refused");
    await put("ann", SECRET);
    expect((await ask("ann", "session.open", { agent: "ann", role: "tester" })).result).toMatchObject({
      agent: "ann",
    });
    expect((await ask("ann", "session.open", { agent: "bob" })).error).toBeDefined();
    expect((await ask("ann", "claim.acquire", { claim: "a" })).result).toMatchObject({ holder: "ann" });
  });

  test("proves no other name, and nothing when it is wrong", async () => {
    await put("eve", SECRET);
    expect((await ask("eve", "claims.list")).error.message).toMatch(/does not prove this name/);
    await put("ann", "guessed");
    expect((await ask("ann", "claims.list")).error.data.code).toBe("session.refused");
    const types: string[] = [];
    for await (const entries of hub.log.read(0))
      types.push(...entries.flatMap(({ events }) => events.map(({ type }) => type)));
    expect(types).toEqual(["log.created"]);
  });

  test.each([
    ["others may read", () => chmod(at("ann", "token"), 0o644), /others than its owner may read it/],
    [
      "stands where others may write",
      () => chmod(join(root, "ann"), 0o777),
      /others may write in its folder/,
    ],
    [
      "is a link",
      async () => {
        await writeFile(join(root, ".elsewhere"), SECRET, { mode: 0o600 });
        await rm(at("ann", "token"));
        await symlink(join(root, ".elsewhere"), at("ann", "token"));
      },
      /symbolic link/,
    ],
    ["has another name", () => link(at("ann", "token"), join(root, ".other")), /more than one name/],
    ["is no token", () => writeFile(at("ann", "token"), SECRET.repeat(1000)), /too long/],
  ])("is not used from a file that %s", async (_what, spoil, why) => {
    await put("ann", SECRET);
    await spoil();
    const { error } = await ask("ann", "claims.list");
    expect(error).toMatchObject({ message: expect.stringMatching(why), data: { code: "session.refused" } });
    expect(error.message).not.toContain(SECRET);
  });

  test("is taken from the Python client's environment", async (context) => {
    const found = await run("python3", ["--version"]).catch(() => undefined);
    if (found === undefined) return context.skip("python3 is not installed");
    const script =
      "from file_client import FileClient\n" +
      `c = FileClient(${JSON.stringify(root)}, "snake")\n` +
      'print(c.call("claim.acquire", claim="py")["result"]["holder"])\n';
    const folder = fileURLToPath(new URL("../../transports/ndjson/examples/", import.meta.url));
    const env = { ...process.env, PYTHONPATH: folder, HOLDFAST_TOKEN: SECRET };
    expect((await run("python3", ["-B", "-c", script], { env })).stdout).toBe("snake\n");
    expect(await written()).not.toContain(SECRET);
  });

  test("a client that connects shows its own, which is gone when it is", async () => {
    const url = `ndjson:${root}`;
    await expect(connect(url, { agent: "ann", token: "guessed" })).rejects.toMatchObject({
      code: "session.refused",
    });
    const client = await connect(url, { agent: "ann", token: SECRET });
    expect(await client.call("claim.acquire", { claim: "a" })).toMatchObject({ holder: "ann" });
    await client.close();
    await expect.poll(async () => (await written()).includes(SECRET)).toBe(false);
  });
});
