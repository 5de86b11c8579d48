/**
 * `npm run torture:faults -- [--every N] [--minutes M]`: each fault point of fsync, fdatasync, writes, truncations and
 * renames in turn, with each kind of harm. Ends with 1 when anything acknowledged was lost, or worse.
 */
import { parseArgs } from "node:util";
import { cannotPreload, FaultRig, harms } from "./disk-faults.ts";
import { record } from "./record.ts";

const { values } = parseArgs({
  options: { every: { type: "string", default: "1" }, minutes: { type: "string", default: "60" } },
});
const reason = cannotPreload();
if (reason !== undefined) {
  console.log(`Skipped: ${reason}.`);
  process.exit(0);
}
const rig = new FaultRig();
const untilMs = performance.now() + Number(values.minutes) * 60_000;
const counts: Record<string, number> = {};
const bad: string[] = [];
let [runs, points] = [0, 0];
try {
  const calls = await rig.calls();
  console.log(`${calls.length} calls change the disk`);
  for (let at = 1; at <= calls.length && performance.now() < untilMs; at += Number(values.every)) {
    points++;
    for (const harm of harms) {
      const call = calls[at - 1]?.split(" ")[1] ?? "";
      if (harm === "torn" && !call.startsWith("write") && !call.startsWith("pwrite")) continue;
      const { wrong, ended, codes } = await rig.run(harm, at);
      runs++;
      const key = `${harm}: ${ended}${codes.length === 0 ? "" : ` (${codes.join(", ")})`}`;
      counts[key] = (counts[key] ?? 0) + 1;
      if (wrong.length > 0) {
        bad.push(`${harm} at ${calls[at - 1]}: ${wrong.join("; ")}`);
        console.error(bad.at(-1));
      }
    }
  }
  console.log(counts);
  const what = `fault points of the disk: ${points} of ${calls.length}, ${runs} runs`;
  record(
    what,
    bad.length === 0 ? "nothing acknowledged was lost, every one serves again" : `${bad.length} WRONG`,
  );
} finally {
  rig.dispose();
}
process.exit(bad.length === 0 ? 0 : 1);
