/**
 * Scratch: a place for objects that git makes while it only predicts. The repository's own objects are read
 * from where they are; nothing is written among them, and no index or ref is touched.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Change } from "./changes.ts";
import type { Git } from "./git.ts";

/** A folder for objects, to be removed by `dispose`. */
export class Scratch {
  readonly #folder: string;
  readonly #env: { readonly [name: string]: string };
  #indexes = 0;

  /** `objects` is where the repository keeps its own. */
  constructor(objects: string, env: NodeJS.ProcessEnv) {
    this.#folder = mkdtempSync(join(tmpdir(), "holdfast-git-"));
    mkdirSync(join(this.#folder, "objects"));
    const others = [quoted(objects), env.GIT_ALTERNATE_OBJECT_DIRECTORIES ?? ""].filter(
      (path) => path !== "",
    );
    this.#env = {
      GIT_OBJECT_DIRECTORY: join(this.#folder, "objects"),
      GIT_ALTERNATE_OBJECT_DIRECTORIES: others.join(delimiter),
    };
  }

  /** What a run of git needs to see these objects, and to leave its own here. */
  get env(): { readonly [name: string]: string } {
    return this.#env;
  }

  /**
   * A commit on top of HEAD of what a worktree would commit if all of `changes` were added. `git` stands in
   * that worktree.
   */
  async commitOf(git: Git, head: string, changes: readonly Change[]): Promise<string> {
    const index = join(this.#folder, `index-${++this.#indexes}`);
    const env = { ...this.#env, ...AUTHOR, GIT_INDEX_FILE: index };
    await git.run(["read-tree", head], { env });
    // A repository within that nobody has added is no part of a commit.
    const names = changes.filter(({ raw }) => raw.at(-1) !== SLASH).flatMap(({ raw }) => [raw, NUL]);
    const add = ["-c", "core.safecrlf=false", "update-index", "--add", "--remove", "-z", "--stdin"];
    await git.run(add, { env, input: Buffer.concat(names) });
    const tree = await git.line(["write-tree"], { env });
    const commit = await git.line(
      ["commit-tree", "--no-gpg-sign", "-p", head, "-m", "uncommitted", `${tree}`],
      { env },
    );
    return commit ?? head;
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const NUL = Buffer.from([0]);
const SLASH = 0x2f;
/** Nobody sees these commits, and a person may have set no name. */
const AUTHOR = {
  GIT_AUTHOR_NAME: "holdfast",
  GIT_AUTHOR_EMAIL: "holdfast@localhost",
  GIT_COMMITTER_NAME: "holdfast",
  GIT_COMMITTER_EMAIL: "holdfast@localhost",
};

/** A path in a list of paths, where the delimiter or a quote would be taken for something else. */
function quoted(path: string): string {
  if (!path.includes(delimiter) && !path.startsWith('"') && !path.includes("\n")) return path;
  return `"${path.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}
