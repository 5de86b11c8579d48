/**
 * The engine: log, clock, sequencer and sessions put together, as programs and transports use them.
 */
import type { Observable } from "rxjs";
import { Failure } from "../failures.ts";
import { limits } from "../limits.ts";
import { afterShown, answerOf, type Command, queries, type State, sinceThen } from "../model/model.ts";
import type { Asker, Entry } from "../model/slice.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { Connection } from "../ports/transport.ts";
import { fingerprint } from "../protocol/fingerprint.ts";
import { Admission } from "./admission.ts";
import { HUB } from "./batch.ts";
import { compact } from "./compaction.ts";
import { type Contact, Contacts } from "./contact.ts";
import { History } from "./history.ts";
import type { Host } from "./host.ts";
import { LogTime } from "./log-time.ts";
import { asFailure, Loop } from "./loop.ts";
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
  private readonly loop: Loop;
  /** Agents whose delivery is being written down. */
  private readonly delivering = new Set<string>();
  private stopWatching: Cancel = () => {};
  private stopTicking: Cancel = () => {};
  private compacting: Promise<void> = Promise.resolve();

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
    this.loop = new Loop({
      log,
      clock,
      time: this.time,
      sequencer,
      tail: this.tail,
      published: (entries, own) => this.published(entries, own),
      died: (failure) => this.died(failure),
      report: options.report,
      onAppend: options.onAppend,
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
    this.stopWatching = log.watch(() => this.loop.wake());
    if (this.sequencer.fold.seq === 0) {
      await this.own({ type: "log.create", log: chance.id(), settings });
    }
    if (log.lost !== undefined) await this.own({ type: "log.accept-loss", lostAfter: log.lost.afterSeq });
    this.tick();
  }

  get status(): EngineStatus {
    if (this.dead !== undefined) return this.dead.code === "closed" ? "closed" : "failed";
    const code = this.loop.trouble?.code;
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

  /** Log time of the newest entry, in milliseconds. */
  atMs(): number {
    return this.sequencer.fold.atMs;
  }

  /** Log time, in milliseconds. */
  nowMs(): number {
    return this.time.nowMs();
  }

  /**
   * Submits a command and resolves with its outcome once it is durable. Throws `Failure`: `usage` for a
   * command that does not fit its schema, else what the log says; an indefinite one may have happened,
   * submit the same id again.
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
    this.loop.propose(counted(proposal, this.options));
  }

  ask(read: Read): void {
    this.loop.ask(read);
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
    return this.loop.settled();
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
    this.loop.die(new Failure("closed", "The hub was closed."));
    await this.compacting;
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

  private published(entries: readonly Entry[], own: boolean): void {
    this.subscriptions.publish();
    this.streams.publish(entries);
    this.snapshots.consider();
    if (own) this.compactFor(entries);
  }

  /** Drops old entries where an operator's command of ours says so; only one of several engines must. */
  private compactFor(entries: readonly Entry[]): void {
    for (const event of entries.flatMap(({ events }) => events)) {
      if (event.type !== "log.compacted") continue;
      const { beforeMs } = event;
      this.compacting = this.compacting
        .then(() => compact(this.log, this.snapshots, beforeMs, () => this.pause()))
        .then(
          () => undefined,
          (error) => this.options.report?.("compaction", error),
        );
    }
  }

  /** What is to be done even when nobody speaks: expiry, presence. */
  private tick(): void {
    const jitterMs = Math.floor(this.options.chance.fraction() * limits.expiryTickMs);
    this.stopTicking = this.clock.after(limits.expiryTickMs + jitterMs, () => {
      if (this.dead !== undefined) return;
      this.presences.check();
      this.loop.tick();
      this.tick();
    });
  }

  private get dead(): Failure | undefined {
    return this.loop.dead;
  }

  private died(failure: Failure): void {
    if (failure.code !== "closed") this.options.report?.("stopped", failure);
    this.streams.end();
    for (const session of this.sessions.all()) session.close("shutting-down");
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => this.clock.soon(resolve));
  }
}
