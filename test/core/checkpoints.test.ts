/**
 * Checkpoints, row by row: saved under a claim, found by its successor, dropped when the work is finished.
 */
import { expect, test } from "vitest";
import { defaultSettings } from "../../core/model/log.ts";
import { agent, awake, given, later, type Story } from "./story.ts";

const DAY = 86_400_000;
const alice = agent("alice");
const bob = agent("bob");
const carol = agent("carol");
const root = agent("root", { operator: true });

/** What the newest grant carried. */
function found(story: Story): unknown {
  const grant = story.happened.findLast((event) => event.type === "claim.granted");
  return grant?.type === "claim.granted" ? grant.checkpoint?.text : undefined;
}

test("CP1 the holder saves; the latest wins, the last ten are listed", () => {
  const story = given(alice.acquires("X")).when(alice.saves("X", "one", { ref: "abc", summary: "first" }));
  story.gives({
    type: "checkpoint.saved",
    claim: "X",
    holder: "alice",
    epoch: 2,
    text: "one",
    ref: "abc",
    summary: "first",
  });
  story.when(later(1000), ...Array.from({ length: 11 }, (_, i) => alice.saves("X", `${i + 2}`)));
  const { items } = story.ask("checkpoints.list", { claim: "X" }) as { items: { text: string }[] };
  expect(items.map(({ text }) => text)).toEqual(["12", "11", "10", "9", "8", "7", "6", "5", "4", "3"]);
  expect(items[0]).toEqual({ claim: "X", text: "12", savedBy: "alice", savedAtMs: 1_001_000 });
  expect(story.ask("checkpoints.list")).toMatchObject({ items: [{ claim: "X", text: "12" }] });
  expect(story.ask("claims.list")).toMatchObject({
    items: [{ checkpoint: { text: "12", savedBy: "alice" } }],
  });
});

test("CP1 only under the current epoch", () => {
  const held = given(alice.acquires("X"));
  held.when(bob.saves("X", "text")).refused("claim.not-holder");
  held.when(alice.saves("X", "text", { epoch: 1 })).refused("claim.stale");
  held.when(alice.releases("X"), alice.saves("X", "text")).refused("claim.unknown");
});

test("CP2 the next holder of the claim is given it, whichever way the lease ended", () => {
  const saved = () => given(alice.acquires("X"), later(1000), alice.saves("X", "half"));
  const checkpoint = { text: "half", savedBy: "alice", savedAtMs: 1_001_000 };
  const next = { type: "claim.granted", holder: "bob", checkpoint } as const;
  saved().when(awake(DAY), bob.acquires("X")).gives("claim.expired", next);
  saved().when(alice.releases("X"), bob.acquires("X")).gives("claim.released", next);
  saved().when(root.breaks("X"), bob.acquires("X")).gives("claim.broken", next);
  saved()
    .when(bob.waits("X"), alice.releases("X", { outcome: "abandoned" }))
    .gives("claim.queued", "claim.released", next);
  expect(found(saved().when(alice.acquires("X")))).toBe("half");
  // Passed on by one who never saved anything.
  expect(
    found(saved().when(alice.releases("X"), bob.acquires("X"), bob.releases("X"), carol.acquires("X"))),
  ).toBe("half");
});

test("CP2 the next holder of its task is given it, under whatever claim", () => {
  const story = given(
    alice.declares("T"),
    alice.acquires("X", { task: "T" }),
    alice.saves("X", "one"),
    alice.releases("X", { outcome: "abandoned" }),
  );
  expect(found(story.when(bob.acquires("Y", { task: "T" })))).toBe("one");
  story.when(later(1000), bob.saves("Y", "two"), bob.releases("Y", { outcome: "abandoned" }));
  expect(found(story.when(carol.acquires("Z", { task: "T" })))).toBe("two");
  story.when(carol.releases("Z", { outcome: "abandoned" }));
  // Of the claim's own and the task's, the latest.
  expect(found(story.when(alice.acquires("X", { task: "T" })))).toBe("two");
});

