/**
 * Names: files as git names them, in the words that a claim's scope can use.
 *
 * Git's names are bytes without NUL; a scope's are lines of text. What has no such spelling is asked for by a
 * pattern that surely covers it.
 */
import { limits } from "../../core/limits.ts";
import { compileScope, coversFile, overlaps, type Scope } from "../../core/model/scopes.ts";
import { literal } from "../place/paths.ts";

/** Something git tracks that a commit or an edit touches. */
export interface Touched {
  /** Relative to the root of the worktree; bytes that are no UTF-8 are replaced. */
  readonly name: string;
  /** A whole repository within: touching it touches everything below. */
  readonly submodule: boolean;
}

/** What no line of text may have, and what stands for broken bytes. */
const UNSPEAKABLE = /[\p{Cc}\ufffd]/gu;
/** What would be taken for a place outside the worktree. */
const LEADING = /^(?:~|[A-Za-z](?=:(?:\/|$)))/;

/** The scope to ask with, or to claim, for what git calls by this name. */
export function scopeOfName({ name, submodule }: Touched): Pick<Scope, "files" | "paths"> {
  if (!submodule && isLine(name)) return { files: [name] };
  const pattern = patternOf(name);
  return { paths: [pattern.length <= limits.pathMax ? pattern : folderOf(name)] };
}

/** Whether a scope covers what git calls by this name, whatever worktree either is of. */
export function coversName(scope: Scope, touched: Touched, foldCase: boolean): boolean {
  const covering = compileScope(scope, foldCase);
  const { name, submodule } = touched;
  // A scope is compared with the name itself where that can be; a pattern may stand for others, too.
  const comparable = !submodule && name.length <= limits.pathMax && !LEADING.test(name);
  return comparable
    ? coversFile(covering, name)
    : overlaps(covering, compileScope(scopeOfName(touched), foldCase));
}

function isLine(name: string): boolean {
  return name.length <= limits.pathMax && name.search(UNSPEAKABLE) < 0 && !LEADING.test(name);
}

function patternOf(name: string): string {
  return literal(name).replace(UNSPEAKABLE, "?").replace(LEADING, "[$&]");
}

/** The nearest folder above a name whose own name can be spelled: what is too long is asked for by it. */
function folderOf(name: string): string {
  let folder = name;
  while (folder.length > limits.pathMax / 4) {
    const cut = folder.lastIndexOf("/");
    if (cut < 0) return "**";
    folder = folder.slice(0, cut);
  }
  return patternOf(folder);
}
