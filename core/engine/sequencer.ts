/**
 * The sequencer: orders commands, decides them, and holds every outcome until its entries are durable. No
 * I/O.
 *
 * Work gathers in a queue. `ready` decides as much of it as one append may hold against the state as it
 * will be, and says what to append; the host appends, then calls exactly one of `committed`, `behind` or
 * `failed`. Outcomes leave in log order, and only then. Where nothing is to be appended the host must see
 * that the head has not moved (LO4) before it calls `committed`.
 *
 * Invariant: `fold` is what is durable; nothing decided on top of it is seen outside before the append that
 * made it true.
 */
import { assert, Failure } from "../failures.ts";
import { limits } from "../limits.ts";
import type { FindFences } from "../model/markpact.ts";
import { answerOf, type Command, decide, defersAnswer, type State } from "../model/model.ts";
import { type Closes, type Entry, type Rejection, submissionKey } from "../model/slice.ts";
import { Batch, entryBytes } from "./batch.ts";
import { type Deadline, Expiry } from "./expiry.ts";
import { type Fold, foldAll } from "./fold.ts";
import { refuse } from "./refusals.ts";

/** What became of a command. `repeated`: this answer was given before. */
export type Outcome =
  | { readonly ok: true; readonly seq: number; readonly repeated?: true; readonly [field: string]: unknown }
  | { readonly ok: false; readonly rejection: Rejection; readonly repeated?: true };

/** A command on its way. */
export interface Proposal {
  readonly agent: string;
  /**
   * The submission's id; empty for what sessions and engines send themselves, which is never remembered.
   */
  readonly id: string;
  readonly digest: string;
  readonly command: Command;
  readonly operator: boolean;
  /** The newest seq the client had seen when it made the submission. */
  readonly sentAfter?: number;
  readonly settle: (outcome: Outcome | Failure) => void;
}

/** A question, answered in its turn from the state as of then. */
export interface Read {
  readonly read: (state: State, nowMs: number, seq: number) => unknown;
  readonly settle: (answer: unknown) => void;
}

type Item = Proposal | Read;

/** What the host must do next; `entries` empty: see that the head is `after`. */
export interface Ready {
  readonly entries: readonly Entry[];
  readonly after: number;
}

/** An outcome that must be derived from an older entry, which the host reads. */
export interface Repeat {
  readonly seq: number;
  /** The submission's id. */
  readonly id: string;
  /** Set where a later entry ended its wait: whose, for an entry may be about others too. */
  readonly closes?: Closes;
  readonly settle: (outcome: Outcome | Failure) => void;
}

interface Flight {
  readonly ready: Ready;
  readonly ahead: Fold;
  readonly releases: readonly (() => void)[];
  readonly taken: readonly Item[];
  /** Those among them that wrote an entry. */
  readonly writing: ReadonlySet<Item>;
  readonly lapsed: readonly Deadline[];
  readonly owed: readonly (number | undefined)[];
}

export interface SequencerOptions {
  readonly fold: Fold;
  /** Id of this engine. */
  readonly hub: string;
  readonly hash: (text: string) => string;
  readonly fences?: FindFences | undefined;
  /** Answers an outcome that stands in an older entry. */
  readonly repeat: (repeat: Repeat) => void;
}

/** An entry leaves room in its frame for the envelope (LO3). */
const ENTRY_BYTES_MAX = limits.frameBytesMax - 4096;

export class Sequencer {
  /** What is durable. */
  fold: Fold;
  readonly expiry = new Expiry();
  private readonly options: SequencerOptions;
  private queue: Item[] = [];
  private flight: Flight | undefined;
  /**
   * Causes whose consequences did not fit the last append; `undefined` stands for whatever is owed after a
   * recovery.
   */
  private owed: readonly (number | undefined)[] = [undefined];
  private readonly waiting = new Map<string, ((outcome: Outcome | Failure) => void)[]>();
  private readonly refused = new Refused();
  /** Commands whose append may have happened, and after which seq. */
  private readonly doubted = new WeakMap<Item, number>();

  constructor(options: SequencerOptions) {
    this.options = options;
    this.fold = options.fold;
    this.expiry.rebuild(options.fold.state);
  }

  /** Id of this engine. */
  get hub(): string {
    return this.options.hub;
  }

  /** How much is queued or in flight. */
  get pending(): number {
    return this.queue.length + (this.flight?.taken.length ?? 0);
  }

  /** How many here wait for a grant. */
  get waiters(): number {
    return this.waiting.size;
  }

  /** Queues a command; settled with `busy` when too much is waiting. */
  propose(proposal: Proposal): void {
    if (this.queue.length >= limits.pendingMax) {
      proposal.settle(
        new Failure("busy", "The hub has too much to do; try again shortly. Nothing was done."),
      );
    } else this.queue.push(proposal);
  }

  /** Queues a question behind the commands before it. */
  ask(read: Read): void {
    this.queue.push(read);
  }

