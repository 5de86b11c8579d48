/**
 * Where a command was given: the worktree it stands in, and the folder of the log that all worktrees of its
 * repository share. Found by looking at files, because starting git would cost more than the whole command.
 */
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";

export interface Repository {
  /**
   * Root of the worktree, links resolved; in a bare repository its folder; outside git the folder that holds
   * `.holdfast`, or the working directory.
   */
  readonly root: string;
  /** Folder of the log and of what stands beside it. */
  readonly folder: string;
  /** Folder shared by all worktrees of the repository; absent outside git. */
  readonly gitCommonDir?: string;
}

const OUTSIDE_GIT = ".holdfast";

/** The repository around a folder. */
export function findRepository(cwd: string): Repository {
  const start = real(cwd);
  for (let folder = start; ; folder = dirname(folder)) {
    const common = commonDirOf(join(folder, ".git"));
    if (common !== undefined) {
      return { root: folder, folder: join(common, "holdfast"), gitCommonDir: common };
    }
    if (isBare(folder)) return { root: folder, folder: join(folder, "holdfast"), gitCommonDir: folder };
    if (isFolder(join(folder, OUTSIDE_GIT))) return { root: folder, folder: join(folder, OUTSIDE_GIT) };
    if (dirname(folder) === folder) return { root: start, folder: join(start, OUTSIDE_GIT) };
  }
}

/** The common directory that a `.git` folder or file leads to; `undefined` when it is no such thing. */
function commonDirOf(dotGit: string): string | undefined {
  let gitDir = dotGit;
  try {
    if (!statSync(dotGit).isDirectory()) {
      const named = /^gitdir: (.+?)\s*$/.exec(readFileSync(dotGit, "utf8"))?.[1];
      if (named === undefined) return undefined;
      gitDir = resolve(dirname(dotGit), named);
    }
    if (!existsSync(join(gitDir, "HEAD"))) return undefined;
  } catch {
    return undefined;
  }
  try {
    const common = readFileSync(join(gitDir, "commondir"), "utf8").trim();
    return real(isAbsolute(common) ? common : join(gitDir, common));
  } catch {
    return real(gitDir);
  }
}

/** A repository without a worktree of its own; its worktrees, if any, share its log. */
function isBare(folder: string): boolean {
  if (basename(folder) === ".git" || !existsSync(join(folder, "HEAD"))) return false;
  return isFolder(join(folder, "objects")) && isFolder(join(folder, "refs"));
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
