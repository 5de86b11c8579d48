/**
 * Waits, row by row: the queue, its fairness, deadlocks, and waits for more of one's own claim.
 */
import { describe, expect, test } from "vitest";
import { limits } from "../../core/limits.ts";
import { answerOf, follow, lapse } from "../../core/model/model.ts";
import { reloaded } from "./saved.ts";
import { agent, awake, given, later, paths, type Story } from "./story.ts";

const MINUTE = 60_000;
const TTL = limits.ttlMsDefault;
const alice = agent("alice");
const bob = agent("bob");
const carol = agent("carol");
const dave = agent("dave");
const root = agent("root", { operator: true });

const granted = (claim: string, holder: string, more: object = {}) =>
  ({ type: "claim.granted", claim, holder, ...more }) as const;
const byHub = (claim: string, holder: string) => granted(claim, holder, { writer: "hub" });
const over = (claim: string, who: string) => ({ type: "wait.expired", claim, agent: who }) as const;
const waiting = ({ state }: Story) => [...state.waits.bySeq.values()].map((wait) => wait.agent);

describe("the queue", () => {
  test("WA1 waiting for what is held is logged with its place, and answered by the grant", () => {
    const story = given(alice.acquires("X")).when(bob.waits("X", { note: "n", ttlMs: MINUTE }));
    story.gives({
      type: "claim.queued",
      claim: "X",
      agent: "bob",
      submission: "s3",
      position: 1,
      deadlineMs: 1_000_000 + 10 * MINUTE,
      ttlMs: MINUTE,
      note: "n",
    });
    expect(story.told.answer).toBeUndefined();
    story.when(carol.waits("X")).gives({ type: "claim.queued", position: 2 });
    story.when(alice.releases("X"));
    const closes = { agent: "bob", submission: "s3" };
    story.gives("claim.released", { ...byHub("X", "bob"), epoch: 6, ttlMs: MINUTE, note: "n", closes });
    const grant = story.ledger.entries.at(-1);
    expect(grant && answerOf(grant, closes)).toMatchObject({ result: { seq: 6, claim: "X", epoch: 6 } });
  });

  test("WA1 waiting for what is overlapped, and the list of those who wait", () => {
    const story = given(alice.acquires("X", paths("src"))).when(bob.waits("Y", paths("src/a")), later(1000));
    story.gives({ type: "claim.queued", claim: "Y", scope: { paths: ["src/a"] } });
    expect(story.ask("waits.list")).toMatchObject({
      items: [{ seq: 3, claim: "Y", agent: "bob", remainingMs: 10 * MINUTE - 1000 }],
    });
    expect(story.ask("waits.list", { claim: "X" })).toEqual({ items: [] });
    story.when(alice.releases("X")).gives("claim.released", byHub("Y", "bob"));
    expect(story.ask("waits.list")).toEqual({ items: [] });
  });

  test("WA1 a wait whose time is up is told so; not a moment before", () => {
    const story = given(alice.acquires("X"), bob.waits("X", { waitMs: 1000 }));
    const { ledger } = story;
    const [due] = [...ledger.state.waits.bySeq.values()];
    const key = `${due?.agent}\n${due?.submission}`;
    const hub = (nowMs: number) => ({ ...ledger.context("hub", true, ""), nowMs });
    expect(lapse(ledger.state, "waits", key, hub(1_000_999))).toBeUndefined();
    expect(lapse(ledger.state, "waits", "bob\nother", hub(2_000_000))).toBeUndefined();
    story.when(awake(999)).gives();
    story
      .when(awake(1))
      .gives({ ...over("X", "bob"), writer: "hub", closes: { agent: "bob", submission: "s3" } });
    const last = ledger.entries.at(-1);
    expect(last && answerOf(last)).toMatchObject({ rejection: { code: "claim.wait-timeout", claim: "X" } });
    story.when(alice.releases("X")).gives("claim.released");
  });

  test("WA1 without waitMs, or with none at all, nobody waits", () => {
    given(alice.acquires("X"))
      .when(bob.acquires("X", { waitMs: 0 }))
      .refused("claim.held");
  });

  test("WA1 what is free is granted at once", () => {
    given()
      .when(bob.waits("X"))
      .gives(granted("X", "bob", { writer: "bob" }));
  });

  test("CL18 one agent's waits are bounded", () => {
    const waits = Array.from({ length: 127 }, (_, i) => bob.waits(`W${i}`, paths("a")));
    given(alice.acquires("X", paths("a")), bob.acquires("B"), ...waits)
      .when(bob.waits("one more", paths("a")))
      .refused("claim.quota", { max: 128 });
  });
});