  /** Looks once more at whatever may be owed, e.g. after another hub died between two appends. */
  owe(): void {
    if (this.owed.length === 0) this.owed = [undefined];
  }

  /**
   * Decides the next batch. `undefined` while one is in flight or when there is nothing to do. With
   * `unwritable`, only
   * what needs no append is answered, and commands that would are settled with that failure.
   */
  ready(nowMs: number, wallMs: number, unwritable?: Failure): Ready | undefined {
    if (this.flight !== undefined) return undefined;
    const due = (this.expiry.nextMs ?? Infinity) <= nowMs && unwritable === undefined;
    const owing = this.owed.length > 0 && unwritable === undefined;
    if (this.queue.length === 0 && !due && !owing) return undefined;
    const batch = new Batch(this.fold, this.options, Math.max(nowMs, this.fold.atMs), wallMs, this.expiry);
    if (unwritable === undefined) {
      batch.pay(this.owed);
      batch.lapse();
    }
    const taken: Item[] = [];
    const writing = new Set<Item>();
    for (const item of this.queue) {
      if (batch.full && unwritable === undefined) break;
      if (taken.length >= limits.batchItemsMax) break;
      taken.push(item);
      const written = batch.entries.length;
      this.take(item, batch, unwritable);
      if (batch.entries.length > written) writing.add(item);
    }
    this.queue = this.queue.slice(taken.length);
    const { entries, fold: ahead, releases, lapsed } = batch;
    const owed = unwritable === undefined ? batch.owed : this.owed;
    if (entries.length === 0 && taken.length === 0) {
      this.owed = owed;
      return undefined;
    }
    const ready = { entries, after: this.fold.seq };
    this.flight = { ready, ahead, releases, taken, writing, lapsed, owed };
    return ready;
  }

  /**
   * The append happened (or the head was where `ready` said): publishes the fold, releases the outcomes in
   * order.
   */
  committed(): void {
    const flight = this.land();
    const { settings } = this.fold.state.log;
    this.fold = flight.ahead;
    this.owed = flight.owed;
    if (this.fold.state.log.settings !== settings) this.expiry.rebuild(this.fold.state);
    for (const release of flight.releases) release();
    this.answerWaiting(flight.ready.entries);
  }

  /**
   * Others were faster: folds what they wrote; everything of the batch is decided again. Throws
   * `fold.failed`.
   */
  behind(entries: readonly Entry[]): void {
    const flight = this.land();
    for (const deadline of flight.lapsed) this.expiry.push(deadline);
    this.queue = [...flight.taken, ...this.queue];
    this.learn(entries);
  }

  /** Whether the append happened is not known; `behind` follows, with what the log says. */
  doubt(): void {
    const { flight } = this;
    for (const item of flight?.writing ?? []) this.doubted.set(item, flight?.ready.after ?? 0);
  }

  /**
   * The append certainly did not happen: those whose entries were in it are told so, the others are decided
   * again.
   */
  failed(failure: Failure): void {
    const flight = this.land();
    for (const deadline of flight.lapsed) this.expiry.push(deadline);
    const again: Item[] = [];
    for (const item of flight.taken) {
      // The answer to any other may stand in an older entry: it is nothing that failed now.
      if (flight.writing.has(item)) item.settle(failure as never);
      else again.push(item);
    }
    this.queue = [...again, ...this.queue];
  }

  /**
   * Everything that waits is told `failure`, as indefinite where it may have happened; for when the engine
   * stops.
   */
  abandon(failure: Failure): void {
    const { code, message, fields } = failure;
    const unsure = new Failure(code, message, { definite: false, fields });
    const taken = this.flight?.taken ?? [];
    const queued = this.queue;
    this.flight = undefined;
    this.queue = [];
    for (const item of taken) item.settle(unsure);
    for (const item of queued) item.settle(failure);
    for (const all of this.waiting.values()) for (const settle of all) settle(unsure);
    this.waiting.clear();
  }

  /** Folds entries that others wrote; nothing may be in flight. Throws `fold.failed`. */
  learn(entries: readonly Entry[]): void {
    assert(this.flight === undefined, "learning while an append is in flight");
    if (entries.length === 0) return;
    const before = this.fold.state.log.settings;
    this.fold = foldAll(this.fold, entries);
    const { state } = this.fold;
    if (state.log.settings !== before) this.expiry.rebuild(state);
    else for (const entry of entries) this.expiry.note(entry, state);
    this.answerWaiting(entries);
  }

  private land(): Flight {
    const { flight } = this;
    assert(flight !== undefined, "no append is in flight");
    this.flight = undefined;
    return flight;
  }

  private take(item: Item, batch: Batch, unwritable: Failure | undefined): void {
    if ("read" in item) {
      const answer = item.read(batch.fold.state, batch.nowMs, batch.fold.seq);
      batch.releases.push(() => item.settle(answer));
      return;
    }
    const key = item.id === "" ? "" : submissionKey(item.agent, item.id);
    const remembered = key === "" ? undefined : this.remembered(key, item, batch);
    batch.releases.push(remembered ?? this.decided(key, item, batch, unwritable));
  }

