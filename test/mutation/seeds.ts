/**
 * `seeds.ts SEEDS STEPS`: simulates seed after seed, and ends with 1 at the first that breaks a promise.
 */
import { simulate } from "../simulation/simulation.ts";

const [seeds, steps] = process.argv.slice(2).map(Number) as [number, number];
for (let seed = 1; seed <= seeds; seed++) {
  const { verdict } = await simulate({ seed, steps });
  if (verdict === undefined) continue;
  console.log(`BROKEN seed ${seed}: ${verdict.split("\n")[0]}`);
  process.exit(1);
}
process.exit(0);
