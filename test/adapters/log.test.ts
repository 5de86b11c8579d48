/**
 * Every registered log, held to the contract.
 */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { logs, openMemoryLog } from "../../adapters/log/index.ts";
import { eventLogContract, type OpenedLog } from "../contracts/event-log.ts";

const openers: { [scheme: string]: () => Promise<OpenedLog> } = {
  async memory() {
    const name = randomUUID();
    const log = await openMemoryLog(name);
    return { log, reopenAnother: () => openMemoryLog(name), end: () => log.close() };
  },
};

for (const [name, open] of Object.entries(openers)) eventLogContract(name, open);

test("every registered log is held to the contract", () => {
  expect(Object.keys(openers).map((name) => name.split(" ")[0])).toEqual(
    expect.arrayContaining(Object.keys(logs)),
  );
});
