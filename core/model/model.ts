/**
 * The model: the functions that make the nouns (nouns.ts) one.
 *
 * `decide` turns a command into events or a rejection; `evolve` folds an entry into the state. Both are
 * pure.
 */
import { assert, Fault } from "../failures.ts";
import type { Edit } from "./map.ts";
import {
  type Command,
  type Event,
  events,
  type Folding,
  folding,
  queries,
  type SliceName,
  type State,
  slices,
} from "./nouns.ts";
import type { Asker, At, Closes, Context, Decision, Due, Entry, Rejection, Row, Slice } from "./slice.ts";

export {
  type Command,
  commands,
  type Event,
  events,
  pasts,
  queries,
  rejections,
  type SliceName,
  type State,
  slices,
  tables,
} from "./nouns.ts";

type AnySlice = Slice<unknown, { readonly type: string }, { readonly type: string }>;
type Decide = (state: State, command: Command, context: Context) => Decision;

const named = Object.entries(slices) as unknown as readonly (readonly [SliceName, AnySlice])[];
const deciders = new Map<string, Decide>();
const handlers = new Map<string, Folding[]>();
const answers = new Map<string, (event: Event, entry: Entry) => object>();
const redactions = new Map<string, (event: Event, asker: Asker) => Event>();
const sinces = new Map<string, (event: Event, state: State, nowMs: number) => object>();
const deferring = new Set<string>();
for (const type of Object.keys(events)) handlers.set(type, []);
for (const [name, slice] of named) {
  for (const [type, decide] of Object.entries(slice.decide)) deciders.set(type, decide as unknown as Decide);
  for (const [type, handler] of Object.entries(slice.evolve)) {
    handlers.get(type)?.push(folding[name](handler as never));
  }
  for (const [type, answer] of Object.entries(slice.answer ?? {})) answers.set(type, answer as never);
  for (const [type, redact] of Object.entries(slice.redact ?? {})) redactions.set(type, redact as never);
  for (const [type, since] of Object.entries(slice.since ?? {})) sinces.set(type, since as never);
  for (const type of slice.defers ?? []) deferring.add(type);
}

/** The state before the first entry, with its indexes. */
export const initial: State = settle(
  Object.fromEntries(named.map(([name, slice]) => [name, slice.initial])) as unknown as State,
);

/** Decides a command. Pure; never throws for a command that passed its schema, whatever the state. */
export function decide(state: State, command: Command, context: Context): Decision {
  const decider = deciders.get(command.type);
  assert(decider !== undefined, `no noun decides ${command.type}`);
  const decision = decider(state, command, context);
  if ("rejection" in decision || decision.events.length === 0) return decision;
  return { events: joined(state, decision.events, context) };
}

/**
 * What becomes of something that was due, as the events of one entry by the hub; `undefined` when it is not
 * (any more).
 */
export function lapse(
  state: State,
  name: SliceName,
  key: string,
  context: Context,
): readonly Event[] | undefined {
  const events = slices[name as "claims"].deadlines?.lapse(state, key, context);
  return events && joined(state, events, context);
}

/** The next entry the hub owes after the entry `cause`; `undefined` when it owes nothing more. */
export function follow(
  state: State,
  context: Context,
  cause: number | undefined,
): readonly Event[] | undefined {
  for (const [, slice] of named) {
    const events = slice.follow?.(state, context, cause);
    if (events !== undefined) return joined(state, events, context);
  }
  return undefined;
}

/** Whether any noun may owe an entry: cheap, asked after every entry. */
export function owes(state: State): boolean {
  for (const owing of owings) if (owing(state)) return true;
  return false;
}

/**
 * Folds one entry. Total over schema-valid entries of known types; throws a `Fault` for an unknown type,
 * which a newer version wrote. With `edit`, parts of the state created under the same edit are changed in
 * place: the state given must then not be used any more.
 */
export function evolve(state: State, entry: Entry, edit?: Edit): State {
  const { seq, atMs, wallMs, by, id } = entry;
  const at: At = { seq, atMs, wallMs, by, id, settings: state.log.settings, edit };
  const own = edit !== undefined && edit.newest === state;
  const next = own ? state : { ...state };
  if (edit !== undefined) edit.newest = next;
  for (const event of entry.events) {
    const folds = handlers.get(event.type);
    if (folds === undefined)
      throw new Fault(`entry ${seq} holds ${event.type}, which this version does not know`);
    for (const fold of folds) fold(next, event, at);
  }
  return next as State;
}

/** Items of each list that `glance` shows. */
const GLANCE_ITEMS = 200;

/** The state at a glance: the summary and the first of what is live. */
export function glance(state: State, asker: Asker): object {
  const limit = GLANCE_ITEMS;
  return {
    summary: queries["state.summary"].answer(state, {}, asker),
    agents: queries["agents.list"].answer(state, { limit }, asker),
    claims: queries["claims.list"].answer(state, { limit }, asker),
    waits: queries["waits.list"].answer(state, { limit }, asker),
    tasks: queries["tasks.list"].answer(state, { limit }, asker),
  };
}

/** The deadlines an entry sets, with the noun each belongs to. */
export function deadlinesOf(entry: Entry, state: State): (readonly [SliceName, Due])[] {
  const dues: (readonly [SliceName, Due])[] = [];
  for (const [name, { deadlines }] of timed) {
    for (const event of entry.events) {
      const due = deadlines.set(event, state);
      if (due !== undefined) dues.push([name, due]);
    }
  }
  return dues;
}

