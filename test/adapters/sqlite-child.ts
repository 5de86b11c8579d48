/**
 * A process of its own that appends to a log, for its tests: `FILE NAME COUNT|MILLISECONDSms [BUSYMS]`.
 *
 * Says `ready`, waits for a line on standard input, appends entries of its own (working for BUSYMS after each lost
 * race), and says the seq of each append it was told is durable.
 */
import { openSqliteLog } from "../../adapters/log/index.ts";
import { entriesAfter } from "../contracts/event-log.ts";

const [file, name, much, busy] = process.argv.slice(2) as [string, string, string, string?];
const log = await openSqliteLog(file);
process.stdout.write("ready\n");
await new Promise((resolve) => process.stdin.once("data", resolve));
const untilMs = much.endsWith("ms")
  ? performance.now() + Number.parseInt(much, 10)
  : Number.POSITIVE_INFINITY;
const count = much.endsWith("ms") ? Number.POSITIVE_INFINITY : Number(much);
for (let won = 0; won < count && performance.now() < untilMs; ) {
  const head = await log.head();
  const outcome = await log.append(entriesAfter(head, 2, name), head);
  if (!outcome.appended) {
    // As an engine does: reads what it missed, and decides again.
    for await (const _ of log.read(head));
    for (const untilMs = performance.now() + Number(busy ?? 0); performance.now() < untilMs; );
    continue;
  }
  won++;
  process.stdout.write(`${outcome.seq}\n`);
}
await log.close();
process.exit(0);
