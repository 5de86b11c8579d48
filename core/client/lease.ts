/**
 * A lease: a claim that renews itself, and says when it is lost.
 *
 * The holder counts its deadline from when it *sent* the request that was granted or renewed, less 2 % for
 * clocks that run apart, so it gives up before the hub does. That is courtesy: what keeps a superseded
 * holder from acting is the epoch, which every command under the claim carries.
 */
import { Failure } from "../failures.ts";
import type { Rejection } from "../model/slice.ts";
import type { Cancel, Chance, Clock } from "../ports/clock.ts";
import type { CallOptions } from "./calls.ts";
import type { Accepted, Grant, Leased, Params, Release } from "./methods.ts";
import { Refused } from "./refused.ts";

/** What to ask for, besides `claim.acquire`'s own fields. */
export interface LeaseOptions extends Omit<Params<"claim.acquire">, "claim">, CallOptions {
  /** Called once when the lease is lost, as `lost` resolves. */
  readonly onLost?: (reason: LostReason) => void;
}

/** Why a lease is lost. */
export interface LostReason {
  /**
   * `expired`: no renewal was acknowledged in time. `closed`: the client was closed or turned away. The
   * others are
   * the hub's: superseded, handed over, ended.
   */
  readonly code: "expired" | "closed" | "claim.stale" | "claim.not-holder" | "claim.unknown";
  readonly message: string;
  readonly rejection?: Rejection;
}

/** What a lease needs of its client. */
export interface Lessor {
  readonly clock: Clock;
  readonly chance: Chance;
  call(
    method: string,
    params: object,
    options?: CallOptions,
  ): Promise<{ readonly result: object; readonly sentMs: number }>;
  /** Kept while the lease is; ended with the client. */
  readonly leases: Set<Lease>;
}

/** Of the time the hub granted, the part the holder counts on, in percent. */
const COUNTED_PERCENT = 98;

/** How long to wait before a renewal that failed is tried again, at most and at least, in milliseconds. */
const RETRY_MS_MAX = 5000;
const RETRY_MS_MIN = 50;

const LOST = new Set<string>(["claim.stale", "claim.not-holder", "claim.unknown"]);

/** Acquires and keeps a claim. Rejects with `Refused` or `Failure` when it is not granted. */
export async function acquireLease(
  lessor: Lessor,
  claim: string,
  options: LeaseOptions = {},
): Promise<Lease> {
  const { onLost, timeoutMs, submission, ...terms } = options;
  const call = {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(submission === undefined ? {} : { submission }),
  };
  const { result, sentMs } = await lessor.call("claim.acquire", { claim, ...terms }, call);
  const grant = result as Grant;
  if (grant.endedAtMs !== undefined) throw new Refused(endedSince(grant));
  const lease = new Lease(lessor, grant, sentMs);
  // After a wait, or a break, the time counted from sending may be over though the claim is ours.
  if (lease.remainingMs < grant.ttlMs / 2) await lease.renew();
  lessor.leases.add(lease);
  lease.begin(onLost);
  return lease;
}

/** A claim held; made by `client.lease`. */
export class Lease {
  readonly claim: string;
  readonly epoch: number;
  /** As it was granted: checkpoint of the holder before, nearby claims … */
  readonly grant: Grant;
  /** Resolves when the lease is lost, never when its holder ends it. */
  readonly lost: Promise<LostReason>;
  private readonly lessor: Lessor;
  private readonly ttlMs: number;
  private deadlineMs = 0;
  private state: "held" | "ending" | "over" = "held";
  private lose: (reason: LostReason) => void = () => {};
  private onLost: (reason: LostReason) => void = () => {};
  private cancelRenewal: Cancel = () => {};
  private cancelDeadline: Cancel = () => {};

  constructor(lessor: Lessor, grant: Grant, sentMs: number) {
    this.lessor = lessor;
    this.grant = grant;
    this.claim = grant.claim;
    this.epoch = grant.epoch;
    this.ttlMs = grant.ttlMs;
    this.lost = new Promise((resolve) => {
      this.lose = resolve;
    });
    this.extend(grant, sentMs);
  }

  /** Whether the holder may count on it still. */
  get isHeld(): boolean {
    return this.state !== "over" && this.remainingMs > 0;
  }

  /** How long the holder may count on it without another renewal; 0 when it is over. */
  get remainingMs(): number {
    return this.state === "over" ? 0 : Math.max(0, this.deadlineMs - this.lessor.clock.monotonicMs());
  }

  /** Starts to renew; called once. */
  begin(onLost: ((reason: LostReason) => void) | undefined): void {
    if (onLost !== undefined) this.onLost = onLost;
    this.watchDeadline();
    this.renewIn(this.ttlMs / 3);
  }

