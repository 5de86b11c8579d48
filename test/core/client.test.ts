/**
 * The client against a real engine: one answer each, whatever happens to connections.
 */
import fc from "fast-check";
import { firstValueFrom } from "rxjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { machineClock } from "../../adapters/log/machine.ts";
import { type Client, type Notice, openClient } from "../../core/client/client.ts";
import { Refused } from "../../core/client/refused.ts";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Clock } from "../../core/ports/clock.ts";
import { errorOf, Hub, until } from "./hub.ts";
import { countedChance, settle } from "./world.ts";

let hub: Hub;
beforeEach(async () => {
  hub = await Hub.open();
});
afterEach(async () => {
  await hub.close();
  expect(hub.faults).toEqual([]);
});

const granted = async (claim: string) =>
  (await hub.entries()).filter(({ events }) =>
    events.some((event) => event.type === "claim.granted" && event.claim === claim),
  );

const upTo = (seq: number) => Array.from({ length: seq }, (_, i) => i + 1);

async function take(client: Client, after: number, count: number): Promise<Entry[]> {
  const taken: Entry[] = [];
  for await (const entry of client.follow({ after })) if (taken.push(entry) >= count) break;
  return taken;
}

describe("calling", () => {
  it("answers commands, queries and questions about the past", async () => {
    const client = await hub.client("ann", { role: "builder" });
    expect(client.session).toMatchObject({ agent: "ann", protocol: 1, durable: "memory" });
    const grant = await client.call("claim.acquire", { claim: "T", scope: { paths: ["src/**"] } });
    expect(grant).toMatchObject({ claim: "T", holder: "ann", epoch: grant.seq });
    const { items } = await client.call("claims.list", {});
    expect(items.map(({ claim }) => claim)).toEqual(["T"]);
    expect((await client.call("log.read", { after: 0 })).items.length).toBe(client.seq);
    expect(await client.send("state.summary", {})).toMatchObject({ claims: 1 });
  });

  it("tells refusals from failures from misuse", async () => {
    const ann = await hub.client("ann");
    const bob = await hub.client("bob");
    await ann.call("claim.acquire", { claim: "T" });
    const refused = await errorOf(bob.call("claim.acquire", { claim: "T" }));
    expect(refused).toBeInstanceOf(Refused);
    expect(refused).toMatchObject({ code: "claim.held", fields: { holder: "ann" } });
    const misuse = await errorOf(bob.send("claim.acquire", { claim: 7 }));
    expect(misuse).toBeInstanceOf(Failure);
    expect(misuse).toMatchObject({ code: "usage", definite: true, fields: { at: "claim" } });
    expect(await errorOf(bob.send("no.such", {}))).toMatchObject({ code: "usage" });
    const huge = { claim: "T", scope: { files: ["x".repeat(limits.frameBytesMax)] } };
    expect(await errorOf(bob.send("claim.acquire", huge))).toMatchObject({ code: "usage" });
    expect(bob.isUp).toBe(true);
  });

  it("rejects when nobody is there, or the agent is not let in", async () => {
    hub.away = true;
    expect(await errorOf(hub.client("ann"))).toMatchObject({ code: "hub.unreachable" });
    hub.away = false;
    await hub.client("bob", { exclusive: true });
    expect(await errorOf(hub.client("bob"))).toMatchObject({ code: "agent.taken" });
    expect(await errorOf(hub.client("all"))).toMatchObject({ code: "usage" });
  });

  it("gives many calls at once all their answers, more than the hub takes in flight", async () => {
    const client = await hub.client("ann");
    const count = 3 * limits.inFlightPerSession;
    const calls = Array.from({ length: count }, (_, i) => client.call("state.summary", {}).then(() => i));
    expect(await Promise.all(calls)).toHaveLength(count);
    expect(client.pending).toBe(0);
  });

  it("gives up after its time, and says whether it may have happened", async () => {
    const client = await hub.client("ann");
    hub.tap.toClient = () => false;
    const late = await errorOf(client.call("claim.acquire", { claim: "T" }, { timeoutMs: 50 }));
    expect(late).toMatchObject({ code: "hub.timeout", definite: false });
    expect(await errorOf(client.call("claims.list", {}, { timeoutMs: 50 }))).toMatchObject({
      definite: true,
    });
    delete hub.tap.toClient;
    const { submission } = (late as Failure).fields as { submission: string };
    const again = await client.call("claim.acquire", { claim: "T" }, { submission });
    expect(again).toMatchObject({ repeated: true, claim: "T" });
    expect(await granted("T")).toHaveLength(1);
  });

  it("bounds how many calls may wait", async () => {
    const client = await hub.client("ann");
    hub.away = true;
    hub.cut();
    await until(() => !client.isUp);
    const waiting = Array.from({ length: limits.clientPendingMax }, () => client.call("state.summary", {}));
    expect(await errorOf(client.call("state.summary", {}))).toMatchObject({ code: "busy", definite: true });
    const ends = Promise.allSettled(waiting);
    await client.close();
    expect((await ends).every(({ status }) => status === "rejected")).toBe(true);
  });

  it("cannot command when it only observes", async () => {
    const eye = await hub.client("eye", { observe: true });
    expect(await errorOf(eye.call("claim.acquire", { claim: "T" }))).toMatchObject({
      code: "session.observing",
    });
    expect((await eye.call("agents.list", {})).items).toEqual([]);
  });

  it("is not refused as expired for having been silent while others filled the receipts", async () => {
    await hub.close();
    hub = await Hub.open(undefined, { settings: { receiptsMax: 10 } });
    const quiet = await hub.client("quiet");
    const busy = await hub.client("busy");
    for (let i = 0; i < 30; i++) await busy.call("claim.acquire", { claim: `B${i}` });
    expect(await quiet.call("claim.acquire", { claim: "T" })).toMatchObject({ holder: "quiet" });
    // One the caller names may be old: that refusal stands.
    const old = { submission: "old" };
    const other = await hub.client("other");
    for (let i = 0; i < 30; i++) await busy.call("claim.release", { claim: `B${i}` });
    expect(await errorOf(other.call("claim.acquire", { claim: "U" }, old))).toMatchObject({
      code: "submission.expired",
    });
  });
});