test("CP2 of two that were saved at one moment it is the claim's own", () => {
  const story = given(
    alice.declares("T"),
    alice.acquires("X", { task: "T" }),
    alice.saves("X", "own"),
    alice.releases("X", { outcome: "abandoned" }),
    bob.acquires("Y", { task: "T" }),
    bob.saves("Y", "the task's"),
    bob.releases("Y", { outcome: "abandoned" }),
  );
  expect(found(story.when(carol.acquires("X", { task: "T" })))).toBe("own");
});

test("CP2 what a claim saves for other work is not found for the task it had before", () => {
  const story = given(
    alice.declares("T"),
    alice.acquires("X", { task: "T" }),
    alice.saves("X", "for T"),
    alice.releases("X", { outcome: "abandoned" }),
    bob.acquires("X"),
    bob.saves("X", "for something else"),
  );
  expect(found(story.when(carol.acquires("Y", { task: "T" })))).toBeUndefined();
});

test("CP3 released done or failed, there is none", () => {
  for (const outcome of ["done", "failed"] as const) {
    const story = given(alice.acquires("X"), alice.saves("X", "half"), alice.releases("X", { outcome }));
    expect(found(story.when(bob.acquires("X")).gives("claim.granted"))).toBeUndefined();
    expect(story.ask("checkpoints.list")).toEqual({ items: [] });
  }
});

test("CP3 nor what others left of the task that was finished", () => {
  const story = given(
    alice.declares("T"),
    alice.acquires("X", { task: "T" }),
    alice.saves("X", "half"),
    alice.releases("X", { outcome: "abandoned" }),
    bob.acquires("Y", { task: "T" }),
    bob.releases("Y", { outcome: "failed" }),
  );
  expect(story.ask("checkpoints.list")).toEqual({ items: [] });
  expect(found(story.when(bob.acquires("X")).gives("claim.granted"))).toBeUndefined();
});

test("CP4 what nobody picks up is kept 30 days", () => {
  const left = () => given(alice.acquires("X"), alice.saves("X", "half"), alice.releases("X"));
  expect(found(left().when(later(30 * DAY - 1), bob.acquires("X")))).toBe("half");
  expect(found(left().when(later(30 * DAY), bob.acquires("X")))).toBeUndefined();
  expect(
    left()
      .when(later(30 * DAY))
      .ask("checkpoints.list"),
  ).toEqual({ items: [] });
  const held = given(alice.acquires("X", { ttlMs: DAY }), alice.saves("X", "half"));
  for (let day = 0; day < 40; day += 1) held.when(later(DAY - 1), alice.renews("X"));
  expect(found(held.when(alice.releases("X"), bob.acquires("X")))).toBe("half");
});

test("CP4 or 1,000 claims, the one that was left longest goes first", () => {
  expect(defaultSettings.checkpointsKeptClaims).toBe(1000);
  const story = given(root.send({ type: "log.configure", checkpointsKeptClaims: 3 }));
  for (const claim of ["A", "B", "C"])
    story.when(alice.acquires(claim), alice.saves(claim, claim), alice.releases(claim));
  story.when(bob.acquires("A"), bob.releases("A"));
  story.when(alice.acquires("D"), alice.saves("D", "D"), alice.releases("D"));
  expect(story.ask("checkpoints.list")).toMatchObject({
    items: [{ claim: "A" }, { claim: "C" }, { claim: "D" }],
  });
  expect(story.state.checkpoints.idle.size).toBe(3);
});

test("CP4 what is held is never dropped", () => {
  const story = given(root.send({ type: "log.configure", checkpointsKeptClaims: 1 }));
  for (const claim of ["A", "B", "C"]) story.when(alice.acquires(claim), alice.saves(claim, claim));
  story.when(alice.releases("A"), alice.releases("B"));
  expect(story.ask("checkpoints.list")).toMatchObject({ items: [{ claim: "B" }, { claim: "C" }] });
});
