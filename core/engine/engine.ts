/**
 * The engine: the host loop around log, clock, sequencer and sessions.
 *
 * One append is in flight at a time. What is durable is folded, then answered, then shown to followers, in
 * that order and in log order. An append whose outcome is unknown stops everything until the log was read
 * again.
 */
import type { Observable } from "rxjs";
import { assert, Failure } from "../failures.ts";
import { limits } from "../limits.ts";
import { afterShown, answerOf, type Command, queries, type State, sinceThen } from "../model/model.ts";
import type { Asker, Entry } from "../model/slice.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { Connection } from "../ports/transport.ts";
import { fingerprint } from "../protocol/fingerprint.ts";
import { Admission } from "./admission.ts";
import { HUB } from "./batch.ts";
import { type Contact, Contacts } from "./contact.ts";
import { History } from "./history.ts";
import type { Host } from "./host.ts";
import { LogTime } from "./log-time.ts";
import { Names } from "./names.ts";
import { counted, type EngineOptions, type Submission, unfit } from "./options.ts";
import { Presences } from "./presences.ts";
import { recover } from "./recovery.ts";
import { refuse } from "./refusals.ts";
import { type Outcome, outcomeOf, type Proposal, type Read, type Repeat, Sequencer } from "./sequencer.ts";
import { Session } from "./session.ts";
import { Snapshots } from "./snapshots.ts";
import { Streams } from "./streams.ts";
import { Subscriptions } from "./subscriptions.ts";
import { Tail } from "./tail.ts";

/**
 * Opens an engine on a log: recovers, then serves. Throws what `recover` throws, and `log.read-only` for a
 * new log.
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { log, chance, hash, fences } = options;
  const fold = await recover(log);
  const repeat = (again: Repeat) => engine.repeat(again);
  const sequencer = new Sequencer({ fold, hub: chance.id(), hash, fences, repeat });
  const engine = new Engine(options, sequencer, await log.ageMs());
  await engine.begin();
  return engine;
}

/** How an engine stands. */
export type EngineStatus = "serving" | "read-only" | "full" | "unknown" | "failed" | "closed";

export class Engine implements Host {
  readonly hub: string;
  readonly clock: Clock;
  readonly admission: Admission;
  readonly contacts = new Contacts();
  readonly sessions: Names;
  readonly subscriptions: Subscriptions;
  readonly history: History;
  readonly hash: (text: string) => string;
  private readonly options: EngineOptions;
  private readonly log: EventLog;
  private readonly sequencer: Sequencer;
  private readonly tail: Tail;
  private readonly presences: Presences;
  private readonly streams: Streams;
  private readonly snapshots: Snapshots;
  private readonly time: LogTime;
  /** Agents whose delivery is being written down. */
  private readonly delivering = new Set<string>();
  private running = false;
  private scheduled = false;
  private stale = true;
  /** Others wrote since it was last made sure that nothing is owed. */
  private foreign = false;
  private unwritable: { readonly failure: Failure; readonly untilMs: number } | undefined;
  private dead: Failure | undefined;
  private stopWatching: Cancel = () => {};
  private stopTicking: Cancel = () => {};
  private idle: (() => void)[] = [];
  private hold: Cancel | undefined;

  constructor(options: EngineOptions, sequencer: Sequencer, ageMs: number) {
    const { log, clock, chance, hash } = options;
    this.options = options;
    this.log = log;
    this.clock = clock;
    this.hash = hash;
    this.sequencer = sequencer;
    this.hub = sequencer.hub;
    this.time = new LogTime(clock, sequencer.fold.atMs, ageMs);
    this.tail = new Tail(sequencer.fold.seq);
    this.admission = new Admission(options);
    this.sessions = new Names(
      () => this.nowMs(),
      () => chance.id(),
    );
    this.subscriptions = new Subscriptions({
      tail: this.tail,
      read: (after) => log.read(after),
      head: () => this.sequencer.fold.seq,
    });
    this.history = new History({
      log,
      state: () => this.state(),
      head: () => this.head(),
      pause: () => this.pause(),
    });
    this.presences = new Presences(this, log);
    this.streams = new Streams(() => this.state());
    this.snapshots = new Snapshots({
      store: log.snapshots,
      fold: () => this.sequencer.fold,
      pause: () => this.pause(),
      report: (error) => options.report?.("snapshot", error),
    });
  }

