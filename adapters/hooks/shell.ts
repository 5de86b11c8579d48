/**
 * What a shell command would write, as far as can be known without running anything.
 */

/** What a command writes. All paths are absolute, without `.` and `..`; links are not followed. */
export interface Writes {
  /** Files (or, where nobody can tell without looking, folders) that are written, moved away or removed. */
  readonly paths: readonly string[];
  /** Those of `paths` that, where they are folders, are written with everything below them. */
  readonly trees: readonly string[];
  /** Patterns of files, from plain globs; what is literal in them is escaped as in claims (`[[]`). */
  readonly patterns: readonly string[];
  /** Folders whose whole git worktree may be written: `git reset --hard`, `git switch`, `git stash`. */
  readonly worktrees: readonly string[];
  /** False: there may be more writes than these. */
  readonly isCertain: boolean;
}

/** What `command` would write when run in `cwd`. Never throws; the time is linear in the command's length. */
export function writesOf(_command: string, _cwd: string): Writes {
  return { paths: [], trees: [], patterns: [], worktrees: [], isCertain: false };
}
