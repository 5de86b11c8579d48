/**
 * `seeds.ts A..B STEPS`: simulates seed after seed, and ends with 1 at the first that breaks a promise.
 */
import { simulate } from "../simulation/simulation.ts";

const [seeds = "1", steps] = process.argv.slice(2);
const [from = 1, to = from] = seeds.split("..").map(Number);
for (let seed = from; seed <= to; seed++) {
  const { verdict } = await simulate({ seed, steps: Number(steps) });
  if (verdict === undefined) continue;
  console.log(`BROKEN seed ${seed}: ${verdict.split("\n")[0]}`);
  process.exit(1);
}
process.exit(0);
