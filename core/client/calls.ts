/**
 * Calls: requests that have no answer yet. Each is answered exactly once, whatever happens to connections.
 *
 * What a break leaves unanswered is sent again, in its first order; a command keeps its submission id and
 * the `sentAfter` of its first sending, so that the hub can tell a repetition from a new command (SU1,
 * SU5).
 */
import { Failure } from "../failures.ts";
import { limits } from "../limits.ts";
import { tables } from "../model/model.ts";
import type { Cancel, Chance, Clock } from "../ports/clock.ts";
import type { ErrorBody, RequestId } from "../protocol/frame.ts";
import { backOffMs, type Link, type Welcome } from "./link.ts";
import { Queue } from "./queue.ts";
import { errorOf, isPassing, Refused } from "./refused.ts";

/** An answer, or why there is none. */
export type Settled =
  | { readonly result: { readonly [field: string]: unknown }; readonly sentMs: number }
  | { readonly error: Failure | Refused };

export interface CallOptions {
  /** How long to wait for the answer altogether, in milliseconds; absent: as long as it takes. */
  readonly timeoutMs?: number;
  /** The id of an earlier submission whose outcome is not known; absent: a fresh one. */
  readonly submission?: string;
}

export interface Request extends CallOptions {
  readonly method: string;
  readonly params: object;
  /** The client's own: goes before what callers queued, and may use the reserve. */
  readonly own?: boolean;
  /** Means nothing on another connection: fails when this one breaks. */
  readonly once?: boolean;
  /** Called once, from within the reception of the answer, so that what follows it finds it done. */
  readonly settle: (settled: Settled) => void;
}

interface Pending extends Omit<Request, "submission"> {
  /** Empty for what is no command. */
  submission: string;
  /** The caller gave the id, so it may be of something that happened. */
  named: boolean;
  sentAfter?: number;
  /** When it was last sent, in the clock's monotonic time. */
  sentMs: number;
  sends: number;
  retries: number;
  resting: boolean;
  done: boolean;
  cancelTimeout: Cancel;
  cancelRest: Cancel;
}

export class Calls {
  /** The newest seq that is known of the log. */
  seen = 0;
  private readonly clock: Clock;
  private readonly chance: Chance;
  private readonly link: () => Link;
  private readonly all = new Set<Pending>();
  /** Those to be sent; `done` ones are passed over. */
  private queue = new Queue<Pending>();
  private own = new Queue<Pending>();
  /** On the wire, by the id of the request; also given-up ones, as the hub still counts them. */
  private readonly sent = new Map<RequestId, Pending>();
  private ids = 0;
  private welcome: Welcome | undefined;
  private ended: Failure | Refused | undefined;

  constructor(clock: Clock, chance: Chance, link: () => Link) {
    this.clock = clock;
    this.chance = chance;
    this.link = link;
  }

  /** How many have no answer. */
  get size(): number {
    return this.all.size;
  }

  /** Sends a request as soon as it can be sent. The returned function gives it up without a word. */
  submit(request: Request): Cancel {
    const refused = this.ended ?? this.full();
    if (refused !== undefined) {
      request.settle({ error: refused });
      return () => {};
    }
    const isCommand = Object.hasOwn(tables.commands, request.method);
    const pending: Pending = {
      ...request,
      submission: isCommand ? (request.submission ?? this.chance.id()) : "",
      named: request.submission !== undefined,
      sentMs: 0,
      sends: 0,
      retries: 0,
      resting: false,
      done: false,
      cancelTimeout: () => {},
      cancelRest: () => {},
    };
    this.all.add(pending);
    const { timeoutMs } = request;
    if (timeoutMs !== undefined) {
      pending.cancelTimeout = this.clock.after(timeoutMs, () =>
        this.settle(pending, { error: tooLate(pending) }),
      );
    }
    (request.own === true ? this.own : this.queue).push(pending);
    this.pump();
    return () => this.drop(pending);
  }

  /** The same as a promise; rejects with `Refused` or `Failure`. */
  call(
    method: string,
    params: object,
    options: CallOptions = {},
  ): Promise<{ readonly result: { readonly [field: string]: unknown }; readonly sentMs: number }> {
    return new Promise((resolve, reject) => {
      this.submit({
        ...options,
        method,
        params,
        settle: (settled) => ("error" in settled ? reject(settled.error) : resolve(settled)),
      });
    });
  }

  /** A session is open: everything unanswered is sent (again), in order. */
  up(welcome: Welcome): void {
    const another = this.welcome !== undefined && this.welcome.log !== welcome.log;
    this.welcome = welcome;
    if (another) {
      // What the old log has done, this one cannot tell.
      this.seen = 0;
      for (const pending of [...this.all]) {
        if (pending.submission !== "" && pending.sends > 0)
          this.settle(pending, { error: anotherLog(pending) });
      }
    }
    this.seen = Math.max(this.seen, welcome.seq);
    const open = [...this.all].filter(({ resting }) => !resting);
    this.own = new Queue(open.filter(({ own }) => own === true));
    this.queue = new Queue(open.filter(({ own }) => own !== true));
    this.pump();
  }

  down(): void {
    this.sent.clear();
    this.own.drain();
    this.queue.drain();
    const error = new Failure("hub.unreachable", "The connection to the hub broke.");
    for (const pending of [...this.all]) if (pending.once === true) this.settle(pending, { error });
  }

  /** Nothing will be answered any more. */
  abandon(error: Failure | Refused): void {
    this.ended = error;
    this.sent.clear();
    for (const pending of [...this.all]) this.settle(pending, { error: unanswered(pending, error) });
  }

