/**
 * Agents at work on a hub that may die under them, what they were told is durable, and whether a log still has it.
 */

import { verifyLog } from "../../adapters/log/verify.ts";
import { connect } from "../../adapters/node/connect.ts";
import { openEngineOnLog } from "../../adapters/node/engine.ts";
import type { Client } from "../../core/client/client.ts";
import { Refused } from "../../core/client/refused.ts";
import { Failure } from "../../core/failures.ts";
import type { Event } from "../../core/model/model.ts";
import type { Random } from "../simulation/random.ts";
import { pause } from "./hub-process.ts";

/** Something a hub said is durable. */
export interface Acknowledged {
  readonly seq: number;
  readonly type: Event["type"];
  readonly agent: string;
  readonly claim: string;
  readonly epoch: number;
}

/** Agents that acquire, renew and release, each in its own time, until they are stopped. */
export class Workers {
  readonly acknowledged: Acknowledged[] = [];
  /** Failures by code. */
  readonly failed: Record<string, number> = {};
  private readonly clients: Client[] = [];
  private readonly running: Promise<void>[] = [];
  private stopping = false;

  /** Connects so many agents and sets them to work. */
  async begin(url: string, count: number, random: Random, noteSize = 300): Promise<void> {
    for (let i = 0; i < count; i++) {
      const agent = `worker-${i}`;
      const client = await connect(url, { agent });
      this.clients.push(client);
      this.running.push(this.work(client, agent, random, noteSize));
    }
  }

  async end(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.clients.map((client) => client.close()));
    await Promise.all(this.running);
  }

  private async work(client: Client, agent: string, random: Random, noteSize: number): Promise<void> {
    for (let n = 0; !this.stopping; n++) {
      const claim = `${agent}-c${n % 20}`;
      const note = "n".repeat(random.between(0, noteSize));
      try {
        const { seq, epoch } = await client.call("claim.acquire", {
          claim,
          scope: { files: [`src/${claim}`] },
          note,
        });
        this.acknowledged.push({ seq, type: "claim.granted", agent, claim, epoch });
        if (n % 3 === 0) {
          const released = await client.call("claim.release", { claim, epoch });
          this.acknowledged.push({ seq: released.seq, type: "claim.released", agent, claim, epoch });
        }
      } catch (error) {
        if (this.stopping) return;
        if (!(error instanceof Failure) && !(error instanceof Refused)) throw error;
        this.failed[error.code] = (this.failed[error.code] ?? 0) + 1;
        await pause(20);
      }
    }
  }
}

/** What a log lacks of what was acknowledged; opens it as a hub does, has it serve once, and verifies it. */
export async function missing(
  file: string,
  acknowledged: readonly Acknowledged[],
): Promise<readonly string[]> {
  const wrong: string[] = [];
  const { engine, log, close } = await openEngineOnLog({ log: file });
  try {
    const horizon = await log.horizon();
    const bySeq = new Map<number, Event>();
    let head = horizon;
    for await (const entries of log.read(horizon)) {
      for (const { seq, events } of entries) {
        if (seq !== head + 1) wrong.push(`entry ${seq} follows on ${head}`);
        head = seq;
        for (const event of events) if (event.type.startsWith("claim.")) bySeq.set(seq, event);
      }
    }
    for (const told of acknowledged) {
      if (told.seq <= horizon) continue;
      const event = bySeq.get(told.seq) as
        | { type: string; claim?: string; holder?: string; epoch?: number }
        | undefined;
      const same = event?.type === told.type && event.claim === told.claim && event.holder === told.agent;
      if (!same || event?.epoch !== told.epoch) {
        wrong.push(
          `${told.type} of ${told.claim} at ${told.seq} was acknowledged; there is ${JSON.stringify(event)}`,
        );
      }
    }
    const id = `after-${head}`;
    const outcome = await engine.submit({
      id,
      agent: "after",
      command: { type: "claim.acquire", claim: id },
    });
    if (!outcome.ok) wrong.push(`it does not serve: ${outcome.rejection.code}`);
  } finally {
    await close();
  }
  const { problems } = await verifyLog(file);
  return [...wrong, ...problems.map(({ message }) => `verify: ${message}`)];
}
