/**
 * Tasks, row by row of the exact behaviour: the ledger, its claims, its requests.
 */
import { describe, expect, test } from "vitest";
import { limits } from "../../core/limits.ts";
import { answerOf, type Command, redacted } from "../../core/model/model.ts";
import type { Entry } from "../../core/model/slice.ts";
import { Fleet } from "./fleet.ts";

const MINUTE = 60_000;
const SLICES = ["tasks", "progress", "checkpoints"] as const;

/** What a task was declared with, besides a title. */
type Said = Partial<Extract<Command, { type: "task.declare" }>>;

class Ledger extends Fleet {
  constructor(settings: object = {}) {
    super(settings);
    for (const agent of ["ann", "bob", "cy"]) this.join(agent);
  }

  declare(task: string, said: Said = {}, by = "ann") {
    return this.send(by, { type: "task.declare", task, title: `do ${task}`, ...said });
  }

  /** `on` is the task a claim is for. */
  acquire(by: string, claim: string, on?: string, more: object = {}) {
    return this.send(by, {
      type: "claim.acquire",
      claim,
      ...(on === undefined ? {} : { task: on }),
      ...more,
    } as Command);
  }

  done(task: string, by = "ann") {
    return this.send(by, { type: "task.complete", task });
  }

  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever fields they expect
  task(task: string): any {
    return this.ask("ann", "tasks.list", { task }).items[0];
  }

  status(...tasks: string[]): string {
    return tasks.map((task) => this.task(task)?.status ?? "none").join(" ");
  }

  ready(): string {
    return this.ask("ann", "tasks.ready")
      .items.map((view: { task: string }) => view.task)
      .join(" ");
  }

  types(): string {
    return (
      this.entries
        .at(-1)
        ?.events.map((event) => event.type)
        .join(" ") ?? ""
    );
  }
}

describe("declaring", () => {
  test("TA1: a declared task is open, version 1, with all that was said", () => {
    const fleet = new Ledger();
    const said = {
      description: "all of it",
      dependsOn: ["b"],
      parent: "p",
      paths: ["./src//auth/"],
      priority: 7,
      requires: ["rust"],
      suggested: "bob",
    };
    expect(fleet.declare("a", said).result).toMatchObject({ task: "a", version: 1 });
    expect(fleet.task("a")).toMatchObject({
      ...said,
      title: "do a",
      paths: ["src/auth"],
      status: "open",
      version: 1,
      declaredBy: "ann",
      waitingFor: ["b"],
    });
    expect(fleet.declare("plain").refused).toBeUndefined();
    expect(fleet.task("plain")).toMatchObject({
      dependsOn: [],
      paths: [],
      priority: 0,
      requires: [],
      ready: true,
    });
    fleet.verify(...SLICES);
  });

  test("TA1: ids of the engine, bad paths and bad priorities are refused", () => {
    const fleet = new Ledger();
    expect(fleet.declare("m12").rejection).toMatchObject({ code: "invalid", at: "task" });
    expect(fleet.declare("a", { paths: ["../x"] }).refused).toBe("scope.outside");
    expect(fleet.declare("a", { paths: [] }).refused).toBe("schema");
    expect(fleet.declare("a", { priority: 500_001 }).refused).toBe("schema");
    expect(fleet.status("a", "m12")).toBe("none none");
  });

  test("TA4: of what a task waits for, so many are shown and no more", () => {
    const fleet = new Ledger();
    const many = Array.from({ length: limits.waitingShown + 5 }, (_, i) => `d${i}`);
    fleet.declare("a", { dependsOn: many });
    expect(fleet.task("a").waitingFor).toEqual(many.slice(0, limits.waitingShown));
    const { rejection } = fleet.send("ann", { type: "task.start", task: "a" });
    expect(rejection).toMatchObject({ waitingFor: many.slice(0, limits.waitingShown), more: true });
  });

  test("TA2: an existing id is refused; amending changes the given fields of the named version alone", () => {
    const fleet = new Ledger();
    fleet.declare("a", { priority: 3, requires: ["x"] });
    expect(fleet.declare("a", {}, "bob").rejection).toMatchObject({
      code: "task.exists",
      task: "a",
      version: 1,
      status: "open",
      declaredBy: "ann",
    });
    const amend = (version: number, more: object) =>
      fleet.send("bob", { type: "task.amend", task: "a", version, ...more } as Command);
    expect(amend(1, { title: "new", paths: ["x/**"] }).result).toMatchObject({ version: 2 });
    expect(fleet.task("a")).toMatchObject({
      title: "new",
      paths: ["x/**"],
      priority: 3,
      requires: ["x"],
      version: 2,
    });
    expect(amend(1, { title: "late" }).rejection).toMatchObject({ code: "task.stale", version: 2 });
    expect(amend(2, { title: "new" }).events).toEqual([]);
    expect(amend(2, { requires: [], paths: [] }).refused).toBeUndefined();
    expect(fleet.task("a")).toMatchObject({ requires: [], paths: [], title: "new", version: 3 });
    expect(fleet.send("bob", { type: "task.amend", task: "zz", version: 1 }).refused).toBe("task.unknown");
    fleet.verify(...SLICES);
  });

  test("TA2: taking it up is no amendment", () => {
    const fleet = new Ledger();
    fleet.declare("a");
    fleet.send("bob", { type: "task.start", task: "a" });
    const told = fleet.send("ann", { type: "task.amend", task: "a", version: 1, priority: 9 });
    expect(told.result).toMatchObject({ version: 2 });
    expect(fleet.task("a")).toMatchObject({ status: "in-progress", owner: "bob", priority: 9 });
  });

  test("TA3: no task waits for itself, by any way", () => {
    const fleet = new Ledger();
    expect(fleet.declare("a", { dependsOn: ["a"] }).rejection).toMatchObject({
      code: "task.cycle",
      path: ["a", "a"],
    });
    expect(fleet.declare("a", { parent: "a" }).refused).toBe("task.cycle");
    expect(fleet.declare("a", { parent: "p", dependsOn: ["p"] }).refused).toBe("task.cycle");
    fleet.declare("a", { dependsOn: ["b"] });
    fleet.declare("b", { dependsOn: ["c"] });
    // Through tasks declared later.
    expect(fleet.declare("c", { dependsOn: ["a"] }).rejection).toMatchObject({ path: ["c", "a", "b", "c"] });
    expect(fleet.declare("c", { parent: "d" }).refused).toBeUndefined();
    expect(fleet.declare("d", { parent: "c" }).refused).toBe("task.cycle");
    // d waits for its child c, so what c waits for must not wait for d.
    expect(fleet.send("ann", { type: "task.amend", task: "c", version: 1, dependsOn: ["d"] }).refused).toBe(
      "task.cycle",
    );
    expect(fleet.declare("e", { parent: "c", dependsOn: ["d"] }).refused).toBe("task.cycle");
    // A parent may depend on its child, and children on one another.
    expect(fleet.declare("f", { parent: "c", dependsOn: ["g"] }).refused).toBeUndefined();
    expect(fleet.declare("g", { parent: "c" }).refused).toBeUndefined();
    expect(
      fleet.send("ann", { type: "task.amend", task: "c", version: 1, dependsOn: ["f"] }).refused,
    ).toBeUndefined();
    fleet.verify(...SLICES);
  });

  test("TA3: a long cycle is shown in part", () => {
    const fleet = new Ledger();
    for (let i = 0; i < 300; i++) fleet.declare(`t${i}`, { dependsOn: [`t${i + 1}`] });
    const { rejection } = fleet.declare("t300", { dependsOn: ["t0"] });
    expect(rejection).toMatchObject({ code: "task.cycle", more: true });
    expect(rejection?.path).toHaveLength(101);
  });

  test("TA4: what depends on an undeclared task waits until that one is there and done or cancelled", () => {
    const fleet = new Ledger();
    fleet.declare("a", { dependsOn: ["b", "c", "b"] });
    expect(fleet.ready()).toBe("");
    fleet.declare("b");
    fleet.declare("c");
    expect(fleet.ready()).toBe("b c");
    fleet.done("b");
    fleet.send("ann", { type: "task.fail", task: "c" });
    expect(fleet.ready()).toBe("");
    expect(fleet.task("a").waitingFor).toEqual(["c"]);
    fleet.send("ann", { type: "task.cancel", task: "c" });
    expect(fleet.ready()).toBe("a");
    fleet.send("ann", { type: "task.reopen", task: "b" });
    expect(fleet.ready()).toBe("b");
    fleet.verify(...SLICES);
  });
});