describe("breaks", () => {
  it("sends again what was cut between the command and its answer: one effect, one answer", async () => {
    const notices: Notice[] = [];
    const client = await hub.client("ann", { onNotice: (notice) => notices.push(notice) });
    const frames: string[] = [];
    hub.tap.toHub = (frame) => frames.push(frame) > 0;
    hub.tap.toClient = (frame) => {
      if (!frame.includes('"epoch"')) return true;
      delete hub.tap.toClient;
      hub.cut();
      return false;
    };
    let answers = 0;
    const grant = await client.call("claim.acquire", { claim: "T" });
    answers += 1;
    expect(grant).toMatchObject({ claim: "T", repeated: true });
    expect(await granted("T")).toHaveLength(1);
    const sent = frames
      .filter((frame) => frame.includes("claim.acquire"))
      .map((frame) => JSON.parse(frame).params);
    expect(sent).toHaveLength(2);
    expect(sent[1]).toEqual(sent[0]);
    expect(answers).toBe(1);
    expect(notices.map(({ kind }) => kind)).toEqual(["up", "down", "up"]);
  });

  it("sends again what never arrived, and asks questions anew", async () => {
    const client = await hub.client("ann");
    hub.tap.toHub = (frame) => {
      if (!frame.includes("claim.acquire")) return true;
      delete hub.tap.toHub;
      hub.cut("client");
      return false;
    };
    const [grant, list] = await Promise.all([
      client.call("claim.acquire", { claim: "T" }),
      client.call("claims.list", {}),
    ]);
    expect(grant.repeated).toBeUndefined();
    expect(list.items).toHaveLength(1);
  });

  it("keeps the order of commands, and answers each once, over many cuts", async () => {
    const client = await hub.client("ann");
    let answered = 0;
    const calls: Promise<{ seq: number }>[] = [];
    for (let i = 0; i < 60; i++) {
      const call = client.call("claim.acquire", { claim: `T${i}` });
      calls.push(call);
      call.then(() => answered++);
      if (i % 10 === 5) {
        await Promise.resolve();
        hub.cut(i % 20 === 5 ? "hub" : "client");
        await until(() => client.isUp);
      }
    }
    const seqs = (await Promise.all(calls)).map(({ seq }) => seq);
    expect(answered).toBe(60);
    expect([...seqs].sort((a, b) => a - b)).toEqual(seqs);
    for (let i = 0; i < 60; i++) expect(await granted(`T${i}`)).toHaveLength(1);
  });

  it("goes on with another engine on the same log", async () => {
    const client = await hub.client("ann");
    await client.call("claim.acquire", { claim: "T" });
    const restarted = hub.restart();
    const next = client.call("claim.acquire", { claim: "U" });
    await restarted;
    expect(await next).toMatchObject({ claim: "U" });
    expect(await granted("U")).toHaveLength(1);
  });

  it("does not pretend that another log knows what the one before did", async () => {
    const other = await Hub.open();
    let dial = hub.dial;
    const client = await hub.client("ann", { dial: () => dial() });
    await client.call("claim.acquire", { claim: "S" });
    const following = client.follow();
    const next = errorOf(following.next());
    await settle();
    hub.tap.toClient = () => false;
    const sent = errorOf(client.call("claim.acquire", { claim: "T" }));
    await settle();
    dial = other.dial;
    hub.cut();
    await until(() => !client.isUp);
    const unsent = client.call("claim.acquire", { claim: "U" });
    expect(await sent).toMatchObject({ code: "hub.refused", definite: false });
    expect(await unsent).toMatchObject({ claim: "U" });
    expect(await next).toMatchObject({ code: "log.unknown" });
    expect(client.seq).toBe(other.engine.head());
    await client.close();
    await other.close();
  });

  it("submits an indefinite failure again, under the same id", async () => {
    const client = await hub.client("ann");
    let fails = 2;
    const append = hub.log.append.bind(hub.log);
    const ids: string[] = [];
    hub.tap.toHub = (frame) => {
      if (!frame.includes("claim.acquire")) return true;
      ids.push(JSON.parse(frame).params.submission);
      return true;
    };
    hub.tap.toClient = (frame) => {
      if (!frame.includes('"epoch"') || fails-- <= 0) return true;
      const { id } = JSON.parse(frame);
      const error = { code: 2, message: "unknown", data: { code: "log.unknown-outcome" } };
      setImmediate(() => inject(JSON.stringify({ jsonrpc: "2.0", id, error })));
      return false;
    };
    const inject = (frame: string) => hub.tell(frame);
    expect(await client.call("claim.acquire", { claim: "T" })).toMatchObject({ claim: "T" });
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(1);
    expect(await granted("T")).toHaveLength(1);
    hub.log.append = append;
  });

  it("takes its exclusive session over after a break, and yields to who shows its token", async () => {
    const notices: Notice[] = [];
    const first = await hub.client("solo", { exclusive: true, onNotice: (notice) => notices.push(notice) });
    hub.cut();
    expect(await first.call("state.summary", {})).toMatchObject({ claims: 0 });
    const token = first.resume;
    expect(token).toBeTypeOf("string");
    const second = await hub.client("solo", {
      exclusive: true,
      ...(token === undefined ? {} : { resume: token }),
    });
    await until(() => notices.some(({ kind }) => kind === "ended"));
    expect(await errorOf(first.call("state.summary", {}))).toMatchObject({ code: "hub.refused" });
    const dials = hub.dials;
    expect(await second.call("state.summary", {})).toMatchObject({ claims: 0 });
    await new Promise((resolve) => setTimeout(resolve, 2 * limits.reconnectMsMin));
    expect(hub.dials).toBe(dials);
  });

  it("fails what is open when it is closed, and leaves no timer behind", async () => {
    const timers = new Set<object>();
    const clock: Clock = {
      ...machineClock,
      after: (ms, run) => {
        const timer = {};
        const cancel = machineClock.after(ms, () => {
          timers.delete(timer);
          run();
        });
        timers.add(timer);
        return () => {
          timers.delete(timer);
          cancel();
        };
      },
    };
    const client = await openClient({ dial: hub.dial, agent: "ann", clock, chance: countedChance() });
    const other = await hub.client("bob");
    await other.call("claim.acquire", { claim: "T" });
    const wait = errorOf(client.call("claim.acquire", { claim: "T", waitMs: 60_000 }, { timeoutMs: 90_000 }));
    const lease = await client.lease("U");
    const following = client.follow({ after: 0 });
    await following.next();
    await settle();
    expect(timers.size).toBe(4);
    await client.close();
    expect(timers.size).toBe(0);
    expect(await wait).toMatchObject({ code: "closed", definite: false });
    expect(await lease.lost).toMatchObject({ code: "closed" });
    await following.return();
    await settle();
    expect(hub.engine.state().presence.byName.get("ann")?.presence).toBe("idle");
    expect(await errorOf(client.call("state.summary", {}))).toMatchObject({ code: "closed", definite: true });
  });
});

