/**
 * A command line for tests: the bundled program in a repository of its own, with and without a hub.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The bundled program. */
export const program = fileURLToPath(new URL("../../dist/bin/holdfast.js", import.meta.url));

/** What a command came to. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Its stdout as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever was answered
  readonly json: any;
}

export interface RunOptions {
  readonly as?: string;
  readonly cwd?: string;
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * What stands in a sandbox: a repository made by git, as much of one as the command line looks for, which takes no
 * processes, or none.
 */
export type Git = "real" | "alike" | "none";

/** A folder with a repository in it. */
export class Sandbox {
  readonly root: string;
  readonly folder: string;
  readonly #hubs: { readonly child: ChildProcess; readonly ended: Promise<number> }[] = [];

  constructor(git: Git = "alike") {
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-cli-")));
    this.root = join(this.folder, "repo");
    mkdirSync(this.root);
    if (git === "alike") this.file(".git/HEAD", "ref: refs/heads/main\n");
    if (git === "real") {
      const identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
      execFileSync("git", ["init", "-q", "-b", "main", this.root]);
      execFileSync("git", [...identity, "commit", "-q", "--allow-empty", "-m", "first"], { cwd: this.root });
    }
  }

  /** Writes a file below the root. */
  file(name: string, text = ""): string {
    const path = join(this.root, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** Runs a command to its end. */
  run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const child = this.start(args, options);
    return finished(child, options.input);
  }

  /** Starts a command and leaves it running. */
  start(args: readonly string[], options: RunOptions = {}): ChildProcess {
    return this.startNode([program, ...args], options);
  }

  /** Starts node where and as a command would be. */
  startNode(
    args: readonly string[],
    { as = "alice", cwd = this.root, env = {} }: RunOptions = {},
  ): ChildProcess {
    // Reading certificates nobody needs takes node longer than the command.
    const clean = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(HOLDFAST_|GIT_|NODE_EXTRA_CA_CERTS$)/.test(name)),
    );
    return spawn(process.execPath, args, {
      cwd,
      env: { ...clean, NO_COLOR: "1", ...(as === "" ? {} : { HOLDFAST_AGENT: as }), ...env },
    });
  }

  /** Starts a hub and resolves with what it says when it is ready. */
  async serve(...args: string[]): Promise<{
    readonly url: string;
    readonly urls: readonly string[];
    readonly child: ChildProcess;
    readonly log: string;
  }> {
    const child = this.start(["serve", "--json", "--listen", "ws://127.0.0.1:0", ...args]);
    const ended = new Promise<number>((resolve) => child.on("exit", (code) => resolve(code ?? -1)));
    this.#hubs.push({ child, ended });
    const line = await new Promise<string>((resolve, reject) => {
      let out = "";
      let err = "";
      child.stdout?.on("data", (bytes: Buffer) => {
        out += bytes.toString();
        if (out.includes("\n")) resolve(out);
      });
      child.stderr?.on("data", (bytes: Buffer) => {
        err += bytes.toString();
      });
      void ended.then((code) => reject(new Error(`the hub ended with ${code}: ${err}`)));
    });
    const said = JSON.parse(line) as { listening: string[]; log: string };
    return { url: said.listening[0] as string, urls: said.listening, child, log: said.log };
  }

  /** Stops every hub; resolves with their exit codes. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<readonly number[]> {
    const hubs = this.#hubs.splice(0);
    for (const { child } of hubs) child.kill(signal);
    return Promise.all(hubs.map(({ ended }) => ended));
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A test in a sandbox of its own, so that it may run beside others. */
export function inSandbox(work: (box: Sandbox) => Promise<void>): () => Promise<void> {
  return async () => {
    const box = new Sandbox();
    try {
      await work(box);
    } finally {
      await box.dispose();
    }
  };
}

/** Waits for a command's end. */
export function finished(child: ChildProcess, input = ""): Promise<Ran> {
  return new Promise((resolve, reject) => {
    let out = "";
    let err = "";
    child.stdout?.on("data", (bytes: Buffer) => {
      out += bytes.toString();
    });
    child.stderr?.on("data", (bytes: Buffer) => {
      err += bytes.toString();
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const ran = { code: code ?? (signal === null ? -1 : 128), out, err };
      resolve(Object.defineProperty(ran, "json", { get: () => JSON.parse(out) }) as Ran);
    });
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}
