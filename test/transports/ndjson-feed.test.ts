/**
 * The feed: its encoding loses nothing, its files never lose a reader.
 */
import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tables } from "../../core/model/model.ts";
import type { Entry } from "../../core/model/slice.ts";
import { FeedDecoder, FeedEncoder, type FeedHeader, headerLine } from "../../transports/ndjson/feed-codec.ts";
import { readFeed } from "../../transports/ndjson/feed-reader.ts";
import { type FeedOptions, openFeedWriter } from "../../transports/ndjson/feed-writer.ts";
import { arbitrary, json } from "../properties/arbitrary.ts";

const header: FeedHeader = { feed: 1, log: "log", after: 0, full: false };

/** Entries encoded and decoded again. */
function there(entries: readonly Entry[], splitAt = entries.length): readonly Entry[] {
  let encoder = new FeedEncoder(header);
  let text = `${headerLine(header)}\n`;
  for (const [at, entry] of entries.entries()) {
    if (at === splitAt) {
      const decoder = new FeedDecoder(headerLine(header));
      for (const line of text.split("\n").slice(1, -1)) decoder.decode(line);
      encoder = new FeedEncoder(decoder.state);
    }
    text += encoder.encode(entry);
  }
  const [first = "", ...lines] = text.split("\n").slice(0, -1);
  const decoder = new FeedDecoder(first);
  return lines.flatMap((line) => decoder.decode(line) ?? []);
}

const knownEvents = fc.oneof(
  ...Object.entries(tables.events).map(([type, shape]) =>
    arbitrary(shape).map((fields) => ({ type, ...(fields as object) })),
  ),
);
const oddEvents = fc.record({ type: fc.constantFrom("x.odd", "$seq", "claim.granted") }).chain((event) =>
  json.map((value) => ({
    ...event,
    claim: "=c",
    path: "a/=b",
    list: ["a/b", "a/c", "==d", ""],
    $l: ["a/b"],
    value,
  })),
);
const names = fc.constantFrom(
  "a",
  "alice-of-the-west",
  "$by",
  "=x",
  "internal/deep/path.ts",
  "internal/deep/other.ts",
);
const digests = fc.constantFrom("pk2POWylF2E", "short", "");
const drafts = fc.record(
  {
    by: names,
    id: fc.oneof(fc.constant(""), names, fc.uuid()),
    digest: digests,
    events: fc.array(fc.oneof(knownEvents, oddEvents), { maxLength: 3 }),
    gapMs: fc.constantFrom(0, 1, 250, 90_000),
    wallMs: fc.constantFrom(0, 0, 0, 1, -1, 5000, -90_000),
    skip: fc.constantFrom(0, 0, 0, 0, 7),
    like: fc.nat(5),
  },
  { requiredKeys: ["by", "id", "events", "gapMs", "wallMs", "skip", "like"] },
);

/** Drafts as entries of one log; some repeat an earlier one's events, so that templates are used. */
const logs = fc.array(drafts, { maxLength: 30 }).map((list) => {
  let [seq, atMs, wallMs] = [0, 0, 1_700_000_000_000];
  return list.map(({ gapMs, wallMs: beyondMs, skip, like, events, by, id, digest }, at) => {
    seq += 1 + skip;
    atMs += gapMs;
    wallMs += gapMs + beyondMs;
    const source = like > 1 && at >= like ? list[at - like] : undefined;
    const own = (source?.events ?? events).map((event) => ({
      ...event,
      ...(like === 3 ? { epoch: seq, expiresAtMs: atMs + 900, ttlMs: 900 } : {}),
    }));
    return {
      seq,
      atMs,
      wallMs,
      by,
      id,
      ...(digest === undefined ? {} : { digest }),
      events: own,
    } as unknown as Entry;
  });
});

