/**
 * Claims, row by row: leases, scopes, epochs, sharing, worktrees, hand-off and breaking.
 */
import { describe, expect, test } from "vitest";
import { limits } from "../../core/limits.ts";
import { deadlinesOf, lapse, type State } from "../../core/model/model.ts";
import { agent, awake, given, later, paths, type Step, Story, within } from "./story.ts";

const MINUTE = 60_000;
const TTL = limits.ttlMsDefault;
const alice = agent("alice");
const bob = agent("bob");
const carol = agent("carol");
const root = agent("root", { operator: true });

const granted = (claim: string, holder: string, more: object = {}) =>
  ({ type: "claim.granted", claim, holder, ...more }) as const;
const expired = (claim: string, holder: string) =>
  ({ type: "claim.expired", claim, holder, writer: "hub" }) as const;

function claimOf({ state }: { state: State }, claim: string) {
  return state.claims.live.get(claim);
}

describe("acquiring", () => {
  test("CL1 a free id is granted under its entry's seq", () => {
    const story = given().when(alice.acquires("X"));
    story.gives(
      granted("X", "alice", { writer: "alice", epoch: 2, ttlMs: TTL, expiresAtMs: 1_000_000 + TTL }),
    );
    story.answers({ seq: 2, claim: "X", holder: "alice", epoch: 2, expiresAtMs: 1_000_000 + TTL });
    story.when(bob.acquires("Y", { ttlMs: 1000 })).gives(granted("Y", "bob", { epoch: 3, ttlMs: 1000 }));
  });

  test("CL2 an id held by another is refused with who holds it", () => {
    const held = given(alice.acquires("X", { note: "the parser" }), carol.waits("X"), later(MINUTE));
    held.when(bob.acquires("X")).refused("claim.held", {
      claim: "X",
      holder: "alice",
      epoch: 2,
      expiresAtMs: 1_000_000 + TTL,
      remainingMs: TTL - MINUTE,
      note: "the parser",
      waiting: 1,
    });
    expect(claimOf(held, "X")?.holder).toBe("alice");
  });

  test("CL3 a scope that meets another's says which, where and until when", () => {
    given(alice.acquires("X", paths("src/*.ts", "docs")))
      .when(bob.acquires("Y", paths("test", "src/a.ts")))
      .refused("claim.overlap", {
        conflicts: [
          {
            claim: "X",
            holder: "alice",
            epoch: 2,
            expiresAtMs: 1_000_000 + TTL,
            mine: "src/a.ts",
            theirs: "src/*.ts",
          },
        ],
        more: false,
      });
  });

  test("CL3 at most twenty conflicts are shown", () => {
    const claims = (count: number) =>
      Array.from({ length: count }, (_, i) => alice.acquires(`X${i}`, paths(`src/${i}`)));
    const conflicts = (story: Story) => story.told.rejection?.conflicts as unknown[];
    const twenty = given(...claims(20)).when(bob.acquires("Y", paths("src")));
    twenty.refused("claim.overlap", { more: false });
    expect(conflicts(twenty)).toHaveLength(20);
    const many = given(...claims(21)).when(bob.acquires("Y", paths("src")));
    many.refused("claim.overlap", { more: true });
    expect(conflicts(many)).toHaveLength(20);
  });

  test("CL4 without a scope it covers its id alone, `**` covers the tree, nothing at all is invalid", () => {
    given(alice.acquires("X", paths("**")))
      .when(bob.acquires("Y"))
      .gives(granted("Y", "bob"));
    given(alice.acquires("X"))
      .when(bob.acquires("Y", paths("**")))
      .gives(granted("Y", "bob"));
    given(alice.acquires("X", paths("a")))
      .when(bob.acquires("Y", paths("**")))
      .refused("claim.overlap");
    given()
      .when(bob.acquires("Y", { scope: { paths: [] } }))
      .refused("invalid", { at: "scope/paths" });
    given()
      .when(bob.acquires("Y", { scope: { worktree: "w" } }))
      .refused("invalid");
  });

  test("SC12 a path that leads outside is refused, before anything else", () => {
    given(alice.acquires("X"))
      .when(bob.acquires("X", paths("a", "../b")))
      .refused("scope.outside", { path: "../b" });
  });

  test("SC10 a log that folds case compares so from its first claim", () => {
    const story = new Story({ foldCase: true }).when(alice.acquires("X", paths("SRC/a.py")));
    story
      .when(bob.acquires("Y", paths("src/a.py")))
      .refused("claim.overlap", { conflicts: [{ theirs: "SRC/a.py" }] });
    given(alice.acquires("X", paths("SRC/a.py")))
      .when(bob.acquires("Y", paths("src/a.py")))
      .gives("claim.granted");
    const waiting = new Story({ foldCase: true }).when(
      alice.acquires("X", paths("a")),
      bob.waits("Y", paths("a", "B")),
    );
    waiting.when(carol.acquires("Z", paths("b"))).refused("claim.queued-ahead");
  });
});