  /** Writes the first entry of a new log and starts to serve. */
  async begin(): Promise<void> {
    const { log, chance, settings = {} } = this.options;
    this.stopWatching = log.watch(() => {
      this.stale = true;
      this.kick();
    });
    if (this.sequencer.fold.seq === 0) {
      await this.own({ type: "log.create", log: chance.id(), settings });
    }
    if (log.lost !== undefined) await this.own({ type: "log.accept-loss", lostAfter: log.lost.afterSeq });
    this.tick();
  }

  get status(): EngineStatus {
    if (this.dead !== undefined) return this.dead.code === "closed" ? "closed" : "failed";
    const code = this.unwritable?.failure.code;
    if (code === undefined) return "serving";
    return code === "log.read-only" ? "read-only" : code === "log.full" ? "full" : "unknown";
  }

  /** Every entry as it becomes durable. */
  get entries$(): Observable<Entry> {
    return this.streams.entries$;
  }

  /** The state after each append, the newest at once. Immutable: it may be held. */
  get state$(): Observable<State> {
    return this.streams.state$;
  }

  get durable() {
    return this.log.durability;
  }

  /** How many commands and questions wait. */
  get pending(): number {
    return this.sequencer.pending;
  }

  state(): State {
    return this.sequencer.fold.state;
  }

  head(): number {
    return this.sequencer.fold.seq;
  }

  /** Log time, in milliseconds. */
  nowMs(): number {
    return this.time.nowMs();
  }

  /**
   * Submits a command and resolves with its outcome once it is durable. Throws `Failure`: `usage` for a
   * command that does not fit its schema, else what the log says; an indefinite one may have happened, submit
   * the same id again.
   */
  submit(submission: Submission): Promise<Outcome> {
    const { id, agent, command, sentAfter, operator = false } = submission;
    const problem = unfit(command);
    if (problem !== undefined) {
      const { at, why } = problem;
      return Promise.reject(new Failure("usage", `${command.type}: ${at} ${why}`, { fields: { at, why } }));
    }
    const digest = fingerprint(command);
    return new Promise((resolve, reject) => {
      this.propose({
        agent,
        id,
        digest,
        command,
        operator,
        ...(sentAfter === undefined ? {} : { sentAfter }),
        settle: (outcome) => (outcome instanceof Failure ? reject(outcome) : resolve(outcome)),
      });
    });
  }

  /** Asks the state, by the method and params of a query. The params are not checked. */
  query<M extends keyof typeof queries>(
    method: M,
    params: Parameters<(typeof queries)[M]["answer"]>[1],
    as: { readonly agent?: string; readonly operator?: boolean } = {},
  ): Promise<ReturnType<(typeof queries)[M]["answer"]>> {
    const { answer } = queries[method];
    return new Promise((resolve, reject) => {
      this.ask({
        read: (state, nowMs) => {
          const asker: Asker = {
            agent: as.agent ?? "",
            nowMs,
            operator: as.operator ?? true,
            guarded: false,
            hash: this.hash,
          };
          return answer(state, params as never, asker);
        },
        settle: (given) => (given instanceof Failure ? reject(given) : resolve(given as never)),
      });
    });
  }

  /** Serves a connection until it ends. */
  accept(connection: Connection): void {
    if (this.dead !== undefined) return connection.close("shutting-down");
    if (this.sessions.size >= limits.sessionsMax) return connection.close("refused", "too many sessions");
    new Session(this, connection, this.options.chance.id());
  }

  propose(proposal: Proposal): void {
    if (this.dead !== undefined) return proposal.settle(this.dead);
    this.sequencer.propose(counted(proposal, this.options));
    this.hold ??= this.clock.hold?.();
    this.kick();
  }

  ask(read: Read): void {
    if (this.dead !== undefined) return read.settle(this.dead);
    this.sequencer.ask(read);
    this.kick();
  }

