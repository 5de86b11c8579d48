/**
 * Checkpoints: work saved under a claim, found by its successor.
 *
 * Invariant: a checkpoint outlives its claim unless the work was finished (released done or failed); the
 * one nobody picked up is kept for a while (CP4), and the newest ten of a claim can be listed.
 */
import { limits } from "../limits.ts";
import { heldClaim } from "./claims.ts";
import type { Settings } from "./log.ts";
import { KeyMap } from "./map.ts";
import type { State } from "./model.ts";
import { cursorSeq, type Page, page, paging } from "./page.ts";
import { SeqMap } from "./seq-map.ts";
import { bytes, integer, optional, string, type Typed } from "./shape.ts";
import { type At, accept, changed, command, event, query, type Slice } from "./slice.ts";

/** What was saved, by whom and when. */
export interface Checkpoint {
  readonly text: string;
  readonly summary?: string;
  /** Where the work is, e.g. a commit; opaque. */
  readonly ref?: string;
  readonly savedBy: string;
  readonly savedAtMs: number;
}

/** The checkpoints of one claim, newest first. */
interface Kept {
  readonly saved: readonly Checkpoint[];
  readonly task?: string;
  /** Its place in `idle`; absent while somebody holds the claim. */
  readonly idle?: number;
  readonly idleSinceMs?: number;
}

export interface CheckpointsState {
  readonly byClaim: KeyMap<Kept>;
  /** The claim under which a task's checkpoint was last saved. */
  readonly byTask: KeyMap<string>;
  /** Claims that nobody holds, the longest idle first. */
  readonly idle: SeqMap<string>;
  /** The next place in `idle`. */
  readonly next: number;
}

const id = string("id", limits.idMax);
const epoch = integer(1);
const text = bytes("text", limits.checkpointBytesMax);
const summary = optional(string("line", limits.noteMax));
const ref = optional(string("line", limits.pathMax));

export const checkpointCommands = {
  "checkpoint.save": command("Saves where the work stands; the next holder is given the newest.", {
    claim: id,
    epoch,
    text,
    summary,
    ref,
  }),
} as const;
export type CheckpointCommand = Typed<typeof checkpointCommands>;

export const checkpointEvents = {
  "checkpoint.saved": event("The holder saved where the work stands.", {
    claim: id,
    holder: id,
    epoch,
    text,
    summary,
    ref,
    task: optional(id),
  }),
} as const;
export type CheckpointEvent = Typed<typeof checkpointEvents>;

export const checkpoints: Slice<CheckpointsState, CheckpointCommand, CheckpointEvent> = {
  initial: { byClaim: KeyMap.empty(), byTask: KeyMap.empty(), idle: SeqMap.empty(), next: 0 },
  decide: {
    "checkpoint.save": (state, { type: _, epoch, ...said }, context) => {
      const held = heldClaim(state, said.claim, epoch, context);
      if ("rejection" in held) return held;
      const { holder, task } = held.claim;
      const saved = { type: "checkpoint.saved", holder, epoch, ...said } as const;
      return accept(task === undefined ? saved : changed(saved, { task }));
    },
  },
  evolve: {
    "checkpoint.saved": (slice, event, at) => {
      const { type: _, claim, holder, epoch: __, task, ...said } = event;
      const checkpoint: Checkpoint = changed(said, { savedBy: holder, savedAtMs: at.atMs });
      const before = slice.byClaim.get(claim);
      const saved = [checkpoint, ...(before?.saved ?? [])].slice(0, limits.checkpointsPerClaim);
      const kept: Kept = task === undefined ? { saved } : { saved, task };
      const byTask = before === undefined ? slice.byTask : detached(slice.byTask, claim, before, at);
      return {
        byClaim: slice.byClaim.set(claim, kept, at.edit),
        byTask: task === undefined ? byTask : byTask.set(task, claim, at.edit),
        idle: before?.idle === undefined ? slice.idle : slice.idle.delete(before.idle, at.edit),
        next: slice.next,
      };
    },
    "claim.granted": (slice, event, at) => wake(slice, event.claim, at),
    "claim.released": (slice, event, at) =>
      event.outcome === "abandoned" ? rest(slice, event.claim, at) : finish(slice, event, at),
    "claim.expired": (slice, event, at) => rest(slice, event.claim, at),
    "claim.broken": (slice, event, at) => rest(slice, event.claim, at),
  },
  save: function* (slice) {
    for (const [claim, kept] of slice.byClaim) yield ["kept", claim, kept];
    for (const [task, claim] of slice.byTask) yield ["task", task, claim];
    yield ["next", slice.next];
  },
  load: (rows) => {
    const byClaim: [string, Kept][] = [];
    const byTask: [string, string][] = [];
    const idle: [number, string][] = [];
    let next = 0;
    for (const [part, key, value] of rows) {
      if (part === "next") next = key as number;
      else if (part === "task") byTask.push([key as string, value as string]);
      else {
        const kept = value as Kept;
        byClaim.push([key as string, kept]);
        if (kept.idle !== undefined) idle.push([kept.idle, key as string]);
      }
    }
    idle.sort(([a], [b]) => a - b);
    return { byClaim: KeyMap.from(byClaim), byTask: KeyMap.from(byTask), idle: SeqMap.from(idle), next };
  },
};

