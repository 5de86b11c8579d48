/** Activity. Row AC1 of the exact behaviour. */
import { describe, expect, it } from "vitest";
import { Fleet } from "./fleet.ts";

function fleet(settings: object = {}) {
  const fleet = new Fleet(settings).join("alice").join("bob");
  const log = (agent: string, text: string, path?: string, kind = "edit") =>
    fleet.send(agent, { type: "activity.log", kind, text, ...(path === undefined ? {} : { path }) });
  const texts = (params: object = {}) =>
    fleet.ask("bob", "activity.list", params).items.map(({ text }: { text: string }) => text);
  return { fleet, log, texts };
}

describe("activity", () => {
  it("AC1 listed newest first, in pages", () => {
    const { fleet: f, log } = fleet();
    log("alice", "1", "src/a.ts");
    const { seq } = log("bob", "2");
    const one = f.ask("bob", "activity.list", { limit: 1 });
    expect(one.items).toEqual([{ seq, agent: "bob", kind: "edit", text: "2", atMs: 0 }]);
    const two = f.ask("bob", "activity.list", { limit: 1, cursor: one.next });
    expect(two.items).toMatchObject([{ text: "1", path: "src/a.ts" }]);
    expect(two.next).toBeUndefined();
    f.verify("activity");
  });

  it("AC1 by path: a file, or all below a folder", () => {
    const { log, texts } = fleet();
    log("alice", "a", "src/a.ts");
    log("alice", "b", "./src/auth//b.ts");
    log("alice", "c", "srcx/c.ts");
    log("alice", "none");
    expect(texts({ path: "src/a.ts" })).toEqual(["a"]);
    expect(texts({ path: "src/" })).toEqual(["b", "a"]);
    expect(texts({ path: "src/auth/b.ts" })).toEqual(["b"]);
    expect(texts({ path: "." })).toEqual(["c", "b", "a"]);
  });

  it("AC1 by agent, kind and time", () => {
    const { fleet: f, log, texts } = fleet();
    log("alice", "1");
    f.tick(1000);
    log("bob", "2", undefined, "test");
    f.tick(1000);
    log("alice", "3");
    expect(texts({ agent: "alice" })).toEqual(["3", "1"]);
    expect(texts({ kind: "test" })).toEqual(["2"]);
    expect(texts({ sinceMs: 1000 })).toEqual(["3", "2"]);
    expect(texts({ untilMs: 1000 })).toEqual(["2", "1"]);
    expect(texts({ sinceMs: 1, untilMs: 1999, agent: "bob" })).toEqual(["2"]);
  });

  it("AC1 a path outside the worktree is refused, logging and listing", () => {
    const { fleet: f, log } = fleet();
    for (const path of ["/etc/passwd", "../x", "~/x"]) {
      expect(log("alice", "x", path).refused).toBe("scope.outside");
      expect(f.ask("alice", "activity.list", { path }).rejection.code).toBe("scope.outside");
    }
    expect(log("alice", "x", ".").refused).toBe("invalid");
  });

  it("AC1 the newest activitiesMax are kept", () => {
    const { fleet: f, log, texts } = fleet({ activitiesMax: 2 });
    for (const text of ["1", "2", "3"]) log("alice", text);
    expect(texts()).toEqual(["3", "2"]);
    expect(f.ask("alice", "state.summary").activities).toBe(2);
    f.verify("activity");
  });
});