  /** How to answer a submission that was seen before, or that may have been (SU1, SU2, SU3, SU5). */
  private remembered(key: string, item: Proposal, batch: Batch): (() => void) | undefined {
    const { table, floor } = batch.fold.receipts;
    const receipt = table.get(item.agent, item.id);
    const refused = batch.refused.get(key) ?? this.refused.get(key);
    const seen = receipt ?? refused;
    if (seen !== undefined && seen.digest !== item.digest) {
      const seq = receipt === undefined ? {} : { seq: receipt.seq };
      const reused = refuse("submission.reused", { submission: item.id, ...seq });
      return () => item.settle({ ok: false, ...reused });
    }
    if (receipt?.answered === 0) return () => this.wait(key, item.settle);
    if (receipt !== undefined) {
      const { seq, answered } = receipt;
      const { agent, id, settle } = item;
      const repeat = seq === answered ? { seq } : { seq: answered, closes: { agent, submission: id } };
      return () => this.options.repeat({ ...repeat, id, settle });
    }
    const isOld = item.sentAfter !== undefined && item.sentAfter < floor;
    // Beyond the window another hub may have accepted it since: what was refused here says nothing then.
    if (refused !== undefined && !isOld) return () => item.settle({ ...refused.outcome, repeated: true });
    if ((this.doubted.get(item) ?? floor) < floor) {
      // It may have happened and been forgotten: neither new nor, to one who sent it once, without effect.
      const words = "Whether it happened is not known; submit the same id again to find out.";
      return () => item.settle(new Failure("log.unknown-outcome", words, { definite: false }));
    }
    if (!isOld) return undefined;
    const expired = refuse("submission.expired", { submission: item.id, floor });
    return () => item.settle({ ok: false, ...expired });
  }

  /** Decides a command that is new; returns how to answer it once the batch is durable. */
  private decided(key: string, item: Proposal, batch: Batch, unwritable: Failure | undefined): () => void {
    const context = batch.context(item.agent, item.operator, item.id);
    const decision = decide(batch.fold.state, item.command, context);
    const left = (outcome: Outcome) => {
      if (key !== "") batch.refused.set(key, { digest: item.digest, outcome });
      return () => {
        if (key !== "") this.refused.set(key, item.digest, outcome);
        item.settle(outcome);
      };
    };
    if ("rejection" in decision) return left({ ok: false, rejection: decision.rejection });
    if (decision.events.length === 0) return left({ ok: true, seq: batch.fold.seq });
    if (unwritable !== undefined) return () => item.settle(unwritable);
    const entry = batch.entry(item.agent, item.id, item.digest, decision.events);
    const waits = defersAnswer(entry);
    const bytes = entryBytes(entry);
    // What waits is granted later, in an entry that holds more than its own.
    const max = waits ? ENTRY_BYTES_MAX / 2 : ENTRY_BYTES_MAX;
    if (bytes > max) return left({ ok: false, ...refuse("entry.too-large", { bytes, max }) });
    batch.add(entry, bytes);
    if (waits) return () => this.wait(key, item.settle);
    return () => item.settle(outcomeOf(answerOf(entry) ?? { result: { seq: entry.seq } }));
  }

  private wait(key: string, settle: (outcome: Outcome | Failure) => void): void {
    const others = this.waiting.get(key);
    if (others === undefined) this.waiting.set(key, [settle]);
    else others.push(settle);
  }

  private answerWaiting(entries: readonly Entry[]): void {
    if (this.waiting.size === 0) return;
    for (const entry of entries) {
      for (const event of entry.events) {
        const { closes } = event as { readonly closes?: Closes };
        if (closes === undefined) continue;
        const key = submissionKey(closes.agent, closes.submission);
        const settles = this.waiting.get(key);
        const answer = settles && answerOf(entry, closes);
        if (answer === undefined) continue;
        this.waiting.delete(key);
        for (const settle of settles ?? []) settle(outcomeOf(answer));
      }
    }
  }
}

/** The outcome that an answer stands for. */
export function outcomeOf(answer: NonNullable<ReturnType<typeof answerOf>>): Outcome {
  if ("rejection" in answer) return { ok: false, rejection: answer.rejection };
  return { ok: true, ...(answer.result as { readonly seq: number }) };
}

/**
 * Refusals and empty acceptances that were given, so that a late duplicate cannot take effect (SU3).
 * Bounded.
 */
class Refused {
  private readonly byKey = new Map<string, { readonly digest: string; readonly outcome: Outcome }>();

  get(key: string) {
    return this.byKey.get(key);
  }

  set(key: string, digest: string, outcome: Outcome): void {
    this.byKey.set(key, { digest, outcome });
    if (this.byKey.size <= limits.refusalsRemembered) return;
    const oldest = this.byKey.keys().next();
    if (oldest.done !== true) this.byKey.delete(oldest.value);
  }
}
