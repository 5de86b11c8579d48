/**
 * The log about itself, and agents' entries beside a hub's.
 */
import { expect, test } from "vitest";
import { limits } from "../../core/limits.ts";
import { defaultSettings, LOG_FORMAT } from "../../core/model/log.ts";
import { bare, evolve, settle } from "../../core/model/model.ts";
import { agent, awake, given, paths, Story } from "./story.ts";

const alice = agent("alice");
const bob = agent("bob");
const root = agent("root", { operator: true });

test("LO1 the first entry says which log it is, its format and every setting", () => {
  const { ledger } = new Story({ foldCase: true });
  expect(ledger.entries).toEqual([
    {
      seq: 1,
      atMs: 1_000_000,
      wallMs: 0,
      by: "hub",
      id: "s1",
      events: [
        {
          type: "log.created",
          log: "test",
          format: LOG_FORMAT,
          settings: { ...defaultSettings, foldCase: true },
        },
      ],
    },
  ]);
  expect(ledger.state.log).toEqual({
    log: "test",
    format: 1,
    settings: { ...defaultSettings, foldCase: true },
    skipped: [],
  });
});

test("LO1 a log is created once", () => {
  const hub = agent("hub");
  given()
    .when(hub.send({ type: "log.create", log: "another", settings: {} }))
    .changesNothing();
});

test("LO1 changing a setting is an entry, by operators alone, and takes effect from there on", () => {
  const story = given();
  story
    .when(alice.send({ type: "log.configure", goneAfterMs: 5000 }))
    .refused("agent.not-operator", { command: "log.configure" });
  story
    .when(root.send({ type: "log.configure", goneAfterMs: 5000 }))
    .gives({ type: "log.configured", settings: { goneAfterMs: 5000 } });
  expect(story.state.log.settings).toEqual({ ...defaultSettings, goneAfterMs: 5000 });
  story.when(root.send({ type: "log.configure", goneAfterMs: 5000 })).changesNothing();
  story.when(root.send({ type: "log.configure" })).changesNothing();
  story.when(bob.joins(), bob.idles(), awake(4999)).gives("agent.joined", "agent.idle");
  story.when(awake(1)).gives("agent.gone");
});

test("LO1 retention is decided by what stands in the log", () => {
  const story = given(root.send({ type: "log.configure", endedClaimsMax: 2 }));
  for (const claim of ["A", "B", "C"]) story.when(alice.acquires(claim), alice.releases(claim));
  story.when(bob.renews("A")).refused("claim.unknown");
  expect(story.told.rejection?.lastHolder).toBeUndefined();
  story.when(bob.renews("B")).refused("claim.unknown", { lastHolder: "alice" });
  expect([story.state.claims.ended.size, story.state.claims.endedOrder.size]).toEqual([2, 2]);
});

test("LO2 a command is one entry by its agent; what the hub adds are entries of its own", () => {
  const story = given(
    alice.acquires("X", { ...paths("a"), ttlMs: limits.ttlMsMin }),
    bob.waits("Y", paths("a")),
  ).when(awake(0));
  story.ledger.nowMs += limits.ttlMsMin;
  story.when(alice.acquires("Z"));
  const shown = story.ledger.entries
    .slice(-3)
    .map(({ by, id, events }) => [by, id, events.map(({ type }) => type)]);
  expect(shown).toEqual([
    ["hub", "", ["claim.expired"]],
    ["hub", "", ["claim.granted"]],
    ["alice", "s4", ["claim.granted"]],
  ]);
});

test("LO2 fifty waiters for what one held are granted in the order they came", () => {
  const story = given(alice.acquires("X", paths("a")));
  const names = Array.from({ length: 50 }, (_, i) => `agent-${(i * 7) % 50}`);
  for (const [i, name] of names.entries()) story.when(agent(name).waits(`W${i}`, paths(`a/${i}`)));
  story.when(alice.releases("X"));
  const holders = story.happened.flatMap((event) => (event.type === "claim.granted" ? [event.holder] : []));
  expect(holders).toEqual(names);
});

test("LO5 what is due and not yet written down is shown as overdue", () => {
  const story = given(alice.acquires("X"));
  story.ledger.nowMs += limits.ttlMsDefault;
  expect(story.ask("claims.list")).toMatchObject({ items: [{ claim: "X", overdue: true, remainingMs: 0 }] });
  expect(story.ask("state.summary")).toMatchObject({ nowMs: 1_000_000 + limits.ttlMsDefault, claims: 1 });
});

test("LO7 compacting is for operators, and leaves the state as it is", () => {
  const story = given(alice.acquires("X"));
  story.when(alice.send({ type: "log.compact", keepMs: 1000 })).refused("agent.not-operator");
  const before = story.state;
  story
    .when(root.send({ type: "log.compact", keepMs: 1000 }))
    .gives({ type: "log.compacted", beforeMs: 999_000 });
  expect(story.state).toEqual(before);
  story
    .when(root.send({ type: "log.compact", keepMs: 10 ** 9 }))
    .gives({ type: "log.compacted", beforeMs: 0 });
});

test("LO8 an accepted loss is an entry, numbered a million higher; epochs go on from there", () => {
  const story = given(alice.acquires("X"));
  story.ledger.seq += limits.lossGap;
  story.when(agent("hub").send({ type: "log.accept-loss", lostAfter: 2 }));
  story.gives({ type: "log.loss-accepted", lostAfter: 2 });
  story.when(bob.acquires("Y")).gives({ type: "claim.granted", epoch: limits.lossGap + 4 });
});

test("an event of a newer version stops the fold", () => {
  const entry = { seq: 1, atMs: 0, wallMs: 0, by: "hub", id: "", events: [{ type: "log.dreamt" } as never] };
  expect(() => evolve(settle(bare()), entry)).toThrow(/log\.dreamt/);
});
