/**
 * `npm run bench -- NAME… [--against redis,postgres] [--scale X]`: runs the named benchmarks, or lists
 * them.
 */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** What a benchmark is told. */
export interface Options {
  /** Peers to run in turns with, where they are installed. */
  readonly against: readonly string[];
  /** Multiplies how long it runs; below 1 for a quick look. */
  readonly scale: number;
}

const here = dirname(fileURLToPath(import.meta.url));
const notBenchmarks = new Set(["run", "measure", "workload"]);

/** The names of the benchmarks there are. */
export function benchmarks(): readonly string[] {
  const files = readdirSync(here).filter(
    (file) => /^[a-z-]+\.(ts|js)$/.test(file) && !file.endsWith(".d.ts"),
  );
  return files.map((file) => file.replace(/\.\w+$/, "")).filter((name) => !notBenchmarks.has(name));
}

async function main(args: readonly string[]): Promise<void> {
  const names: string[] = [];
  let against: readonly string[] = [];
  let scale = 1;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--against") against = (args[++i] ?? "").split(",").filter((name) => name !== "");
    else if (arg === "--scale") scale = Number(args[++i] ?? 1);
    else names.push(arg);
  }
  const known = benchmarks();
  if (names.length === 0) {
    process.stderr.write(`benchmarks: ${known.join(" ")}\n`);
    process.exitCode = 64;
    return;
  }
  for (const name of names) {
    if (!known.includes(name)) throw new Error(`no benchmark ${name}; there are ${known.join(", ")}`);
    const file = join(here, `${name}${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`);
    const bench = (await import(pathToFileURL(file).href)) as { run(options: Options): Promise<void> };
    await bench.run({ against, scale });
  }
}

// Ended from outside, what was started and made for a benchmark goes, too.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
