/**
 * The logs there are: scheme -> opener, one line each.
 */
import type { Clock } from "../../core/ports/clock.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import { openMemoryLog } from "./memory.ts";

export { MemoryLog, openMemoryLog } from "./memory.ts";

/** What an opener may be told; each log takes what concerns it. */
export interface OpenLogOptions {
  readonly clock?: Clock;
}

/** Opens a log given what stands behind the scheme. */
export type LogOpener = (rest: string, options: OpenLogOptions) => Promise<EventLog>;

/** Every log, by the scheme of its URL. */
export const logs: { readonly [scheme: string]: LogOpener } = {
  memory: (name, options) => openMemoryLog(name === "" ? undefined : name, options),
};
