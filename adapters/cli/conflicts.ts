/**
 * `conflicts`: which worktrees and branches of this repository will conflict when they are merged, and
 * which live claims meet there. Reads only: neither the log nor the repository is touched.
 */
import { resolve } from "node:path";
import { limits } from "../../core/limits.ts";
import { compileScope, firstOverlap, type Scope } from "../../core/model/scopes.ts";
import { Git, versionOf } from "../git/git.ts";
import { type Conflict, haveOnePlace, MERGES_TREES, nameOf, predict } from "../git/merging.ts";
import { Scratch } from "../git/scratch.ts";
import {
  authorsOf,
  type Side,
  type Sides,
  sidesOf,
  type Unseen,
  type Worktree,
  worktreesOf,
} from "../git/sides.ts";
import { trunkOf } from "../git/stand.ts";
import { safeLine } from "../place/plain.ts";
import { usage } from "./arguments.ts";
import { type Command, exits, type Run } from "./command.ts";
import { type Reached, reaching } from "./reach.ts";
import { sayEmpty } from "./views.ts";

/** A live claim, as far as it is shown here. */
interface ClaimHere {
  readonly claim: string;
  readonly holder: string;
  readonly epoch: number;
  readonly scope?: Scope;
  readonly remainingMs: number;
  readonly git?: { readonly branch?: string };
}

/** Two live claims of different holders in different worktrees that cover something in common. */
interface Meeting {
  readonly a: ClaimHere;
  readonly b: ClaimHere;
  /** The first file or pattern of each that have something in common. */
  readonly paths: readonly [string, string];
}

export const conflictsVerb: Run = (command) =>
  reaching(command, "look", async (reached) => {
    const { env, out, args } = command;
    const { repository } = reached;
    const common = repository.gitCommonDir;
    if (common === undefined) usage(`${repository.root} is in no git repository, so nothing is merged.`);
    sayEmpty(command, reached);
    const git = new Git(repository.root, env);
    const version = await versionOf(git);
    const worktrees = await worktreesOf(git, version);
    const claims = await claimsOf(reached);
    const meetings = await meetingsOf(reached, claims, worktrees);
    const { conflicts, sides, unseen } = await lookAhead(command, git, worktrees, version);
    const authors = await authorsOf(
      git,
      sides.map(({ head }) => head),
    );
    const shown = {
      repository: common,
      sides: sides.map((side) => sideShown(side, claims, authors)),
      conflicts: conflicts.map((one) => conflictShown(one, claims, authors)),
      meetings: meetings.map(meetingShown),
      unseen,
    };
    out.data(shown, () =>
      [...shown.conflicts.map(conflictText), ...shown.meetings.map(meetingText)].join("\n"),
    );
    for (const { what, why } of unseen) out.say(safeLine(`not compared: ${what}: ${why}`));
    if (shown.conflicts.length + shown.meetings.length === 0) out.say("Nothing meets.");
    return args.flag("check") && conflicts.length > 0 ? exits.refused : exits.ok;
  });

async function lookAhead(
  { env, out }: Command,
  git: Git,
  worktrees: readonly Worktree[],
  version: number,
): Promise<Sides & { readonly conflicts: readonly Conflict[] }> {
  const trunk = await trunkOf(git);
  if (version < MERGES_TREES) {
    const { sides, unseen } = await sidesOf(git, env, worktrees, trunk, undefined);
    out.say(
      `git ${Math.floor(version / 1000)}.${version % 1000} cannot merge without a worktree (2.38 can): whether these ` +
        "conflict is not known, only that both changed something in one place.",
    );
    return { sides, unseen: [...unseen, ...guesses(sides)], conflicts: [] };
  }
  const objects = (await git.line(["rev-parse", "--git-path", "objects"])) ?? "objects";
  const scratch = new Scratch(resolve(git.cwd, objects), env);
  try {
    const { sides, unseen } = await sidesOf(git, env, worktrees, trunk, scratch);
    const found = await predict(git, scratch, sides);
    return { sides, unseen: [...unseen, ...found.unseen], conflicts: found.conflicts };
  } finally {
    scratch.dispose();
  }
}

/** Pairs that changed something in one place, where git cannot say more. */
function guesses(sides: readonly Side[]): readonly Unseen[] {
  return sides.flatMap((a, i) =>
    sides.slice(i + 1).flatMap((b) => {
      const met = a.changes === undefined || b.changes === undefined || haveOnePlace(a.changes, b.changes);
      return met ? [{ what: `${nameOf(a)} × ${nameOf(b)}`, why: "git is too old" }] : [];
    }),
  );
}

async function claimsOf({ client }: Reached): Promise<readonly ClaimHere[]> {
  const claims: ClaimHere[] = [];
  let cursor: string | undefined;
  do {
    const asked = cursor === undefined ? {} : { cursor };
    const page = await client.call("claims.list", { limit: limits.pageItemsMax, ...asked });
    claims.push(...page.items.filter(({ remainingMs }) => remainingMs > 0));
    cursor = page.next;
  } while (cursor !== undefined);
  return claims;
}

