/**
 * What a mutant is held against, cheapest first: the compiler, the tests of what it touches, fifty seeds of the
 * simulation, all tests of the core. Each runs in a copy of the tree and is ended when it takes far too long.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** How a check went; `said`: what showed the bug. */
export interface Outcome {
  readonly ok: boolean;
  readonly said: string;
  readonly ms: number;
}

/** Longer than this, and the mutant hangs: many times what the slowest check takes on a busy machine. */
const HANGS_MS = 180_000;
const SEEDS = 50;
const STEPS = 3000;

/** Which tests are nearest to which files; the first that fits. The name of a test is enough. */
const NEAREST: readonly (readonly [file: RegExp, tests: RegExp])[] = [
  [/model\/(task|dependencies|progress)/, /\/(tasks|dependencies|progress)\./],
  [/model\/(document|patch|chunked-text|text-diff|block-match|markpact)/, /\/(documents|patch|markpact)\./],
  [/model\/(scope|path|pattern|character|trie|collisions)/, /\/(scopes|map|claims)\./],
  [/model\/(claim|acquire|obstacles|waits|deadlock|terms)/, /\/(claims|waits|lease)\./],
  [/model\/(message|inbox|recipients|threads|channels)/, /\/(messages|inbox)\./],
  [/model\/(map|seq-map)/, /\/(map|seq-map)\./],
  [/model\/(checkpoints|resource|decisions|activity|agents|presence|log)/, /\/$1[^/]*\./],
  [/engine\//, /\/(engine|engines|receipts|presence|log|agents)\./],
  [/./, /\/(totality|schema|log|tasks)\./],
];

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
  }

  /** Whether core compiles. */
  compiles(): Promise<Outcome> {
    return this.run(["node_modules/typescript/bin/tsc", "-p", "core", "--noEmit"], /error TS.*/);
  }

  /** The tests nearest to a file. */
  nearest(file: string): Promise<Outcome> {
    const [path, tests] = NEAREST.find(([files]) => files.test(file)) as (typeof NEAREST)[number];
    const noun = path.exec(file)?.[1]?.replace(/s$/, "") ?? "";
    const wanted = new RegExp(tests.source.replace("$1", noun));
    return this.tests(this.listed().filter((test) => wanted.test(test)));
  }

  /** Seeds of the simulation until one is broken. */
  simulation(): Promise<Outcome> {
    const args = ["--import", "tsx", "test/mutation/seeds.ts", String(SEEDS), String(STEPS)];
    return this.run(args, /^BROKEN.*/m);
  }

  /** All tests of the core, and those of what the simulation found. */
  everything(): Promise<Outcome> {
    return this.tests([...this.listed(), "test/simulation/found.test.ts"]);
  }

  private tests(files: readonly string[]): Promise<Outcome> {
    const args = [
      "node_modules/vitest/vitest.mjs",
      "run",
      "--config",
      "mutants.config.ts",
      "--bail",
      "1",
      ...files,
    ];
    return this.run(args, /^.*(FAIL|Error:) .*/m);
  }

  private listed(): string[] {
    return ["test/core", "test/properties"].flatMap((folder) =>
      readdirSync(join(this.folder, folder))
        .filter((name) => name.endsWith(".test.ts"))
        .map((name) => `${folder}/${basename(name)}`),
    );
  }

  private run(args: readonly string[], telling: RegExp): Promise<Outcome> {
    const startedMs = performance.now();
    return new Promise((resolve) => {
      const env = { ...process.env, NO_COLOR: "1", NODE_OPTIONS: "--max-old-space-size=1500" };
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
      }, HANGS_MS);
      child.on("close", (code) => {
        clearTimeout(timer);
        const words = hangs ? "it hangs" : (telling.exec(out)?.[0].trim() ?? out.trim().slice(-200));
        const ms = performance.now() - startedMs;
        resolve({ ok: code === 0 && !hangs, said: code === 0 ? "" : words.slice(0, 160), ms });
      });
    });
  }
}

/** One process for all files: what takes time is to load the core again. */
const CONFIG = `import { defineConfig } from "vitest/config";
export default defineConfig({
  cacheDir: ".vite",
  test: { include: ["test/**/*.test.ts"], pool: "forks", maxWorkers: 1, isolate: false, testTimeout: 60_000 },
});
`;
