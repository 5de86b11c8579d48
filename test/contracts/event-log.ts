/**
 * The contract of `EventLog`, as a suite to run over any implementation.
 */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { EventLog, Seq, SnapshotChunk } from "../../core/ports/event-log.ts";

/** A log that was opened for a test. */
export interface OpenedLog {
  /** Empty at first. */
  readonly log: EventLog;
  /** Another handle on the same log, which the suite closes; absent for a log that has but one. */
  readonly reopenAnother?: () => Promise<EventLog>;
  /** Closes the log and leaves nothing behind. */
  readonly end: () => Promise<void>;
}

/** An entry with something of everything in it. */
export function entryAt(seq: Seq, note = "n"): Entry {
  return {
    seq,
    atMs: 1_000 + seq,
    wallMs: 1_700_000_000_000 + seq,
    by: seq % 3 === 0 ? "hub" : "ann",
    id: seq % 3 === 0 ? "" : `s${seq}`,
    ...(seq % 3 === 0 ? {} : { digest: "d".repeat(8) }),
    events: [
      { type: "x.happened", note, list: [seq, -1, 0], flag: true, none: null, deep: { a: { b: [{}] } } },
      { type: "x.said", text: "naïve 日本 🙂\n\u0000" },
    ],
  } as unknown as Entry;
}

/** `count` entries that follow on `after`. */
export function entriesAfter(after: Seq, count: number, note = "n"): Entry[] {
  return Array.from({ length: count }, (_, i) => entryAt(after + 1 + i, note));
}

/** Everything a log has after `after`. */
export async function readAll(log: EventLog, after: Seq = 0): Promise<Entry[]> {
  const all: Entry[] = [];
  for await (const chunk of log.read(after)) all.push(...chunk);
  return all;
}

/** The code of the failure a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("did not fail");
}

async function snapshotOf(log: EventLog, seq: Seq): Promise<SnapshotChunk[]> {
  const chunks: SnapshotChunk[] = [];
  for await (const some of log.snapshots.read(seq)) chunks.push(...some);
  return chunks;
}

const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((n) => (n === 0 ? 0 : n)),
    fc.string({ unit: "grapheme", maxLength: 70 }),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ unit: "grapheme", maxLength: 12 }).filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
})).value;

/** Holds one implementation to the contract. */
export function eventLogContract(name: string, open: () => Promise<OpenedLog>): void {
  describe(`event log contract: ${name}`, () => {
    let opened: OpenedLog;
    let log: EventLog;
    const others: EventLog[] = [];
    const another = async (): Promise<EventLog> => {
      const other = await (opened.reopenAnother as () => Promise<EventLog>)();
      others.push(other);
      return other;
    };
    beforeEach(async () => {
      opened = await open();
      log = opened.log;
    });
    afterEach(async () => {
      for (const other of others.splice(0)) await other.close();
      await opened.end();
    });

    appending(() => log);
    reading(() => log);
    snapshots(() => log);
    living(() => log);
    describe("with several handles", () => {
      sharing(() => log, another);
    });
  });
}

function appending(log: () => EventLog): void {
  test("an empty log has head 0, horizon 0, no age and nothing to read", async () => {
    expect(await log().head()).toBe(0);
    expect(await log().horizon()).toBe(0);
    expect(await log().ageMs()).toBe(0);
    expect(await readAll(log())).toEqual([]);
    expect(log().lost).toBeUndefined();
  });

  test("what is read equals what was appended, field by field", async () => {
    const entries = entriesAfter(0, 7);
    expect(await log().append(structuredClone(entries), 0)).toEqual({ appended: true, seq: 7 });
    expect(await log().head()).toBe(7);
    expect(await readAll(log())).toStrictEqual(entries);
  });

  test("any JSON value comes back as it was", async () => {
    let head = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(json, { minLength: 1, maxLength: 8 }), async (values) => {
        const entries = values.map(
          (value, i) => ({ ...entryAt(head + 1 + i), events: [{ type: "x.y", value }] }) as unknown as Entry,
        );
        await log().append(structuredClone(entries), head);
        expect(await readAll(log(), head)).toStrictEqual(entries);
        head += entries.length;
      }),
      { numRuns: 60 },
    );
  });

  test("changing an entry after its append does not change the log", async () => {
    const entries = entriesAfter(0, 1);
    await log().append(entries, 0);
    try {
      (entries[0] as unknown as { by: string }).by = "mallory";
      (entries[0] as unknown as { events: [{ list: number[] }] }).events[0].list.push(9);
    } catch {
      // A log may as well forbid it.
    }
    expect(await readAll(log())).toStrictEqual(entriesAfter(0, 1));
  });

  test("an append after another seq than the head changes nothing", async () => {
    await log().append(entriesAfter(0, 3), 0);
    expect(await log().append(entriesAfter(0, 2, "late"), 0)).toEqual({ appended: false, head: 3 });
    expect(await log().append(entriesAfter(5, 2, "early"), 5)).toEqual({ appended: false, head: 3 });
    expect(await readAll(log())).toStrictEqual(entriesAfter(0, 3));
  });

  test("entries that do not follow on, too many or none are a fault", async () => {
    await expect(log().append(entriesAfter(1, 2), 0)).rejects.toThrow();
    await expect(log().append([entryAt(1), entryAt(3)], 0)).rejects.toThrow();
    await expect(log().append([], 0)).rejects.toThrow();
    await expect(log().append(entriesAfter(0, limits.appendEntriesMax + 1), 0)).rejects.toThrow();
    expect(await log().head()).toBe(0);
    expect(await log().append(entriesAfter(0, limits.appendEntriesMax), 0)).toMatchObject({ appended: true });
  });

  test("of appends sent at once after the same seq one wins", async () => {
    const outcomes = await Promise.all(["a", "b", "c"].map((note) => log().append([entryAt(1, note)], 0)));
    expect(outcomes.filter((outcome) => outcome.appended)).toHaveLength(1);
    expect(await log().head()).toBe(1);
  });
}

