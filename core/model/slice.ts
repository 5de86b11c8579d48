/**
 * The shape of a noun: what a file in this folder must provide to take part in the model.
 *
 * A noun owns one slice of the state. `decide` reads the whole state and returns events or a rejection;
 * `evolve` sees any event and returns its own slice; everything else a noun can do is optional and listed
 * in `Slice`.
 */
import type { Settings } from "./log.ts";
import type { Edit } from "./map.ts";
import type { FindFences } from "./markpact.ts";
import type { Command, Event, State } from "./model.ts";
import type { Fields, ObjectShape } from "./shape.ts";

/** A place in the log: one accepted command's events, or what a hub added by itself. */
export interface Entry {
  /** Position, 1, 2, 3 … without holes (but LO8). */
  readonly seq: number;
  /** Log time in milliseconds: never decreasing, unaffected by wall clocks. */
  readonly atMs: number;
  /** Wall time of the writer, an annotation for people. */
  readonly wallMs: number;
  /** The agent whose command it was, or `hub`. */
  readonly by: string;
  /** The submission's id; unique per agent within the receipts' window. Empty for entries of a hub. */
  readonly id: string;
  /**
   * Fingerprint of the command, so that a reused id is told from a repeated one. Absent for entries of a
   * hub.
   */
  readonly digest?: string;
  readonly events: readonly Event[];
}

/** What a decision may know besides the state. */
export interface Context {
  /** Who asks. */
  readonly agent: string;
  /** Log time in milliseconds. Nothing in the state is due at this time. */
  readonly nowMs: number;
  /** The seq its entry would get. */
  readonly seq: number;
  /** Whether the sender acts as an operator. */
  readonly operator: boolean;
  /** Id of the deciding engine. */
  readonly hub: string;
  /** The submission's id. */
  readonly submission: string;
  /** SHA-256 of the UTF-8 of a text, in lower-case hex. */
  readonly hash: (text: string) => string;
  /** Reads Markdown; without it no Markpact can be taken in. */
  readonly fences?: FindFences | undefined;
}

/** Who asks a query. */
export interface Asker {
  readonly agent: string;
  readonly nowMs: number;
  readonly operator: boolean;
  /** Whether names are proven by tokens: only then are direct messages private (ME10). */
  readonly guarded: boolean;
  /** As of `Context`; without it no hashes are told. */
  readonly hash?: ((text: string) => string) | undefined;
}

/** Where an event stands, for `evolve`. */
export interface At {
  readonly seq: number;
  readonly atMs: number;
  readonly wallMs: number;
  readonly by: string;
  readonly id: string;
  /** The log's settings as of before this entry. */
  readonly settings: Settings;
  /** Leave to change in place what this edit has created; absent: copy. */
  readonly edit: Edit | undefined;
}

/** On an event that answers an earlier, deferred command: whose. */
export interface Closes {
  readonly agent: string;
  readonly submission: string;
}

/** A submission's name among all agents': neither part can hold a line feed. */
export function submissionKey(agent: string, submission: string): string {
  return `${agent}\n${submission}`;
}

