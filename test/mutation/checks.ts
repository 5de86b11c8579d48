/**
 * What a mutant is held against, cheapest first: the compiler, the tests of what it touches, some seeds of the
 * simulation, every other test of the core that reaches it. Each runs in a copy of the tree and is ended when it
 * takes far too long.
 */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RECORDER } from "./reach.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** How a check went; `said`: what showed the bug. */
export interface Outcome {
  readonly ok: boolean;
  readonly said: string;
  readonly ms: number;
}

/** Longer than this, and the mutant hangs: many times what the slowest check takes on a busy machine. */
const HANGS_MS = 240_000;
const SEEDS = "1..25";
const STEPS = "2000";

/** Which tests are nearest to which files; the first that fits. */
const NEAREST: readonly (readonly [file: RegExp, tests: RegExp])[] = [
  [/model\/(task|dependencies|progress)/, /\/(tasks|dependencies|progress)\./],
  [/model\/(document|patch|chunked-text|text-diff|block-match|markpact)/, /\/(documents|patch|markpact)\./],
  [/model\/(scope|path|pattern|character|trie|collisions)/, /\/(scopes|map|claims)\./],
  [/model\/(claim|acquire|obstacles|waits|deadlock|terms)/, /core\/(claims|waits|lease)\./],
  [/model\/(message|inbox|recipients|threads|channels)/, /\/(messages|inbox)\./],
  [/model\/(map|seq-map)/, /\/(map|seq-map)\./],
  [/model\/checkpoints/, /\/(checkpoints)\./],
  [/model\/resource/, /\/(resources)\./],
  [/model\/(agents|presence)/, /\/(agents|presence)\./],
  [/engine\//, /\/(engine|engines|receipts|presence|log|agents)\./],
  [/./, /core\/(log|tasks|activity|decisions)\./],
];

/** Whether a test stands near a file. */
export function isNear(file: string, test: string): boolean {
  return (NEAREST.find(([files]) => files.test(file)) as (typeof NEAREST)[number])[1].test(test);
}

/** A copy of the tree in which bugs may be planted. */
export class Copy {
  readonly folder: string;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "holdfast-mutants-"));
    const left = new Set(["node_modules", "dist", ".git"]);
    for (const name of readdirSync(root)) {
      if (!left.has(name)) cpSync(join(root, name), join(this.folder, name), { recursive: true });
    }
    symlinkSync(join(root, "node_modules"), join(this.folder, "node_modules"));
    writeFileSync(join(this.folder, "mutants.config.ts"), CONFIG);
    writeFileSync(join(this.folder, "reach.setup.ts"), RECORDER);
  }

  /** Whether core compiles. */
  compiles(): Promise<Outcome> {
    return this.run(["node_modules/typescript/bin/tsc", "-p", "core", "--noEmit"], /error TS.*/);
  }

  /** Seeds of the simulation until one is broken. */
  simulation(): Promise<Outcome> {
    const args = ["--import", "tsx", "test/mutation/seeds.ts", SEEDS, STEPS];
    return this.run(args, /^BROKEN.*/m);
  }

  /** These tests, in this order, until one fails. */
  async tests(files: readonly string[]): Promise<Outcome> {
    if (files.length === 0) return { ok: true, said: "", ms: 0 };
    return this.run(VITEST, /^.*(FAIL|Error:) .*/m, { TESTS: files.join() });
  }

  /** All tests of the core in instrumented files; where they wrote down what they reach. */
  async survey(): Promise<{ readonly outcome: Outcome; readonly path: string }> {
    const path = join(this.folder, "reach.jsonl");
    if (existsSync(path)) rmSync(path);
    const env = { TESTS: this.listed().join(), SURVEY: "1" };
    const outcome = await this.run(VITEST, /^.*(FAIL|Error:) .*/m, env, 1e6);
    return { outcome, path };
  }

  /** Every test of the core. */
  listed(): string[] {
    return ["test/core", "test/properties", "test/simulation"].flatMap((folder) =>
      readdirSync(join(this.folder, folder))
        .filter((name) => name.endsWith(".test.ts") && name !== "simulation.test.ts")
        .map((name) => `${folder}/${name}`),
    );
  }

  private run(
    args: readonly string[],
    telling: RegExp,
    more: NodeJS.ProcessEnv = {},
    hangsMs = HANGS_MS,
  ): Promise<Outcome> {
    const startedMs = performance.now();
    return new Promise((resolve) => {
      const env = { ...process.env, NO_COLOR: "1", NODE_OPTIONS: "--max-old-space-size=1500", ...more };
      // A group of its own: what hangs is a child of the test runner.
      const child = spawn(process.execPath, args, { cwd: this.folder, env, detached: true });
      let out = "";
      const keep = (bytes: Buffer): void => {
        if (out.length < 2 ** 20) out += bytes.toString();
      };
      child.stdout.on("data", keep);
      child.stderr.on("data", keep);
      let hangs = false;
      const timer = setTimeout(() => {
        hangs = true;
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      }, hangsMs);
      child.on("close", (code) => {
        clearTimeout(timer);
        const words = hangs ? "it hangs" : (telling.exec(out)?.[0].trim() ?? out.trim().slice(-200));
        const ms = performance.now() - startedMs;
        resolve({ ok: code === 0 && !hangs, said: code === 0 ? "" : words.slice(0, 160), ms });
      });
    });
  }
}

const VITEST = ["node_modules/vitest/vitest.mjs", "run", "--config", "mutants.config.ts", "--bail", "1"];

/** One process for all files but in the survey: what takes time is to load the core again. */
const CONFIG = `import { defineConfig } from "vitest/config";
import { BaseSequencer } from "vitest/node";
const files = (process.env.TESTS ?? "").split(",");
const survey = process.env.SURVEY === "1";
class InOrder extends BaseSequencer {
  async sort(specs) {
    const place = ({ moduleId }) => files.findIndex((file) => moduleId.endsWith(file));
    return [...specs].sort((a, b) => place(a) - place(b));
  }
}
const config = defineConfig({
  cacheDir: ".vite",
  test: {
    include: files,
    pool: "forks",
    maxWorkers: 1,
    isolate: survey,
    setupFiles: survey ? ["reach.setup.ts"] : [],
    testTimeout: 200_000,
    sequence: { sequencer: InOrder },
  },
});
export { config as default };
`;
