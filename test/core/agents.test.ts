/**
 * Agents, row by row: joining, describing themselves, operators.
 */
import { expect, test } from "vitest";
import { events } from "../../core/model/model.ts";
import { compile } from "../../core/protocol/schema.ts";
import { agent, awake, given } from "./story.ts";

const alice = agent("alice");
const bob = agent("bob");
const carol = agent("carol");
const root = agent("root", { operator: true });

test("AG1 an unknown name joins, and is present", () => {
  const story = given().when(alice.joins({ role: "coder", project: "p", capabilities: ["ts"] }));
  story.gives({
    type: "agent.joined",
    agent: "alice",
    hub: "hub-1",
    role: "coder",
    project: "p",
    capabilities: ["ts"],
  });
  expect(story.ask("agents.list")).toEqual({
    items: [
      {
        agent: "alice",
        presence: "present",
        role: "coder",
        project: "p",
        capabilities: ["ts"],
        joinedAtMs: 1_000_000,
        seenAtMs: 1_000_000,
        claims: 0,
      },
    ],
  });
});

test("AG2 a second session of the same name changes nothing", () => {
  const story = given(alice.joins({ role: "coder", capabilities: ["ts"] }));
  story.when(alice.joins()).changesNothing();
  story.when(alice.joins({ role: "coder", capabilities: ["ts"] })).changesNothing();
  story
    .when(alice.joins({ capabilities: ["ts", "sql"] }))
    .gives({ type: "agent.joined", capabilities: ["ts", "sql"] });
  expect(story.ask("agents.list")).toMatchObject({ items: [{ role: "coder", capabilities: ["ts", "sql"] }] });
});

test("AG3 on another hub an exclusive name is taken, but for who shows its resume token", () => {
  const story = given(alice.joins({ exclusive: true, resumeHash: "h1" }));
  const elsewhere = (said: object) => {
    const context = { ...story.ledger.context("alice", false, "s"), hub: "hub-2" };
    return { said: { type: "agent.join", ...said } as const, context };
  };
  return import("../../core/model/model.ts").then(({ decide }) => {
    for (const said of [{}, { exclusive: true }, { resumes: "wrong" }]) {
      const asked = elsewhere(said);
      expect(decide(story.state, asked.said, asked.context)).toMatchObject({
        rejection: { code: "agent.taken", agent: "alice", sinceMs: 1_000_000 },
      });
    }
    const resumed = elsewhere({ exclusive: true, resumes: "h1", resumeHash: "h2" });
    expect(decide(story.state, resumed.said, resumed.context)).toMatchObject({
      events: [{ type: "agent.joined", hub: "hub-2", exclusive: true, resumeHash: "h2" }],
    });
    story.when(alice.idles());
    const free = elsewhere({ exclusive: true });
    expect(decide(story.state, free.said, free.context)).toMatchObject({
      events: [{ type: "agent.joined" }],
    });
  });
});

test("AG4 who was idle or gone joins again, the same agent, its claims still its own", () => {
  const story = given(
    alice.joins({ role: "coder" }),
    alice.describes({ model: "m" }),
    alice.acquires("X"),
    alice.idles(),
  );
  story.when(alice.joins()).gives({ type: "agent.joined", agent: "alice" });
  story.when(alice.leaves(), alice.joins()).gives("agent.gone", "agent.joined");
  expect(story.ask("agents.list")).toMatchObject({
    items: [{ role: "coder", model: "m", presence: "present", joinedAtMs: 1_000_000, claims: 1 }],
  });
  story.when(alice.renews("X")).gives("claim.renewed");
});

test("AG5 an agent may be called project/name", () => {
  given().when(agent("web/alice").joins()).gives({ type: "agent.joined", agent: "web/alice" });
});

