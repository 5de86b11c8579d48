/**
 * A replica is the state, or says that it is not.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Replica } from "../../core/client/replica.ts";
import type { Entry } from "../../core/model/slice.ts";
import { Hub } from "./hub.ts";
import { savedRows } from "./saved.ts";

let hub: Hub;
beforeEach(async () => {
  hub = await Hub.open();
});
afterEach(() => hub.close());

const rows = (state: Replica["state"]) =>
  savedRows(state)
    .map((row) => JSON.stringify(row))
    .sort();

async function story(): Promise<Entry[]> {
  const ann = await hub.client("ann", { role: "builder", capabilities: ["ts"] });
  const bob = await hub.client("bob");
  for (let i = 0; i < 40; i++) {
    const who = i % 2 === 0 ? ann : bob;
    const { epoch } = await who.call("claim.acquire", { claim: `T${i}`, scope: { paths: [`src/${i}/**`] } });
    if (i % 3 === 0) await who.call("checkpoint.save", { claim: `T${i}`, epoch, text: `at ${i}` });
    if (i % 4 === 0) await who.call("claim.release", { claim: `T${i}`, epoch });
  }
  return hub.entries();
}

describe("a replica", () => {
  it("equals the hub's state, in one piece or entry by entry, its indexes included", async () => {
    const entries = await story();
    const whole = new Replica();
    whole.fold(entries);
    const pieces = new Replica();
    for (const entry of entries) pieces.fold([entry]);
    const state = hub.engine.state();
    expect(whole.seq).toBe(hub.engine.head());
    expect(rows(whole.state)).toEqual(rows(state));
    expect(rows(pieces.state)).toEqual(rows(state));
    expect(whole.state.claims.index?.size).toBe(state.claims.index?.size);
  });

  it("leaves a held state as it was", async () => {
    const entries = await story();
    const replica = new Replica();
    const held = replica.fold(entries.slice(0, 20));
    const before = rows(held);
    replica.fold(entries.slice(20));
    expect(rows(held)).toEqual(before);
    const on = new Replica({ state: held, seq: 20 });
    on.fold(entries.slice(20));
    expect(rows(on.state)).toEqual(rows(replica.state));
  });

  it("throws at a gap and at a repeat, and stays where it was", async () => {
    const entries = await story();
    const replica = new Replica();
    replica.fold(entries.slice(0, 10));
    const before = rows(replica.state);
    for (const wrong of [
      entries.slice(11),
      entries.slice(9),
      [...entries.slice(10, 12), ...entries.slice(13)],
    ]) {
      expect(() => replica.fold(wrong)).toThrow(expect.objectContaining({ code: "fold.failed" }));
      expect(replica.seq).toBe(10);
      expect(rows(replica.state)).toEqual(before);
    }
    replica.fold(entries.slice(10));
    expect(replica.seq).toBe(entries.length);
  });

  it("passes the hole of an accepted loss, unless it had seen what was lost", async () => {
    const entries = (await story()).slice(0, 10);
    const loss: Entry = {
      seq: 1_000_011,
      atMs: 9_999_999,
      wallMs: 0,
      by: "hub",
      id: "",
      events: [{ type: "log.loss-accepted", lostAfter: 10 }],
    };
    const replica = new Replica();
    replica.fold([...entries, loss]);
    expect(replica.seq).toBe(1_000_011);
    const ahead = new Replica();
    ahead.fold([...entries, { ...loss, seq: 11, events: [] }]);
    expect(() => ahead.fold([loss])).toThrow(expect.objectContaining({ code: "fold.failed" }));
  });

  it("throws at what it does not know", () => {
    const entry = { seq: 1, atMs: 0, wallMs: 0, by: "hub", id: "", events: [{ type: "from.tomorrow" }] };
    expect(() => new Replica().fold([entry as unknown as Entry])).toThrow(
      expect.objectContaining({ code: "fold.failed" }),
    );
  });
});
