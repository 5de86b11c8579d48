/**
 * The client: one agent's way to a hub, the same over every transport. Submits, asks, follows; reconnects
 * and resumes.
 */
import { Observable, shareReplay } from "rxjs";
import { Failure } from "../failures.ts";
import type { State } from "../model/model.ts";
import type { Entry } from "../model/slice.ts";
import type { Chance, Clock } from "../ports/clock.ts";
import type { Connection } from "../ports/transport.ts";
import type { Incoming } from "../protocol/frame.ts";
import { type AskOptions, ask, type Reply } from "./ask.ts";
import { type CallOptions, Calls } from "./calls.ts";
import type { DocumentOptions, SharedDocument } from "./document.ts";
import type { Following, FollowOptions } from "./following.ts";
import { Follows } from "./follows.ts";
import { acquireLease, type Lease, type LeaseOptions, type Lessor } from "./lease.ts";
import { Link, type Welcome } from "./link.ts";
import type { Method, Params, Result } from "./methods.ts";
import type { Refused } from "./refused.ts";
import { Replica } from "./replica.ts";

export interface ClientOptions {
  /** Makes a connection; called again after each break. */
  readonly dial: () => Promise<Connection>;
  readonly agent: string;
  readonly role?: string;
  readonly project?: string;
  readonly capabilities?: readonly string[];
  readonly token?: string;
  /** Nobody else may be open under this name. */
  readonly exclusive?: boolean;
  /** The `resume` of another client: takes its exclusive session over. */
  readonly resume?: string;
  /** Only looks on: cannot command, is not seen. */
  readonly observe?: boolean;
  /** A short visit: counts as contact, and its end says nothing about the agent's presence. */
  readonly oneShot?: boolean;
  readonly clock: Clock;
  readonly chance: Chance;
  /** Hears of what calls do not tell. Must not throw. */
  readonly onNotice?: (notice: Notice) => void;
}

/**
 * What happens to the connection. `ended`: it is not made again; every call from now on fails with that
 * error.
 */
export type Notice =
  | { readonly kind: "up"; readonly hub: string; readonly log: string; readonly seq: number }
  | { readonly kind: "down"; readonly reason: string }
  | { readonly kind: "ended"; readonly error: Failure | Refused }
  /** The hub sent what is no message, or an error that answers nothing. */
  | { readonly kind: "odd"; readonly why: string };

/**
 * Opens a session. Rejects with what `dial` says, with `Refused` when the hub does not let the agent in, or
 * with
 * `hub.unreachable`; later breaks mend themselves.
 */
export async function openClient(options: ClientOptions): Promise<Client> {
  const client = new Client(options);
  await client.open();
  return client;
}

export class Client {
  readonly agent: string;
  readonly clock: Clock;
  /**
   * Entries from the moment of subscription on, each once and in order. Completes when the client is
   * closed.
   */
  readonly entries$: Observable<Entry>;
  /**
   * A copy of the state, folded here: once it is as new as the log was at subscription, then after each
   * change. As much of it as the agent may read. Fails with `log.horizon` where the beginning of the log
   * was compacted away.
   */
  readonly state$: Observable<State>;
  private readonly options: ClientOptions;
  private readonly link: Link;
  private readonly calls: Calls;
  private readonly follows: Follows;
  private readonly lessor: Lessor;
  private welcome: Welcome | undefined;
  private closing: Promise<void> | undefined;

  constructor(options: ClientOptions) {
    const { dial, clock, chance, onNotice: _, ...opening } = options;
    this.options = options;
    this.agent = options.agent;
    this.clock = clock;
    this.calls = new Calls(clock, chance, () => this.link);
    this.follows = new Follows({
      clock,
      chance,
      submit: (request) => this.calls.submit(request),
      seen: () => this.calls.seen,
      isUp: () => this.link.isUp,
    });
    this.link = new Link(
      { dial, clock, chance, opening },
      {
        up: (welcome) => this.up(welcome),
        message: (message) => this.message(message),
        drained: () => this.calls.pump(),
        down: (reason) => this.down(reason),
        ended: (error) => this.ended(error),
      },
    );
    this.lessor = {
      clock,
      chance,
      call: (method, params, options) => this.calls.call(method, params, options),
      leases: new Set(),
    };
    this.entries$ = new Observable((subscriber) => {
      const following = this.follow();
      const run = async () => {
        for await (const entry of following) subscriber.next(entry);
        subscriber.complete();
      };
      run().catch((error: unknown) => subscriber.error(error));
      return () => following.close();
    });
    this.state$ = this.states().pipe(shareReplay({ bufferSize: 1, refCount: true }));
  }

  /** Used by `openClient`. */
  open(): Promise<void> {
    return this.link.open();
  }

  /** Whether a session is open right now; when not, calls wait for the next one. */
  get isUp(): boolean {
    return this.link.isUp;
  }

  /** What the hub said when the session was last opened. */
  get session(): Welcome | undefined {
    return this.welcome;
  }

