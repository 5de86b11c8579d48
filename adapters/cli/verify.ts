/**
 * `verify`: every stored byte of the log, then whether it replays.
 */
import { resolve } from "node:path";
import { Failure } from "../../core/failures.ts";
import { verifyLog } from "../log/verify.ts";
import { openEngineOnLog } from "../node/engine.ts";
import { exits, type Run } from "./command.ts";
import { placeOf } from "./reach.ts";
import { safeText } from "./render.ts";

export const verifyVerb: Run = async (command) => {
  const { args, out, cwd } = command;
  const named = args.words[0];
  const file = named === undefined ? placeOf(command).file : resolve(cwd, named.replace(/^sqlite:/, ""));
  const report = await verifyLog(file);
  const problems = [...report.problems];
  if (report.ok) {
    try {
      const { close } = await openEngineOnLog({ log: `sqlite:${file}`, open: { readOnly: true } });
      await close();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      problems.push({ code: error.code, message: error.message });
    }
  }
  const ok = problems.length === 0;
  out.data({ ...report, ok, problems }, () => {
    const lines = [
      `${report.file}: ${ok ? "sound" : "NOT SOUND"}`,
      `entries ${report.entries}, from ${report.horizon + 1} to ${report.head}, in ${report.appends} appends`,
      `hash    ${report.hash}`,
    ];
    if (report.snapshots.length > 0)
      lines.push(`snapshots at ${report.snapshots.map(({ seq }) => seq).join(", ")}`);
    for (const { afterSeq, throughSeq } of report.holes)
      lines.push(`accepted loss: ${afterSeq + 1} to ${throughSeq}`);
    for (const problem of problems) lines.push(`${problem.code}: ${problem.message}`);
    return safeText(lines.join("\n"));
  });
  return ok ? exits.ok : exits.failed;
};
