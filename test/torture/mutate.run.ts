/**
 * `tsx test/torture/mutate.run.ts [name …]`: plants deliberate bugs in a copy of the tree, one at a time, and runs the
 * torture that is there for them; those of the simulation that only real processes and disks can show, and some of
 * their own. Ends with 1 when one stays unseen.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Mutation, mutations } from "../simulation/mutations.ts";
import { record } from "./record.ts";

const checks = {
  linear: ["linear.run.ts", "--histories", "12", "--ops", "400", "--seed", "5", "--minutes", "1"],
  damage: ["damage.run.ts", "--times", "400"],
  power: ["power.run.ts", "--cuts", "8", "--kills", "0"],
} as const;

const own: readonly (Mutation & { readonly check: keyof typeof checks })[] = [
  {
    name: "an fsync is dropped",
    check: "power",
    file: "adapters/log/sqlite-file.ts",
    find: "const level = options.full ? 2 : 1;",
    put: "const level = options.full ? 1 : 1;",
  },
  {
    name: "the witness is not raised",
    check: "damage",
    file: "adapters/log/witness.ts",
    find: "const pair = slots(file);\n  const current",
    put: "const pair = slots(file);\n  if (link.seq > 5) return;\n  const current",
  },
  {
    name: "the chain is not checked",
    check: "damage",
    file: "adapters/log/sqlite-reader.ts",
    find: "if (!sameHash(rowHash(before.hash, row), row.hash)) {",
    put: "if (row.seq < 0 && !sameHash(rowHash(before.hash, row), row.hash)) {",
  },
  {
    name: "rows that cannot be found are taken for none",
    check: "damage",
    file: "adapters/log/sqlite-reader.ts",
    find: "if (!lost) throw damaged(",
    put: "if (!lost && through < 0) throw damaged(",
  },
  {
    name: "a snapshot is believed without its hash",
    check: "damage",
    file: "adapters/log/snapshots.ts",
    find: "if (!(await isWhole(handle))) throw",
    put: "if (seq < 0 && !(await isWhole(handle))) throw",
  },
];

/** Those of the simulation, by what shows them here. */
const known: Readonly<Record<string, keyof typeof checks>> = {
  "answer before the append": "power",
  "the epoch is not checked": "linear",
  "an epoch that repeats": "linear",
  "a refusal is answered without a look at the head": "linear",
  "what is due is free without its entry": "linear",
};

const root = fileURLToPath(new URL("../..", import.meta.url));
const copy = mkdtempSync(join(tmpdir(), "holdfast-torture-mutations-"));
const run = promisify(execFile);
const wanted = process.argv.slice(2);
const planted = [
  ...own,
  ...mutations.flatMap((each) => {
    const check = known[each.name];
    return check === undefined ? [] : [{ ...each, check }];
  }),
].filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));

let missed = 0;
try {
  for (const part of [
    "core",
    "transports",
    "adapters",
    "benchmarks",
    "test",
    "package.json",
    "tsconfig.base.json",
  ]) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  for (const { name, file, find, put, check } of planted) {
    const path = join(copy, file);
    const whole = readFileSync(path, "utf8");
    const fits = whole.split(find).length === 2;
    if (fits)
      writeFileSync(
        path,
        whole.replace(find, () => put),
      );
    const how = fits ? await outcomeOf(checks[check]) : "stands nowhere, or more than once";
    writeFileSync(path, whole);
    if (!how.startsWith("caught")) missed++;
    record(`mutation: ${name}`, `${check}: ${how}`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.exit(missed === 0 ? 0 : 1);

async function outcomeOf([script, ...args]: readonly string[]): Promise<string> {
  await run(process.execPath, ["adapters/cli/bundle.mjs"], { cwd: copy });
  const all = ["--import", "tsx", `test/torture/${script}`, ...args];
  const ran = await run(process.execPath, all, { cwd: copy, maxBuffer: 2 ** 28 }).then(
    () => undefined,
    (error: { stdout: string; stderr: string }) => error,
  );
  if (ran === undefined) return "NOT CAUGHT";
  // A check that could not run has caught nothing.
  const count = /(\d+) WRONG/.exec(ran.stdout)?.[1];
  return count === undefined
    ? `did not end: ${ran.stderr.slice(-200).replaceAll(/[|\n]/g, " ")}`
    : `caught (${count})`;
}