  /** The newest seq this client knows of. */
  get seq(): number {
    return this.calls.seen;
  }

  /** Calls that have no answer yet. */
  get pending(): number {
    return this.calls.size;
  }

  /** Open followings. */
  get following(): number {
    return this.follows.size;
  }

  /** What takes this exclusive session over, as `resume`. */
  get resume(): string | undefined {
    return this.link.resumeToken;
  }

  /**
   * Calls a method and resolves with its answer, once, however often the connection breaks meanwhile.
   * Rejects with `Refused` (nothing was changed) or `Failure`: `usage` for params that do not fit,
   * `hub.timeout` after `timeoutMs`, `busy`, `closed` … An indefinite one may have happened: call again
   * with its `submission` to find out.
   */
  async call<M extends Method>(method: M, params: Params<M>, options: CallOptions = {}): Promise<Result<M>> {
    return (await this.send(method, params, options)) as Result<M>;
  }

  /** The same for a method that is only known by name. */
  async send(method: string, params: object, options: CallOptions = {}): Promise<object> {
    return (await this.calls.call(method, params, options)).result;
  }

  /**
   * Entries after a cursor, then those to come. Close it, or leave the loop, when they are no longer
   * wanted.
   */
  follow(options: FollowOptions = {}): Following {
    return this.follows.open(options);
  }

  /** Acquires a claim and keeps it until it is released or lost. */
  lease(claim: string, options: LeaseOptions = {}): Promise<Lease> {
    return acquireLease(this.lessor, claim, options);
  }

  /**
   * Opens a document to edit: its text is held here, edits take effect at once and are merged with
   * others'. Rejects with `Refused` (`document.unknown`) or `Failure`.
   */
  async document(id: string, options: DocumentOptions = {}): Promise<SharedDocument> {
    // Loaded when it is needed: most programs edit nothing.
    const { openDocument } = await import("./document.ts");
    const { chance } = this.options;
    const { agent, clock } = this;
    return openDocument(
      {
        agent,
        clock,
        call: (method, params, more) => this.call(method, params, more),
        follow: (more) => this.follow(more),
        submissionId: () => chance.id(),
      },
      id,
      options,
    );
  }

  /** Requests something of an agent and resolves with its result; `hub.timeout` when none comes in time. */
  ask(to: string | readonly string[], body: string, options: AskOptions = {}): Promise<Reply> {
    return ask(this, to, body, options);
  }

  /**
   * Says goodbye and ends everything: open calls fail with `closed`, followings end, leases count as lost.
   */
  close(): Promise<void> {
    this.closing ??= this.link.close(new Failure("closed", "The client was closed."));
    return this.closing;
  }

  private up(welcome: Welcome): void {
    this.welcome = welcome;
    this.calls.up(welcome);
    this.follows.up(welcome.log);
    const { hub, log, seq } = welcome;
    this.notice({ kind: "up", hub, log, seq });
  }

  private message(message: Incoming): void {
    switch (message.kind) {
      case "notification":
        if (message.method === "entry") {
          const entry = message.params as Entry;
          this.calls.seen = Math.max(this.calls.seen, entry.seq);
          this.follows.entry(entry);
        } else if (message.method === "cursor") {
          const { seq } = message.params as { readonly seq: number };
          this.calls.seen = Math.max(this.calls.seen, seq);
          this.follows.cursor(seq);
        }
        return;
      case "reply":
        this.calls.replied(message.id, message.result);
        return;
      case "error":
        if (message.id !== null) this.calls.failed(message.id, message.error);
        else this.notice({ kind: "odd", why: message.error.message });
        return;
      case "problem":
        if (message.id !== null) this.calls.unreadable(message.id, message.why);
        else this.notice({ kind: "odd", why: message.why });
        return;
      default:
        // A hub asks nothing of its clients.
        this.notice({ kind: "odd", why: `a request, ${message.method}` });
    }
  }

  private down(reason: string): void {
    this.follows.down();
    this.calls.down();
    this.notice({ kind: "down", reason });
  }

  private ended(error: Failure | Refused): void {
    const closed = error instanceof Failure && error.code === "closed";
    this.follows.abandon(closed ? undefined : error);
    for (const lease of [...this.lessor.leases]) lease.abandon(error.message);
    this.calls.abandon(error);
    this.notice({ kind: "ended", error });
  }

  private notice(notice: Notice): void {
    this.options.onNotice?.(notice);
  }

  private states(): Observable<State> {
    return new Observable((subscriber) => {
      const replica = new Replica();
      const upTo = this.seq;
      const following = this.follow({ after: 0 });
      const run = async () => {
        for (let batch = await following.batch(); batch !== undefined; batch = await following.batch()) {
          const state = replica.fold(batch);
          if (replica.seq >= upTo) subscriber.next(state);
        }
        subscriber.complete();
      };
      run().catch((error: unknown) => subscriber.error(error));
      return () => following.close();
    });
  }
}