describe("taking up", () => {
  test("TA5: ready tasks by priority, then declaration; not with open children or a live claim", () => {
    const fleet = new Ledger();
    fleet.declare("low", { priority: -1 });
    fleet.declare("first");
    fleet.declare("second");
    fleet.declare("urgent", { priority: 9 });
    fleet.declare("parent", { priority: 20 });
    fleet.declare("child", { parent: "parent", priority: -2 });
    expect(fleet.ready()).toBe("urgent first second low child");
    fleet.acquire("bob", "urgent");
    expect(fleet.ready()).toBe("first second low child");
    fleet.send("ann", { type: "task.amend", task: "second", version: 1, priority: 1 });
    fleet.send("bob", { type: "claim.release", claim: "urgent" });
    expect(fleet.ready()).toBe("urgent second first low child");
    expect(fleet.task("urgent").status).toBe("open");
    // A claim that was there before its task was declared counts as well.
    fleet.acquire("bob", "later");
    fleet.declare("later");
    expect(fleet.task("later")).toMatchObject({ claim: "later", holder: "bob" });
    expect(fleet.ready()).not.toMatch("later");
    fleet.tick(15 * MINUTE);
    expect(fleet.ready()).toMatch("later");
    fleet.send("ann", { type: "task.cancel", task: "child" });
    expect(fleet.ready()).toMatch(/^parent /);
    fleet.verify(...SLICES);
  });

  test("TA6: a claim starts its task and finishes it", () => {
    const fleet = new Ledger();
    for (const task of ["a", "b"]) fleet.declare(task);
    fleet.acquire("bob", "lease", "a");
    expect(fleet.types()).toBe("claim.granted task.started");
    expect(fleet.task("a")).toMatchObject({
      status: "in-progress",
      owner: "bob",
      claim: "lease",
      holder: "bob",
    });
    expect(fleet.ready()).toBe("b");
    expect(fleet.send("bob", { type: "claim.release", claim: "lease" }).result).toMatchObject({
      outcome: "done",
    });
    expect(fleet.types()).toBe("claim.released task.completed");
    fleet.acquire("bob", "lease", "b");
    fleet.send("bob", { type: "claim.release", claim: "lease", outcome: "failed" });
    expect(fleet.status("a", "b")).toBe("done failed");
    fleet.verify(...SLICES);
  });

  test("TA6: abandoned, broken or expired, it is open again, but only while in progress", () => {
    const fleet = new Ledger();
    fleet.declare("a");
    const ends: (() => unknown)[] = [
      () => fleet.send("bob", { type: "claim.release", claim: "x", outcome: "abandoned" }),
      () => fleet.send("op", { type: "claim.break", claim: "x" }, true),
      () => fleet.tick(15 * MINUTE),
    ];
    for (const [i, end] of ends.entries()) {
      fleet.acquire("bob", "x", "a");
      end();
      expect(fleet.types()).toMatch(/task.reopened$/);
      expect(fleet.task("a")).toMatchObject({
        status: "open",
        reason: ["abandoned", "broken", "expired"][i],
        ready: true,
      });
      expect(fleet.task("a").owner).toBeUndefined();
    }
    for (const end of ends) {
      fleet.acquire("bob", "x", "a");
      fleet.send("bob", { type: "task.block", task: "a", reason: "no key" });
      end();
      expect(fleet.task("a")).toMatchObject({ status: "blocked", reason: "no key" });
      fleet.send("cy", { type: "task.reopen", task: "a" });
    }
    fleet.acquire("bob", "x", "a");
    fleet.send("bob", { type: "task.block", task: "a", reason: "no key" });
    fleet.send("bob", { type: "claim.release", claim: "x" });
    expect(fleet.status("a")).toBe("done");
    fleet.verify(...SLICES);
  });

  test("TA6: only a ready task, or one in progress without a live claim, can be claimed", () => {
    const fleet = new Ledger();
    fleet.declare("a", { dependsOn: ["b"] });
    fleet.declare("b");
    const refused = (on: string) => fleet.acquire("cy", "mine", on).rejection;
    expect(refused("a")).toMatchObject({ code: "task.not-open", status: "open", waitingFor: ["b"] });
    expect(refused("nowhere")).toMatchObject({ code: "task.not-open", status: "undeclared", waitingFor: [] });
    fleet.acquire("bob", "lease", "b");
    expect(refused("b")).toMatchObject({
      code: "task.not-open",
      status: "in-progress",
      owner: "bob",
      claim: "lease",
      holder: "bob",
      expiresAtMs: 15 * MINUTE,
      waitingFor: [],
    });
    expect(fleet.acquire("cy", "lease", "b").refused).toBe("claim.held");
    fleet.send("bob", { type: "task.block", task: "b", reason: "r" });
    expect(refused("b")).toMatchObject({ status: "blocked" });
    expect(fleet.acquire("bob", "lease", "b").refused).toBeUndefined();
    fleet.send("bob", { type: "claim.release", claim: "lease" });
    expect(refused("b")).toMatchObject({ status: "done", owner: "bob" });
    // Somebody else's claim under a task's id stands in the way, one's own does not.
    fleet.acquire("bob", "a");
    expect(refused("a")).toMatchObject({ code: "task.not-open", status: "open", holder: "bob" });
    expect(fleet.acquire("bob", "work", "a").refused).toBeUndefined();
    fleet.verify(...SLICES);
  });

  test("TA6: a task in progress without a claim goes to who claims it", () => {
    const fleet = new Ledger();
    fleet.declare("a");
    fleet.send("bob", { type: "task.start", task: "a" });
    fleet.acquire("cy", "lease", "a");
    expect(fleet.task("a")).toMatchObject({ status: "in-progress", owner: "cy", claim: "lease" });
  });

  test("TA6: a claim that turns to another task gives the first one back", () => {
    const fleet = new Ledger();
    for (const task of ["a", "b"]) fleet.declare(task);
    const { seq } = fleet.acquire("bob", "lease", "a");
    fleet.acquire("bob", "lease", "b", { epoch: seq });
    expect(fleet.types()).toBe("claim.renewed task.reopened task.started");
    expect(fleet.status("a", "b")).toBe("open in-progress");
    expect(fleet.ready()).toBe("a");
    fleet.acquire("bob", "lease");
    expect(fleet.status("a", "b")).toBe("open in-progress");
    fleet.verify(...SLICES);
  });

  test("TA6: blocked and reopened under a live claim, it goes on in progress", () => {
    const fleet = new Ledger();
    fleet.declare("a");
    fleet.acquire("bob", "lease", "a");
    fleet.send("bob", { type: "task.block", task: "a", reason: "r" });
    fleet.send("cy", { type: "task.reopen", task: "a" });
    expect(fleet.task("a")).toMatchObject({ status: "in-progress", owner: "bob" });
    expect(fleet.send("bob", { type: "task.reopen", task: "a" }).refused).toBe("task.not-open");
  });

  test("TA6: a wait is granted with its task, or ends when the task cannot be had any more", () => {
    const fleet = new Ledger();
    fleet.declare("a");
    fleet.acquire("bob", "lease", "a");
    fleet.acquire("cy", "lease", "a", { waitMs: MINUTE });
    fleet.send("bob", { type: "claim.release", claim: "lease", outcome: "abandoned" });
    expect(fleet.types()).toBe("claim.granted task.started");
    expect(fleet.task("a")).toMatchObject({ status: "in-progress", owner: "cy" });
    fleet.acquire("bob", "lease", "a", { waitMs: MINUTE });
    fleet.send("cy", { type: "claim.release", claim: "lease" });
    expect(fleet.entries.at(-1)?.events).toMatchObject([{ type: "wait.expired", task: "a", status: "done" }]);
    expect(answerOf(fleet.entries.at(-1) as Entry)).toMatchObject({
      rejection: { code: "task.not-open", task: "a", status: "done", owner: "cy" },
    });
    expect(fleet.ask("ann", "waits.list").items).toEqual([]);
    fleet.verify(...SLICES);
  });

  test("TA6b: starting without a claim", () => {
    const fleet = new Ledger();
    fleet.declare("a");
    fleet.declare("b", { dependsOn: ["a"] });
    expect(fleet.send("bob", { type: "task.start", task: "a" }).result).toMatchObject({
      task: "a",
      owner: "bob",
    });
    expect(fleet.task("a")).toMatchObject({ status: "in-progress", owner: "bob" });
    expect(fleet.send("bob", { type: "task.start", task: "a" }).events).toEqual([]);
    expect(fleet.send("cy", { type: "task.start", task: "a" }).rejection).toMatchObject({
      code: "task.not-open",
      owner: "bob",
    });
    expect(fleet.send("cy", { type: "task.start", task: "b" }).rejection).toMatchObject({
      waitingFor: ["a"],
    });
    expect(fleet.send("cy", { type: "task.start", task: "zz" }).refused).toBe("task.unknown");
  });

  test("CL4: a claim without a scope is lent its task's paths, in the worktree it names", () => {
    const fleet = new Ledger();
    for (const task of ["a", "b", "c"]) fleet.declare(task, { paths: [`${task}/**`] });
    const scope = (claim: string) => fleet.ask("ann", "claims.list", { claim }).items[0].scope;
    fleet.acquire("bob", "1", "a");
    expect(scope("1")).toEqual({ paths: ["a/**"] });
    fleet.acquire("bob", "2", "b", { scope: { worktree: "/wt/" } });
    expect(scope("2")).toEqual({ worktree: "/wt", paths: ["b/**"] });
    fleet.acquire("bob", "3", "c", { scope: { files: ["x.ts"] } });
    expect(scope("3")).toEqual({ files: ["x.ts"] });
    expect(fleet.acquire("cy", "4", undefined, { scope: { files: ["a/x.ts"] } }).refused).toBe(
      "claim.overlap",
    );
    fleet.declare("d");
    fleet.acquire("bob", "5", "d");
    expect(scope("5")).toBeUndefined();
    fleet.acquire("bob", "1");
    expect(scope("1")).toEqual({ paths: ["a/**"] });
  });

  test("CL16: handed off, the task goes along and gets a note", () => {
    const fleet = new Ledger();
    fleet.declare("a");
    const { seq } = fleet.acquire("bob", "lease", "a");
    fleet.send("bob", { type: "claim.handoff", claim: "lease", epoch: seq, to: "cy" });
    expect(fleet.types()).toBe("claim.handed-off progress.noted");
    expect(fleet.task("a")).toMatchObject({ status: "in-progress", owner: "cy", holder: "cy" });
    expect(fleet.ask("ann", "progress.list", { task: "a" }).items).toMatchObject([
      { by: "bob", kind: "note", text: "handed off by bob to cy" },
    ]);
    fleet.send("cy", { type: "claim.release", claim: "lease" });
    expect(fleet.status("a")).toBe("done");
    fleet.verify(...SLICES);
  });

  test("CP2, CP3: the checkpoint of a task passes on under whatever claim, until it is done", () => {
    const fleet = new Ledger();
    fleet.declare("a");
    const { seq } = fleet.acquire("bob", "one", "a");
    fleet.send("bob", { type: "checkpoint.save", claim: "one", epoch: seq, text: "half" });
    fleet.tick(15 * MINUTE);
    expect(fleet.acquire("cy", "two", "a").result).toMatchObject({
      checkpoint: { text: "half", savedBy: "bob" },
    });
    fleet.send("cy", { type: "claim.release", claim: "two", outcome: "abandoned" });
    expect(fleet.send("cy", { type: "task.next" }).result).toMatchObject({ checkpoint: { text: "half" } });
    fleet.send("cy", { type: "claim.release", claim: "a" });
    fleet.send("cy", { type: "task.reopen", task: "a" });
    expect(fleet.acquire("bob", "three", "a").result.checkpoint).toBeUndefined();
  });
});

