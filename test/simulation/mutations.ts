/**
 * Deliberate bugs, each a small change of the real code that compiles; the simulation must find every one of
 * them.
 */

export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** What stands there; exactly once. */
  readonly find: string;
  readonly put: string;
}

export const mutations: readonly Mutation[] = [
  {
    name: "answer before the append",
    file: "core/engine/sequencer.ts",
    find: "this.flight = { ready, ahead, releases, taken, writing, lapsed, owed };",
    put:
      "for (const release of releases) release();" +
      "this.flight = { ready, ahead, releases: [], taken, writing, lapsed, owed };",
  },
  {
    name: "the epoch is not checked",
    file: "core/model/claims.ts",
    find: "if (epoch !== undefined && live.epoch !== epoch)",
    put: "if (epoch !== undefined && live.epoch < 0)",
  },
  {
    name: "an epoch that repeats",
    file: "core/model/acquire.ts",
    find: "epoch: context.seq,",
    put: "epoch: Math.max(1, context.seq - (context.seq % 3)),",
  },
  {
    name: "receipts are left out of the snapshot",
    file: "core/engine/receipts.ts",
    find: "const answered = table.answered();",
    put: "const answered = table.answered().slice(0, 0);",
  },
  {
    name: "open receipts are left out of the snapshot",
    file: "core/engine/receipts.ts",
    find: "for (const receipt of table.opened()) rows.push",
    put: "for (const receipt of table.opened()) if (receipt.seq < 0) rows.push",
  },
  {
    name: "a cursor is off by one when a follower reads from the log",
    file: "core/engine/subscriptions.ts",
    find: "of this.source.read(this.cursor)",
    put: "of this.source.read(this.cursor + 1)",
  },
  {
    name: "a cursor is off by one in the tail",
    file: "core/engine/tail.ts",
    find: "const from = this.indexAfter(seq);",
    put: "const from = this.indexAfter(seq + (seq % 17 === 16 ? 1 : 0));",
  },
  {
    name: "a newcomer barges past those who wait",
    file: "core/model/obstacles.ts",
    find: "return state.waits.bySeq.size === 0 ? NONE",
    put: "return state.waits.bySeq.size < 1_000_000 ? NONE",
  },
  {
    name: "the wall clock for log time",
    file: "core/engine/log-time.ts",
    find: "return this.atMs + Math.max(0, Math.floor(this.clock.monotonicMs() - this.sinceMs));",
    put: "return Math.max(this.atMs, this.clock.wallMs() - 1_699_999_000_000);",
  },
  {
    name: "a retry gets a new id",
    file: "core/engine/session.ts",
    find: "id: (submission as string | undefined) ??",
    put: "id: this.made % 7 !== 0 && (submission as string | undefined) ||",
  },
  {
    name: "what is due is free without its entry",
    file: "core/model/obstacles.ts",
    find: "return claim !== undefined && (want.fresh ||",
    put: "return claim !== undefined && claim.epoch % 5 !== 0 && (want.fresh ||",
  },
  {
    name: "a lease is judged as a list is read",
    file: "core/model/claim-queries.ts",
    find: "const claim = state.claims.live.get(id);\n        if (claim === undefined) return undefined;",
    put:
      "const claim = state.claims.live.get(id);\n" +
      "        if (claim === undefined || claim.expiresAtMs - 300 <= asker.nowMs) return undefined;",
  },
  {
    name: "a torn append is accepted",
    file: "test/simulation/sim-log.ts",
    find: "return texts.length === count && sumOf(texts) === sum;",
    put: "return count > 0 || sumOf(texts) === sum;",
  },
  {
    name: "a refusal is answered without a look at the head",
    file: "core/engine/loop.ts",
    find: "if (log.shared && (await log.head()) !== after)",
    put: "if (!log.shared && (await log.head()) !== after)",
  },
  {
    name: "an append whose outcome is unknown is taken for refused",
    file: "core/engine/loop.ts",
    find: "if (failure.definite) {",
    put: "if (failure.definite || (await log.reopen().then(() => true, () => true))) {",
  },
  {
    name: "refusals are forgotten",
    file: "core/engine/sequencer.ts",
    find: 'if (key !== "") this.refused.set(key, item.digest, outcome);',
    put: 'if (key === "") this.refused.set(key, item.digest, outcome);',
  },
  {
    name: "the floor of the receipts is forgotten",
    file: "core/engine/receipts.ts",
    find: "floor = oldest.answered;",
    put: "floor = 0;",
  },
  {
    name: "a lease ends a little early",
    file: "core/model/claims.ts",
    find: "if (claim === undefined || claim.expiresAtMs > context.nowMs) return undefined;",
    put: "if (claim === undefined || claim.expiresAtMs > context.nowMs + 40) return undefined;",
  },
  {
    name: "the timer of expiry never fires",
    file: "core/engine/loop.ts",
    find: "if (this.foreign || (sequencer.expiry.nextMs ?? Infinity) <= time.nowMs()) this.kick();",
    put: "if (this.foreign && (sequencer.expiry.nextMs ?? Infinity) <= -1) this.kick();",
  },
  {
    name: "nobody is granted after a release",
    file: "core/engine/batch.ts",
    find: "this.put(entry, bytes);\n    this.pay([entry.seq]);",
    put: "this.put(entry, bytes);\n    if (entry.seq % 4 !== 0) this.pay([entry.seq]);",
  },
  {
    name: "a slow peer is sent more than it takes",
    file: "core/engine/subscriptions.ts",
    find: "this.cursor = last.seq;",
    put: "this.cursor = this.hasRoom ? last.seq : last.seq + 1;",
  },
  {
    name: "overlaps are looked for in one direction",
    file: "core/model/obstacles.ts",
    find: "if (refuses(claim, want)) yield claim;",
    put: "if (refuses(claim, want) && claim.scope?.files === undefined) yield claim;",
  },
  {
    name: "an engine that is ahead of the log ends leases by its own time",
    file: "core/engine/log-time.ts",
    find: "if (aheadMs >= 0 && aheadMs <= (agoMs < elapsedMs ? AHEAD_MS : ROUNDING_MS)) return;",
    put: "if (aheadMs >= 0) return;",
  },
  {
    name: "a retry of the client gets a new id",
    file: "core/client/calls.ts",
    find: "params = { ...params, submission, sentAfter: pending.sentAfter };",
    put: 'params = { ...params, submission: submission + "r".repeat(pending.sends) };',
  },
  {
    name: "a failure of the second sending is told as certain for both",
    file: "core/client/calls.ts",
    find: "pending.sends > 1 ? doubted(pending, error) : error",
    put: "pending.sends > 1_000_000 ? doubted(pending, error) : error",
  },
  {
    name: "what is for others is shown to all",
    file: "core/model/messages.ts",
    find: "mayRead(event, asker) ? event : {",
    put: "mayRead(event, asker) || event.from !== asker.agent ? event : {",
  },
  {
    name: "an exclusive session is taken over without its token",
    file: "core/engine/names.ts",
    find: "if (resume !== alone.resume) return refuse(",
    put: "if (resume !== undefined && resume !== alone.resume) return refuse(",
  },
  {
    name: "a token of somebody else is good enough",
    file: "core/engine/admission.ts",
    find: "const proven = verify(agent, token);",
    put: "const proven = verify(agent, token) ?? (token.length > 5 ? { operator: false } : undefined);",
  },
];
