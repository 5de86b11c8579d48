/**
 * What an engine is opened with, and what an embedded caller submits to it.
 */
import { Failure } from "../failures.ts";
import type { Settings } from "../model/log.ts";
import type { FindFences } from "../model/markpact.ts";
import { type Command, tables } from "../model/model.ts";
import type { Rejection } from "../model/slice.ts";
import type { Chance, Clock } from "../ports/clock.ts";
import type { EventLog } from "../ports/event-log.ts";
import { type Check, compile, type Problem } from "../protocol/schema.ts";
import type { AdmissionOptions } from "./admission.ts";
import type { Proposal } from "./sequencer.ts";

export interface EngineOptions extends AdmissionOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly chance: Chance;
  /** SHA-256 of the UTF-8 of a text, in lower-case hex. */
  readonly hash: (text: string) => string;
  /** Reads Markdown; without it Markpact documents are refused. */
  readonly fences?: FindFences;
  /** Settings of a log that is new; ignored where it has entries. */
  readonly settings?: Partial<Settings>;
  /** Hears of what nobody else can be told: faults, snapshots that failed. */
  readonly report?: (what: string, error: unknown) => void;
  /** Called with each append: how many entries, how long it took; for metrics. */
  readonly onAppend?: (entries: number, ms: number) => void;
  /**
   * Called with what became of each command, and the code of the refusal or failure, else an empty one; for
   * metrics.
   */
  readonly onOutcome?: (outcome: "accepted" | "repeated" | "refused" | "failed", code: string) => void;
  /** Called with each command that is refused, and how; not with one that was refused before. */
  readonly onRefusal?: (agent: string, command: Command, rejection: Rejection) => void;
}

/** A command of an embedded caller. */
export interface Submission {
  /** Fresh for each new command, the same for each retry of it. */
  readonly id: string;
  readonly agent: string;
  readonly command: Command;
  /** The newest seq the caller had seen. */
  readonly sentAfter?: number;
  readonly operator?: boolean;
}

/** Compiled on first use. */
const checks = new Map<string, Check>();

/** What is wrong with the command of an embedded caller, which no session has checked. */
export function unfit({ type, ...fields }: Command): Problem | undefined {
  const shape = tables.commands[type];
  if (shape === undefined || !Object.hasOwn(tables.commands, type))
    return { at: "type", why: "is no command" };
  const check = checks.get(type) ?? compile(shape);
  checks.set(type, check);
  return check(fields);
}

/** The proposal, its outcome being told to `onOutcome` and `onRefusal` as well. */
export function counted(
  proposal: Proposal,
  { onOutcome, onRefusal }: Pick<EngineOptions, "onOutcome" | "onRefusal">,
): Proposal {
  if (onOutcome === undefined && onRefusal === undefined) return proposal;
  return {
    ...proposal,
    settle: (outcome) => {
      if (outcome instanceof Failure) onOutcome?.("failed", outcome.code);
      else if (!outcome.ok) {
        onOutcome?.("refused", outcome.rejection.code);
        if (outcome.repeated !== true) onRefusal?.(proposal.agent, proposal.command, outcome.rejection);
      } else onOutcome?.(outcome.repeated === true ? "repeated" : "accepted", "");
      proposal.settle(outcome);
    },
  };
}
