/**
 * The embedded engine: core's engine on a log of this machine, with this machine's clock and chance.
 */
import { type Engine, openEngine as openCoreEngine } from "../../core/engine/engine.ts";
import type { EngineOptions } from "../../core/engine/options.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import { openLog } from "../log/index.ts";
import { findFences } from "./fences.ts";
import { sha256 } from "./hash.ts";
import { keepStatus } from "./status-file.ts";
import { systemChance, systemClock } from "./system.ts";

/** How to open a log in a file. */
export interface OpenLogOptions {
  /** Make the log when there is none. Default: yes. */
  readonly create?: boolean;
  /** Default `full`: an acknowledged entry survives power loss. `relaxed`: the death of the process only. */
  readonly durability?: "full" | "relaxed";
  /** Open a log that lost entries, and go on behind a gap in the numbers (LO8). */
  readonly acceptLoss?: boolean;
  /**
   * Where commits are made. Default: inline, which is faster, until the disk proves slow; then in a worker.
   */
  readonly commits?: "inline" | "worker";
  /** Open for reading only. */
  readonly readOnly?: boolean;
}

/** How to open an embedded engine. */
export interface NodeEngineOptions extends Partial<Omit<EngineOptions, "log" | "acceptedLoss">> {
  /** `sqlite:FILE`, the path of a file, `memory:`, or a log that is open already. */
  readonly log: string | EventLog;
  /** How to open the log; ignored for one that is open. */
  readonly open?: OpenLogOptions;
}

/** An engine and the log it stands on. */
export interface EngineOnLog {
  readonly engine: Engine;
  readonly log: EventLog;
  /** Closes the engine, then the log if it was opened here. Calling it again does nothing. */
  close(): Promise<void>;
}

/**
 * Opens an engine on a log, which is made when there is none. Throws what opening the log throws
 * (`log.format`, `log.rolled-back`, `log.damaged`, `log.unusable`, `usage`) and what recovery throws
 * (`fold.failed`).
 */
export async function openEngineOnLog(options: NodeEngineOptions): Promise<EngineOnLog> {
  const { log: where, open, ...rest } = options;
  const log = typeof where === "string" ? await openLog(where, open ?? {}) : where;
  const own = typeof where === "string";
  try {
    const acceptedLoss = log.lost?.afterSeq;
    const engine = await openCoreEngine({
      clock: systemClock,
      chance: systemChance,
      hash: sha256,
      fences: findFences,
      ...rest,
      log,
      ...(acceptedLoss === undefined ? {} : { acceptedLoss }),
    });
    const end = engine.close.bind(engine);
    const kept = keepStatus(engine, log);
    let closing: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      await end();
      kept.stop();
      if (own) await log.close();
    };
    return { engine, log, close: () => (closing ??= close()) };
  } catch (error) {
    if (own) await log.close();
    throw error;
  }
}

/**
 * Opens an engine in this process; `close` also closes the log, if it was named and not given. Throws as
 * `openEngineOnLog`.
 */
export async function openEngine(options: NodeEngineOptions): Promise<Engine> {
  const { engine, close } = await openEngineOnLog(options);
  engine.close = close;
  return engine;
}
