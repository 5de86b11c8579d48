/**
 * Engines that share a log, under random commands, clock steps, restarts, lost races and appends of unknown outcome.
 *
 * Promises 2 to 5 and 8: one holder, epochs that rise, replay is the state, retrying is harmless, one order.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openMemoryLog } from "../../adapters/log/memory.ts";
import type { Engine } from "../../core/engine/engine.ts";
import { bareFold, emptyFold, foldAll, settled } from "../../core/engine/fold.ts";
import { recover } from "../../core/engine/recovery.ts";
import type { Outcome } from "../../core/engine/sequencer.ts";
import { rowsOf } from "../../core/engine/snapshot.ts";
import { Failure } from "../../core/failures.ts";
import type { Command } from "../../core/model/model.ts";
import { compileScope, overlaps, sameWorktree } from "../../core/model/scopes.ts";
import { entriesOf, settle, World } from "../core/world.ts";

const agents = ["a", "b", "c"] as const;
const ids = ["T1", "T2", "T3"] as const;
const paths = ["src", "src/*.ts", "src/a.ts", "**/a.ts", "docs/**"] as const;

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .record(
        {
          claim: fc.constantFrom(...ids),
          scope: fc.record(
            {
              paths: fc.uniqueArray(fc.constantFrom(...paths), { minLength: 1, maxLength: 2 }),
              worktree: fc.constantFrom("w1", "w2"),
            },
            { requiredKeys: ["paths"] },
          ),
          ttlMs: fc.constantFrom(1000, 5000, 60_000),
          waitMs: fc.constantFrom(500, 5000),
          shared: fc.boolean(),
          acrossWorktrees: fc.boolean(),
          onGone: fc.constant("release" as const),
        },
        { requiredKeys: ["claim"] },
      )
      .map((fields) => ({ type: "claim.acquire", ...fields }) as Command),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...ids).map((claim) => ({ type: "claim.release", claim }) as Command),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...ids), fc.integer({ min: 1, max: 30 }))
      .map(([claim, epoch]) => ({ type: "claim.renew", claim, epoch }) as Command),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...ids).map((claim) => ({ type: "claim.break", claim }) as Command),
  },
);

type Step =
  | { kind: "submit"; engine: number; agent: string; command: Command; again: boolean }
  | { kind: "clock"; ms: number }
  | { kind: "restart"; engine: number; clean: boolean }
  | { kind: "break"; stored: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("submit" as const),
      engine: fc.nat(1),
      agent: fc.constantFrom(...agents, "op"),
      command,
      again: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("clock" as const), ms: fc.constantFrom(100, 700, 3000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("restart" as const), engine: fc.nat(1), clean: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("break" as const), stored: fc.boolean() }) },
);

async function play(steps: readonly Step[]): Promise<void> {
  const world = new World();
  let breakNext: { stored: boolean } | undefined;
  const open = async (): Promise<Engine> => {
    const log = await openMemoryLog(world.name, { clock: world.clock });
    const append = log.append.bind(log);
    log.append = async (entries, after) => {
      const fault = breakNext;
      breakNext = undefined;
      // Appends take a while, so that the other engine gets in between.
      await new Promise((resolve) => setImmediate(resolve));
      if (fault === undefined) return append(entries, after);
      if (fault.stored) await append(entries, after);
      throw new Failure("log.unknown-outcome", "EIO", { definite: false });
    };
    return world.engine({ log, report: () => {} });
  };
  const engines = [await open(), await open()];
  const answers = new Map<string, Outcome>();
  const outstanding: Promise<unknown>[] = [];
  let n = 0;
  for (const one of steps) {
    if (one.kind === "clock") await world.clock.advance(one.ms);
    else if (one.kind === "break") breakNext = one;
    else if (one.kind === "restart") {
      if (one.clean) await engines[one.engine]?.close();
      engines[one.engine] = await open();
    } else {
      const id = `x${n++}`;
      const send = (engine: Engine | undefined) =>
        engine &&
        world.submit(engine, one.agent, one.command, id).then(
          (outcome) => {
            const { repeated: _, ...plain } = outcome as Outcome & { repeated?: true; endedAtMs?: number };
            const { endedAtMs: __, ...same } = plain;
            const before = answers.get(`${one.agent}/${id}`);
            // A refusal is remembered by the engine that gave it alone; what took effect is one answer everywhere.
            if (before?.ok && same.ok && "epoch" in same) expect(same).toEqual(before);
            answers.set(`${one.agent}/${id}`, same as Outcome);
          },
          (error: unknown) => expect(error).toBeInstanceOf(Failure),
        );
      const sent = [send(engines[one.engine])];
      if (one.again) sent.push(send(engines[1 - one.engine]));
      outstanding.push(...(sent as Promise<unknown>[]));
      if (n % 3 === 0) await settle(2);
    }
  }
  breakNext = undefined;
  await settle();
  await world.clock.advance(8000);
  await Promise.all(outstanding);
  await judge(world, engines, answers);
  await world.close();
}

async function judge(
  world: World,
  engines: readonly Engine[],
  answers: ReadonlyMap<string, Outcome>,
): Promise<void> {
  const log = await openMemoryLog(world.name, { clock: world.clock });
  const entries = await entriesOf(log);
  expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, i) => i + 1));
  let fold = emptyFold;
  let epoch = 0;
  const effects = new Set<string>();
  for (const entry of entries) {
    expect(entry.atMs).toBeGreaterThanOrEqual(fold.atMs);
    if (entry.id !== "") {
      expect(effects.has(`${entry.by}/${entry.id}`)).toBe(false);
      effects.add(`${entry.by}/${entry.id}`);
    }
    for (const event of entry.events) {
      if (event.type !== "claim.granted" && event.type !== "claim.handed-off") continue;
      expect(event.epoch).toBe(entry.seq);
      expect(event.epoch).toBeGreaterThan(epoch);
      epoch = event.epoch;
    }
    fold = foldAll(fold, [entry]);
    oneHolder(fold.state.claims.live.values());
  }
  for (const engine of engines) {
    await engine.query("state.summary", {});
    expect(engine.head()).toBe(entries.length);
    const served = rowsOf({ ...fold, state: engine.state() });
    expect(served).toEqual(rowsOf(fold));
  }
  const replayed = rowsOf(settled(foldAll(bareFold(), entries)));
  expect(replayed).toEqual(rowsOf(fold));
  expect(rowsOf(await recover(log))).toEqual(replayed);
  for (const [key, outcome] of answers) {
    if (outcome.ok && "epoch" in outcome && outcome.claim !== undefined) {
      const there = entries.find(({ seq }) => seq === outcome.seq);
      expect(there, key).toBeDefined();
    }
  }
}

function oneHolder(live: Iterable<import("../../core/model/claim-state.ts").Claim>): void {
  const all = [...live];
  for (const [i, a] of all.entries()) {
    for (const b of all.slice(i + 1)) {
      if (a.holder === b.holder || (a.shared && b.shared) || !a.scope || !b.scope) continue;
      if (!sameWorktree(a.scope, b.scope) && !a.acrossWorktrees && !b.acrossWorktrees) continue;
      const meet = overlaps(compileScope(a.scope, false), compileScope(b.scope, false));
      expect(meet, `${a.claim} of ${a.holder} and ${b.claim} of ${b.holder}`).toBe(false);
    }
  }
}

describe("two engines on one log", () => {
  it("keep promises 2, 3, 4, 5 and 8 whatever is sent where", { timeout: 120_000 }, async () => {
    const runs = Number(process.env.HOLDFAST_RUNS ?? 60);
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), play), {
      numRuns: runs,
    });
  });
});
