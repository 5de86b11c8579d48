/**
 * What is the SQLite log's own: damage, rollback, formats, time across processes, files.
 */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openSqliteLog, type SqliteLog, type SqliteOptions, verifyLog } from "../../adapters/log/index.ts";
import { openDriver } from "../../adapters/log/sqlite-driver.ts";
import { limits } from "../../core/limits.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import { entriesAfter, entryAt, failureOf, readAll } from "../contracts/event-log.ts";

let folder: string;
let file: string;
const open: EventLog[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-sqlite-"));
  file = join(folder, "log.db");
});
afterEach(async () => {
  for (const log of open.splice(0)) await log.close();
  rmSync(folder, { recursive: true });
});

async function opened(options: SqliteOptions = {}, path = file): Promise<SqliteLog> {
  const log = await openSqliteLog(path, options);
  open.push(log);
  return log;
}

/** Makes a log of `appends` appends of `each` entries, and closes it. */
async function filled(appends: number, each: number, from = 0): Promise<void> {
  const log = await openSqliteLog(file);
  for (let i = 0; i < appends; i++) await log.append(entriesAfter(from + i * each, each), from + i * each);
  await log.close();
}

async function sql(statement: string, ...values: (number | string | Uint8Array)[]): Promise<void> {
  const driver = await openDriver(file, { readOnly: false });
  driver.prepare(statement).run(...values);
  driver.close();
}

function copyTo(name: string): void {
  for (const end of ["", ".witness"]) copyFileSync(file + end, join(folder, name) + end);
}

describe("damage is noticed", () => {
  for (const [what, statement] of [
    ["a changed byte", "UPDATE batch SET bytes = CAST(replace(bytes, 'ann', 'bob') AS BLOB) WHERE seq = ?"],
    ["a changed hash", "UPDATE batch SET hash = zeroblob(32) WHERE seq = ?"],
    ["a changed time", "UPDATE batch SET mono = mono + 1 WHERE seq = ?"],
    ["a missing row", "DELETE FROM batch WHERE seq = ?"],
    ["a renumbered row", "UPDATE batch SET first = first - 1 WHERE seq = ?"],
  ] as const) {
    test(`${what} in the middle is never read, and verify names the place`, async () => {
      await filled(9, 3);
      expect(await verifyLog(file)).toMatchObject({
        ok: true,
        head: 27,
        entries: 27,
        appends: 9,
        witnessSeq: 27,
      });
      await sql(statement, 12);
      const log = await opened();
      const failure = await failureOf(readAll(log));
      expect(failure.code).toBe("log.damaged");
      expect(failure.message).toContain(file);
      expect(await readAll(log, 15)).toStrictEqual(entriesAfter(15, 12));
      const report = await verifyLog(file);
      expect(report.ok).toBe(false);
      expect(report.problems[0]).toMatchObject({ code: "log.damaged" });
      expect(report.entries).toBe(9);
    });
  }

  test("a changed newest row is refused on opening", async () => {
    await filled(3, 2);
    await sql("UPDATE batch SET bytes = CAST(replace(bytes, 'ann', 'bob') AS BLOB) WHERE seq = ?", 6);
    expect((await failureOf(openSqliteLog(file))).code).toBe("log.damaged");
    expect((await verifyLog(file)).ok).toBe(false);
  });

  test("whatever bits of the file are flipped, only what was written is read", async () => {
    await filled(30, 4);
    const sound = readFileSync(file);
    const written = entriesAfter(0, 120);
    let noticed = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(sound.length - 1), fc.nat(7), async (at, bit) => {
        const bytes = Buffer.from(sound);
        bytes[at] = (bytes[at] as number) ^ (1 << bit);
        writeFileSync(file, bytes);
        let read: unknown;
        try {
          const log = await openSqliteLog(file);
          try {
            read = await readAll(log);
          } finally {
            await log.close();
          }
        } catch (error) {
          expect(error).toMatchObject({ name: "Failure" });
          noticed++;
          return;
        }
        expect(read).toStrictEqual(written);
      }),
      { numRuns: 80 },
    );
    expect(noticed).toBeGreaterThan(5);
  });

  test("a file cut anywhere is refused or reads as written", async () => {
    await filled(40, 8);
    const sound = readFileSync(file);
    for (const share of [0.1, 0.5, 0.9, 0.99]) {
      writeFileSync(file, sound);
      truncateSync(file, Math.floor(sound.length * share));
      const failure = await failureOf(
        openSqliteLog(file).then((log) => readAll(log).finally(() => log.close())),
      );
      expect(["log.damaged", "log.format", "log.rolled-back"]).toContain(failure.code);
    }
  });
});

