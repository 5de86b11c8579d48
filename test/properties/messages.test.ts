/** Inboxes against a dumb model that fans every message out; and that nobody reads what is not for them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limits } from "../../core/limits.ts";
import { undelivered } from "../../core/model/inbox.ts";
import { mayRead, messageSeq } from "../../core/model/messages.ts";
import { redacted } from "../../core/model/model.ts";
import type { Asker } from "../../core/model/slice.ts";
import { Fleet } from "../core/fleet.ts";

const NAMES = ["ann", "ben", "web/cat", "web/dan", "eve"] as const;
const ROLE: { readonly [name: string]: string } = { ann: "lead", ben: "dev", "web/cat": "dev" };
const THREADS = ["plan", "login"] as const;

const KINDS = ["chat", "notice", "task_request", "task_result"] as const;
type Kind = (typeof KINDS)[number];

type Step =
  | { do: "join" | "leave"; who: string }
  | { do: "member"; who: string; joins: boolean }
  | {
      do: "post";
      who: string;
      to: readonly string[];
      thread?: string | undefined;
      reply?: number | undefined;
      kind: Kind;
    }
  | { do: "burst"; who: string; count: number }
  | { do: "pick"; who: string; picks: readonly number[] }
  | { do: "upTo" | "deliver"; who: string; back: number };

const who = fc.constantFrom(...NAMES);
const back = fc.nat({ max: 12 });
const address = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<string>(...NAMES) },
  { weight: 3, arbitrary: fc.constant("all") },
  { weight: 2, arbitrary: fc.constantFrom("role:dev", "role:lead", "web/*", "#talk") },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant("join" as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("leave" as const), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("member" as const), who, joins: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("post" as const),
      who,
      to: fc.array(address, { minLength: 1, maxLength: 3 }),
      thread: fc.option(fc.constantFrom(...THREADS), { nil: undefined }),
      reply: fc.option(back, { nil: undefined }),
      kind: fc.constantFrom(...KINDS),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("burst" as const), who, count: fc.nat({ max: 60 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("pick" as const),
      who,
      picks: fc.array(back, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("upTo" as const, "deliver" as const), who, back }),
  },
);

interface Posted {
  readonly seq: number;
  readonly from: string;
  readonly to: ReadonlySet<string> | "all";
}

/** Every inbox as a list, every rule as its sentence says it. */
class Model {
  readonly kept: Posted[] = [];
  readonly open = new Map<string, number[]>();
  readonly undelivered = new Map<string, number[]>();
  readonly joined = new Set<string>();
  readonly gone = new Set<string>();
  readonly members = new Set<string>();
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
    for (const name of NAMES) {
      this.open.set(name, []);
      this.undelivered.set(name, []);
    }
  }

  join(name: string) {
    this.gone.delete(name);
    if (this.joined.has(name)) return;
    this.joined.add(name);
    const news = this.kept.filter(({ to }) => to === "all").slice(-limits.broadcastsForNewcomers);
    const all = [...this.list(this.open, name), ...news.map(({ seq }) => seq)];
    this.open.set(
      name,
      all.sort((a, b) => a - b),
    );
  }

  post(seq: number, from: string, addresses: readonly string[]) {
    const to = addresses.includes("all") ? "all" : new Set(addresses.flatMap((one) => this.meant(one)));
    if (to !== "all") to.delete(from);
    this.kept.push({ seq, from, to });
    for (const name of NAMES) {
      if (name === from || (to === "all" ? !this.joined.has(name) : !to.has(name))) continue;
      this.list(this.open, name).push(seq);
      if (to !== "all") this.list(this.undelivered, name).push(seq);
    }
    while (this.kept.length > this.max) {
      const dropped = this.kept.shift()?.seq ?? 0;
      for (const name of NAMES) this.acknowledge(name, (seq) => seq === dropped);
    }
  }

  acknowledge(name: string, which: (seq: number) => boolean) {
    for (const lists of [this.open, this.undelivered]) {
      lists.set(
        name,
        this.list(lists, name).filter((seq) => !which(seq)),
      );
    }
  }

  deliver(name: string, upTo: number) {
    this.undelivered.set(
      name,
      this.list(this.undelivered, name).filter((seq) => seq > upTo),
    );
  }

  list(lists: Map<string, number[]>, name: string): number[] {
    return lists.get(name) ?? [];
  }

  private meant(address: string): readonly string[] {
    if (address === "#talk") return [...this.members];
    const here = NAMES.filter((name) => this.joined.has(name) && !this.gone.has(name));
    if (address === "web/*") return here.filter((name) => name.startsWith("web/"));
    if (address.startsWith("role:")) return here.filter((name) => `role:${ROLE[name]}` === address);
    return [address];
  }
}

