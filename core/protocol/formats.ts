/**
 * Formats: what a string must be besides its length, decided character by character.
 *
 * Invariant: a string that passes survives every codec and the log unchanged: it is well-formed UTF-16.
 */

import { patternProblem } from "../model/scopes.ts";
import type { Format } from "../model/shape.ts";
import { utf8Length } from "../model/text.ts";

export { utf8Length } from "../model/text.ts";

/** Says what is wrong with a string as a predicate (`must not …`), or nothing. */
export type FormatCheck = (text: string) => string | undefined;

const CONTROL = "must not contain control characters";
const LONE = "must be well-formed Unicode (it has a lone surrogate)";
const BLANKS = "must not begin or end with a blank";

/** Names that mean something else (AG5). */
const RESERVED: ReadonlySet<string> = new Set(["all", "hub", "system", "log", "state", "*"]);

function isControl(code: number): boolean {
  return code < 0x20 || (code > 0x7e && code < 0xa0);
}

/** Control characters and lone surrogates, in one pass for plain ASCII. */
function line(text: string): string | undefined {
  let plain = true;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20) return CONTROL;
    if (code > 0x7e) {
      if (code < 0xa0) return CONTROL;
      plain = false;
    }
  }
  return plain || text.isWellFormed() ? undefined : LONE;
}

function id(text: string): string | undefined {
  const last = text.length - 1;
  let plain = true;
  for (let i = 0; i <= last; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x20 && code < 0x7f) continue;
    if (isControl(code)) return CONTROL;
    if (code === 0x20) {
      if (i === 0 || i === last) return BLANKS;
    } else plain = false;
  }
  if (plain) return undefined;
  if (!text.isWellFormed()) return LONE;
  if (text.trim() !== text) return BLANKS;
  return text.normalize("NFC") === text ? undefined : "must be in Unicode normalization form C";
}

function name(text: string): string | undefined {
  const problem = id(text);
  if (problem !== undefined) return problem;
  const first = text.charCodeAt(0);
  if (first === 0x23 /* # */) return "must not begin with `#`, which is for channels";
  if (first === 0x72 /* r */ && text.startsWith("role:")) return "must not begin with `role:`";
  if (first === 0x2f || text.charCodeAt(text.length - 1) === 0x2f) return "must not begin or end with `/`";
  return RESERVED.has(text) ? "is a reserved name" : undefined;
}

/**
 * Only brackets, braces, dot-dots, and letters that may grow by normalisation can make a pattern invalid.
 */
function pattern(text: string): string | undefined {
  let plain = true;
  let intricate = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x2f && code < 0x5b) continue;
    if (isControl(code)) return CONTROL;
    if (code > 0x7e) plain = false;
    else if (code === 0x2e) intricate ||= text.charCodeAt(i + 1) === 0x2e;
    else if (code === 0x5b || code === 0x7b) intricate = true;
  }
  if (!plain && !text.isWellFormed()) return LONE;
  return intricate || !plain ? patternProblem(text) : undefined;
}

function text(value: string): string | undefined {
  return value.isWellFormed() ? undefined : LONE;
}

function token(value: string): string | undefined {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return id(value);
  }
  return undefined;
}

/** The check of each format. */
export const formats: { readonly [F in Format]: FormatCheck } = {
  id,
  name,
  path: line,
  pattern,
  line,
  text,
  token,
};

/**
 * Whether a string is at most `max` bytes of UTF-8, looking at its characters only where that is in doubt.
 */
export function fitsUtf8(text: string, max: number): boolean {
  if (text.length > max) return false;
  return text.length * 3 <= max || utf8Length(text) <= max;
}

/** Keys that could reach a prototype; refused wherever a key is of the peer's choosing. */
export function isForbiddenKey(key: string): boolean {
  const length = key.length;
  if (length !== 9 && length !== 11) return false;
  return key === "__proto__" || key === "prototype" || key === "constructor";
}