describe("the holder again", () => {
  test("CL5 with its epoch the lease is extended, and what is given is replaced", () => {
    const held = given(alice.acquires("X", { ...paths("a"), note: "one", ttlMs: MINUTE }), later(1000));
    held.when(alice.extends("X")).gives({
      type: "claim.renewed",
      claim: "X",
      holder: "alice",
      epoch: 2,
      ttlMs: MINUTE,
      expiresAtMs: 1_001_000 + MINUTE,
    });
    expect(claimOf(held, "X")).toMatchObject({ scope: { paths: ["a"] }, note: "one", epoch: 2 });
    held.when(alice.extends("X", { ...paths("b"), note: "two" })).gives("claim.renewed");
    expect(claimOf(held, "X")).toMatchObject({ scope: { paths: ["b"] }, note: "two" });
    held.when(bob.acquires("A", paths("a"))).gives("claim.granted");
    held.when(bob.acquires("B", paths("b"))).refused("claim.overlap");
  });

  test("CL5 addFiles and addPaths join the scope", () => {
    const held = given(alice.acquires("X", within("w", "a")));
    held.when(alice.extends("X", { addFiles: ["f.ts"], addPaths: ["./b/", "a"] })).gives("claim.renewed");
    expect(claimOf(held, "X")?.scope).toEqual({ worktree: "w", files: ["f.ts"], paths: ["a", "b"] });
    held
      .when(bob.acquires("Y", within("w", "f.ts")))
      .refused("claim.overlap", { conflicts: [{ theirs: "f.ts" }] });
    given(alice.acquires("M"))
      .when(alice.extends("M", { addPaths: ["a"] }), bob.acquires("Y", paths("a")))
      .refused("claim.overlap");
  });

  test("CL5 widening into another's scope is refused and leaves the claim whole", () => {
    const held = given(alice.acquires("X", paths("a")), bob.acquires("Y", paths("b")), later(1000));
    const before = claimOf(held, "X");
    held.when(alice.extends("X", { addPaths: ["b/c"], note: "wide" })).refused("claim.overlap", {
      conflicts: [{ claim: "Y", mine: "b/c", theirs: "b" }],
    });
    held.when(alice.acquires("X", paths("b"))).refused("claim.overlap");
    expect(claimOf(held, "X")).toBe(before);
  });

  test("CL5 an epoch that is not the current one, or of what one does not hold, is refused", () => {
    const held = given(alice.acquires("X"));
    held.when(alice.acquires("X", { epoch: 1 })).refused("claim.stale", { epoch: 2 });
    held.when(alice.acquires("X", { epoch: 99 })).refused("claim.stale", { epoch: 2 });
    held.when(bob.acquires("X", { epoch: 2 })).refused("claim.not-holder", { holder: "alice" });
    held
      .when(alice.releases("X"), alice.acquires("X", { epoch: 2 }))
      .refused("claim.unknown", { lastHolder: "alice" });
  });

  test("CL5b without its epoch it gets a new one, and everything else stays", () => {
    const held = given(
      alice.acquires("X", { ...paths("a"), note: "one", ttlMs: MINUTE, shared: true }),
      alice.reports("X", { status: "working", artifact: "pr/1" }),
      later(1000),
    );
    const before = claimOf(held, "X");
    held
      .when(alice.acquires("X"))
      .gives(granted("X", "alice", { epoch: 4, expiresAtMs: 1_001_000 + MINUTE }));
    expect(claimOf(held, "X")).toEqual({
      ...before,
      epoch: 4,
      grantedAtMs: 1_001_000,
      expiresAtMs: 1_001_000 + MINUTE,
    });
    held.when(alice.renews("X", { epoch: 2 })).refused("claim.stale", { epoch: 4 });
    expect(held.state.claims.holdings.get("alice")).toEqual(["X"]);
  });

  test("CL5b a fresh claim is refused even by oneself", () => {
    const held = given(alice.acquires("X", { fresh: true }));
    held.when(alice.acquires("X", { fresh: true })).refused("claim.held", { holder: "alice" });
    held.when(alice.acquires("X", { fresh: true, waitMs: 1000 })).refused("claim.held", { holder: "alice" });
  });

  test("CL6 a renewal changes the lease alone", () => {
    const held = given(alice.acquires("X", { ...paths("a"), note: "n", ttlMs: MINUTE }), later(1000));
    const before = claimOf(held, "X");
    held.when(alice.renews("X")).gives({ type: "claim.renewed", epoch: 2, expiresAtMs: 1_001_000 + MINUTE });
    expect(claimOf(held, "X")).toEqual({ ...before, expiresAtMs: 1_001_000 + MINUTE });
    held
      .when(alice.renews("X", { ttlMs: 5000 }))
      .gives({ type: "claim.renewed", ttlMs: 5000, expiresAtMs: 1_006_000 });
  });
});