export const checkpointQueries = {
  "checkpoints.list": query(
    "The last checkpoints of one claim (newest first), or the newest of every claim that has one.",
    { ...paging, claim: optional(id) },
    (state, params, { nowMs }): Page<Checkpoint & { readonly claim: string }> => {
      const over = (kept: Kept) => isOver(kept, nowMs, state.log.settings);
      if (params.claim !== undefined) {
        const claim = params.claim;
        const kept = state.checkpoints.byClaim.get(claim);
        const saved = kept === undefined || over(kept) ? [] : kept.saved;
        const from = cursorSeq(params, 0);
        const rows = saved.map((one, i) => [i, one] as const).slice(from);
        return page(rows, params, (one) => ({ claim, ...one }));
      }
      const from = params.cursor ?? "";
      const claims = [...state.checkpoints.byClaim.keys()].filter((claim) => claim >= from).sort();
      return page(
        claims.map((claim) => [claim, claim] as const),
        params,
        (claim) => {
          const newest = newestOf(state, claim, nowMs);
          return newest && { claim, ...newest };
        },
      );
    },
  ),
} as const;

/**
 * The newest checkpoint of a claim, or of its task under whatever claim (CP2), unless it was kept long
 * enough (CP4).
 */
export function checkpointFor(
  state: State,
  claim: string,
  task: string | undefined,
  nowMs: number,
): Checkpoint | undefined {
  const own = newestOf(state, claim, nowMs);
  const under = task === undefined ? undefined : state.checkpoints.byTask.get(task);
  const other = under === undefined || under === claim ? undefined : newestOf(state, under, nowMs);
  if (own === undefined || other === undefined) return own ?? other;
  return other.savedAtMs > own.savedAtMs ? other : own;
}

function newestOf(state: State, claim: string, nowMs: number): Checkpoint | undefined {
  const kept = state.checkpoints.byClaim.get(claim);
  return kept === undefined || isOver(kept, nowMs, state.log.settings) ? undefined : kept.saved[0];
}

/** Whether nobody picked it up for too long (CP4). */
function isOver({ idleSinceMs }: Kept, nowMs: number, { checkpointsKeptMs }: Settings): boolean {
  return idleSinceMs !== undefined && nowMs - idleSinceMs >= checkpointsKeptMs;
}

/** Somebody holds the claim again. */
function wake(slice: CheckpointsState, claim: string, at: At): CheckpointsState {
  const kept = slice.byClaim.get(claim);
  if (kept?.idle === undefined) return slice;
  const { idle, idleSinceMs: _, ...awake } = kept;
  return {
    byClaim: slice.byClaim.set(claim, awake, at.edit),
    byTask: slice.byTask,
    idle: slice.idle.delete(idle, at.edit),
    next: slice.next,
  };
}

/** Nobody holds the claim now, and its work is unfinished. */
function rest(slice: CheckpointsState, claim: string, at: At): CheckpointsState {
  const kept = slice.byClaim.get(claim);
  if (kept === undefined) return slice;
  const resting: Kept = changed(kept, { idle: slice.next, idleSinceMs: at.atMs });
  const idle = kept.idle === undefined ? slice.idle : slice.idle.delete(kept.idle, at.edit);
  const rested: CheckpointsState = {
    byClaim: slice.byClaim.set(claim, resting, at.edit),
    byTask: slice.byTask,
    idle: idle.set(slice.next, claim, at.edit),
    next: slice.next + 1,
  };
  return prune(rested, at);
}

/** The work is finished: its checkpoints are of no more use, nor what others left of the same task. */
function finish(
  slice: CheckpointsState,
  { claim, task }: { readonly claim: string; readonly task?: string },
  at: At,
): CheckpointsState {
  const finished = forget(slice, claim, at);
  const under = task === undefined ? undefined : finished.byTask.get(task);
  const left = under === undefined ? undefined : finished.byClaim.get(under);
  return under === undefined || left?.idle === undefined ? finished : forget(finished, under, at);
}

function forget(slice: CheckpointsState, claim: string, at: At): CheckpointsState {
  const kept = slice.byClaim.get(claim);
  if (kept === undefined) return slice;
  return {
    byClaim: slice.byClaim.delete(claim, at.edit),
    byTask: detached(slice.byTask, claim, kept, at),
    idle: kept.idle === undefined ? slice.idle : slice.idle.delete(kept.idle, at.edit),
    next: slice.next,
  };
}

/** Without the way from a task to this claim. */
function detached(byTask: KeyMap<string>, claim: string, { task }: Kept, { edit }: At): KeyMap<string> {
  return task !== undefined && byTask.get(task) === claim ? byTask.delete(task, edit) : byTask;
}

/** Drops what nobody picked up for too long, or too much of it, oldest first (CP4). */
function prune(slice: CheckpointsState, at: At): CheckpointsState {
  let pruned = slice;
  for (let oldest = pruned.idle.first(); oldest !== undefined; oldest = pruned.idle.first()) {
    const kept = pruned.byClaim.get(oldest[1]);
    const tooMany = pruned.idle.size > at.settings.checkpointsKeptClaims;
    if (kept !== undefined && !tooMany && !isOver(kept, at.atMs, at.settings)) return pruned;
    pruned = forget(pruned, oldest[1], at);
  }
  return pruned;
}
