/**
 * `gate`: whether what is staged, or what a branch brings, may be committed given who holds it. Reads only:
 * it leaves no trace in the log.
 */
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import { normaliseWorktree, type Scope } from "../../core/model/scopes.ts";
import { between, type Change, staged } from "../git/changes.ts";
import { type GitClaim, GitClaims } from "../git/claimed.ts";
import { type GateRefusal, type Held, heldByOthers, underOldEpochs } from "../git/gate.ts";
import { Git } from "../git/git.ts";
import { baseOf, commitNamed, hasWorktree, standOf } from "../git/stand.ts";
import { safeLine } from "../place/plain.ts";
import { type Command, exits, type Run } from "./command.ts";
import { Epochs } from "./epochs.ts";
import { type Reached, reaching } from "./reach.ts";
import { sayEmpty } from "./views.ts";

/** What the gate found. */
export interface Verdict {
  readonly agent: string;
  /** How many names are touched. */
  readonly files: number;
  readonly refused: readonly GateRefusal[];
}

export const gateVerb: Run = (command) =>
  reaching(command, "look", async (reached) => {
    const { out, args } = command;
    const base = args.text("base");
    sayEmpty(command, reached);
    const verdict =
      base === undefined ? await judgeStaged(command, reached) : await judgeBranch(command, reached, base);
    out.data(verdict, () => (verdict.refused.length > 0 ? "" : passText(verdict)));
    sayRefused(command, verdict);
    return verdict.refused.length > 0 ? exits.refused : exits.ok;
  });

function passText({ agent, files }: Verdict): string {
  if (files === 0) return "nothing is touched";
  return safeLine(`${files} ${files === 1 ? "file" : "files"} may be committed by ${agent}`);
}

/** Says a sentence for each file that is refused, as far as people read. */
export function sayRefused({ out }: Command, { agent, refused }: Verdict): void {
  for (const { message } of refused.slice(0, limits.conflictsShown)) out.say(`refused: ${message}`);
  const more = refused.length - limits.conflictsShown;
  if (more > 0) out.say(`refused: and ${more} more`);
  if (refused.length > 0) out.say(safeLine(`You are ${agent} here; --as or HOLDFAST_AGENT says otherwise.`));
}

/** What a commit made now would touch, against the claims in this worktree. */
export async function judgeStaged(command: Command, reached: Reached): Promise<Verdict> {
  const git = new Git(reached.repository.root, command.env, "asTold");
  if (!(await hasWorktree(git))) {
    throw new Failure(
      "usage",
      "There is no worktree here, so nothing is staged. Give --base, or go to a worktree.",
    );
  }
  const touched = await staged(git);
  return judge(reached, touched, reached.worktree, ({ holder }) => holder === reached.agent);
}

/**
 * What HEAD has that the base has not, against the claims of every worktree: it is to be merged with their
 * work.
 */
async function judgeBranch({ args, env }: Command, reached: Reached, base: string): Promise<Verdict> {
  const git = new Git(reached.repository.root, env);
  const [onto, head, stand] = await Promise.all([
    commitNamed(git, base),
    commitNamed(git, "HEAD"),
    standOf(git),
  ]);
  const from = await baseOf(git, onto, head);
  if (from === undefined) {
    throw new Failure(
      "usage",
      `${base} and HEAD have no commit in common here. Fetch more of the history first.`,
    );
  }
  const branch = args.text("branch") ?? stand.branch;
  const label = args.text("worktree") ?? env.HOLDFAST_WORKTREE;
  return judge(reached, await between(git, from, head), label, ({ holder, git }) => {
    return holder === reached.agent || (branch !== undefined && git?.branch === branch);
  });
}

/** Against the claims of one worktree and those that cover every one; without `worktree`, against all. */
async function judge(
  reached: Reached,
  touched: readonly Change[],
  worktree: string | undefined,
  isMine: (claim: Held) => boolean,
): Promise<Verdict> {
  const { client, agent } = reached;
  const label = normaliseWorktree(worktree);
  const concerns = (claim: { readonly scope?: Scope; readonly acrossWorktrees?: true }): boolean => {
    const theirs = claim.scope?.worktree;
    return label === undefined || theirs === undefined || theirs === label || claim.acrossWorktrees === true;
  };
  const ask = async (scope: Pick<Scope, "files" | "paths">) => {
    const found = await client.call("claims.covering", { ...scope, limit: limits.pageItemsMax });
    return { items: found.items.filter(concerns), more: found.more };
  };
  const held = await heldByOthers(touched, ask, isMine);
  const currentOf = async (claim: string): Promise<Held | undefined> =>
    (await client.call("claims.list", { claim })).items[0];
  const stale = await underOldEpochs(touched, granted(reached), currentOf);
  const refused = [...held, ...stale.filter((one) => !held.some(({ file }) => file === one.file))];
  return { agent, files: touched.length, refused };
}

/**
 * What this agent was granted by `git claim` in this worktree and has not given back, each with its newest
 * epoch.
 */
export function granted(reached: Reached): readonly GitClaim[] {
  const { folder, log, agent, worktree } = reached;
  const records = new GitClaims(folder).list();
  const own = records.filter((one) => one.log === log && one.agent === agent && one.worktree === worktree);
  return own.flatMap((record) => newest(record, folder) ?? []);
}

/** A record with the epoch that is remembered by now; `undefined` once its agent has given the claim back. */
export function newest(record: GitClaim, folder: string): GitClaim | undefined {
  const known = new Epochs({ ...record, folder }).recall(record.claim);
  if (known === undefined) return record;
  return known.ended ? undefined : { ...record, epoch: known.epoch };
}
