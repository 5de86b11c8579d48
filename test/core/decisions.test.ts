/** Decisions. Row DE1 of the exact behaviour. */
import { describe, expect, it } from "vitest";
import { Fleet } from "./fleet.ts";

function fleet(settings: object = {}) {
  const fleet = new Fleet(settings).join("alice").join("bob");
  const record = (agent: string, text: string, more: { about?: string; supersedes?: string } = {}) =>
    fleet.send(agent, { type: "decision.record", text, ...more });
  const list = (params: object = {}) => fleet.ask("bob", "decisions.list", params).items;
  return { fleet, record, list };
}

describe("decisions", () => {
  it("DE1 listed, newest first, in pages", () => {
    const { fleet: f, record } = fleet();
    const first = record("alice", "Use SQLite", { about: "src/log" });
    f.tick(5);
    record("bob", "Tabs");
    expect(first.result).toEqual({ seq: first.seq, decision: `d${first.seq}` });
    const one = f.ask("bob", "decisions.list", { limit: 1 });
    expect(one.items).toEqual([{ decision: `d${first.seq + 1}`, agent: "bob", text: "Tabs", atMs: 5 }]);
    const two = f.ask("bob", "decisions.list", { limit: 1, cursor: one.next });
    expect(two.items).toMatchObject([{ text: "Use SQLite", about: "src/log", agent: "alice" }]);
    expect(two.next).toBeUndefined();
    f.verify("decisions");
  });

  it("DE1 found by what they are about and by whom", () => {
    const { record, list } = fleet();
    record("alice", "one", { about: "src" });
    record("bob", "two");
    expect(list({ about: "src" })).toMatchObject([{ text: "one" }]);
    expect(list({ agent: "bob" })).toMatchObject([{ text: "two" }]);
  });

  it("DE1 superseded ones are marked, by the latest", () => {
    const { fleet: f, record, list } = fleet();
    const first = record("alice", "Tabs").result.decision;
    const second = record("bob", "Spaces", { supersedes: first }).result.decision;
    expect(list()).toMatchObject([
      { decision: second, supersedes: first },
      { decision: first, supersededBy: second },
    ]);
    const third = record("bob", "Two spaces", { supersedes: first }).result.decision;
    expect(list({ standing: true }).map(({ text }: { text: string }) => text)).toEqual([
      "Two spaces",
      "Spaces",
    ]);
    expect(list()[2].supersededBy).toBe(third);
    f.verify("decisions");
  });

  it("DE1 superseding what is unknown is refused", () => {
    const { fleet: f, record, list } = fleet();
    for (const supersedes of ["d99", "d1", "m2", "x"]) {
      expect(record("alice", "x", { supersedes }).rejection).toMatchObject({
        code: "decision.unknown",
        decision: supersedes,
      });
    }
    expect(record("alice", "x", { supersedes: `d${f.entries.length + 1}` }).refused).toBe("decision.unknown");
    expect(record("alice", "").refused).toBe("schema");
    expect(list()).toEqual([]);
  });

  it("DE1 the newest decisionsMax are kept", () => {
    const { fleet: f, record, list } = fleet({ decisionsMax: 2 });
    const first = record("alice", "1").result.decision;
    record("alice", "2", { supersedes: first });
    record("alice", "3", { supersedes: first });
    expect(list()).toMatchObject([{ text: "3" }, { text: "2" }]);
    expect(record("alice", "4", { supersedes: first }).refused).toBe("decision.unknown");
    f.verify("decisions");
  });
});