/** A refusal, as data: a stable code, a sentence of at most 400 characters for people, and typed fields. */
export interface Rejection {
  readonly code: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** Accepted, with what happened (nothing, when it was so already), or refused. */
export type Decision = { readonly events: readonly Event[] } | { readonly rejection: Rejection };

/** Describes one rejection of a noun: its fields, when it is given, and its sentence. */
export interface Refusal<P = never, F = ObjectShape["fields"]> {
  readonly doc: string;
  readonly fields: F;
  readonly say: (fields: P) => string;
}

/** A row of a noun's table of rejections. */
export function refusal<const F extends ObjectShape["fields"]>(
  doc: string,
  fields: F,
  say: (fields: Fields<F>) => string,
): Refusal<Fields<F>, F> {
  return { doc, fields, say };
}

type FieldsOf<R> = R extends { readonly say: (fields: infer P) => string } ? P : never;

/** Longest sentence of a rejection, in characters (promise 10). */
const SENTENCE_MAX = 400;

/** Makes the `reject` of a noun from its table of rejections. */
export function rejecter<
  const T extends { readonly [code: string]: { readonly say: (fields: never) => string } },
>(
  table: T,
): <K extends keyof T & string>(code: K, fields: FieldsOf<T[K]>) => { readonly rejection: Rejection } {
  return (code, fields) => {
    const sentence = table[code]?.say(fields as never) ?? code;
    const message =
      sentence.length > SENTENCE_MAX ? `${sentence.slice(0, SENTENCE_MAX - 1)}…`.toWellFormed() : sentence;
    return { rejection: { ...(fields as object), code, message } };
  };
}

/**
 * A copy with these fields added, or in place of its own. A spread that is written over is three times
 * slower in the V8 of Node 20, and one with new fields behind it ten times.
 */
export function changed<T extends object, F extends object>(before: T, fields: F): T & F {
  return Object.assign({}, before, fields);
}

/** Accepts with these events; with none where nothing changes. */
export function accept(...events: readonly Event[]): { readonly events: readonly Event[] } {
  return { events };
}

/** A command's schema with its sentence for the reference. */
export function command<const F extends ObjectShape["fields"]>(doc: string, fields: F) {
  return { kind: "object", doc, fields } as const;
}

/** An event's schema with its sentence for the reference. */
export const event = command;

/** A question about the state; pure, paged where it may be long. May be answered by a rejection. */
export interface Query<P = never, R = unknown> {
  readonly params: ObjectShape;
  readonly doc: string;
  readonly answer: (state: State, params: P, asker: Asker) => R | { readonly rejection: Rejection };
}

/** A row of a noun's table of queries. */
export function query<const F extends ObjectShape["fields"], R>(
  doc: string,
  fields: F,
  answer: Query<Fields<F>, R>["answer"],
): Query<Fields<F>, R> {
  return { params: { kind: "object", fields }, doc, answer };
}

/** Looks at entries one by one, in order, to answer a question about the past. */
export interface Tracer<R = object> {
  /** Entries up to this seq are not looked at. */
  readonly from: number;
  /** Takes one in; `false`: it has seen enough. Entries are already redacted for the asker. */
  readonly take: (entry: Entry) => boolean;
  readonly answer: () => R;
}

/** A question about the past, answered from the log beside the event loop. */
export interface Past<P = never, R = object> {
  readonly params: ObjectShape;
  readonly doc: string;
  readonly trace: (state: State, params: P, asker: Asker) => Tracer<R> | { readonly rejection: Rejection };
}

/** A row of a noun's table of questions about the past. */
export function past<const F extends ObjectShape["fields"], R extends object>(
  doc: string,
  fields: F,
  trace: Past<Fields<F>, R>["trace"],
): Past<Fields<F>, R> {
  return { params: { kind: "object", fields }, doc, trace };
}

/** A part of a slice as it stands in a snapshot: plain values only, any order of rows. */
export type Row = readonly [part: string, ...values: readonly unknown[]];

/** When something is due, in log time, and what. */
export type Due = readonly [dueMs: number, key: string];

/** Due times a noun keeps, turned into entries by whichever engine is awake (expiry.ts). */
export interface Deadlines {
  /**
   * The deadline an event sets, seen with the state after it. It may be superseded later; `lapse` tells the
   * truth.
   */
  readonly set: (event: Event, state: State) => Due | undefined;
  /** Every deadline that stands. */
  readonly all: (state: State) => Iterable<Due>;
  /**
   * What happens to `key` now, as the events of one entry by the hub; `undefined` when it is not due (any
   * more).
   */
  readonly lapse: (state: State, key: string, context: Context) => readonly Event[] | undefined;
}

type Handlers<S, E extends { readonly type: string }> = {
  readonly [K in E["type"]]: (slice: S, event: Extract<E, { type: K }>, at: At) => S;
} & {
  readonly [K in Exclude<Event["type"], E["type"]>]?: (
    slice: S,
    event: Extract<Event, { type: K }>,
    at: At,
  ) => S;
};

/** One noun of the model: its state `S`, commands `C` and events `E`. */
export interface Slice<S, C extends { readonly type: string }, E extends { readonly type: string }> {
  readonly initial: S;
  /** One pure function a command; never throws. */
  readonly decide: {
    readonly [K in C["type"]]: (state: State, command: Extract<C, { type: K }>, context: Context) => Decision;
  };
  /**
   * One total function an event: its own are compulsory, others' are there for the taking. Must not read
   * other slices: events carry what their readers need.
   */
  readonly evolve: Handlers<S, E>;
  /** The slice as plain rows, and back. `load(save(s))` equals `s`, derived indexes aside. */
  readonly save: (slice: S) => Iterable<Row>;
  readonly load: (rows: Iterable<Row>) => S;
  /** Builds the derived indexes that a bulk fold leaves out. Idempotent. */
  readonly settle?: (slice: S, settings: Settings) => S;
  readonly deadlines?: Deadlines;
  /**
   * Events this noun adds to another's, in the same entry (a task completed by a release). Sees the state
   * before the entry and the events so far.
   */
  readonly join?: (state: State, events: readonly Event[], context: Context) => readonly Event[];
  /**
   * The next entry a hub adds after the entry `cause` (the grant to a waiter); asked again until it has
   * none. Without a cause, after a recovery: whatever is owed from before.
   */
  readonly follow?: (
    state: State,
    context: Context,
    cause: number | undefined,
  ) => readonly Event[] | undefined;
  /** Whether `follow` could have anything to say at all. Goes with it. */
  readonly owes?: (state: State) => boolean;
  /**
   * A fresh object: what the sender of a command is told of an event of its entry, besides `seq`; a
   * rejection ends a wait in vain.
   */
  readonly answer?: {
    readonly [K in E["type"]]?: (
      event: Extract<E, { type: K }>,
      entry: Entry,
    ) => object | { readonly rejection: Rejection };
  };
  /**
   * What a repeated answer adds from the state as it is by now, to what an event of its entry gave (SU1).
   */
  readonly since?: {
    readonly [K in E["type"]]?: (event: Extract<E, { type: K }>, state: State, nowMs: number) => object;
  };
  /**
   * What an engine submits once `agent` was shown every entry up to `seq` on a connection that delivers
   * (ME5).
   */
  readonly shown?: (state: State, agent: string, seq: number) => Command | undefined;
  /** Events that leave their command unanswered until a later event names it in `closes`. */
  readonly defers?: readonly E["type"][];
  /** The event as those may see it who are not in on it (ME10); the same object where nothing is hidden. */
  readonly redact?: { readonly [K in E["type"]]?: (event: Extract<E, { type: K }>, asker: Asker) => Event };
}
