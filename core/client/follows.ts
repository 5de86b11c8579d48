/**
 * Follows: any number of followings over the one that a connection carries.
 *
 * On the wire is what all who are up to date want together, from the least of their cursors; each takes
 * what is new to it. One that reads too slowly is left behind, and later reads on from the log in pages
 * until it is near: the log is the queue. After a break everybody goes on from its own cursor.
 */
import type { Failure } from "../failures.ts";
import { limits } from "../limits.ts";
import type { Entry } from "../model/slice.ts";
import type { Cancel, Chance, Clock } from "../ports/clock.ts";
import type { Request, Settled } from "./calls.ts";
import { Following, type FollowOptions, type Source } from "./following.ts";
import { backOffMs } from "./link.ts";
import { Refused } from "./refused.ts";

export interface FollowsOptions {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly submit: (request: Request) => Cancel;
  /** The newest seq that is known. */
  readonly seen: () => number;
  readonly isUp: () => boolean;
}

/** More names than this in one filter are not sent: everything is, and each takes what it wants. */
const FILTER_MAX = 64;

export class Follows implements Source {
  private readonly options: FollowsOptions;
  /** The log the cursors are of. */
  private log = "";
  /** They take what the wire brings. */
  private readonly live = new Set<Following>();
  /** They will, once the wire begins at or before their cursors. */
  private readonly joining = new Set<Following>();
  /** They read pages of the log, or wait until they may. */
  private readonly reading = new Map<Following, Cancel>();
  private readonly all = new Set<Following>();
  /** How far the wire has come. */
  private wireSeq = 0;
  private wireOpen = false;
  /** A `log.follow` has no answer yet. */
  private beginning = false;
  /** Another is to be sent after it. */
  private outdated = false;
  /** Tells answers of this connection from those of earlier ones. */
  private turn = 0;
  private cancelRetry: Cancel = () => {};
  private ended: { readonly error: Failure | Refused | undefined } | undefined;

  constructor(options: FollowsOptions) {
    this.options = options;
  }

  open(options: FollowOptions): Following {
    const following = new Following(options, options.after ?? this.options.seen(), this);
    if (this.ended === undefined) this.all.add(following);
    else following.end(this.ended.error);
    return following;
  }

  /** How many are open. */
  get size(): number {
    return this.all.size;
  }

  up(log: string): void {
    if (this.log === "") this.log = log;
    this.begin();
  }

  down(): void {
    this.turn += 1;
    this.wireOpen = false;
    this.beginning = false;
    this.outdated = false;
    for (const following of this.live) this.joining.add(following);
    this.live.clear();
  }

  entry(entry: Entry): void {
    this.wireSeq = Math.max(this.wireSeq, entry.seq);
    let left = false;
    for (const following of this.live) {
      if (following.take(entry)) continue;
      this.live.delete(following);
      left = true;
    }
    if (left && this.live.size === 0) this.begin();
  }

  cursor(seq: number): void {
    this.wireSeq = Math.max(this.wireSeq, seq);
    for (const following of this.live) following.pass(seq);
  }

  /** Ends all: with an error, or as if there were nothing more. */
  abandon(error: Failure | Refused | undefined): void {
    this.turn += 1;
    this.ended = { error };
    this.cancelRetry();
    for (const following of [...this.all]) this.end(following, error);
  }

  wants(following: Following): void {
    if (this.live.has(following) || this.joining.has(following) || this.reading.has(following)) return;
    const alone = this.live.size === 0 && this.joining.size === 0;
    if (alone || this.wireSeq - following.reached <= limits.followNearEntries) this.join(following);
    else this.readPage(following, 0);
  }

  left(following: Following): void {
    this.all.delete(following);
    this.joining.delete(following);
    this.reading.get(following)?.();
    this.reading.delete(following);
    if (this.live.delete(following) && this.live.size === 0) this.begin();
  }

  private end(following: Following, error: Failure | Refused | undefined): void {
    following.end(error);
    this.left(following);
  }

  private join(following: Following): void {
    this.joining.add(following);
    this.begin();
  }

  /** Makes the wire carry what is wanted now. One change at a time, so that none overtakes another. */
  private begin(): void {
    if (!this.options.isUp() || this.ended !== undefined) return;
    if (this.beginning) {
      this.outdated = true;
      return;
    }
    if (this.joining.size > 0) this.follow([...this.live, ...this.joining]);
    else if (this.live.size === 0 && this.wireOpen) this.unfollow();
  }

