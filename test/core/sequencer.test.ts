/**
 * The sequencer by itself: what it takes and what it answers, without a log.
 */
import { expect, it } from "vitest";
import { emptyFold } from "../../core/engine/fold.ts";
import { Sequencer } from "../../core/engine/sequencer.ts";
import { limits } from "../../core/limits.ts";
import { sha256 } from "./world.ts";

it("refuses more than may wait, for certain and for now", () => {
  const sequencer = new Sequencer({ fold: emptyFold, hub: "h", hash: sha256, repeat: () => {} });
  const told: unknown[] = [];
  const propose = () =>
    sequencer.propose({
      agent: "a",
      id: "",
      digest: "",
      operator: false,
      command: { type: "agent.join" },
      settle: (outcome) => told.push(outcome),
    });
  for (let i = 0; i < limits.pendingMax; i++) propose();
  expect([sequencer.pending, told.length]).toEqual([limits.pendingMax, 0]);
  propose();
  expect(told).toMatchObject([{ code: "busy", definite: true }]);
  expect(sequencer.pending).toBe(limits.pendingMax);
});
