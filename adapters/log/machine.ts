/**
 * The machine a log lives on: its clock, and which boot of it this is.
 */
import { readFileSync } from "node:fs";
import type { Clock } from "../../core/ports/clock.ts";

/** The machine's own clock; monotonic time is comparable between processes of one boot. */
export const machineClock: Clock = {
  monotonicMs: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  wallMs: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  soon: (run) => {
    setImmediate(run);
  },
};

const NO_BOOT = "";
let boot: string | undefined;

/** Names this boot of this machine in 32 hex digits; empty where the system does not tell. */
export function bootId(): string {
  if (boot !== undefined) return boot;
  try {
    const text = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim().replaceAll("-", "");
    boot = /^[0-9a-f]{32}$/.test(text) ? text : NO_BOOT;
  } catch {
    boot = NO_BOOT;
  }
  return boot;
}

/** A moment as it is stored beside what it dates. */
export interface Moment {
  readonly boot: string;
  readonly monoMs: number;
  readonly wallMs: number;
}

/** This moment. */
export function now(clock: Clock): Moment {
  return { boot: bootId(), monoMs: clock.monotonicMs(), wallMs: clock.wallMs() };
}

/**
 * Milliseconds from one moment to another: elapsed within one boot, else by the wall clock; never less than
 * 0.
 */
export function elapsedMs(from: Moment, to: Moment): number {
  const sameBoot = from.boot !== NO_BOOT && from.boot === to.boot;
  return Math.max(0, sameBoot ? to.monoMs - from.monoMs : to.wallMs - from.wallMs);
}

/** Resolves after `ms` milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
