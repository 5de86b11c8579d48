/**
 * The package as its users get it: packed, put into an empty project, type-checked there and run.
 */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
let project = "";
let installed = "";

const PROGRAM = `
import { connect, Failure, openEngine, Refused, serve, type Entry } from "holdfast";
import { decideDefaults } from "./settings.js";

const engine = await openEngine({ log: "memory:" });
const seen: Entry[] = [];
engine.entries$.subscribe((entry) => seen.push(entry));
const outcome = await engine.submit({
  id: "one",
  agent: "alice",
  command: { type: "claim.acquire", claim: "X", scope: { paths: ["src/**"] } },
});
if (!outcome.ok) throw new Error(outcome.rejection.message);
await engine.close();

const hub = await serve({ log: "memory:", listen: ["ws://127.0.0.1:0"], settings: decideDefaults() });
const client = await connect(hub.urls[0] ?? "", { agent: "bob" });
const grant = await client.call("claim.acquire", { claim: "Y", ttlMs: 60_000 });
const epoch: number = grant.epoch;
try {
  await client.call("claim.renew", { claim: "Y", epoch: epoch + 1 });
} catch (error) {
  if (!(error instanceof Refused) || error instanceof Failure) throw error;
  console.log(error.code, seen.length > 0);
}
await client.close();
await hub.close();
`;
const SETTINGS = `
import { defaultSettings, type Settings } from "holdfast/core";
export function decideDefaults(): Partial<Settings> {
  return { idleAfterMs: defaultSettings.idleAfterMs };
}
`;
const TSCONFIG = {
  compilerOptions: {
    target: "ES2023",
    module: "NodeNext",
    strict: true,
    outDir: "out",
    types: [],
    skipLibCheck: false,
  },
  include: ["*.ts"],
};

function run(command: string, args: readonly string[], cwd = project): string {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

describe("the package", () => {
  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), "holdfast-package-"));
    run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", project], root);
    const tarball = readdirSync(project).find((name) => name.endsWith(".tgz")) as string;
    installed = join(project, "node_modules", "holdfast");
    mkdirSync(installed, { recursive: true });
    run("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"]);
    // Its dependencies, and only those, as an installation would put them.
    const { dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    for (const name of Object.keys(dependencies)) {
      const link = join(project, "node_modules", name);
      mkdirSync(join(link, ".."), { recursive: true });
      symlinkSync(join(root, "node_modules", name), link);
    }
    mkdirSync(join(project, "node_modules", ".bin"));
    const { bin } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    symlinkSync(join(installed, bin.holdfast), join(project, "node_modules", ".bin", "holdfast"));
    writeFileSync(
      join(project, "package.json"),
      JSON.stringify({ name: "empty", type: "module", private: true }),
    );
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify(TSCONFIG));
    writeFileSync(join(project, "program.ts"), PROGRAM);
    writeFileSync(join(project, "settings.ts"), SETTINGS);
  }, 120_000);

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it("holds what is used and nothing of the tests", () => {
    for (const file of [
      "dist/bin/holdfast.js",
      "dist/adapters/log/sqlite-worker.js",
      "README.md",
      "LICENSE",
    ]) {
      expect(existsSync(join(installed, file)), file).toBe(true);
    }
    expect(existsSync(join(installed, "dist/test"))).toBe(false);
    expect(existsSync(join(installed, "dist/benchmarks"))).toBe(false);
    expect(existsSync(join(installed, "core/index.ts"))).toBe(false);
  });

  it("type-checks in an empty strict project, and runs there", () => {
    run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "."]);
    expect(run(process.execPath, ["out/program.js"])).toBe("claim.stale true\n");
  }, 120_000);

  it("brings the command", () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(run("npx", ["--no-install", "holdfast", "--version"])).toBe(`${version}\n`);
    const status = JSON.parse(run("npx", ["--no-install", "holdfast", "status", "--json"]));
    expect(status).toMatchObject({ seq: 0, empty: true });
    run("npx", ["--no-install", "holdfast", "claim", "X", "--as", "alice"]);
    expect(JSON.parse(run("npx", ["--no-install", "holdfast", "claims", "--json"])).items).toHaveLength(1);
  }, 120_000);

  it("compiles nothing on installation but the SQLite binding", () => {
    const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
    const scripts = Object.entries(
      lock.packages as Record<string, { hasInstallScript?: boolean; dev?: boolean; optional?: boolean }>,
    )
      .filter(([name, { hasInstallScript, dev }]) => name !== "" && hasInstallScript === true && dev !== true)
      .map(([name]) => name.split("node_modules/").at(-1));
    expect(scripts.filter((name) => name !== "msgpackr-extract")).toEqual(["better-sqlite3"]);
  });
});
