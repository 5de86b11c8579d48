/**
 * A hub with real worktrees and the hooks of hosts, for tests of the guard.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { connect, type Hub, serve } from "../../adapters/node/index.ts";
import type { Client } from "../../core/client/client.ts";

/** What a host was answered. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever was answered
  readonly json: any;
}

type Fields = { readonly [field: string]: unknown };

/** A hub, and a repository made by git. */
export class Fleet {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-hooks-")));
  readonly root = join(this.folder, "repo");
  readonly reports: string[] = [];
  hub: Hub | undefined;
  #uses = 0;

  constructor() {
    mkdirSync(this.root);
    git(this.root, "init", "-q", "-b", "main");
    this.file("README.md", "# A repository\n");
    this.file("src/a.ts", "a\n");
    this.file("src/b.ts", "b\n");
    this.commit("first");
    mkdirSync(join(this.root, ".git/holdfast"));
  }

  async serve(log = "memory:"): Promise<void> {
    this.hub = await serve({
      log,
      listen: ["ws://127.0.0.1:0"],
      report: (what, error) => this.reports.push(`${what}: ${String(error)}`),
    });
  }

  get url(): string {
    return (this.hub?.urls[0] ?? "").replace(/^ws:/, "http:");
  }

  /** Another agent, by the ordinary protocol. */
  agent(name: string): Promise<Client> {
    return connect(this.hub?.urls[0] ?? "", { agent: name });
  }

  file(name: string, text = "x\n", root = this.root): string {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  commit(message: string, root = this.root): void {
    git(root, "add", "-A");
    git(root, "commit", "-q", "--allow-empty", "-m", message);
  }

  /** Another worktree of the repository. */
  worktree(name: string): string {
    const path = join(this.folder, name);
    git(this.root, "worktree", "add", "-q", "-b", name, path);
    return path;
  }

  /** Sends whatever is given. */
  async post(host: string, body: string, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${this.url}/hooks/${host}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });
    const text = await response.text();
    return { status: response.status, text, json: text === "" ? undefined : JSON.parse(text) };
  }

  /** A host of the given kind in one session. */
  host(kind: "claude" | "codex", session: string, more: Fields = {}): HostSession {
    return new HostSession(this, kind, session, more);
  }

  nextUse(): string {
    this.#uses += 1;
    return `use_${this.#uses}`;
  }

  async dispose(): Promise<void> {
    await this.hub?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One session of Claude Code or Codex, as far as its hooks go. Both speak nearly the same language. */
export class HostSession {
  readonly fleet: Fleet;
  readonly kind: "claude" | "codex";
  readonly session: string;
  readonly more: Fields;
  headers: Record<string, string> = {};

  constructor(fleet: Fleet, kind: "claude" | "codex", session: string, more: Fields) {
    this.fleet = fleet;
    this.kind = kind;
    this.session = session;
    this.more = more;
  }

  /** The name of its agent. */
  get agent(): string {
    return `${this.kind}-${this.session.slice(0, 13)}`;
  }

  payload(event: string, fields: Fields = {}): Fields {
    return {
      session_id: this.session,
      transcript_path: "/tmp/t.jsonl",
      cwd: this.fleet.root,
      hook_event_name: event,
      ...(this.kind === "codex" ? { turn_id: "t1", model: "gpt-5.5" } : {}),
      permission_mode: "default",
      ...this.more,
      ...fields,
    };
  }

  send(event: string, fields: Fields = {}): Promise<Answer> {
    return this.fleet.post(this.kind, JSON.stringify(this.payload(event, fields)), this.headers);
  }

  /** A tool is about to be used. */
  before(tool: string, input: Fields, use = this.fleet.nextUse(), fields: Fields = {}): Promise<Answer> {
    return this.send("PreToolUse", { tool_name: tool, tool_input: input, tool_use_id: use, ...fields });
  }

  after(tool: string, input: Fields, use = this.fleet.nextUse(), fields: Fields = {}): Promise<Answer> {
    return this.send("PostToolUse", {
      tool_name: tool,
      tool_input: input,
      tool_use_id: use,
      tool_response: { ok: true },
      ...fields,
    });
  }

  /** Asks for leave to edit a file; the refusal, if it is one. */
  async edit(file: string, root = this.fleet.root): Promise<string | undefined> {
    const path = join(root, file);
    if (this.kind === "codex") {
      const command = `*** Begin Patch\n*** Update File: ${file}\n@@\n-a\n+b\n*** End Patch\n`;
      return deniedBy(await this.before("apply_patch", { command }, undefined, { cwd: root }));
    }
    return deniedBy(await this.before("Edit", { file_path: path, old_string: "a", new_string: "b" }));
  }

  /** Asks for leave to run a command; the refusal, if it is one. */
  async shell(command: string, use = this.fleet.nextUse()): Promise<string | undefined> {
    return deniedBy(await this.before("Bash", { command }, use));
  }
}

/** The reason of a refusal. */
export function deniedBy({ json }: Answer): string | undefined {
  const said = json.hookSpecificOutput;
  return said?.permissionDecision === "deny" ? said.permissionDecisionReason : undefined;
}

/** What an agent is told beside. */
export function contextOf({ json }: Answer): string | undefined {
  return json.hookSpecificOutput?.additionalContext;
}

export function git(root: string, ...args: string[]): string {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" };
  const identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
  return execFileSync("git", [...identity, ...args], { cwd: root, env, encoding: "utf8" });
}

/** A test with a hub of its own. */
export function withFleet(work: (fleet: Fleet) => Promise<void>): () => Promise<void> {
  return async () => {
    const fleet = new Fleet();
    try {
      await fleet.serve();
      await work(fleet);
    } finally {
      await fleet.dispose();
    }
  };
}
