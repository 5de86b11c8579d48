/** Inboxes and channels: recipients, delivery, acknowledgement. Rows ME1 to ME5 of the exact behaviour. */
import { describe, expect, it } from "vitest";
import { limits } from "../../core/limits.ts";
import { undelivered } from "../../core/model/inbox.ts";
import type { Command } from "../../core/model/model.ts";
import { Fleet } from "./fleet.ts";

type Post = Extract<Command, { type: "message.post" }>;

function fleet(settings: object = {}) {
  const fleet = new Fleet(settings).join("alice").join("bob").join("carol");
  const post = (from: string, to: Post["to"], body: string, more: Partial<Post> = {}) =>
    fleet.send(from, { type: "message.post", to, body, ...more });
  const inbox = (agent: string) =>
    fleet.ask(agent, "inbox.list", { limit: 1000 }).items.map((item: { body: string }) => item.body);
  const acknowledge = (agent: string, how: { messages?: string[]; upTo?: string | number }) =>
    fleet.send(agent, { type: "message.acknowledge", ...how });
  return { fleet, post, inbox, acknowledge };
}

const verify = (fleet: Fleet) => fleet.verify("messages", "inbox", "channels");

describe("recipients", () => {
  it("ME1 a name, and several", () => {
    const { fleet: f, post, inbox } = fleet();
    post("alice", "bob", "one");
    post("alice", ["bob", "carol", "bob"], "two");
    expect(inbox("bob")).toEqual(["one", "two"]);
    expect(inbox("carol")).toEqual(["two"]);
    expect(inbox("alice")).toEqual([]);
    verify(f);
  });

  it("ME1 a name nobody has is kept for whoever takes it, and the reply says so", () => {
    const { fleet: f, post, inbox } = fleet();
    const told = post("alice", ["bob", "dora"], "hello");
    expect(told.result.unknown).toEqual(["dora"]);
    expect(post("alice", "bob", "known").result.unknown).toBeUndefined();
    f.join("dora");
    expect(inbox("dora")).toEqual(["hello"]);
    expect(post("alice", "dora", "again").result.unknown).toBeUndefined();
    verify(f);
  });

  it("ME1 role:R is everybody of that role who is not gone, fixed when posted", () => {
    const { fleet: f, post, inbox } = fleet();
    f.join("r1", { role: "reviewer" }).join("r2", { role: "reviewer" }).join("r3", { role: "reviewer" });
    f.send("r3", { type: "agent.leave" });
    post("alice", "role:reviewer", "look");
    f.join("r4", { role: "reviewer" });
    expect(["r1", "r2", "r3", "r4"].map(inbox)).toEqual([["look"], ["look"], [], []]);
    expect(post("alice", "role:cook", "soup").result.unknown).toEqual(["role:cook"]);
    verify(f);
  });

  it("ME1 project/* is every name in the project", () => {
    const { fleet: f, post, inbox } = fleet();
    f.join("web/ann").join("web/ben").join("website").join("eve", { project: "web" });
    post("web/ann", "web/*", "standup");
    expect(["web/ann", "web/ben", "website", "eve"].map(inbox)).toEqual([[], ["standup"], [], ["standup"]]);
    expect(post("alice", "app/*", "?").result.unknown).toEqual(["app/*"]);
  });

  it("ME1 #channel is its members when posted; join and leave", () => {
    const { fleet: f, post, inbox } = fleet();
    f.send("alice", { type: "channel.create", channel: "dev", topic: "the work" });
    f.send("bob", { type: "channel.join", channel: "#dev" });
    const told = post("carol", "#dev", "one");
    expect(told.events[0]).toMatchObject({ channel: "dev", recipients: ["alice", "bob"], to: ["#dev"] });
    f.send("bob", { type: "channel.leave", channel: "dev" });
    f.send("carol", { type: "channel.join", channel: "dev" });
    post("alice", "#dev", "two");
    expect(["alice", "bob", "carol"].map(inbox)).toEqual([["one"], ["one"], ["two"]]);
    expect(f.ask("bob", "channels.list").items).toMatchObject([
      { channel: "dev", topic: "the work", createdBy: "alice", members: ["alice", "carol"], memberCount: 2 },
    ]);
    verify(f);
  });

  it("ME1 a channel is opened by joining, ends with its last member, and is none without", () => {
    const { fleet: f, post } = fleet();
    expect(post("alice", "#dev", "x").rejection).toMatchObject({ code: "channel.unknown", channel: "dev" });
    expect(f.send("bob", { type: "channel.join", channel: "dev" }).events).toHaveLength(1);
    expect(f.send("bob", { type: "channel.join", channel: "dev" }).events).toEqual([]);
    const again = f.send("alice", { type: "channel.create", channel: "#dev" });
    expect(again.rejection).toMatchObject({ code: "channel.exists", channel: "dev", createdBy: "bob" });
    expect(f.send("alice", { type: "channel.leave", channel: "dev" }).events).toEqual([]);
    f.send("bob", { type: "channel.leave", channel: "dev" });
    expect(post("alice", "#dev", "x").refused).toBe("channel.unknown");
    expect(f.send("alice", { type: "channel.join", channel: "#" }).refused).toBe("invalid");
    expect(f.send("alice", { type: "channel.join", channel: "##x" }).refused).toBe("invalid");
    verify(f);
  });

  it("ME1 an address nobody can ever have is refused", () => {
    const { post } = fleet();
    for (const to of ["*", "hub", "system", "role:", "/x", "x/", "#"]) {
      expect(post("alice", to, "x").rejection, to).toMatchObject({ at: expect.stringContaining("to") });
    }
    expect(post("alice", [], "x").refused).toBe("schema");
  });

  it("ME1 all stays symbolic: everybody by then, and newcomers get the last 50", () => {
    const { fleet: f, post, inbox } = fleet();
    for (let i = 1; i <= 60; i++)
      expect(post("alice", "all", `${i}`).events[0]).toMatchObject({ recipients: [] });
    expect(inbox("bob")).toHaveLength(60);
    f.join("dora");
    post("alice", ["all", "dora"], "61");
    expect(inbox("dora")).toHaveLength(limits.broadcastsForNewcomers + 1);
    expect(inbox("dora")[0]).toBe("11");
    expect(inbox("dora").at(-1)).toBe("61");
    f.send("bob", { type: "agent.leave" });
    post("alice", "all", "62");
    f.join("bob");
    expect(inbox("bob")).toHaveLength(62);
    verify(f);
  });

  it("ME1 a broadcast makes no inbox entries", () => {
    const { fleet: f, post } = fleet();
    const before = f.state.inbox.boxes;
    post("alice", "all", "news");
    expect(f.state.inbox.boxes).toBe(before);
  });

  it("ME2 own posts are never in one's own inbox", () => {
    const { fleet: f, post, inbox } = fleet();
    f.join("alice", { role: "lead", project: "p" });
    f.send("alice", { type: "channel.join", channel: "dev" });
    for (const to of ["alice", "all", "role:lead", "p/*", "#dev"]) post("alice", to, to);
    expect(inbox("alice")).toEqual([]);
    expect(inbox("bob")).toEqual(["all"]);
    verify(f);
  });
});