describe("following", () => {
  it("gives every entry once and in order, filtered or not, to several at once", async () => {
    const client = await hub.client("ann");
    for (let i = 0; i < 5; i++) await client.call("claim.acquire", { claim: `T${i}` });
    const all = take(client, 0, 12);
    const mine = client.follow({ after: 0, about: ["T3"] });
    const ends = client.follow({ after: 0, events: ["claim.released"] });
    const [first, end] = [mine.next(), ends.next()];
    await client.call("claim.release", { claim: "T3" });
    for (let i = 5; i < 9; i++) await client.call("claim.acquire", { claim: `T${i}` });
    expect((await all).map(({ seq }) => seq)).toEqual(upTo(12));
    const grant = (await first).value;
    expect(grant?.events[0]).toMatchObject({ type: "claim.granted", claim: "T3" });
    const release = (await end).value;
    expect(release?.events[0]).toMatchObject({ type: "claim.released", claim: "T3" });
    expect((await mine.next()).value?.seq).toBe(release?.seq);
    await until(() => mine.cursor === client.seq && ends.cursor === client.seq, "the cursor's end");
    mine.close();
    ends.close();
    expect(client.following).toBe(0);
  });

  it("lets a newcomer read what is old without repeating it to the others", async () => {
    const client = await hub.client("ann");
    const ahead = take(client, 0, 3000 + 3);
    for (let i = 0; i < 1500; i++) {
      await client.call("claim.acquire", { claim: "T" });
      await client.call("claim.release", { claim: "T" });
      if (i !== 1490) continue;
      // Far behind: read from the log in pages, then joined.
      expect((await take(client, 0, 2980)).map(({ seq }) => seq)).toEqual(upTo(2980));
    }
    await client.call("claim.acquire", { claim: "U" });
    expect((await ahead).map(({ seq }) => seq)).toEqual(upTo(3003));
  });

  it("holds a bounded number of entries for a slow reader, who misses none", async () => {
    const client = await hub.client("ann");
    const slow = client.follow({ after: 0 });
    const fast = client.follow({ after: 0 });
    const read: number[] = [];
    const reading = (async () => {
      for await (const { seq } of fast) if (read.push(seq) >= 5000) break;
    })();
    await slow.next();
    let most = 0;
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 2500; i++) {
      calls.push(client.call("claim.acquire", { claim: "T" }), client.call("claim.release", { claim: "T" }));
      if (i % 100 === 0) await Promise.all(calls);
      most = Math.max(most, slow.stored);
    }
    await Promise.all(calls);
    await reading;
    expect(most).toBe(limits.followBufferEntries);
    const seqs = [1];
    for await (const { seq } of slow) if (seqs.push(seq) >= 5000) break;
    expect(seqs).toEqual(upTo(5000));
    expect(read).toEqual(seqs);
  });

  it("does not send to a connection whose only reader is slow", async () => {
    const ann = await hub.client("ann");
    const bob = await hub.client("bob");
    const slow = bob.follow({ after: 0 });
    await slow.next();
    for (let i = 0; i < 1000; i++) {
      await ann.call("claim.acquire", { claim: "T" });
      await ann.call("claim.release", { claim: "T" });
    }
    await until(() => slow.stored === limits.followBufferEntries);
    await settle();
    expect(hub.engine.subscriptions.size).toBe(0);
    const seqs = [1];
    for await (const { seq } of slow) if (seqs.push(seq) >= 2000) break;
    expect(seqs).toEqual(upTo(2000));
  });

  it("reads on from the log over a break", async () => {
    const client = await hub.client("ann");
    const ahead = client.follow({ after: 0 });
    for (let i = 0; i < 1500; i++) {
      await client.call("claim.acquire", { claim: "T" });
      await client.call("claim.release", { claim: "T" });
      await ahead.next();
      await ahead.next();
    }
    let reads = 0;
    hub.tap.toHub = (frame) => {
      if (frame.includes("log.read") && ++reads % 2 === 1) hub.cut();
      return true;
    };
    expect((await take(client, 0, 3002)).map(({ seq }) => seq)).toEqual(upTo(3002));
    expect(reads).toBeGreaterThan(3);
  });

  it("brings each of several filtered readers what it wants, and no more", async () => {
    const client = await hub.client("ann");
    const bob = await hub.client("bob");
    const grants = bob.follow({ after: 0, events: ["claim.granted"] });
    const ends = bob.follow({ after: 0, events: ["claim.released"], about: ["ann"] });
    const first = [grants.next(), ends.next()];
    const { seq } = await client.call("claim.acquire", { claim: "T" });
    const release = await client.call("claim.release", { claim: "T" });
    expect((await Promise.all(first)).map(({ value }) => value?.seq)).toEqual([seq, release.seq]);
    const another = grants.next();
    const again = await client.call("claim.acquire", { claim: "T" });
    expect((await another).value?.seq).toBe(again.seq);
    expect(bob.seq).toBe(again.seq);
    grants.close();
    ends.close();
  });

  it("says where the log begins when it cannot go on without a gap", async () => {
    const client = await hub.client("ann");
    for (let i = 0; i < 8; i++) await client.call("claim.acquire", { claim: `T${i}` });
    await hub.engine.snapshot();
    await hub.log.truncate(5);
    const [first, below, above, good] = await Promise.all([
      take(client, 8, 1),
      errorOf(take(client, 2, 1)),
      errorOf(take(client, 99, 1)),
      take(client, 5, 2),
    ]);
    expect(below).toMatchObject({ code: "log.horizon", fields: { seq: 5 } });
    expect(above).toMatchObject({ code: "log.ahead" });
    expect([...good, ...first].map(({ seq }) => seq)).toEqual([6, 7, 9]);
    expect(client.isUp).toBe(true);
  });

  it("resumes without gap or repeat, whatever is cut when", { timeout: 120_000 }, async () => {
    const cuts = fc.array(
      fc.record({
        after: fc.nat(12),
        end: fc.constantFrom("hub" as const, "client" as const),
        lose: fc.boolean(),
      }),
      { minLength: 10, maxLength: 10 },
    );
    let breaks = 0;
    await fc.assert(
      fc.asyncProperty(cuts, async (plan) => {
        const here = await Hub.open();
        const writer = await here.client("writer");
        const reader = await here.client("reader");
        const seen: number[] = [];
        const filtered: number[] = [];
        const run = async (to: number[], options: object) => {
          for await (const { seq } of reader.follow({ after: 0, ...options })) to.push(seq);
        };
        const runs = [run(seen, {}), run(filtered, { events: ["claim.granted"] })];
        let made = 0;
        for (const { after, end, lose } of plan) {
          for (let i = 0; i < after; i++)
            void writer.call("claim.acquire", { claim: `T${made++ % 100}` }).catch(() => {});
          for (let i = 0; i < after % 4; i++) await Promise.resolve();
          if (lose) here.tap.toClient = (frame) => !frame.includes('"entry"');
          if (after % 3 === 0) await settle(2);
          breaks += here.cut(end);
          delete here.tap.toClient;
          if (after % 4 !== 1) await until(() => reader.isUp);
          for (let i = 0; i < after; i++) await Promise.resolve();
        }
        const { seq } = await writer.call("claim.acquire", { claim: "last" });
        await until(() => seen.at(-1) === seq && filtered.at(-1) === seq, "the end of the log");
        const entries = await here.entries();
        await here.close();
        await Promise.all(runs);
        expect(seen.slice(0, seq)).toEqual(entries.map((entry) => entry.seq).filter((one) => one <= seq));
        const grants = entries.filter(({ events }) => events.some(({ type }) => type === "claim.granted"));
        expect(filtered).toEqual(grants.map((entry) => entry.seq).filter((one) => one <= seq));
        const ids = entries.filter(({ by }) => by === "writer").map(({ id }) => id);
        expect(new Set(ids.filter((id) => id !== "")).size).toBe(ids.filter((id) => id !== "").length);
      }),
      { numRuns: 10 },
    );
    expect(breaks).toBeGreaterThanOrEqual(50);
  });
});

