/**
 * The trace: what a real fleet changed, as a plan of tasks that wait for one another.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Failure } from "../../../core/failures.ts";

/** One change as it stands in the trace. */
export interface Change {
  /** Seconds since the first. */
  readonly t: number;
  readonly agent: string;
  readonly task: string;
  readonly paths: readonly string[];
}

/** A change to be made, behind the ones that touched its files before. */
export interface Planned {
  readonly task: string;
  readonly author: string;
  readonly files: readonly string[];
  readonly dependsOn: readonly string[];
}

export interface Plan {
  readonly tasks: readonly Planned[];
  /** Authors, the busiest first. */
  readonly authors: readonly string[];
  /** Where the changes were taken from, for people. */
  readonly source: string;
}

/** Where a stretch with many authors and short chains begins in the whole trace. */
const BUSY_FROM = 1000;

/** The first `count` changes of a busy stretch as a plan. Throws `usage` where there is no trace. */
export function planOf(count: number): Plan {
  const { changes, source } = readTrace();
  const from = changes.length >= BUSY_FROM + count ? BUSY_FROM : 0;
  const latest = new Map<string, string>();
  const busy = new Map<string, number>();
  const tasks = changes.slice(from, from + count).map(({ task, agent, paths }): Planned => {
    // As they stand in the log: every one of these characters would make a pattern of a file's name.
    const files = paths.filter((path) => !/[[\]{}*?]/.test(path));
    const dependsOn = new Set(files.flatMap((file) => latest.get(file) ?? []));
    for (const file of files) latest.set(file, task);
    busy.set(agent, (busy.get(agent) ?? 0) + 1);
    return { task, author: agent, files, dependsOn: [...dependsOn] };
  });
  const authors = [...busy.keys()].sort((a, b) => (busy.get(b) ?? 0) - (busy.get(a) ?? 0));
  return { tasks: tasks.filter(({ files }) => files.length > 0), authors, source };
}

/** The folder of the package, found upwards from here, compiled or not. */
export function packageRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file) && JSON.parse(readFileSync(file, "utf8")).name === "holdfast") return folder;
    if (folder === dirname(folder))
      throw new Failure("usage", "The demo runs inside the holdfast package only.");
  }
}

function readTrace(): { readonly changes: readonly Change[]; readonly source: string } {
  const places = [
    ["../shared/data/fleet-trace.ndjson", "a real fleet's changes"],
    ["test/data/fleet-trace-sample.ndjson", "the sample trace"],
  ] as const;
  for (const [place, source] of places) {
    const file = join(packageRoot(), place);
    if (!existsSync(file)) continue;
    const lines = readFileSync(file, "utf8").split("\n");
    return { changes: lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Change), source };
  }
  throw new Failure("usage", "There is no trace to replay: the demo runs in the repository of holdfast.");
}
