/**
 * Edits: whether an agent may write certain paths now, and the claim that makes it so.
 */
import type { Client } from "../../core/client/client.ts";
import type { Grant } from "../../core/client/methods.ts";
import { Refused } from "../../core/client/refused.ts";
import { limits } from "../../core/limits.ts";
import type { ClaimView } from "../../core/model/claim-queries.ts";
import { AUTOMATIC, type AutomaticClaims, call, type Wanted } from "./automatic.ts";
import { named } from "./frame.ts";
import type { Policies } from "./policy.ts";
import type { Obstacle } from "./sentences.ts";
import type { Spot } from "./spots.ts";

/** How an edit was judged. */
export interface Judged {
  /** What stands in the way and refuses. Empty: the edit may go on, and what it writes is claimed. */
  readonly denied: readonly Obstacle[];
  /** What stands in the way where the policy only warns. */
  readonly warned: readonly Obstacle[];
  /** Claims in other worktrees that will meet it at merge. */
  readonly nearby: readonly string[];
}

/** Who edits. */
export interface Self {
  readonly agent: string;
  /** The session whose subagent it is. */
  readonly parent?: string | undefined;
  readonly automatic: AutomaticClaims;
}

/** A spot with what covers it. */
export interface Covered {
  readonly spot: Spot;
  readonly mine: readonly ClaimView[];
  /** What refuses it. */
  readonly theirs: readonly ClaimView[];
}

/**
 * Judges an edit of all of these spots together: all of them are claimed, or none. Folders are held against
 * claims but not claimed themselves, for nobody could work beside them.
 */
export async function judge(
  client: Client,
  self: Self,
  policies: Policies,
  spots: readonly Spot[],
): Promise<Judged> {
  const meant = spots.filter(
    ({ root, path, isFolder }) => policies.of(root).measure(path, isFolder) !== "off",
  );
  const covered = await Promise.all(meant.map((spot) => coverOf(client, self, spot)));
  const denied: Obstacle[] = [];
  const warned: Obstacle[] = [];
  for (const { spot, theirs } of covered) {
    for (const claim of theirs.slice(0, 1))
      sort(policies, spot, obstacleOf(spot.path, claim), denied, warned);
  }
  if (denied.length > 0) return { denied, warned, nearby: [] };
  const wanted = wantedOf(self.agent, covered, policies);
  if (wanted.length === 0) return { denied, warned, nearby: [] };
  try {
    const grants = await self.automatic.take(client, wanted);
    return { denied, warned, nearby: nearbyOf(grants) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    for (const obstacle of await obstaclesOf(client, error, meant)) {
      const spot = meant.find(({ path }) => path === obstacle.path) ?? meant[0];
      if (spot !== undefined) sort(policies, spot, obstacle, denied, warned);
    }
    return { denied, warned, nearby: [] };
  }
}

/** What covers a spot, as far as it matters to the agent. */
export async function coverOf(client: Client, self: Self, spot: Spot): Promise<Covered> {
  const { root, path, isFolder } = spot;
  const where = isFolder ? { paths: [path] } : { files: [path] };
  const { items } = await call(client, "claims.covering", { worktree: root, ...where });
  const mine = items.filter(({ holder }) => isOwn(self, holder));
  const shares = mine.some(({ shared }) => shared);
  const theirs = items.filter((claim) => !isOwn(self, claim.holder) && !(claim.shared && shares));
  return { spot, mine, theirs };
}

/** Whether it may edit what `holder` holds: it is the same, or a subagent of it. */
export function isOwn({ agent, parent }: Self, holder: string): boolean {
  return holder === agent || holder === parent;
}

/** A claim in the way of a path. */
export function obstacleOf(path: string, claim: ClaimView): Obstacle {
  const { holder, epoch, remainingMs, note, task } = claim;
  return {
    path,
    claim: claim.claim,
    holder,
    epoch,
    remainingMs,
    ...(note === undefined ? {} : { note }),
    ...(task === undefined ? {} : { task }),
  };
}

function sort(
  policies: Policies,
  { root, path, isFolder }: Spot,
  obstacle: Obstacle,
  denied: Obstacle[],
  warned: Obstacle[],
): void {
  (policies.of(root).measure(path, isFolder) === "warn" ? warned : denied).push(obstacle);
}

/** What has to be claimed or renewed, by worktree and length of lease. */
function wantedOf(agent: string, covered: readonly Covered[], policies: Policies): readonly Wanted[] {
  const groups = new Map<string, Wanted & { readonly files: string[] }>();
  for (const { spot, mine, theirs } of covered) {
    const { root, path, isFolder } = spot;
    if (isFolder || theirs.length > 0) continue;
    const policy = policies.of(root);
    const isHot = policy.isHot(path);
    const ttlMs = isHot ? policy.hotLeaseMs : policy.leaseMs;
    // What was claimed on purpose, or by the session of a subagent, is renewed by whom it was.
    const lasts = ({ holder, note, remainingMs }: ClaimView) =>
      holder !== agent || note !== AUTOMATIC || remainingMs > ttlMs / 2;
    if (mine.some(lasts)) continue;
    const key = `${isHot} ${root}`;
    const group = groups.get(key) ?? { root, isHot, ttlMs, files: [] };
    if (group.files.length < limits.scopePathsMax) group.files.push(path);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** What a refusal to claim says stands in the way; nothing where it is no other agent. */
async function obstaclesOf(
  client: Client,
  { code, fields }: Refused,
  spots: readonly Spot[],
): Promise<readonly Obstacle[]> {
  if (code === "claim.overlap") {
    const conflicts = fields.conflicts as readonly (Omit<Obstacle, "path"> & { readonly mine: string })[];
    return Promise.all(
      conflicts.map(async ({ claim, holder, remainingMs, mine }) => {
        const [there] = (await call(client, "claims.list", { claim })).items;
        return there === undefined ? { path: mine, claim, holder, remainingMs } : obstacleOf(mine, there);
      }),
    );
  }
  if (code !== "claim.queued-ahead") return [];
  const { agent, theirs } = fields as { readonly agent: string; readonly theirs: string };
  return [{ path: spots[0]?.path ?? "", claim: theirs, holder: agent, remainingMs: 0, isWaited: true }];
}

function nearbyOf(grants: readonly Grant[]): readonly string[] {
  return grants.flatMap(({ nearby = [] }) =>
    nearby.map(
      ({ claim, holder, worktree = "" }) => `${named(holder)} holds ${named(claim)} in ${named(worktree)}`,
    ),
  );
}
