/**
 * Claims and waits under any sequence of commands and clock steps: whatever is decided, the invariants hold behind
 * every entry, and the state can be had again from the entries, from a snapshot, in bulk or one by one.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Edit } from "../../core/model/map.ts";
import {
  allDeadlines,
  bare,
  type Command,
  deadlinesOf,
  evolve,
  follow,
  type State,
  settle,
} from "../../core/model/model.ts";
import type { Entry } from "../../core/model/slice.ts";
import { Ledger } from "../core/ledger.ts";
import { reloaded, savedRows } from "../core/saved.ts";
import { checkClaims, checkEpochs, checkWaits } from "./invariants.ts";

const AGENTS = ["ann", "ben", "cid", "dot"];
const CLAIMS = ["A", "B", "C", "D", "E"];
const PATTERNS = ["a", "a/b", "a/*.ts", "b", "**/x.ts", "c", "{a,c}/y", "**", "c/?"];
const FILES = ["a/x.ts", "b/x.ts", "c/y"];
const SAMPLE = [
  "a",
  "a/b",
  "a/b/x.ts",
  "a/x.ts",
  "a/y",
  "b",
  "b/x.ts",
  "c",
  "c/y",
  "c/z/q",
  "x.ts",
  "A/X.ts",
];

type Op =
  | { readonly op: "step"; readonly ms: number; readonly awake: boolean }
  | { readonly op: "join"; readonly agent: string }
  | { readonly op: "idle"; readonly agent: string }
  | { readonly op: "leave"; readonly agent: string }
  | {
      readonly op: "claim";
      readonly agent: string;
      readonly as: string;
      /** Which epoch it names. */
      readonly epoch: "none" | "current" | "old";
      readonly command: { readonly type: string; readonly claim: string };
    };

/** The value in `percent` of the cases. */
const maybe = <T>(value: fc.Arbitrary<T>, percent = 50) =>
  fc.oneof(
    { weight: percent, arbitrary: value },
    { weight: 100 - percent, arbitrary: fc.constant(undefined) },
  );
const agents = fc.constantFrom(...AGENTS);
const ids = fc.constantFrom(...CLAIMS);
const ttls = fc.constantFrom(1000, 5000, 20_000);
const scopes = fc
  .record({
    worktree: maybe(fc.constantFrom("w1", "w2")),
    files: maybe(fc.uniqueArray(fc.constantFrom(...FILES), { minLength: 1, maxLength: 2 }), 30),
    paths: maybe(fc.uniqueArray(fc.constantFrom(...PATTERNS), { minLength: 1, maxLength: 2 }), 75),
  })
  .map((scope) =>
    scope.files === undefined && scope.paths === undefined ? { ...scope, paths: ["a"] } : scope,
  )
  .map(present);

/** Without the fields that are undefined. */
function present<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

const acquire = fc
  .record({
    scope: maybe(scopes, 75),
    shared: maybe(fc.boolean(), 30),
    acrossWorktrees: maybe(fc.boolean(), 30),
    waitMs: maybe(fc.constantFrom(3000, 30_000), 70),
    ttlMs: maybe(ttls),
    addFiles: maybe(fc.constantFrom(["a/x.ts"], ["d.ts"]), 30),
    addPaths: maybe(fc.constantFrom(["b"], ["c/?"]), 30),
    fresh: maybe(fc.boolean(), 30),
    onGone: maybe(fc.constant("release"), 30),
    note: maybe(fc.constant("note"), 30),
  })
  .map((asked) => ({ type: "claim.acquire", ...present(asked) }));
const others = fc.oneof(
  fc.record({ type: fc.constant("claim.renew"), ttlMs: maybe(ttls) }).map(present),
  fc.record({ type: fc.constant("claim.report"), status: fc.constantFrom("working", "input-required") }),
  fc
    .record({ type: fc.constant("claim.release"), outcome: maybe(fc.constantFrom("done", "abandoned")) })
    .map(present),
  fc.record({ type: fc.constant("claim.release") }),
  fc.record({ type: fc.constant("claim.handoff"), to: agents }),
  fc.record({ type: fc.constant("claim.handoff"), to: agents }),
  fc.record({ type: fc.constant("claim.break") }),
  fc.record({ type: fc.constant("checkpoint.save"), text: fc.constant("work") }),
);
const ops: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      op: fc.constant("claim"),
      agent: agents,
      as: fc.constantFrom("sender", "holder", "holder"),
      epoch: fc.constantFrom("none", "current", "current", "old"),
      command: fc
        .tuple(ids, fc.oneof({ weight: 5, arbitrary: acquire }, { weight: 4, arbitrary: others }))
        .map(([claim, command]) => ({ claim, ...command })),
    }) as fc.Arbitrary<Op>,
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constantFrom("join", "idle", "leave"), agent: agents }) as fc.Arbitrary<Op>,
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant("step"),
      ms: fc.constantFrom(1, 999, 1000, 4000, 30_000),
      awake: fc.boolean(),
    }) as fc.Arbitrary<Op>,
  },
);
const stories = fc.array(ops, { minLength: 1, maxLength: 60, size: "max" });