describe("finishing", () => {
  test("TA7: only who holds, owns or declared it, and operators, may finish it", () => {
    for (const [type, status] of [
      ["task.complete", "done"],
      ["task.fail", "failed"],
      ["task.cancel", "cancelled"],
      ["task.block", "blocked"],
    ] as const) {
      const fleet = new Ledger();
      const say = (by: string, task: string, operator = false) => {
        const reason = type === "task.block" ? { reason: "r" } : {};
        return fleet.send(by, { type, task, ...reason } as Command, operator);
      };
      for (const task of ["declared", "owned", "held", "under", "operated"]) fleet.declare(task);
      fleet.send("bob", { type: "task.start", task: "owned" });
      fleet.acquire("bob", "lease", "held");
      fleet.acquire("bob", "under");
      expect(say("cy", "owned").rejection).toMatchObject({ code: "task.not-yours", owner: "bob" });
      expect(say("cy", "declared").rejection).toMatchObject({ code: "task.not-yours", declaredBy: "ann" });
      expect(say("cy", "held").refused).toBe("task.not-yours");
      expect(say("cy", "nowhere").refused).toBe("task.unknown");
      expect(say("ann", "declared").result).toMatchObject({ status });
      for (const task of ["owned", "held", "under"])
        expect(say("bob", task).result).toMatchObject({ status });
      expect(say("op", "operated", true).result).toMatchObject({ status });
      expect(fleet.status("declared", "owned", "held", "under", "operated")).toBe(
        `${status} ${status} ${status} ${status} ${status}`,
      );
      fleet.verify(...SLICES);
    }
  });

  test("TA7: what came of it, and why, is kept", () => {
    const fleet = new Ledger();
    for (const task of ["a", "b", "c"]) fleet.declare(task);
    fleet.send("ann", { type: "task.complete", task: "a", result: "shipped" });
    fleet.send("ann", { type: "task.fail", task: "b", reason: "no network" });
    fleet.send("ann", { type: "task.cancel", task: "c", reason: "not wanted" });
    expect(fleet.task("a")).toMatchObject({ result: "shipped" });
    expect(fleet.task("b")).toMatchObject({ reason: "no network" });
    expect(fleet.task("c")).toMatchObject({ reason: "not wanted" });
    expect(fleet.send("ann", { type: "task.complete", task: "b" }).rejection).toMatchObject({
      code: "task.not-open",
      status: "failed",
    });
    expect(fleet.send("ann", { type: "task.cancel", task: "a" }).refused).toBe("task.not-open");
    expect(fleet.send("ann", { type: "task.block", task: "a", reason: "x" }).refused).toBe("task.not-open");
    expect(fleet.send("ann", { type: "task.cancel", task: "b" }).refused).toBeUndefined();
  });

  test("TA8: blocked stays blocked until somebody reopens it", () => {
    const fleet = new Ledger();
    fleet.declare("a");
    fleet.declare("dep");
    fleet.send("bob", { type: "task.start", task: "a" });
    fleet.send("bob", { type: "task.block", task: "a", reason: "waiting for a key" });
    expect(fleet.task("a")).toMatchObject({ status: "blocked", reason: "waiting for a key", owner: "bob" });
    expect(fleet.send("bob", { type: "task.block", task: "a", reason: "waiting for a key" }).events).toEqual(
      [],
    );
    fleet.done("dep");
    fleet.tick(10 * 24 * 60 * MINUTE);
    expect(fleet.status("a")).toBe("blocked");
    expect(fleet.ready()).toBe("");
    expect(fleet.send("cy", { type: "task.reopen", task: "a", reason: "got it" }).refused).toBeUndefined();
    expect(fleet.task("a")).toMatchObject({ status: "open", reason: "got it", ready: true });
    expect(fleet.send("cy", { type: "task.reopen", task: "a" }).events).toEqual([]);
  });

  test("TA9: the last child makes its parents done, all the way up, in the same entry, by whatever way", () => {
    const ways: ((fleet: Ledger) => unknown)[] = [
      (fleet) => fleet.done("last"),
      (fleet) => fleet.send("ann", { type: "task.cancel", task: "last" }),
      (fleet) => fleet.send("ann", { type: "task.amend", task: "last", version: 1, noParent: true }),
      (fleet) => fleet.send("ann", { type: "task.amend", task: "last", version: 1, parent: "elsewhere" }),
      (fleet) => {
        fleet.acquire("bob", "lease", "last");
        fleet.send("bob", { type: "claim.release", claim: "lease" });
      },
    ];
    for (const way of ways) {
      const fleet = new Ledger();
      fleet.declare("top");
      fleet.declare("mid", { parent: "top" });
      fleet.declare("first", { parent: "mid" });
      fleet.declare("last", { parent: "mid" });
      fleet.done("first");
      expect(fleet.status("mid", "top")).toBe("open open");
      way(fleet);
      expect(fleet.types()).toMatch(/task.completed task.completed$/);
      expect(fleet.entries.at(-1)?.events.slice(-2)).toMatchObject([
        { task: "mid", child: "last" },
        { task: "top", child: "mid" },
      ]);
      expect(fleet.status("mid", "top")).toBe("done done");
      fleet.verify(...SLICES);
    }
  });

  test("TA9: a failed child holds its parent open, and cancelled ones alone do not make it done", () => {
    const fleet = new Ledger();
    fleet.declare("p");
    fleet.declare("a", { parent: "p" });
    fleet.declare("b", { parent: "p" });
    fleet.send("ann", { type: "task.fail", task: "a" });
    fleet.done("b");
    expect(fleet.status("p")).toBe("open");
    expect(fleet.ready()).toBe("p");
    fleet.send("ann", { type: "task.cancel", task: "a" });
    expect(fleet.status("p")).toBe("done");
    fleet.declare("q");
    fleet.declare("c", { parent: "q" });
    fleet.send("ann", { type: "task.cancel", task: "c" });
    expect(fleet.status("q")).toBe("open");
  });

  test("TA9: a new or reopened child reopens its done parents, all the way up", () => {
    const fleet = new Ledger();
    fleet.declare("top");
    fleet.declare("mid", { parent: "top" });
    fleet.declare("a", { parent: "mid" });
    fleet.done("a");
    expect(fleet.status("mid", "top")).toBe("done done");
    fleet.declare("b", { parent: "mid" });
    expect(fleet.types()).toBe("task.declared task.reopened task.reopened");
    expect(fleet.status("mid", "top")).toBe("open open");
    fleet.done("b");
    expect(fleet.status("mid", "top")).toBe("done done");
    fleet.send("cy", { type: "task.reopen", task: "a" });
    expect(fleet.types()).toBe("task.reopened task.reopened task.reopened");
    expect(fleet.status("a", "mid", "top")).toBe("open open open");
    expect(fleet.task("mid")).toMatchObject({
      reason: "child",
      children: { unfinished: 1, done: 1, failed: 0 },
    });
    fleet.verify(...SLICES);
  });

  test("TA9: a parent declared after its children are done is done at once", () => {
    const fleet = new Ledger();
    fleet.declare("top");
    fleet.declare("a", { parent: "mid" });
    fleet.done("a");
    expect(fleet.declare("mid", { parent: "top" }).events.map((event) => event.type)).toEqual([
      "task.declared",
      "task.completed",
      "task.completed",
    ]);
    expect(fleet.status("mid", "top")).toBe("done done");
  });

  test("TA10: done twice is fine, and said once", () => {
    const fleet = new Ledger();
    fleet.declare("a");
    fleet.acquire("bob", "lease", "a");
    fleet.done("a", "bob");
    expect(fleet.done("a", "bob")).toMatchObject({ refused: undefined, events: [] });
    fleet.send("bob", { type: "claim.release", claim: "lease", outcome: "done" });
    expect(fleet.types()).toBe("claim.released");
    expect(fleet.done("a", "cy").refused).toBeUndefined();
  });

  test("AG12: an operator completes, blocks and reassigns anything", () => {
    const fleet = new Ledger();
    fleet.declare("a");
    fleet.send("bob", { type: "task.start", task: "a" });
    const amend = (by: string, owner: string, version: number, operator = false) =>
      fleet.send(by, { type: "task.amend", task: "a", version, owner }, operator);
    expect(amend("cy", "cy", 1).refused).toBe("task.not-yours");
    expect(amend("op", "nobody", 1, true).refused).toBe("agent.unknown");
    expect(amend("op", "cy", 1, true).refused).toBeUndefined();
    expect(fleet.task("a")).toMatchObject({ status: "in-progress", owner: "cy" });
    expect(fleet.send("op", { type: "task.start", task: "a" }, true).refused).toBeUndefined();
    expect(fleet.task("a").owner).toBe("op");
    expect(fleet.send("op", { type: "task.block", task: "a", reason: "r" }, true).refused).toBeUndefined();
    expect(amend("op", "cy", 2, true).refused).toBe("task.not-open");
    expect(fleet.send("op", { type: "task.complete", task: "a" }, true).refused).toBeUndefined();
  });
});

