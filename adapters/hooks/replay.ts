/**
 * Replay: what was spooled while no hub ran takes its effect, in order: edits are recorded, and claimed if
 * they are fresh and free; where another holds the file by now, both are told.
 */
import type { Client } from "../../core/client/client.ts";
import { limits } from "../../core/limits.ts";
import { judge } from "./edits.ts";
import { UNCLAIMED } from "./effects.ts";
import { named } from "./frame.ts";
import type { Policies } from "./policy.ts";
import { EDIT } from "./record.ts";
import { standing } from "./sentences.ts";
import type { Session } from "./sessions.ts";
import type { Spooled } from "./spool.ts";
import { spotsOf } from "./spots.ts";

/** Lets one event take its effect; what its agent should know of it is added to what it is told next. */
export async function replay(
  session: Session,
  client: Client,
  policies: Policies,
  { id, atMs, event }: Spooled,
): Promise<void> {
  if (event.moment !== "after" && event.moment !== "batch") return;
  const paths = event.tools.filter(({ kind }) => kind === "edit").flatMap((tool) => tool.paths);
  const spots = spotsOf(paths.slice(0, limits.hookEffectsMax), event.cwd);
  const isFresh = Date.now() - atMs < limits.hookLeaseMs;
  const judged = isFresh ? await judge(client, session, policies, spots) : undefined;
  const obstacles = [...(judged?.denied ?? []), ...(judged?.warned ?? [])];
  const held = new Map(obstacles.map((obstacle) => [obstacle.path, obstacle]));
  const options = (part: string) => ({ submission: `${id}:${part}`, timeoutMs: limits.hookCallMs });
  const shown = spots.slice(0, limits.hookReportFiles);
  for (const [i, { root, path }] of shown.entries()) {
    const holder = held.get(path);
    const kind = holder === undefined ? EDIT : UNCLAIMED;
    const whose = holder === undefined ? "" : `, held by ${holder.holder} as ${holder.claim}`;
    const text = `while no hub ran, in ${root}${whose}`;
    await client.call("activity.log", { kind, path, text }, options(`edit${i}`));
  }
  const holders = [...new Set(obstacles.map(({ holder }) => holder))];
  for (const to of holders) {
    const files = obstacles.filter(({ holder }) => holder === to).map(({ path }) => named(path));
    const which = files.slice(0, limits.hookReportFiles).join(", ");
    const what = `${client.agent} edited files you hold while no hub ran`;
    const body = `${what}: ${which}. Look at them before you go on.`;
    await client.call("message.post", { to, kind: "notice", body }, options(`to ${to}`.slice(0, 60)));
  }
  if (obstacles.length > 0) {
    session.unsaid.push(`While no hub ran you edited what another holds: ${standing(obstacles, Date.now())}`);
  }
}
