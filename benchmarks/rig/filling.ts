/**
 * Filling an engine with live claims of many agents, each over a file of its own.
 */
import type { Engine } from "../../core/engine/engine.ts";
import { limits } from "../../core/limits.ts";

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