test("a task waits for what it depends on, then for its children, and says for which", () => {
  const fleet = new Ledger();
  fleet.declare("parent", { dependsOn: ["b", "a"] });
  for (const task of ["a", "b"]) fleet.declare(task);
  for (const child of ["c", "d", "e"]) fleet.declare(child, { parent: "parent" });
  expect(fleet.task("parent").waitingFor).toEqual(["b", "a", "c", "d", "e"]);
  for (const task of ["b", "d"]) fleet.done(task);
  expect(fleet.task("parent").waitingFor).toEqual(["a", "c", "e"]);
  fleet.done("a");
  expect(fleet.task("parent").waitingFor).toEqual(["c", "e"]);
});

test("a sentence shows both ends of an id that is long, and all of one that is not", () => {
  const fleet = new Ledger();
  const [long, short] = [`begins-here-${"x".repeat(60)}-ends-there`, "y".repeat(40)];
  for (const task of [long, short]) fleet.declare(task);
  const said = (task: string) => fleet.send("bob", { type: "task.declare", task, title: "again" }).rejection;
  expect(said(long)?.message).toContain("begins-here-xxxxxxx…xxxxxxxxx-ends-there was declared");
  expect(said(short)?.message).toContain(`${short} was declared`);
});

test("a refusal names what a task waits for, and says when there is more", () => {
  const fleet = new Ledger();
  const max = limits.waitingShown;
  const first = Array.from({ length: max + 1 }, (_, i) => `first-${i}`);
  for (const task of first) fleet.declare(task);
  fleet.declare("some", { dependsOn: first.slice(0, max) });
  fleet.declare("more", { dependsOn: first });
  const refusal = (task: string) => fleet.acquire("bob", task, task).rejection;
  expect(refusal("some")).toMatchObject({ code: "task.not-open", waitingFor: first.slice(0, max) });
  expect(refusal("some")).not.toHaveProperty("more");
  expect(refusal("more")).toMatchObject({ waitingFor: first.slice(0, max), more: true });
});

