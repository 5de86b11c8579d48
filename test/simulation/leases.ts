/**
 * Who holds and who waits, kept by hand from the events alone, and compared path by path: what the model's
 * indexes and obstacles must agree with.
 */
import type { Command, Event } from "../../core/model/model.ts";
import { compileScope, overlaps, type Scope } from "../../core/model/scopes.ts";
import type { Entry } from "../../core/model/slice.ts";
import { files, patterns } from "./workload.ts";

interface Lease {
  readonly claim: string;
  readonly holder: string;
  readonly epoch: number;
  readonly scope?: Scope | undefined;
  readonly shared: boolean;
  readonly across: boolean;
  /** True time at which the newest lease of this epoch was decided, and its length. */
  readonly sinceMs: number;
  readonly ttlMs: number;
}

interface Waiting {
  readonly seq: number;
  readonly agent: string;
  readonly claim: string;
  readonly scope?: Scope | undefined;
  readonly shared: boolean;
  readonly across: boolean;
  readonly holds: boolean;
  readonly fresh: boolean;
}

type Granted = Extract<Event, { type: "claim.granted" }>;

/** Rounding of clocks to whole milliseconds, once at each end. */
const ROUNDING_MS = 2;

export class Leases {
  readonly live = new Map<string, Lease>();
  /** Epochs ever granted, with claim and holder. */
  readonly epochs = new Map<number, { readonly claim: string; readonly holder: string }>();
  private readonly waits = new Map<string, Waiting>();
  private readonly history = new Map<number, string>();
  private readonly fail: (words: string) => never;
  private newest = 0;
  private leapMs = 0;
  private leapAtMs = -1;

  constructor(fail: (words: string) => never) {
    this.fail = fail;
  }

  /** After a reboot the wall clock was believed: leases given before may seem longer ago than they are. */
  leapt(excessMs: number, nowMs: number): void {
    if (excessMs <= 0) return;
    this.leapMs += excessMs;
    this.leapAtMs = nowMs;
  }

  /** Takes an entry in. `calledMs`: true time when its append began. */
  entry(entry: Entry, calledMs: number): void {
    let grants = 0;
    for (const event of entry.events) {
      switch (event.type) {
        case "claim.granted":
        case "claim.handed-off":
          grants += 1;
          if (grants > 1) this.fail(`entry ${entry.seq} grants more than once`);
          this.grant(entry, event, calledMs);
          break;
        case "claim.renewed":
          this.renew(entry, event, calledMs);
          break;
        case "claim.expired":
          this.expire(entry, event.claim, event.epoch, calledMs);
          break;
        case "claim.released":
        case "claim.broken":
          this.drop(entry, event.claim, event.epoch);
          break;
        case "claim.queued":
          this.waits.set(`${event.agent}\n${event.submission}`, {
            seq: entry.seq,
            agent: event.agent,
            claim: event.claim,
            scope: event.scope,
            shared: event.shared ?? false,
            across: event.acrossWorktrees ?? false,
            holds: this.live.get(event.claim)?.holder === event.agent && event.fresh !== true,
            fresh: event.fresh ?? false,
          });
          break;
        case "wait.expired":
          this.waits.delete(`${event.closes.agent}\n${event.closes.submission}`);
          break;
      }
    }
    this.history.set(entry.seq, this.listing());
  }

  /** A whole append is in: whoever could be granted has been. */
  settled(foldCase: boolean, entries: number): void {
    if (this.waits.size === 0 || entries > 200) return;
    for (const wait of this.waits.values()) {
      // What a holder waits for is judged with its claim; only plain waits are simple enough to be judged by
      // hand.
      if (wait.holds || this.live.get(wait.claim)?.holder === wait.agent) continue;
      if (!this.stopped(wait, foldCase))
        this.fail(`${wait.agent} waits for ${wait.claim} (${wait.seq}) without a reason`);
    }
  }

