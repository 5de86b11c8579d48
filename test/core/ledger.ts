/**
 * A ledger: the model alone with a log in memory and a clock that is set by hand, run as the sequencer runs it. What
 * is due lapses directly before a command; what an entry sets free is granted directly behind it.
 */
import { findFences } from "../../adapters/node/fences.ts";
import { sha256 } from "../../adapters/node/hash.ts";
import { Edit } from "../../core/model/map.ts";
import {
  allDeadlines,
  answerOf,
  type Command,
  decide,
  type Event,
  events,
  evolve,
  follow,
  initial,
  lapse,
  type SliceName,
  type State,
} from "../../core/model/model.ts";
import type { Context, Entry, Rejection } from "../../core/model/slice.ts";
import { type Check, compile } from "../../core/protocol/schema.ts";

/** What the model said to a command. */
export interface Told {
  readonly rejection?: Rejection;
  /** The entry it made; absent where it was refused or nothing changed. */
  readonly entry?: Entry;
  /** What its sender is told; absent while it waits, or where it was refused. */
  readonly answer?: object;
}

export interface Sender {
  readonly operator?: boolean;
  readonly submission?: string;
}

const checks = new Map<string, Check>(
  Object.entries(events).map(([type, { fields }]) => [type, compile({ kind: "object", fields })]),
);

/** Throws when an event is not what its schema says. */
export function checkEvent({ type, ...fields }: Event): void {
  const problem = checks.get(type)?.(fields);
  if (problem !== undefined) throw new Error(`${type} ${JSON.stringify({ ...problem, fields })}`);
}

const START_MS = 1_000_000;

export class Ledger {
  state: State = initial;
  nowMs = START_MS;
  seq = 0;
  readonly entries: Entry[] = [];
  /** Called behind each entry, with the state before it. */
  onEntry: ((entry: Entry, before: State) => void) | undefined;
  /** Called where the hub owes nothing more. */
  onQuiet: (() => void) | undefined;
  private readonly edit: Edit | undefined;
  private submissions = 0;

  /** `bulk`: folds under one edit, so that states must not be held. */
  constructor({ foldCase = false, bulk = false }: { foldCase?: boolean; bulk?: boolean } = {}) {
    this.edit = bulk ? new Edit() : undefined;
    this.send({ type: "log.create", log: "test", settings: { foldCase } }, "hub");
  }

  /** Sends a command, after what is due by now. */
  send(command: Command, by: string, { operator = false, submission }: Sender = {}): Told {
    this.tick();
    this.submissions += 1;
    const context = this.context(by, operator, submission ?? `s${this.submissions}`);
    const decision = decide(this.state, command, context);
    if ("rejection" in decision) return { rejection: decision.rejection };
    if (decision.events.length === 0) return {};
    const entry = this.append(by, context.submission, decision.events);
    const answer = answerOf(entry);
    if (answer === undefined) return { entry };
    return "rejection" in answer ? { entry, rejection: answer.rejection } : { entry, answer: answer.result };
  }

  /** Turns what is due by now into entries, the earliest first. */
  tick(): void {
    const given = new Set<string>();
    for (;;) {
      const due = this.due().find(([noun, , key]) => !given.has(`${noun} ${key}`));
      if (due === undefined) break;
      const [noun, , key] = due;
      const lapsed = lapse(this.state, noun, key, this.context("hub", true, ""));
      if (lapsed === undefined) given.add(`${noun} ${key}`);
      else this.append("hub", "", lapsed);
    }
    if (given.size > 0) throw new Error(`due, and yet it did not lapse: ${[...given].join(", ")}`);
    this.onQuiet?.();
  }

  /** What is due by now, the earliest first. */
  due(): (readonly [noun: SliceName, dueMs: number, key: string])[] {
    return [...allDeadlines(this.state)]
      .map(([noun, [dueMs, key]]) => [noun, dueMs, key] as const)
      .filter(([, dueMs]) => dueMs <= this.nowMs)
      .sort((a, b) => a[1] - b[1] || order(a[0], b[0]) || order(a[2], b[2]));
  }

  context(agent: string, operator: boolean, submission: string): Context {
    const nowMs = this.nowMs;
    const seq = this.seq + 1;
    return { agent, nowMs, seq, operator, hub: "hub-1", submission, hash: sha256, fences: findFences };
  }

  private append(by: string, id: string, happened: readonly Event[]): Entry {
    const entry = this.fold(by, id, happened);
    const causes = [entry.seq];
    while (causes.length > 0) {
      const owed = follow(this.state, this.context("hub", true, ""), causes[0]);
      if (owed === undefined) causes.shift();
      else causes.push(this.fold("hub", "", owed).seq);
    }
    this.onQuiet?.();
    return entry;
  }

  private fold(by: string, id: string, happened: readonly Event[]): Entry {
    happened.forEach(checkEvent);
    this.seq += 1;
    const entry: Entry = { seq: this.seq, atMs: this.nowMs, wallMs: 0, by, id, events: happened };
    const before = this.state;
    this.state = evolve(before, entry, this.edit);
    this.entries.push(entry);
    this.onEntry?.(entry, before);
    return entry;
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
