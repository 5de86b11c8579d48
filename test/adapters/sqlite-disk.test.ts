/**
 * The SQLite log on disks that are full, slow, failing, or not to be written to.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSqliteLog, type SqliteOptions, verifyLog } from "../../adapters/log/index.ts";
import { networkKind } from "../../adapters/log/place.ts";
import { type Driver, openDriver } from "../../adapters/log/sqlite-driver.ts";
import { entriesAfter, failureOf, readAll } from "../contracts/event-log.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-disk-"));
  file = join(folder, "log.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Options under which `exec` of some statements goes another way. */
function through(exec: (driver: Driver, statement: string) => void): SqliteOptions {
  return {
    openDriver: async (path, options) => {
      const driver = await openDriver(path, options);
      return {
        exec: (statement) => exec(driver, statement),
        prepare: (statement) => driver.prepare(statement),
        close: () => driver.close(),
      };
    },
  };
}

function ioError(): Error {
  return Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_FSYNC", errcode: 1034 });
}

for (const [what, stored] of [
  ["was stored", true],
  ["was not stored", false],
] as const) {
  test(`a failing commit that ${what} is unknown until the log is reopened and read`, async () => {
    let failing = false;
    const log = await openSqliteLog(
      file,
      through((driver, statement) => {
        if (!failing || statement !== "COMMIT") return driver.exec(statement);
        failing = false;
        if (stored) driver.exec(statement);
        throw ioError();
      }),
    );
    await log.append(entriesAfter(0, 2), 0);
    failing = true;
    const failure = await failureOf(log.append(entriesAfter(2, 2), 2));
    expect(failure).toMatchObject({ code: "log.unknown-outcome", definite: false });
    expect(failure.message).toContain(file);
    expect(await failureOf(log.append(entriesAfter(2, 2), 2))).toMatchObject({
      code: "log.unusable",
      definite: true,
    });
    await log.reopen();
    const head = stored ? 4 : 2;
    expect(await log.head()).toBe(head);
    expect(await readAll(log)).toStrictEqual(entriesAfter(0, head));
    expect(await log.append(entriesAfter(head, 1), head)).toEqual({ appended: true, seq: head + 1 });
    await log.close();
    expect((await verifyLog(file)).ok).toBe(true);
  });
}

test("commits move to a worker when the disk is slow, and nothing changes but that", async () => {
  const asleep = new Int32Array(new SharedArrayBuffer(4));
  const log = await openSqliteLog(
    file,
    through((driver, statement) => {
      if (statement === "COMMIT") Atomics.wait(asleep, 0, 0, 40);
      driver.exec(statement);
    }),
  );
  expect(log.commits).toBe("inline");
  let head = 0;
  for (; head < 40 && log.commits === "inline"; head++) await log.append(entriesAfter(head, 1), head);
  expect(log.commits).toBe("worker");
  for (let i = 0; i < 5; i++, head++) await log.append(entriesAfter(head, 1), head);
  expect(await readAll(log)).toStrictEqual(entriesAfter(0, head));
  await log.close();
  expect((await verifyLog(file)).witnessSeq).toBe(head);
});

test("opened for reading it reads, and refuses to be written to", async () => {
  const writer = await openSqliteLog(file);
  await writer.append(entriesAfter(0, 3), 0);
  const log = await openSqliteLog(file, { readOnly: true });
  expect(await readAll(log)).toStrictEqual(entriesAfter(0, 3));
  expect((await failureOf(log.append(entriesAfter(3, 1), 3))).code).toBe("log.read-only");
  expect((await failureOf(log.mark("h", true))).code).toBe("log.read-only");
  expect((await failureOf(log.snapshots.write(3, []))).code).toBe("log.read-only");
  await writer.append(entriesAfter(3, 1), 3);
  expect(await log.head()).toBe(4);
  await log.close();
  await writer.close();
});