  /** Renews now. Rejects when it is refused or fails; a refusal that means loss has been told by then. */
  async renew(): Promise<void> {
    const { claim, epoch } = this;
    const timeoutMs = Math.max(RETRY_MS_MIN, Math.ceil(this.remainingMs), Math.ceil(this.ttlMs / 3));
    const { result, sentMs } = await this.guarded("claim.renew", { claim, epoch }, timeoutMs);
    this.extend(result as Leased, sentMs);
  }

  /** Saves where the work stands, for the next holder. */
  async checkpoint(
    text: string,
    more: { readonly summary?: string; readonly ref?: string } = {},
  ): Promise<Accepted> {
    const { claim, epoch } = this;
    return (await this.guarded("checkpoint.save", { claim, epoch, text, ...more })).result as Accepted;
  }

  /** Says how the work stands. */
  async report(
    status: "working" | "input-required",
    more: { readonly note?: string; readonly artifact?: string } = {},
  ): Promise<Accepted> {
    const { claim, epoch } = this;
    return (await this.guarded("claim.report", { claim, epoch, status, ...more })).result as Accepted;
  }

  /** Ends the claim. */
  release(outcome?: "done" | "failed" | "abandoned"): Promise<Release> {
    return this.finish<Release>("claim.release", outcome === undefined ? {} : { outcome });
  }

  /** Passes the claim on; resolves with the other's grant. */
  handoff(to: string): Promise<Leased> {
    return this.finish<Leased>("claim.handoff", { to });
  }

  /** The client ends: nobody renews any more. */
  abandon(message: string): void {
    if (this.state === "held") this.over({ code: "closed", message });
    else this.settle();
  }

  /** Sends what ends the claim; when it cannot be done the lease goes on as before. */
  private async finish<R>(method: string, more: object): Promise<R> {
    const { claim, epoch } = this;
    if (this.state === "held") this.state = "ending";
    this.cancelRenewal();
    try {
      const { result } = await this.guarded(method, { claim, epoch, ...more });
      this.settle();
      return result as R;
    } catch (error) {
      if (this.state === "ending") {
        this.state = "held";
        this.renewIn(0);
      }
      throw error;
    }
  }

  private async guarded(method: string, params: object, timeoutMs?: number) {
    if (this.state === "over") {
      throw new Failure(
        "usage",
        `The lease of ${this.claim} is over; acquire it again to go on. Nothing was done.`,
      );
    }
    try {
      return await this.lessor.call(method, params, timeoutMs === undefined ? {} : { timeoutMs });
    } catch (error) {
      if (error instanceof Refused && LOST.has(error.code)) {
        const { rejection, message } = error;
        this.over({ code: error.code as LostReason["code"], message, rejection });
      }
      throw error;
    }
  }

  /**
   * What an acknowledgement is worth: what remained when it was made, counted from when it was asked for.
   */
  private extend({ remainingMs }: Leased, sentMs: number): void {
    this.deadlineMs = Math.max(this.deadlineMs, sentMs + Math.floor((remainingMs * COUNTED_PERCENT) / 100));
  }

  private renewIn(ms: number): void {
    const { clock, chance } = this.lessor;
    this.cancelRenewal();
    if (this.state !== "held") return;
    // Earlier by up to a tenth, so that leases taken together are not renewed together.
    this.cancelRenewal = clock.after(Math.floor(ms * (1 - chance.fraction() / 10)), () => {
      this.renew().then(
        () => this.renewIn(this.ttlMs / 3),
        () => this.renewIn(Math.max(RETRY_MS_MIN, Math.min(RETRY_MS_MAX, this.remainingMs / 10))),
      );
    });
  }

  private watchDeadline(): void {
    this.cancelDeadline = this.lessor.clock.after(Math.ceil(this.remainingMs), () => {
      if (this.state === "over") return;
      if (this.remainingMs > 0) return this.watchDeadline();
      const message = `No renewal of ${this.claim} was acknowledged in time. Stop working under it; acquire it again.`;
      this.over({ code: "expired", message });
    });
  }

  private over(reason: LostReason): void {
    if (this.state === "over") return;
    const wasHeld = this.state === "held" || reason.code !== "closed";
    this.settle();
    if (!wasHeld) return;
    this.lose(reason);
    this.onLost(reason);
  }

  private settle(): void {
    this.state = "over";
    this.cancelRenewal();
    this.cancelDeadline();
    this.lessor.leases.delete(this);
  }
}

function endedSince({ claim, holder, endedAtMs }: Grant): Rejection {
  const message = `${claim} was granted to ${holder} and has ended since. Acquire it again under a fresh submission.`;
  return { code: "claim.unknown", claim, lastHolder: holder, endedAtMs, message };
}
