/**
 * `bench`: runs the benchmarks of a checkout, which are no part of the package.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Failure } from "../../core/failures.ts";
import { exits, type Run } from "./command.ts";

export const benchVerb: Run = async ({ args }) => {
  const script = ["../../benchmarks/run.js", "../benchmarks/run.js", "../../benchmarks/run.ts"]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
  if (script === undefined) {
    throw new Failure(
      "log.unusable",
      "The benchmarks are part of the sources, not of the package: run them in a checkout.",
    );
  }
  const against = args.text("against");
  const loader = script.endsWith(".ts") ? ["--import", "tsx"] : [];
  const more = against === undefined ? [] : ["--against", against];
  const child = spawn(process.execPath, [...loader, script, ...args.words, ...more, ...args.rest], {
    stdio: "inherit",
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? exits.failed));
  });
};
