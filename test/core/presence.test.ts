/**
 * Presence: present, idle and gone, as far as the log has a say in it.
 */
import { expect, test } from "vitest";
import { deadlinesOf, lapse } from "../../core/model/model.ts";
import { agent, awake, given, later, type Story } from "./story.ts";

const GONE = 15 * 60_000;
const alice = agent("alice");
const presence = ({ state }: Story) => state.presence.byName.get("alice");

test("AG7 lost contact makes an agent idle, since when it was last seen", () => {
  const story = given(alice.joins(), later(5000)).when(alice.idles(1_002_000));
  story.gives({ type: "agent.idle", agent: "alice", seenAtMs: 1_002_000 });
  expect(presence(story)).toMatchObject({
    presence: "idle",
    seenAtMs: 1_002_000,
    sinceMs: 1_005_000,
    hub: "hub-1",
  });
  expect(story.ask("agents.list")).toMatchObject({ items: [{ presence: "idle", seenAtMs: 1_002_000 }] });
});

test("AG7 nobody was last seen in the future, nor before they came", () => {
  given(alice.joins(), later(5000))
    .when(alice.idles(9_000_000))
    .gives({ type: "agent.idle", seenAtMs: 1_005_000 });
  given(alice.joins(), later(5000)).when(alice.idles(1)).gives({ type: "agent.idle", seenAtMs: 1_000_000 });
});

test("AG7 only who is present becomes idle", () => {
  given().when(alice.idles()).changesNothing();
  given(alice.joins(), alice.idles()).when(alice.idles()).changesNothing();
  given(alice.joins(), alice.leaves()).when(alice.idles()).changesNothing();
});

test("AG8 idle for long is gone, counted from the last contact; not a moment before", () => {
  const story = given(alice.joins(), later(5000), alice.idles(1_002_000));
  const { ledger } = story;
  const hub = (nowMs: number) => ({ ...ledger.context("hub", true, ""), nowMs });
  expect(lapse(ledger.state, "presence", "alice", hub(1_002_000 + GONE - 1))).toBeUndefined();
  expect(lapse(ledger.state, "presence", "nobody", hub(1_002_000 + GONE))).toBeUndefined();
  expect(ledger.entries.flatMap((entry) => deadlinesOf(entry, ledger.state))).toEqual([
    ["presence", [1_002_000 + GONE, "alice"]],
  ]);
  story.when(awake(GONE - 3001)).gives();
  story.when(awake(1)).gives({ type: "agent.gone", agent: "alice", seenAtMs: 1_002_000, writer: "hub" });
  expect(presence(story)).toMatchObject({ presence: "gone", seenAtMs: 1_002_000, sinceMs: 1_002_000 + GONE });
});

test("AG8 who came back in time is not gone", () => {
  const story = given(alice.joins(), alice.idles(), alice.joins())
    .when(awake(10 * GONE))
    .gives();
  expect(presence(story)).toMatchObject({ presence: "present" });
});

test("AG10 what changes nothing is not logged", () => {
  const story = given(alice.joins());
  for (let i = 0; i < 10; i += 1) story.when(later(1000), alice.joins()).changesNothing();
});

test("AG3 who comes back without asking for it is not exclusive any more", () => {
  const story = given(alice.joins({ exclusive: true, resumeHash: "h" }));
  expect(presence(story)).toMatchObject({ exclusive: true, resumeHash: "h" });
  story.when(alice.idles());
  expect(presence(story)).not.toHaveProperty("resumeHash");
  story.when(alice.joins());
  expect(presence(story)).toMatchObject({ exclusive: false });
});