  replied(id: RequestId, result: unknown): void {
    const pending = this.landed(id);
    if (pending === undefined) return;
    const told = (typeof result === "object" && result !== null ? result : {}) as { readonly seq?: unknown };
    if (typeof told.seq === "number") this.seen = Math.max(this.seen, told.seq);
    this.settle(pending, { result: told as { readonly [field: string]: unknown }, sentMs: pending.sentMs });
    this.pump();
  }

  failed(id: RequestId, body: ErrorBody): void {
    const pending = this.landed(id);
    if (pending === undefined) return;
    const error = errorOf(body);
    if (isNewAfterAll(pending, error)) {
      // Sent once, under an id nobody else has, and refused: it had no effect, the client was only silent
      // for long.
      this.seen = Math.max(this.seen, Number((error as Refused).fields.floor));
      delete pending.sentAfter;
      pending.sends = 0;
      this.queue.putBack(pending);
    } else if (isPassing(error)) this.rest(pending);
    else this.settle(pending, { error: pending.sends > 1 ? doubted(pending, error) : error });
    this.pump();
  }

  /** An answer came that cannot be read: the same again would be answered the same. */
  unreadable(id: RequestId, why: string): void {
    const pending = this.landed(id);
    if (pending === undefined) return;
    const failure = new Failure("hub.refused", `The answer to ${pending.method} cannot be read: ${why}.`);
    this.settle(pending, { error: unanswered(pending, failure) });
    this.pump();
  }

  /** Sends what may be sent: as many as the hub takes at once, and as much as the connection takes. */
  pump(): void {
    const link = this.link();
    const most = Math.max(2, this.welcome?.limits.inFlight ?? 0);
    const forOthers = Math.max(1, most - limits.clientReserved);
    while (link.hasRoom) {
      const next =
        this.sent.size < most && this.own.size > 0
          ? this.own.shift()
          : this.sent.size < forOthers
            ? this.queue.shift()
            : undefined;
      if (next === undefined) return;
      if (!next.done) this.transmit(next, link);
    }
  }

  private transmit(pending: Pending, link: Link): void {
    const { method, submission } = pending;
    let { params } = pending;
    if (submission !== "") {
      pending.sentAfter ??= this.seen;
      params = { ...params, submission, sentAfter: pending.sentAfter };
    }
    this.ids += 1;
    const id = this.ids;
    const sentMs = this.clock.monotonicMs();
    try {
      link.send(id, method, params, this.welcome?.limits.frameBytes ?? limits.frameBytesMax);
    } catch (error) {
      const failure = error instanceof Failure ? error : new Failure("usage", `${method}: ${String(error)}`);
      this.settle(pending, { error: failure });
      return;
    }
    pending.sentMs = sentMs;
    pending.sends += 1;
    this.sent.set(id, pending);
  }

  private landed(id: RequestId): Pending | undefined {
    const pending = this.sent.get(id);
    this.sent.delete(id);
    if (pending?.done !== true) return pending;
    this.pump();
    return undefined;
  }

  /** Its outcome is not known yet: the same again after a while. */
  private rest(pending: Pending): void {
    pending.resting = true;
    pending.cancelRest = this.clock.after(backOffMs(pending.retries, this.chance), () => {
      pending.resting = false;
      if (!this.link().isUp) return;
      (pending.own === true ? this.own : this.queue).putBack(pending);
      this.pump();
    });
    pending.retries += 1;
  }

  private settle(pending: Pending, settled: Settled): void {
    if (pending.done) return;
    this.drop(pending);
    pending.settle(settled);
  }

  private drop(pending: Pending): void {
    pending.done = true;
    this.all.delete(pending);
    pending.cancelTimeout();
    pending.cancelRest();
  }

  private full(): Failure | undefined {
    if (this.all.size < limits.clientPendingMax) return undefined;
    const words = `${this.all.size} calls wait for answers, the most at once. Await some first; nothing was done.`;
    return new Failure("busy", words);
  }
}

function isNewAfterAll(pending: Pending, error: Failure | Refused): boolean {
  if (!(error instanceof Refused) || error.code !== "submission.expired") return false;
  // A submission the caller named may be an old one.
  return pending.sends === 1 && !pending.named && typeof error.fields.floor === "number";
}

function isUnsure({ submission, sends }: Pending): boolean {
  return submission !== "" && sends > 0;
}

function tooLate(pending: Pending): Failure {
  const { method, submission, timeoutMs = 0 } = pending;
  const unsure = isUnsure(pending);
  const what = unsure ? "it may have happened; submit the same id again to find out" : "nothing was done";
  return new Failure("hub.timeout", `${method} was not answered within ${timeoutMs} ms: ${what}.`, {
    definite: !unsure,
    fields: submission === "" ? { method } : { method, submission },
  });
}

function anotherLog({ method, submission }: Pending): Failure {
  const words = `Another log answers now; whether ${method} took effect in the one before is not known.`;
  return new Failure("hub.refused", words, { definite: false, fields: { method, submission } });
}

/**
 * A failure is definite about this sending alone: one before it may have taken effect, or may do so yet.
 */
function doubted(pending: Pending, error: Failure | Refused): Failure | Refused {
  return error.code === "usage" ? error : unanswered(pending, error);
}

function unanswered(pending: Pending, error: Failure | Refused): Failure | Refused {
  if (error instanceof Refused) return error;
  const { code, message, fields } = error;
  const submission = pending.submission === "" ? {} : { submission: pending.submission };
  return new Failure(code, message, { definite: !isUnsure(pending), fields: { ...fields, ...submission } });
}
