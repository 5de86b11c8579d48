/**
 * Running git: the one place that starts it, and what it says when it fails.
 *
 * Git is started without a shell, in the C locale, and takes no lock it can do without. Names travel as bytes
 * behind NUL, so that no name is ever quoted or torn.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import { safeLine } from "../place/plain.ts";

/** How one run differs from others. */
export interface RunOptions {
  /** What it reads on standard input; nothing unless given. */
  readonly input?: string | Buffer;
  /** Variables besides those every run has. */
  readonly env?: { readonly [name: string]: string };
  /** Exit codes that are answers and no failures; 0 always is. */
  readonly answers?: readonly number[];
  /** How long it may take and how much it may print, where that is less than `limits` allow. */
  readonly ms?: number;
  readonly bytesMax?: number;
}

/** What a run came to. */
export interface Ran {
  readonly code: number;
  readonly out: Buffer;
}

/** Which repository, worktree and index are meant: git sets them for the hooks it runs. */
const LOCATION = [
  "GIT_DIR",
  "GIT_WORK_TREE",
  "GIT_INDEX_FILE",
  "GIT_COMMON_DIR",
  "GIT_PREFIX",
  "GIT_NAMESPACE",
  "GIT_IMPLICIT_WORK_TREE",
];

/** Kept of what git says on stderr. */
const WORDS_MAX = 8 * 1024;

/** Git in one folder. */
export class Git {
  readonly cwd: string;
  readonly #env: NodeJS.ProcessEnv;

  /**
   * `env` is that of the program. Where git was told its repository and index by variables, they are kept
   * only `asTold`: by the hooks it runs, which must see the index that is about to be committed.
   */
  constructor(cwd: string, env: NodeJS.ProcessEnv, told: "anew" | "asTold" = "anew") {
    this.cwd = cwd;
    const clean = { ...env };
    if (told === "anew") for (const name of LOCATION) delete clean[name];
    this.#env = {
      ...clean,
      LC_ALL: "C",
      GIT_OPTIONAL_LOCKS: "0",
      GIT_TERMINAL_PROMPT: "0",
    };
  }

  /**
   * Runs git to its end. Throws `program.failed` when git is missing, prints or takes more than `limits`
   * allow, or exits with what is no answer.
   */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const { code, out, err } = await this.#start(args, options);
    if (code === 0 || options.answers?.includes(code) === true) return { code, out };
    const said = safeLine(err.split("\n").find((line) => /^(fatal|error):/.test(line)) ?? err).slice(0, 500);
    throw failed(`git ${verbOf(args)} failed (exit code ${code}) in ${this.cwd}: ${said}`, {
      exitCode: code,
      said,
    });
  }

  /**
   * What it prints, without the line's end; `undefined` where it exits with 1, which many questions take as
   * no.
   */
  async line(args: readonly string[], options: RunOptions = {}): Promise<string | undefined> {
    const { code, out } = await this.run(args, { ...options, answers: [1] });
    return code === 0 ? out.toString("utf8").replace(/\n$/, "") : undefined;
  }

  /** What it prints, cut at each NUL. */
  async fields(args: readonly string[], options: RunOptions = {}): Promise<readonly Buffer[]> {
    return cut((await this.run(args, options)).out);
  }

  #start(args: readonly string[], options: RunOptions) {
    const { input, env, ms = limits.gitMs, bytesMax = limits.gitOutputBytesMax } = options;
    return new Promise<{ code: number; out: Buffer; err: string }>((resolve, reject) => {
      const child = spawn("git", args, {
        cwd: this.cwd,
        env: { ...this.#env, ...env },
        stdio: ["pipe", "pipe", "pipe"],
        windowsHide: true,
      });
      const chunks: Buffer[] = [];
      let size = 0;
      let err = "";
      const stop = (why: string): void => {
        child.kill("SIGKILL");
        // What git has started may hold its pipes a while longer.
        for (const pipe of child.stdio) pipe?.destroy();
        reject(failed(`git ${verbOf(args)} in ${this.cwd} ${why}, so it was stopped.`, {}));
      };
      const late = setTimeout(() => stop(`took longer than ${ms / 1000} s`), ms);
      child.stdout.on("data", (bytes: Buffer) => {
        size += bytes.length;
        if (size > bytesMax) stop(`printed more than ${bytesMax} bytes`);
        else chunks.push(bytes);
      });
      child.stderr.on("data", (bytes: Buffer) => {
        if (err.length < WORDS_MAX) err += bytes.toString("utf8");
      });
      child.on("error", (error: NodeJS.ErrnoException) => {
        clearTimeout(late);
        reject(notStarted(error, this.cwd));
      });
      child.on("close", (code, signal) => {
        clearTimeout(late);
        resolve({ code: code ?? 128, out: Buffer.concat(chunks), err: signal === null ? err : signal });
      });
      // Git may have answered before it has read everything.
      child.stdin.on("error", () => undefined);
      child.stdin.end(input);
    });
  }
}

/** Major and minor version of git, as one number that can be compared: 2.38 is 2038. */
export async function versionOf(git: Git): Promise<number> {
  const [, major = "0", minor = "0"] = /(\d+)\.(\d+)/.exec((await git.line(["version"])) ?? "") ?? [];
  return Number(major) * 1000 + Number(minor);
}

/** A text cut at each NUL; what follows the last one is empty and left out. */
export function cut(bytes: Buffer): readonly Buffer[] {
  const fields: Buffer[] = [];
  let from = 0;
  for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, from)) {
    fields.push(bytes.subarray(from, at));
    from = at + 1;
  }
  if (from < bytes.length) fields.push(bytes.subarray(from));
  return fields;
}

function verbOf(args: readonly string[]): string {
  return args.find((word, i) => !word.startsWith("-") && args[i - 1] !== "-c") ?? "";
}

function failed(message: string, fields: { readonly [name: string]: unknown }): Failure {
  return new Failure("program.failed", message, { fields: { program: "git", ...fields } });
}

function notStarted(error: NodeJS.ErrnoException, cwd: string): Failure {
  if (error.code === "ENOENT" && existsSync(cwd)) {
    return failed("git is not on the PATH. Install it (2.38 or newer is best) and try again.", {
      missing: true,
    });
  }
  return failed(`git could not be started in ${cwd}: ${error.message}`, {});
}