/** Claims of this repository's worktrees that meet claims of others elsewhere (CL20), each pair once. */
async function meetingsOf(
  { client }: Reached,
  claims: readonly ClaimHere[],
  worktrees: readonly Worktree[],
): Promise<readonly Meeting[]> {
  const roots = new Set(worktrees.map(({ root }) => root));
  const branches = new Set(worktrees.map(({ branch }) => branch));
  const here = claims.filter(({ scope, git }) => {
    if (scope?.worktree === undefined) return false;
    return roots.has(scope.worktree) || (git?.branch !== undefined && branches.has(git.branch));
  });
  const found = new Map<string, Meeting>();
  for (const a of here.slice(0, limits.gitMeetingsMax)) {
    const { worktree, ...covered } = a.scope as Scope;
    const { items } = await client.call("claims.covering", { ...covered, limit: limits.pageItemsMax });
    for (const b of items) {
      const apart = b.scope?.worktree !== undefined && b.scope.worktree !== worktree;
      if (b.holder === a.holder || !apart || b.remainingMs <= 0) continue;
      const key = a.epoch < b.epoch ? `${a.epoch} ${b.epoch}` : `${b.epoch} ${a.epoch}`;
      const paths = placeOf(a.scope as Scope, b.scope as Scope);
      if (!found.has(key)) found.set(key, { a, b, paths });
    }
  }
  return [...found.values()];
}

function placeOf(a: Scope, b: Scope): readonly [string, string] {
  const exactly = firstOverlap(compileScope(a, false), compileScope(b, false));
  const place = exactly ?? firstOverlap(compileScope(a, true), compileScope(b, true));
  return [place?.mine ?? "", place?.theirs ?? ""];
}

/** A side as it is told; with `files`, of what is not committed only those. */
function sideShown(side: Side, claims: readonly ClaimHere[], authors: Authors, files?: readonly string[]) {
  const { branch, head, worktree } = side;
  const uncommitted = side.uncommitted.map(({ name }) => name);
  return {
    name: nameOf(side),
    ...(branch === undefined ? { detached: true } : { branch }),
    head,
    ...(worktree === undefined ? {} : { worktree }),
    owners: ownersOf(side, claims),
    author: authors.get(head) ?? "",
    uncommitted: files === undefined ? uncommitted : uncommitted.filter((name) => files.includes(name)),
  };
}

/** Who holds something where a side is worked on: in its worktree, or on its branch. */
function ownersOf({ branch, worktree }: Side, claims: readonly ClaimHere[]): readonly string[] {
  const there = claims.filter(({ scope, git }) => {
    if (worktree !== undefined && scope?.worktree === worktree) return true;
    return branch !== undefined && git?.branch === branch;
  });
  return [...new Set(there.map(({ holder }) => holder))];
}

type Authors = ReadonlyMap<string, string>;
type SideShown = ReturnType<typeof sideShown>;

function conflictShown({ a, b, files }: Conflict, claims: readonly ClaimHere[], authors: Authors) {
  return { a: sideShown(a, claims, authors, files), b: sideShown(b, claims, authors, files), files };
}

function conflictText({ a, b, files }: ReturnType<typeof conflictShown>): string {
  const named = files.slice(0, FILES_SHOWN).map(safeLine).join(", ");
  const more = files.length > FILES_SHOWN ? ` and ${files.length - FILES_SHOWN} more` : "";
  return safeLine(`conflict: ${sideText(a)} × ${sideText(b)}: ${named}${more}`);
}

const FILES_SHOWN = 5;

function sideText({ name, worktree, owners, author, uncommitted, ...side }: SideShown): string {
  const about = [owners.length > 0 ? owners.join(", ") : `last commit by ${author}`];
  if (worktree !== undefined && "branch" in side) about.push(worktree);
  if (uncommitted.length > 0) about.push("not committed");
  return `${name} (${about.join("; ")})`;
}

function meetingShown({ a, b, paths }: Meeting) {
  return { a: claimShown(a), b: claimShown(b), paths };
}

function claimShown({ claim, holder, epoch, scope, git }: ClaimHere) {
  const where = scope?.worktree === undefined ? {} : { worktree: scope.worktree };
  return { claim, holder, epoch, ...where, ...(git?.branch === undefined ? {} : { branch: git.branch }) };
}

function meetingText({ a, b, paths }: ReturnType<typeof meetingShown>): string {
  const side = ({ claim, holder, branch, worktree }: ReturnType<typeof claimShown>): string =>
    `${claim} of ${holder} (${branch === undefined ? worktree : `${branch}; ${worktree}`})`;
  const [mine, theirs] = paths;
  return safeLine(
    `claims meet: ${side(a)} × ${side(b)}: ${mine === theirs ? mine : `${mine} and ${theirs}`}`,
  );
}
