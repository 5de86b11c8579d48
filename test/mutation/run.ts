/**
 * `npm run mutants -- --seed N [--count 100] [--only ID,ID …] [--reach FILE] [--workers N]`: draws small bugs in
 * core/model and core/engine by a seed, plants each in a copy of the tree and says which check caught it. Those that
 * do not compile are drawn again. Ends with 1 when fewer than nine in ten are caught.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { record } from "../torture/record.ts";
import { Copy, isNear, type Outcome } from "./checks.ts";
import { isEquivalent } from "./equivalent.ts";
import { drawn, type Mutant, mutantsOf, planted } from "./mutants.ts";
import { Reach } from "./reach.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "100" },
    /** Only these, by what stands before each line. */
    only: { type: "string" },
    /** How many are tried at once, each in a copy of its own. */
    workers: { type: "string", default: "1" },
    /** What an earlier run of the same tree found the tests to reach; made, when it is not there. */
    reach: { type: "string" },
  },
});
const count = Number(values.count);
const only = values.only?.split(",");

const copies = Array.from({ length: Number(values.workers) }, () => new Copy());
const copy = copies[0] as Copy;
const texts = new Map<string, string>();
for (const folder of ["core/model", "core/engine"]) {
  for (const name of readdirSync(join(copy.folder, folder))) {
    texts.set(`${folder}/${name}`, readFileSync(join(copy.folder, folder, name), "utf8"));
  }
}

const reach = new Reach(texts);

try {
  await sound();
  const all = [...texts].flatMap(([file, text]) => mutantsOf(file, text));
  const order = drawn(all, Number(values.seed)).filter((mutant) => !isEquivalent(mutant));
  const survived: string[] = [];
  const left = order.values();
  let tried = 0;
  const work = async (own: Copy): Promise<void> => {
    for (const mutant of left) {
      if (only === undefined && tried >= count) return;
      if (only !== undefined && !only.includes(mutant.id)) continue;
      const by = await caughtBy(mutant, own, () => only !== undefined || tried++ < count);
      if (by === undefined) continue;
      if (only !== undefined) tried++;
      const line = `${mutant.id} ${mutant.file}:${mutant.line} ${mutant.what}`;
      if (by === "") survived.push(`${line}\n${shown(mutant)}`);
      console.log(`${line}: ${by === "" ? `SURVIVED\n${shown(mutant)}` : by}`);
    }
  };
  await Promise.all(copies.map(work));
  tried = only === undefined ? Math.min(tried, count) : tried;
  console.log(["", ...survived].join("\n"));
  console.log(`${tried - survived.length} of ${tried} caught`);
  if (only === undefined) {
    const share = `${tried - survived.length} of ${tried} caught`;
    record(`mutants of core/model and core/engine, seed ${values.seed}, ${all.length} to draw from`, share);
  }
  process.exitCode = survived.length * 10 <= tried ? 0 : 1;
} finally {
  for (const { folder } of copies) rmSync(folder, { recursive: true, force: true });
}

/** Without a bug all checks pass: else what they say of one with a bug means nothing. */
async function sound(): Promise<void> {
  const known = values.reach !== undefined && existsSync(values.reach);
  const checks = {
    // For a few it is quicker to run all tests than to find out which.
    tests: () => (known || only !== undefined ? Promise.resolve({ ok: true, said: "", ms: 0 }) : survey()),
    compiler: () => copy.compiles(),
    simulation: () => copy.simulation(),
  };
  for (const [name, check] of Object.entries(checks)) {
    const { ok, said, ms } = await check();
    console.log(`without a bug: ${name} ${ok ? "passes" : "FAILS"} in ${(ms / 1000).toFixed(1)} s`);
    if (!ok) throw new Error(said);
  }
  if (known) reach.learn(values.reach as string);
}

async function survey(): Promise<Outcome> {
  for (const [file, text] of texts) writeFileSync(join(copy.folder, file), reach.instrumented(file, text));
  const { outcome, path } = await copy.survey();
  reach.learn(path);
  if (values.reach !== undefined) copyFileSync(path, values.reach);
  for (const [file, text] of texts) writeFileSync(join(copy.folder, file), text);
  return outcome;
}

/** What caught it: "" nothing, `undefined` the compiler; or `counts` says that there are enough. */
async function caughtBy(mutant: Mutant, copy: Copy, counts: () => boolean): Promise<string | undefined> {
  const path = join(copy.folder, mutant.file);
  const text = texts.get(mutant.file) as string;
  writeFileSync(path, planted(text, mutant));
  try {
    if (!(await copy.compiles()).ok || !counts()) return undefined;
    const tests = reach.isKnown ? reach.tests(mutant) : copy.listed();
    const near = tests.filter((test) => isNear(mutant.file, test));
    const checks: readonly (readonly [string, () => Promise<Outcome>])[] = [
      ["tests nearby", () => copy.tests(near)],
      ["simulation", () => copy.simulation()],
      ["tests", () => copy.tests(tests.filter((test) => !near.includes(test)))],
    ];
    for (const [name, check] of checks) {
      const { ok, said } = await check();
      if (!ok) return `${name}: ${said}`;
    }
    return "";
  } finally {
    writeFileSync(path, text);
  }
}

function shown(mutant: Mutant): string {
  const before = (texts.get(mutant.file) as string).split("\n");
  const after = planted(texts.get(mutant.file) as string, mutant).split("\n");
  const from = before.findIndex((line, i) => line !== after[i]);
  const removed = before.slice(from, from + Math.max(1, before.length - after.length + 1));
  return [...removed.map((line) => `    - ${line.trim()}`), `    + ${after[from]?.trim()}`].join("\n");
}
