/**
 * Shrinking: the same seed with fewer kinds of faults and fewer steps, as long as something is still broken.
 */
import { type FaultKind, faultKinds } from "./faults.ts";
import { type Result, simulate } from "./simulation.ts";

/** The least that still fails, with its transcript. */
export async function shrink(options: { readonly seed: number; readonly steps: number }): Promise<{
  readonly off: ReadonlySet<FaultKind>;
  readonly result: Result;
}> {
  let off: ReadonlySet<FaultKind> = new Set();
  let { steps } = options;
  const { seed } = options;
  for (const kind of faultKinds) {
    const fewer = new Set([...off, kind]);
    const result = await simulate({ seed, steps, off: fewer });
    if (result.verdict !== undefined) {
      off = fewer;
      steps = Math.min(steps, result.steps);
    }
  }
  // Where the world rests sooner the failure may come sooner too.
  for (let less = Math.floor(steps / 2); less >= 25; less = Math.floor(less / 2)) {
    const result = await simulate({ seed, steps: steps - less, off });
    if (result.verdict !== undefined) steps -= less;
  }
  return { off, result: await simulate({ seed, steps, off, trace: true }) };
}
