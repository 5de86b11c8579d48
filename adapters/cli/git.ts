/**
 * `git`: claims with branch and base, and git's hooks: putting them in, taking them out, and what they do.
 */
import { resolve } from "node:path";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Scope } from "../../core/model/scopes.ts";
import { uncommitted } from "../git/changes.ts";
import { type AutoRelease, type GitClaim, GitClaims } from "../git/claimed.ts";
import { Git } from "../git/git.ts";
import { hooks as hookNames, type Program } from "../git/hook-text.ts";
import { type HookDone, hooksPlace, installHooks, uninstallHooks } from "../git/hooks.ts";
import { scopeOfName } from "../git/names.ts";
import { beginningOf, hasWorktree, standOf } from "../git/stand.ts";
import { toScope } from "../place/paths.ts";
import { safeLine } from "../place/plain.ts";
import { findRepository } from "../place/repository.ts";
import { nearest, usage } from "./arguments.ts";
import { acquire, acquireParams, claimText } from "./claims.ts";
import { type Command, exits, type Run } from "./command.ts";
import { Epochs } from "./epochs.ts";
import { runHook } from "./git-hook.ts";
import { type Reached, reaching } from "./reach.ts";

const ACTIONS: { readonly [name: string]: Run } = {
  claim: claimHere,
  install,
  uninstall,
  hook: (command) => runHook(command, hookNamed(command)),
};

