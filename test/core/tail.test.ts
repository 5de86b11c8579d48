/**
 * The newest entries in memory, against a plain list: also across the hole that an accepted loss leaves.
 */
import { expect, it } from "vitest";
import { Tail } from "../../core/engine/tail.ts";
import { limits } from "../../core/limits.ts";
import type { Entry } from "../../core/model/slice.ts";

const entry = (seq: number): Entry => ({
  seq,
  atMs: 0,
  wallMs: 0,
  by: "a",
  id: "",
  events: [],
});
const entries = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(from + i));

it("gives what stands after a seq, and at one, with holes or without", () => {
  for (const kept of [entries(11, 40), [...entries(11, 20), ...entries(25, 40)], [...entries(30, 33)], []]) {
    const tail = new Tail(10);
    tail.add(kept);
    for (let seq = 10; seq <= 45; seq++) {
      for (const limit of [1, 3, 100]) {
        expect(tail.after(seq, limit)).toEqual(kept.filter((one) => one.seq > seq).slice(0, limit));
      }
      expect(tail.at(seq)).toEqual(kept.find((one) => one.seq === seq));
    }
    expect(tail.after(9, 1)).toBeUndefined();
  }
});

it("keeps the newest, and says so where only the log can tell", () => {
  const tail = new Tail(0);
  const kept = limits.tailEntries;
  tail.add(entries(1, 2 * kept - 1));
  expect(tail.after(0, 1)).toEqual([entry(1)]);
  tail.add([entry(2 * kept)]);
  expect(tail.after(kept - 1, 1)).toBeUndefined();
  expect(tail.at(kept)).toBeUndefined();
  expect(tail.after(kept, 1)).toEqual([entry(kept + 1)]);
  expect(tail.after(2 * kept - 1, 5)).toEqual([entry(2 * kept)]);
});
