/**
 * Progress notes, row by row of the exact behaviour.
 */
import { expect, test } from "vitest";
import { Fleet } from "./fleet.ts";

function note(fleet: Fleet, text: string, task?: string) {
  return fleet.send("ann", {
    type: "progress.note",
    kind: "note",
    text,
    ...(task === undefined ? {} : { task }),
  });
}

function texts(fleet: Fleet, params: object = {}): string {
  return fleet
    .ask("ann", "progress.list", params)
    .items.map((item: { text: string }) => item.text)
    .join(" ");
}

test("TA13: notes are appended, of four kinds, and listed by task, the newest first", () => {
  const fleet = new Fleet();
  for (const kind of ["note", "blocked", "assessment", "evidence"] as const) {
    expect(fleet.send("ann", { type: "progress.note", kind, text: kind, task: "a" }).refused).toBeUndefined();
  }
  note(fleet, "general");
  expect(texts(fleet)).toBe("general evidence assessment blocked note");
  expect(texts(fleet, { task: "a" })).toBe("evidence assessment blocked note");
  expect(texts(fleet, { task: "b" })).toBe("");
  expect(fleet.ask("ann", "progress.list").items[0]).toEqual({
    by: "ann",
    kind: "note",
    text: "general",
    seq: 6,
    atMs: 0,
  });
  expect(note(fleet, "").refused).toBe("schema");
  fleet.verify("progress");
});

test("TA13: a note is a sign of work on its task", () => {
  const fleet = new Fleet();
  fleet.send("ann", { type: "task.declare", task: "a", title: "a" });
  fleet.tick(5000);
  note(fleet, "x", "a");
  expect(fleet.ask("ann", "tasks.list").items[0]).toMatchObject({ activeAtMs: 5000, changedAtMs: 0 });
});

test("the newest are kept, and pages go on where they ended", () => {
  const fleet = new Fleet({ progressMax: 5 });
  for (let i = 0; i < 8; i++) note(fleet, `n${i}`, i % 2 === 0 ? "even" : undefined);
  expect(texts(fleet)).toBe("n7 n6 n5 n4 n3");
  expect(texts(fleet, { task: "even" })).toBe("n6 n4");
  const { next } = fleet.ask("ann", "progress.list", { limit: 2 });
  expect(texts(fleet, { limit: 2, cursor: next })).toBe("n5 n4");
  const even = fleet.ask("ann", "progress.list", { task: "even", limit: 1 });
  expect(texts(fleet, { task: "even", cursor: even.next })).toBe("n4");
  for (let i = 8; i < 14; i++) note(fleet, `n${i}`);
  expect(texts(fleet, { task: "even" })).toBe("");
  fleet.verify("progress");
});
