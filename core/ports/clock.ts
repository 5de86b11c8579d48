/**
 * Time and chance, as arguments: core has neither of its own, so that a simulator can decide both.
 */

/** Ends a timer or a subscription; calling it again does nothing. */
export type Cancel = () => void;

export interface Clock {
  /** Elapsed milliseconds since an arbitrary moment; never goes back, unaffected by the wall clock. */
  monotonicMs(): number;
  /** Milliseconds since 1970 as the machine believes; may jump. Only ever an annotation. */
  wallMs(): number;
  /** Calls `run` once after at least `ms` milliseconds. Never keeps a process alive. */
  after(ms: number, run: () => void): Cancel;
  /**
   * Keeps the process alive until it is cancelled, where there is a process: somebody waits for an answer.
   */
  hold?(): Cancel;
  /** Calls `run` once after what has already arrived was handled, so that work can gather. */
  soon(run: () => void): void;
}

export interface Chance {
  /** A number from 0 (included) to 1 (excluded). */
  fraction(): number;
  /** A fresh id of 22 URL-safe characters with at least 128 bits of chance. */
  id(): string;
}
