/**
 * Filling an engine with live claims of many agents, each over a file of its own.
 */
import type { Engine } from "../../core/engine/engine.ts";
import { limits } from "../../core/limits.ts";
import { Mixed, workload } from "../workload.ts";

/** Claims until so many live, by as many agents as their quota asks for. */
export async function fill(engine: Engine, claims: number, ttlMs: number = limits.ttlMsMax): Promise<void> {
  const agents = Math.ceil(claims / limits.claimsPerAgentMax);
  for (let agent = 0; agent < agents; agent++) {
    const name = `filler-${agent}`;
    await engine.own({ type: "agent.join" }, name, false);
    const first = agent * limits.claimsPerAgentMax;
    const some = Math.min(limits.claimsPerAgentMax, claims - first);
    await Promise.all(
      Array.from({ length: some }, async (_, i) => {
        const claim = `fill-${first + i}`;
        const scope = { files: [`fill/d${(first + i) % 1000}/f${first + i}.ts`] };
        const outcome = await engine.submit({
          id: claim,
          agent: name,
          command: { type: "claim.acquire", claim, scope, ttlMs },
        });
        if (!outcome.ok) throw new Error(outcome.rejection.message);
      }),
    );
  }
}

/** Submits the mixed workload until so many entries have passed. */
export async function pass(engine: Engine, entries: number): Promise<void> {
  const mixed = new Mixed(1);
  for (let agent = 0; agent < workload.agents; agent++)
    await engine.own({ type: "agent.join" }, `agent-${agent}`, false);
  const learning = engine.entries$.subscribe((entry) => mixed.learn(entry.events));
  const until = engine.head() + entries;
  for (let sent = 0; engine.head() < until; ) {
    const some = Array.from({ length: 256 }, () => ({ id: `s${sent++}`, ...mixed.step() }));
    await Promise.all(some.map((submission) => engine.submit(submission)));
  }
  learning.unsubscribe();
}

let published = 0;

/** Publishes so many small entries, a thousand in flight at once; the text of the last one ends with `mark`. */
export async function publish(engine: Engine, entries: number, mark: string): Promise<void> {
  await engine.own({ type: "agent.join" }, "publisher", false);
  for (let sent = 0; sent < entries; ) {
    const some = Math.min(1000, entries - sent);
    const sending = Array.from({ length: some }, () => {
      sent += 1;
      const text = `edited a function and its tests, step ${sent}${sent === entries ? mark : ""}`;
      const command = {
        type: "activity.log",
        kind: "edit",
        text,
        path: `src/d${sent % 100}/f${sent % 7}.ts`,
      } as const;
      return engine.submit({ id: `p${published++}`, agent: "publisher", command });
    });
    await Promise.all(sending);
  }
}