test("what is said twice is kept once", () => {
  const fleet = new Ledger();
  fleet.declare("a", { requires: ["rust", "unsafe", "rust"], dependsOn: ["b", "c", "b"] });
  expect(fleet.task("a")).toMatchObject({ requires: ["rust", "unsafe"], dependsOn: ["b", "c"] });
});

test("a task is shown as ready exactly where `tasks.ready` lists it", () => {
  const fleet = new Ledger();
  fleet.declare("free");
  fleet.declare("after", { dependsOn: ["free"] });
  fleet.declare("parent");
  fleet.declare("child", { parent: "parent" });
  fleet.declare("held");
  fleet.declare("lent");
  fleet.acquire("bob", "held");
  fleet.acquire("cy", "lease", "lent");
  const all = ["free", "after", "parent", "child", "held", "lent"];
  const shown = () => all.filter((task) => fleet.task(task).ready === true).join(" ");
  expect(shown()).toBe("free child");
  expect(fleet.ready()).toBe("free child");
  fleet.done("free");
  fleet.done("child");
  expect(shown()).toBe("after");
  expect(fleet.ready()).toBe("after");
});

describe("next", () => {
  test("TA11: the best task that the agent is able to do and whose files are free", () => {
    const fleet = new Ledger();
    fleet.declare("plain");
    fleet.declare("rust", { requires: ["rust", "unsafe"], priority: 5 });
    fleet.declare("taken", { paths: ["src/**"], priority: 4 });
    fleet.declare("files", { paths: ["lib/**"], priority: 3 });
    fleet.acquire("cy", "edit", undefined, { scope: { worktree: "w", files: ["src/x.ts"] } });
    const first = fleet.send("bob", { type: "task.next", worktree: "w", capabilities: ["rust"] });
    expect(fleet.types()).toBe("claim.granted task.started");
    expect(first.result).toMatchObject({
      claim: "files",
      task: "files",
      holder: "bob",
      epoch: first.seq,
      scope: { worktree: "w", paths: ["lib/**"] },
      title: "do files",
    });
    expect(fleet.send("bob", { type: "task.next", worktree: "other" }).result).toMatchObject({
      task: "taken",
    });
    fleet.send("cy", { type: "agent.describe", capabilities: ["unsafe", "rust"] });
    expect(fleet.send("cy", { type: "task.next", ttlMs: 5000, note: "mine" }).result).toMatchObject({
      task: "rust",
      ttlMs: 5000,
      note: "mine",
    });
    expect(fleet.send("cy", { type: "task.next" }).result).toMatchObject({ task: "plain" });
    expect(fleet.task("plain")).toMatchObject({ status: "in-progress", owner: "cy", claim: "plain" });
    fleet.verify(...SLICES);
  });

  test("TA11: none is ready, and why", () => {
    const fleet = new Ledger();
    const none = (by = "bob") => fleet.send(by, { type: "task.next" }).rejection;
    expect(none()).toMatchObject({
      code: "task.none-ready",
      ready: false,
      waiting: false,
      inConflict: false,
    });
    fleet.declare("a", { dependsOn: ["b"] });
    expect(none()).toMatchObject({ ready: false, waiting: true, inConflict: false });
    fleet.declare("b", { requires: ["x"] });
    expect(none()).toMatchObject({ ready: true, waiting: true, inConflict: false });
    fleet.declare("c", { paths: ["src/**"] });
    fleet.acquire("cy", "edit", undefined, { scope: { paths: ["src/x"] } });
    expect(none()).toMatchObject({ ready: true, waiting: true, inConflict: true });
    // One's own claims are not in one's way.
    expect(fleet.send("cy", { type: "task.next" }).result).toMatchObject({ task: "c" });
  });

  test("TA11: it does not barge past who waits for the files", () => {
    const fleet = new Ledger();
    fleet.declare("a", { paths: ["src/a/**"] });
    fleet.acquire("ann", "edit", undefined, { scope: { paths: ["src/b"] } });
    fleet.acquire("cy", "all", undefined, { scope: { paths: ["src"] }, waitMs: MINUTE });
    expect(fleet.send("bob", { type: "task.next" }).rejection).toMatchObject({ inConflict: true });
  });

  test("TA12: two agents that ask get two tasks", () => {
    const fleet = new Ledger();
    for (const task of ["a", "b"]) fleet.declare(task);
    expect(fleet.send("bob", { type: "task.next" }).result).toMatchObject({ task: "a", holder: "bob" });
    expect(fleet.send("cy", { type: "task.next" }).result).toMatchObject({ task: "b", holder: "cy" });
  });

  test("CL18: an agent that holds as many claims as it may gets no more", () => {
    const fleet = new Ledger();
    for (let i = 0; i <= 128; i++) fleet.declare(`t${i}`);
    for (let i = 0; i < 128; i++) expect(fleet.send("bob", { type: "task.next" }).refused).toBeUndefined();
    expect(fleet.send("bob", { type: "task.next" }).refused).toBe("claim.quota");
  });
});

