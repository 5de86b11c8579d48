/**
 * What git's hooks do: guard a commit before it is made, and give claims back once it is. They refuse what
 * the gate refuses; whatever else goes wrong is said, and git goes on.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { Refused } from "../../core/client/refused.ts";
import { limits } from "../../core/limits.ts";
import type { Scope } from "../../core/model/scopes.ts";
import { type GitClaim, GitClaims } from "../git/claimed.ts";
import { Git } from "../git/git.ts";
import { hooks } from "../git/hook-text.ts";
import { isCommitted, isMerged, tipOf } from "../git/settled.ts";
import { standOf } from "../git/stand.ts";
import { safeLine } from "../place/plain.ts";
import { findRepository } from "../place/repository.ts";
import { Arguments } from "./arguments.ts";
import { type Command, exits } from "./command.ts";
import { Epochs } from "./epochs.ts";
import { judgeStaged, newest, sayRefused } from "./gate.ts";
import { placeOf, reach, reaching } from "./reach.ts";

/** Runs a hook of git. Exit code 2 stops what git is about to do, where the hook can; nothing else does. */
export async function runHook(command: Command, hook: string): Promise<number> {
  const { out } = command;
  const guards = hooks[hook]?.guards === true;
  const unchecked = guards ? "; this commit was not checked" : "";
  const late = setTimeout(() => {
    out.say(`holdfast: ${hook} took longer than ${limits.gitHookMs / 1000} s${unchecked}.`);
    process.exit(exits.ok);
  }, limits.gitHookMs);
  try {
    return guards ? await guard(command) : await settle(command, hook);
  } catch (error) {
    out.say(safeLine(`holdfast: ${(error as Error).message}`) + unchecked);
    return exits.ok;
  } finally {
    clearTimeout(late);
  }
}

async function guard(command: Command): Promise<number> {
  return reaching(command, "look", async (reached) => {
    if (reached.empty === true) {
      command.out.say(
        `holdfast: there is no log at ${safeLine(String(reached.file))} yet, so nothing is held.`,
      );
      return exits.ok;
    }
    const verdict = await judgeStaged(command, reached);
    sayRefused(command, verdict);
    return verdict.refused.length > 0 ? exits.refused : exits.ok;
  });
}

/** Releases every claim whose work is settled, in the name of whoever asked for that. */
async function settle(command: Command, hook: string): Promise<number> {
  const { env, cwd } = command;
  const { folder } = placeOf(command);
  const claims = new GitClaims(folder);
  const waiting = claims.list().filter(({ autoRelease }) => autoRelease !== "manual");
  if (waiting.length === 0) return exits.ok;
  const { root } = findRepository(cwd);
  const git = new Git(root, env);
  // Amid a rebase the history is in between; its end has a hook of its own.
  if (hook !== "post-rewrite" && (await isAmidSequence(git))) return exits.ok;
  const stand = await standOf(git);
  for (const kept of waiting) {
    const known = newest(kept, folder);
    if (known === undefined) {
      claims.drop(kept);
      continue;
    }
    const tip = kept.root === root ? tipOf(stand, known) : undefined;
    const record = tip === undefined ? known : { ...known, tip };
    if (tip !== undefined && tip !== kept.tip) claims.put(record);
    // Others' commits settle nothing here, unless they merged it.
    if (record.autoRelease === "commit" && record.root !== root) continue;
    await release(command, record, claims, git);
  }
  return exits.ok;
}

/** Refusals that no later try will change. */
const OVER: ReadonlySet<string> = new Set(["claim.unknown", "claim.stale", "claim.not-holder"]);

async function release(command: Command, record: GitClaim, claims: GitClaims, git: Git): Promise<void> {
  const { claim, agent, epoch, autoRelease } = record;
  const is = autoRelease === "commit" ? isCommitted : isMerged;
  // As it was claimed: the live claim is only looked at when that is settled.
  if (!(await is(git, record, record.scope))) return;
  const { out } = command;
  const reached = await reach(speaking(command, agent), "act");
  try {
    if (reached.log !== record.log) return;
    const current = (await reached.client.call("claims.list", { claim })).items[0];
    if (current?.epoch === epoch && current.git !== undefined && current.git.autoRelease !== autoRelease)
      return;
    // It may have been widened since.
    if (current?.scope !== undefined && !(await is(git, record, current.scope as Scope))) return;
    await reached.client.call("claim.release", { claim, epoch, outcome: "done" });
    new Epochs({ ...record, folder: reached.folder }).end(claim, epoch);
    claims.drop(record);
    const how = autoRelease === "commit" ? "committed" : "merged";
    out.say(safeLine(`holdfast: ${claim} of ${agent} is ${how}, and released as done.`));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    // Its grant is over; the gate still has to know what was done under it.
    if (OVER.has(error.code)) claims.put({ ...record, autoRelease: "manual" });
    out.say(safeLine(`holdfast: ${claim} was not released: ${error.message}`));
  } finally {
    await reached.client.close();
  }
}

/** The same command from somebody else, who asked for it beforehand. */
function speaking(command: Command, agent: string): Command {
  const { args } = command;
  const kept = ["hub", "log"].flatMap((name) => {
    const value = args.text(name);
    return value === undefined ? [] : [[name, [value]] as const];
  });
  return { ...command, args: new Arguments([], [], new Map([...kept, ["as", [agent]]])) };
}

async function isAmidSequence(git: Git): Promise<boolean> {
  const folder = await git.line(["rev-parse", "--absolute-git-dir"]);
  if (folder === undefined) return false;
  const marks = ["rebase-merge", "rebase-apply", "sequencer"];
  return marks.some((mark) => statSync(join(folder, mark), { throwIfNoEntry: false }) !== undefined);
}