  /** Submits a command of the engine's own. */
  own(command: Command, agent = HUB, operator = true): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.propose({
        agent,
        id: "",
        digest: "",
        command,
        operator,
        settle: (outcome) => (outcome instanceof Failure ? reject(outcome) : resolve(outcome)),
      });
    });
  }

  rejoin(contact: Contact, operator: boolean): void {
    contact.lapsed = false;
    this.own({ type: "agent.join" }, contact.agent, operator).catch((error) => this.fault(error));
  }

  checkPresence(): void {
    this.presences.check();
  }

  delivered(agent: string, seq: number): void {
    if (this.delivering.has(agent)) return;
    const command = afterShown(this.state(), agent, seq);
    if (command === undefined) return;
    this.delivering.add(agent);
    this.own(command)
      .catch((error) => this.fault(error))
      .finally(() => this.delivering.delete(agent));
  }

  fault(error: unknown): void {
    this.options.report?.("fault", error);
  }

  /** Resolves when everything that was submitted so far has been answered. */
  settled(): Promise<void> {
    if (this.sequencer.pending === 0 && !this.running) return Promise.resolve();
    return new Promise((resolve) => this.idle.push(resolve));
  }

  /** Stops serving: answers what is in flight, closes every session, and leaves the log open. */
  async close(): Promise<void> {
    if (this.dead?.code === "closed") return;
    await this.settled();
    this.stopWatching();
    this.stopTicking();
    for (const session of this.sessions.all()) session.close("shutting-down");
    await this.presences.end();
    await this.settled();
    this.die(new Failure("closed", "The hub was closed."));
    await this.snapshots.end();
  }

  /** Writes a snapshot of what is durable now, beside everything else. */
  snapshot(): Promise<void> {
    return this.snapshots.write();
  }

  /** Answers a submission whose entry is an older one (SU1). */
  repeat({ seq, id, closes, settle }: Repeat): void {
    const give = (entry: Entry | undefined) => {
      const answer = entry && answerOf(entry, closes);
      // It had its effect, but the entry that says which is no longer kept.
      if (entry === undefined || answer === undefined) {
        return settle({ ok: false, ...refuse("submission.expired", { submission: id, floor: seq }) });
      }
      settle({
        ...outcomeOf(answer),
        ...sinceThen(entry, this.state(), this.nowMs()),
        repeated: true,
      } as Outcome);
    };
    const kept = this.tail.at(seq);
    if (kept !== undefined) return give(kept);
    this.find(seq).then(give, (error: unknown) => {
      const failure = asFailure(error);
      if (failure.code === "log.horizon") give(undefined);
      else settle(new Failure(failure.code, failure.message, { definite: false, cause: error }));
    });
  }

  private async find(seq: number): Promise<Entry | undefined> {
    for await (const entries of this.log.read(seq - 1)) return entries.find((entry) => entry.seq === seq);
    return undefined;
  }

  /** Makes sure the loop runs soon. */
  private kick(): void {
    if (this.running || this.scheduled || this.dead !== undefined) return;
    this.scheduled = true;
    this.clock.soon(() => {
      this.scheduled = false;
      if (!this.running) this.run().catch((error) => this.die(asFailure(error)));
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.dead === undefined) {
        if (this.stale) await this.catchUp();
        const ready = this.sequencer.ready(this.nowMs(), this.clock.wallMs(), this.blocked());
        if (ready === undefined) {
          if (this.stale) continue;
          break;
        }
        if (ready.entries.length > 0) await this.append(ready.entries, ready.after);
        else await this.confirm(ready.after);
      }
    } finally {
      this.running = false;
      if (this.sequencer.pending === 0) {
        for (const resolve of this.idle.splice(0)) resolve();
        if (this.sequencer.waiters === 0) this.letGo();
      }
    }
  }

  /** Nobody here waits for an answer: the process may end. */
  private letGo(): void {
    this.hold?.();
    this.hold = undefined;
  }

  private async append(entries: readonly Entry[], after: number): Promise<void> {
    const startedMs = this.clock.monotonicMs();
    try {
      const result = await this.log.append(entries, after);
      this.options.onAppend?.(entries.length, this.clock.monotonicMs() - startedMs);
      if (!result.appended) return this.learn(await this.gap(), true);
      this.unwritable = undefined;
      this.time.looked(startedMs);
      this.committed(entries);
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code === "fold.failed") throw failure;
      await this.appendFailed(failure);
    }
  }

  /** Nothing to append: the head must not have moved past what was decided on (LO4). */
  private async confirm(after: number): Promise<void> {
    const askedMs = this.clock.monotonicMs();
    if (this.log.shared && (await this.log.head()) !== after) return this.learn(await this.gap(), true);
    this.time.looked(askedMs);
    this.committed([]);
  }

  private committed(entries: readonly Entry[]): void {
    this.sequencer.committed();
    this.tail.add(entries);
    this.publish(entries);
  }

  private publish(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    this.subscriptions.publish();
    this.streams.publish(entries);
    this.snapshots.consider();
  }

  /** What others wrote since. */
  private async gap(): Promise<readonly Entry[]> {
    const askedMs = this.clock.monotonicMs();
    const gap: Entry[] = [];
    for await (const entries of this.log.read(this.head())) gap.push(...entries);
    const newest = gap[gap.length - 1];
    // Should yet another append come between, the age is its own and too short: then ours loses, and we ask again.
    if (newest !== undefined) this.time.learn(newest.atMs, await this.log.ageMs());
    this.time.looked(askedMs);
    return gap;
  }

  /** Folds what others wrote, then shows it; `lost`: a batch of our own must be decided again. */
  private learn(gap: readonly Entry[], lost: boolean): void {
    this.foreign ||= gap.length > 0;
    if (lost) this.sequencer.behind(gap);
    else this.sequencer.learn(gap);
    this.tail.add(gap);
    this.publish(gap);
  }

  private async catchUp(): Promise<void> {
    this.stale = false;
    if ((await this.log.head()) > this.head()) this.learn(await this.gap(), false);
  }

  private async appendFailed(failure: Failure): Promise<void> {
    if (failure.definite) {
      this.unwritable = { failure, untilMs: this.clock.monotonicMs() + RETRY_MS };
      return this.sequencer.failed(failure);
    }
    this.options.report?.("append", failure);
    this.sequencer.doubt();
    for (;;) {
      try {
        await this.log.reopen();
        this.learn(await this.gap(), true);
        this.sequencer.owe();
        return;
      } catch (error) {
        const again = asFailure(error);
        if (again.code !== "log.unknown-outcome") throw again;
        await new Promise<void>((resolve) => this.clock.after(RETRY_MS, resolve));
        assert(this.dead === undefined, "closed while the outcome of an append was unknown");
      }
    }
  }

  /** Why nothing can be appended right now; it is tried again after a while. */
  private blocked(): Failure | undefined {
    if (this.unwritable === undefined) return undefined;
    if (
      this.unwritable.failure.code !== "log.read-only" &&
      this.clock.monotonicMs() >= this.unwritable.untilMs
    ) {
      return undefined;
    }
    return this.unwritable.failure;
  }

  /** What is to be done even when nobody speaks: expiry, presence. */
  private tick(): void {
    const jitterMs = Math.floor(this.options.chance.fraction() * limits.expiryTickMs);
    this.stopTicking = this.clock.after(limits.expiryTickMs + jitterMs, () => {
      if (this.dead !== undefined) return;
      this.presences.check();
      // Whoever wrote may have died between two appends of what belongs together.
      if (this.foreign) this.sequencer.owe();
      if (this.foreign || (this.sequencer.expiry.nextMs ?? Infinity) <= this.nowMs()) this.kick();
      this.foreign = false;
      this.tick();
    });
  }

  private die(failure: Failure): void {
    if (this.dead !== undefined) return;
    this.dead = failure;
    if (failure.code !== "closed") this.options.report?.("stopped", failure);
    this.sequencer.abandon(failure);
    this.letGo();
    for (const resolve of this.idle.splice(0)) resolve();
    this.streams.end();
    for (const session of this.sessions.all()) session.close("shutting-down");
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => this.clock.soon(resolve));
  }
}

/** How long a log that could not be written is left alone, in milliseconds. */
const RETRY_MS = 1000;

function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const words = error instanceof Error ? error.message : String(error);
  return new Failure("fold.failed", `The hub stopped on a fault: ${words}`, {
    definite: false,
    cause: error,
  });
}