describe("acknowledgement", () => {
  it("ME3 inbox.list gives what is unacknowledged, oldest first, in pages", () => {
    const { fleet: f, post } = fleet();
    post("alice", "bob", "1");
    post("alice", "all", "2");
    post("alice", "bob", "3");
    post("carol", "all", "4");
    const bodies: string[] = [];
    let cursor: string | undefined;
    do {
      const page = f.ask("bob", "inbox.list", { limit: 1, ...(cursor === undefined ? {} : { cursor }) });
      for (const item of page.items) bodies.push(item.body);
      cursor = page.next;
    } while (cursor !== undefined);
    expect(bodies).toEqual(["1", "2", "3", "4"]);
    expect(f.ask("bob", "state.summary").inbox).toBe(4);
  });

  it("ME4 by ids, for that agent alone", () => {
    const { fleet: f, post, inbox, acknowledge } = fleet();
    const one = post("alice", ["bob", "carol"], "1").result.message;
    const two = post("alice", "all", "2").result.message;
    post("alice", "all", "3");
    const told = acknowledge("bob", { messages: [one, two, one] });
    expect(told.events).toEqual([{ type: "message.acknowledged", agent: "bob", messages: [one, two] }]);
    expect(inbox("bob")).toEqual(["3"]);
    expect(inbox("carol")).toEqual(["1", "2", "3"]);
    expect(acknowledge("bob", { messages: [two] }).events).toEqual([]);
    verify(f);
  });

  it("ME4 out of order, without a trace left once all are acknowledged", () => {
    const { fleet: f, post, inbox, acknowledge } = fleet();
    const ids: string[] = [];
    for (const body of ["1", "2", "3"]) {
      ids.push(post("alice", "all", body).result.message);
      post("bob", "all", "own");
    }
    acknowledge("bob", { messages: [ids[1] ?? ""] });
    expect(inbox("bob")).toEqual(["1", "3"]);
    acknowledge("bob", { messages: [ids[2] ?? "", ids[0] ?? ""] });
    expect(inbox("bob")).toEqual([]);
    expect(f.state.inbox.boxes.get("bob")?.acknowledged.size).toBe(0);
    verify(f);
  });

  it("ME4 upTo a message or a seq; never beyond what there is", () => {
    const { fleet: f, post, inbox, acknowledge } = fleet();
    post("alice", "bob", "1");
    const two = post("alice", "all", "2").result.message;
    const three = post("alice", "bob", "3");
    expect(acknowledge("bob", { upTo: two }).seq).toBeGreaterThan(0);
    expect(inbox("bob")).toEqual(["3"]);
    expect(acknowledge("bob", { upTo: two }).events).toEqual([]);
    acknowledge("bob", { upTo: three.seq });
    expect(inbox("bob")).toEqual([]);
    post("alice", "all", "4");
    acknowledge("bob", { upTo: Number.MAX_SAFE_INTEGER });
    post("alice", ["bob"], "5");
    post("alice", "all", "6");
    expect(inbox("bob")).toEqual(["5", "6"]);
    expect(inbox("carol")).toEqual(["2", "4", "6"]);
    verify(f);
  });

  it("ME4 upTo what lies before what was acknowledged already takes nothing back", () => {
    const { post, inbox, acknowledge } = fleet();
    const one = post("alice", "bob", "1").result.message;
    const two = post("alice", "all", "2").result.message;
    acknowledge("bob", { messages: [two] });
    expect(inbox("bob")).toEqual(["1"]);
    acknowledge("bob", { upTo: one });
    expect(inbox("bob")).toEqual([]);
  });

  it("ME4 only a recipient may", () => {
    const { fleet: f, post, inbox, acknowledge } = fleet();
    const one = post("alice", "bob", "1").result.message;
    const news = post("alice", "all", "2").result.message;
    for (const [agent, id] of [["carol", one] as const, ["alice", one] as const, ["alice", news] as const]) {
      expect(acknowledge(agent, { messages: [id] }).rejection).toMatchObject({
        code: "message.not-recipient",
        id,
      });
    }
    expect(acknowledge("bob", { messages: [one, "m999"] }).rejection).toMatchObject({
      code: "message.unknown",
      id: "m999",
    });
    expect(acknowledge("bob", { upTo: "x" }).refused).toBe("message.unknown");
    expect(acknowledge("bob", {}).refused).toBe("invalid");
    expect(acknowledge("bob", { messages: [one], upTo: one }).refused).toBe("invalid");
    expect(inbox("bob")).toEqual(["1", "2"]);
    verify(f);
  });

  it("ME4 a broadcast from before one's time is nothing to acknowledge", () => {
    const { fleet: f, post, acknowledge } = fleet();
    const first = post("alice", "all", "1").result.message;
    for (let i = 0; i < limits.broadcastsForNewcomers; i++) post("alice", "all", "x");
    f.join("dora");
    expect(acknowledge("dora", { messages: [first] })).toMatchObject({ events: [], refused: undefined });
  });
});

