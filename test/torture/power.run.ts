/**
 * `npm run torture:power -- [--cuts N] [--kills N] [--seed S] [--minutes M]`: power cuts and kills under load. Ends with
 * 1 when anything acknowledged was lost.
 */
import { parseArgs } from "node:util";
import { cannotMount, kills, type PowerReport, powerCuts } from "./power.ts";
import { record } from "./record.ts";

const { values } = parseArgs({
  options: {
    cuts: { type: "string", default: "100" },
    kills: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "60" },
  },
});
const [seed, minutes] = [Number(values.seed), Number(values.minutes)];
let failed = false;
function tell(what: string, { done, acknowledged, wrong }: PowerReport): void {
  for (const words of wrong.slice(0, 20)) console.error(words);
  failed ||= wrong.length > 0;
  const outcome = wrong.length === 0 ? "nothing lost, every one serves again" : `${wrong.length} WRONG`;
  record(`${done} ${what}, seed ${seed}`, `${acknowledged} acknowledged: ${outcome}`);
}
if (Number(values.kills) > 0)
  tell("kills with -9 under load", await kills(Number(values.kills), seed, minutes));
const reason = cannotMount();
if (reason !== undefined) console.log(`No power cuts: ${reason}.`);
else if (Number(values.cuts) > 0) {
  tell(
    "power cuts (copies of a mounted ext4 image)",
    await powerCuts(Number(values.cuts), seed, { minutes }),
  );
}
process.exit(failed ? 1 : 0);
