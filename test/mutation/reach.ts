/**
 * Which test runs which function: so that a mutant is held against tests that reach it only.
 */
import { existsSync, readFileSync } from "node:fs";
import { functionsOf, instrumented, type Mutant, type Span } from "./mutants.ts";

/** A test file, what it ran, and how long it took. */
interface Trip {
  readonly test: string;
  readonly ms: number;
  readonly ran: readonly number[];
}

export class Reach {
  private readonly functions = new Map<string, { readonly first: number; readonly spans: readonly Span[] }>();
  private trips: readonly (Trip & { readonly functions: ReadonlySet<number> })[] = [];
  private count = 0;

  constructor(texts: ReadonlyMap<string, string>) {
    for (const [file, text] of texts) {
      const spans = functionsOf(file, text);
      this.functions.set(file, { first: this.count, spans });
      this.count += spans.length;
    }
  }

  /** The file, saying which of its functions run. */
  instrumented(file: string, text: string): string {
    const { first, spans } = this.of(file);
    return instrumented(text, spans, first);
  }

  get isKnown(): boolean {
    return this.trips.length > 0;
  }

  /** Takes in what the tests wrote down: a line of JSON each. */
  learn(path: string): void {
    const lines = existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
    this.trips = lines
      .map((line) => JSON.parse(line) as Trip)
      .map((trip) => ({ ...trip, functions: new Set(trip.ran) }))
      .sort((a, b) => a.ms - b.ms);
  }

  /** The tests that run the innermost function around a mutant, the quickest first; outside all, every test. */
  of(file: string): { readonly first: number; readonly spans: readonly Span[] } {
    return this.functions.get(file) ?? { first: 0, spans: [] };
  }

  tests({ file, start, end }: Mutant): readonly string[] {
    const { first, spans } = this.of(file);
    const around = spans.findLastIndex((span) => span.start <= start && end <= span.end);
    return this.trips
      .filter(({ functions }) => around < 0 || functions.has(first + around))
      .map(({ test }) => test);
  }
}

/** Loaded with each test file: writes down what it ran. */
export const RECORDER = `import { appendFileSync } from "node:fs";
import { relative } from "node:path";
import { afterAll, expect } from "vitest";
const ran = new Set<number>();
const startedMs = performance.now();
(globalThis as any).ran = (n: number) => ran.add(n);
afterAll(() => {
  const test = relative(process.cwd(), expect.getState().testPath ?? "");
  const ms = performance.now() - startedMs;
  appendFileSync("reach.jsonl", JSON.stringify({ test, ms, ran: [...ran] }) + "\\n");
});
`;
