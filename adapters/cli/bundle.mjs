/**
 * Bundles the command line into dist/bin: one small file for each thing a verb may need, so that it loads quickly.
 */
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { dependencies } = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));

// What is bundled is what commands wait for; everything else is found in node_modules when it is needed.
const bundled = new Set(["ws", "rxjs", "msgpackr", "commander"]);
const external = Object.keys(dependencies).filter((name) => !bundled.has(name));

rmSync(`${root}/dist/bin`, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: { holdfast: "adapters/cli/bin.ts" },
  outdir: "dist/bin",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "linked",
  external: [...external, "msgpackr-extract", "bufferutil", "utf-8-validate"],
  // Bundled packages that are CommonJS ask for node's own modules by \`require\`.
  banner: {
    js: 'import{createRequire as __holdfastRequire}from"node:module";const require=__holdfastRequire(import.meta.url);',
  },
  metafile: process.argv.includes("--analyse"),
  logLevel: "warning",
});
chmodSync(`${root}/dist/bin/holdfast.js`, 0o755);