describe("sharing", () => {
  test("CL7 shared claims stand side by side", () => {
    given(alice.acquires("X", { ...paths("a"), shared: true }))
      .when(bob.acquires("Y", { ...paths("a/b"), shared: true }))
      .gives(granted("Y", "bob", { shared: true }));
  });

  test("CL7b exclusive and shared exclude each other, either way, and on changing one's mind", () => {
    const shared = { ...paths("a"), shared: true };
    given(alice.acquires("X", shared))
      .when(bob.acquires("Y", paths("a")))
      .refused("claim.overlap");
    given(alice.acquires("X", paths("a")))
      .when(bob.acquires("Y", shared))
      .refused("claim.overlap");
    const both = given(alice.acquires("X", shared), bob.acquires("Y", shared));
    both
      .when(alice.extends("X", { shared: false }))
      .refused("claim.overlap", { conflicts: [{ claim: "Y" }] });
    both
      .when(bob.releases("Y"), alice.extends("X", { shared: false }))
      .gives("claim.released", "claim.renewed");
    both.when(bob.acquires("Y", shared)).refused("claim.overlap");
  });

  test("CL7 an id has one holder, shared or not", () => {
    given(alice.acquires("X", { shared: true }))
      .when(bob.acquires("X", { shared: true }))
      .refused("claim.held");
  });

  test("CL8 one agent may hold overlapping scopes under two ids", () => {
    given(alice.acquires("X", paths("a")))
      .when(alice.acquires("Y", paths("a/b")))
      .gives(granted("Y", "alice"));
  });
});

