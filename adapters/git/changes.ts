/**
 * Changes: what a commit, a branch or a worktree touches, as git tells it. A rename is a name that went and
 * one that came: both are touched.
 */
import type { Git } from "./git.ts";
import type { Touched } from "./names.ts";

/** What has changed, and how. */
export interface Change extends Touched {
  /** The name as git has it, for git. */
  readonly raw: Buffer;
  readonly kind: "added" | "deleted" | "changed";
}

/** Settings of a repository or a person must not change what is listed. */
const PLAIN = [
  "--raw",
  "-z",
  "--no-renames",
  "--no-abbrev",
  "--no-relative",
  "--no-ext-diff",
  "--ignore-submodules=dirty",
  "-O/dev/null",
];

/** What is staged: what a commit made now would touch, also the first one. */
export async function staged(git: Git): Promise<readonly Change[]> {
  return rows(await git.fields(["diff", "--cached", ...PLAIN]));
}

/** What is different between two commits or trees. */
export async function between(git: Git, from: string, to: string): Promise<readonly Change[]> {
  return rows(await git.fields(["diff", ...PLAIN, from, to, "--"]));
}

/** The tree without anything in it: what was before the first commit. */
export async function emptyTree(git: Git): Promise<string> {
  return (await git.line(["hash-object", "-t", "tree", "--stdin"], { input: "" })) ?? "";
}

/** What is not committed in a worktree: staged or not, new files among them, ignored ones not. */
export async function uncommitted(git: Git): Promise<readonly Change[]> {
  const args = ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all"];
  const fields = await git.fields([...args, "--ignore-submodules=dirty"]);
  const modules = fields.length === 0 ? new Set<string>() : await submodules(git);
  return fields.map((field) => {
    const state = field.subarray(0, 2).toString("latin1");
    const raw = field.subarray(3);
    const name = raw.toString("utf8");
    // A repository within that nobody has added ends with a slash.
    const submodule = name.endsWith("/") || modules.has(name);
    const kind = state.includes("D") ? "deleted" : /[?A]/.test(state) ? "added" : "changed";
    return { name: name.replace(/\/$/, ""), raw, submodule, kind };
  });
}

/** Names of the submodules that stand in the index. */
async function submodules(git: Git): Promise<ReadonlySet<string>> {
  const { out, code } = await git.run(["ls-files", "--error-unmatch", "-z", "--", ".gitmodules"], {
    answers: [1],
  });
  if (code !== 0 || out.length === 0) return new Set();
  const rows = await git.fields(["ls-files", "-z", "--stage"]);
  const names = rows.filter((row) => row.subarray(0, 7).toString("latin1") === `${SUBMODULE} `);
  return new Set(names.map((row) => row.subarray(row.indexOf(9) + 1).toString("utf8")));
}

/** The mode of a submodule's entry. */
const SUBMODULE = "160000";

/** Reads `:MODE MODE ID ID KIND`, NUL, NAME, NUL …; one name is told once. */
function rows(fields: readonly Buffer[]): readonly Change[] {
  const found = new Map<string, Change>();
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const about = fields[at]?.toString("latin1") ?? "";
    const raw = fields[at + 1] as Buffer;
    const [before = "", after = "", , , letter] = about.slice(1).split(" ");
    const kind = letter === "A" ? "added" : letter === "D" ? "deleted" : "changed";
    const submodule = before === SUBMODULE || after === SUBMODULE;
    found.set(raw.toString("latin1"), { name: raw.toString("utf8"), raw, submodule, kind });
  }
  return [...found.values()];
}
