/**
 * `npm run soak -- --minutes N [--seed S] [--steady] [--heap MIB]`: prints each sample, records how memory, descriptors, state and disk went.
 * Ends with 1 when one of them did not level off, or the log is damaged.
 */
import { parseArgs } from "node:util";
import { record } from "./record.ts";
import { soak } from "./soak.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    seed: { type: "string", default: "1" },
    steady: { type: "boolean", default: false },
    heap: { type: "string" },
  },
});
const minutes = Number(values.minutes);
const { samples, counts, level, wrong } = await soak({
  minutes,
  seed: Number(values.seed),
  say: console.log,
  steady: values.steady,
  ...(values.heap === undefined ? {} : { heapMiB: Number(values.heap) }),
});
const rising = Object.entries(level).filter(([, { ok }]) => !ok);
if (values.steady && counts.restarts + counts.kills > 0) wrong.push("it was restarted after all");
for (const words of wrong.slice(0, 20)) console.error(words);
const told = Object.entries(level).map(([name, { before, after }]) => `${name} ${before} → ${after}`);
const ok = wrong.length === 0 && rising.length === 0;
record(
  `soak${values.steady ? ", never restarted" : ""}${values.heap === undefined ? "" : `, heap of ${values.heap} MiB`}, seed ${values.seed}: ${minutes} minutes, ${samples.length} samples, ${JSON.stringify(counts)}`,
  `second quarter → last: ${told.join(", ")}: ${ok ? "level" : `WRONG: ${[...wrong, ...rising.map(([name]) => name)].length}`}`,
);
process.exit(ok ? 0 : 1);
