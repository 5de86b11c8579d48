/**
 * The files of hosts on disk: found with care, written all or not at all.
 */
import { existsSync, mkdirSync, readdirSync, realpathSync, rmdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { readTextFile, writeTextFile } from "../files/text-file.ts";
import type { Change, Found } from "../setup/plan.ts";

/** A file below the root of a repository, as it is. */
export function findFile(root: string, path: string): Found {
  const file = join(root, path);
  const outside = leadsOutside(root, file);
  if (outside !== undefined) return { untouchable: outside };
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return {};
  if (!stat.isFile()) return { untouchable: "it is no file" };
  let text: string | undefined;
  try {
    text = readTextFile(file);
  } catch (error) {
    return { untouchable: (error as Error).message };
  }
  if (text === undefined) return {};
  if ((stat.mode & 0o222) === 0) return { text, untouchable: "it is read-only; make it writable first" };
  return { text };
}

/** Where the nearest thing that exists on the way to a file is, if not below the root. */
function leadsOutside(root: string, file: string): string | undefined {
  const home = realpathSync(root);
  let near = file;
  while (!existsSync(near)) {
    if (isLink(near)) return "it is a link that leads nowhere";
    near = dirname(near);
  }
  const real = realpathSync(near);
  const inside = real === home || !relative(home, real).split(sep).includes("..");
  return inside && !/^[A-Za-z]:/.test(relative(home, real))
    ? undefined
    : "it is a link that leads out of this repository";
}

function isLink(path: string): boolean {
  try {
    return readdirSync(dirname(path), { withFileTypes: true }).some(
      (entry) => entry.isSymbolicLink() && join(dirname(path), entry.name) === path,
    );
  } catch {
    return false;
  }
}

/** Makes every change, or, when one fails, undoes those made and throws what it failed with. */
export function makeChanges(root: string, changes: readonly Change[]): void {
  const undo: (() => void)[] = [];
  try {
    for (const { path, before, after } of changes) {
      const file = join(root, path);
      if (after === undefined) {
        undo.push(() => writeTextFile(file, before ?? ""));
        rmSync(file, { force: true });
        continue;
      }
      const made = mkdirSync(dirname(file), { recursive: true });
      if (made !== undefined) undo.push(() => rmSync(made, { recursive: true, force: true }));
      undo.push(() => (before === undefined ? rmSync(file, { force: true }) : writeTextFile(file, before)));
      writeTextFile(file, after);
    }
  } catch (error) {
    for (const step of undo.reverse()) {
      try {
        step();
      } catch {
        // What failed is told; this could only repeat it.
      }
    }
    throw error;
  }
}

/** Removes the folders above a file that are empty now, up to the root, as far as `mayGo` says. */
export function removeEmptyFolders(root: string, path: string, mayGo: (folder: string) => boolean): void {
  for (let folder = dirname(path); folder !== "."; folder = dirname(folder)) {
    if (!mayGo(folder)) return;
    try {
      rmdirSync(join(root, folder));
    } catch {
      return;
    }
  }
}