test("network file systems are told by their magic numbers", () => {
  expect([0x6969, 0xff534d42, 0x517b, 0xfe534d42].map(networkKind)).toEqual(["NFS", "CIFS", "SMB", "SMB2"]);
  expect([0xef53, 0x01021994, 0x9123683e].map(networkKind)).toEqual([undefined, undefined, undefined]);
});

const mounts = process.platform === "linux" && process.getuid?.() === 0 && canMount();

function mount(...args: string[]): void {
  execFileSync("mount", args, { stdio: "pipe" });
}

function canMount(): boolean {
  const at = mkdtempSync(join(tmpdir(), "holdfast-mount-"));
  try {
    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", at);
    execFileSync("umount", [at]);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(at);
  }
}

/** Runs on a small file system of its own; needs root. */
async function onOwnDisk(size: string, run: (at: string) => Promise<void>): Promise<void> {
  const at = mkdtempSync(join(folder, "disk-"));
  mount("-t", "tmpfs", "-o", `size=${size}`, "tmpfs", at);
  try {
    await run(at);
  } finally {
    execFileSync("umount", ["-l", at]);
  }
}

for (const commits of ["inline", "worker"] as const) {
  // Only root may mount a small disk to fill.
  test.skipIf(!mounts)(
    `a full disk is a clean refusal, and room again is all it takes: ${commits}`,
    async () => {
      await onOwnDisk("3m", async (at) => {
        const path = join(at, "log.db");
        const log = await openSqliteLog(path, { commits });
        await log.append(entriesAfter(0, 20), 0);
        const filler = join(at, "filler");
        const room = Number(execFileSync("df", ["--output=avail", "-B1", at]).toString().split("\n")[1]);
        writeFileSync(filler, Buffer.alloc(room - 150_000));
        let head = 20;
        let failure: unknown;
        for (let i = 0; i < 200 && failure === undefined; i++) {
          try {
            await log.append(entriesAfter(head, 20), head);
            head += 20;
          } catch (error) {
            failure = error;
          }
        }
        expect(failure).toMatchObject({ code: "log.full", definite: true, fields: { file: path } });
        expect((failure as { fields: { retryAfterMs: number } }).fields.retryAfterMs).toBeGreaterThan(0);
        expect(await log.head()).toBe(head);
        expect(await readAll(log)).toStrictEqual(entriesAfter(0, head));
        expect((await failureOf(log.append(entriesAfter(head, 20), head))).code).toBe("log.full");
        rmSync(filler);
        expect(await log.append(entriesAfter(head, 20), head)).toEqual({ appended: true, seq: head + 20 });
        const left = Number(execFileSync("df", ["--output=avail", "-B1", at]).toString().split("\n")[1]);
        writeFileSync(filler, Buffer.alloc(left - 8192));
        await log.close();
        expect(existsSync(`${path}.reserve`)).toBe(false);
        const report = await verifyLog(path);
        expect(report).toMatchObject({ ok: true, head: head + 20, witnessSeq: head + 20 });
      });
    },
  );
}

test.skipIf(!mounts)("on a disk that cannot be written to it is read", async () => {
  await onOwnDisk("3m", async (at) => {
    const path = join(at, "log.db");
    const writer = await openSqliteLog(path);
    await writer.append(entriesAfter(0, 5), 0);
    await writer.snapshots.write(5, [["s"]]);
    await writer.close();
    mount("-o", "remount,ro", at);
    const log = await openSqliteLog(path);
    expect(log.readOnly).toBe(true);
    expect(await readAll(log)).toStrictEqual(entriesAfter(0, 5));
    expect(await log.snapshots.list()).toEqual([5]);
    const failure = await failureOf(log.append(entriesAfter(5, 1), 5));
    expect(failure.code).toBe("log.read-only");
    expect(failure.message).toContain(path);
    await log.close();
    expect(await verifyLog(path)).toMatchObject({ ok: true, head: 5 });
    expect(statSync(path).size).toBeGreaterThan(0);
  });
});
