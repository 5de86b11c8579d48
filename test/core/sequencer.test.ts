/**
 * The sequencer by itself: what it takes and what it answers, without a log.
 */
import { afterEach, beforeEach, expect, it } from "vitest";
import { emptyFold } from "../../core/engine/fold.ts";
import { asFailure } from "../../core/engine/loop.ts";
import { Sequencer } from "../../core/engine/sequencer.ts";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import { sha256, World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.close());

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

it("calls a bug a failure that is not certain, and leaves failures as they are", () => {
  const bug = new Error("a bug");
  expect(asFailure(bug)).toMatchObject({ code: "fold.failed", definite: false, cause: bug });
  expect(asFailure("thrown").message).toContain("thrown");
  const failure = new Failure("busy", "Later.");
  expect(asFailure(failure)).toBe(failure);
});

it("writes no entry for what changes nothing, and answers as of where the log stands", async () => {
  const engine = await world.engine();
  await engine.own({ type: "agent.join" }, "a");
  const seq = engine.head();
  expect(await world.submit(engine, "a", { type: "agent.describe" })).toEqual({ ok: true, seq });
  expect(engine.head()).toBe(seq);
});

it("has nothing ready where nothing was asked for", () => {
  const sequencer = new Sequencer({ fold: emptyFold, hub: "h", hash: sha256, repeat: () => {} });
  expect(sequencer.ready(0, 0)).toBeUndefined();
});
