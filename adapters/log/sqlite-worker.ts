/**
 * The worker of a log: commits in a thread of its own, and brings the write-ahead log home beside the
 * writers.
 */
import { parentPort, workerData } from "node:worker_threads";
import { Failure, type FailureCode } from "../../core/failures.ts";
import type { Place } from "./place.ts";
import { openDriver } from "./sqlite-driver.ts";
import { SqliteFile } from "./sqlite-file.ts";
import { type AppendOutcome, appendRow, checkpoint, type NewRow, witnessLog } from "./sqlite-writer.ts";

/** What the worker is started with. */
export interface WorkerSettings {
  readonly holdfastLog: true;
  readonly place: Place;
  readonly full: boolean;
}

/** What the worker is asked; every request has one answer, in order. */
export type WorkerRequest =
  | { readonly ask: "append"; readonly row: NewRow }
  | { readonly ask: "witness" }
  | { readonly ask: "checkpoint" }
  | { readonly ask: "close" };

export type WorkerAnswer =
  | { readonly outcome: AppendOutcome }
  | { readonly done: boolean }
  | { readonly failure: WorkerFailure };

/** A failure as it travels between threads. */
export interface WorkerFailure {
  readonly code: FailureCode;
  readonly message: string;
  readonly definite: boolean;
  readonly fields: { readonly [name: string]: unknown };
}

function describe(error: unknown): WorkerFailure {
  if (error instanceof Failure) {
    const { code, message, definite, fields } = error;
    return { code, message, definite, fields };
  }
  return { code: "log.unusable", message: String(error), definite: false, fields: {} };
}

async function serve({ place, full }: WorkerSettings): Promise<void> {
  const port = parentPort;
  if (port === null) return;
  const db = await SqliteFile.open(place.file, {
    openDriver,
    readOnly: false,
    create: false,
    full,
    autocheckpoint: 0,
  });
  const answer = (request: WorkerRequest): WorkerAnswer => {
    switch (request.ask) {
      case "append":
        return { outcome: appendRow(db, request.row) };
      case "witness":
        return { done: witnessLog(db, place) };
      case "checkpoint":
        checkpoint(db);
        return { done: true };
      case "close":
        db.close();
        port.close();
        return { done: true };
    }
  };
  port.on("message", (request: WorkerRequest) => {
    let reply: WorkerAnswer;
    try {
      reply = answer(request);
    } catch (error) {
      reply = { failure: describe(error) };
    }
    if (request.ask !== "close") port.postMessage(reply);
  });
}

if ((workerData as WorkerSettings | null)?.holdfastLog === true) await serve(workerData as WorkerSettings);
