/**
 * Targets: where the file of a block may be written. What a document says of paths is an agent's word:
 * nothing it says may reach outside the project, or into the folder of its version control.
 */
import { lstatSync, mkdirSync, realpathSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";

/**
 * The absolute path that a block's path means below `root`, or why it may not be written: absolute,
 * climbing out, into `.git` or `.holdfast`, with parts no system takes alike, or through a link that
 * leads elsewhere.
 */
export function targetOf(
  root: string,
  path: string,
): { readonly file: string } | { readonly refused: string } {
  if (path === "" || path.length > 1024) return { refused: "it is empty or too long" };
  if (/[\p{Cc}\\:*?"<>|]/u.test(path)) return { refused: "it has characters that not every system takes" };
  if (path.startsWith("/") || path.startsWith("~")) return { refused: "it is not relative" };
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    return { refused: "it climbs, or has empty parts" };
  }
  // `.git.` and `.GIT` are `.git` to some file systems.
  if (parts.some((part) => /^\.(git|holdfast)$/i.test(part.replace(/[. ]+$/, "")))) {
    return { refused: "it is no part of the project's files" };
  }
  const real = realpathSync(root);
  const file = resolve(real, ...parts);
  for (let at = dirname(file); at !== real; at = dirname(at)) {
    const found = lstatSync(at, { throwIfNoEntry: false });
    if (found === undefined) continue;
    if (found.isSymbolicLink() && !isBelow(real, realpathSync(at)))
      return { refused: "it leads out through a link" };
    if (!found.isSymbolicLink() && !found.isDirectory())
      return { refused: "a file stands where a folder should" };
  }
  const there = lstatSync(file, { throwIfNoEntry: false });
  if (there !== undefined && !there.isFile()) return { refused: "something that is no file stands there" };
  return { file };
}

/** Makes the folders above a target. */
export function makeFolders(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
}

function isBelow(root: string, path: string): boolean {
  const name = relative(root, path);
  return name === "" || (!name.startsWith(`..${sep}`) && name !== ".." && join(root, name) === path);
}
