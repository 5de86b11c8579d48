/**
 * Log time: the newest entry's time plus what has elapsed since, on a clock that no jump of the wall clock
 * moves.
 */
import type { Clock } from "../ports/clock.ts";

export class LogTime {
  private readonly clock: Clock;
  private atMs: number;
  private sinceMs: number;

  /** It was `atMs` when `elapsedMs` ago the newest entry was appended. */
  constructor(clock: Clock, atMs: number, elapsedMs: number) {
    this.clock = clock;
    this.atMs = atMs + Math.max(0, Math.floor(elapsedMs));
    this.sinceMs = clock.monotonicMs();
  }

  /** Whole milliseconds; never goes back. */
  nowMs(): number {
    return this.atMs + Math.max(0, Math.floor(this.clock.monotonicMs() - this.sinceMs));
  }

  /** Another engine was ahead: its entry says `atMs`. One that was behind changes nothing. */
  learn(atMs: number): void {
    if (atMs <= this.nowMs()) return;
    this.atMs = atMs;
    this.sinceMs = this.clock.monotonicMs();
  }
}
