/**
 * Durations and moments as people write and read them.
 */
import { Failure } from "../../core/failures.ts";

const UNITS: { readonly [unit: string]: number } = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Milliseconds of `500ms`, `90s`, `15m`, `2h`, `30d` or a sequence like `1h30m`. Throws `usage`, naming
 * `where`.
 */
export function parseDuration(text: string, where: string): number {
  let total = 0;
  let from = 0;
  for (const found of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    if (found.index !== from) break;
    total += Number(found[1]) * (UNITS[found[2] as string] ?? 0);
    from += found[0].length;
  }
  if (text === "" || from !== text.length || !Number.isSafeInteger(Math.round(total))) {
    throw new Failure("usage", `${where} takes a duration like 90s, 15m or 2h, not ${JSON.stringify(text)}.`);
  }
  return Math.round(total);
}

/** A span for people: `45s`, `14m 3s`, `2h 5m`, `3d 4h`; two units at most. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return two(minutes, "m", seconds % 60, "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return two(hours, "h", minutes % 60, "m");
  return two(Math.floor(hours / 24), "d", hours % 24, "h");
}

function two(large: number, unit: string, small: number, smaller: string): string {
  return small === 0 ? `${large}${unit}` : `${large}${unit} ${small}${smaller}`;
}

/** A moment of wall time for people, in their zone: `14:03:07`, with the date when it is not today. */
export function formatMoment(wallMs: number, nowMs = Date.now()): string {
  const at = new Date(wallMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  if (at.toDateString() === new Date(nowMs).toDateString()) return time;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

/**
 * The moment somebody means, in milliseconds since 1970: an ISO date and time, `14:03` or `14:03:07` of
 * today, or a duration ago (`15m`). `undefined` when it is none of these.
 */
export function parseMoment(text: string, nowMs = Date.now()): number | undefined {
  const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text);
  if (clock !== null) {
    const at = new Date(nowMs);
    at.setHours(Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0), 0);
    return at.getTime();
  }
  if (/^\d+(?:\.\d+)?(ms|s|m|h|d)/.test(text)) return Math.max(0, nowMs - parseDuration(text, "TIME"));
  if (!/^\d{4}-\d{2}/.test(text)) return undefined;
  const parsed = Date.parse(text);
  return Number.isNaN(parsed) ? undefined : parsed;
}
