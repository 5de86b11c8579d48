/**
 * Bundles the command line into dist/bin, in pieces that are loaded when a verb needs them. CommonJS, because node
 * starts a program of that kind several milliseconds sooner.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { dependencies } = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));

/** Loaded when first needed; each holds all it needs but the other pieces. */
const verbs = [
  "bench",
  "call",
  "claims",
  "conflicts",
  "doc",
  "doctor",
  "ensure",
  "feed",
  "gate",
  "git",
  "help",
  "init",
  "ledger",
  "lock",
  "mcp",
  "past",
  "resources",
  "serve",
  "talk",
  "token",
  "up",
  "verify",
  "views",
  "wait",
  "why",
];
const pieces = {
  main: "adapters/cli/main.ts",
  ...Object.fromEntries(verbs.map((name) => [name, `adapters/cli/${name}.ts`])),
  "direct-look": "adapters/cli/direct-look.ts",
  "direct-status": "adapters/cli/direct-status.ts",
  "direct-act": "adapters/cli/direct-act.ts",
  "mcp-desk": "adapters/mcp/desk.ts",
  connect: "adapters/node/connect.ts",
  refusals: "adapters/place/refusals.ts",
  transports: "transports/index.ts",
};
/** What every piece must have the same of. */
const errors = {
  "core/failures.ts": "errors",
  "core/client/refused.ts": "errors",
  "adapters/cli/errors.ts": "errors",
};

// What is bundled is what commands wait for; everything else is found in node_modules when it is needed.
// aedes is a module, which older versions of Node 20 cannot require.
const bundled = new Set(["ws", "rxjs", "msgpackr", "better-sqlite3", "diff", "aedes"]);
const external = [
  ...Object.keys(dependencies).filter((name) => !bundled.has(name)),
  "bindings",
  "bufferutil",
  "utf-8-validate",
];

/** A program of its own, which hosts start at every tool, and what it needs only where no hub answers. */
const hook = { "holdfast-hook": "adapters/hooks/bin.ts", "hook-alone": "adapters/hooks/alone.ts" };

const apart = new Map(
  [
    ...Object.entries({ ...pieces, ...hook }).map(([name, file]) => [file, name]),
    ...Object.entries(errors),
  ].map(([file, name]) => [resolve(root, file), name]),
);

const inPieces = {
  name: "in-pieces",
  setup({ onResolve }) {
    onResolve({ filter: /\.ts$/ }, ({ path, resolveDir, kind }) => {
      if (kind === "entry-point" || !path.startsWith(".")) return undefined;
      const name = apart.get(resolve(resolveDir, path));
      return name === undefined ? undefined : { path: `./${name}.js`, external: true };
    });
  },
};

const settings = {
  absWorkingDir: root,
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node20",
  minify: true,
  keepNames: false,
  legalComments: "linked",
  external,
  // The plain variant: looking for its native companion takes longer than a short command has to unpack.
  alias: { msgpackr: `${root}/node_modules/msgpackr/index.js` },
  // Pieces and packages are required: import() would start node's second module loader.
  supported: { "dynamic-import": false },
  define: { "import.meta.url": "__holdfastUrl" },
  banner: { js: 'const __holdfastUrl=require("url").pathToFileURL(__filename).href;' },
  logLevel: "warning",
  logLimit: 5,
};

// Built beside, then put in place file by file: whatever runs meanwhile finds a whole program.
const target = `${root}/dist/bin`;
const draft = `${root}/dist/.bin-${process.pid}`;
try {
  await build({ ...settings, outdir: draft, entryPoints: { errors: "adapters/cli/errors.ts" } });
  await build({ ...settings, outdir: draft, entryPoints: hook, plugins: [inPieces], banner: {} });
  const entryPoints = { holdfast: "adapters/cli/bin.ts", ...pieces };
  await build({ ...settings, outdir: draft, entryPoints, plugins: [inPieces] });
  writeFileSync(`${draft}/package.json`, '{"type":"commonjs"}\n');
  for (const program of ["holdfast", "holdfast-hook"]) chmodSync(`${draft}/${program}.js`, 0o755);
  mkdirSync(target, { recursive: true });
  const built = readdirSync(draft);
  for (const name of built) renameSync(`${draft}/${name}`, `${target}/${name}`);
  for (const name of readdirSync(target))
    if (!built.includes(name)) rmSync(`${target}/${name}`, { force: true });
} catch (error) {
  // The bundler has said what is wrong and where.
  if (error.errors === undefined) throw error;
  process.exitCode = 1;
} finally {
  rmSync(draft, { recursive: true, force: true });
}
