/**
 * Worktrees: which files differ from what is committed, as git tells, and which of them changed between two
 * looks.
 */
import { spawn } from "node:child_process";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "../../core/limits.ts";

/** What a worktree looked like at a moment. */
export interface Snapshot {
  /** The commit it stands on. */
  readonly head: string;
  /** Each file that differs from it, with what tells its content from another. */
  readonly files: ReadonlyMap<string, string>;
}

/** Files that changed from one look to the next, in the order of their names. */
export function changedBetween(before: Snapshot, after: Snapshot): readonly string[] {
  const changed: string[] = [];
  for (const [file, mark] of after.files) if (before.files.get(file) !== mark) changed.push(file);
  // Where the commit moved, what is clean now may just have been committed.
  if (before.head === after.head) {
    for (const file of before.files.keys()) if (!after.files.has(file)) changed.push(file);
  }
  return changed.sort();
}

interface Look {
  readonly running: Promise<Snapshot | undefined>;
  next: Promise<Snapshot | undefined> | undefined;
}

/** Looks at worktrees, one at a time each. */
export class Looks {
  readonly #looks = new Map<string, Look>();

  /**
   * How it looks now or a little later, never earlier; `undefined` where git cannot say in time. Those who
   * ask while a look runs share the next one.
   */
  at(root: string): Promise<Snapshot | undefined> {
    const look = this.#looks.get(root);
    if (look === undefined) return this.#start(root);
    look.next ??= look.running.then(() => this.#start(root));
    return look.next;
  }

  #start(root: string): Promise<Snapshot | undefined> {
    const running = snapshotOf(root).catch(() => undefined);
    const look: Look = { running, next: undefined };
    this.#looks.set(root, look);
    void running.then(() => {
      if (this.#looks.get(root) === look && look.next === undefined) this.#looks.delete(root);
    });
    return running;
  }
}

async function snapshotOf(root: string): Promise<Snapshot | undefined> {
  const told = await gitStatus(root);
  if (told === undefined) return undefined;
  const parsed = parseStatus(told);
  if (parsed.files.length > limits.hookLookFilesMax) return undefined;
  const marked = parsed.files.map(async ({ file, state }) => {
    const stat = await lstat(join(root, file)).catch(() => undefined);
    const content = stat === undefined ? "gone" : `${stat.mtimeMs} ${stat.size} ${stat.mode} ${stat.ino}`;
    return [file, stat === undefined ? `${state} ${content}` : content] as const;
  });
  return { head: parsed.head, files: new Map(await Promise.all(marked)) };
}

/** What `git status --porcelain=v2 -z` says. */
export function parseStatus(text: string): {
  readonly head: string;
  readonly files: readonly { readonly file: string; readonly state: string }[];
} {
  let head = "";
  const files: { file: string; state: string }[] = [];
  const parts = text.split("\0");
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] ?? "";
    const fields = part.split(" ");
    if (part.startsWith("# branch.oid ")) head = fields[2] ?? "";
    else if (part.startsWith("? ")) files.push({ file: part.slice(2), state: "?" });
    else if (part.startsWith("1 ")) files.push({ file: fields.slice(8).join(" "), state: fields[1] ?? "" });
    else if (part.startsWith("u ")) files.push({ file: fields.slice(10).join(" "), state: fields[1] ?? "" });
    else if (part.startsWith("2 ")) {
      files.push({ file: fields.slice(9).join(" "), state: fields[1] ?? "" });
      // The name before stands in a part of its own.
      i += 1;
      files.push({ file: parts[i] ?? "", state: fields[1] ?? "" });
    }
  }
  return { head, files };
}

/** Neither waits for other programs of git nor lets the repository's settings start any. */
const STATUS = [
  "--no-optional-locks",
  "-c",
  "core.fsmonitor=false",
  "-c",
  "core.untrackedCache=false",
  "status",
  "--porcelain=v2",
  "--branch",
  "--no-ahead-behind",
  "-z",
  "--untracked-files=all",
  "--ignore-submodules=all",
] as const;

function gitStatus(root: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_")));
    const git = spawn("git", [...STATUS], {
      cwd: root,
      env,
      stdio: ["ignore", "pipe", "ignore"],
      timeout: limits.hookLookMs,
      killSignal: "SIGKILL",
    });
    const told: Buffer[] = [];
    let bytes = 0;
    git.stdout.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limits.hookLookBytesMax) git.kill("SIGKILL");
      else told.push(chunk);
    });
    git.on("error", () => resolve(undefined));
    git.on("close", (code) => resolve(code === 0 ? Buffer.concat(told).toString("utf8") : undefined));
  });
}
