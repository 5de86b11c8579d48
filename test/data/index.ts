/**
 * Real input where it is to be had, else a small sample of our own making in the same form.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** One change of a fleet's: who claimed which files for which task, and when. */
export interface Change {
  /** Seconds since the first. */
  readonly t: number;
  readonly agent: string;
  readonly task: string;
  readonly paths: readonly string[];
}

/** The changes, oldest first, and whether they are only the sample. */
export function fleetTrace(): { readonly changes: readonly Change[]; readonly sample: boolean } {
  // Beside the repository; compiled files stand one folder deeper.
  const places = ["../../../shared/data/fleet-trace.ndjson", "../../../../shared/data/fleet-trace.ndjson"];
  for (const place of places) {
    const file = fileURLToPath(new URL(place, import.meta.url));
    if (existsSync(file)) return { changes: read(file), sample: false };
  }
  const sample = import.meta.url.endsWith(".ts") ? "./" : "../../../test/data/";
  const file = fileURLToPath(new URL(`${sample}fleet-trace-sample.ndjson`, import.meta.url));
  return { changes: read(file), sample: true };
}

function read(file: string): readonly Change[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Change);
}
