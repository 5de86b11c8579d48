/**
 * `compact`: has old entries dropped, and waits until they are.
 */
import type { Caller } from "../../core/client/visit.ts";
import { usage } from "./arguments.ts";
import { exits, type Run } from "./command.ts";
import { formatSpan } from "./durations.ts";
import { horizonOf } from "./past.ts";
import { reaching } from "./reach.ts";

/** Writing and reading back two snapshots may take a while. */
const PATIENCE_MS = 60_000;
const POLL_MS = 100;

export const compactVerb: Run = (command) =>
  reaching(command, "operate", async ({ client }) => {
    const { args, out } = command;
    const keepMs =
      args.durationMs("keep") ?? usage("--keep is missing: how young must entries be to stay? e.g. 30d");
    const before = await horizon(client);
    const oldest = (await client.call("log.read", { after: before, limit: 1 })).items[0];
    const { seq } = await client.call("log.compact", { keepMs });
    const [order] = (await client.call("log.read", { after: seq - 1, limit: 1 })).items;
    const event = order?.events.find(({ type }) => type === "log.compacted") as
      | { beforeMs?: number }
      | undefined;
    const beforeMs = event?.beforeMs ?? Number.NEGATIVE_INFINITY;
    const hasOld = oldest !== undefined && oldest.atMs < beforeMs;
    const now = hasOld ? await moved(client, before) : before;
    const said = { seq, horizon: now, dropped: now - before };
    if (now > before) {
      out.data(said, () => `Entries through ${now} are dropped, ${now - before} of them.`);
    } else if (!hasOld) {
      out.data(
        said,
        () => `Nothing is older than ${formatSpan(keepMs)}; the log begins with entry ${now + 1}.`,
      );
    } else {
      out.data(said, () => `The log still begins with entry ${now + 1}.`);
      out.say("Nothing was dropped yet: it is done once two snapshots hold it; see what the hub reports.");
    }
    return exits.ok;
  });

/** The last entry that is dropped; 0 while none is. */
async function horizon(client: Caller): Promise<number> {
  try {
    await client.call("log.read", { after: 0, limit: 1 });
    return 0;
  } catch (error) {
    const seq = horizonOf(error);
    if (seq === undefined) throw error;
    return seq;
  }
}

/** Waits until the horizon has moved and stands still, or patience ends; where it is then. */
async function moved(client: Caller, from: number): Promise<number> {
  const untilMs = performance.now() + PATIENCE_MS;
  for (let last = from; ; ) {
    const now = await horizon(client);
    if ((now > from && now === last) || performance.now() >= untilMs) return now;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