describe("streams", () => {
  it("entries$ and state$ tell what happens; the copy is the state", async () => {
    const client = await hub.client("ann");
    await client.call("claim.acquire", { claim: "T" });
    const first = await firstValueFrom(client.state$);
    expect([...first.claims.live.keys()]).toEqual(["T"]);
    const seqs: number[] = [];
    let done = false;
    client.entries$.subscribe({ next: ({ seq }) => seqs.push(seq), complete: () => (done = true) });
    let claims: string[] = [];
    const states = client.state$.subscribe((state) => (claims = [...state.claims.live.keys()]));
    const { seq } = await client.call("claim.acquire", { claim: "U" });
    await until(() => claims.length === 2);
    await until(() => seqs.includes(seq));
    states.unsubscribe();
    await client.close();
    await settle();
    expect(done).toBe(true);
    expect(client.following).toBe(0);
  });
});

describe("asking", () => {
  it("resolves with the first result that replies", async () => {
    const ann = await hub.client("ann");
    const bob = await hub.client("bob");
    const answer = async () => {
      for await (const { events } of bob.follow({ after: 0, events: ["message.posted"] })) {
        const [request] = events as unknown as { kind: string; message: string }[];
        if (request?.kind !== "task_request") continue;
        const aside = { to: "ann", kind: "task_result", body: "not it", thread: request.message };
        await bob.send("message.post", aside);
        await bob.send("message.post", { to: "ann", kind: "chat", body: "on it", replyTo: request.message });
        await bob.send("message.post", {
          to: "ann",
          kind: "task_result",
          body: "42",
          replyTo: request.message,
        });
        return;
      }
    };
    const [reply] = await Promise.all([ann.ask("bob", "what is it?", { timeoutMs: 10_000 }), answer()]);
    expect(reply).toMatchObject({ from: "bob", body: "42" });
    expect(ann.following).toBe(0);
  });

  it("gives up in time", async () => {
    const ann = await hub.client("ann");
    await hub.client("bob");
    const late = await errorOf(ann.ask("bob", "anybody?", { timeoutMs: 50 }));
    expect(late).toMatchObject({ code: "hub.timeout", definite: false });
    expect(ann.following).toBe(0);
  });
});