test("AG9 when an agent is gone its waits end, its claims live on, but for those it wanted released", () => {
  const story = given(
    alice.joins(),
    alice.acquires("X"),
    alice.acquires("Y", { onGone: "release", scope: { paths: ["y"] } }),
    bob.acquires("B"),
    alice.waits("B"),
    carol.waits("Z", { scope: { paths: ["y/z"] } }),
  );
  story
    .when(alice.leaves())
    .gives(
      { type: "agent.gone", agent: "alice", writer: "alice" },
      { type: "claim.released", claim: "Y", holder: "alice", outcome: "abandoned" },
      { type: "wait.expired", claim: "B", agent: "alice" },
      { type: "claim.granted", claim: "Z", holder: "carol", writer: "hub" },
    );
  expect(story.told.rejection).toBeUndefined();
  expect([...story.state.claims.live.keys()].sort()).toEqual(["B", "X", "Z"]);
  expect(story.state.waits.bySeq.size).toBe(0);
  story.when(alice.leaves()).changesNothing();
});

test("AG9 the same when it is gone by time", () => {
  given(alice.joins(), alice.acquires("Y", { onGone: "release", ttlMs: 3_600_000 }), alice.idles(1_000_000))
    .when(awake(15 * 60_000))
    .gives({ type: "agent.gone", writer: "hub" }, { type: "claim.released", claim: "Y" });
});

test("AG11 what an agent says of itself is stored, listed and found", () => {
  const said = { capabilities: ["ts", "sql"], skills: ["review"], model: "m-1", meta: { tier: 2 } };
  const story = given(alice.joins(), bob.joins({ capabilities: ["sql"] })).when(alice.describes(said));
  story.gives({ type: "agent.described", agent: "alice", ...said });
  expect(story.ask("agents.list", { capability: "ts" })).toMatchObject({
    items: [{ agent: "alice", ...said }],
  });
  expect(story.ask("agents.list", { capability: "sql" })).toMatchObject({
    items: [{ agent: "alice" }, { agent: "bob" }],
  });
  story.when(alice.describes({ model: "m-2" })).gives({ type: "agent.described", model: "m-2" });
  expect(story.ask("agents.list", { capability: "ts" })).toMatchObject({
    items: [{ ...said, model: "m-2" }],
  });
  story.when(alice.describes({})).changesNothing();
  story.when(agent("nobody").describes({ model: "m" })).refused("agent.unknown", { agent: "nobody" });
});

test("AG11 the list is paged, and filtered by presence", () => {
  const names = ["d", "b", "a", "c"];
  const story = given(...names.map((name) => agent(name).joins()), agent("b").leaves(), agent("c").idles());
  const first = story.ask("agents.list", { limit: 3 }) as { items: { agent: string }[]; next: string };
  expect(first).toMatchObject({ items: [{ agent: "a" }, { agent: "b" }, { agent: "c" }], next: "d" });
  expect(story.ask("agents.list", { limit: 3, cursor: first.next })).toMatchObject({
    items: [{ agent: "d" }],
  });
  expect(story.ask("agents.list", { presence: "gone" })).toMatchObject({ items: [{ agent: "b" }] });
  expect(story.ask("agents.list", { presence: "idle" })).toMatchObject({ items: [{ agent: "c" }] });
});

test("AG12 an operator breaks claims, and is not counted among the working agents", () => {
  const story = given(
    alice.joins(),
    bob.joins(),
    bob.idles(),
    root.joins({ role: "operator" }),
    alice.acquires("X"),
  );
  expect(story.ask("state.summary")).toMatchObject({
    agents: { present: 1, idle: 1, gone: 0, operators: 1 },
    claims: 1,
  });
  story.when(root.breaks("X")).gives({ type: "claim.broken", claim: "X", by: "root" });
  story.when(bob.acquires("X"), alice.breaks("X")).refused("agent.not-operator", { command: "claim.break" });
});

test("AG5 events of agents are what their schemas say, whoever speaks", () => {
  const { fields } = events["agent.joined"];
  expect(compile({ kind: "object", fields })({ agent: " a", hub: "h" })).toBeDefined();
});
