/**
 * Every registered log, held to the contract.
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { logs, openLog, openMemoryLog, openSqliteLog, type SqliteOptions } from "../../adapters/log/index.ts";
import { eventLogContract, type OpenedLog } from "../contracts/event-log.ts";

async function sqlite(options: SqliteOptions): Promise<OpenedLog> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-log-"));
  const file = join(folder, "log.db");
  const log = await openSqliteLog(file, options);
  return {
    log,
    reopenAnother: () => openSqliteLog(file, options),
    async end() {
      await log.close();
      await rm(folder, { recursive: true });
    },
  };
}

const openers: { [scheme: string]: () => Promise<OpenedLog> } = {
  async memory() {
    const name = randomUUID();
    const log = await openMemoryLog(name);
    return { log, reopenAnother: () => openMemoryLog(name), end: () => log.close() };
  },
  sqlite: () => sqlite({}),
  "sqlite relaxed": () => sqlite({ durability: "relaxed" }),
  "sqlite worker": () => sqlite({ commits: "worker" }),
};

for (const [name, open] of Object.entries(openers)) eventLogContract(name, open);

test("every registered log is held to the contract", () => {
  expect(Object.keys(openers).map((name) => name.split(" ")[0])).toEqual(
    expect.arrayContaining(Object.keys(logs)),
  );
});

test("a log is opened by its URL or by its file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-log-"));
  const file = join(folder, "log.db");
  for (const where of [file, `sqlite:${file}`, `sqlite://${file}`]) {
    const log = await openLog(where);
    expect(log.url).toMatch(/^sqlite:.*log\.db$/);
    await log.close();
  }
  expect((await openLog("memory:x")).url).toBe("memory:x");
  expect((await openLog("memory:")).shared).toBe(false);
  await expect(openLog("tape:x")).rejects.toMatchObject({ code: "usage" });
  await rm(folder, { recursive: true });
});
