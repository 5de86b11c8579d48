/**
 * `npm run torture:linear -- [--histories N] [--ops M] [--seed S] [--minutes T] [--patience P]`: judges histories of real hubs, prints
 * what was wrong, and records what was run. Ends with 1 when anything was.
 */
import { parseArgs } from "node:util";
import { linear } from "./linear.ts";
import { record } from "./record.ts";

const { values } = parseArgs({
  options: {
    histories: { type: "string", default: "200" },
    ops: { type: "string", default: "500" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
    minutes: { type: "string" },
    patience: { type: "string", default: "1" },
  },
});
const [histories, ops, seed] = [Number(values.histories), Number(values.ops), Number(values.seed)];
const startedMs = performance.now();
const report = await linear({
  histories,
  ops,
  seed,
  patience: Number(values.patience),
  ...(values.minutes === undefined ? {} : { minutes: Number(values.minutes) }),
  say: (words) => console.error(words),
});
const { bad, ...counts } = report;
for (const words of bad) console.error(words);
const seconds = Math.round((performance.now() - startedMs) / 1000);
record(
  `linearizability, seed ${seed}: ${report.histories} histories × ${ops} operations, ${seconds} s`,
  `${bad.length === 0 ? "all linearizable" : `${bad.length} WRONG`}; ${JSON.stringify(counts)}`,
);
process.exit(bad.length === 0 ? 0 : 1);
