/**
 * A fleet on one log without an engine: commands in, outcomes out, time at will. Whatever is sent passes
 * its schema first, whatever happens passes its own, and what is due happens before it could be seen.
 */
import { expect } from "vitest";
import { Edit, KeyMap } from "../../core/model/map.ts";
import {
  allDeadlines,
  answerOf,
  bare,
  type Command,
  decide,
  type Event,
  evolve,
  follow,
  initial,
  lapse,
  type SliceName,
  type State,
  settle,
  tables,
} from "../../core/model/model.ts";
import { SeqMap } from "../../core/model/seq-map.ts";
import type { Asker, Context, Entry, Rejection } from "../../core/model/slice.ts";
import { compile } from "../../core/protocol/schema.ts";
import { reloaded } from "./saved.ts";

type Check = ReturnType<typeof compile>;
const checks = new Map<string, Check>();

function check(kind: "commands" | "events" | "queries", type: string, value: object) {
  const key = `${kind} ${type}`;
  let found = checks.get(key);
  if (found === undefined) {
    const shape = kind === "queries" ? tables.queries[type]?.params : tables[kind][type];
    if (shape === undefined) return undefined;
    found = compile(shape);
    checks.set(key, found);
  }
  return found(value);
}

/** What came of a command; `refused` is the code, or `schema` and where. */
export interface Told {
  readonly seq: number;
  readonly events: readonly Event[];
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever fields they expect
  readonly result: any;
  readonly refused: string | undefined;
  readonly rejection: Rejection | undefined;
}

export class Fleet {
  state: State = initial;
  nowMs = 0;
  readonly entries: Entry[] = [];

  constructor(settings: object = {}) {
    this.send("hub", { type: "log.create", log: "test", settings });
  }

  /** Opens a session. */
  join(agent: string, said: { role?: string; project?: string } = {}): this {
    this.send(agent, { type: "agent.join", ...said });
    return this;
  }

  send(agent: string, command: Command, operator = false): Told {
    const { type, ...fields } = command;
    const problem = check("commands", type, fields);
    if (problem !== undefined) return this.refuse({ code: "schema", message: problem.why, at: problem.at });
    this.lapse();
    const decision = decide(this.state, command, this.context(agent, operator));
    if ("rejection" in decision) return this.refuse(decision.rejection);
    if (decision.events.length === 0) {
      return { seq: 0, events: [], result: {}, refused: undefined, rejection: undefined };
    }
    const entry = this.append(agent, decision.events);
    const answer = answerOf(entry);
    const result = answer !== undefined && "result" in answer ? answer.result : undefined;
    return { seq: entry.seq, events: entry.events, result, refused: undefined, rejection: undefined };
  }

  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever fields they expect
  ask(agent: string, method: string, params: object = {}, who: Partial<Asker> = {}): any {
    const problem = check("queries", method, params);
    if (problem !== undefined) throw new Error(`${problem.at}: ${problem.why}`);
    const asker: Asker = { agent, nowMs: this.nowMs, operator: false, guarded: false, ...who };
    return tables.queries[method]?.answer(this.state, params as never, asker);
  }

  /** Lets time pass, and what was due happen. */
  tick(ms: number): this {
    this.nowMs += ms;
    this.lapse();
    return this;
  }

  /** The same state comes out of replaying the log, at once or in bulk, and of saving and loading. */
  verify(...names: readonly SliceName[]) {
    const bulk = new Edit();
    let bulked = bare();
    let replayed = initial;
    for (const entry of this.entries) {
      bulked = evolve(bulked, entry, bulk);
      replayed = evolve(replayed, entry);
    }
    const loaded = reloaded(this.state);
    for (const name of names) {
      const wanted = plain(this.state[name]);
      expect(plain(replayed[name]), `${name} replayed`).toEqual(wanted);
      expect(plain(settle(bulked)[name]), `${name} folded in bulk`).toEqual(wanted);
      expect(plain(loaded[name]), `${name} saved and loaded`).toEqual(wanted);
    }
  }

  /** The state as folded from `entries`, whatever they are now. */
  replay() {
    this.state = this.entries.reduce((state, entry) => evolve(state, entry), initial);
  }

  private refuse(rejection: Rejection): Told {
    expect(rejection.message.length).toBeLessThanOrEqual(400);
    if (rejection.code !== "schema") {
      expect(tables.rejections[rejection.code]?.fields, rejection.code).toBeDefined();
      const { code: _, message: __, ...fields } = rejection;
      const declared = tables.rejections[rejection.code]?.fields ?? {};
      expect(compile({ kind: "object", fields: declared })(fields), rejection.code).toBeUndefined();
    }
    return { seq: 0, events: [], result: undefined, refused: rejection.code, rejection };
  }

  private lapse() {
    for (let more = true; more; ) {
      more = false;
      for (const [name, [dueMs, key]] of [...allDeadlines(this.state)]) {
        if (dueMs > this.nowMs) continue;
        const events = lapse(this.state, name, key, this.context("hub", false));
        if (events === undefined) continue;
        more = true;
        this.append("hub", events);
      }
    }
  }

  private append(by: string, events: readonly Event[]): Entry {
    const entry: Entry = this.stored(by, events);
    this.state = evolve(this.state, entry);
    this.entries.push(entry);
    for (let owed = follow(this.state, this.context("hub", false), entry.seq); owed !== undefined; ) {
      const next = this.stored("hub", owed);
      this.state = evolve(this.state, next);
      this.entries.push(next);
      owed = follow(this.state, this.context("hub", false), entry.seq);
    }
    return entry;
  }

  private stored(by: string, events: readonly Event[]): Entry {
    for (const { type, ...fields } of events) {
      expect(check("events", type, fields), `${type} ${JSON.stringify(fields)}`).toBeUndefined();
    }
    const seq = this.entries.length + 1;
    const id = by === "hub" ? "" : `${by}-${seq}`;
    const entry: Entry = { seq, atMs: this.nowMs, wallMs: this.nowMs, by, id, events };
    // What is folded is what was stored.
    return JSON.parse(JSON.stringify(entry)) as Entry;
  }

  private context(agent: string, operator: boolean): Context {
    const seq = this.entries.length + 1;
    return {
      agent,
      nowMs: this.nowMs,
      seq,
      operator,
      hub: "hub-1",
      submission: `${agent}-${seq}`,
      hash: String,
    };
  }
}

/** Persistent maps as sorted pairs, all the way down. */
function plain(value: unknown): unknown {
  if (value instanceof KeyMap || value instanceof SeqMap) {
    const pairs: [string | number, unknown][] = [...value].map(([key, of]) => [key, plain(of)]);
    return pairs.sort(([a], [b]) => (a < b ? -1 : 1));
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, plain(of)]));
}