function reading(log: () => EventLog): void {
  test("reading after any seq gives exactly what follows, also from the middle of an append", async () => {
    const all = entriesAfter(0, 40);
    for (let at = 0; at < 40; ) {
      const count = 1 + (at % 7);
      await log().append(all.slice(at, at + count), at);
      at = Math.min(40, at + count);
    }
    for (let after = 0; after <= 41; after++) {
      expect((await readAll(log(), after)).map((entry) => entry.seq)).toEqual(
        all.slice(after).map((entry) => entry.seq),
      );
    }
  });

  test("a read ends at the head it was called at, whatever is appended meanwhile", async () => {
    for (let at = 0; at < 3_000; at += 250) await log().append(entriesAfter(at, 250), at);
    const reader = log().read(0);
    await log().append(entriesAfter(3_000, 250), 3_000);
    const seqs: Seq[] = [];
    for await (const chunk of reader) seqs.push(...chunk.map((entry) => entry.seq));
    expect(seqs).toEqual(Array.from({ length: 3_000 }, (_, i) => i + 1));
  });

  test("a read may be left early and begun again", async () => {
    for (let at = 0; at < 1_000; at += 100) await log().append(entriesAfter(at, 100), at);
    for await (const chunk of log().read(0)) {
      expect(chunk[0]?.seq).toBe(1);
      break;
    }
    expect(await readAll(log(), 990)).toHaveLength(10);
  });
}

function snapshots(log: () => EventLog): void {
  const chunks: SnapshotChunk[] = [
    [["claims", { id: "c1" }, 4]],
    [],
    [
      ["tasks", "t", null],
      ["x", [1, 2]],
    ],
  ];

  test("a snapshot reads back as it was written, newest first, and is pruned", async () => {
    await log().append(entriesAfter(0, 9), 0);
    expect(await log().snapshots.list()).toEqual([]);
    for (const seq of [3, 9, 6]) await log().snapshots.write(seq, chunks);
    expect(await log().snapshots.list()).toEqual([9, 6, 3]);
    expect(await snapshotOf(log(), 6)).toStrictEqual(chunks);
    await log().snapshots.prune(2);
    expect(await log().snapshots.list()).toEqual([9, 6]);
    expect((await failureOf(snapshotOf(log(), 3))).code).toBe("snapshot.damaged");
  });

  test("a snapshot whose making fails leaves no trace", async () => {
    await log().append(entriesAfter(0, 2), 0);
    async function* failing(): AsyncGenerator<SnapshotChunk> {
      yield ["a"];
      throw new Error("no more");
    }
    await expect(log().snapshots.write(2, failing())).rejects.toThrow("no more");
    expect(await log().snapshots.list()).toEqual([]);
  });

  test("truncating drops what is below, and reading there says so", async () => {
    for (let at = 0; at < 60; at += 10) await log().append(entriesAfter(at, 10), at);
    await expect(log().truncate(20)).rejects.toThrow();
    await log().snapshots.write(35, chunks);
    await expect(log().truncate(36)).rejects.toThrow();
    await log().truncate(35);
    expect(await log().horizon()).toBe(35);
    expect(await log().head()).toBe(60);
    expect(await readAll(log(), 35)).toStrictEqual(entriesAfter(35, 25));
    expect(await readAll(log(), 42)).toStrictEqual(entriesAfter(42, 18));
    const failure = await failureOf(readAll(log(), 34));
    expect(failure.code).toBe("log.horizon");
    expect(failure.definite).toBe(true);
    await log().truncate(20);
    expect(await log().horizon()).toBe(35);
    await log().append(entriesAfter(60, 5), 60);
    expect(await readAll(log(), 59)).toStrictEqual(entriesAfter(59, 6));
  });

  test("a log truncated through its head goes on from there", async () => {
    await log().append(entriesAfter(0, 4), 0);
    await log().snapshots.write(4, chunks);
    await log().truncate(4);
    expect(await log().head()).toBe(4);
    expect(await readAll(log(), 4)).toEqual([]);
    await log().reopen();
    expect(await log().head()).toBe(4);
    expect(await log().append(entriesAfter(4, 2), 4)).toEqual({ appended: true, seq: 6 });
    expect(await readAll(log(), 4)).toStrictEqual(entriesAfter(4, 2));
  });
}