describe("the end of a lease", () => {
  const held = () => given(alice.acquires("X", paths("a")), alice.saves("X", "half done"));

  test("CL9 one millisecond before its end it is held", () => {
    held()
      .when(later(TTL - 1), bob.acquires("X"))
      .refused("claim.held", { remainingMs: 1 });
    held()
      .when(later(TTL - 1), bob.acquires("Y", paths("a")))
      .refused("claim.overlap");
  });

  test("CL9 at its end it expires, then the next is granted with a higher epoch and the checkpoint", () => {
    held()
      .when(later(TTL), bob.acquires("X"))
      .gives(
        expired("X", "alice"),
        granted("X", "bob", { writer: "bob", epoch: 5, checkpoint: { text: "half done" } }),
      );
  });

  test("CL9 a holder that comes too late was superseded by nobody, and is refused all the same", () => {
    held()
      .when(later(TTL), alice.renews("X"))
      .refused("claim.unknown", { lastHolder: "alice", how: "expired" });
  });

  test("CL10 a hub that is awake writes it down, with the grants right behind it", () => {
    const story = held().when(bob.waits("X", { waitMs: 2 * TTL }), awake(TTL));
    story.gives("claim.queued", expired("X", "alice"), granted("X", "bob", { writer: "hub", epoch: 6 }));
  });

  test("every deadline: nothing lapses before it is due, nor after it was put off", () => {
    const { ledger } = held().when(later(TTL - 1));
    const hub = (nowMs: number) => ({ ...ledger.context("hub", true, ""), nowMs });
    expect(lapse(ledger.state, "claims", "X", hub(ledger.nowMs))).toBeUndefined();
    expect(lapse(ledger.state, "claims", "X", hub(ledger.nowMs + 1))).toMatchObject([
      { type: "claim.expired" },
    ]);
    expect(lapse(ledger.state, "claims", "nothing", hub(ledger.nowMs + 1))).toBeUndefined();
    expect(lapse(ledger.state, "agents", "X", hub(ledger.nowMs + 1))).toBeUndefined();
    ledger.send({ type: "claim.renew", claim: "X", epoch: 2 }, "alice");
    expect(lapse(ledger.state, "claims", "X", hub(ledger.nowMs + 1))).toBeUndefined();
    const dues = ledger.entries.flatMap((entry) => deadlinesOf(entry, ledger.state));
    expect(dues).toEqual([
      ["claims", [1_000_000 + TTL, "X"]],
      ["claims", [1_000_000 + 2 * TTL - 1, "X"]],
    ]);
  });
});

describe("reports and releases", () => {
  test("CL11 claimed, then working and input-required, back and forth; the same again is fine", () => {
    const held = given(alice.acquires("X"));
    expect(claimOf(held, "X")?.status).toBe("claimed");
    held.when(alice.reports("X", { status: "working", note: "n", artifact: "a" })).gives({
      type: "claim.reported",
      claim: "X",
      holder: "alice",
      epoch: 2,
      status: "working",
      note: "n",
      artifact: "a",
    });
    expect(claimOf(held, "X")).toMatchObject({ status: "working", note: "n", artifact: "a" });
    held.when(alice.reports("X", { status: "working" })).changesNothing();
    held.when(alice.reports("X", { status: "input-required" })).gives("claim.reported");
    expect(claimOf(held, "X")).toMatchObject({ status: "input-required", note: "n", artifact: "a" });
    held.when(alice.reports("X", { status: "working" })).gives("claim.reported");
    held.when(alice.renews("X"), alice.acquires("X"));
    expect(claimOf(held, "X")?.status).toBe("working");
  });

  test("CL12 a release frees the scope, and says the outcome", () => {
    given(alice.acquires("X", paths("a")))
      .when(alice.releases("X"), bob.acquires("Y", paths("a")))
      .gives(
        { type: "claim.released", holder: "alice", epoch: 2, outcome: "abandoned" },
        granted("Y", "bob"),
      );
    for (const outcome of ["done", "failed", "abandoned"] as const) {
      given(alice.acquires("X"))
        .when(alice.releases("X", { outcome, epoch: 2 }))
        .gives({ type: "claim.released", outcome });
    }
  });

  test("CL12 done is the default where it has a task", () => {
    given(alice.declares("T"), alice.acquires("X", { task: "T" }))
      .when(alice.releases("X"))
      .gives({ type: "claim.released", task: "T", outcome: "done" }, "task.completed");
  });

  test("CL13 what only the holder may is refused to others, before a look at the epoch", () => {
    const held = given(alice.acquires("X"), carol.joins());
    const not: Step[] = [
      bob.releases("X"),
      bob.releases("X", { epoch: 1 }),
      bob.renews("X", { epoch: 99 }),
      bob.reports("X", { status: "working" }),
      bob.hands("X", "carol"),
      bob.saves("X", "text"),
    ];
    for (const step of not) held.when(step).refused("claim.not-holder", { claim: "X", holder: "alice" });
  });

  test("CL14 an epoch older or newer than the current one is refused", () => {
    const held = given(alice.acquires("X"), alice.acquires("X"), bob.joins());
    for (const epoch of [2, 4]) {
      const stale: Step[] = [
        alice.releases("X", { epoch }),
        alice.renews("X", { epoch }),
        alice.reports("X", { epoch, status: "working" }),
        alice.hands("X", "bob", { epoch }),
        alice.saves("X", "text", { epoch }),
      ];
      for (const step of stale) held.when(step).refused("claim.stale", { claim: "X", epoch: 3 });
    }
  });

  test("CL15 of what nobody holds it is said who held it last, and how that ended", () => {
    given().when(alice.renews("X")).refused("claim.unknown", { claim: "X" });
    const ended = given(alice.acquires("X"), later(1000), alice.releases("X", { outcome: "failed" }));
    ended
      .when(bob.renews("X"))
      .refused("claim.unknown", { lastHolder: "alice", endedAtMs: 1_001_000, how: "failed" });
    ended.when(root.breaks("X")).refused("claim.unknown", { lastHolder: "alice" });
    given(alice.acquires("X"), root.breaks("X"))
      .when(alice.releases("X"))
      .refused("claim.unknown", { how: "broken" });
  });
});

