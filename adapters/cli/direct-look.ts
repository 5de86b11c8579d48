/**
 * Looking at a log without a hub: it is read, and nothing is written.
 */
import { existsSync } from "node:fs";
import { Refused } from "../../core/client/refused.ts";
import type { Caller } from "../../core/client/visit.ts";
import { glance } from "../../core/engine/glance.ts";
import { Failure } from "../../core/failures.ts";
import type { Rejection } from "../../core/model/slice.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import { openMemoryLog } from "../log/memory.ts";
import { openSqliteLog, SqliteLog } from "../log/sqlite.ts";
import { rememberStatus } from "../node/status-file.ts";

/** Answers questions from the log in `file`; without one as a log that has no entries yet would. */
export async function lookDirectly(
  file: string | undefined,
  agent: string,
): Promise<Caller & { remember(): void }> {
  const log = file === undefined ? await openMemoryLog() : await openToLook(file);
  try {
    const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const { fold, answer } = await glance({ log, agent, pause });
    const send = async (method: string, params: object): Promise<object> => {
      const answered = await answer(method, params);
      if ("rejection" in answered) throw new Refused(answered.rejection as Rejection);
      return answered;
    };
    return {
      log: fold.state.log.log,
      seq: fold.seq,
      /** Keeps what a later `status` asks. */
      remember: () => {
        if (log instanceof SqliteLog) rememberStatus(log, fold, agent);
      },
      durable: log.durability,
      send,
      call: (method, params) => send(method, params) as never,
      close: () => log.close(),
    };
  } catch (error) {
    await log.close();
    throw error;
  }
}

/** The log in a file; one without entries while somebody is just making it. */
async function openToLook(file: string): Promise<EventLog> {
  try {
    return await openSqliteLog(file, { readOnly: true });
  } catch (error) {
    if (!(error instanceof Failure) || error.fields.empty !== true) throw error;
    // With a witness there was a log: either it is made by now, or its content is gone, which is then said.
    return existsSync(`${file}.witness`) ? openSqliteLog(file, { readOnly: true }) : openMemoryLog();
  }
}
