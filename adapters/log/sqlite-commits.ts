/**
 * Where commits are made: on the calling thread, or in a worker that owns the connection they go through.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Place } from "./place.ts";
import type { SqliteFile } from "./sqlite-file.ts";
import type { WorkerAnswer, WorkerRequest, WorkerSettings } from "./sqlite-worker.ts";
import { type AppendOutcome, appendRow, type NewRow, witnessLog } from "./sqlite-writer.ts";

/** What makes an append durable, one after another. */
export interface Commits {
  /** `starting` is called when the row's turn has come. */
  append(row: NewRow, starting?: () => void): Promise<AppendOutcome>;
  /** Raises the witness; `false` when the write lock was taken. */
  witness(): Promise<boolean>;
  where(): "inline" | "worker";
  close(): Promise<void>;
}

/**
 * The worker's file: beside this one in the sources and in `dist`, in `../adapters/log` from a bundle in
 * `dist/bin`;
 * `undefined` when it was not shipped.
 */
function findWorker(): URL | undefined {
  for (const path of ["./sqlite-worker.ts", "./sqlite-worker.js", "../adapters/log/sqlite-worker.js"]) {
    const url = new URL(path, import.meta.url);
    if (url.protocol === "file:" && existsSync(fileURLToPath(url))) return url;
  }
  return undefined;
}

/** Starts the worker; from the sources it is TypeScript, which only newer runtimes read by themselves. */
function startWorker(url: URL, workerData: WorkerSettings): Worker {
  const native = (process as { features: { typescript?: unknown } }).features.typescript;
  if (!url.pathname.endsWith(".ts") || native) return new Worker(url, { workerData, execArgv: [] });
  const tsx = new URL("./esm/api/index.mjs", pathToFileURL(createRequire(import.meta.url).resolve("tsx")));
  const code = `import("${tsx.href}").then(({ tsImport }) => tsImport("${url.href}", "${import.meta.url}"));`;
  return new Worker(code, { eval: true, workerData, execArgv: [] });
}

/** A running worker. */
class LogWorker {
  readonly #worker: Worker;
  readonly #waiting: { resolve: (answer: WorkerAnswer) => void; reject: (error: unknown) => void }[] = [];
  readonly #exited: Promise<void>;
  #broken: Error | undefined;
  #closing = false;

  constructor(url: URL, settings: WorkerSettings) {
    this.#worker = startWorker(url, settings);
    this.#worker.on("message", (answer: WorkerAnswer) => {
      this.#waiting.shift()?.resolve(answer);
      if (this.#waiting.length === 0 && !this.#closing) this.#worker.unref();
    });
    this.#worker.on("error", (error) => this.#break(error as Error));
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", () => {
        this.#break(new Error("the worker has ended"));
        resolve();
      });
    });
    this.#worker.unref();
  }

  ask(request: WorkerRequest): Promise<WorkerAnswer> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.ref();
      const transfer = request.ask === "append" ? [request.row.bytes.buffer as ArrayBuffer] : [];
      this.#worker.postMessage(request, transfer);
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#worker.ref();
    this.#worker.postMessage({ ask: "close" } satisfies WorkerRequest);
    await this.#exited;
  }

  #break(error: Error): void {
    this.#broken ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

/** Where and how to commit. */
export interface CommitSettings {
  readonly db: SqliteFile;
  readonly place: Place;
  readonly full: boolean;
  /** Where the worker's file is; `undefined`: where it is shipped. */
  readonly workerUrl: URL | undefined;
}

function settingsOf({ place, full }: CommitSettings): WorkerSettings {
  return { holdfastLog: true, place, full };
}

/** Counts what goes to the write-ahead log, and has a worker bring it home when it is much. */
class Homing {
  readonly #settings: CommitSettings;
  #worker: LogWorker | undefined;
  #bytes = 0;
  #running = false;

  constructor(settings: CommitSettings) {
    this.#settings = settings;
  }

