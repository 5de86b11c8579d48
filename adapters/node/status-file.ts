/**
 * `log.db.status` beside a log: the state at a glance as it was at an entry, so that `holdfast status` need
 * not fold the log while nothing was appended since. A memory, never the truth: without it everything is
 * only slower.
 */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import type { Engine } from "../../core/engine/engine.ts";
import { unacknowledgedCount } from "../../core/model/inbox.ts";
import type { State } from "../../core/model/model.ts";
import { stateQueries } from "../../core/model/summary.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import { SqliteLog } from "../log/sqlite.ts";

/** A log that stood still for so long is worth being remembered, in milliseconds. */
const QUIET_MS = 500;
/** Counting inboxes may take so many steps; with more agents and messages only the asker's is counted. */
const COUNTED_MAX = 500_000;

/** What the file says, as JSON. */
export interface StatusFile {
  readonly head: number;
  /** Hash of the log's newest row, in lower-case hex: no other history has it. */
  readonly hash: string;
  /** Log time of the newest entry. */
  readonly atMs: number;
  readonly durable: string;
  /** What `state.summary` answers, but for `nowMs` and for `inbox`, which is each agent's own. */
  readonly summary: { readonly [field: string]: unknown };
  readonly inboxes: readonly (readonly [agent: string, unacknowledged: number])[];
  /** Unacknowledged messages of whoever is not among them; absent: only those were counted. */
  readonly others?: number;
}

/** A fold, as far as a glance needs it. */
interface Seen {
  readonly state: State;
  readonly seq: number;
  readonly atMs: number;
}

interface Answer {
  readonly nowMs: number;
  readonly inbox: number;
  readonly [field: string]: unknown;
}

/** Where the file stands, given the log's. */
export function statusFile(file: string): string {
  return `${file}.status`;
}

/**
 * Writes what was seen, if the log has not moved on since. A folder that takes nothing costs only the
 * memory.
 */
export function rememberStatus(log: SqliteLog, seen: Seen, agent?: string): void {
  const target = statusFile(log.file);
  const draft = `${target}.${process.pid}`;
  try {
    const { seq, hash } = log.tip();
    if (seq !== seen.seq || seq === 0) return;
    const said = {
      head: seq,
      hash,
      atMs: seen.atMs,
      durable: log.durability,
      ...statusOf(seen.state, agent),
    };
    writeFileSync(draft, JSON.stringify(said satisfies StatusFile), { mode: 0o600 });
    renameSync(draft, target);
  } catch {
    rmSync(draft, { force: true });
  }
}

function statusOf(state: State, agent = ""): Pick<StatusFile, "summary" | "inboxes" | "others"> {
  const { boxes, broadcasts } = state.inbox;
  const asker = { agent: "", nowMs: 0, operator: false, guarded: false };
  const answer = stateQueries["state.summary"].answer(state, {}, asker) as Answer;
  const { nowMs: _, inbox: others, ...summary } = answer;
  const count = (name: string) => [name, unacknowledgedCount(state, name)] as const;
  let steps = 0;
  for (const [, { pending }] of boxes) steps += pending.size + broadcasts.size;
  if (steps > COUNTED_MAX) return { summary, inboxes: [count(agent)] };
  return { summary, inboxes: [...boxes].map(([name]) => count(name)), others };
}

/** Keeps the file of an engine's log: whenever it is quiet, and at the end. */
export function keepStatus(engine: Engine, log: EventLog): { stop(): void } {
  if (!(log instanceof SqliteLog) || log.readOnly) return { stop: () => undefined };
  let written = -1;
  let timer: NodeJS.Timeout | undefined;
  const write = (): void => {
    const head = engine.head();
    if (written === head || engine.status === "failed") return;
    written = head;
    rememberStatus(log, { state: engine.state(), seq: head, atMs: engine.atMs() });
  };
  const arm = (): void => {
    const head = engine.head();
    timer ??= setTimeout(() => {
      timer = undefined;
      if (engine.head() === head) write();
      else arm();
    }, QUIET_MS).unref();
  };
  const following = engine.entries$.subscribe(arm);
  return {
    stop() {
      following.unsubscribe();
      clearTimeout(timer);
      write();
    },
  };
}
