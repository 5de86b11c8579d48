/**
 * What can be asked about claims.
 */
import { limits } from "../limits.ts";
import { canonical } from "./acquire.ts";
import { type Checkpoint, checkpointFor } from "./checkpoints.ts";
import type { Claim } from "./claim-state.ts";
import type { State } from "./model.ts";
import { covering } from "./obstacles.ts";
import { cursorSeq, type Page, page, paging } from "./page.ts";
import type { Scope } from "./scopes.ts";
import { integer, list, optional, string } from "./shape.ts";
import { query } from "./slice.ts";

/** A claim as it is listed. */
export interface ClaimView extends Omit<Claim, "acrossWorktrees" | "checkpoint"> {
  readonly remainingMs: number;
  /** Due to end, which no engine has written down yet. */
  readonly overdue?: true;
  readonly acrossWorktrees?: true;
  /** How many wait for it by its id. */
  readonly waiting: number;
  readonly checkpoint?: Checkpoint;
}

const id = string("id", limits.idMax);

export const claimQueries = {
  "claims.list": query(
    "Live claims, the oldest grant first.",
    {
      ...paging,
      claim: optional(id),
      holder: optional(id),
      task: optional(id),
      worktree: optional(string("line", limits.pathMax)),
    },
    (state, params, asker): Page<ClaimView> => {
      if (params.claim !== undefined) {
        const claim = state.claims.live.get(params.claim);
        return { items: claim === undefined ? [] : [view(state, claim, asker.nowMs)] };
      }
      return page(state.claims.order.from(cursorSeq(params, 0)), params, (id) => {
        const claim = state.claims.live.get(id);
        if (claim === undefined) return undefined;
        if (params.holder !== undefined && params.holder !== claim.holder) return undefined;
        if (params.task !== undefined && params.task !== claim.task) return undefined;
        if (params.worktree !== undefined && params.worktree !== claim.scope?.worktree) return undefined;
        return view(state, claim, asker.nowMs);
      });
    },
  ),
  "claims.covering": query(
    "Live claims that cover any of these files or paths, and whether the asker may edit them all.",
    {
      files: optional(list(string("path", limits.pathMax), limits.scopePathsMax, 1)),
      paths: optional(list(string("pattern", limits.pathMax), limits.scopePathsMax, 1)),
      worktree: optional(string("line", limits.pathMax)),
      limit: optional(integer(1, limits.pageItemsMax)),
    },
    (state, params, asker) => {
      const asked = canonical({
        ...(params.worktree === undefined ? {} : { worktree: params.worktree }),
        ...(params.files === undefined ? {} : { files: params.files }),
        ...(params.paths === undefined ? {} : { paths: params.paths }),
      });
      if ("rejection" in asked) return asked;
      return territory(state, asked.scope, asker.agent, asker.nowMs, params.limit ?? limits.pageItemsDefault);
    },
  ),
} as const;

/** Live claims that cover any of `scope`, and whether `agent` may edit all of it. */
export function territory(state: State, scope: Scope, agent: string, nowMs: number, limit: number) {
  const items: ClaimView[] = [];
  let more = false;
  let others = false;
  let sharing = false;
  let exclusive = false;
  for (const claim of covering(state, scope, false)) {
    if (claim.holder === agent) sharing ||= claim.shared;
    else {
      others = true;
      exclusive ||= !claim.shared;
    }
    if (items.length < limit) items.push(view(state, claim, nowMs));
    else more = true;
    if (more && exclusive) break;
  }
  return { items, more, mayEdit: !others || (!exclusive && sharing) };
}

/** A claim as it is shown: with what remains of its lease, who waits, and its newest checkpoint. */
export function view(state: State, claim: Claim, nowMs: number): ClaimView {
  const { acrossWorktrees, ...shown } = claim;
  const checkpoint = checkpointFor(state, claim.claim, claim.task, nowMs);
  return {
    ...shown,
    ...(acrossWorktrees ? { acrossWorktrees } : {}),
    remainingMs: claim.expiresAtMs - nowMs,
    ...(claim.expiresAtMs <= nowMs ? { overdue: true as const } : {}),
    waiting: state.waits.byClaim.get(claim.claim)?.length ?? 0,
    ...(checkpoint === undefined ? {} : { checkpoint }),
  };
}