describe("supervision and retention", () => {
  test("TA14: in progress without a claim or activity, a task is open again, once", () => {
    const fleet = new Ledger({ stalledAfterMs: 10 * MINUTE });
    fleet.declare("a");
    fleet.send("bob", { type: "task.start", task: "a" });
    fleet.tick(9 * MINUTE);
    fleet.send("cy", { type: "progress.note", task: "a", kind: "note", text: "seen moving" });
    fleet.tick(9 * MINUTE);
    expect(fleet.status("a")).toBe("in-progress");
    fleet.tick(MINUTE);
    expect(fleet.task("a")).toMatchObject({ status: "open", reason: "stalled" });
    const before = fleet.entries.length;
    fleet.tick(60 * MINUTE);
    expect(fleet.entries).toHaveLength(before);
    fleet.verify(...SLICES);
  });

  test("TA14: a live claim keeps it, and its end begins the time anew", () => {
    const fleet = new Ledger({ stalledAfterMs: MINUTE });
    fleet.declare("a");
    fleet.acquire("bob", "lease", "a");
    fleet.declare("b");
    fleet.acquire("bob", "b");
    fleet.send("bob", { type: "task.start", task: "b" });
    fleet.tick(14 * MINUTE);
    expect(fleet.status("a", "b")).toBe("in-progress in-progress");
    fleet.send("bob", { type: "claim.release", claim: "b" });
    fleet.tick(MINUTE - 1);
    expect(fleet.status("b")).toBe("in-progress");
    fleet.tick(1);
    expect(fleet.status("b")).toBe("open");
  });

  test("TA15: the newest finished ones are kept, and whatever an unfinished one needs", () => {
    const fleet = new Ledger({ tasksEndedMax: 2 });
    fleet.declare("dep");
    fleet.declare("root");
    fleet.declare("waits", { dependsOn: ["dep", "nobody"] });
    fleet.done("dep");
    fleet.declare("child", { parent: "root" });
    fleet.send("op", { type: "task.complete", task: "root" }, true);
    for (const task of ["1", "2", "3"]) {
      fleet.declare(task);
      fleet.send("ann", { type: task === "2" ? "task.fail" : "task.complete", task } as Command);
    }
    expect(fleet.status("dep", "root", "1", "2", "3")).toBe("done done none failed done");
    fleet.verify(...SLICES);
    // What nothing unfinished needs any more is forgotten in its turn.
    fleet.send("ann", { type: "task.cancel", task: "waits" });
    expect(fleet.status("dep", "waits", "2", "3")).toBe("none cancelled none done");
    // And it is not waited for again.
    fleet.send("ann", { type: "task.reopen", task: "waits" });
    expect(fleet.task("waits")).toMatchObject({
      status: "open",
      dependsOn: ["nobody"],
      waitingFor: ["nobody"],
    });
    fleet.verify(...SLICES);
  });

  test("TA15: a parent goes on counting the children that were forgotten", () => {
    const fleet = new Ledger({ tasksEndedMax: 1 });
    fleet.declare("p");
    for (const task of ["a", "b", "c"]) fleet.declare(task, { parent: "p" });
    fleet.done("a");
    fleet.send("ann", { type: "task.cancel", task: "b" });
    expect(fleet.status("a")).toBe("none");
    fleet.verify(...SLICES);
    fleet.send("ann", { type: "task.cancel", task: "c" });
    expect(fleet.status("p")).toBe("done");
    fleet.verify(...SLICES);
  });
});