describe("a log that lost its end is refused", () => {
  test("put back to an older copy", async () => {
    await filled(3, 2);
    copyTo("old.db");
    await filled(2, 2, 6);
    copyFileSync(join(folder, "old.db"), file);
    const failure = await failureOf(openSqliteLog(file));
    expect(failure).toMatchObject({ code: "log.rolled-back", fields: { head: 6, witness: 10 } });
    expect(failure.message).toMatch(/entries at its end are gone.*--accept-loss/);
    expect((await verifyLog(file)).problems.map((problem) => problem.code)).toContain("log.rolled-back");
  });

  test("put back to an older copy and written to since", async () => {
    await filled(3, 2);
    copyTo("old.db");
    await filled(2, 2, 6);
    copyFileSync(`${file}.witness`, join(folder, "newest.witness"));
    for (const end of ["", ".witness"]) copyFileSync(join(folder, "old.db") + end, file + end);
    const log = await openSqliteLog(file);
    for (let at = 6; at < 20; at += 2) await log.append(entriesAfter(at, 2, "another"), at);
    await log.close();
    copyFileSync(join(folder, "newest.witness"), `${file}.witness`);
    expect((await failureOf(openSqliteLog(file))).code).toBe("log.rolled-back");
  });

  test("without its witness, but not when it is empty", async () => {
    await (await openSqliteLog(file)).close();
    rmSync(`${file}.witness`);
    await filled(2, 2);
    rmSync(`${file}.witness`);
    expect((await failureOf(openSqliteLog(file))).code).toBe("log.rolled-back");
    const log = await opened({ acceptLoss: true });
    expect(await log.head()).toBe(4 + limits.lossGap - 1);
  });

  test("gone altogether while its witness is there", async () => {
    await filled(2, 2);
    rmSync(file);
    expect((await failureOf(openSqliteLog(file))).code).toBe("log.rolled-back");
    expect(existsSync(file)).toBe(false);
  });

  test("a torn slot of the witness leaves the other", async () => {
    await filled(2, 2);
    await filled(1, 2, 4);
    const bytes = readFileSync(`${file}.witness`);
    for (const slot of [0, 512]) {
      const torn = Buffer.from(bytes);
      torn.fill(0, slot + 20, slot + 60);
      const changed = Buffer.from(bytes);
      changed.write("9", slot + '{"seq":'.length);
      for (const witness of [torn, changed]) {
        writeFileSync(`${file}.witness`, witness);
        const log = await openSqliteLog(file);
        expect(await log.head()).toBe(6);
        await log.close();
      }
      writeFileSync(`${file}.witness`, bytes);
    }
  });

  test("an accepted loss leaves one hole, behind all numbers ever given, and everything goes on", async () => {
    await filled(3, 2);
    copyTo("old.db");
    await filled(2, 2, 6);
    const before = await opened();
    await before.snapshots.write(6, [["kept"]]);
    await before.snapshots.write(10, [["lost"]]);
    await before.close();
    copyFileSync(join(folder, "old.db"), file);
    const through = 10 + limits.lossGap - 1;
    const log = await opened({ acceptLoss: true });
    expect(log.lost).toEqual({ afterSeq: 6, throughSeq: through });
    expect(await log.head()).toBe(through);
    expect(await log.snapshots.list()).toEqual([6]);
    await log.close();

    const again = await opened();
    expect(again.lost).toEqual({ afterSeq: 6, throughSeq: through });
    expect(await again.append(entriesAfter(6, 1), 6)).toEqual({ appended: false, head: through });
    expect(await again.append(entriesAfter(through, 2), through)).toEqual({
      appended: true,
      seq: through + 2,
    });
    expect(again.lost).toBeUndefined();
    await again.close();

    const last = await opened();
    expect(last.lost).toBeUndefined();
    expect(await readAll(last)).toStrictEqual([...entriesAfter(0, 6), ...entriesAfter(through, 2)]);
    expect(await readAll(last, through)).toStrictEqual(entriesAfter(through, 2));
    expect(await verifyLog(file)).toMatchObject({
      ok: false,
      entries: 8,
      holes: [{ afterSeq: 6, throughSeq: through }],
      problems: [{ code: "snapshot.damaged" }],
    });
    await last.snapshots.prune(1);
    expect((await verifyLog(file)).ok).toBe(true);
  });

  test("a second loss behind an accepted one is noticed and may be accepted, too", async () => {
    await filled(3, 2);
    rmSync(`${file}.witness`);
    await (await openSqliteLog(file, { acceptLoss: true })).close();
    copyTo("old.db");
    const first = 6 + limits.lossGap - 1;
    await filled(2, 2, first);
    copyFileSync(join(folder, "old.db"), file);
    expect((await failureOf(openSqliteLog(file))).code).toBe("log.rolled-back");
    const log = await opened({ acceptLoss: true });
    const second = first + 4 + limits.lossGap - 1;
    expect(log.lost).toEqual({ afterSeq: 6, throughSeq: second });
    await log.append(entriesAfter(second, 1), second);
    expect((await readAll(log)).map((entry) => entry.seq)).toEqual([1, 2, 3, 4, 5, 6, second + 1]);
  });

  test("acceptLoss leaves a sound log as it is", async () => {
    await filled(3, 2);
    const log = await opened({ acceptLoss: true });
    expect(log.lost).toBeUndefined();
    expect(await log.head()).toBe(6);
  });
});

