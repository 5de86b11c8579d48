/**
 * Deadlines come up in their order, whatever order they were noted in.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Deadline, Expiry } from "../../core/engine/expiry.ts";

it("gives deadlines by time, those that are due and no others", () => {
  const dues = fc.array(fc.record({ dueMs: fc.nat(50), key: fc.constantFrom("a", "b", "c") }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(dues, fc.nat(60), (noted, nowMs) => {
      const expiry = new Expiry();
      for (const due of noted) expiry.push({ noun: "claims", ...due });
      const taken: Deadline[] = [];
      for (let next = expiry.take(nowMs); next !== undefined; next = expiry.take(nowMs)) taken.push(next);
      const order = noted.map(({ dueMs }) => dueMs).sort((a, b) => a - b);
      expect(taken.map(({ dueMs }) => dueMs)).toEqual(order.filter((dueMs) => dueMs <= nowMs));
      expect(expiry.nextMs).toBe(order.find((dueMs) => dueMs > nowMs));
    }),
    { numRuns: 300 },
  );
});