function take(fleet: Fleet, model: Model, step: Step) {
  const { who } = step;
  if (step.do === "join") {
    const role = ROLE[who];
    fleet.join(who, role === undefined ? {} : { role });
    model.join(who);
    return;
  }
  if (!model.joined.has(who)) return;
  const seqBack = (back: number) => Math.max(1, fleet.entries.length - back);
  switch (step.do) {
    case "leave":
      fleet.send(who, { type: "agent.leave" });
      model.gone.add(who);
      return;
    case "member":
      fleet.send(who, { type: step.joins ? "channel.join" : "channel.leave", channel: "talk" });
      if (step.joins) model.members.add(who);
      else model.members.delete(who);
      return;
    case "burst":
      for (let i = 0; i < step.count; i++) post(fleet, model, who, ["all"], {});
      return;
    case "post":
      post(fleet, model, who, step.to, step);
      return;
    case "pick": {
      const seqs = step.picks.map(seqBack);
      const known = seqs.map((seq) => model.kept.find((posted) => posted.seq === seq));
      const mine = known.map((posted) => {
        if (posted === undefined) return "message.unknown";
        const toMe = posted.to === "all" ? posted.from !== who : posted.to.has(who);
        return toMe ? undefined : "message.not-recipient";
      });
      const told = fleet.send(who, { type: "message.acknowledge", messages: seqs.map((seq) => `m${seq}`) });
      expect(told.refused).toBe(mine.find((code) => code !== undefined));
      if (told.refused === undefined) model.acknowledge(who, (seq) => seqs.includes(seq));
      return;
    }
    case "upTo": {
      const upTo = seqBack(step.back - 3);
      fleet.send(who, { type: "message.acknowledge", upTo });
      model.acknowledge(who, (seq) => seq <= upTo);
      return;
    }
    case "deliver": {
      const upTo = seqBack(step.back);
      const told = fleet.send(who, { type: "message.deliver", agent: who, upTo });
      const due = model.list(model.undelivered, who).some((seq) => seq <= upTo);
      expect(told.events).toHaveLength(due ? 1 : 0);
      model.deliver(who, upTo);
      return;
    }
  }
}

function post(
  fleet: Fleet,
  model: Model,
  from: string,
  to: readonly string[],
  { thread, reply, kind = "chat" }: { thread?: string | undefined; reply?: number | undefined; kind?: Kind },
) {
  const seq = fleet.entries.length + 1;
  const target = reply === undefined ? undefined : model.kept.at(-1 - reply);
  const told = fleet.send(from, {
    type: "message.post",
    to,
    body: bodyOf(seq),
    kind,
    ...(thread === undefined ? {} : { thread }),
    ...(target === undefined ? {} : { replyTo: `m${target.seq}` }),
  });
  const noChannel = to.includes("#talk") && model.members.size === 0;
  expect(told.refused).toBe(noChannel ? "channel.unknown" : undefined);
  if (!noChannel) model.post(seq, from, to);
}

const bodyOf = (seq: number) => `<body ${seq}>`;
const asker = (agent: string): Asker => ({ agent, nowMs: 0, operator: false, guarded: true });

function listed(fleet: Fleet, agent: string): (number | undefined)[] {
  const seqs: (number | undefined)[] = [];
  let cursor: string | undefined;
  do {
    const page = fleet.ask(agent, "inbox.list", { limit: 7, ...(cursor === undefined ? {} : { cursor }) });
    for (const { message } of page.items) seqs.push(messageSeq(message));
    cursor = page.next;
  } while (cursor !== undefined);
  return seqs;
}

