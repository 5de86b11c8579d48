/**
 * Paths as people and tools give them, turned into a scope: relative to the worktree's root, through links,
 * and as `files` where the file exists.
 */
import { lstatSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { Refused } from "../../core/client/refused.ts";

/** Files and patterns relative to a worktree's root, with `/` between their parts. */
export interface Paths {
  readonly files?: readonly string[];
  readonly paths?: readonly string[];
}

/** What is a wildcard in a pattern. */
const WILD = /[*?[{]/;

/**
 * Turns each given path into what a claim covers:
 * - relative ones stand below the working directory, absolute ones anywhere in the worktree; links are
 *   followed as
 *   far as the path exists;
 * - an existing file becomes one of `files`, taken literally, whatever characters it has;
 * - an existing folder, or what does not exist, becomes a pattern that covers everything below it;
 * - what has wildcards, and does not exist under that very name, is a pattern from the first part that has
 *   one. Throws `Refused` with `scope.outside` for what is not in the worktree.
 */
export function toScope(given: readonly string[], root: string, cwd: string): Paths {
  const files: string[] = [];
  const paths: string[] = [];
  for (const path of given) {
    const turned = turn(path, root, cwd);
    if ("file" in turned) files.push(turned.file);
    else paths.push(turned.pattern);
  }
  return {
    ...(files.length === 0 ? {} : { files: [...new Set(files)] }),
    ...(paths.length === 0 ? {} : { paths: [...new Set(paths)] }),
  };
}

/** One existing or future file's name relative to the root. Throws `Refused` with `scope.outside`. */
export function toFile(path: string, root: string, cwd: string): string {
  return inside(followed(resolve(cwd, path)), root, path);
}

function turn(given: string, root: string, cwd: string): { file: string } | { pattern: string } {
  // What core must judge itself: nothing, or bytes no file name can have.
  if (given === "" || given.includes("\0")) return { pattern: given };
  // As the system reads it: `a*b/..` exists only where `a*b` does, and behind a link `..` is the parent of
  // its target.
  const whole = isAbsolute(given) ? given : `${cwd}/${given}`;
  const found = statSync(whole, { throwIfNoEntry: false });
  if (found !== undefined) {
    const name = inside(realpathSync.native(whole), root, given);
    return found.isDirectory() ? { pattern: name === "" ? "**" : literal(name) } : { file: name };
  }
  if (given.startsWith("~")) throw outside(given);
  const { head, tail } = split(given);
  const base = inside(followed(resolve(cwd, head)), root, given);
  if (tail === "") return { pattern: base === "" ? "**" : literal(base) };
  return { pattern: base === "" ? tail : `${literal(base)}/${tail}` };
}

/** The parts before the first one with a wildcard, and the rest as it was written. */
function split(given: string): { head: string; tail: string } {
  const parts = given.split("/");
  const first = parts.findIndex((part) => WILD.test(part));
  if (first < 0) return { head: given, tail: "" };
  const head = parts.slice(0, first).join("/");
  return { head: head === "" ? (isAbsolute(given) ? "/" : ".") : head, tail: parts.slice(first).join("/") };
}

/** The path with every link on its way followed, also where its last parts do not exist yet. */
export function followed(path: string, hops = 40): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    if (parent === path) return path;
    const link = linkAt(path);
    if (link !== undefined && hops > 0) return followed(resolve(parent, link), hops - 1);
    return join(followed(parent, hops), path.slice(parent.length).replace(/^[/\\]/, ""));
  }
}

/** Where a link that leads nowhere points to. */
function linkAt(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}

/** A path relative to the root, with `/`; the root itself is empty. */
function inside(path: string, root: string, given: string): string {
  const name = relative(root, path);
  if (name === ".." || name.startsWith(`..${sep}`) || isAbsolute(name)) throw outside(given);
  return sep === "/" ? name : name.replaceAll(sep, "/");
}

/** A literal path as a pattern: each special character as a class of its own. */
export function literal(name: string): string {
  return name.replace(/[*?[{}]/g, "[$&]");
}

/**
 * As the model says it; said here, because loading the model for it would double the time a command takes.
 */
function outside(path: string): Refused {
  const shown = path.length > 100 ? `${path.slice(0, 99)}…` : path;
  const message = `${shown} is outside the worktree. Give paths inside it, like src/a.ts; nothing was changed.`;
  return new Refused({ code: "scope.outside", path, message });
}
