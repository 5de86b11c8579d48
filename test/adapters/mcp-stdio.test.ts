/**
 * `holdfast mcp` as a process: what it writes, what it takes, when it ends.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { finished, program, Sandbox } from "./command-line.ts";
import { cleanEnv, McpHostClient, pause, repository } from "./mcp-hosts.ts";

let root: string;
const started: ChildProcess[] = [];

beforeEach(() => {
  root = repository();
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }
  rmSync(root, { recursive: true, force: true });
});

function start(env: NodeJS.ProcessEnv = { HOLDFAST_AGENT: "alice" }): ChildProcess {
  const child = spawn(process.execPath, [program, "mcp"], { cwd: root, env: cleanEnv(env) });
  started.push(child);
  return child;
}

const line = (message: object): string => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`;
const initialize = (protocolVersion: string): string =>
  line({
    id: 1,
    method: "initialize",
    params: { protocolVersion, capabilities: {}, clientInfo: { name: "raw", version: "1" } },
  });

/** Reads answers until there are so many. */
async function answers(child: ChildProcess, count: number): Promise<readonly Record<string, unknown>[]> {
  let text = "";
  child.stdout?.on("data", (bytes: Buffer) => {
    text += bytes.toString();
  });
  for (let waited = 0; text.split("\n").length <= count; waited += 20) {
    if (waited > 15_000) throw new Error(`only ${text}`);
    await pause(20);
  }
  return text
    .trim()
    .split("\n")
    .map((one) => JSON.parse(one) as Record<string, unknown>);
}

describe("holdfast mcp", () => {
  it("writes nothing but the protocol, whatever comes in, and ends with its host", async () => {
    const child = start();
    const reading = answers(child, 4);
    child.stdin?.write("this is no JSON\n{\n[1,2\n\n");
    child.stdin?.write(`${JSON.stringify({ hello: "world" })}\n\u0000\ufffd\n`);
    child.stdin?.write(initialize("2025-06-18"));
    child.stdin?.write(line({ method: "notifications/initialized" }));
    child.stdin?.write(`${"[".repeat(100_000)}\n`);
    child.stdin?.write('"a string"\nnull\n{"jsonrpc":"2.0","id":{},"method":"tools/list"}\n');
    child.stdin?.write(line({ id: 2, method: "tools/list" }));
    child.stdin?.write(line({ id: 3, method: "no/such" }));
    child.stdin?.write(
      line({ id: 4, method: "tools/call", params: { name: "claim", arguments: { claim: "A" } } }),
    );
    const said = await reading;
    expect(said.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
    expect(said[0]).toMatchObject({
      result: { protocolVersion: "2025-06-18", serverInfo: { name: "holdfast" } },
    });
    expect(said[1]).toMatchObject({ result: { tools: Array(10).fill({ inputSchema: { type: "object" } }) } });
    expect(said[2]).toMatchObject({ error: { code: -32601 } });
    expect(said[3]).toMatchObject({ result: { structuredContent: { claim: "A", holder: "alice" } } });
    const ran = await finished(child);
    expect(ran.code).toBe(0);
  });

  it("is in Codex who its hooks and shells are: the session, or the subagent, that each call names", async () => {
    const session = "01a1f9f7-17ab-7c81-9ae5-8ea9664355ae";
    const thread = "01a1f9f7-1b40-7dc3-ae88-d64d1e54198a";
    const child = start({});
    const clientInfo = { name: "codex-mcp-client", version: "0.169.0" };
    const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo };
    const claims = (id: number, claim: string, threadId: string): string => {
      const _meta = { sessionId: session, threadId };
      return line({
        id,
        method: "tools/call",
        params: { name: "claim", arguments: { claim, paths: [`${claim}.ts`] }, _meta },
      });
    };
    const first = answers(child, 3);
    child.stdin?.write(line({ id: 1, method: "initialize", params }));
    child.stdin?.write(line({ method: "notifications/initialized" }));
    child.stdin?.write(line({ id: 2, method: "tools/list" }));
    child.stdin?.write(claims(3, "A", session));
    const holderOf = (holder: string) => ({ result: { structuredContent: { holder } } });
    expect((await first)[2]).toMatchObject(holderOf("codex-01a1f9f7-17ab"));
    const second = answers(child, 2);
    child.stdin?.write(claims(4, "B", thread));
    child.stdin?.write(line({ id: 5, method: "resources/list" }));
    const said = [...(await second)].sort((a, b) => Number(a.id) - Number(b.id));
    const subagent = `codex-01a1f9f7-17ab/${thread}`;
    expect(said[0]).toMatchObject(holderOf(subagent));
    // The resources are the session's.
    expect(JSON.stringify(said[1])).toContain('"holdfast://inbox/codex-01a1f9f7-17ab"');
    const both = answers(child, 4);
    for (const [id, claim, by] of [
      [6, "A", session],
      [7, "B", thread],
      [8, "B", session],
      [9, "A", session],
    ] as const) {
      child.stdin?.write(claims(id, claim, by));
    }
    const crossed = [...(await both)].sort((a, b) => Number(a.id) - Number(b.id));
    expect(crossed).toMatchObject([
      holderOf("codex-01a1f9f7-17ab"),
      holderOf(subagent),
      { result: { isError: true, structuredContent: { holder: subagent } } },
      holderOf("codex-01a1f9f7-17ab"),
    ]);
    expect((await finished(child)).code).toBe(0);
  });

  it("goes by the name it was given, whatever Codex says", async () => {
    const child = start({ HOLDFAST_AGENT: "alice" });
    const reading = answers(child, 2);
    const clientInfo = { name: "codex-mcp-client", version: "0.169.0" };
    const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo };
    child.stdin?.write(line({ id: 1, method: "initialize", params }));
    child.stdin?.write(line({ method: "notifications/initialized" }));
    const _meta = { sessionId: "s-1", threadId: "s-1" };
    const call = { name: "claim", arguments: { claim: "A" }, _meta };
    child.stdin?.write(line({ id: 2, method: "tools/call", params: call }));
    expect((await reading)[1]).toMatchObject({ result: { structuredContent: { holder: "alice" } } });
    expect((await finished(child)).code).toBe(0);
  });

  it.each(["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"])("speaks %s", async (version) => {
    const child = start();
    const reading = answers(child, 1);
    child.stdin?.write(initialize(version));
    expect((await reading)[0]).toMatchObject({ result: { protocolVersion: version } });
  });

  it("ends well when it is told to", async () => {
    const child = start();
    const reading = answers(child, 2);
    child.stdin?.write(initialize("2025-11-25"));
    child.stdin?.write(
      line({ id: 2, method: "tools/call", params: { name: "claim", arguments: { claim: "A" } } }),
    );
    await reading;
    const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  });

  it("makes no log before one is needed", async () => {
    const child = start();
    const reading = answers(child, 2);
    child.stdin?.write(initialize("2025-11-25"));
    child.stdin?.write(line({ id: 2, method: "tools/list" }));
    await reading;
    await pause(200);
    expect(existsSync(join(root, ".git", "holdfast"))).toBe(false);
  });

  it("is the agent of the host's session, else one of its own for each host", async () => {
    const status = line({ id: 2, method: "tools/call", params: { name: "status", arguments: {} } });
    const named = async (env: NodeJS.ProcessEnv): Promise<unknown> => {
      const child = start(env);
      const reading = answers(child, 2);
      child.stdin?.write(`${initialize("2025-11-25")}${status}`);
      const [, answer] = (await reading) as readonly {
        result?: { structuredContent?: { agent?: string } };
      }[];
      return answer?.result?.structuredContent?.agent;
    };
    expect(await named({ CLAUDE_CODE_SESSION_ID: "9ea8c72c-1111-2222" })).toBe("claude-9ea8c72c-1111");
    expect(await named({})).toMatch(new RegExp(`^mcp-${process.pid}(-[0-9a-f]{4})?$`));
  });
});