describe("delivery", () => {
  const receipts = (f: Fleet, thread: string) =>
    f
      .ask("alice", "thread.read", { thread })
      .items[0].receipts?.map(({ agent, status }: { agent: string; status: string }) => `${agent} ${status}`);
  const bodies = (f: Fleet, agent: string, limit = 10) =>
    undelivered(f.state, agent, limit).map(({ body }) => body);

  it("ME5 one entry per agent and drain; thread.read shows stored, delivered, acknowledged", () => {
    const { fleet: f, post, acknowledge } = fleet();
    const one = post("alice", ["bob", "carol", "dora"], "1");
    const two = post("alice", "bob", "2");
    post("alice", "all", "3");
    expect(bodies(f, "bob")).toEqual(["1", "2"]);
    expect(bodies(f, "bob", 1)).toEqual(["1"]);
    const told = f.send("bob", { type: "message.deliver", agent: "bob", upTo: two.seq + 5 });
    expect(told.events).toEqual([{ type: "message.delivered", agent: "bob", upTo: two.seq }]);
    expect(f.send("bob", { type: "message.deliver", agent: "bob", upTo: two.seq }).events).toEqual([]);
    expect(bodies(f, "bob")).toEqual([]);
    acknowledge("carol", { messages: [one.result.message] });
    expect(receipts(f, one.result.message)).toEqual(["bob delivered", "carol acknowledged", "dora stored"]);
    acknowledge("bob", { upTo: one.seq });
    expect(receipts(f, one.result.message)).toEqual([
      "bob acknowledged",
      "carol acknowledged",
      "dora stored",
    ]);
    post("carol", "bob", "4");
    expect(bodies(f, "bob")).toEqual(["4"]);
    verify(f);
  });

  it("ME5 what was acknowledged needs no delivery; nobody's box, no entry", () => {
    const { fleet: f, post, acknowledge } = fleet();
    const one = post("alice", "bob", "1");
    acknowledge("bob", { messages: [one.result.message] });
    expect(bodies(f, "bob")).toEqual([]);
    expect(f.send("bob", { type: "message.deliver", agent: "bob", upTo: 99 }).events).toEqual([]);
    expect(f.send("bob", { type: "message.deliver", agent: "zoe", upTo: 99 }).events).toEqual([]);
  });

  it("ME5 broadcasts have no receipts", () => {
    const { fleet: f, post } = fleet();
    const news = post("alice", "all", "news");
    expect(bodies(f, "bob")).toEqual([]);
    expect(receipts(f, news.result.message)).toBeUndefined();
  });
});
