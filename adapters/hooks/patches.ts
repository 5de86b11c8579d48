/**
 * Which files a patch writes: the format of `apply_patch`, and unified diffs.
 */
import { limits } from "../../core/limits.ts";

/** Paths as the patch spells them, each once; `isCut` when there were more than the bounds let through. */
export interface PatchPaths {
  readonly paths: readonly string[];
  readonly isCut: boolean;
}

const HEADER = /^[ \t]*\*\*\* (?:(?:Add|Update|Delete) File|Move to): (.+?)[ \t]*$/;
const BEGIN = /^[ \t]*\*\*\* Begin Patch/m;

/** Whether a text is, or holds, a patch in the format of `apply_patch`. */
export function isPatch(text: string): boolean {
  return BEGIN.test(text);
}

/** The files that a text in the format of `apply_patch` adds, updates, deletes or moves to. */
export function patchPaths(text: string): PatchPaths {
  const found = new PathSet();
  // Inside a file's section every line begins with a space, `+`, `-` or `@@`; a header never does.
  for (const line of linesOf(text, found)) {
    if (!line.includes("***")) continue;
    const path = /^[+-]/.test(line) ? undefined : HEADER.exec(line)?.[1];
    if (path !== undefined) found.add(path);
  }
  return found;
}

/** The files that a unified diff changes, with `strip` leading folders taken away as `patch -p` does. */
export function diffPaths(text: string, strip: number): PatchPaths {
  const found = new PathSet();
  let isHeader = true;
  for (const line of linesOf(text, found)) {
    // Between `@@` and the next header a line `--- x` is a deleted `-- x`.
    if (line.startsWith("diff ") || line.startsWith("Index: ")) isHeader = true;
    const named = /^(?:---|\+\+\+|rename (?:from|to)|copy to) (.+)$/.exec(line);
    if (named === null || (!isHeader && !/^(?:---|\+\+\+) /.test(line))) {
      if (line.startsWith("@@")) isHeader = false;
      continue;
    }
    const spelled = unquoted((named[1] as string).split("\t")[0] as string).trimEnd();
    if (spelled === "/dev/null" || spelled === "") continue;
    const isBare = line.startsWith("rename") || line.startsWith("copy");
    found.add(isBare ? spelled : stripped(spelled, strip));
  }
  return found;
}

class PathSet implements PatchPaths {
  private readonly found = new Set<string>();
  isCut = false;

  get paths(): readonly string[] {
    return [...this.found];
  }

  add(path: string): void {
    if (path === "" || path.includes("\0")) return;
    if (path.length > limits.hookPathMax || this.found.size >= limits.hookPathsMax) this.isCut = true;
    else this.found.add(path);
  }
}

function linesOf(text: string, found: PathSet): readonly string[] {
  if (text.length > limits.hookPatchMax) found.isCut = true;
  return text.slice(0, limits.hookPatchMax).split(/\r?\n/);
}

function stripped(path: string, strip: number): string {
  let rest = path;
  for (let i = 0; i < strip; i++) {
    const slash = rest.indexOf("/");
    if (slash < 0) return rest;
    rest = rest.slice(slash + 1).replace(/^\/+/, "");
  }
  return rest;
}

/** Git quotes names that are not plain ASCII: `"a/\303\244.txt"`. */
function unquoted(text: string): string {
  if (!text.startsWith('"')) return text;
  const bytes: number[] = [];
  const inner = text.slice(1, text.lastIndexOf('"') > 0 ? text.lastIndexOf('"') : text.length);
  const escapes: { readonly [letter: string]: string } = { n: "\n", t: "\t", '"': '"', "\\": "\\" };
  for (const piece of inner.match(/\\[0-7]{3}|\\[\s\S]|[^\\]+|\\/g) ?? []) {
    if (/^\\[0-7]{3}$/.test(piece)) bytes.push(Number.parseInt(piece.slice(1), 8) & 0xff);
    else if (piece.startsWith("\\")) bytes.push(...Buffer.from(escapes[piece.slice(1)] ?? piece));
    else bytes.push(...Buffer.from(piece));
  }
  return Buffer.from(bytes).toString("utf8");
}