describe("holdfast mcp and a hub", () => {
  let box: Sandbox;
  const clients: Client[] = [];
  beforeEach(() => {
    box = new Sandbox();
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await box.dispose();
  });

  const open = async (agent: string): Promise<McpHostClient> => {
    const client = new Client({ name: "test", version: "1" });
    const env = cleanEnv({ HOLDFAST_AGENT: agent });
    const wire = {
      command: process.execPath,
      args: [program, "mcp"],
      cwd: box.root,
      env,
      stderr: "pipe" as const,
    };
    await client.connect(new StdioClientTransport(wire));
    clients.push(client);
    return new McpHostClient(client);
  };

  it("speaks to the hub that runs, shares its agent's grants with the shell, and goes on when the hub is gone", async () => {
    await box.serve();
    const alice = await open("alice");
    const bob = await open("bob");
    await bob.call("status");
    expect((await alice.call("claim", { claim: "A", paths: ["src"] })).isError).toBe(false);
    // The shell of the same agent acts under the same grant.
    expect((await box.run(["checkpoint", "A", "from the shell"], { as: "alice" })).code).toBe(0);
    expect((await box.run(["claim", "B", "--paths", "src/x.ts"], { as: "carol" })).code).toBe(2);
    const stop = await alice.watch("holdfast://territory");
    await alice.call("claim", { claim: "turn" });
    const turn = bob.call("claim", { claim: "turn", waitMs: 40_000 });
    await pause(100);

    await box.stop("SIGKILL");
    await alice.call("release", { claim: "turn" });
    expect((await turn).fields).toMatchObject({ claim: "turn", holder: "bob" });
    const [one, two] = await Promise.all([
      alice.call("claim", { claim: "A" }),
      bob.call("claim", { claim: "A" }),
    ]);
    expect(one.fields).toMatchObject({ holder: "alice" });
    expect(two.fields).toMatchObject({ code: "claim.held", holder: "alice" });
    alice.heard.length = 0;
    await bob.call("claim", { claim: "C" });
    await alice.hears("holdfast://territory");

    await box.serve();
    expect((await alice.call("release", { claim: "A" })).isError).toBe(false);
    expect((await box.run(["claim", "B", "--paths", "src/x.ts"], { as: "carol" })).code).toBe(0);
    await stop();
  });

  it("does not take another log's hub for its own, whatever hub.json says", async () => {
    const other = new Sandbox();
    try {
      const { urls } = await other.serve();
      const folder = join(box.root, ".git", "holdfast");
      mkdirSync(folder, { recursive: true });
      const said = { pid: process.pid, hub: "h", log: "of-old", urls };
      writeFileSync(join(folder, "hub.json"), JSON.stringify(said));
      const alice = await open("alice");
      expect((await alice.call("claim", { claim: "A" })).fields).toMatchObject({ holder: "alice" });
      expect((await other.run(["claims", "--json"])).json.items).toEqual([]);
      expect((await box.run(["claims", "--log", join(folder, "log.db"), "--json"])).json.items).toMatchObject(
        [{ claim: "A" }],
      );
    } finally {
      await other.dispose();
    }
  });

  it("is seen by others as soon as its host goes on", async () => {
    await box.serve();
    const alice = await open("alice");
    await alice.client.listTools();
    let who = "";
    for (let i = 0; !who.includes("alice") && i < 100; i++) who = (await box.run(["who"], { as: "bob" })).out;
    expect(who).toMatch(/alice +present/);
  });
});
