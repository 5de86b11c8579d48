/**
 * Scopes: what a claim covers, exact files and path patterns within a worktree, and whether two scopes
 * overlap.
 *
 * Invariant: a scope in an event or in the state is canonical (`normaliseScope`), and normalising it again
 * gives the same. Overlap means that some path exists which both cover, and nothing else.
 */
import { limits } from "../limits.ts";
import { alternativesOf, normaliseFile, normalisePattern, type PathProblem } from "./paths.ts";
import { effortOf, filePart, type Part, partsMeet, patternPart } from "./patterns.ts";
import { list, type Of, object, optional, string } from "./shape.ts";

/**
 * At most `limits.scopePathsMax` files and patterns together, and at least one: `normaliseScope` sees to
 * it.
 */
export const scope = object({
  worktree: optional(string("line", limits.pathMax, 0)),
  files: optional(list(string("path", limits.pathMax), limits.scopePathsMax, 1)),
  paths: optional(list(string("pattern", limits.pathMax), limits.scopePathsMax, 1)),
});
export type Scope = Of<typeof scope>;

/** `path` as given; `at` is where it stands, such as `paths/3`. */
export type ScopeProblem =
  | { readonly kind: "outside"; readonly path: string }
  | { readonly kind: "invalid"; readonly at: string; readonly path: string; readonly why: string };

/**
 * The canonical spelling of a scope: files and patterns normalised (paths.ts), each once, in the order
 * given, empty parts left out; the worktree trimmed, without trailing `/`. Or the first problem.
 */
export function normaliseScope(input: Scope): { readonly scope: Scope } | { readonly problem: ScopeProblem } {
  const count = (input.files?.length ?? 0) + (input.paths?.length ?? 0);
  const at = input.paths === undefined && input.files !== undefined ? "files" : "paths";
  if (count === 0) return { problem: { kind: "invalid", at, path: "", why: "a scope needs files or paths" } };
  if (count > limits.scopePathsMax) {
    const why = `more than ${limits.scopePathsMax} files and patterns`;
    return { problem: { kind: "invalid", at, path: "", why } };
  }
  const files = new Set<string>();
  for (const [i, file] of (input.files ?? []).entries()) {
    const result = normaliseFile(file);
    if ("problem" in result) return { problem: problemOf(result.problem, `files/${i}`, file) };
    files.add(result.path);
  }
  const paths = new Set<string>();
  for (const [i, path] of (input.paths ?? []).entries()) {
    const result = normalisePattern(path);
    if ("problem" in result) return { problem: problemOf(result.problem, `paths/${i}`, path) };
    paths.add(result.pattern.text);
  }
  const worktree = normaliseWorktree(input.worktree);
  const scope: Scope = {
    ...(worktree === undefined ? {} : { worktree }),
    ...(files.size === 0 ? {} : { files: [...files] }),
    ...(paths.size === 0 ? {} : { paths: [...paths] }),
  };
  const why = paths.size === 0 ? undefined : excessOf(scope);
  return why === undefined ? { scope } : { problem: { kind: "invalid", at, path: "", why } };
}

/** What makes comparing a scope too dear, if anything. */
function excessOf(scope: Scope): string | undefined {
  const { parts } = compileScope(scope, false);
  if (parts.length > limits.scopePartsMax) return `more than ${limits.scopePartsMax} files and alternatives`;
  const effort = parts.reduce((sum, part) => sum + effortOf(part), 0);
  return effort > limits.scopeEffortMax ? `too many \`?\`, classes and long middles (${effort})` : undefined;
}

function problemOf(problem: PathProblem, at: string, path: string): ScopeProblem {
  return problem.kind === "outside"
    ? { kind: "outside", path }
    : { kind: "invalid", at, path, why: problem.why };
}

/**
 * A worktree's label in its one spelling: trimmed, without trailing `/`; `undefined` when nothing is left.
 */
export function normaliseWorktree(label: string | undefined): string | undefined {
  const trimmed = label?.normalize("NFC").trim();
  if (trimmed === undefined || trimmed === "") return undefined;
  return trimmed.replace(/[\s/]+$/, "") || "/";
}

/**
 * What makes a text no pattern at all (SC13), if anything; one that only leads outside is not judged here.
 */
export function patternProblem(text: string): string | undefined {
  const result = normalisePattern(text);
  return "problem" in result && result.problem.kind === "invalid" ? result.problem.why : undefined;
}

/** A compiled scope: to be made by `compileScope` and given to the functions below. */
export interface Covering {
  readonly parts: readonly Part[];
  readonly foldCase: boolean;
}

/**
 * Scopes compiled lately: a command is decided and folded with the same one. Weak maps of all slow the
 * collector.
 */
const REMEMBERED = 4096;
const exactly = new Map<Scope, Covering>();
const folding = new Map<Scope, Covering>();

/**
 * Compiles a canonical scope; the same object again, soon after, costs nothing. `foldCase` compares without
 * case.
 */
export function compileScope(scope: Scope, foldCase: boolean): Covering {
  const known = foldCase ? folding : exactly;
  const found = known.get(scope);
  if (found !== undefined) return found;
  const parts: Part[] = [];
  for (const file of scope.files ?? []) parts.push(filePart(file, foldCase));
  for (const path of scope.paths ?? []) {
    for (const alternative of alternativesOf(path)) parts.push(patternPart(alternative, path, foldCase));
  }
  const covering = { parts, foldCase };
  known.set(scope, covering);
  if (known.size > REMEMBERED) {
    for (const oldest of known.keys()) {
      known.delete(oldest);
      break;
    }
  }
  return covering;
}

/**
 * Whether some path is covered by both, wherever their worktrees are. Both must be compiled with one
 * `foldCase`.
 */
export function overlaps(a: Covering, b: Covering): boolean {
  return firstOverlap(a, b) !== undefined;
}

/** The first file or pattern of each, as written in the canonical scopes, that have a path in common. */
export function firstOverlap(
  a: Covering,
  b: Covering,
): { readonly mine: string; readonly theirs: string } | undefined {
  for (const part of a.parts) {
    for (const other of b.parts) {
      if (partsMeet(part, other)) return { mine: part.source, theirs: other.source };
    }
  }
  return undefined;
}

/** Whether a file, however it is spelled, is covered; one outside the worktree is not. */
export function coversFile(a: Covering, file: string): boolean {
  const normal = normaliseFile(file);
  if ("problem" in normal) return false;
  const part = filePart(normal.path, a.foldCase);
  return a.parts.some((other) => partsMeet(part, other));
}

/** Whether two canonical scopes are in one worktree: a scope without one is in all of them. */
export function sameWorktree(a: Scope, b: Scope): boolean {
  return a.worktree === undefined || b.worktree === undefined || a.worktree === b.worktree;
}
