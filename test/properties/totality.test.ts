/**
 * The fold is total, and nothing that passed its schema makes the model throw: any events on any state, and on what
 * they leave behind any command, question, deadline or snapshot.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Edit } from "../../core/model/map.ts";
import {
  allDeadlines,
  bare,
  type Command,
  commands,
  deadlinesOf,
  decide,
  type Event,
  events,
  evolve,
  follow,
  lapse,
  queries,
  type State,
  settle,
} from "../../core/model/model.ts";
import type { ObjectShape } from "../../core/model/shape.ts";
import type { Context, Entry } from "../../core/model/slice.ts";
import { compile } from "../../core/protocol/schema.ts";
import { reloaded } from "../core/saved.ts";
import { arbitrary } from "./arbitrary.ts";

/** Few names, so that events meet each other. */
const NAMES = ["ann", "ben", "A", "B", "C"];
const NAMED = new Set([
  "claim",
  "holder",
  "agent",
  "from",
  "to",
  "by",
  "task",
  "savedBy",
  "owner",
  "document",
  "block",
]);

/** The same value with few names in the places where names stand. */
function named(value: unknown, pick: () => number, field = ""): unknown {
  if (typeof value === "string") return NAMED.has(field) ? NAMES[pick() % NAMES.length] : value;
  if (Array.isArray(value)) return value.map((item) => named(item, pick, field));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, named(inner, pick, key)]));
}

function typed<T>(shapes: { readonly [type: string]: ObjectShape }): fc.Arbitrary<T> {
  const each = Object.entries(shapes).map(([type, { fields }]) => {
    const shape = { kind: "object", fields } as const;
    const check = compile(shape);
    return fc
      .tuple(arbitrary(shape), fc.infiniteStream(fc.nat(1000)))
      .map(([value, picks]) => named(value, () => picks.next().value as number) as object)
      .filter((value) => check(value) === undefined)
      .map((value) => ({ type, ...value }) as T);
  });
  return fc.oneof(...each);
}

const happenings = fc.array(
  fc.record({
    skip: fc.nat(3),
    laterMs: fc.constantFrom(0, 1, 1000, 10 ** 9),
    by: fc.constantFrom("ann", "ben", "hub"),
    events: fc.array(typed<Event>(events), { minLength: 1, maxLength: 3 }),
  }),
  { maxLength: 20, size: "max" },
);
const asked = fc.array(typed<Command>(commands), { maxLength: 10, size: "max" });

function entriesOf(happened: typeof happenings extends fc.Arbitrary<infer T> ? T : never): Entry[] {
  let [seq, atMs] = [0, 1000];
  return happened.map(({ skip, laterMs, by, events }) => {
    seq += 1 + (skip === 3 ? 1000 : 0);
    atMs += laterMs;
    return { seq, atMs, wallMs: 0, by, id: `s${seq}`, events };
  });
}

function fold(entries: readonly Entry[], from: State, edit?: Edit): State {
  return entries.reduce((state, entry) => {
    const next = evolve(state, entry, edit);
    deadlinesOf(entry, next);
    return next;
  }, from);
}

test("any events can be folded, saved, loaded and asked about, and any command decided", {
  timeout: 120_000,
}, () => {
  fc.assert(
    fc.property(happenings, asked, fc.nat(), (happened, wanted, cause) => {
      const entries = entriesOf(happened);
      const last = entries.at(-1);
      const folded = fold(entries, settle(bare()));
      fold(entries, settle(bare()), new Edit());
      const loaded = reloaded(settle(fold(entries, bare(), new Edit())));
      for (const state of [folded, loaded]) {
        const context: Context = {
          agent: "ann",
          nowMs: (last?.atMs ?? 0) + 1,
          seq: (last?.seq ?? 0) + 1,
          operator: cause % 2 === 0,
          hub: "hub-1",
          submission: "s",
          hash: (text) => text,
        };
        for (const command of wanted) {
          const decision = decide(state, command, context);
          if ("rejection" in decision) expect(decision.rejection.message.length).toBeLessThanOrEqual(400);
          else
            evolve(state, {
              seq: context.seq,
              atMs: context.nowMs,
              wallMs: 0,
              by: "ann",
              id: "s",
              events: decision.events,
            });
        }
        follow(state, context, undefined);
        follow(state, context, last?.seq ?? 0);
        for (const [noun, [dueMs, key]] of allDeadlines(state)) {
          const lapsed = lapse(state, noun, key, context);
          if (lapsed !== undefined) expect(dueMs).toBeLessThanOrEqual(context.nowMs);
        }
      }
    }),
    { numRuns: 450 },
  );
});

test("a block of the last version there is can be stored again with changes", () => {
  const block = (version: number) => ({ block: "C", kind: "x", version });
  const stored = (blocks: readonly object[]): Entry["events"] =>
    [{ type: "document.stored", document: "A", format: "markpact", blocks }] as unknown as Entry["events"];
  const about = { atMs: 0, wallMs: 0, by: "ann", id: "" };
  const entries: Entry[] = [
    { ...about, seq: 1, events: stored([block(Number.MAX_SAFE_INTEGER)]) },
    { ...about, seq: 2, events: stored([{ ...block(0), changes: [] }]) },
    { ...about, seq: 3, events: stored([{ ...block(0), changes: [] }]) },
  ];
  const { documents } = reloaded(fold(entries, settle(bare())));
  expect(documents.byId.get("A")?.blocks.get("C")?.version).toBe(Number.MAX_SAFE_INTEGER);
});

test("any question can be answered on any state", { timeout: 120_000 }, () => {
  const questions = Object.entries(queries).map(([method, query]) =>
    arbitrary(query.params).map((params) => ({ method, params })),
  );
  fc.assert(
    fc.property(happenings, fc.array(fc.oneof(...questions), { maxLength: 20 }), (happened, all) => {
      const state = fold(entriesOf(happened), settle(bare()));
      const asker = { agent: "ann", nowMs: 5000, operator: false, guarded: true };
      for (const { method, params } of all) {
        const { answer } = queries[method as "agents.list"];
        expect(answer(state, params as object, asker)).toBeTypeOf("object");
      }
    }),
    { numRuns: 300 },
  );
});
