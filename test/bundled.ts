/**
 * Bundles the command line once before the tests, which run it as its users do.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Called by vitest. */
export function setup(): void {
  const script = fileURLToPath(new URL("../adapters/cli/bundle.mjs", import.meta.url));
  try {
    execFileSync(process.execPath, [script], { stdio: ["ignore", "inherit", "inherit"] });
  } catch {
    // Tests of other parts can do without; those of the command line find the one before, or none.
    process.stderr.write("The command line could not be bundled; see above.\n");
  }
}
