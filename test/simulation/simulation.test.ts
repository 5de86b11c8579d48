/**
 * The simulation in short: ten seeds keep every promise, the same seed is the same history to the bit, and a
 * failure is made small and readable.
 */
import { describe, expect, it } from "vitest";
import { Random } from "./random.ts";
import { simulate } from "./simulation.ts";

/** Which seeds `npm test` runs; more by `npm run simulate`. */
const SEEDS = Array.from({ length: 10 }, (_, i) => i + 1);
const STEPS = 2000;

describe("simulation", () => {
  it.each(SEEDS)("seed %i keeps every promise", async (seed) => {
    const { verdict, entries } = await simulate({ seed, steps: STEPS });
    expect(verdict).toBeUndefined();
    expect(entries).toBeGreaterThan(10);
  });

  it("replays bit by bit", async () => {
    const [one, two] = [
      await simulate({ seed: 7, steps: STEPS, trace: true }),
      await simulate({ seed: 7, steps: STEPS, trace: true }),
    ];
    expect(two.hash).toBe(one.hash);
    expect(two.trace).toEqual(one.trace);
    expect((await simulate({ seed: 8, steps: STEPS })).hash).not.toBe(one.hash);
  });

  it("keeps its streams of chance apart", () => {
    const some = (label: string) => {
      const random = new Random(1, label);
      return Array.from({ length: 5 }, () => random.next());
    };
    expect(some("a")).toEqual(some("a"));
    expect(some("a")).not.toEqual(some("b"));
  });
});