describe("WA2 every waiter that can run is granted, first come first served", () => {
  const queue = () =>
    given(alice.acquires("X", { ...paths("a", "b"), ttlMs: MINUTE }), bob.joins()).when(
      bob.waits("B", paths("a")),
      carol.waits("C", paths("b")),
      dave.waits("D", paths("a", "b")),
    );

  test("WA2 on release, each in its own entry right behind it", () => {
    const story = queue().when(alice.releases("X"));
    story.gives("claim.released", byHub("B", "bob"), byHub("C", "carol"));
    expect(story.ledger.entries.slice(-3).map(({ events }) => events.length)).toEqual([1, 1, 1]);
    story.when(bob.releases("B")).gives("claim.released");
    story.when(carol.releases("C")).gives("claim.released", byHub("D", "dave"));
  });

  test("WA2 on expiry and on breaking", () => {
    const lapsed = queue().when(awake(MINUTE));
    lapsed.gives("claim.expired", byHub("B", "bob"), byHub("C", "carol"));
    queue().when(root.breaks("X")).gives("claim.broken", byHub("B", "bob"), byHub("C", "carol"));
  });

  test("WA2 on narrowing, with the epoch or a new one", () => {
    queue()
      .when(alice.extends("X", paths("b")))
      .gives("claim.renewed", byHub("B", "bob"));
    queue()
      .when(alice.acquires("X", paths("b")))
      .gives("claim.granted", byHub("B", "bob"));
  });

  test("WA2 on sharing", () => {
    const shared = { ...paths("a"), shared: true };
    const story = given(alice.acquires("X", paths("a")), bob.waits("Y", shared));
    story.when(alice.extends("X", { shared: true })).gives("claim.renewed", byHub("Y", "bob"));
  });

  test("WA2 on hand-off: who becomes the holder is in its own way no more", () => {
    queue().when(alice.hands("X", "bob")).gives("claim.handed-off", byHub("B", "bob"));
  });

  test("WA2 on the end of an earlier wait", () => {
    given(
      alice.acquires("X", paths("a")),
      bob.waits("B", { ...paths("a", "b"), waitMs: 1000 }),
      carol.waits("C", paths("b")),
    )
      .when(awake(1000))
      .gives(over("B", "bob"), byHub("C", "carol"));
  });

  test("WA2 after a restart whatever is owed is found without a cause", () => {
    const { ledger } = queue();
    const last = ledger.entries.length;
    ledger.send({ type: "claim.release", claim: "X" }, "alice");
    // As if the process had died between the release and the grants.
    const { state } = given();
    expect(follow(state, ledger.context("hub", true, ""), undefined)).toBeUndefined();
    expect(ledger.entries.length - last).toBe(3);
  });
});

