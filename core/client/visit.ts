/**
 * A visit: one session for a few calls, for programs that come and go. A break is mended by calling again
 * for a while; a command keeps its submission, so it takes effect once (SU1). Loads nothing of the model.
 */
import { Failure } from "../failures.ts";
import type { Chance, Clock } from "../ports/clock.ts";
import type { Connection } from "../ports/transport.ts";
import { encode } from "../protocol/codec.ts";
import { request } from "../protocol/frame.ts";
import type { SessionParams } from "../protocol/methods.ts";
import { receive } from "../protocol/receive.ts";
import type { Welcome } from "./link.ts";
import type { Method, Params, Result } from "./methods.ts";
import { errorOf, type Refused } from "./refused.ts";

export interface VisitOptions {
  readonly dial: () => Promise<Connection>;
  readonly opening: SessionParams<"session.open">;
  readonly clock: Clock;
  readonly chance: Chance;
  /** How long to call again after a break before giving up, in milliseconds. */
  readonly patienceMs?: number;
}

/** What a short program asks a log through. */
export interface Caller {
  /** Id of the log. */
  readonly log: string;
  /** Id of the hub; absent: there is none between. */
  readonly hub?: string;
  /** The newest entry that is known of. */
  readonly seq: number;
  readonly durable: string;
  /** As of `Client`: rejects with `Refused` or `Failure`. */
  call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>>;
  /** The same for a method that is only known by name. */
  send(method: string, params: object): Promise<object>;
  close(): Promise<void>;
}

const PATIENCE_MS = 10_000;
const RETRY_MS = 100;
/** The last words of methods that only ask. */
const QUERY = /\.(list|read|at|history|summary|covering|ready|blocks)$/;

/** Whether a method only asks, by the words its name may end with. */
export function isQuery(method: string): boolean {
  return QUERY.test(method);
}

/**
 * Opens a session. Rejects with what `dial` says at the first try, or with `Refused` when the agent is not
 * let in.
 */
export async function openVisit(options: VisitOptions): Promise<Caller> {
  const visit = new Visit(options);
  await visit.open();
  return visit;
}

type Wire = {
  readonly connection: Connection;
  readonly ask: (method: string, params: object) => Promise<object>;
};

class Visit implements Caller {
  log = "";
  hub = "";
  seq = 0;
  durable = "full";
  readonly #options: VisitOptions;
  #wire: Wire | undefined;
  #closed = false;

  constructor(options: VisitOptions) {
    this.#options = options;
  }

  async open(): Promise<Wire> {
    const { dial, opening } = this.#options;
    const wire = talkOver(await dial());
    try {
      const welcome = (await wire.ask("session.open", opening)) as Welcome;
      this.log = welcome.log;
      this.hub = welcome.hub;
      this.durable = welcome.durable;
      this.seq = Math.max(this.seq, welcome.seq);
    } catch (error) {
      wire.connection.close("goodbye");
      throw error;
    }
    this.#wire = wire;
    return wire;
  }

  async call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
    return (await this.send(method, params)) as Result<M>;
  }

  async send(method: string, params: object): Promise<object> {
    const { clock, chance, patienceMs = PATIENCE_MS } = this.#options;
    const own = isQuery(method) ? {} : { submission: chance.id(), sentAfter: this.seq };
    const sent = { ...own, ...params };
    let brokenMs: number | undefined;
    for (;;) {
      try {
        const answer = await (this.#wire ?? (await this.open())).ask(method, sent);
        const { seq } = answer as { readonly seq?: unknown };
        if (typeof seq === "number") this.seq = Math.max(this.seq, seq);
        return answer;
      } catch (error) {
        const passing =
          error instanceof Failure && (!error.definite || error.code === "closed" || isAway(error));
        const first = brokenMs === undefined;
        brokenMs ??= clock.monotonicMs();
        const over = clock.monotonicMs() - brokenMs > patienceMs;
        if (!passing || over || this.#closed || (first && isAway(error))) throw error;
        if ((error as Failure).code === "closed") this.#wire = undefined;
        await new Promise<void>((resolve) => clock.after(RETRY_MS * (1 + chance.fraction()), resolve));
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wire?.connection.close("goodbye");
    this.#wire = undefined;
  }
}

function isAway(error: unknown): boolean {
  return error instanceof Failure && error.code === "hub.unreachable";
}

/** Requests over one connection. What has no answer when it ends rejects with `closed`, indefinite. */
function talkOver(connection: Connection): Wire {
  type Waiting = {
    readonly resolve: (answer: object) => void;
    readonly reject: (error: Refused | Failure) => void;
  };
  const waiting = new Map<number, Waiting>();
  let asked = 0;
  let ended: Failure | undefined;
  connection.receive({
    frame(frame) {
      for (const incoming of receive(frame)) {
        if (incoming.kind !== "reply" && incoming.kind !== "error") continue;
        const asker = waiting.get(incoming.id as number);
        waiting.delete(incoming.id as number);
        if (incoming.kind === "reply") asker?.resolve(incoming.result as object);
        else asker?.reject(errorOf(incoming.error));
      }
    },
    drained() {},
    closed({ reason }) {
      ended = new Failure("closed", `The connection to the hub ended: ${reason}.`, { definite: false });
      for (const { reject } of waiting.values()) reject(ended);
      waiting.clear();
    },
  });
  return {
    connection,
    ask: (method, params) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        asked += 1;
        waiting.set(asked, { resolve, reject });
        connection.send(encode(connection.codec, request(asked, method, params)));
      }),
  };
}
