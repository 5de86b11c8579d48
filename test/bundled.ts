/**
 * Bundles the command line once before the tests, which run it as its users do.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Called by vitest. */
export function setup(): void {
  const script = fileURLToPath(new URL("../adapters/cli/bundle.mjs", import.meta.url));
  execFileSync(process.execPath, [script], { stdio: ["ignore", "inherit", "inherit"] });
}