describe("requests", () => {
  const post = (fleet: Ledger, from: string, more: object) =>
    fleet.send(from, { type: "message.post", body: "Fix the build\nplease", ...more } as Command);

  test("ME6: a request declares a task in its entry, a result completes it, with roll-up", () => {
    const fleet = new Ledger();
    const asked = post(fleet, "ann", { to: "all", kind: "task_request" });
    expect(fleet.types()).toBe("message.posted task.declared");
    const { message } = asked.result;
    expect(asked.result).toMatchObject({ task: message });
    expect(fleet.task(message)).toMatchObject({ title: "Fix the build", status: "open", declaredBy: "ann" });
    fleet.declare("top");
    fleet.send("ann", { type: "task.amend", task: message, version: 1, parent: "top" });
    const told = post(fleet, "cy", { to: "ann", kind: "task_result", replyTo: message });
    expect(told.events.map((event) => event.type)).toEqual([
      "message.posted",
      "task.completed",
      "task.completed",
    ]);
    expect(fleet.status(message, "top")).toBe("done done");
    fleet.verify("tasks", "messages");
  });

  test("ME6: a directed request says nothing of its content, and may be completed by who was asked (TA7)", () => {
    const fleet = new Ledger();
    const { message } = post(fleet, "ann", { to: "bob", kind: "task_request" }).result;
    expect(fleet.task(message)).toMatchObject({ title: `request ${message}` });
    expect(fleet.done(message, "cy").refused).toBe("task.not-yours");
    post(fleet, "cy", { to: "ann", kind: "task_result", replyTo: message });
    expect(fleet.status(message)).toBe("open");
    expect(fleet.done(message, "bob").refused).toBeUndefined();
    const again = post(fleet, "bob", { to: "ann", kind: "task_result", replyTo: message });
    expect(again.events.map((event) => event.type)).toEqual(["message.posted"]);
  });

  test("TA11: next gives a directed request to those it was asked of, and to nobody else", () => {
    const fleet = new Ledger();
    const { message } = post(fleet, "ann", { to: "bob", kind: "task_request" }).result;
    const next = (agent: string) => fleet.send(agent, { type: "task.next" } as Command);
    expect(next("cy").refused).toBe("task.none-ready");
    expect(next("bob").events[0]).toMatchObject({ type: "claim.granted", claim: message, holder: "bob" });
    const open = post(fleet, "ann", { to: "all", kind: "task_request" }).result;
    expect(next("cy").events[0]).toMatchObject({ type: "claim.granted", claim: open.message });
  });

  test("ME10: who was asked directly is for those in on it, where names are proven", () => {
    const fleet = new Ledger();
    post(fleet, "ann", { to: "bob", kind: "task_request" });
    const entry = fleet.entries.at(-1) as Entry;
    const seen = (agent: string, guarded = true) =>
      redacted(entry, { agent, nowMs: 0, operator: false, guarded }).events[1];
    expect(seen("bob")).toMatchObject({ type: "task.declared", asked: ["bob"] });
    expect(seen("cy", false)).toMatchObject({ asked: ["bob"] });
    expect(seen("cy")).toEqual({
      type: "task.declared",
      task: `m${entry.seq}`,
      title: `request m${entry.seq}`,
    });
  });
});

