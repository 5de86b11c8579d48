/**
 * Gathers what a command writes, each path made absolute in the folder the command would be in by then.
 */
import { limits } from "../../../core/limits.ts";
import type { Writes } from "../shell.ts";

/**
 * One argument as far as it is known: nothing known, its text, or the pattern that its unquoted text is.
 */
export interface Arg {
  readonly text?: string;
  /** In the spelling of claims; only from a plain glob. */
  readonly pattern?: string;
}

/** Files that nobody else can be writing. */
const DEVICE = /^\/dev\/(?:null|zero|full|stdin|stdout|stderr|tty|fd\/\d+|tcp\/.*|udp\/.*)$/;
const WINDOWS = /^[A-Za-z]:[\\/]/;

/** Spells a text so that a pattern means exactly it. */
export function literal(text: string): string {
  return text.replace(/[*?[{]/g, "[$&]");
}

/**
 * A path in a folder, absolute and without `.` and `..`; nothing when the folder is not known and
 * matters.
 */
export function resolved(base: string | undefined, path: string): string | undefined {
  const slashed = WINDOWS.test(path) ? path.replaceAll("\\", "/") : path;
  const isAbsolute = slashed.startsWith("/") || WINDOWS.test(slashed);
  if (!isAbsolute && base === undefined) return undefined;
  const root = base === undefined ? "" : WINDOWS.test(base) ? base.replaceAll("\\", "/") : base;
  const whole = isAbsolute ? slashed : `${root}/${slashed}`;
  const drive = /^[A-Za-z]:/.exec(whole)?.[0] ?? "";
  const segments: string[] = [];
  for (const segment of whole.slice(drive.length).split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return `${drive}/${segments.join("/")}`;
}

/** Gathers, within the bounds: what does not fit makes the result uncertain. */
export class Sink {
  private readonly paths = new Set<string>();
  private readonly trees = new Set<string>();
  private readonly patterns = new Set<string>();
  private readonly worktrees = new Set<string>();
  private isCertain = true;

  result(): Writes {
    return {
      paths: [...this.paths],
      trees: [...this.trees],
      patterns: [...this.patterns],
      worktrees: [...this.worktrees],
      isCertain: this.isCertain,
    };
  }

  /** There may be writes that are not gathered. */
  unsure(): void {
    this.isCertain = false;
  }

  /** Takes over what another has gathered. */
  take(writes: Writes): void {
    for (const path of writes.paths) this.add(this.paths, path);
    for (const path of writes.trees) this.add(this.trees, path);
    for (const path of writes.patterns) this.add(this.patterns, path);
    for (const path of writes.worktrees) this.add(this.worktrees, path);
    if (!writes.isCertain) this.isCertain = false;
  }

  /** A write to what an argument names; `isTree`: and to everything below it. */
  write(base: string | undefined, arg: Arg, isTree = false): void {
    if (arg.text === undefined) return this.unsure();
    if (arg.text === "" || DEVICE.test(arg.text)) return;
    if (arg.pattern !== undefined) this.glob(base, arg.pattern, isTree);
    // Without a match a shell takes `app/[id].ts` by its letters; a star is hardly ever meant so.
    if (arg.pattern !== undefined && /[*?]/.test(arg.text)) return;
    const path = this.located(base, arg.text);
    if (path === undefined) return this.unsure();
    this.add(this.paths, path);
    if (isTree) this.add(this.trees, path);
  }

  /** A write to whatever a pattern, relative to the folder, matches. */
  glob(base: string | undefined, pattern: string, isTree = false): void {
    // A folder above a wildcard is not known.
    const segments = pattern.split("/");
    const wild = segments.findIndex((segment) => /[*?[]/.test(segment));
    if (wild >= 0 && segments.indexOf("..", wild) >= 0) return this.unsure();
    const path = this.located(base === undefined ? undefined : literal(base), pattern);
    if (path === undefined) return this.unsure();
    this.add(this.patterns, path);
    if (isTree) this.add(this.patterns, `${path}/**`);
  }

  /** A write to any file of the worktree that a folder is in. */
  worktree(base: string | undefined): void {
    if (base === undefined) return this.unsure();
    const path = this.located(base, ".");
    if (path !== undefined) this.add(this.worktrees, path);
  }

  private located(base: string | undefined, text: string): string | undefined {
    if (text.includes("\0") || text.length > limits.hookPathMax) return undefined;
    return resolved(base, text);
  }

  private add(to: Set<string>, path: string): void {
    if (to.size >= limits.hookPathsMax && !to.has(path)) this.isCertain = false;
    else to.add(path);
  }
}
