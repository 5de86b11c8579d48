/**
 * What a shell command would write, as far as can be known without running anything.
 */
import { limits } from "../../core/limits.ts";
import { Sink } from "./shell/sink.ts";
import { Variables } from "./shell/variables.ts";
import { Walk } from "./shell/walk.ts";

/** Arguments that may be looked at altogether, however often loops and nesting repeat them. */
const EFFORT_MAX = 4 * limits.shellTokensMax;

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

/**
 * What `command` would write when run in `cwd` (absolute). Never throws and runs nothing; the time is
 * linear in the command's length. Programs that are not known, code for interpreters and names that only
 * running would tell make the result uncertain. Devices and pipes are no files.
 */
export function writesOf(command: string, cwd: string): Writes {
  const sink = new Sink();
  const effort = { left: EFFORT_MAX };
  try {
    const text = command.slice(0, limits.hookCommandMax);
    if (text.length < command.length || text.includes("\0")) sink.unsure();
    const base = cwd === "" ? undefined : cwd;
    new Walk({ base, sink, effort, depth: 0, variables: new Variables() }).follow(text);
  } catch {
    // Whatever was gathered stands.
    sink.unsure();
  }
  return sink.result();
}