function run(ledger: Ledger, op: Op): void {
  if (op.op === "step") {
    ledger.nowMs += op.ms;
    if (op.awake) ledger.tick();
  } else if (op.op === "join") ledger.send({ type: "agent.join" }, op.agent);
  else if (op.op === "leave") ledger.send({ type: "agent.leave" }, op.agent);
  else if (op.op === "idle") ledger.send({ type: "presence.lapse", agent: op.agent, seenAtMs: 0 }, op.agent);
  else {
    ledger.tick();
    const live = ledger.state.claims.live.get(op.command.claim);
    const agent = op.as === "holder" ? (live?.holder ?? op.agent) : op.agent;
    const named = { none: undefined, current: live?.epoch, old: live && live.epoch - 1 }[op.epoch];
    const may = op.command.type !== "claim.break";
    const must = may && op.command.type !== "claim.acquire" && op.command.type !== "claim.release";
    const epoch = may ? (named ?? (must ? (live?.epoch ?? 1) : undefined)) : undefined;
    const command = { ...op.command, ...(epoch === undefined ? {} : { epoch }) };
    ledger.send(command as Command, agent, { operator: op.command.type === "claim.break" });
  }
}

/** A ledger in which the agents take part, keeps little of what ended, and checks itself. */
function begun(options: { readonly bulk?: boolean; readonly checked?: boolean } = {}): Ledger {
  const ledger = new Ledger(options);
  const keep = { endedClaimsMax: 3, checkpointsKeptClaims: 2 };
  ledger.send({ type: "log.configure", ...keep }, "root", { operator: true });
  for (const agent of AGENTS) ledger.send({ type: "agent.join" }, agent);
  if (options.checked !== false) {
    ledger.onEntry = () => checkClaims(ledger.state, SAMPLE);
    ledger.onQuiet = () => checkWaits(ledger.state);
  }
  return ledger;
}

/** Every row of a state, however its maps are built. */
function rows(state: State): string {
  return savedRows(state)
    .map((row) => JSON.stringify(sorted(row)))
    .sort()
    .join("\n");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(
    fields.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, field]) => [key, sorted(field)]),
  );
}

function fold(from: State, entries: readonly Entry[], edit?: Edit): State {
  return entries.reduce((state, entry) => evolve(state, entry, edit), from);
}

const runs = (numRuns: number) => ({ numRuns, endOnFailure: false });

describe("any sequence of commands and clock steps", () => {
  test("keeps one holder, rising epochs, waits that must wait, and no circle", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(stories, (story) => {
        const ledger = begun();
        for (const op of story) run(ledger, op);
        checkEpochs(ledger.entries);
        expect(follow(ledger.state, ledger.context("hub", true, ""), undefined)).toBeUndefined();
      }),
      runs(1500),
    );
  });

  test("gives one state: by entries, in bulk, from a snapshot, with and without an edit", {
    timeout: 60_000,
  }, () => {
    fc.assert(
      fc.property(stories, fc.nat(), (story, cut) => {
        const ledger = begun({ checked: false });
        for (const op of story) run(ledger, op);
        const { entries, state } = ledger;
        const served = rows(state);
        expect(rows(settle(fold(bare(), entries))), "bare").toBe(served);
        expect(rows(settle(fold(bare(), entries, new Edit()))), "bare, edited").toBe(served);
        const at = cut % (entries.length + 1);
        const held = fold(settle(bare()), entries.slice(0, at));
        const before = rows(held);
        const loaded = reloaded(held);
        expect(rows(loaded), "loaded").toBe(before);
        const rest = entries.slice(at);
        for (const end of [fold(held, rest), fold(held, rest, new Edit()), fold(loaded, rest, new Edit())]) {
          expect(rows(end), "from the middle").toBe(served);
          checkClaims(end, SAMPLE);
          checkWaits(end);
        }
        expect(rows(held), "held").toBe(before);
        checkClaims(held, SAMPLE);
      }),
      runs(300),
    );
  });

  test("decides the same on states that are edited in place", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(stories, (story) => {
        const [plain, bulk] = [begun(), begun({ bulk: true })];
        for (const op of story) for (const ledger of [plain, bulk]) run(ledger, op);
        expect(bulk.entries).toEqual(plain.entries);
        expect(rows(bulk.state)).toBe(rows(plain.state));
      }),
      runs(200),
    );
  });

  test("announces every deadline that stands", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(stories, (story) => {
        const ledger = begun({ checked: false });
        const announced = new Set<string>();
        const check = (entry: Entry) => {
          for (const [noun, due] of deadlinesOf(entry, ledger.state)) announced.add(`${noun} ${due}`);
          for (const [noun, due] of allDeadlines(ledger.state)) expect(announced).toContain(`${noun} ${due}`);
        };
        ledger.onEntry = check;
        for (const op of story) run(ledger, op);
      }),
      runs(200),
    );
  });
});