describe("queries", () => {
  test("tasks.list: filters, and pages in the order of declaration", () => {
    const fleet = new Ledger();
    fleet.declare("p");
    for (let i = 0; i < 7; i++) fleet.declare(`t${i}`, i % 2 === 0 ? { parent: "p" } : {});
    fleet.send("bob", { type: "task.start", task: "t3" });
    const ids = (params: object) =>
      fleet.ask("ann", "tasks.list", params).items.map((t: { task: string }) => t.task);
    expect(ids({ parent: "p" })).toEqual(["t0", "t2", "t4", "t6"]);
    expect(ids({ status: "in-progress" })).toEqual(["t3"]);
    expect(ids({ owner: "bob" })).toEqual(["t3"]);
    expect(ids({ parent: "p", status: "done" })).toEqual([]);
    const page = fleet.ask("ann", "tasks.list", { limit: 3 });
    expect(ids({ limit: 3, cursor: page.next })).toEqual(["t2", "t3", "t4"]);
    expect(fleet.task("nowhere")).toBeUndefined();
    const ready = fleet.ask("ann", "tasks.ready", { limit: 2 });
    expect(fleet.ask("ann", "tasks.ready", { limit: 2, cursor: ready.next }).items).toMatchObject([
      { task: "t2" },
      { task: "t4" },
    ]);
    expect(fleet.ask("ann", "state.summary").tasks).toMatchObject({ open: 7, "in-progress": 1, ready: 6 });
  });

  test("tasks.ready: only what given capabilities suffice for", () => {
    const fleet = new Ledger();
    fleet.declare("a", { requires: ["x"] });
    fleet.declare("b");
    const ids = (params: object) =>
      fleet.ask("ann", "tasks.ready", params).items.map((t: { task: string }) => t.task);
    expect(ids({})).toEqual(["a", "b"]);
    expect(ids({ capabilities: [] })).toEqual(["b"]);
    expect(ids({ capabilities: ["x", "y"] })).toEqual(["a", "b"]);
  });
});
