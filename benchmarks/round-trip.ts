/**
 * `round-trip`: one client, one call after the other, over every transport there is: a question, which is the way there
 * and back, and a claim with its release, each of them durable. Hub and client in two processes, the log on a disk.
 */
import { Agent, request } from "node:http";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { connect } from "../adapters/node/connect.ts";
import type { Client } from "../core/client/client.ts";
import { transports } from "../transports/index.ts";
import { compared, inTurns, median, print } from "./measure.ts";
import { Child } from "./rig/child.ts";
import { folderOnDisk } from "./rig/disk.ts";
import type { Options } from "./run.ts";

const ROUNDS = 7;
const program = fileURLToPath(new URL("../bin/holdfast.js", import.meta.url));

type Call = (method: string, params: object) => Promise<unknown>;

/** Why a scheme has no case of its own. */
const elsewhere: { readonly [scheme: string]: string } = {
  memory: "carries nothing: `decide` and `claim` measure what is behind it",
  wss: "ws, and what TLS costs",
  https: "http, and what TLS costs",
  mqtts: "mqtt, and what TLS costs",
  "mqtt+client": "a broker that is not ours",
  "mqtts+client": "a broker that is not ours",
};

export async function run({ scale }: Options): Promise<void> {
  const folder = folderOnDisk();
  const spool = join(folder.path, "spool");
  const hub = Child.start("hub", [join(folder.path, "log.db"), "mqtt://127.0.0.1:0", `ndjson:${spool}`]);
  const clients: Client[] = [];
  try {
    const urls = (await hub.ask("urls")) as readonly string[];
    const urlOf = (scheme: string) => urls.find((url) => url.startsWith(`${scheme}:`)) as string;
    const open = async (url: string, codec?: "msgpack"): Promise<Call> => {
      const client = await connect(url, { agent: `a${clients.length}`, ...(codec ? { codec } : {}) });
      clients.push(client);
      return (method, params) => client.call(method as "claims.list", params);
    };
    const ways: { [name: string]: Call } = {
      ws: await open(urlOf("ws")),
      "ws, MessagePack": await open(urlOf("ws"), "msgpack"),
      mqtt: await open(urlOf("mqtt")),
      http: await open(urlOf("http")),
      "http, a POST each": poster(urlOf("http")),
      ndjson: await open(`ndjson:${spool}`),
      stdio: await open(
        `stdio:${process.execPath} ${program} serve --listen stdio: --log ${folder.path}/own.db`,
      ),
    };
    const missing = Object.keys(transports).filter((name) => !(name in ways) && !(name in elsewhere));
    if (missing.length > 0) throw new Error(`no case measures ${missing.join(", ")}`);
    await measure(ways, "a question", scale, (call) => call("claims.list", { limit: 1 }));
    await measure(ways, "a claim and its release", scale, async (call) => {
      const { epoch } = (await call("claim.acquire", { claim: "C", scope: { files: ["a"] } })) as {
        epoch: number;
      };
      await call("claim.release", { claim: "C", epoch });
    });
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await hub.stop();
    folder.remove();
  }
}

async function measure(
  ways: { readonly [name: string]: Call },
  what: string,
  scale: number,
  once: (call: Call) => Promise<unknown>,
): Promise<void> {
  const p50 = (call: Call) => async () => {
    const took: number[] = [];
    for (let i = 0; i < Math.max(10, 150 * scale); i++) {
      const startMs = performance.now();
      await once(call);
      took.push((performance.now() - startMs) * 1000);
    }
    return median(took);
  };
  const cases = Object.fromEntries(Object.entries(ways).map(([name, call]) => [name, p50(call)]));
  const values = await inTurns(cases, ROUNDS);
  for (const [name, own] of Object.entries(values)) {
    print(compared("round-trip", `${what} over ${name}, p50`, "µs", own, "ws", values.ws ?? []));
  }
}

/** Calls as scripts do: each POST a session of its own, on a connection that is kept. */
function poster(url: string): Call {
  const agent = new Agent({ keepAlive: true });
  return (method, params) =>
    new Promise((resolve, reject) => {
      const headers = { "holdfast-agent": "poster", "content-type": "application/json" };
      const posting = request(`${url}/rpc`, { method: "POST", agent, headers }, async (response) => {
        let text = "";
        for await (const chunk of response) text += String(chunk);
        const { result, error } = JSON.parse(text) as { result?: unknown; error?: { message: string } };
        if (error === undefined) resolve(result);
        else reject(new Error(error.message));
      });
      posting.on("error", reject);
      posting.end(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
    });
}