describe("what is no log is refused", () => {
  test("a newer format", async () => {
    await filled(1, 1);
    await sql("PRAGMA user_version = 99");
    const failure = await failureOf(openSqliteLog(file));
    expect(failure).toMatchObject({ code: "log.format", fields: { file, format: 99 } });
  });

  test("text, another database, a folder, nothing", async () => {
    writeFileSync(file, "this is no log\n".repeat(500));
    expect((await failureOf(openSqliteLog(file))).code).toBe("log.format");
    expect(readFileSync(file, "utf8")).toMatch(/^this is no log/);
    rmSync(file);
    await sql("CREATE TABLE books (title TEXT)");
    expect((await failureOf(openSqliteLog(file))).code).toBe("log.format");
    expect((await failureOf(openSqliteLog(folder))).code).toBe("log.unusable");
    const missing = join(folder, "none.db");
    expect((await failureOf(openSqliteLog(missing, { create: false }))).code).toBe("log.unusable");
    expect((await failureOf(openSqliteLog(missing, { readOnly: true }))).code).toBe("log.unusable");
    expect((await failureOf(verifyLog(missing))).code).toBe("log.unusable");
    expect(existsSync(missing)).toBe(false);
  });

  test("a SQLite that does not grant the durability asked of it", async () => {
    const failure = await failureOf(
      openSqliteLog(file, {
        openDriver: async (path, options) => {
          const driver = await openDriver(path, options);
          return {
            ...driver,
            prepare: (text) => driver.prepare(text),
            exec: (text) => exec(driver, text),
            close: () => driver.close(),
          };
        },
      }),
    );
    expect(failure.code).toBe("log.unusable");
  });
});

function exec(driver: { exec(text: string): void }, text: string): void {
  driver.exec(text.startsWith("PRAGMA synchronous") ? "PRAGMA synchronous = OFF" : text);
}

