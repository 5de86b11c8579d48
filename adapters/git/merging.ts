/**
 * Merging: what git says would conflict if one side were merged with another, without merging anything.
 */
import { limits } from "../../core/limits.ts";
import type { Change } from "./changes.ts";
import { cut, type Git } from "./git.ts";
import type { Scratch } from "./scratch.ts";
import type { Side, Unseen } from "./sides.ts";
import { baseOf } from "./stand.ts";

/** The first version of git that merges without a worktree, as `versionOf` tells it. */
export const MERGES_TREES = 2038;

/** Two sides that will conflict. */
export interface Conflict {
  readonly a: Side;
  readonly b: Side;
  /** Files that git could not merge, by name. */
  readonly files: readonly string[];
}

type Pair = readonly [a: Side, b: Side];

/**
 * Merges every pair of sides that could conflict, in memory. What could not be merged or was too much is
 * `unseen`.
 */
export async function predict(
  git: Git,
  scratch: Scratch,
  sides: readonly Side[],
): Promise<{
  readonly conflicts: readonly Conflict[];
  readonly unseen: readonly Unseen[];
  readonly pairs: number;
}> {
  const pairs: Pair[] = [];
  for (const [i, a] of sides.entries()) {
    for (const b of sides.slice(i + 1)) if (await mayMeet(git, a, b)) pairs.push([a, b]);
  }
  const unseen: Unseen[] = pairs
    .slice(limits.gitPairsMax)
    .map(([a, b]) => ({ what: `${nameOf(a)} × ${nameOf(b)}`, why: `more than ${limits.gitPairsMax} pairs` }));
  const merged = await atOnce(pairs.slice(0, limits.gitPairsMax), async ([a, b]) =>
    merge(git, scratch, a, b),
  );
  const conflicts: Conflict[] = [];
  for (const one of merged) {
    if ("why" in one) unseen.push(one);
    else if (one.files.length > 0) conflicts.push(one);
  }
  return { conflicts, unseen, pairs: pairs.length };
}

/** What a side is called. */
export function nameOf({ branch, head, worktree }: Side): string {
  return branch ?? `${head.slice(0, 10)}${worktree === undefined ? "" : ` in ${worktree}`}`;
}

async function merge(git: Git, scratch: Scratch, a: Side, b: Side): Promise<Conflict | Unseen> {
  const args = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", a.commit, b.commit];
  try {
    const { code, out } = await git.run(args, { env: scratch.env, answers: [1] });
    // The merged tree, then a name for each file that has conflicts.
    const names =
      code === 0
        ? []
        : cut(out)
            .slice(1)
            .map((name) => name.toString("utf8"));
    return { a, b, files: [...new Set(names)].filter((name) => name !== "") };
  } catch (error) {
    return { what: `${nameOf(a)} × ${nameOf(b)}`, why: (error as Error).message };
  }
}

/**
 * Whether merging two sides could conflict at all: cheaper than merging them, and never wrong about that.
 * With the default branch it can when that has moved on, else when both changed something in one place.
 */
async function mayMeet(git: Git, a: Side, b: Side): Promise<boolean> {
  if (a.commit === b.commit) return false;
  if (a.changes === undefined || b.changes === undefined) return true;
  const [trunk, other] = a.trunk ? [a, b] : [b, a];
  if (
    trunk.trunk &&
    other.changes?.length !== 0 &&
    (await baseOf(git, trunk.head, other.head)) !== trunk.head
  )
    return true;
  return haveOnePlace(a.changes, b.changes);
}

/**
 * One name in both, a file where the other has a folder, or new files of one where the other may have
 * renamed the folder.
 */
export function haveOnePlace(a: readonly Change[], b: readonly Change[]): boolean {
  const [few, many] = a.length < b.length ? [a, b] : [b, a];
  const places = new Set(many.map(({ name }) => name));
  if (few.some(({ name }) => foldersOf(name).some((place) => places.has(place)))) return true;
  const mine = new Set(few.map(({ name }) => name));
  if (many.some(({ name }) => foldersOf(name).some((place) => mine.has(place)))) return true;
  return (renames(a) && adds(b)) || (renames(b) && adds(a));
}

/** A name and every folder above it. */
function foldersOf(name: string): readonly string[] {
  const places = [name];
  for (let at = name.lastIndexOf("/"); at > 0; at = name.lastIndexOf("/", at - 1))
    places.push(name.slice(0, at));
  return places;
}

function renames(changes: readonly Change[]): boolean {
  return adds(changes) && changes.some(({ kind }) => kind === "deleted");
}

function adds(changes: readonly Change[]): boolean {
  return changes.some(({ kind }) => kind === "added");
}

/** Does something with each, a few at one time; results in order. */
async function atOnce<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at] as T);
  };
  await Promise.all(Array.from({ length: limits.gitRunsAtOnce }, worker));
  return results;
}
