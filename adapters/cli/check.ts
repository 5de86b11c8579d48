/**
 * A check of doctor's, and how checks are shown.
 */
import { safeLine, styled } from "./render.ts";

/** What a check found. */
export interface Check {
  /** What was looked at: `hub`, `hooks claude` … */
  readonly check: string;
  /**
   * `broken`: something that should work does not. `warn`: it works, and could be better. `unknown`: it
   * cannot be told from here.
   */
  readonly status: "ok" | "warn" | "broken" | "unknown";
  /** What was found, in a sentence. */
  readonly said: string;
  /** What to do about it. */
  readonly todo?: string;
  /** How long it took, where that is what counts, in milliseconds. */
  readonly tookMs?: number;
}

const SIGNS = { ok: "ok     ", warn: "WARN   ", broken: "BROKEN ", unknown: "?      " } as const;

/** Checks for people: a line each, and what to do below it. */
export function checksText(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ check }) => check.length));
  return checks
    .flatMap(({ check, status, said, todo, tookMs }) => {
      const took = tookMs === undefined ? "" : ` (${Math.round(tookMs)} ms)`;
      const line = safeLine(`${check.padEnd(width)}  ${said}${took}`);
      const head = SIGNS[status] + line;
      const lines = [status === "broken" ? styled("bold", head) : head];
      if (todo !== undefined)
        lines.push(
          safeLine(`do: ${todo}`)
            .padStart(0)
            .replace(/^/, " ".repeat(9 + width)),
        );
      return lines;
    })
    .join("\n");
}

/** What an error says, on one line. */
export function reasonOf(error: unknown): string {
  return safeLine(error instanceof Error ? error.message : String(error));
}