export const gitVerb: Run = (command) => {
  const name = command.args.words[0] ?? "";
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) {
    const near = nearest(name, Object.keys(ACTIONS));
    usage(
      `holdfast git takes claim, install, uninstall or hook.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    );
  }
  return action(command);
};

function claimHere(command: Command): Promise<number> {
  return reaching(command, "act", async (reached) => {
    const { args, out, env } = command;
    const { repository, worktree, log, agent, folder } = reached;
    const claim = args.word(1, "ID");
    const autoRelease = autoReleaseOf(command);
    const { root } = repository;
    const git = new Git(root, env);
    if (repository.gitCommonDir === undefined || !(await hasWorktree(git))) {
      usage(`${root} is no worktree of a git repository. Go to one, or use holdfast claim.`);
    }
    const stand = await standOf(git);
    const base = await beginningOf(git, stand);
    const task = args.text("task");
    const grant = await acquire(command, reached, {
      claim,
      ...acquireParams(command, await scopeFor(command, reached, git)),
      ...(task === undefined ? {} : { task }),
      git: {
        ...(stand.branch === undefined ? {} : { branch: stand.branch }),
        ...(base === undefined ? {} : { base }),
        autoRelease,
      },
    });
    new Epochs(reached).remember(claim, grant.epoch);
    const scope = grant.scope as Scope;
    const { epoch } = grant;
    const place = base === undefined ? stand : { ...stand, base };
    const before = earlier(reached, claim, epoch);
    const since = before?.head === undefined ? {} : { head: before.head };
    const tip = before?.tip === undefined ? {} : { tip: before.tip };
    const record: GitClaim = {
      log,
      agent,
      worktree,
      claim,
      epoch,
      scope,
      root,
      ...place,
      ...since,
      ...tip,
      autoRelease,
    };
    new GitClaims(folder).put(record);
    out.data(grant, () => `${claimText(grant)}\n${standText(record)}`);
    return exits.ok;
  });
}

/** The same grant as it was recorded before: what was committed since still counts. */
function earlier(
  { folder, log, agent, worktree }: Reached,
  claim: string,
  epoch: number,
): GitClaim | undefined {
  const is = (one: GitClaim): boolean =>
    one.log === log && one.agent === agent && one.worktree === worktree && one.claim === claim;
  return new GitClaims(folder).list().find((one) => is(one) && one.epoch === epoch);
}

function standText({ branch, base, head, autoRelease }: GitClaim): string {
  const where = branch === undefined ? `detached at ${head?.slice(0, 10)}` : branch;
  const since = base === undefined ? "no commit it began from" : `began from ${base.slice(0, 10)}`;
  const until =
    autoRelease === "manual" ? "" : `; released once ${autoRelease === "commit" ? "committed" : "merged"}`;
  return safeLine(`  on ${where}, ${since}${until}`).replace(/^/, "  ");
}

function autoReleaseOf({ args }: Command): AutoRelease {
  const said = args.text("auto-release") ?? "manual";
  if (said !== "manual" && said !== "commit" && said !== "merge") {
    usage(`--auto-release takes commit or merge, not ${said}.`);
  }
  return said;
}

/** The paths that were given, else all that is changed, staged or new. */
async function scopeFor({ args, cwd }: Command, { repository, worktree }: Reached, git: Git): Promise<Scope> {
  const given = args.words.slice(2);
  if (given.length > 0) return { worktree, ...toScope(given, repository.root, cwd) };
  const changed = await uncommitted(git);
  if (changed.length === 0)
    usage("Nothing is changed here. Say what is to be claimed: holdfast git claim ID PATHS…");
  if (changed.length > limits.scopePathsMax) {
    usage(
      `${changed.length} files are changed, and a claim names ${limits.scopePathsMax} at most. Name their folders.`,
    );
  }
  const scopes = changed.map(scopeOfName);
  const files = scopes.flatMap((scope) => scope.files ?? []);
  const paths = scopes.flatMap((scope) => scope.paths ?? []);
  return { worktree, ...(files.length === 0 ? {} : { files }), ...(paths.length === 0 ? {} : { paths }) };
}

async function install(command: Command): Promise<number> {
  const { out } = command;
  const { git, commonDir } = placed(command);
  const place = await hooksPlace(git, commonDir, command.env);
  const done = installHooks(place, programHere());
  out.data({ folder: place.folder, versioned: place.versioned, hooks: done }, () =>
    doneText(place.folder, done),
  );
  if (place.note !== undefined) out.say(safeLine(place.note));
  return sayLeft(command, done);
}

async function uninstall(command: Command): Promise<number> {
  const { out } = command;
  const { git, commonDir } = placed(command);
  const place = await hooksPlace(git, commonDir, command.env);
  // core.hooksPath may have been set since.
  const folders = new Set([place.folder, resolve(commonDir, "hooks")]);
  const done = [...folders].flatMap(uninstallHooks);
  out.data({ folder: place.folder, hooks: done }, () =>
    done.length === 0 ? `there were none in ${safeLine(place.folder)}` : doneText(place.folder, done),
  );
  return sayLeft(command, done);
}

function placed({ env, cwd }: Command) {
  const { root, gitCommonDir } = findRepository(cwd);
  if (gitCommonDir === undefined) usage(`${cwd} is in no git repository, so there are no hooks.`);
  return { git: new Git(root, env), commonDir: gitCommonDir };
}

function doneText(folder: string, done: readonly HookDone[]): string {
  return [safeLine(folder), ...done.map(({ hook, how }) => `  ${hook}: ${WORDS[how]}`)].join("\n");
}

const WORDS: { readonly [how in HookDone["how"]]: string } = {
  made: "made",
  joined: "joined the hook that was there",
  wrapped: "calls the hook that was there",
  renewed: "renewed",
  unchanged: "was there already",
  removed: "removed",
  restored: "as it was before",
  left: "left alone",
};

function sayLeft({ out }: Command, done: readonly HookDone[]): number {
  const left = done.filter(({ how }) => how === "left");
  for (const { hook, why } of left) out.say(safeLine(`${hook} was left alone: ${why}`));
  return left.length > 0 ? exits.failed : exits.ok;
}

/** How hooks of this machine start the program that runs now. */
function programHere(): Program {
  const script = process.argv[1];
  if (script === undefined) throw new Failure("usage", "Holdfast does not know where it is installed.");
  return { here: { node: process.execPath, script } };
}

function hookNamed({ args }: Command): string {
  const name = args.word(1, "NAME of the hook");
  if (!Object.hasOwn(hookNames, name)) usage(`There is no hook ${name} of holdfast.`);
  return name;
}
