/**
 * Problems: what is wrong with a value, and where.
 */

/** What is wrong, and where. */
export interface Problem {
  /**
   * Path of the failing part like a JSON pointer without its first `/`: `scope/paths/3`; empty for the
   * whole.
   */
  readonly at: string;
  /** A predicate for people: `must be an integer`. */
  readonly why: string;
}

/** Longest key quoted in a problem: keys are of the peer's choosing. */
const KEY_SHOWN = 64;

/** A key as a step of `at`: escaped as in a JSON pointer, well-formed, and short. */
export function pointer(key: string): string {
  return key.slice(0, KEY_SHOWN).toWellFormed().replaceAll("~", "~0").replaceAll("/", "~1");
}

/** A problem of the whole value. */
export function whole(why: string): Problem {
  return { at: "", why };
}

/** The problem of a part as one of the whole; `step` leads to the part. */
export function within(step: string, problem: Problem): Problem {
  return { at: problem.at === "" ? step : `${step}/${problem.at}`, why: problem.why };
}