  /** A command that names an epoch took effect: it was the current one, and the sender's. */
  obeyed(entry: Entry, command: Command): void {
    const { epoch, claim } = command as { epoch?: unknown; claim?: unknown };
    if (typeof epoch !== "number" || typeof claim !== "string") return;
    if (!command.type.startsWith("claim.") && command.type !== "checkpoint.save") return;
    const lease = this.live.get(claim);
    if (lease?.epoch === epoch && lease.holder === entry.by) return;
    this.fail(
      `entry ${entry.seq}: ${entry.by} acted on ${claim} under ${epoch}, but ${JSON.stringify(lease)}`,
    );
  }

  /** A list of claims was given as of `seq`. */
  listed(seq: number, params: object, result: object): void {
    const { items, next } = result as {
      items: { claim: string; holder: string; epoch: number }[];
      next?: string;
    };
    if (Object.keys(params).length > 0 || next !== undefined) return;
    const said = items.map(({ claim, holder, epoch }) => `${epoch} ${claim} ${holder}`).join("\n");
    const expected = this.history.get(seq);
    if (expected !== undefined && said !== expected) {
      this.fail(`claims as of ${seq} are listed as ${said} instead of ${expected}`);
    }
  }

  private grant(
    entry: Entry,
    event: Granted | Extract<Event, { type: "claim.handed-off" }>,
    calledMs: number,
  ) {
    const { claim, epoch, ttlMs } = event;
    const before = this.live.get(claim);
    const passed = event.type === "claim.handed-off";
    const holder = passed ? event.to : event.holder;
    if (epoch !== entry.seq || epoch <= this.newest) this.fail(`entry ${entry.seq} grants epoch ${epoch}`);
    this.newest = epoch;
    this.epochs.set(epoch, { claim, holder });
    if (passed ? before?.holder !== event.from : before !== undefined && before.holder !== holder) {
      this.fail(
        `entry ${entry.seq} gives ${claim} to ${holder} while it stands so: ${JSON.stringify(before)}`,
      );
    }
    const terms = passed
      ? { scope: before?.scope, shared: before?.shared ?? false, across: before?.across ?? false }
      : { scope: event.scope, shared: event.shared ?? false, across: event.acrossWorktrees ?? false };
    const lease: Lease = { claim, holder, epoch, ...terms, sinceMs: calledMs, ttlMs };
    if (!passed) this.served(entry, event, lease, before);
    this.live.delete(claim);
    this.live.set(claim, lease);
    if (!passed) this.alone(entry, lease);
  }

  /** Whose wait it ends, and whether somebody was passed by. */
  private served(entry: Entry, event: Granted, lease: Lease, before: Lease | undefined): void {
    const key = event.closes && `${event.closes.agent}\n${event.closes.submission}`;
    const wait = key === undefined ? undefined : this.waits.get(key);
    if (key !== undefined && wait === undefined) this.fail(`entry ${entry.seq} ends a wait that is over`);
    if (key !== undefined) this.waits.delete(key);
    if (before !== undefined) return;
    for (const other of this.waits.values()) {
      if (wait !== undefined && other.seq > wait.seq) continue;
      if (other.agent === lease.holder) {
        // From its own earlier place on, it is no newcomer to that id.
        if (other.claim === lease.claim && lease.scope === undefined) break;
        continue;
      }
      const ahead = other.claim === lease.claim ? !this.ownEarlier(lease, other) : collide(other, lease);
      if (ahead)
        this.fail(
          `entry ${entry.seq} grants ${lease.claim} past ${other.agent}, who waits since ${other.seq}`,
        );
    }
  }

  private ownEarlier(lease: Lease, other: Waiting): boolean {
    for (const wait of this.waits.values()) {
      if (wait.agent === lease.holder && wait.claim === lease.claim && wait.seq < other.seq) return true;
    }
    return false;
  }

