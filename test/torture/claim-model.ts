/**
 * One claim as a sequential program would keep it, to judge histories by: who holds it, under which epoch, and until
 * when at least.
 */
import type { Model, Timed } from "./linearizability.ts";

/** What was asked about a claim, and what came of it. */
export interface ClaimOp extends Timed {
  readonly agent: string;
  readonly verb: "acquire" | "renew" | "release";
  /** As sent; not for `acquire`. */
  readonly epoch?: number;
  readonly ttlMs: number;
  /** Absent: not known. */
  readonly answer?:
    | { readonly ok: true; readonly epoch?: number }
    | { readonly ok: false; readonly code: string; readonly holder?: string; readonly epoch?: number };
}

/** The claim between two operations. */
export interface Held {
  readonly holder: string | undefined;
  /** `undefined` after a grant whose answer was lost. */
  readonly epoch: number | undefined;
  /** No epoch up to this may be granted again. */
  readonly floor: number;
  /** The lease stands at least until then, in the history's own time. */
  readonly untilMs: number;
}

/** Leases are counted in whole milliseconds of log time. */
const SLACK_MS = 5;
/** Refusals that only say that others wait, or waited longer. */
const ABOUT_WAITING = new Set([
  "claim.wait-timeout",
  "claim.queued-ahead",
  "claim.deadlock",
  "claim.wait-ended",
]);

const free = (state: Held): Held => ({ ...state, holder: undefined, epoch: undefined, untilMs: 0 });

/** The model of one claim; nobody holds it at first. */
export const claimModel: Model<Held, ClaimOp> = {
  initial: { holder: undefined, epoch: undefined, floor: 0, untilMs: 0 },
  name: ({ holder, epoch, floor, untilMs }) => `${holder} ${epoch} ${floor} ${untilMs}`,
  step(state, op) {
    const lapsed = state.holder !== undefined && op.reply >= state.untilMs - SLACK_MS;
    const before = lapsed ? [state, free(state)] : [state];
    return before.flatMap((held) => step(held, op));
  },
};

function step(state: Held, op: ClaimOp): readonly Held[] {
  const { answer } = op;
  if (answer !== undefined && !answer.ok) return refused(state, op, answer);
  if (op.verb === "acquire") return granted(state, op, answer?.epoch);
  if (state.holder !== op.agent || (state.epoch !== undefined && state.epoch !== op.epoch)) return [];
  if (op.epoch === undefined || isOld(state, op.epoch)) return [];
  const known = { ...state, epoch: op.epoch, floor: Math.max(state.floor, op.epoch) };
  if (op.verb === "release") return [free(known)];
  return [{ ...known, untilMs: Math.max(state.untilMs, op.call + op.ttlMs) }];
}

function granted(state: Held, op: ClaimOp, epoch: number | undefined): readonly Held[] {
  if (state.holder !== undefined && state.holder !== op.agent) return [];
  if (epoch !== undefined && epoch <= state.floor) return [];
  return [{ holder: op.agent, epoch, floor: epoch ?? state.floor, untilMs: op.call + op.ttlMs }];
}

function refused(
  state: Held,
  op: ClaimOp,
  answer: { code: string; holder?: string; epoch?: number },
): readonly Held[] {
  const { code, holder, epoch } = answer;
  if (ABOUT_WAITING.has(code)) return [state];
  if (code === "claim.unknown") return state.holder === undefined && op.verb !== "acquire" ? [state] : [];
  if (code === "claim.stale") {
    const mine =
      state.holder === op.agent && epoch !== undefined && epoch !== op.epoch && !isOld(state, epoch);
    return mine && (state.epoch === undefined || state.epoch === epoch) ? [learned(state, epoch)] : [];
  }
  if (code !== "claim.held" && code !== "claim.not-holder") return [];
  if (state.holder === undefined || state.holder === op.agent || state.holder !== holder) return [];
  if (epoch === undefined) return [state];
  if (isOld(state, epoch)) return [];
  return state.epoch === undefined || state.epoch === epoch ? [learned(state, epoch)] : [];
}

/** Whether an epoch is certainly of an earlier grant. */
function isOld({ epoch, floor }: Held, named: number): boolean {
  return epoch === undefined ? named <= floor : named < floor;
}

function learned(state: Held, epoch: number | undefined): Held {
  return epoch === undefined ? state : { ...state, epoch, floor: Math.max(state.floor, epoch) };
}
