/**
 * The logs there are: scheme -> opener, one line each.
 */
import { fileURLToPath } from "node:url";
import { Failure } from "../../core/failures.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import { openMemoryLog } from "./memory.ts";
import { openSqliteLog } from "./sqlite.ts";
import type { SqliteOptions } from "./sqlite-opening.ts";

export { machineClock } from "./machine.ts";
export { MemoryLog, openMemoryLog } from "./memory.ts";
export { openSqliteLog, SqliteLog } from "./sqlite.ts";
export type { SqliteOptions } from "./sqlite-opening.ts";
export { type LogReport, verifyLog } from "./verify.ts";

/** What an opener may be told; each log takes what concerns it. */
export type OpenLogOptions = SqliteOptions;

/** Opens a log given what stands behind the scheme. */
export type LogOpener = (rest: string, options: OpenLogOptions) => Promise<EventLog>;

/** Every log, by the scheme of its URL. */
export const logs: { readonly [scheme: string]: LogOpener } = {
  memory: (name, options) => openMemoryLog(name === "" ? undefined : name, options),
  sqlite: (file, options) =>
    openSqliteLog(file.startsWith("//") ? fileURLToPath(`file:${file}`) : file, options),
};

/** Opens a log by URL (`memory:NAME`, `sqlite:FILE`) or by the path of its file. */
export async function openLog(where: string, options: OpenLogOptions = {}): Promise<EventLog> {
  // A scheme has two letters at least: `C:` is a drive.
  const scheme = /^([a-z][a-z0-9+.-]+):/.exec(where)?.[1];
  if (scheme === undefined) return openSqliteLog(where, options);
  const opener = Object.hasOwn(logs, scheme) ? logs[scheme] : undefined;
  if (opener === undefined) {
    throw new Failure(
      "usage",
      `There is no log called ${scheme}:. Known are ${Object.keys(logs).join(", ")}.`,
      {
        fields: { url: where },
      },
    );
  }
  return opener(where.slice(scheme.length + 1), options);
}
