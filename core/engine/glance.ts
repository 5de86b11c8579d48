/**
 * A glance: questions answered from a log without serving it. Nothing is written, nobody joins, what is due
 * is shown as overdue (AG8); what only commands need is not even loaded.
 */
import { Failure } from "../failures.ts";
import { queries, tables } from "../model/model.ts";
import type { Asker } from "../model/slice.ts";
import type { EventLog } from "../ports/event-log.ts";
import { type SessionMethod, sessionMethods } from "../protocol/methods.ts";
import { compile } from "../protocol/schema.ts";
import type { Fold } from "./fold.ts";
import { History } from "./history.ts";
import { recover } from "./recovery.ts";

export interface GlanceOptions {
  readonly log: EventLog;
  /** Whose inbox and claims are meant where a question is about the asker. */
  readonly agent: string;
  /** Lets what has arrived be handled first. */
  readonly pause: () => Promise<void>;
}

/** The log as it was when it was looked at. */
export interface Glance {
  readonly fold: Fold;
  /**
   * Answers a query by its method, as a session would: the answer with `seq` and `nowMs`, or a rejection.
   * Throws
   * `usage` for an unknown method and for params that do not fit.
   */
  answer(method: string, params: object): Promise<object | { readonly rejection: object }>;
}

/** Looks at a log. Throws what recovery throws. */
export async function glance({ log, agent, pause }: GlanceOptions): Promise<Glance> {
  const fold = await recover(log, { receipts: false });
  const nowMs = fold.atMs + Math.floor(await log.ageMs());
  const asker: Asker = { agent, nowMs, operator: false, guarded: false };
  const history = new History({ log, state: () => fold.state, head: () => fold.seq, pause });
  return {
    fold,
    async answer(method, params) {
      const isPast = History.answers(method);
      const shape =
        (tables.pasts[method] ?? tables.queries[method])?.params ?? sessionMethods[method as SessionMethod];
      if (shape === undefined || (!isPast && !Object.hasOwn(queries, method))) {
        throw new Failure("usage", `There is no query ${method.slice(0, 100)}.`);
      }
      const problem = compile(shape)(params);
      if (problem !== undefined) {
        throw new Failure("usage", `${problem.at} ${problem.why}`.trim(), { fields: { ...problem } });
      }
      if (isPast) return history.answer(method, params, asker);
      const answer = tables.queries[method]?.answer(fold.state, params as never, asker) as object;
      return "rejection" in answer ? answer : { ...answer, seq: fold.seq, nowMs };
    },
  };
}
