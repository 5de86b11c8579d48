/**
 * Hooks: putting Holdfast's block into a repository's git hooks, and taking it out again. Whatever else
 * stands in them is called as before, and is left byte for byte as it was.
 */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Failure } from "../../core/failures.ts";
import { Git } from "./git.ts";
import {
  fresh,
  hooks,
  isEmptied,
  isFresh,
  isWrapper,
  keptName,
  type Program,
  withBlock,
  withoutBlock,
  wrapper,
} from "./hook-text.ts";
import { hasWorktree } from "./stand.ts";

/** Where git looks for hooks. */
export interface HooksPlace {
  readonly folder: string;
  /** Others get what is written there: it is a part of the repository. */
  readonly versioned: boolean;
  /** Its files are read by `sh`, never run themselves. */
  readonly read: boolean;
  /** What is special about it, for people. */
  readonly note?: string;
}

/** What became of one hook. `left`: it is somebody else's by now, and `why` says what to do. */
export interface HookDone {
  readonly hook: string;
  readonly file: string;
  readonly how: "made" | "joined" | "wrapped" | "renewed" | "unchanged" | "removed" | "restored" | "left";
  readonly why?: string;
}

/**
 * Where git looks for the hooks of a repository, `core.hooksPath` respected. `git` stands in the root of
 * the worktree, or in the bare repository. Throws `usage` where hooks are turned off.
 */
export async function hooksPlace(git: Git, commonDir: string, env: NodeJS.ProcessEnv): Promise<HooksPlace> {
  const set = await git.line(["config", "--type=path", "--get", "core.hooksPath"]);
  if (set === undefined || set === "") {
    return { folder: join(commonDir, "hooks"), versioned: false, read: false };
  }
  const folder = resolve(git.cwd, set);
  if (existsSync(folder) && !statSync(folder).isDirectory()) {
    throw new Failure(
      "usage",
      `core.hooksPath is ${set}, which is no folder: hooks are turned off here. Unset it, or name a folder.`,
    );
  }
  const said = `core.hooksPath is ${set}`;
  // husky's folder is written anew at each npm install; the hooks of its users stand above it.
  if (basename(folder) === "_" && existsSync(join(folder, "h"))) {
    const own = dirname(folder);
    return {
      folder: own,
      read: true,
      ...(await sharing(own, `${said} (husky): its hooks stand in ${own}`, env)),
    };
  }
  return { folder, read: false, ...(await sharing(folder, said, env)) };
}

/** Whether others get what stands in a folder, and what to say of it. */
async function sharing(folder: string, said: string, env: NodeJS.ProcessEnv) {
  let there = folder;
  while (!existsSync(there)) there = dirname(there);
  const git = new Git(there, env);
  if (!(await hasWorktree(git))) {
    const note = `${said}: every repository that names this folder has these hooks; without a log they do nothing.`;
    return { versioned: false, note };
  }
  const probe = join(folder, "pre-commit");
  const { code } = await git.run(["check-ignore", "-q", "--", probe], { answers: [1, 128] });
  if (code === 0) return { versioned: false, note: `${said}: inside the worktree, and ignored.` };
  const note =
    `${said}: inside the worktree, so these hooks are part of the repository. They call holdfast by its name, and ` +
    "pass where it is not installed. Commit them for everybody, or take them out (holdfast git uninstall).";
  return { versioned: true, note };
}

/** Puts the block into every hook. Doing it again changes nothing, or renews a block that is older. */
export function installHooks(place: HooksPlace, program: Program): readonly HookDone[] {
  mkdirSync(place.folder, { recursive: true });
  const used = place.versioned ? {} : program;
  return Object.keys(hooks).map((hook) => installOne(place, hook, used));
}

function installOne(place: HooksPlace, hook: string, program: Program): HookDone {
  const file = join(place.folder, hook);
  const done = (how: HookDone["how"]): HookDone => ({ hook, file, how });
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found === undefined) {
    replace(file, fresh(hook, program), 0o755);
    return done("made");
  }
  // Writing through a link would change the file of somebody else; what does not run must not begin to.
  const runs = place.read || (found.mode & 0o111) !== 0;
  const text = found.isFile() && runs ? readBytes(file) : undefined;
  const joined = text === undefined ? undefined : withBlock(text, hook, program, place.read);
  if (text !== undefined && joined !== undefined) {
    if (joined === text) return done("unchanged");
    replace(file, joined, found.mode & 0o777);
    return done(withoutBlock(text) === undefined ? "joined" : "renewed");
  }
  const kept = join(place.folder, keptName(hook));
  if (lstatSync(kept, { throwIfNoEntry: false }) !== undefined) {
    const why = `${kept} is in the way: it was kept for a hook that is gone. Remove it and install again.`;
    return { hook, file, how: "left", why };
  }
  renameSync(file, kept);
  replace(file, wrapper(hook, program), 0o755);
  return done("wrapped");
}

/** Takes the block out of every hook; what was there before is there again. */
export function uninstallHooks(folder: string): readonly HookDone[] {
  return Object.keys(hooks).flatMap((hook) => uninstallOne(folder, hook) ?? []);
}

function uninstallOne(folder: string, hook: string): HookDone | undefined {
  const file = join(folder, hook);
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found?.isFile() !== true) return undefined;
  const text = readBytes(file);
  const rest = withoutBlock(text);
  if (rest === undefined) return undefined;
  if (isWrapper(text)) {
    const kept = join(folder, keptName(hook));
    if (rest !== withoutBlock(wrapper(hook, {}))) {
      const why = `lines were added to it; move them to ${kept}, which it calls, and put that in its place.`;
      return { hook, file, how: "left", why };
    }
    if (lstatSync(kept, { throwIfNoEntry: false }) !== undefined) {
      renameSync(kept, file);
      return { hook, file, how: "restored" };
    }
  } else if (!(isFresh(text) && isEmptied(rest))) {
    replace(file, rest, found.mode & 0o777);
    return { hook, file, how: "restored" };
  }
  rmSync(file);
  return { hook, file, how: "removed" };
}

function readBytes(file: string): string {
  return readFileSync(file, "latin1");
}

/** Replaces a file whole, so that git never runs half of one. */
function replace(file: string, text: string, mode: number): void {
  const draft = `${file}.${process.pid}.holdfast`;
  try {
    writeFileSync(draft, text, { encoding: "latin1", mode });
    chmodSync(draft, mode);
    renameSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}