describe("WA3 nobody barges", () => {
  const queue = () => given(alice.acquires("X", paths("a")), bob.waits("B", paths("a", "b")));

  test("WA3 a newcomer that meets an earlier waiter queues behind it", () => {
    queue()
      .when(carol.acquires("C", paths("b")))
      .refused("claim.queued-ahead", { claim: "C", agent: "bob", theirs: "B", waiting: 1 });
    const story = queue()
      .when(carol.waits("C", paths("b")))
      .gives({ type: "claim.queued", position: 1 + 1 });
    story.when(alice.releases("X")).gives("claim.released", byHub("B", "bob"));
    story.when(bob.releases("B")).gives("claim.released", byHub("C", "carol"));
  });

  test("WA3 nor for an id that others wait for", () => {
    given(alice.acquires("X", paths("a")), bob.waits("Y", paths("a")))
      .when(carol.acquires("Y"))
      .refused("claim.queued-ahead", { agent: "bob", theirs: "Y" });
  });

  test("WA3 what the waiter does not want is free", () => {
    queue()
      .when(carol.acquires("C", paths("c")))
      .gives(granted("C", "carol"));
  });

  test("WA3 sharers do not wait for each other", () => {
    const shared = (path: string) => ({ ...paths(path), shared: true });
    given(alice.acquires("X", paths("a")), bob.waits("B", { ...paths("a", "b"), shared: true }))
      .when(carol.acquires("C", shared("b")))
      .gives(granted("C", "carol"));
  });

  test("WA3 a holder may change what the waiter waits for already, but take nothing more from it", () => {
    queue()
      .when(alice.extends("X", paths("a/b", "c")))
      .gives("claim.renewed");
    queue()
      .when(alice.extends("X", paths("a", "b")))
      .gives("claim.renewed");
    given(alice.acquires("X", paths("a")), carol.acquires("C", paths("c")), bob.waits("B", paths("b", "c")))
      .when(alice.extends("X", { addPaths: ["b"] }))
      .refused("claim.queued-ahead", { agent: "bob", theirs: "B" });
    const sharing = given(
      alice.acquires("X", { ...paths("a"), shared: true }),
      carol.acquires("C", paths("c")),
      bob.waits("B", { ...paths("a", "c"), shared: true }),
    );
    sharing.when(alice.extends("X", { shared: false })).refused("claim.queued-ahead", { agent: "bob" });
  });

  test("WA3 an agent that asks once more is served with its first place, unless others came between", () => {
    given(alice.acquires("X"), bob.waits("X"), bob.waits("X"))
      .when(alice.releases("X"))
      .gives("claim.released", byHub("X", "bob"), byHub("X", "bob"));
    given(alice.acquires("X"), bob.waits("X"), carol.waits("X"))
      .when(bob.waits("X"))
      .refused("claim.deadlock");
  });
});

