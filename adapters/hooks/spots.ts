/**
 * Spots: where an edit lands, as claims name it: the worktree and the file in it, behind every link.
 */
import { readdirSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { limits } from "../../core/limits.ts";
import { compileScope, coversFile, normaliseScope } from "../../core/model/scopes.ts";
import { formats } from "../../core/protocol/formats.ts";
import { followed, literal } from "../place/paths.ts";
import { findRepository } from "../place/repository.ts";
import type { Writes } from "./shell.ts";

/** A file or folder of a worktree. */
export interface Spot {
  /** The worktree's root, links resolved: the label of its claims. */
  readonly root: string;
  /** Relative to the root, with `/`; a folder's as a pattern of everything in it. */
  readonly path: string;
  readonly isFolder: boolean;
}

/** What a command would write. */
export interface Written {
  readonly spots: readonly Spot[];
  /** False: it may write more than these. */
  readonly isCertain: boolean;
}

/** The spots of what a shell command would write; folders only where it writes everything in them. */
export function spotsWritten({ paths, trees, patterns, worktrees, isCertain }: Writes): Written {
  const whole = new Set(trees);
  const files = spotsOf(
    paths.filter((path) => !whole.has(path)),
    sep,
  ).filter(({ isFolder }) => !isFolder);
  const spots = [...files, ...spotsOf(trees, sep)];
  const globbed = patterns.map((pattern) => safely(() => matching(pattern)) ?? { spots: [], isWhole: false });
  const roots = worktrees
    .map((folder) => safely(() => worktreeOf(folder)))
    .filter((root) => root !== undefined);
  return {
    spots: [
      ...spots,
      ...globbed.flatMap(({ spots }) => spots),
      ...roots.map((root) => ({ root, path: "**", isFolder: true })),
    ],
    // What a command does to a whole worktree is best seen afterwards.
    isCertain: isCertain && roots.length === 0 && globbed.every(({ isWhole }) => isWhole),
  };
}

/**
 * The files there that a pattern means, where it asks for those of one folder; else the pattern itself, which
 * is held against claims but claims nothing.
 */
function matching(pattern: string): { readonly spots: readonly Spot[]; readonly isWhole: boolean } {
  const parts = pattern.split("/");
  const wild = parts.findIndex((part) => /[*?{]|\[(?![*?{}[]\])/.test(part));
  const literalPart = (part: string) => part.replace(/\[([*?{}[])\]/g, "$1");
  const folder = parts
    .slice(0, wild < 0 ? -1 : wild)
    .map(literalPart)
    .join("/");
  const root = worktreeOf(folder === "" ? "/" : folder);
  if (root === undefined) return { spots: [], isWhole: true };
  const base = relative(root, followed(folder)).replaceAll(sep, "/");
  if (base === ".." || base.startsWith("../")) return { spots: [], isWhole: true };
  const rest = parts.slice(wild < 0 ? -1 : wild).join("/");
  const path = base === "" ? rest : `${literal(base)}/${rest}`;
  const normal = normaliseScope({ paths: [path] });
  if (!("scope" in normal)) return { spots: [], isWhole: false };
  if (rest.includes("/") || rest.includes("**")) {
    return { spots: [{ root, path, isFolder: true }], isWhole: false };
  }
  const covers = compileScope(normal.scope, false);
  const names = kindOf(folder) === "folder" ? readdirSync(folder).slice(0, limits.hookLookFilesMax) : [];
  const files = names.filter((name) => coversFile(covers, base === "" ? name : `${base}/${name}`));
  const there = files.slice(0, limits.scopePathsMax).map((name) => join(folder, name));
  return { spots: spotsOf(there, folder).filter(({ isFolder }) => !isFolder), isWhole: true };
}

/**
 * The spots of paths as a host named them. What stands in no repository, in git's own folder, or has a name
 * that no claim can have, is left out.
 */
export function spotsOf(paths: readonly string[], cwd: string): readonly Spot[] {
  const found = new Map<string, Spot>();
  for (const path of paths) {
    const spot = safely(() => spotOf(path, cwd));
    if (spot !== undefined) found.set(`${spot.root}\0${spot.path}`, spot);
  }
  return [...found.values()];
}

function spotOf(path: string, cwd: string): Spot | undefined {
  if (path === "" || path.includes("\0") || !isAbsolute(cwd)) return undefined;
  const real = followed(resolve(cwd, path));
  const isFolder = kindOf(real) === "folder";
  const root = worktreeOf(isFolder ? real : dirname(real));
  if (root === undefined || isBelowFile(real, root)) return undefined;
  const inside = relative(root, real);
  if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) return undefined;
  const name = sep === "/" ? inside : inside.replaceAll(sep, "/");
  if (/^\.(git|holdfast)(\/|$)/.test(name)) return undefined;
  if (isFolder) {
    const pattern = name === "" ? "**" : literal(name);
    return formats.pattern(pattern) === undefined ? { root, path: pattern, isFolder } : undefined;
  }
  const fits = name !== "" && name.length <= limits.pathMax && formats.path(name) === undefined;
  return fits ? { root, path: name, isFolder } : undefined;
}

/** The root of the worktree around a folder that may not exist yet; `undefined` outside any repository. */
export function worktreeOf(folder: string): string | undefined {
  const { root, folder: log, gitCommonDir } = findRepository(existing(folder));
  if (gitCommonDir !== undefined) return root;
  return kindOf(log) === "folder" ? root : undefined;
}

/** The nearest folder there is, on the way up. */
function existing(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (kindOf(at) === "folder" || dirname(at) === at) return at;
  }
}

/** Nothing can be written there: `cp a b` may mean `b/a`, but not where `b` is a file. */
function isBelowFile(path: string, root: string): boolean {
  for (let at = dirname(path); at.length > root.length; at = dirname(at)) {
    const kind = kindOf(at);
    if (kind !== "nothing") return kind === "file";
  }
  return false;
}

/** What cannot be looked at must not hide the rest. */
function safely<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

function kindOf(path: string): "file" | "folder" | "nothing" {
  try {
    return statSync(path).isDirectory() ? "folder" : "file";
  } catch {
    return "nothing";
  }
}