describe("the encoding", () => {
  test("gives back every entry as it was", () => {
    fc.assert(
      fc.property(logs, fc.nat(30), (entries, splitAt) => {
        const plain = JSON.parse(JSON.stringify(entries)) as readonly Entry[];
        expect(there(plain, splitAt)).toEqual(plain);
      }),
      { numRuns: 300 },
    );
  });

  test("is a fraction of the notifications, and declares its rules", () => {
    const entries = story(400);
    const encoder = new FeedEncoder(header);
    const feed = entries.map((entry) => encoder.encode(entry)).join("");
    const wire = entries
      .map((entry) => JSON.stringify({ jsonrpc: "2.0", method: "entry", params: entry }))
      .join("\n");
    expect(feed.length / wire.length).toBeLessThan(0.45);
    expect(headerLine(header)).toContain('"$seq"');
    expect(there(entries)).toEqual(entries);
  });

  test("notices every change of a line by the sum behind it", () => {
    const entries = story(100);
    const encoder = new FeedEncoder(header);
    const lines = [
      headerLine(header),
      ...entries
        .map((entry) => encoder.encode(entry))
        .join("")
        .split("\n"),
    ];
    lines.pop();
    const summed = lines.findLastIndex((line) => line.startsWith('{"sum"'));
    expect(lines.filter((line) => line.startsWith('{"sum"'))).toHaveLength(3);
    const read = ([first = "", ...rest]: readonly string[]) => {
      const decoder = new FeedDecoder(first);
      for (const line of rest) decoder.decode(line);
    };
    read(lines);
    const place = fc.nat(summed);
    const changes = fc.oneof(
      fc.tuple(place, fc.nat(), fc.constantFrom("0", "z", '"', "1")).map(([at, column, put]) => {
        const line = lines[at] as string;
        const x = column % line.length;
        return lines.with(at, line.slice(0, x) + put + line.slice(x + 1));
      }),
      place.map((at) => lines.toSpliced(at, 1)),
      fc.tuple(place, place).map(([a, b]) => lines.with(a, lines[b] as string).with(b, lines[a] as string)),
      place.map((at) => lines.toSpliced(at, 0, lines[at] as string)),
    );
    fc.assert(
      fc.property(changes, (changed) => {
        // The same sum twice says the same twice.
        const same = changed.filter((line, i) => line !== changed[i - 1] || !line.startsWith('{"sum"'));
        if (same.join() !== lines.join()) expect(() => read(changed)).toThrow();
      }),
      { numRuns: 400 },
    );
  });

  test("goes on behind a crash that left an entry without the sum that was due", () => {
    const entries = story(40);
    const encoder = new FeedEncoder(header);
    const lines = entries
      .slice(0, 32)
      .map((entry) => encoder.encode(entry))
      .join("")
      .split("\n")
      .slice(0, -1);
    expect(lines.pop()).toMatch(/^\{"sum"/);
    const decoder = new FeedDecoder(headerLine(header));
    for (const line of lines) decoder.decode(line);
    const again = new FeedEncoder(decoder.state);
    lines.push(
      ...entries
        .slice(32)
        .map((entry) => again.encode(entry))
        .join("")
        .split("\n")
        .slice(0, -1),
    );
    const reader = new FeedDecoder(headerLine(header));
    expect(lines.flatMap((line) => reader.decode(line) ?? [])).toEqual(entries);
  });

  test("refuses lines that cannot be", () => {
    const decoder = () => new FeedDecoder(headerLine(header));
    expect(() => new FeedDecoder('{"feed":2}')).toThrow();
    for (const line of [
      "[]",
      "[7,0]",
      '[0,"x",{}]',
      '{"t":9,"is":{}}',
      "nonsense",
      '["0",0,{}]',
      "null",
      "7",
    ]) {
      expect(() => decoder().decode(line), line).toThrow();
    }
  });
});

/** A plausible log of claims and releases. */
function story(count: number, from = 1): Entry[] {
  return Array.from({ length: count }, (_, at) => {
    const seq = from + at;
    const claim = `task-${seq >> 1}`;
    const by = `agent-${(seq >> 1) % 7}`;
    const event =
      seq % 2 === 0
        ? {
            type: "claim.granted",
            claim,
            holder: by,
            epoch: seq,
            ttlMs: 900_000,
            expiresAtMs: seq * 10 + 900_000,
            scope: { paths: [`src/part-${seq % 13}/index.ts`, `src/part-${seq % 13}/view.ts`] },
          }
        : { type: "claim.released", claim, holder: by, epoch: seq - 1, outcome: "done" };
    const id = `${String(seq * 7919).padStart(11, "x")}${String(seq * 104_729).padStart(11, "y")}`;
    return {
      seq,
      atMs: seq * 10,
      wallMs: 1_700_000_000_000 + seq * 10,
      by,
      id,
      digest: "pk2POWylF2E",
      events: [event],
    } as unknown as Entry;
  });
}

describe("the files", () => {
  let folder: string;
  let file: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "holdfast-feed-"));
    file = join(folder, "feed.ndjson");
  });
  afterEach(() => rm(folder, { recursive: true }));

  const write = async (entries: readonly Entry[], more: Partial<FeedOptions> = {}): Promise<void> => {
    const writer = await openFeedWriter({ file, log: "log", ...more });
    for (let at = 0; at < entries.length; at += 10) await writer.append(entries.slice(at, at + 10));
    await writer.close();
  };
  const read = async (options: Parameters<typeof readFeed>[1] = {}): Promise<Entry[]> => {
    const found: Entry[] = [];
    for await (const entry of readFeed(file, options)) found.push(entry);
    return found;
  };

  test("are read from any cursor, across rotations and restarts of the writer", async () => {
    const entries = story(600);
    const small = { feedBytesMax: 8000, feedFilesMax: 50 };
    for (let at = 0; at < 600; at += 100) await write(entries.slice(at, at + 100), small);
    expect((await readdir(folder)).length).toBeGreaterThan(4);
    for (const after of [0, 1, 57, 299, 598, 599, 600]) {
      expect(await read({ after })).toEqual(entries.slice(after));
    }
  });

  test("stay within their bounds, and say where they begin", async () => {
    const entries = story(2000);
    await write(entries, { feedBytesMax: 8000, feedFilesMax: 3 });
    const files = (await readdir(folder)).filter((name) => name.startsWith("feed"));
    expect(files.sort()).toEqual(["feed.1.ndjson", "feed.2.ndjson", "feed.ndjson"]);
    for (const name of files) expect((await stat(join(folder, name))).size).toBeLessThan(8000 + 2000);
    const refused = await read({ after: 10 }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "log.horizon" });
    const { seq } = (refused as { fields: { seq: number } }).fields;
    expect(await read({ after: seq })).toEqual(entries.slice(seq));
    expect(await read({ fromOldest: true })).toEqual(entries.slice(seq));
  });

  test("go on after a crash in the middle of a line, wherever it was torn", async () => {
    const entries = story(60);
    await write(entries.slice(0, 40));
    const whole = await readFile(file);
    for (const cut of [1, 2, 17, 80, 200]) {
      await writeFile(file, whole);
      await truncate(file, whole.length - cut);
      const kept = await read();
      expect(kept).toEqual(entries.slice(0, kept.length));
      const writer = await openFeedWriter({ file, log: "log" });
      expect(writer.seq).toBe(kept.length);
      await writer.append(entries.slice(writer.seq ?? 0));
      await writer.close();
      expect(await read()).toEqual(entries);
    }
  });

  test("passes over what it has, and begins anew behind a gap or another log", async () => {
    const entries = story(30);
    await write(entries.slice(0, 10));
    await write(entries.slice(5, 12));
    expect(await read()).toEqual(entries.slice(0, 12));
    await write(entries.slice(20));
    await expect(read({ after: 3 })).rejects.toMatchObject({ code: "log.horizon", fields: { seq: 20 } });
    expect(await read({ after: 20 })).toEqual(entries.slice(20));
    await write(story(3), { log: "other" });
    expect(await read({ after: 0 })).toEqual(story(3));
  });

  test("are followed while they are written and rotated", async () => {
    const entries = story(500);
    const stop = new AbortController();
    const found: Entry[] = [];
    const following = (async () => {
      for await (const entry of readFeed(file, { follow: true, pollMs: 1, signal: stop.signal })) {
        found.push(entry);
        if (found.length === entries.length) stop.abort();
      }
    })();
    const writer = await openFeedWriter({ file, log: "log", feedBytesMax: 5000, feedFilesMax: 100 });
    for (let at = 0; at < entries.length; at += 7) {
      await writer.append(entries.slice(at, at + 7));
      if (at % 35 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await following;
    await writer.close();
    expect(found).toEqual(entries);
  });

  test("notice what was changed in the middle", async () => {
    await write(story(40));
    const lines = (await readFile(file, "utf8")).split("\n");
    lines[20] = lines[20]?.replace("[", "{") ?? "";
    await writeFile(file, lines.join("\n"));
    await expect(read()).rejects.toMatchObject({ code: "log.damaged" });
    await appendFile(file, "garbage\n");
    await write(story(5, 41));
    await expect(read({ after: 40 })).resolves.toEqual(story(5, 41));
  });

  test("have one writer at a time", async () => {
    const writer = await openFeedWriter({ file, log: "log" });
    await expect(openFeedWriter({ file, log: "log" })).rejects.toMatchObject({ fields: { taken: true } });
    await writer.close();
    await writeFile(
      `${file}.lock`,
      JSON.stringify({ pid: 999_999_999, host: (await import("node:os")).hostname() }),
    );
    await (await openFeedWriter({ file, log: "log" })).close();
  });
});