/** Every deadline that stands. */
export function* allDeadlines(state: State): IterableIterator<readonly [SliceName, Due]> {
  for (const [name, { deadlines }] of timed) for (const due of deadlines.all(state)) yield [name, due];
}

/** Whether the entry leaves its command waiting for a later one's answer. */
export function defersAnswer(entry: Entry): boolean {
  for (const event of entry.events) if (deferring.has(event.type)) return true;
  return false;
}

/**
 * What the sender of a command is told, derived from the entry alone: the same today, after a restart and
 * on any hub. `undefined` when the entry left the command waiting. An entry may end others' waits besides:
 * with `closes`, what the sender of that waiting command is told.
 */
export function answerOf(
  entry: Entry,
  closes?: Closes,
): { readonly result: object } | { readonly rejection: Rejection } | undefined {
  let result: { [field: string]: unknown } | undefined;
  for (const event of entry.events) {
    const closed = "closes" in event ? event.closes : undefined;
    if (closes === undefined ? closed !== undefined && entry.id !== "" : !isSame(closes, closed)) continue;
    if (deferring.has(event.type)) return undefined;
    const answer = answers.get(event.type)?.(event, entry);
    if (answer === undefined) continue;
    if ("rejection" in answer) return { rejection: answer.rejection as Rejection };
    result = result === undefined ? Object.assign(answer, { seq: entry.seq }) : { ...result, ...answer };
  }
  return { result: result ?? { seq: entry.seq } };
}

/** What a repeated answer adds from the state as it is by now (SU1). */
export function sinceThen(entry: Entry, state: State, nowMs: number): object {
  let more = {};
  for (const event of entry.events) more = { ...more, ...sinces.get(event.type)?.(event, state, nowMs) };
  return more;
}

/**
 * What is owed to the log once `agent` was shown every entry up to `seq`; at most one command at a time.
 */
export function afterShown(state: State, agent: string, seq: number): Command | undefined {
  for (const [, { shown }] of named) {
    const command = shown?.(state, agent, seq);
    if (command !== undefined) return command;
  }
  return undefined;
}

function isSame(a: Closes, b: Closes | undefined): boolean {
  return b !== undefined && a.agent === b.agent && a.submission === b.submission;
}

/** The entry as `asker` may read it; the same object where nothing is hidden from it. */
export function redacted(entry: Entry, asker: Asker): Entry {
  if (redactions.size === 0) return entry;
  let hidden = false;
  const shown = entry.events.map((event) => {
    const seen = redactions.get(event.type)?.(event, asker) ?? event;
    if (seen !== event) hidden = true;
    return seen;
  });
  return hidden ? { ...entry, events: shown } : entry;
}

/** Builds the derived indexes that a bulk fold leaves out. Idempotent. */
export function settle(state: State): State {
  const settled = named.map(([name, slice]) => {
    const part = state[name];
    return [name, slice.settle === undefined ? part : slice.settle(part, state.log.settings)];
  });
  return Object.fromEntries(settled) as unknown as State;
}

/**
 * The state before the first entry, without indexes: where a bulk fold begins. `settle` what comes out of
 * it.
 */
export function bare(): State {
  return Object.fromEntries(named.map(([name, slice]) => [name, slice.initial])) as unknown as State;
}

/** The whole state as plain rows, noun by noun. */
export function save(state: State): readonly (readonly [SliceName, Iterable<Row>])[] {
  return named.map(([name, slice]) => [name, slice.save(state[name])] as const);
}

/**
 * Makes a state of the rows that `save` gave. Each noun is made as soon as its rows are all there, so that
 * rows and state of the whole are never there at once.
 */
export class Loading {
  private readonly parts: { [name: string]: unknown } = {};
  private name: SliceName | undefined;
  private rows: Row[] = [];

  /** Takes some rows of a noun, right behind those of the same. Throws a `Fault` for an unknown one. */
  take(name: string, rows: readonly Row[]): void {
    if (name !== this.name) {
      this.finish();
      if (!Object.hasOwn(slices, name) || Object.hasOwn(this.parts, name)) {
        throw new Fault(`a snapshot holds ${name}, which this version does not know there`);
      }
      this.name = name as SliceName;
    }
    for (const row of rows) this.rows.push(row);
  }

  /** The state, without indexes: `settle` it. */
  done(): State {
    this.finish();
    return Object.fromEntries(
      named.map(([name, slice]) => [name, this.parts[name] ?? slice.load([])]),
    ) as unknown as State;
  }

  private finish(): void {
    if (this.name === undefined) return;
    this.parts[this.name] = (slices[this.name] as unknown as AnySlice).load(this.rows);
    this.name = undefined;
    this.rows = [];
  }
}

const owings = named.flatMap(([, { owes }]) => (owes === undefined ? [] : [owes]));

const timed = named.flatMap(([name, { deadlines }]) =>
  deadlines === undefined ? [] : [[name, { deadlines }] as const],
);

function joined(state: State, events: readonly Event[], context: Context): readonly Event[] {
  let all = events;
  for (const [, slice] of named) {
    if (slice.join === undefined) continue;
    const more = slice.join(state, all, context);
    if (more.length > 0) all = [...all, ...more];
  }
  return all;
}
