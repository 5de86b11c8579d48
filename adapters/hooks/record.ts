/**
 * Record: the edits of agents among the activities, a file once in a while.
 */
import type { Client } from "../../core/client/client.ts";
import { limits } from "../../core/limits.ts";
import { call } from "./automatic.ts";
import { quoted } from "./frame.ts";
import type { Session } from "./sessions.ts";
import type { Spot } from "./spots.ts";

/** The kind under which edits are found among the activities. */
export const EDIT = "edit";

/** Records that a tool wrote these files. */
export async function recordEdits(
  session: Session,
  client: Client,
  tool: string,
  spots: readonly Spot[],
  nowMs: number,
): Promise<void> {
  const fresh = spots.filter(({ root, path }) => {
    const lastMs = session.recorded.get(`${root}\0${path}`) ?? Number.NEGATIVE_INFINITY;
    return nowMs - lastMs >= limits.hookActivityMs;
  });
  for (const { root, path } of fresh) {
    const key = `${root}\0${path}`;
    session.recorded.delete(key);
    session.recorded.set(key, nowMs);
    const [oldest] = session.recorded.keys();
    if (session.recorded.size > limits.hookSessionsMax && oldest !== undefined)
      session.recorded.delete(oldest);
  }
  const shown = fresh.slice(0, limits.hookReportFiles);
  const logged = shown.map(({ root, path }) =>
    call(client, "activity.log", { kind: EDIT, path, text: `${quoted(tool, 60)} in ${root}` }),
  );
  const rest = fresh.length - shown.length;
  if (rest > 0) {
    const text = `${quoted(tool, 60)} of ${rest} more files in ${shown[0]?.root ?? ""}`;
    logged.push(call(client, "activity.log", { kind: EDIT, text }));
  }
  await Promise.all(logged);
}
