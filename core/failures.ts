/**
 * Failures: what went wrong outside the model's say, as errors with a stable code.
 *
 * A refusal is data (`Rejection`); a failure is an error; a bug is a failed `assert`. A failure says
 * whether it is definite: a definite one certainly had no effect, an indefinite one may have had.
 */

export type FailureCode =
  /** The log has no room: clean, retryable. */
  | "log.full"
  /** Whether the entries were stored is not known. */
  | "log.unknown-outcome"
  /** The log cannot be written by this process. */
  | "log.read-only"
  /** The stored bytes are not what was written. */
  | "log.damaged"
  /** The log ends below its witness, or its witness is missing. */
  | "log.rolled-back"
  /** Written by a newer format, or by something else altogether. */
  | "log.format"
  /** Not a log, not a file, not reachable, or on a file system that cannot hold one. */
  | "log.unusable"
  /** Reading below the horizon. */
  | "log.horizon"
  /** The log or engine was closed. */
  | "closed"
  | "snapshot.damaged"
  /** A stored entry could not be folded: the hub serves nothing until an operator skips it. */
  | "fold.failed"
  /** The hub cannot be reached. */
  | "hub.unreachable"
  /** The hub refused the connection or closed it. */
  | "hub.refused"
  /** No answer within the time given; it may have happened. */
  | "hub.timeout"
  /** Too much is waiting; nothing was done. */
  | "busy"
  /** A program of this machine that was needed is missing, or failed. */
  | "program.failed"
  | "usage";

/** An error whose code is stable and whose fields are typed by use. */
export class Failure extends Error {
  readonly code: FailureCode;
  /** `true`: certainly without effect. `false`: it may have happened; resubmit the same id to find out. */
  readonly definite: boolean;
  readonly fields: { readonly [name: string]: unknown };

  constructor(
    code: FailureCode,
    message: string,
    options: { definite?: boolean; fields?: { readonly [name: string]: unknown }; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Failure";
    this.code = code;
    this.definite = options.definite ?? true;
    this.fields = options.fields ?? {};
  }
}

/** Thrown when the program is wrong; stays on in production. */
export class Fault extends Error {
  constructor(message: string) {
    super(message);
    this.name = "Fault";
  }
}

/** Throws a `Fault` unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Fault(message);
}

/** For `switch` statements that must be complete. */
export function never(value: never, what: string): never {
  throw new Fault(`${what}: ${String(value)}`);
}
