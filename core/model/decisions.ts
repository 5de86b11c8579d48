/**
 * Decisions: what was decided, about what, and what it took the place of.
 *
 * Invariant: the state keeps the newest `settings.decisionsMax`; one that a later decision supersedes
 * names the latest that did.
 */
import { limits } from "../limits.ts";
import type { State } from "./model.ts";
import { cursorSeq, type Page, page, paging } from "./page.ts";
import { SeqMap } from "./seq-map.ts";
import { boolean, bytes, doc, type Of, optional, string, type Typed } from "./shape.ts";
import { accept, changed, command, event, query, refusal, rejecter, type Slice } from "./slice.ts";

const id = string("id", limits.idMax);
const recorded = {
  /** `d` and the seq of its entry. */
  decision: id,
  agent: id,
  text: bytes("text", limits.decisionBytesMax, 1),
  about: optional(doc("A path, a task, whatever it is about.", string("line", limits.pathMax))),
  supersedes: optional(doc("The decision whose place it takes.", id)),
} as const;

/** A decision as it is kept and listed. */
export interface DecisionRecord extends Of<{ kind: "object"; fields: typeof recorded }> {
  readonly atMs: number;
  /** The latest decision that took its place. */
  readonly supersededBy?: string;
}

export interface DecisionsState {
  readonly bySeq: SeqMap<DecisionRecord>;
}

export const decisionCommands = {
  "decision.record": command("Writes down what was decided, for everybody.", {
    text: recorded.text,
    about: recorded.about,
    supersedes: recorded.supersedes,
  }),
} as const;
export type DecisionCommand = Typed<typeof decisionCommands>;

export const decisionEvents = {
  "decision.recorded": event("Something was decided.", recorded),
} as const;
export type DecisionEvent = Typed<typeof decisionEvents>;

export const decisionRejections = {
  "decision.unknown": refusal(
    "No decision of that id is kept.",
    { decision: id },
    (f) =>
      `There is no decision ${f.decision} to supersede, or it is so old that only the log has ` +
      "it. Give an id that decisions.list shows, or leave `supersedes` out; nothing was recorded.",
  ),
} as const;
const reject = rejecter(decisionRejections);

export const decisions: Slice<DecisionsState, DecisionCommand, DecisionEvent> = {
  initial: { bySeq: SeqMap.empty() },
  decide: {
    "decision.record": (state, { type: _, ...said }, { agent, seq }) => {
      const { supersedes } = said;
      if (supersedes !== undefined && !isKept(state, supersedes)) {
        return reject("decision.unknown", { decision: supersedes });
      }
      return accept({ type: "decision.recorded", decision: `d${seq}`, agent, ...said });
    },
  },
  evolve: {
    "decision.recorded": (slice, { type: _, ...said }, { seq, atMs, settings, edit }) => {
      let bySeq = slice.bySeq.set(seq, changed(said, { atMs }), edit);
      const before = seqOf(said.supersedes);
      const superseded = before === undefined ? undefined : bySeq.get(before);
      if (before !== undefined && superseded !== undefined) {
        bySeq = bySeq.set(before, { ...superseded, supersededBy: said.decision }, edit);
      }
      for (let oldest = bySeq.first(); bySeq.size > settings.decisionsMax && oldest; oldest = bySeq.first()) {
        bySeq = bySeq.delete(oldest[0], edit);
      }
      return { bySeq };
    },
  },
  save: function* (slice) {
    for (const [seq, decision] of slice.bySeq) yield ["decision", seq, decision];
  },
  load: (rows) => {
    const kept: [number, DecisionRecord][] = [];
    for (const [, seq, decision] of rows) kept.push([seq as number, decision as DecisionRecord]);
    return { bySeq: SeqMap.from(kept) };
  },
  answer: { "decision.recorded": ({ decision }) => ({ decision }) },
};

export const decisionQueries = {
  "decisions.list": query(
    "What was decided, newest first; what was superseded says by what.",
    {
      ...paging,
      about: optional(recorded.about.of),
      agent: optional(id),
      standing: optional(doc("Only those that nothing superseded.", boolean)),
    },
    (state, params): Page<DecisionRecord> =>
      page(state.decisions.bySeq.downFrom(cursorSeq(params, Number.MAX_SAFE_INTEGER)), params, (decision) => {
        if (params.about !== undefined && params.about !== decision.about) return undefined;
        if (params.agent !== undefined && params.agent !== decision.agent) return undefined;
        return params.standing && decision.supersededBy !== undefined ? undefined : decision;
      }),
  ),
} as const;

function isKept(state: State, decision: string): boolean {
  const seq = seqOf(decision);
  return seq !== undefined && state.decisions.bySeq.has(seq);
}

function seqOf(decision: string | undefined): number | undefined {
  if (decision === undefined || !/^d[1-9]\d{0,15}$/.test(decision)) return undefined;
  const seq = Number(decision.slice(1));
  return Number.isSafeInteger(seq) ? seq : undefined;
}