describe("deadlock", () => {
  test("WA4 a wait that closes a cycle is refused, and changes nothing", () => {
    const story = given(alice.acquires("A"), bob.acquires("B"), alice.waits("B"));
    story.when(bob.waits("A")).refused("claim.deadlock", {
      cycle: [
        { agent: "bob", holds: "B", waitsFor: "A" },
        { agent: "alice", holds: "A", waitsFor: "B" },
      ],
    });
    expect(waiting(story)).toEqual(["alice"]);
    story.when(bob.acquires("A")).refused("claim.held");
  });

  test("WA4 through three agents, by scopes, over any number of waits each", () => {
    given(
      alice.acquires("A", paths("a")),
      bob.acquires("B", paths("b")),
      carol.acquires("C", paths("c")),
      dave.acquires("D"),
      alice.waits("D"),
      alice.waits("A2", paths("b/x")),
      bob.waits("D"),
      bob.waits("B2", paths("c/x")),
    )
      .when(carol.waits("C2", paths("a/x")))
      .refused("claim.deadlock", {
        cycle: [
          { agent: "carol", holds: "C", waitsFor: "C2" },
          { agent: "alice", holds: "A", waitsFor: "A2" },
          { agent: "bob", holds: "B", waitsFor: "B2" },
        ],
      });
  });

  test("WA4 through a place in the queue", () => {
    // Carol queues before bob for X; bob holds what carol would wait for.
    given(alice.acquires("X"), carol.waits("X"), bob.acquires("B"), bob.waits("X"))
      .when(carol.waits("B"))
      .refused("claim.deadlock", {
        cycle: [
          { agent: "carol", waitsFor: "B" },
          { agent: "bob", holds: "B", waitsFor: "X" },
        ],
      });
  });

  test("WA4 a widening that would close one", () => {
    given(alice.acquires("A", paths("a")), bob.acquires("B", paths("b")), bob.waits("B2", paths("a")))
      .when(alice.extends("A", { addPaths: ["b"], waitMs: 1000 }))
      .refused("claim.deadlock");
  });

  test("WA4 a change of one's claim that would close one", () => {
    // Alice waits to widen A into b, behind nobody but bob; carol wants a and b, and waits for alice's Q too.
    const story = given(
      alice.acquires("Q"),
      alice.acquires("A", paths("a")),
      bob.acquires("B", paths("b")),
      carol.waits("C", paths("a", "b")),
      carol.waits("Q"),
      alice.extends("A", { addPaths: ["b"], waitMs: MINUTE }),
    );
    story.when(alice.extends("A", paths("z"))).refused("claim.deadlock");
  });

  test("WA5 an old wait leaves no false cycle", () => {
    given(bob.acquires("B"), alice.waits("B"), bob.releases("B"), alice.acquires("A"))
      .when(carol.acquires("C"), carol.waits("A"))
      .gives("claim.granted", "claim.queued");
    given(bob.acquires("B"), alice.waits("B"), bob.releases("B")).when(bob.waits("B")).gives("claim.queued");
  });

  test("WA6 the wait follows the claim that is handed off, and cycles are found through it", () => {
    const story = given(
      bob.joins(),
      alice.acquires("X"),
      carol.acquires("C"),
      carol.waits("X"),
      alice.hands("X", "bob"),
    );
    expect(waiting(story)).toEqual(["carol"]);
    story.when(bob.waits("C")).refused("claim.deadlock", { cycle: [{ agent: "bob" }, { agent: "carol" }] });
    story.when(alice.waits("C")).gives("claim.queued");
    story.when(bob.releases("X")).gives("claim.released", byHub("X", "carol"));
  });
});

test("WA3 nobody is forgotten when a grant ends other waits of whom it serves", () => {
  const story = given(
    dave.acquires("D", paths("src")),
    bob.waits("C", { ...paths("**/*.ts"), waitMs: 1000 }),
    alice.waits("T", paths("a/x.ts")),
    carol.waits("W", paths("b/w")),
    alice.acquires("T"),
    alice.waits("T", { ...paths("a/x.ts"), shared: false }),
  );
  expect(waiting(story)).toEqual(["bob", "alice", "carol", "alice"]);
  // Bob's wait stood in the way of the others; one of alice's replaces what the other was for.
  story.when(awake(1000));
  expect(waiting(story)).toEqual([]);
  story.gives(over("C", "bob"), byHub("T", "alice"), over("T", "alice"), byHub("W", "carol"));
});

