/**
 * The log about itself: which log this is, in which format, and the settings every hub folds alike.
 *
 * Invariant: whatever decide or evolve reads besides commands and state stands in the settings, so two hubs
 * that fold the same entries hold the same state.
 */
import { limits } from "../limits.ts";
import { boolean, doc, type Fields, integer, object, optional, string, type Typed } from "./shape.ts";
import { accept, command, event, refusal, rejecter, type Slice } from "./slice.ts";

/** The newest format of entries this version writes; a log with a newer one is not opened. */
export const LOG_FORMAT = 1;

const DAY = 86_400_000;
const YEAR = 365 * DAY;
const count = (max: number) => integer(1, max);

const settingFields = {
  foldCase: doc("Paths are compared without case.", boolean),
  idleAfterMs: integer(1000, YEAR),
  brokenAfterMs: integer(1000, YEAR),
  goneAfterMs: integer(1000, YEAR),
  stalledAfterMs: integer(1000, YEAR),
  receiptsMax: count(1_000_000),
  receiptsMs: integer(1000, YEAR),
  checkpointsKeptMs: integer(1000, 10 * YEAR),
  checkpointsKeptClaims: count(100_000),
  endedClaimsMax: count(1_000_000),
  tasksEndedMax: count(1_000_000),
  messagesMax: count(1_000_000),
  decisionsMax: count(1_000_000),
  activitiesMax: count(1_000_000),
  progressMax: count(1_000_000),
} as const;

/** What decide and evolve may read besides the state; durations in milliseconds. */
export type Settings = Fields<typeof settingFields>;

/** The settings of a log that was created without any. */
export const defaultSettings: Settings = {
  foldCase: false,
  idleAfterMs: limits.idleAfterMs,
  brokenAfterMs: limits.brokenAfterMs,
  goneAfterMs: limits.goneAfterMs,
  stalledAfterMs: limits.stalledAfterMs,
  receiptsMax: limits.receiptsMax,
  receiptsMs: limits.receiptsMs,
  checkpointsKeptMs: limits.checkpointsKeptMs,
  checkpointsKeptClaims: limits.checkpointsKeptClaims,
  endedClaimsMax: limits.endedClaimsMax,
  tasksEndedMax: limits.tasksEndedMax,
  messagesMax: limits.messagesMax,
  decisionsMax: limits.decisionsMax,
  activitiesMax: limits.activitiesMax,
  progressMax: limits.progressMax,
};

/** The log's own part of the state. */
export interface LogState {
  /** Random id of this log; empty before its first entry. */
  readonly log: string;
  readonly format: number;
  readonly settings: Settings;
  /** Entries an operator chose to pass over, because no version could fold them. */
  readonly skipped: readonly number[];
}

const settingsPatch = Object.fromEntries(
  Object.entries(settingFields)
    .filter(([name]) => name !== "foldCase")
    .map(([name, shape]) => [name, optional(shape)]),
) as unknown as {
  readonly [K in Exclude<keyof typeof settingFields, "foldCase">]: {
    readonly kind: "optional";
    readonly of: (typeof settingFields)[K];
  };
};

export const logCommands = {
  "log.configure": command(
    "Changes settings of the log; operators only. `foldCase` is fixed for life.",
    settingsPatch,
  ),
  "log.compact": command(
    "Drops entries older than `keepMs` that lie below a verified snapshot; operators only.",
    { keepMs: integer(0, 10 * YEAR) },
  ),
} as const;
/** Only an engine sends these. */
export interface LogCreate {
  readonly type: "log.create";
  readonly log: string;
  readonly settings: Partial<Settings>;
}
export interface LogAcceptLoss {
  readonly type: "log.accept-loss";
  readonly lostAfter: number;
}
export type LogCommand = Typed<typeof logCommands> | LogCreate | LogAcceptLoss;

export const logEvents = {
  "log.created": event("The first entry of every log.", {
    log: string("id", limits.idMax),
    format: integer(1),
    settings: object(settingFields),
  }),
  "log.configured": event("Settings changed for everyone from here on.", { settings: object(settingsPatch) }),
  "log.compacted": event("An operator had old entries dropped.", { beforeMs: integer(0) }),
  "log.loss-accepted": event(
    "An operator accepted that entries after `lostAfter` are gone; numbering goes on a million higher.",
    { lostAfter: integer(0) },
  ),
} as const;
export type LogEvent = Typed<typeof logEvents>;

export const logRejections = {
  "agent.not-operator": refusal(
    "The command is for operators.",
    { command: string("line", 100) },
    (f) =>
      `Only an operator may use ${f.command}. Ask one, or open the session with role "operator" on a hub that ` +
      "lets you; nothing was changed.",
  ),
  invalid: refusal(
    "A value is wrong in a way the schema cannot say; on the wire this is -32602.",
    { at: string("line", 200), why: string("line", 300) },
    (f) => `${f.at}: ${f.why}`,
  ),
} as const;
const reject = rejecter(logRejections);

/** The refusal of a value at `at`, e.g. `scope/paths/3`. */
export function invalid(at: string, why: string) {
  return reject("invalid", { at, why: why.slice(0, 300) });
}

/** The refusal for those who are no operators. */
export function notOperator(method: string) {
  return reject("agent.not-operator", { command: method });
}

export const log: Slice<LogState, LogCommand, LogEvent> = {
  initial: { log: "", format: 0, settings: defaultSettings, skipped: [] },
  decide: {
    "log.create": (state, { log, settings }) =>
      state.log.log === ""
        ? accept({
            type: "log.created",
            log,
            format: LOG_FORMAT,
            settings: { ...defaultSettings, ...settings },
          })
        : accept(),
    "log.accept-loss": (_, { lostAfter }) => accept({ type: "log.loss-accepted", lostAfter }),
    "log.configure": (state, { type, ...settings }, context) => {
      if (!context.operator) return notOperator(type);
      const now: { readonly [name: string]: unknown } = state.log.settings;
      const changed = Object.entries(settings).some(([name, value]) => now[name] !== value);
      return changed ? accept({ type: "log.configured", settings }) : accept();
    },
    "log.compact": (_, { type, keepMs }, context) =>
      context.operator
        ? accept({ type: "log.compacted", beforeMs: Math.max(0, context.nowMs - keepMs) })
        : notOperator(type),
  },
  evolve: {
    "log.created": (slice, { log, format, settings }) => ({ ...slice, log, format, settings }),
    "log.configured": (slice, { settings }) => ({ ...slice, settings: { ...slice.settings, ...settings } }),
    "log.compacted": (slice) => slice,
    "log.loss-accepted": (slice) => slice,
  },
  save: function* (slice) {
    yield ["log", slice];
  },
  load: (rows) => {
    for (const [, slice] of rows) return slice as LogState;
    return log.initial;
  },
};