describe("hand-off", () => {
  test("CL16 the claim passes on with everything, a new epoch and a fresh lease, in one entry", () => {
    const held = given(
      bob.joins(),
      alice.declares("T"),
      alice.acquires("X", { ...paths("a"), note: "n", task: "T", ttlMs: MINUTE, git: { branch: "b" } }),
      alice.reports("X", { status: "working" }),
      alice.saves("X", "half"),
      carol.waits("X", { waitMs: 10 * MINUTE }),
      later(1000),
    );
    const before = claimOf(held, "X");
    held.when(alice.hands("X", "bob")).gives(
      {
        type: "claim.handed-off",
        claim: "X",
        from: "alice",
        to: "bob",
        epoch: 8,
        ttlMs: MINUTE,
        expiresAtMs: 1_001_000 + MINUTE,
        task: "T",
      },
      { type: "progress.noted", task: "T" },
    );
    held.answers({ claim: "X", holder: "bob", epoch: 8 });
    const lease = { epoch: 8, grantedAtMs: 1_001_000, expiresAtMs: 1_001_000 + MINUTE };
    expect(claimOf(held, "X")).toEqual({ ...before, holder: "bob", ...lease });
    expect(held.ask("claims.list", { holder: "bob" })).toMatchObject({
      items: [{ claim: "X", checkpoint: { text: "half", savedBy: "alice" }, waiting: 1 }],
    });
    held.when(alice.renews("X", { epoch: 8 })).refused("claim.not-holder", { holder: "bob" });
    held
      .when(carol.acquires("Y", paths("a/b")))
      .refused("claim.overlap", { conflicts: [{ holder: "bob", epoch: 8 }] });
    held.when(bob.releases("X", { outcome: "abandoned" }));
    held.gives("claim.released", "task.reopened", granted("X", "carol", { writer: "hub" }));
  });

  test("CL16 an idle agent can take it", () => {
    given(bob.joins(), bob.idles(), alice.acquires("X"))
      .when(alice.hands("X", "bob"))
      .gives("claim.handed-off");
  });

  test("CL17 to oneself, to one unknown, to one gone", () => {
    const held = given(alice.joins(), alice.acquires("X"), bob.joins(), bob.leaves());
    const before = claimOf(held, "X");
    held.when(alice.hands("X", "alice")).refused("claim.to-self");
    held.when(alice.hands("X", "nobody")).refused("claim.to-absent", { to: "nobody" });
    held.when(alice.hands("X", "bob")).refused("claim.to-absent", { to: "bob" });
    expect(claimOf(held, "X")).toBe(before);
  });

  test("CL17 to one over its quota", () => {
    const many = Array.from({ length: limits.claimsPerAgentMax }, (_, i) => bob.acquires(`B${i}`));
    given(bob.joins(), ...many, alice.acquires("X"))
      .when(alice.hands("X", "bob"))
      .refused("claim.quota", { agent: "bob", max: 128 });
  });

  test("CL17 where it would close a deadlock", () => {
    // Bob waits for carol; carol waits for what would be his.
    given(bob.joins(), alice.acquires("X"), carol.acquires("C"), bob.waits("C"), carol.waits("X"))
      .when(alice.hands("X", "bob"))
      .refused("claim.deadlock", {
        cycle: [
          { agent: "bob", holds: "X", waitsFor: "C" },
          { agent: "carol", holds: "C", waitsFor: "X" },
        ],
      });
    // Alice, no longer the holder, would wait for bob by what her scope meets.
    given(
      bob.joins(),
      alice.acquires("X", paths("a")),
      alice.acquires("Q"),
      carol.acquires("C"),
      alice.waits("C", paths("a")),
      bob.waits("Q"),
    )
      .when(alice.hands("X", "bob"))
      .refused("claim.deadlock");
  });

  test("CL17 where the holder keeps what it overlaps under another id", () => {
    const both = given(bob.joins(), alice.acquires("X", paths("a")), alice.acquires("Y", paths("a/b")));
    both
      .when(alice.hands("Y", "bob"))
      .refused("claim.overlap", { conflicts: [{ claim: "X", holder: "alice" }] });
    both.when(alice.releases("X"), alice.hands("Y", "bob")).gives("claim.released", "claim.handed-off");
    const shared = given(
      bob.joins(),
      alice.acquires("X", { ...paths("a"), shared: true }),
      alice.acquires("Y", { ...paths("a"), shared: true }),
    );
    shared.when(alice.hands("Y", "bob")).gives("claim.handed-off");
  });

  test("CL17 not where the wait for it would be over", () => {
    given(bob.joins(), alice.acquires("X", paths("a")), bob.waits("Y", paths("a/b")))
      .when(alice.hands("X", "bob"))
      .gives("claim.handed-off", granted("Y", "bob", { writer: "hub" }));
  });
});

