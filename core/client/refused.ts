/**
 * From error replies to errors: refusals keep their data, failures say whether they are definite.
 */
import { Failure, type FailureCode } from "../failures.ts";
import type { Rejection } from "../model/slice.ts";
import { codes, type ErrorBody } from "../protocol/frame.ts";

/** Thrown when the hub refused: nothing was changed. Look at `code` and `fields`; `message` is for people. */
export class Refused extends Error {
  /** Stable, `noun.reason`. */
  readonly code: string;
  /** The rejection as it was sent, its sentence included. */
  readonly rejection: Rejection;
  /** What it says besides: holder, epoch, expiry … */
  readonly fields: { readonly [name: string]: unknown };
  /** This answer was given before, to the same submission. */
  readonly repeated: boolean;

  constructor(rejection: Rejection, repeated = false) {
    super(rejection.message);
    this.name = "Refused";
    const { code, message: _, ...fields } = rejection;
    this.code = code;
    this.rejection = rejection;
    this.fields = fields;
    this.repeated = repeated;
  }
}

/** The error that an error reply stands for. */
export function errorOf({ code, message, data }: ErrorBody): Refused | Failure {
  const said: { readonly [name: string]: unknown } =
    typeof data === "object" && data !== null ? { ...data } : {};
  if (code === codes.rejection) {
    const { repeated, nowMs: _, ...fields } = said;
    const name = typeof fields.code === "string" ? fields.code : "refused";
    return new Refused({ ...fields, code: name, message }, repeated === true);
  }
  const { code: name, ...fields } = said;
  if (code === codes.indefinite || code === codes.definite) {
    const known = typeof name === "string" ? (name as FailureCode) : "hub.refused";
    return new Failure(known, message, { definite: code === codes.definite, fields });
  }
  return new Failure("usage", message, { fields: { ...fields, rpc: code } });
}

/** Whether the same submission should be sent again: its outcome is unknown, or the hub was closing. */
export function isPassing(error: Refused | Failure): boolean {
  return error instanceof Failure && (!error.definite || error.code === "closed");
}