describe("files", () => {
  test("are their owner's alone", async () => {
    const path = join(folder, "new", "deep", "log.db");
    const log = await opened({}, path);
    await log.append([entryAt(1)], 0);
    await log.snapshots.write(1, [["s"]]);
    const mode = (name: string): number => statSync(name).mode & 0o777;
    for (const end of ["", "-wal", "-shm", ".witness", ".reserve", ".snapshots/1.snap"])
      expect(mode(path + end)).toBe(0o600);
    for (const name of [dirname(path), join(folder, "new"), `${path}.snapshots`])
      expect(mode(name)).toBe(0o700);
    expect(await log.sizeBytes()).toBeGreaterThan(1000);
  });

  test("the log shrinks when it is truncated, and verifies", async () => {
    const log = await opened();
    for (let at = 0; at < 60_000; at += 200) await log.append(entriesAfter(at, 200), at);
    await log.snapshots.write(59_950, [["s"]]);
    await log.truncate(59_950);
    expect(await readAll(log, 59_950)).toStrictEqual(entriesAfter(59_950, 50));
    await log.close();
    expect(statSync(file).size).toBeLessThan(500_000);
    expect(await verifyLog(file)).toMatchObject({ ok: true, horizon: 59_950, head: 60_000, appends: 1 });
  });

  test("the write-ahead log is brought home beside the writer", async () => {
    const log = await opened();
    const pad = "x".repeat(1000);
    for (let at = 0; at < 5000; at += 200) await log.append(entriesAfter(at, 200, pad), at);
    expect(statSync(`${file}-wal`).size).toBeGreaterThan(limits.checkpointBytes);
    // SQLite by itself would wait for four times as much.
    for (let tries = 0; tries < 500 && statSync(file).size < limits.checkpointBytes; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(statSync(file).size).toBeGreaterThanOrEqual(limits.checkpointBytes);
  });

  test("the write-ahead log stays bounded however busy the writer", async () => {
    const log = await opened();
    const pad = "x".repeat(1000);
    let largest = 0;
    for (let at = 0; at < 30_000; at += 200) {
      await log.append(entriesAfter(at, 200, pad), at);
      largest = Math.max(largest, statSync(`${file}-wal`).size);
    }
    expect(statSync(file).size).toBeGreaterThan(4 * limits.checkpointBytes);
    expect(largest).toBeLessThan(6 * limits.checkpointBytes);
  });
});

describe("snapshots on disk", () => {
  test("a damaged one is passed over or refused before its first chunk", async () => {
    const log = await opened();
    await log.append(entriesAfter(0, 10), 0);
    for (const seq of [3, 5, 8]) await log.snapshots.write(seq, [["a".repeat(1000)], ["b"]]);
    const path = (seq: number): string => join(`${file}.snapshots`, `${seq}.snap`);
    truncateSync(path(8), statSync(path(8)).size - 40);
    expect(await log.snapshots.list()).toEqual([5, 3]);
    const bytes = readFileSync(path(5));
    bytes[500] = (bytes[500] as number) ^ 1;
    writeFileSync(path(5), bytes);
    for (const seq of [5, 8]) {
      let chunks = 0;
      const reading = (async () => {
        for await (const _ of log.snapshots.read(seq)) chunks++;
      })();
      expect((await failureOf(reading)).code).toBe("snapshot.damaged");
      expect(chunks).toBe(0);
    }
    expect(await verifyLog(file)).toMatchObject({
      ok: false,
      snapshots: [
        { seq: 8, whole: false },
        { seq: 5, whole: false },
        { seq: 3, whole: true },
      ],
    });
  });

  test("one of another log is passed over", async () => {
    const other = await opened({}, join(folder, "other.db"));
    await other.append(entriesAfter(0, 4, "other"), 0);
    await other.snapshots.write(4, [["s"]]);
    const log = await opened();
    await log.append(entriesAfter(0, 4), 0);
    await log.snapshots.write(2, [["s"]]);
    copyFileSync(join(folder, "other.db.snapshots", "4.snap"), join(`${file}.snapshots`, "4.snap"));
    expect(await log.snapshots.list()).toEqual([2]);
  });
});

describe("time", () => {
  const clockAt = (monoMs: number, wallMs: number) => ({
    monotonicMs: () => monoMs,
    wallMs: () => wallMs,
    after: () => () => {},
    soon: (run: () => void) => void setImmediate(run),
  });

  test("goes on by elapsed time between handles, whatever the wall clock says", async () => {
    const log = await opened({ clock: clockAt(5_000, 1_000_000) });
    await log.append([entryAt(1)], 0);
    expect(await (await opened({ clock: clockAt(7_500, 10) })).ageMs()).toBe(2_500);
    expect(await (await opened({ clock: clockAt(4_000, 9_999_999) })).ageMs()).toBe(0);
  });

  test("goes by the wall clock over a reboot, and never back", async () => {
    const log = await openSqliteLog(file, { clock: clockAt(5_000, 1_000_000) });
    await log.append([entryAt(1)], 0);
    await log.mark("h", true);
    await log.close();
    await sql("UPDATE mark SET boot = 'another'");
    const driver = await openDriver(file, { readOnly: false });
    const row = driver.prepare("SELECT * FROM batch").get() as never;
    const { rowHash, GENESIS } = await import("../../adapters/log/chain.ts");
    const moved = { ...(row as object), boot: "another" } as never;
    driver.prepare("UPDATE batch SET boot = 'another', hash = ?").run(rowHash(GENESIS.hash, moved));
    driver.close();
    rmSync(`${file}.witness`);
    const later = await opened({ clock: clockAt(10, 1_060_000), acceptLoss: true });
    expect(await later.ageMs()).toBe(60_000);
    expect(await later.marks()).toEqual([{ hub: "h", ageMs: 60_000 }]);
    expect(await (await opened({ clock: clockAt(10, 900_000) })).ageMs()).toBe(0);
  });
});