function living(log: () => EventLog): void {
  test("age grows from the newest append", async () => {
    await log().append(entriesAfter(0, 1), 0);
    await new Promise((resolve) => setTimeout(resolve, 60));
    const before = await log().ageMs();
    expect(before).toBeGreaterThanOrEqual(50);
    expect(before).toBeLessThan(30_000);
    await log().append(entriesAfter(1, 1), 1);
    expect(await log().ageMs()).toBeLessThan(before);
  });

  test("liveness marks are kept, refreshed and removed", async () => {
    expect(await log().marks()).toEqual([]);
    await log().mark("h1", true);
    await log().mark("h2", true);
    await new Promise((resolve) => setTimeout(resolve, 60));
    await log().mark("h2", true);
    const ages = new Map((await log().marks()).map((mark) => [mark.hub, mark.ageMs]));
    expect([...ages.keys()].sort()).toEqual(["h1", "h2"]);
    expect(ages.get("h1")).toBeGreaterThanOrEqual(50);
    expect(ages.get("h2")).toBeLessThan(ages.get("h1") as number);
    await log().mark("h1", false);
    expect((await log().marks()).map((mark) => mark.hub)).toEqual(["h2"]);
    expect(await log().head()).toBe(0);
  });

  test("after reopen everything is as it was", async () => {
    await log().append(entriesAfter(0, 3), 0);
    await log().reopen();
    expect(await readAll(log())).toStrictEqual(entriesAfter(0, 3));
    expect(await log().append(entriesAfter(3, 1), 3)).toEqual({ appended: true, seq: 4 });
  });

  test("a closed handle says so, and may be closed again", async () => {
    await log().append(entriesAfter(0, 1), 0);
    await log().close();
    await log().close();
    expect((await failureOf(log().head())).code).toBe("closed");
    expect((await failureOf(log().append(entriesAfter(1, 1), 1))).code).toBe("closed");
    expect((await failureOf((async () => readAll(log()))())).code).toBe("closed");
  });
}

function sharing(log: () => EventLog, another: () => Promise<EventLog>): void {
  test("what one handle appends, another sees", async () => {
    const other = await another();
    expect(log().shared).toBe(true);
    await log().append(entriesAfter(0, 2), 0);
    expect(await other.head()).toBe(2);
    expect(await readAll(other)).toStrictEqual(entriesAfter(0, 2));
    expect(await other.append(entriesAfter(0, 1), 0)).toEqual({ appended: false, head: 2 });
    expect(await other.append(entriesAfter(2, 1), 2)).toEqual({ appended: true, seq: 3 });
    expect(await log().head()).toBe(3);
    await log().mark("h", true);
    expect((await other.marks()).map((mark) => mark.hub)).toEqual(["h"]);
    expect(await other.ageMs()).toBeLessThan(30_000);
  });

  test("racing handles make one order in which every won append stands once, unbroken", async () => {
    const handles = [log(), await another(), await another()];
    const won: string[][] = await Promise.all(
      handles.map(async (handle, who) => {
        const mine: string[] = [];
        for (let i = 0; i < 15; ) {
          const head = await handle.head();
          const note = `${who}.${i}`;
          const outcome = await handle.append(entriesAfter(head, 2, note), head);
          if (!outcome.appended) {
            expect(outcome.head).toBeGreaterThan(head);
            continue;
          }
          mine.push(note);
          i++;
        }
        return mine;
      }),
    );
    const entries = await readAll(log());
    expect(entries.map((entry) => entry.seq)).toEqual(Array.from({ length: 90 }, (_, i) => i + 1));
    const stored = entries.map((entry) => (entry.events[0] as unknown as { note: string }).note);
    expect(stored.filter((_, i) => i % 2 === 0)).toEqual(stored.filter((_, i) => i % 2 === 1));
    expect(stored.filter((_, i) => i % 2 === 0).sort()).toEqual(won.flat().sort());
  });

  test("a watcher is woken by another handle's append until it ends", async () => {
    const other = await another();
    let wakes = 0;
    let woken: () => void = () => {};
    const end = other.watch(() => {
      wakes++;
      woken();
    });
    for (let at = 0; at < 2; at++) {
      const waiting = new Promise<void>((resolve) => {
        woken = resolve;
      });
      await log().append(entriesAfter(at, 1), at);
      await waiting;
      expect(await other.head()).toBe(at + 1);
    }
    end();
    end();
    const before = wakes;
    await log().append(entriesAfter(2, 1), 2);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(wakes).toBe(before);
  });

  test("truncation by one handle holds for the others", async () => {
    const other = await another();
    await log().append(entriesAfter(0, 5), 0);
    await log().append(entriesAfter(5, 5), 5);
    await other.snapshots.write(5, [["s"]]);
    await log().truncate(5);
    expect(await other.horizon()).toBe(5);
    expect((await failureOf(readAll(other, 0))).code).toBe("log.horizon");
    expect(await readAll(other, 5)).toStrictEqual(entriesAfter(5, 5));
  });
}
