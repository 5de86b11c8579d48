/**
 * Log time: the newest entry's time plus what has elapsed since its append began, on a clock that no
 * jump of the wall clock moves.
 *
 * Invariant: engines of one log agree on it to a few milliseconds. One that counted from when it heard
 * of the entry would be behind, and its leases would be ended early by the others, whose time is
 * ahead.
 */
import type { Clock } from "../ports/clock.ts";

/**
 * How far an engine may be ahead of the log without minding, when it cannot tell how old the newest entry is.
 */
const AHEAD_MS = 100;
/** And when it can: what rounding makes of one moment, at either end. */
const ROUNDING_MS = 2;

export class LogTime {
  private readonly clock: Clock;
  private atMs: number;
  private sinceMs: number;
  private lookedMs: number;

  /** It was `atMs` when `elapsedMs` ago the newest entry was appended. */
  constructor(clock: Clock, atMs: number, elapsedMs: number) {
    this.clock = clock;
    this.atMs = atMs + Math.max(0, Math.floor(elapsedMs));
    this.sinceMs = clock.monotonicMs();
    this.lookedMs = this.sinceMs;
  }

  /** Whole milliseconds; never below the newest entry's. */
  nowMs(): number {
    return this.atMs + Math.max(0, Math.floor(this.clock.monotonicMs() - this.sinceMs));
  }

  /** At this moment, on the monotonic clock, there was nothing newer in the log than what is known. */
  looked(monotonicMs: number): void {
    this.lookedMs = monotonicMs;
  }

  /**
   * Another engine's entry says `atMs`, and its append began `elapsedMs` ago as far as the log knows:
   * no longer ago than the log was last looked at. The log is right: who is far ahead of it, having
   * believed a wall clock after a reboot, goes back, lest it end what was granted meanwhile; little is
   * left alone, so that rounding does not add up. Little is less when the append began after that look,
   * for then its age is certain.
   */
  learn(atMs: number, elapsedMs: number): void {
    const monotonicMs = this.clock.monotonicMs();
    const agoMs = Math.max(0, Math.min(elapsedMs, monotonicMs - this.lookedMs));
    const nowMs = atMs + Math.floor(agoMs);
    const aheadMs = this.nowMs() - nowMs;
    if (aheadMs >= 0 && aheadMs <= (agoMs < elapsedMs ? AHEAD_MS : ROUNDING_MS)) return;
    this.atMs = nowMs;
    this.sinceMs = monotonicMs;
  }
}