  /** A row of so many bytes was written, through this worker if one is given. */
  wrote(bytes: number, worker?: LogWorker): void {
    this.#bytes += bytes + 3 * 4096;
    if (this.#bytes < limits.checkpointBytes || this.#running) return;
    const url = this.#settings.workerUrl ?? findWorker();
    if (worker === undefined && url === undefined) return;
    this.#bytes = 0;
    this.#running = true;
    if (worker === undefined && url !== undefined)
      this.#worker ??= new LogWorker(url, settingsOf(this.#settings));
    (worker ?? this.#worker)
      ?.ask({ ask: "checkpoint" })
      .catch(() => {
        // SQLite's own checkpoint still bounds the file; another worker is tried next time.
        this.#worker = undefined;
      })
      .finally(() => {
        this.#running = false;
      });
  }

  async close(): Promise<void> {
    await this.#worker?.close();
  }
}

/** Commits on the calling thread, which waits for the disk. */
export function inlineCommits(settings: CommitSettings): Commits {
  const { db, place } = settings;
  const homing = new Homing(settings);
  let turnTaken = false;
  return {
    async append(row, starting) {
      // What arrived while the last commit held the thread has its turn first.
      if (turnTaken) await new Promise((resolve) => setImmediate(resolve));
      turnTaken = true;
      setImmediate(() => {
        turnTaken = false;
      });
      starting?.();
      const outcome = appendRow(db, row);
      if (outcome.kind === "appended") homing.wrote(row.bytes.length);
      return outcome;
    },
    witness: async () => witnessLog(db, place),
    where: () => "inline",
    close: () => homing.close(),
  };
}

/** Commits in a worker; the calling thread stays free while the disk works. */
export function workerCommits(settings: CommitSettings): Commits {
  const url = settings.workerUrl ?? findWorker();
  if (url === undefined) return inlineCommits(settings);
  const homing = new Homing(settings);
  const worker = new LogWorker(url, settingsOf(settings));
  const ask = async (request: WorkerRequest): Promise<WorkerAnswer> => {
    let answer: WorkerAnswer;
    try {
      answer = await worker.ask(request);
    } catch (error) {
      throw unknownOutcome(settings.place.file, error);
    }
    if (!("failure" in answer)) return answer;
    const { code, message, definite, fields } = answer.failure;
    throw new Failure(code, message, { definite, fields });
  };
  return {
    async append(row) {
      const own = Uint8Array.prototype.slice.call(row.bytes);
      const size = own.length;
      const answer = await ask({ ask: "append", row: { ...row, bytes: own } });
      const { outcome } = answer as { outcome: AppendOutcome };
      if (outcome.kind === "appended") homing.wrote(size, worker);
      return outcome;
    },
    async witness() {
      return ((await ask({ ask: "witness" })) as { done: boolean }).done;
    },
    where: () => "worker",
    close: () => worker.close(),
  };
}

/**
 * Commits on the calling thread as long as the disk is quick, which spares the way to another thread; once
 * commits take long on average a worker makes them, so that the calling thread is free again.
 */
export function adaptiveCommits(settings: CommitSettings): Commits {
  const inline = inlineCommits(settings);
  let commits = inline;
  let averageMs = 0;
  return {
    async append(row) {
      if (commits !== inline) return commits.append(row);
      let startedMs = 0;
      const outcome = await inline.append(row, () => {
        startedMs = performance.now();
      });
      averageMs += (performance.now() - startedMs - averageMs) * 0.1;
      if (averageMs > limits.slowCommitMs) commits = workerCommits(settings);
      return outcome;
    },
    witness: () => commits.witness(),
    where: () => commits.where(),
    async close() {
      if (commits !== inline) await commits.close();
      await inline.close();
    },
  };
}

function unknownOutcome(file: string, cause: unknown): Failure {
  return new Failure(
    "log.unknown-outcome",
    `Whether the entries are in ${file} is not known: ${(cause as Error).message}. Reopen the log and read it.`,
    { definite: false, fields: { file }, cause },
  );
}
