/**
 * A worker of the example: takes tasks by `next` as long as there are any, each by its rule, and goes on
 * where it, or another, stopped.
 */
import { filter, firstValueFrom, race, timer } from "rxjs";
import { type Client, Failure, type Lease, Refused } from "../index.ts";

/** How a worker works: by its name, what it is able to do, and how many steps that takes. */
export interface Rule {
  readonly name: string;
  readonly capabilities: readonly string[];
  readonly steps: number;
  readonly stepMs: number;
  /** What fails when it is tried for the first time. */
  readonly flaky?: (task: string) => boolean;
}

const TTL_MS = 3000;

/** Works until the client is closed. */
export async function work(client: Client, rule: Rule, say: (words: string) => void): Promise<void> {
  const { items } = await client.call("claims.list", { holder: rule.name });
  for (const { claim } of items) {
    say(`${rule.name} goes on with ${claim}`);
    await carryOut(client, rule, await client.lease(claim, { ttlMs: TTL_MS }));
  }
  for (;;) {
    try {
      const { claim, epoch, checkpoint } = await client.call("task.next", { ttlMs: TTL_MS });
      const from =
        checkpoint === undefined ? "" : `, from ${JSON.stringify(checkpoint.text)} of ${checkpoint.savedBy}`;
      say(`${rule.name} takes ${claim}${from}`);
      await carryOut(client, rule, await client.lease(claim, { epoch, ttlMs: TTL_MS }), checkpoint?.text);
    } catch (error) {
      if (error instanceof Failure && error.code === "closed") return;
      if (!(error instanceof Refused)) throw error;
      // Nothing to take, or lost to another: whatever ends may change that.
      await somethingEnds(client);
    }
  }
}

async function carryOut(
  client: Client,
  rule: Rule,
  lease: Lease,
  saved = lease.grant.checkpoint?.text,
): Promise<void> {
  const { claim } = lease;
  const first = Number(/^step (\d+)/.exec(saved ?? "")?.[1] ?? 0) + 1;
  await lease.report("working");
  for (let step = first; step <= rule.steps; step++) {
    await new Promise((resolve) => setTimeout(resolve, rule.stepMs));
    await lease.checkpoint(`step ${step} of ${rule.steps}`);
  }
  if (rule.flaky?.(claim)) {
    const { items } = await client.call("progress.list", { task: claim });
    if (items.length === 0) {
      await client.call("progress.note", { task: claim, kind: "blocked", text: "a test timed out" });
      await lease.release("failed");
      return;
    }
  }
  await lease.release("done");
}

async function somethingEnds(client: Client): Promise<void> {
  const ends = /^(task\.(declared|completed|reopened)|claim\.(released|expired))$/;
  const freed = client.entries$.pipe(filter(({ events }) => events.some(({ type }) => ends.test(type))));
  // What ended before the first entry seen here would be missed: so it is asked again anyway.
  await firstValueFrom(race([freed, timer(400)]), { defaultValue: 0 });
}
