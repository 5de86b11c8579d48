/**
 * Pages hold as much as they may, and say where the next begins.
 */
import { describe, expect, it } from "vitest";
import { limits } from "../../core/limits.ts";
import { page, sizeOf } from "../../core/model/page.ts";
import type { Asker, Entry } from "../../core/model/slice.ts";
import { taskPasts } from "../../core/model/task-history.ts";

/** A text that is counted as so many bytes. */
const text = (bytes: number) => "x".repeat(bytes - sizeOf(""));
const half = limits.pageBytesMax / 2;

describe("a page", () => {
  const rows = (sizes: readonly number[]) => sizes.map((size, key) => [key, text(size)] as const);
  const take = (sizes: readonly number[], paging = {}) => {
    const { items, next } = page(rows(sizes), paging, (value) => value);
    return [items.length, next];
  };

  it("ends with the item that fills it, to the byte", () => {
    expect(take([half, half])).toEqual([2, undefined]);
    expect(take([half, half, 4])).toEqual([2, "2"]);
    expect(take([half, half + 1])).toEqual([1, "1"]);
  });

  it("holds at least one item, however large, and no more than its limit", () => {
    expect(take([3 * half, 4])).toEqual([1, "1"]);
    expect(take([4, 4, 4], { limit: 2 })).toEqual([2, "2"]);
    expect(take([4, 4], { limit: 2 })).toEqual([2, undefined]);
  });

  it("leaves out what is not to be shown, and does not count it", () => {
    const shown = page(rows([4, 4, 4]), { limit: 2 }, (value, key) => (key === 1 ? undefined : value));
    expect(shown).toEqual({ items: [text(4), text(4)] });
  });
});

describe("the history of a task", () => {
  const about = (seq: number, bytes: number): Entry => {
    const entry = (note: string) => ({
      seq,
      atMs: 1,
      wallMs: 1,
      by: "a",
      events: [{ type: "x", task: "T", note }],
    });
    return entry(text(bytes - sizeOf(entry("")) + sizeOf(""))) as unknown as Entry;
  };
  const history = (entries: readonly Entry[], params: object = {}) => {
    const trace = taskPasts["task.history"].trace({} as never, { task: "T", ...params }, {} as Asker);
    if ("rejection" in trace) throw new Error("refused");
    const taken = entries.filter((entry) => trace.take(entry)).length;
    const { items, next } = trace.answer();
    return { taken, seqs: items.map(({ seq }) => seq), next };
  };

  it("ends with the entry that fills its page, to the byte", () => {
    expect(sizeOf(about(1, half))).toBe(half);
    expect(history([about(1, half), about(2, half)])).toEqual({ taken: 2, seqs: [1, 2] });
    expect(history([about(1, half), about(2, half + 1)])).toEqual({ taken: 1, seqs: [1], next: "1" });
    expect(history([about(1, 3 * half), about(2, 200)])).toEqual({ taken: 1, seqs: [1], next: "1" });
  });

  it("passes over what is about other tasks", () => {
    const other = { ...about(1, 200), events: [{ type: "x", task: "U" }, { type: "y" }] } as unknown as Entry;
    expect(history([other, about(2, 200)], { limit: 1 })).toEqual({ taken: 2, seqs: [2] });
    expect(history([about(2, 200), about(3, 200)], { limit: 1 })).toEqual({ taken: 1, seqs: [2], next: "2" });
  });
});
