/**
 * A stage for one scenario: a repository made by git in which `holdfast init` was run, its hub in the background,
 * a colleague called bob at the command line, a scripted model, and the hosts in a home of their own.
 */
import { execFile, execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { trustHooks } from "./codex-trust.ts";
import type { Hosts } from "./install.ts";
import { type Model, openModel, type Script } from "./model.ts";
import { bare, configureCodex, type Ended, runClaude, runCodex } from "./run-host.ts";

const program = fileURLToPath(new URL("../../dist/bin/holdfast.js", import.meta.url));

/** What a command of Holdfast came to. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever was answered
  readonly json: any;
}

/** Runs one scenario's hosts. */
export class Stage {
  readonly hosts: Hosts;
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-stage-")));
  readonly repo = join(this.folder, "repo");
  readonly home = join(this.folder, "home");
  #model: Model | undefined;
  /** Commands that have not ended. */
  readonly #underway = new Set<Promise<unknown>>();
  #struck: Promise<void> | undefined;

  constructor(hosts: Hosts) {
    this.hosts = hosts;
  }

  /** Makes the repository, runs `init` for both hosts and starts the hub. */
  async set(files: { readonly [name: string]: string }): Promise<void> {
    mkdirSync(this.home);
    mkdirSync(join(this.folder, "tmp"));
    const bin = join(this.folder, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "holdfast"), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`);
    chmodSync(join(bin, "holdfast"), 0o755);
    // Where doctor looks for them.
    for (const [name, file] of Object.entries(this.hosts)) symlinkSync(file, join(bin, name));
    for (const [name, text] of Object.entries(files)) this.file(name, text);
    const git = (...args: string[]) => execFileSync("git", args, { cwd: this.repo, env: this.env() });
    git("init", "-q", "-b", "main");
    await this.must("init", "--host", "claude", "codex");
    git("add", "-A");
    git("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "first");
    await this.must("up");
  }

  /** Lets the model play, from its first step. */
  async play(script: Script): Promise<Model> {
    await this.#model?.close();
    this.#model = await openModel(script);
    return this.#model;
  }

  get model(): Model {
    if (this.#model === undefined) throw new Error("no model plays");
    return this.#model;
  }

  /** Runs Claude Code in print mode. */
  claude(
    mode: string,
    args: readonly string[] = [],
    more: { env?: NodeJS.ProcessEnv; input?: string; cwd?: string } = {},
  ): Promise<Ended> {
    this.#goesOn();
    const run = runClaude({
      program: this.hosts.claude,
      home: this.home,
      cwd: this.repo,
      model: this.model.url,
      ...(more.input === undefined ? { prompt: "[[main]] go" } : {}),
      mode,
      args,
      ...more,
      env: { ...this.env(), ...more.env },
    });
    return this.#played(run);
  }

  /**
   * Runs Claude Code as an editor does, with somebody there, for one turn. It takes no API key then, but a token.
   */
  attended(mode: string): Promise<Ended> {
    const content = [{ type: "text", text: "[[main]] go" }];
    const input = `${JSON.stringify({ type: "user", message: { role: "user", content } })}\n`;
    const env = {
      CLAUDE_CODE_ENTRYPOINT: "claude-vscode",
      ANTHROPIC_AUTH_TOKEN: "scripted",
      ANTHROPIC_API_KEY: "",
    };
    return this.claude(mode, ["--input-format", "stream-json"], { env, input });
  }

  /** Runs Codex, which trusts the folder, and its hooks too unless told otherwise. */
  async codex(options: { readonly isTrusted?: boolean; readonly sandbox?: string } = {}): Promise<Ended> {
    this.knowFolder();
    if (options.isTrusted !== false) {
      const trusted = await trustHooks(this.hosts.codex, this.home, this.repo);
      if (trusted === 0) throw new Error("Codex lists no hook of this folder");
    }
    this.#goesOn();
    const run = runCodex({
      program: this.hosts.codex,
      home: this.home,
      cwd: this.repo,
      prompt: "[[main]] go",
      args: ["--sandbox", options.sandbox ?? "workspace-write"],
      env: this.env(),
    });
    return this.#played(run);
  }

  /** Codex's configuration: the model, and that this folder is trusted. */
  knowFolder(): void {
    configureCodex(this.home, this.model.url, [this.repo]);
  }

  /** Runs a command of Holdfast, as bob. */
  async holdfast(...args: string[]): Promise<Ran> {
    this.#goesOn();
    const running = this.#run(args);
    this.#underway.add(running);
    return running.finally(() => this.#underway.delete(running));
  }

  #run(args: readonly string[]): Promise<Ran> {
    return new Promise((resolve) => {
      const options = { cwd: this.repo, env: { ...this.env(), HOLDFAST_AGENT: "bob" }, timeout: 30_000 };
      execFile(process.execPath, [program, ...args], options, (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        resolve(Object.defineProperty({ code, out, err }, "json", { get: () => JSON.parse(out) }) as Ran);
      });
    });
  }

  /** The same, which must succeed. */
  async must(...args: string[]): Promise<Ran> {
    const ran = await this.holdfast(...args);
    if (ran.code !== 0)
      throw new Error(`holdfast ${args.join(" ")} ended with ${ran.code}: ${ran.err}${ran.out}`);
    return ran;
  }

  /** The newest agent of a host that takes part. */
  async agentOf(host: "claude" | "codex"): Promise<string> {
    const { items } = (await this.must("who", "--json")).json as {
      items: { agent: string; joinedAtMs: number }[];
    };
    const found = items.filter(({ agent }) => agent.startsWith(`${host}-`) && !agent.includes("/"));
    const newest = found.sort((a, b) => b.joinedAtMs - a.joinedAtMs)[0]?.agent;
    if (newest === undefined) throw new Error(`no agent of ${host} takes part`);
    return newest;
  }

  /** Who holds a file. */
  async holderOf(path: string): Promise<string | undefined> {
    const worktree = this.repo;
    const asked = JSON.stringify({ worktree, files: [path] });
    const { items } = (await this.must("call", "claims.covering", asked)).json as {
      items: { holder: string }[];
    };
    return items[0]?.holder;
  }

  /** Whether the log tells of an edit that was made while no hub ran. */
  async didWithoutHub(path: string): Promise<boolean> {
    const { items } = (await this.must("activity", "--json")).json as {
      items: { path?: string; text?: string }[];
    };
    return items.some((item) => item.path === path && item.text?.includes("while no hub ran") === true);
  }

  /** Whether bob was sent word of a file. */
  async toldBob(path: string): Promise<boolean> {
    const { items } = (await this.must("inbox", "--json")).json as { items: { body: string }[] };
    return items.some(({ body }) => body.includes(path));
  }

  /** Makes another worktree, as the repository was committed first. */
  worktree(name: string): string {
    const path = join(this.folder, name);
    execFileSync("git", ["worktree", "add", "-q", "-b", name, path], { cwd: this.repo, env: this.env() });
    return path;
  }

  file(name: string, text: string): void {
    mkdirSync(dirname(join(this.repo, name)), { recursive: true });
    writeFileSync(join(this.repo, name), text);
  }

  read(name: string): string {
    return readFileSync(join(this.repo, name), "utf8");
  }

  /** Stops the hub and the model, and leaves nothing behind. */
  strike(): Promise<void> {
    this.#struck ??= this.#strike();
    return this.#struck;
  }

  async #strike(): Promise<void> {
    await this.#model?.close();
    // A hub that is just coming up would outlive its repository.
    await Promise.allSettled(this.#underway);
    await this.#run(["down"]);
    // What was just killed may still be writing.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  /** A run, unless what was to happen in its middle did not. */
  async #played(run: Promise<Ended>): Promise<Ended> {
    const ended = await run;
    if (this.model.failure !== undefined) throw this.model.failure;
    return ended;
  }

  /** Nothing may be started on a stage that was struck in the middle of a scenario. */
  #goesOn(): void {
    if (this.#struck !== undefined) throw new Error("the stage was struck");
  }

  env(): NodeJS.ProcessEnv {
    const env = bare();
    return {
      ...env,
      HOME: this.home,
      CODEX_HOME: join(this.home, ".codex"),
      PATH: `${join(this.folder, "bin")}${delimiter}${env.PATH ?? ""}`,
      TMPDIR: join(this.folder, "tmp"),
      CLAUDE_CODE_TMPDIR: join(this.folder, "tmp"),
    };
  }
}