describe("quota and breaking", () => {
  test("CL18 the 129th claim is refused, renewing at 128 is fine", () => {
    const full = given(...Array.from({ length: 128 }, (_, i) => alice.acquires(`X${i}`)));
    full.when(alice.acquires("Y")).refused("claim.quota", { max: 128 });
    full.when(alice.renews("X0"), alice.extends("X1", { note: "n" }), alice.acquires("X2"));
    full.gives("claim.renewed", "claim.renewed", "claim.granted");
    full.when(alice.releases("X0"), alice.acquires("Y")).gives("claim.released", "claim.granted");
  });

  test("CL19 an operator breaks a claim; the epoch of its holder is dead", () => {
    const held = given(alice.acquires("X", paths("a")));
    held.when(bob.breaks("X", "please")).refused("agent.not-operator");
    held.when(root.breaks("X", "stuck")).gives({
      type: "claim.broken",
      claim: "X",
      holder: "alice",
      by: "root",
      reason: "stuck",
    });
    held.when(alice.renews("X")).refused("claim.unknown", { how: "broken" });
    held.when(bob.acquires("X"), alice.renews("X")).refused("claim.not-holder");
    held.when(bob.acquires("Y", paths("a"))).gives("claim.granted");
  });
});

describe("worktrees", () => {
  test("CL20 claims of other worktrees are nearby, and never refuse", () => {
    given(alice.acquires("X", within("/one", "src")), bob.acquires("Z", within("/three", "docs")))
      .when(bob.acquires("Y", within("/two/", "src/a.ts")))
      .gives(granted("Y", "bob", { nearby: [{ claim: "X", holder: "alice", worktree: "/one" }] }));
  });

  test("CL20 at most twenty are shown", () => {
    const others = (count: number) =>
      Array.from({ length: count }, (_, i) => alice.acquires(`X${i}`, within(`/w${i}`, "src")));
    const nearby = (count: number) => {
      const [event] = given(...others(count)).when(bob.acquires("Y", within("/here", "src"))).happened;
      return event?.type === "claim.granted" ? [event.nearby?.length, event.nearbyMore] : [];
    };
    expect(nearby(20)).toEqual([20, undefined]);
    expect(nearby(21)).toEqual([20, true]);
  });

  test("CL20 unless either says that it minds", () => {
    const minds = { acrossWorktrees: true };
    given(alice.acquires("X", { ...within("/one", "src"), ...minds }))
      .when(bob.acquires("Y", within("/two", "src")))
      .refused("claim.overlap", { conflicts: [{ claim: "X" }] });
    given(alice.acquires("X", within("/one", "src")))
      .when(bob.acquires("Y", { ...within("/two", "src"), ...minds }))
      .refused("claim.overlap", { conflicts: [{ claim: "X" }] });
    const held = given(alice.acquires("X", within("/one", "src")), bob.acquires("Y", within("/two", "src")));
    held.when(alice.extends("X", minds)).refused("claim.overlap");
    held.when(bob.releases("Y"), alice.extends("X", minds), bob.acquires("Y", within("/two", "src")));
    held.refused("claim.overlap");
  });

  test("CL20 a scope without a worktree meets every worktree", () => {
    given(alice.acquires("X", within("/one", "src")))
      .when(bob.acquires("Y", paths("src")))
      .refused("claim.overlap");
    given(alice.acquires("X", paths("src")))
      .when(bob.acquires("Y", within("/one", "src")))
      .refused("claim.overlap");
  });

  test("CL21 what covers a file, and whether the asker may edit it", () => {
    const held = given(
      alice.acquires("X", within("/one", "src")),
      bob.acquires("Y", { ...within("/one", "docs"), shared: true }),
      carol.acquires("Z", { ...within("/one", "docs/a"), shared: true }),
    );
    const covering = (by: string, file: string, worktree = "/one") =>
      held.ask("claims.covering", { files: [file], worktree }, by);
    expect(covering("alice", "src/a.ts")).toMatchObject({
      items: [{ claim: "X", holder: "alice", epoch: 2, remainingMs: TTL }],
      more: false,
      mayEdit: true,
    });
    expect(covering("bob", "src/a.ts")).toMatchObject({ items: [{ claim: "X" }], mayEdit: false });
    expect(covering("bob", "src/a.ts", "/two")).toEqual({ items: [], more: false, mayEdit: true });
    expect(covering("bob", "free.ts")).toEqual({ items: [], more: false, mayEdit: true });
    expect(covering("bob", "docs/a/b")).toMatchObject({ mayEdit: true });
    expect(covering("carol", "docs/a/b")).toMatchObject({ mayEdit: true });
    expect(covering("alice", "docs/a/b")).toMatchObject({ mayEdit: false });
    held.when(bob.acquires("V", within("/two", "src")));
    expect(held.ask("claims.list", { worktree: "/two" })).toMatchObject({ items: [{ claim: "V" }] });
    held.when(bob.releases("V"));
    held.when(bob.acquires("W", { ...within("/one", "lib"), acrossWorktrees: true }));
    expect(covering("carol", "lib/a.ts", "/two")).toMatchObject({ items: [{ claim: "W" }], mayEdit: false });
    expect(covering("bob", "lib/a.ts", "/two")).toMatchObject({ items: [{ claim: "W" }], mayEdit: true });
    expect(covering("carol", "lib/a.ts")).toMatchObject({ items: [{ claim: "W" }], mayEdit: false });
    expect(held.ask("claims.covering", { paths: ["src/**"], limit: 1 }, "bob")).toMatchObject({
      items: [{ claim: "X" }],
      more: false,
      mayEdit: false,
    });
    expect(held.ask("claims.covering", { paths: ["**"], limit: 1 }, "bob")).toMatchObject({
      items: [{}],
      more: true,
      mayEdit: false,
    });
    expect(held.ask("claims.covering", { files: ["/etc/hosts"] })).toMatchObject({
      rejection: { code: "scope.outside" },
    });
  });

  test("CL22 what it says of git is kept as it is", () => {
    const git = { branch: "topic", base: "main", autoRelease: "merge" } as const;
    const held = given(alice.acquires("X", { git })).gives(granted("X", "alice", { git }));
    expect(held.ask("claims.list")).toMatchObject({ items: [{ claim: "X", git }] });
  });
});
