/**
 * A process of its own that appends to a log, for `sqlite.test.ts`: `FILE NAME COUNT|MILLISECONDSms`.
 *
 * Says `ready`, waits for a line on standard input, appends entries of its own, and says the seq of each append it was
 * told is durable.
 */
import { openSqliteLog } from "../../adapters/log/index.ts";
import { entriesAfter } from "../contracts/event-log.ts";

const [file, name, much] = process.argv.slice(2) as [string, string, string];
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
  if (!outcome.appended) continue;
  won++;
  process.stdout.write(`${outcome.seq}\n`);
}
await log.close();
process.exit(0);