describe("waiting for more of one's own claim", () => {
  const widening = () =>
    given(
      alice.acquires("A", paths("a")),
      bob.acquires("B", paths("b")),
      alice.extends("A", { addPaths: ["b"], waitMs: MINUTE }),
    );

  test("CL5 it is widened under its epoch once that is free", () => {
    widening()
      .when(bob.releases("B"))
      .gives("claim.released", {
        type: "claim.renewed",
        epoch: 2,
        scope: { paths: ["a", "b"] },
        writer: "hub",
      });
  });

  test("CL5 what was added meanwhile stays", () => {
    const story = widening().when(alice.extends("A", { addFiles: ["c.ts"] }), bob.releases("B"));
    story.gives("claim.renewed", "claim.released", { type: "claim.renewed", epoch: 2 });
    expect(story.state.claims.live.get("A")?.scope).toEqual({ files: ["c.ts"], paths: ["a", "b"] });
  });

  test("CL5b asked for without the epoch, it gets a new one", () => {
    given(
      alice.acquires("A", paths("a")),
      bob.acquires("B", paths("b")),
      alice.waits("A", { addPaths: ["b"] }),
    )
      .when(bob.releases("B"))
      .gives("claim.released", { ...byHub("A", "alice"), epoch: 6, scope: { paths: ["a", "b"] } });
  });

  test("CL7b who is granted a claim in another way still waits for what it asked", () => {
    const shared = { ...paths("a"), shared: true };
    const story = given(bob.acquires("B", shared), alice.waits("A", paths("a")));
    story.when(alice.acquires("A", shared)).gives(granted("A", "alice", { writer: "alice", shared: true }));
    story.when(bob.releases("B")).gives("claim.released", { ...byHub("A", "alice"), shared: false });
  });

  test("CL5b a fresh wait is not served by oneself, nor behind oneself", () => {
    const fresh = { fresh: true };
    const story = given(alice.acquires("X"), bob.waits("X", fresh), carol.waits("X"));
    story.when(bob.waits("X", fresh)).refused("claim.held", { holder: "alice" });
    story.when(alice.releases("X")).gives("claim.released", byHub("X", "bob"));
    given(bob.joins(), alice.acquires("X"), bob.waits("X", fresh))
      .when(alice.hands("X", "bob"))
      .gives("claim.handed-off")
      .when(bob.releases("X"))
      .gives("claim.released", byHub("X", "bob"));
  });

  test("CL7b what was shared becomes exclusive", () => {
    const shared = { ...paths("a"), shared: true };
    const story = given(alice.acquires("A", shared), bob.acquires("B", shared));
    story.when(alice.extends("A", { shared: false, waitMs: MINUTE })).gives("claim.queued");
    story.when(bob.releases("B")).gives("claim.released", { type: "claim.renewed", shared: false });
    story.when(bob.acquires("B", shared)).refused("claim.overlap");
  });

  test("CL14 it ends with the epoch it was asked under", () => {
    widening().when(alice.acquires("A")).gives(granted("A", "alice"), over("A", "alice"));
    widening().when(root.breaks("A")).gives("claim.broken", over("A", "alice"));
    widening().when(awake(TTL)).gives(over("A", "alice"), "claim.expired", "claim.expired");
    const handed = widening().when(alice.hands("A", "bob")).refused("claim.to-absent");
    handed
      .when(bob.joins(), alice.hands("A", "bob"))
      .gives("agent.joined", "claim.handed-off", over("A", "alice"));
  });

  test("CL12 releasing is answered as a release, though a wait ends with it", () => {
    const story = widening().when(alice.releases("A")).gives("claim.released", over("A", "alice"));
    story.answers({ claim: "A", outcome: "abandoned" });
    const last = story.ledger.entries.at(-1);
    const closes = { agent: "alice", submission: "s4" };
    expect(last && answerOf(last, closes)).toMatchObject({ rejection: { code: "claim.wait-timeout" } });
  });
});

describe("the end of an agent", () => {
  test("AG9 its waits end, and those behind them come nearer", () => {
    given(alice.acquires("X"), bob.joins(), bob.waits("X"), carol.waits("X"))
      .when(bob.leaves())
      .gives({ type: "agent.gone", agent: "bob" }, over("X", "bob"));
    given(
      alice.acquires("X", paths("a")),
      bob.joins(),
      bob.waits("B", paths("a", "b")),
      carol.waits("C", paths("b")),
    )
      .when(bob.leaves())
      .gives("agent.gone", over("B", "bob"), byHub("C", "carol"));
  });
});

describe("WA8 after a restart", () => {
  test("WA8 waits survive, and their deadlines hold", () => {
    const story = given(alice.acquires("X", paths("a")), bob.waits("B", { ...paths("a"), waitMs: 5000 }));
    story.ledger.state = reloaded(story.state);
    story.when(awake(4999)).gives();
    story.when(carol.acquires("C", paths("a"))).refused("claim.overlap");
    story.when(awake(1)).gives(over("B", "bob"));
  });
});
