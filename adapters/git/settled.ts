/**
 * Settled: whether the work under a claim has become part of the history, as `--auto-release` asks.
 */
import type { Scope } from "../../core/model/scopes.ts";
import { between, emptyTree, uncommitted } from "./changes.ts";
import type { GitClaim } from "./claimed.ts";
import type { Git } from "./git.ts";
import { coversName } from "./names.ts";
import { commitOf, type Stand, trunkOf } from "./stand.ts";

/**
 * Whether something of the scope was committed since it was claimed, and nothing of it is left to commit.
 * `git` stands in the claim's worktree.
 */
export async function isCommitted(git: Git, record: GitClaim, scope: Scope): Promise<boolean> {
  const { head } = await headOf(git, record);
  if (head === undefined || head === record.head) return false;
  const left = await uncommitted(git);
  if (left.some((change) => coversName(scope, change, true))) return false;
  return hasTouched(git, record, scope, head);
}

/**
 * Whether the commits made under it, some of them on its scope, are in the default branch: by being its
 * ancestors, or because merging them would change nothing (they were rebased or squashed).
 */
export async function isMerged(git: Git, record: GitClaim, scope: Scope): Promise<boolean> {
  const { tip } = record;
  if (tip === undefined || tip === record.head) return false;
  if (!(await hasTouched(git, record, scope, tip))) return false;
  const trunk = await trunkOf(git);
  if (trunk === undefined) return false;
  // On the default branch itself a commit is merged once it is where it was cloned from, if it was.
  const elsewhere = trunk.refs.filter((ref) => ref !== `refs/heads/${record.branch}`);
  for (const ref of elsewhere.length > 0 ? elsewhere : trunk.refs) {
    const { code } = await git.run(["merge-base", "--is-ancestor", tip, ref], { answers: [1, 128] });
    if (code === 0 || (await addsNothing(git, tip, ref))) return true;
  }
  return false;
}

/** Where the claim's branch is by now, if a worktree stands on it: what is to be remembered as its tip. */
export function tipOf({ head, branch }: Stand, record: GitClaim): string | undefined {
  return head !== undefined && branch === record.branch ? head : undefined;
}

async function headOf(git: Git, record: GitClaim): Promise<{ readonly head: string | undefined }> {
  // The worktree may be on another branch for a while: then nothing is known of this one's.
  const ref = await git.line(["symbolic-ref", "-q", "HEAD"]);
  const here = ref === undefined ? record.branch === undefined : ref === `refs/heads/${record.branch}`;
  return { head: here ? await commitOf(git, "HEAD") : undefined };
}

async function hasTouched(git: Git, record: GitClaim, scope: Scope, to: string): Promise<boolean> {
  const from = record.head ?? (await emptyTree(git));
  return (await between(git, from, to)).some((change) => coversName(scope, change, false));
}

async function addsNothing(git: Git, tip: string, ref: string): Promise<boolean> {
  const args = ["merge-tree", "--write-tree", "--no-messages", ref, tip];
  // Older versions of git cannot tell (129).
  const { code, out } = await git.run(args, { answers: [1, 128, 129] });
  if (code !== 0) return false;
  return out.toString("latin1").trim() === (await git.line(["rev-parse", `${ref}^{tree}`]));
}
