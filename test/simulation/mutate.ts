/**
 * `tsx test/simulation/mutate.ts [--seeds A..B] [--first] [name …]`: plants each deliberate bug in a copy of the
 * tree, one at a time, runs the simulation there, and says in how many seeds it was found, or, in less time, in
 * which first. Ends with 1 when one never was.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { mutations } from "./mutations.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "1..50" },
    steps: { type: "string", default: "3000" },
    first: { type: "boolean", default: false },
  },
});
const copy = mkdtempSync(join(tmpdir(), "holdfast-simulation-mutations-"));
const run = promisify(execFile);

try {
  for (const part of ["core", "test", "package.json", "tsconfig.base.json"]) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  let missed = 0;
  for (const mutation of mutations) {
    const { name, file, find, put } = mutation;
    if (positionals.length > 0 && !positionals.some((part) => name.includes(part))) continue;
    const path = join(copy, file);
    const whole = readFileSync(path, "utf8");
    if (whole.split(find).length !== 2) {
      console.log(`${name}: stands nowhere, or more than once, in ${file}`);
      missed += 1;
      continue;
    }
    writeFileSync(
      path,
      whole.replace(find, () => put),
    );
    const compiles = await compilesIn(copy);
    const found = compiles === "" ? await simulateIn(copy) : { count: 0, first: `never: ${compiles}` };
    writeFileSync(path, whole);
    if (found.count === 0) missed += 1;
    console.log(`${name}: ${found.count === 1 ? "a seed" : `${found.count} seeds`}, first ${found.first}`);
  }
  process.exitCode = missed === 0 ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}

/** Why it does not compile; empty when it does. */
async function compilesIn(folder: string): Promise<string> {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", "core", "--noEmit", "--noUnusedLocals", "false", "--noUnusedParameters", "false"];
  const failed = await run(process.execPath, args, { cwd: folder }).then(
    () => "",
    (error: { stdout: string }) => error.stdout,
  );
  return failed.split("\n")[0] ?? "";
}

async function simulateIn(folder: string): Promise<{ readonly count: number; readonly first: string }> {
  if (values.first) return firstIn(folder);
  const args = [
    "--import",
    "tsx",
    "test/simulation/run.ts",
    "--all",
    "--seeds",
    values.seeds,
    "--steps",
    values.steps,
  ];
  const { stdout } = await run(process.execPath, args, { cwd: folder, maxBuffer: 2 ** 28 }).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  const failed = stdout.split("\n").filter((line) => line.includes("FAILED"));
  if (!stdout.includes(" seeds, ")) return { count: 0, first: `did not run: ${stdout.slice(-300)}` };
  const first = failed.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))[0] ?? "never";
  return { count: failed.length, first: first.slice(0, 140) };
}

/** One seed after another until one is broken. */
async function firstIn(folder: string): Promise<{ readonly count: number; readonly first: string }> {
  const args = ["--import", "tsx", "test/mutation/seeds.ts", values.seeds, values.steps];
  const { stdout } = await run(process.execPath, args, { cwd: folder, maxBuffer: 2 ** 28 }).catch(
    (error: { stdout: string }) => error,
  );
  const broken = /^BROKEN seed (.*)/m.exec(stdout)?.[1];
  return broken === undefined ? { count: 0, first: "never" } : { count: 1, first: broken.slice(0, 140) };
}