  private follow(members: readonly Following[]): void {
    const after = Math.min(...members.map(({ reached }) => reached));
    const params = { after, log: this.log, ...together(members.map(({ options }) => options)) };
    this.wire("log.follow", params, (settled) => {
      if ("error" in settled) return this.refused(members, settled.error);
      this.wireOpen = true;
      this.wireSeq = Math.max(this.wireSeq, after);
      const { seq: head = Infinity } = settled.result as { readonly seq?: number };
      for (const following of members) {
        // The hub saw the least of the cursors only.
        if (following.reached > head) this.end(following, ahead(head));
        else if (this.joining.delete(following)) this.live.add(following);
      }
    });
  }

  private unfollow(): void {
    this.wireOpen = false;
    this.wire("log.unfollow", {}, () => {});
  }

  private wire(method: string, params: object, settle: (settled: Settled) => void): void {
    const { turn } = this;
    this.beginning = true;
    this.options.submit({
      method,
      params,
      own: true,
      once: true,
      settle: (settled) => {
        if (turn !== this.turn) return;
        this.beginning = false;
        const again = this.outdated || this.live.size === 0;
        this.outdated = false;
        settle(settled);
        const waits = "error" in settled && isBusy(settled.error);
        if (!waits && (again || this.joining.size > 0)) this.begin();
      },
    });
  }

  /** A follow was refused: those whose cursors are to blame are told, the others go on. */
  private refused(members: readonly Following[], error: Failure | Refused): void {
    if (isBusy(error)) {
      const { clock, chance } = this.options;
      this.cancelRetry = clock.after(backOffMs(1, chance), () => this.begin());
      return;
    }
    const { seq = Infinity, head = -1 } = (error instanceof Refused ? error.fields : {}) as {
      readonly seq?: number;
      readonly head?: number;
    };
    for (const following of members) {
      const fits =
        (error.code === "log.horizon" && following.reached >= seq) ||
        (error.code === "log.ahead" && following.reached <= head);
      if (!fits) this.end(following, error);
    }
  }

  /** Reads on from the log, until what there is does not fit or is at its end. */
  private readPage(following: Following, tries: number): void {
    const { events } = following.options;
    const filter = events === undefined || events.length > FILTER_MAX ? {} : { events };
    const params = { after: following.reached, log: this.log, limit: limits.pageItemsMax, ...filter };
    const cancel = this.options.submit({
      method: "log.read",
      params,
      own: true,
      settle: (settled) => {
        this.reading.delete(following);
        if ("error" in settled) this.unread(following, settled.error, tries);
        else this.paged(following, settled.result as { items?: readonly Entry[]; next?: string });
      },
    });
    if (!following.isEnded) this.reading.set(following, cancel);
  }

  private paged(
    following: Following,
    { items = [], next }: { items?: readonly Entry[]; next?: string },
  ): void {
    if (following.isEnded) return;
    for (const entry of items) if (!following.take(entry)) return;
    if (next === undefined) {
      this.join(following);
      return;
    }
    following.pass(Number(next));
    if (following.isEmpty) this.readPage(following, 0);
  }

  private unread(following: Following, error: Failure | Refused, tries: number): void {
    if (following.isEnded) return;
    if (!isBusy(error)) {
      this.end(following, error);
      return;
    }
    const { clock, chance } = this.options;
    const retry = () => {
      this.reading.delete(following);
      this.readPage(following, tries + 1);
    };
    this.reading.set(following, clock.after(backOffMs(tries, chance), retry));
  }
}

/** What a hub says of a cursor it has not come to. */
function ahead(head: number): Refused {
  const message = `The log ends at ${head}; the cursor is beyond it. Start again from a fresh state.`;
  return new Refused({ code: "log.ahead", head, message });
}

/** Whether it may go better in a moment. */
function isBusy({ code }: Failure | Refused): boolean {
  return code === "busy" || code === "rate.limited" || code === "session.too-many";
}

/** A filter that lets through what any of these wants. */
function together(all: readonly FollowOptions[]): object {
  const events = union(all.map((one) => one.events));
  const about = union(all.map((one) => one.about));
  return {
    ...(events === undefined ? {} : { events }),
    ...(about === undefined ? {} : { about }),
    ...(all.some(({ deliver }) => deliver === true) ? { deliver: true } : {}),
  };
}

function union(lists: readonly (readonly string[] | undefined)[]): readonly string[] | undefined {
  const names = new Set<string>();
  for (const list of lists) {
    if (list === undefined) return undefined;
    for (const name of list) names.add(name);
  }
  return names.size > FILTER_MAX ? undefined : [...names];
}
