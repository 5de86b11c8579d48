/**
 * Measuring: things run side by side, in turns, in one run; a claim is the median of the per-round ratios.
 */
import { performance } from "node:perf_hooks";

/** One line of the results. */
export interface Result {
  readonly bench: string;
  readonly case: string;
  readonly unit: string;
  readonly value: number;
  /** What it was run in turns with. */
  readonly ratioTo?: string;
  /** Median of the per-round ratios of this to that. */
  readonly ratio?: number;
  /** Smallest and largest of them (of the values, where there is no ratio). */
  readonly range?: readonly [number, number];
  readonly rounds: number;
}

/** Prints a result: one JSON line for programs, one table row for people. */
export function print(result: Result): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
  const value = `${format(result.value)} ${result.unit}`;
  const ratio =
    result.ratio === undefined
      ? ""
      : `${format(result.ratio)} × ${result.ratioTo} (${result.range?.map(format).join(" to ")})`;
  process.stderr.write(
    `${result.bench.padEnd(9)} ${result.case.padEnd(46)} ${value.padStart(18)}  ${ratio}\n`,
  );
}

/** Runs each of the cases once a round, in turns, after one warm-up; `rounds` values a case. */
export async function inTurns<K extends string>(
  cases: Readonly<Record<K, () => Promise<number> | number>>,
  rounds: number,
): Promise<Record<K, number[]>> {
  const names = Object.keys(cases) as K[];
  const values = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<K, number[]>;
  for (const name of names) await cases[name]();
  for (let round = 0; round < rounds; round++) {
    // Every other round backwards, so that a drift of the machine favours nobody.
    for (const name of round % 2 === 0 ? names : [...names].reverse()) values[name].push(await cases[name]());
  }
  return values;
}

/** The result of `a` measured against `b`, from values of the same rounds. */
export function compared(
  bench: string,
  name: string,
  unit: string,
  a: readonly number[],
  ratioTo: string,
  b: readonly number[],
): Result {
  const ratios = a.map((value, i) => value / (b[i] ?? Number.NaN));
  return {
    bench,
    case: name,
    unit,
    value: round(median(a)),
    ratioTo,
    ratio: round(median(ratios)),
    range: [round(Math.min(...ratios)), round(Math.max(...ratios))],
    rounds: a.length,
  };
}

/** The result of something that stands for itself. */
export function alone(bench: string, name: string, unit: string, values: readonly number[]): Result {
  const range = [round(Math.min(...values)), round(Math.max(...values))] as const;
  return { bench, case: name, unit, value: round(median(values)), range, rounds: values.length };
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The value below which a share of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Seconds that `run` takes. */
export async function seconds(run: () => Promise<unknown> | unknown): Promise<number> {
  const startMs = performance.now();
  await run();
  return (performance.now() - startMs) / 1000;
}

/** Numbers from a seed, so that each run does the same work. */
export function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

function format(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(round(value));
}
