/**
 * Patience: real timers that never keep the process alive.
 */
import type { Clock } from "../../core/ports/clock.ts";

/** Real time. */
export const realAfter: Clock["after"] = (ms, run) => {
  const timer = setTimeout(run, ms);
  timer.unref();
  return () => clearTimeout(timer);
};