  private renew(entry: Entry, event: Extract<Event, { type: "claim.renewed" }>, calledMs: number): void {
    const before = this.live.get(event.claim);
    if (before?.epoch !== event.epoch || before.holder !== event.holder) {
      this.fail(
        `entry ${entry.seq} renews ${event.claim} under ${event.epoch}; it is ${JSON.stringify(before)}`,
      );
    }
    const lease: Lease = {
      ...before,
      scope: event.scope ?? before.scope,
      shared: event.shared ?? before.shared,
      across: event.acrossWorktrees ?? before.across,
      sinceMs: calledMs,
      ttlMs: event.ttlMs,
    };
    if (event.closes !== undefined) this.waits.delete(`${event.closes.agent}\n${event.closes.submission}`);
    this.live.set(event.claim, lease);
    this.alone(entry, lease);
  }

  private expire(entry: Entry, claim: string, epoch: number, calledMs: number): void {
    const lease = this.drop(entry, claim, epoch);
    const lastedMs = calledMs - lease.sinceMs;
    const leapMs = this.leapAtMs >= lease.sinceMs ? this.leapMs : 0;
    if (lastedMs + leapMs + ROUNDING_MS < lease.ttlMs) {
      this.fail(
        `entry ${entry.seq}: ${claim} of ${lease.holder} ended after ${lastedMs} of ${lease.ttlMs} ms`,
      );
    }
  }

  private drop(entry: Entry, claim: string, epoch: number): Lease {
    const lease = this.live.get(claim);
    if (lease?.epoch !== epoch)
      this.fail(`entry ${entry.seq} ends ${claim} under ${epoch}, which does not stand`);
    this.live.delete(claim);
    return lease;
  }

  /** One holder: by every path there is. */
  private alone(entry: Entry, lease: Lease): void {
    for (const other of this.live.values()) {
      if (other.claim === lease.claim || other.holder === lease.holder || !collide(other, lease)) continue;
      this.fail(
        `entry ${entry.seq}: ${lease.claim} of ${lease.holder} meets ${other.claim} of ${other.holder}`,
      );
    }
  }

  private stopped(wait: Waiting, foldCase: boolean): boolean {
    const meets = (other: { scope?: Scope | undefined; shared: boolean; across: boolean }) =>
      wait.scope !== undefined &&
      other.scope !== undefined &&
      !(wait.shared && other.shared) &&
      sameTree(wait, other) &&
      overlaps(compileScope(wait.scope, foldCase), compileScope(other.scope, foldCase));
    for (const lease of this.live.values()) {
      if (lease.claim === wait.claim || (lease.holder !== wait.agent && meets(lease))) return true;
    }
    for (const other of this.waits.values()) {
      if (other.seq >= wait.seq || other.agent === wait.agent) continue;
      if (other.claim === wait.claim || meets(other)) return true;
      // A holder's wait wants what its claim covers besides.
      const held = this.live.get(other.claim);
      if (other.holds && held !== undefined && meets(held)) return true;
    }
    return false;
  }

  private listing(): string {
    return [...this.live.values()]
      .sort((a, b) => a.epoch - b.epoch)
      .map(({ claim, holder, epoch }) => `${epoch} ${claim} ${holder}`)
      .join("\n");
  }
}

type Covers = { readonly scope?: Scope | undefined; readonly shared: boolean; readonly across: boolean };

/** Whether two exclude each other, path by path; what the table of patterns lacks is left to other tests. */
function collide(a: Covers, b: Covers): boolean {
  if (a.scope === undefined || b.scope === undefined || (a.shared && b.shared) || !sameTree(a, b))
    return false;
  const covered = pathsOf(a.scope);
  for (const path of pathsOf(b.scope)) if (covered.has(path)) return true;
  return false;
}

function sameTree(a: Covers, b: Covers): boolean {
  const [one, two] = [a.scope?.worktree, b.scope?.worktree];
  return one === undefined || two === undefined || one === two || a.across || b.across;
}

const canonical = new Map(
  Object.entries(patterns).map(([text, paths]) => [text.replace("./b//w", "b/w"), paths]),
);

function pathsOf(scope: Scope): ReadonlySet<string> {
  const paths = new Set<string>();
  for (const file of scope.files ?? []) if (files.includes(file)) paths.add(file);
  for (const pattern of scope.paths ?? []) for (const path of canonical.get(pattern) ?? []) paths.add(path);
  return paths;
}
