/**
 * A repository made by git, for tests of what stands between claims and commits. Nothing of the person's or the
 * machine's settings reaches it.
 */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Git } from "../../adapters/git/git.ts";
import { finished, type Ran, type RunOptions, Sandbox } from "./command-line.ts";

const SETTINGS = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "Ann",
  GIT_AUTHOR_EMAIL: "ann@example.org",
  GIT_COMMITTER_NAME: "Ann",
  GIT_COMMITTER_EMAIL: "ann@example.org",
};

/** The environment of everything that runs here. */
export const hermetic: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(HOLDFAST_|GIT_|NODE_EXTRA_CA_CERTS$)/.test(name)),
  ),
  ...SETTINGS,
};

/** A sandbox whose repository has one commit on `main`, of `src/a.ts` and `src/b.ts` with twenty lines each. */
export class GitBox extends Sandbox {
  constructor() {
    super("none");
  }

  /** A file's twenty lines, one of them another. */
  static lines(changed = 0, text = "changed"): string {
    return Array.from({ length: 20 }, (_, i) => (i + 1 === changed ? `${text}\n` : `line ${i + 1}\n`)).join(
      "",
    );
  }

  async begin(): Promise<this> {
    await this.git("init", "-q", "-b", "main");
    this.file("src/a.ts", GitBox.lines());
    this.file("src/b.ts", GitBox.lines());
    await this.commit("first");
    return this;
  }

  /** Runs git in the root; throws when it fails. Resolves with what it printed. */
  async git(...args: readonly string[]): Promise<string> {
    return this.gitIn(this.root, ...args);
  }

  async gitIn(cwd: string, ...args: readonly string[]): Promise<string> {
    const ran = await this.tryGit(args, { cwd });
    if (ran.code !== 0) throw new Error(`git ${args.join(" ")}: ${ran.code} ${ran.err}`);
    return ran.out.replace(/\n$/, "");
  }

  /** Runs git as an agent, whatever comes of it. */
  tryGit(
    args: readonly string[],
    { as = "alice", cwd = this.root, env = {} }: RunOptions = {},
  ): Promise<Ran> {
    const told = as === "" ? {} : { HOLDFAST_AGENT: as };
    return finished(spawn("git", [...args], { cwd, env: { ...hermetic, ...told, ...env } }));
  }

  /** Commits everything in a worktree, past all hooks that guard. */
  async commit(message: string, cwd = this.root): Promise<string> {
    await this.gitIn(cwd, "add", "-A");
    await this.gitIn(cwd, "commit", "-q", "--no-verify", "-m", message);
    return this.gitIn(cwd, "rev-parse", "HEAD");
  }

  /** Adds a worktree on a new branch; its root. */
  async worktree(branch: string, ...from: readonly string[]): Promise<string> {
    const root = join(this.folder, branch);
    await this.git("worktree", "add", "-q", "-b", branch, root, ...from);
    return root;
  }

  /** Writes a file in a worktree. */
  write(root: string, name: string, text: string): void {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }

  /** Git as the product runs it. */
  get product(): Git {
    return new Git(this.root, hermetic);
  }

  override run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return super.run(args, { ...options, env: { ...SETTINGS, ...options.env } });
  }
}

/** A test in a repository of its own, so that it may run beside others. */
export function inGitBox(work: (box: GitBox) => Promise<void>): () => Promise<void> {
  return async () => {
    const box = new GitBox();
    try {
      await work(await box.begin());
    } finally {
      await box.dispose();
    }
  };
}
