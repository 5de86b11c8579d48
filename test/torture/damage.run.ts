/**
 * `npm run torture:damage -- [--times N] [--seed S]`: damages copies of a log in all its files. Ends with 1 when any
 * damage was folded, or refused without a reason.
 */
import { parseArgs } from "node:util";
import { damageAll } from "./damage.ts";
import { record } from "./record.ts";

const { values } = parseArgs({
  options: { times: { type: "string", default: "2000" }, seed: { type: "string", default: "1" } },
});
const { done, found, wrong } = await damageAll(Number(values.times), Number(values.seed));
for (const words of wrong) console.error(words);
console.log(Object.fromEntries(Object.entries(found).sort()));
record(
  `damage to log, WAL, snapshots, witness, seed ${values.seed}: ${done} flips, cuts, swaps, old copies`,
  wrong.length === 0 ? "each noticed or without effect" : `${wrong.length} WRONG`,
);
process.exit(wrong.length === 0 ? 0 : 1);
