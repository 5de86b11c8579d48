/**
 * A folder on a real disk: where the repository lies, since a temporary folder may be one in memory.
 */
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What statfs(2) says of file systems that are none on a disk. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/** The root of the checkout, given that this runs from `dist/benchmarks/rig`. */
export const root = fileURLToPath(new URL("../../../", import.meta.url));

/** A new folder on a disk; remove it with `remove`. */
export function folderOnDisk(): { readonly path: string; readonly remove: () => void } {
  const base = IN_MEMORY.has(statfsSync(tmpdir()).type) ? join(root, "dist") : tmpdir();
  const path = mkdtempSync(join(base, "holdfast-bench-"));
  const remove = (): void => {
    process.off("exit", remove);
    rmSync(path, { recursive: true, force: true });
  };
  process.on("exit", remove);
  return { path, remove };
}
