/**
 * A hub is killed in the middle of its work: nothing that was acknowledged is lost, no epoch comes twice, and the next
 * hub goes on.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { verifyLog } from "../../adapters/log/verify.ts";
import { connect } from "../../adapters/node/connect.ts";
import type { Client } from "../../core/client/client.ts";
import { Failure } from "../../core/failures.ts";
import { Sandbox } from "../adapters/command-line.ts";

const KILLS = 3;
const AGENTS = 8;
const LOAD_MS = 600;

interface Acknowledged {
  readonly seq: number;
  readonly agent: string;
  readonly claim: string;
  readonly epoch: number;
}

let box: Sandbox;
beforeAll(() => {
  box = new Sandbox("none");
});
afterAll(() => box.dispose());

/** A client; a busy hub may be slow to take up connections, which is not what is tried here. */
async function patiently(url: string, agent: string): Promise<Client> {
  for (let tries = 1; ; tries++) {
    try {
      return await connect(url, { agent, timeoutMs: 20_000 });
    } catch (error) {
      const early = error instanceof Failure && error.code === "hub.unreachable" && tries < 5;
      if (!early) throw error;
    }
  }
}

/** Claims and releases until its client is closed; what was acknowledged. */
async function load(client: Client, agent: string, acknowledged: Acknowledged[]): Promise<void> {
  try {
    for (let n = 0; ; n++) {
      const claim = `${agent}-${n % 5}`;
      const grant = await client.call(
        "claim.acquire",
        { claim, scope: { files: [`src/${claim}`] } },
        { timeoutMs: 3000 },
      );
      acknowledged.push({ seq: grant.seq, agent, claim, epoch: grant.epoch });
      if (n % 2 === 0) await client.call("claim.release", { claim, epoch: grant.epoch }, { timeoutMs: 3000 });
    }
  } catch (error) {
    if (!(error instanceof Failure) || (error.code !== "hub.timeout" && error.code !== "closed")) throw error;
  }
}

it("loses nothing that was acknowledged when it is killed", async () => {
  const acknowledged: Acknowledged[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const { url } = await box.serve();
    const before = acknowledged.length;
    const agents = Array.from({ length: AGENTS }, (_, i) => `agent-${kill}-${i}`);
    const clients = await Promise.all(agents.map((agent) => patiently(url, agent)));
    const working = Promise.all(clients.map((client, i) => load(client, agents[i] as string, acknowledged)));
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
    await box.stop("SIGKILL");
    await Promise.all(clients.map((client) => client.close()));
    await working;
    expect(acknowledged.length).toBeGreaterThan(before);
  }
  const { url } = await box.serve();
  const reader = await connect(url, { agent: "reader", observe: true, timeoutMs: 20_000 });
  const granted = new Map<number, { claim: string; holder: string; epoch: number }>();
  let head = 0;
  for (let after = 0; ; ) {
    const page = await reader.call("log.read", { after, limit: 1000 });
    for (const { seq, events } of page.items) {
      expect(seq).toBe(head + 1);
      head = seq;
      for (const event of events) if (event.type === "claim.granted") granted.set(seq, event);
    }
    if (page.next === undefined) break;
    after = Number(page.next);
  }
  await reader.close();
  for (const { seq, agent, claim, epoch } of acknowledged) {
    expect(granted.get(seq)).toMatchObject({ claim, holder: agent, epoch });
  }
  const epochs = [...granted.values()].map(({ epoch }) => epoch);
  expect(new Set(epochs).size).toBe(epochs.length);
  await box.stop();
  const report = await verifyLog(`${box.root}/.holdfast/log.db`);
  expect(report).toMatchObject({ ok: true, problems: [] });
  expect(report.head).toBeGreaterThanOrEqual(head);
}, 120_000);