function sameInboxes(fleet: Fleet, model: Model) {
  for (const name of NAMES) {
    const handed = undelivered(fleet.state, name, 1000).map(({ message }) => messageSeq(message));
    expect(handed, `undelivered to ${name}`).toEqual(model.list(model.undelivered, name));
    if (!model.joined.has(name)) continue;
    expect(listed(fleet, name), `inbox of ${name}`).toEqual(model.list(model.open, name));
    expect(fleet.ask(name, "state.summary").inbox).toBe(model.list(model.open, name).length);
  }
}

const scenario = fc.record({
  messagesMax: fc.constantFrom(3, 20, 10_000),
  present: fc.subarray([...NAMES]),
  steps: fc.array(step, { minLength: 1, maxLength: 60 }),
});

interface Scenario {
  readonly messagesMax: number;
  readonly present: readonly string[];
  readonly steps: readonly Step[];
}

function play({ messagesMax, present, steps }: Scenario, each = true) {
  const fleet = new Fleet({ messagesMax });
  const model = new Model(messagesMax);
  for (const who of present) take(fleet, model, { do: "join", who });
  for (const step of steps) {
    take(fleet, model, step);
    if (each) sameInboxes(fleet, model);
  }
  return { fleet, model };
}

describe("messages", () => {
  it("every inbox is what a model that fans everything out says", () => {
    fc.assert(
      fc.property(scenario, (told) => {
        play(told);
      }),
      { numRuns: 150 },
    );
  });

  it("replaying, and saving and loading, give the same state", () => {
    fc.assert(
      fc.property(scenario, (told) => {
        const { fleet } = play(told, false);
        fleet.verify("messages", "inbox", "channels");
      }),
      { numRuns: 80 },
    );
  });

  it("what is kept for an inbox is bounded by the messages kept", () => {
    fc.assert(
      fc.property(scenario, (told) => {
        const { fleet, model } = play(told, false);
        const { boxes, posted, broadcasts } = fleet.state.inbox;
        expect([...posted.keys()]).toEqual(model.kept.map(({ seq }) => seq));
        expect([...fleet.state.messages.bySeq.keys()]).toEqual([...posted.keys()]);
        expect([...broadcasts.keys()]).toEqual(
          model.kept.flatMap(({ seq, to }) => (to === "all" ? [seq] : [])),
        );
        for (const [name, box] of boxes) {
          for (const [seq] of box.pending) expect(posted.has(seq)).toBe(true);
          const addressed = model.kept.filter(({ to }) => to !== "all" && to.has(name)).length;
          expect(box.addressed).toBe(addressed);
          expect(addressed > 0 || model.joined.has(name)).toBe(true);
        }
        for (const seqs of fleet.state.messages.threads.values()) {
          for (const [seq] of seqs) expect(posted.has(seq)).toBe(true);
        }
      }),
      { numRuns: 80 },
    );
  });

  it("no entry, query or copy shows anybody what is for others", () => {
    fc.assert(
      fc.property(scenario, (told) => {
        const { fleet, model } = play(told, false);
        for (const name of NAMES) {
          const reader = asker(name);
          const entries = fleet.entries.map((entry) => redacted(entry, reader));
          const copy = new Fleet();
          copy.entries.splice(0, 1, ...entries);
          copy.replay();
          const answers = [fleet, copy].map((one) => [
            ...NAMES.map((agent) => one.ask(name, "inbox.list", { agent, limit: 1000 }, reader)),
            ...["threads.list", "channels.list", "tasks.list", "tasks.ready"].map((method) =>
              one.ask(name, method, { limit: 1000 }, reader),
            ),
            ...[...THREADS, ...model.kept.map(({ seq }) => `m${seq}`)].map((thread) =>
              one.ask(name, "thread.read", { thread, limit: 1000 }, reader),
            ),
          ]);
          const seen = JSON.stringify([entries, answers]);
          for (const { seq, from, to } of model.kept) {
            const mine = to === "all" || from === name || to.has(name);
            if (!mine) expect(seen, `${name} and m${seq}`).not.toContain(bodyOf(seq));
            const message = fleet.state.messages.bySeq.get(seq);
            expect(message && mayRead(message, reader)).toBe(mine);
          }
          if (model.joined.has(name)) expect(listed(copy, name)).toEqual(model.list(model.open, name));
        }
      }),
      { numRuns: 40 },
    );
  });
});
