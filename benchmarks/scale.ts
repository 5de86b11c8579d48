/**
 * `scale`: what a claim and its release cost with 100,000 live scoped claims, against 1,000; one kind of scope after
 * another, refusals and waits among them. In process, on a log in memory.
 */

import { sha256 } from "../adapters/node/hash.ts";
import { emptyFold } from "../core/engine/fold.ts";
import { type Outcome, Sequencer } from "../core/engine/sequencer.ts";
import type { Command } from "../core/index.ts";
import { limits } from "../core/limits.ts";
import type { Scope } from "../core/model/scopes.ts";
import { compared, inTurns, percentile, print } from "./measure.ts";
import type { Options } from "./run.ts";

const FEW = 1000;
const MANY = 100_000;
const ROUNDS = 5;
/** What costs far too much is seen after a few samples: no row of the table may take for ever. */
const BUDGET_MS = 1000;
/** Behind each place in the table that is claimed by others stand a few extra ones, which are claimed and released. */
const SPARE = 200;

/** A population: the scope of its nth claim. No two refuse each other. */
interface Kind {
  readonly scope: (n: number) => Scope;
  /** Any two of them overlap, which they may only when shared. */
  readonly shared?: true;
  /** How many, where there cannot be as many as of the others. */
  readonly many?: number;
}

const kinds: { readonly [name: string]: Kind } = {
  "files, spread": { scope: (n) => ({ files: [`src/d${n % 997}/e${n % 13}/f${n}.ts`] }) },
  "files, one folder": { scope: (n) => ({ files: [`src/f${n}.ts`] }) },
  "dir/**": { scope: (n) => ({ paths: [`src/d${n % 997}/m${n}/**`] }) },
  // Such a name may be a folder's, so that within one worktree any two of these overlap.
  "**/name, a worktree each": { scope: (n) => ({ worktree: `/w/${n}`, paths: [`**/name${n}.ts`] }) },
  "**/name, shared, 5k": { scope: (n) => ({ paths: [`**/name${n}.ts`] }), shared: true, many: 5000 },
  "**/*.ext": { scope: (n) => ({ paths: [`**/*.x${n}`] }) },
  "dN/**/*.ext": { scope: (n) => ({ paths: [`d${n}/**/*.ts`] }) },
  "tests/**/tN_*.spec": { scope: (n) => ({ paths: [`tests/**/t${n}_*.spec`] }) },
  "1,000 worktrees": {
    scope: (n) => ({ worktree: `/w/${n % 1000}`, paths: [`src/m${n}/**`], files: [`lib/f${n}.ts`] }),
  },
};

export async function run({ scale }: Options): Promise<void> {
  const samples = Math.round(4000 * scale);
  for (const [name, { scope, shared = false, many: most = MANY }] of Object.entries(kinds)) {
    const few = new Population(scope, shared, FEW);
    const many = new Population(scope, shared, Math.round(most * Math.min(1, scale)));
    const grants = await inTurns({ many: () => many.pairs(samples), few: () => few.pairs(samples) }, ROUNDS);
    print(compared("scale", `${name}: pair`, "µs p50", grants.many, "1k live claims", grants.few));
    const refused = await inTurns(
      { many: () => many.refusals(samples), few: () => few.refusals(samples) },
      ROUNDS,
    );
    print(compared("scale", `${name}: refusal`, "µs p50", refused.many, "1k live claims", refused.few));
    if (shared) continue;
    const waited = await inTurns(
      { many: () => many.waits(samples / 4), few: () => few.waits(samples / 4) },
      ROUNDS,
    );
    print(
      compared(
        "scale",
        `${name}: pair handed to a waiter`,
        "µs p50",
        waited.many,
        "1k live claims",
        waited.few,
      ),
    );
  }
}

/** An engine's sequencer with so many live claims of one kind. */
class Population {
  private readonly sequencer = new Sequencer({
    fold: emptyFold,
    hub: "bench",
    hash: sha256,
    repeat: () => {},
  });
  private readonly scope: (n: number) => Scope;
  private readonly shared: boolean;
  private readonly live: number;
  private nowMs = 1;
  private sent = 0;

  constructor(scope: (n: number) => Scope, shared: boolean, live: number) {
    this.scope = scope;
    this.shared = shared;
    this.live = live;
    for (let n = 0; n < live; n++) {
      if (n % limits.claimsPerAgentMax === 0) this.queue(holder(n), { type: "agent.join" });
      const command = {
        type: "claim.acquire",
        claim: `c${n}`,
        scope: scope(n),
        shared,
        ttlMs: limits.ttlMsMax,
      } as const;
      this.queue(holder(n), command, must);
      if (n % 128 === 127) this.drain();
    }
    for (const agent of ["pairs", "other"]) this.queue(agent, { type: "agent.join" });
    this.drain();
  }

  /** Claims what is free and releases it, each in an append of its own; p50 in µs. */
  pairs(samples: number): number {
    return this.timed(samples, (i) => {
      const claim = `p${i}`;
      const scope = this.scope(this.live + (i % SPARE));
      this.one("pairs", { type: "claim.acquire", claim, scope, shared: this.shared }, must);
      this.one("pairs", { type: "claim.release", claim }, must);
    });
  }

  /** Wants what others hold; p50 in µs. */
  refusals(samples: number): number {
    return this.timed(samples, (i) => {
      const scope = this.scope((i * 7919) % this.live);
      this.one("pairs", { type: "claim.acquire", claim: `p${i}`, scope }, mustNot);
    });
  }

  /** One claims, another waits, the first releases, the waiter is granted and releases; p50 in µs. */
  waits(samples: number): number {
    return this.timed(samples, (i) => {
      const scope = this.scope(this.live + (i % SPARE));
      this.one("pairs", { type: "claim.acquire", claim: `p${i}`, scope }, must);
      let granted = false;
      const waiting = { type: "claim.acquire", claim: `q${i}`, scope, waitMs: 60_000 } as const;
      this.one("other", waiting, (outcome) => {
        must(outcome);
        granted = true;
      });
      this.one("pairs", { type: "claim.release", claim: `p${i}` }, must);
      if (!granted) throw new Error("the waiter was not granted");
      this.one("other", { type: "claim.release", claim: `q${i}` }, must);
    });
  }

  private timed(samples: number, sample: (i: number) => void): number {
    const times: number[] = [];
    const untilMs = performance.now() + BUDGET_MS;
    for (let i = 0; i < samples && (i < 5 || performance.now() < untilMs); i++) {
      const startMs = performance.now();
      sample(i);
      times.push((performance.now() - startMs) * 1000);
    }
    return percentile(times, 0.5);
  }

  private one(agent: string, command: Command, settle: (outcome: Outcome) => void): void {
    this.queue(agent, command, settle);
    this.drain();
  }

  private queue(agent: string, command: Command, settle: (outcome: Outcome) => void = () => {}): void {
    this.sequencer.propose({
      agent,
      id: `s${this.sent++}`,
      digest: "0123456789a",
      command,
      operator: false,
      settle: (outcome) => {
        if ("ok" in outcome) settle(outcome);
        else throw outcome;
      },
    });
  }

  private drain(): void {
    this.nowMs += 1;
    while (this.sequencer.ready(this.nowMs, this.nowMs) !== undefined) this.sequencer.committed();
  }
}

function holder(n: number): string {
  return `holder-${Math.floor(n / limits.claimsPerAgentMax)}`;
}

function must(outcome: Outcome): void {
  if (!outcome.ok) throw new Error(outcome.rejection.message);
}

function mustNot(outcome: Outcome): void {
  if (outcome.ok) throw new Error("granted what others hold");
}
