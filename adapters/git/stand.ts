/**
 * Stand: where a worktree is in its repository's history, and what its work is to be merged into.
 */
import { Failure } from "../../core/failures.ts";
import type { Git } from "./git.ts";

/** Where HEAD is. Without a commit the branch is yet to be born; without a branch HEAD is detached. */
export interface Stand {
  readonly head?: string;
  readonly branch?: string;
}

const HEADS = "refs/heads/";

/** Where the worktree of `git` stands. */
export async function standOf(git: Git): Promise<Stand> {
  const [head, ref] = await Promise.all([commitOf(git, "HEAD"), git.line(["symbolic-ref", "-q", "HEAD"])]);
  const branch = ref?.startsWith(HEADS) === true ? ref.slice(HEADS.length) : undefined;
  return { ...(head === undefined ? {} : { head }), ...(branch === undefined ? {} : { branch }) };
}

/** The commit that a name means; `undefined` where it means none. */
export async function commitOf(git: Git, name: string): Promise<string | undefined> {
  const { code, out } = await git.run(
    ["rev-parse", "--verify", "-q", "--end-of-options", `${name}^{commit}`],
    {
      answers: [1, 128],
    },
  );
  return code === 0 ? out.toString("latin1").trim() : undefined;
}

/** The commit that a name means. Throws `usage` where it means none. */
export async function commitNamed(git: Git, name: string): Promise<string> {
  const commit = await commitOf(git, name);
  if (commit !== undefined) return commit;
  throw new Failure(
    "usage",
    `${name} is no commit here. Name a branch, tag or commit; fetch it first if it is new.`,
  );
}

/** Whether work is done in a worktree here: there is none in a bare repository or inside `.git`. */
export async function hasWorktree(git: Git): Promise<boolean> {
  const { code, out } = await git.run(["rev-parse", "--is-inside-work-tree"], { answers: [128] });
  return code === 0 && out.toString("latin1").trim() === "true";
}

/** The newest commit both have behind them; `undefined` where they have none in common. */
export async function baseOf(git: Git, a: string, b: string): Promise<string | undefined> {
  return git.line(["merge-base", a, b]);
}

/** What everything is to be merged into: a branch, as it is here and as it is where it was cloned from. */
export interface Trunk {
  readonly name: string;
  /** Full names of its refs, the local one first; at least one. */
  readonly refs: readonly string[];
}

/**
 * The default branch: what `origin/HEAD` says, else `init.defaultBranch`, `main` or `master`, whichever
 * there is first. `undefined` in a repository that has none of them.
 */
export async function trunkOf(git: Git): Promise<Trunk | undefined> {
  const [said, configured] = await Promise.all([
    git.line(["symbolic-ref", "-q", "refs/remotes/origin/HEAD"]),
    git.line(["config", "--get", "init.defaultBranch"]),
  ]);
  const remote = "refs/remotes/origin/";
  const names = [
    said?.startsWith(remote) === true ? said.slice(remote.length) : undefined,
    configured,
    "main",
    "master",
  ];
  for (const name of new Set(names)) {
    if (name === undefined || name === "") continue;
    const both = [`${HEADS}${name}`, `${remote}${name}`];
    const commits = await Promise.all(both.map((ref) => commitOf(git, ref)));
    const refs = both.filter((_, i) => commits[i] !== undefined);
    if (refs.length > 0) return { name, refs };
  }
  return undefined;
}

/**
 * Where the work of a worktree began: the newest commit that it has in common with its upstream, else with
 * the default branch; `undefined` before the first commit, or where it has neither.
 */
export async function beginningOf(git: Git, { head, branch }: Stand): Promise<string | undefined> {
  if (head === undefined) return undefined;
  const upstream = branch === undefined ? undefined : await commitOf(git, `${branch}@{upstream}`);
  const trunk = upstream === undefined ? await trunkOf(git) : undefined;
  const onto = upstream ?? trunk?.refs[0];
  return onto === undefined ? undefined : baseOf(git, head, onto);
}
