/**
 * Keeping a feed file beside a hub: what is in the log, then what comes, redacted unless told otherwise.
 */
import type { Engine } from "../../core/engine/engine.ts";
import { Failure } from "../../core/failures.ts";
import { redacted } from "../../core/model/model.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import { type FeedOptions, openFeedWriter } from "../../transports/ndjson/feed-writer.ts";

/** Which file, how large, and whether direct messages are shown. */
export interface ServeFeedOptions extends Omit<FeedOptions, "log" | "head"> {
  /** Hears that the feed stopped; the hub goes on without. */
  readonly report?: (error: unknown) => void;
}

/** A feed that is being written. */
export interface ServedFeed {
  /** Writes what is durable by now, then closes the file. */
  close(): Promise<void>;
}

/** Starts a feed where it stopped. Throws `usage` (`fields.taken`) while another process writes it. */
export async function serveFeed(
  engine: Engine,
  log: EventLog,
  options: ServeFeedOptions,
): Promise<ServedFeed> {
  const { report, ...rest } = options;
  const writer = await openFeedWriter({ ...rest, log: engine.state().log.log, head: engine.head() });
  let cursor = writer.seq ?? 0;
  let closing = false;
  let wake: () => void = () => undefined;
  const subscription = engine.entries$.subscribe(() => wake());
  // Whoever reads the file is nobody in particular.
  const reader = () => ({ agent: "", nowMs: engine.nowMs(), operator: options.full === true, guarded: true });
  const catchUp = async (): Promise<void> => {
    try {
      for await (const entries of log.read(cursor)) {
        const shown = options.full === true ? entries : entries.map((entry) => redacted(entry, reader()));
        await writer.append(shown);
        cursor = entries.at(-1)?.seq ?? cursor;
      }
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== "log.horizon") throw error;
      cursor = await log.horizon();
    }
  };
  const run = async (): Promise<void> => {
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const last = closing;
      await catchUp();
      if (last) return;
      if (engine.head() <= cursor && !closing) await woken;
    }
  };
  const running = run()
    .catch((error: unknown) => report?.(error))
    .finally(() => writer.close());
  return {
    async close() {
      closing = true;
      subscription.unsubscribe();
      wake();
      await running;
    },
  };
}
