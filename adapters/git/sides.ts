/**
 * Sides: what may be merged with one another in a repository: each worktree with what is not committed in
 * it, each branch that is not merged yet, and the default branch.
 */
import { realpathSync } from "node:fs";
import { limits } from "../../core/limits.ts";
import { between, type Change, uncommitted } from "./changes.ts";
import { Git } from "./git.ts";
import type { Scratch } from "./scratch.ts";
import { baseOf, commitOf, type Trunk } from "./stand.ts";

/** One line of work. */
export interface Side {
  /** A branch without `refs/heads/`, or a remote's; absent where HEAD is detached. */
  readonly branch?: string;
  /** The newest commit. */
  readonly head: string;
  /** Root of the worktree it stands in, if it is checked out. */
  readonly worktree?: string;
  /** What is not committed there. */
  readonly uncommitted: readonly Change[];
  /** Commit that stands for the whole of it: `head`, or one made of what is not committed. */
  readonly commit: string;
  /** Everything is to be merged into this one. */
  readonly trunk: boolean;
  /** Its own changes since it left the default branch; `undefined` where there is none. */
  readonly changes?: readonly Change[];
}

/** Who made each of these commits, by their ids. */
export async function authorsOf(git: Git, commits: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (commits.length === 0) return new Map();
  const args = [
    "log",
    "--no-walk=unsorted",
    "--no-show-signature",
    "-z",
    "--format=%H %an",
    ...new Set(commits),
  ];
  const lines = (await git.fields([...args, "--"])).map((line) => line.toString("utf8"));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]));
}

/** What could not be looked at, and why. */
export interface Unseen {
  readonly what: string;
  readonly why: string;
}

/** The sides of a repository, and what is none. */
export interface Sides {
  readonly sides: readonly Side[];
  readonly unseen: readonly Unseen[];
}

/** A worktree as git lists it. */
export interface Worktree {
  /** Links resolved. */
  readonly root: string;
  readonly head?: string;
  readonly branch?: string;
}

const HEADS = "refs/heads/";

/** The worktrees of a repository that are there, the bare repository itself left out. */
export async function worktreesOf(git: Git, version: number): Promise<readonly Worktree[]> {
  const isNul = version >= 2036;
  const { out } = await git.run(["worktree", "list", "--porcelain", ...(isNul ? ["-z"] : [])]);
  const end = isNul ? "\0" : "\n";
  return out
    .toString("utf8")
    .split(`${end}${end}`)
    .flatMap((text) => worktreeOf(text.split(end)) ?? []);
}

function worktreeOf(lines: readonly string[]): Worktree | undefined {
  const said = new Map(lines.map((line) => [line.split(" ", 1)[0] ?? "", line.slice(line.indexOf(" ") + 1)]));
  const path = said.get("worktree");
  if (path === undefined || said.has("bare") || said.has("prunable")) return undefined;
  const head = said.get("HEAD");
  const ref = said.get("branch");
  let root: string;
  try {
    root = realpathSync(path);
  } catch {
    return undefined;
  }
  return {
    root,
    ...(head === undefined || /^0+$/.test(head) ? {} : { head }),
    ...(ref?.startsWith(HEADS) === true ? { branch: ref.slice(HEADS.length) } : {}),
  };
}

/**
 * All that may meet, worktrees first, then branches with the newest first; bounded by `limits.gitSidesMax`.
 */
export async function sidesOf(
  git: Git,
  env: NodeJS.ProcessEnv,
  worktrees: readonly Worktree[],
  trunk: Trunk | undefined,
  scratch: Scratch | undefined,
): Promise<Sides> {
  const unseen: Unseen[] = [];
  const sides: Side[] = [];
  const seen = new Set<string>();
  const room = (what: string): boolean => {
    if (sides.length < limits.gitSidesMax) return true;
    unseen.push({ what, why: `more than ${limits.gitSidesMax} worktrees and branches` });
    return false;
  };
  for (const worktree of worktrees) {
    const what = worktree.branch ?? worktree.root;
    if (!room(what)) break;
    if (worktree.branch !== undefined) seen.add(worktree.branch);
    try {
      const side = await sideOfWorktree(new Git(worktree.root, env), worktree, trunk, scratch);
      if (side === undefined) unseen.push({ what, why: "it has no commit yet" });
      else sides.push(side);
    } catch (error) {
      unseen.push({ what, why: (error as Error).message });
    }
  }
  for (const branch of await branchesOf(git, trunk)) {
    if (seen.has(branch.name)) continue;
    if (!room(branch.name)) break;
    const { name, head, trunk: isTrunk } = branch;
    const changes = await changesSince(git, head, trunk);
    const own = changes === undefined ? {} : { changes };
    sides.push({ branch: name, head, commit: head, uncommitted: [], trunk: isTrunk, ...own });
  }
  return { sides, unseen };
}

async function sideOfWorktree(
  git: Git,
  { root, head, branch }: Worktree,
  trunk: Trunk | undefined,
  scratch: Scratch | undefined,
): Promise<Side | undefined> {
  if (head === undefined) return undefined;
  const left = await uncommitted(git);
  const commit = left.length === 0 || scratch === undefined ? head : await scratch.commitOf(git, head, left);
  const isTrunk = trunk?.refs.includes(`${HEADS}${branch}`) === true;
  const committed = await changesSince(git, head, trunk);
  const changes = committed === undefined ? {} : { changes: [...committed, ...left] };
  const named = branch === undefined ? {} : { branch };
  return { ...named, head, worktree: root, uncommitted: left, commit, trunk: isTrunk, ...changes };
}

async function changesSince(git: Git, head: string, trunk: Trunk | undefined) {
  const onto = trunk?.refs[0];
  if (onto === undefined) return undefined;
  const base = await baseOf(git, head, onto);
  return base === undefined ? undefined : between(git, base, head);
}

interface Branch {
  readonly name: string;
  readonly head: string;
  readonly trunk: boolean;
}

/** The default branch, and the branches that are not merged into it, the newest first. */
async function branchesOf(git: Git, trunk: Trunk | undefined): Promise<readonly Branch[]> {
  const [onto, remote] = trunk?.refs ?? [];
  const unmerged = onto === undefined ? [] : [`--no-merged=${onto}`];
  const format = "--format=%(objectname) %(refname)";
  const listed = await git.line(["for-each-ref", "--sort=-committerdate", format, ...unmerged, HEADS]);
  const branches = (listed ?? "").split("\n").flatMap((line) => {
    const [head = "", ref = ""] = line.split(" ", 2);
    return head === "" ? [] : [{ name: ref.slice(HEADS.length), head, trunk: false }];
  });
  const trunks: Branch[] = [];
  const local = onto === undefined ? undefined : await commitOf(git, onto);
  if (trunk !== undefined && onto !== undefined && local !== undefined) {
    trunks.push({ name: shortName(onto), head: local, trunk: true });
    const theirs = remote === undefined ? undefined : await commitOf(git, remote);
    // What was fetched but not merged here is where the work will go, too.
    if (remote !== undefined && theirs !== undefined && (await baseOf(git, local, theirs)) !== theirs) {
      trunks.push({ name: shortName(remote), head: theirs, trunk: true });
    }
  }
  return [...trunks, ...branches];
}

function shortName(ref: string): string {
  return ref.replace(/^refs\/(?:heads|remotes)\//, "");
}
