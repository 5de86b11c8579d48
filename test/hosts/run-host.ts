/**
 * Runs a host without a person, in a home of its own that knows nothing but the scripted model.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** How a run of a host ended. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Whether it had to be killed because its time was over. */
  readonly isLate: boolean;
}

export interface ClaudeRun {
  readonly program: string;
  readonly home: string;
  readonly cwd: string;
  readonly model: string;
  /** Absent where it is fed by `input`. */
  readonly prompt?: string | undefined;
  readonly modelName?: string;
  readonly mode?: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Its standard input. */
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** One print-mode run of Claude Code. */
export function runClaude(run: ClaudeRun): Promise<Ended> {
  const args = [
    "-p",
    ...(run.prompt === undefined ? [] : [run.prompt]),
    "--output-format",
    "stream-json",
    "--verbose",
    "--model",
    run.modelName ?? "claude-sonnet-4-6",
  ];
  if (run.mode !== undefined) args.push("--permission-mode", run.mode);
  args.push(...(run.args ?? []));
  mkdirSync(run.home, { recursive: true });
  const child = spawn(run.program, args, {
    cwd: run.cwd,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    env: {
      ...bare(),
      HOME: run.home,
      CLAUDE_CONFIG_DIR: join(run.home, ".claude"),
      ANTHROPIC_BASE_URL: run.model,
      ANTHROPIC_API_KEY: "sk-ant-scripted",
      DISABLE_AUTOUPDATER: "1",
      DISABLE_TELEMETRY: "1",
      DISABLE_ERROR_REPORTING: "1",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      IS_SANDBOX: "1",
      ...run.env,
    },
  });
  child.stdin.end(run.input ?? "");
  return ended(child, run.timeoutMs ?? 60_000);
}

export interface CodexRun {
  readonly program: string;
  readonly home: string;
  readonly cwd: string;
  readonly prompt: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

/** Writes the configuration under which Codex speaks to the scripted model and trusts the folder. */
export function configureCodex(home: string, model: string, trusted: readonly string[], more = ""): void {
  mkdirSync(join(home, ".codex"), { recursive: true });
  const projects = trusted
    .map((path) => `[projects.${JSON.stringify(path)}]\ntrust_level = "trusted"\n`)
    .join("\n");
  writeFileSync(
    join(home, ".codex", "config.toml"),
    `model = "gpt-5.5"
model_provider = "scripted"
check_for_update_on_startup = false
${more}
[analytics]
enabled = false

[model_providers.scripted]
name = "scripted"
base_url = ${JSON.stringify(`${model}/v1`)}
wire_api = "responses"
env_key = "SCRIPTED_KEY"
request_max_retries = 0
stream_max_retries = 0

${projects}`,
  );
}

/** One \`codex exec\`. */
export function runCodex(run: CodexRun): Promise<Ended> {
  const child = spawn(run.program, ["exec", "--json", ...(run.args ?? []), run.prompt], {
    cwd: run.cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: codexEnv(run.home, run.env),
  });
  return ended(child, run.timeoutMs ?? 60_000);
}

/** The environment of a Codex in a home of its own. */
export function codexEnv(home: string, env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { ...bare(), HOME: home, CODEX_HOME: join(home, ".codex"), SCRIPTED_KEY: "scripted", ...env };
}

/** What a program needs to run at all, and nothing by which it might take part in what runs around the test. */
export function bare(): NodeJS.ProcessEnv {
  const kept = ["PATH", "LANG", "TMPDIR", "TERM", "SHELL", "USER", "LOGNAME"];
  const env = Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  return { ...env, GIT_CONFIG_GLOBAL: "/dev/null", NO_COLOR: "1" };
}

/** Those that run now. */
const running = new Set<() => void>();

/** Ends every host that runs, with what it started. */
export function killHosts(): void {
  for (const kill of running) kill();
}

/** Waits for its end; kills it and what it started when its time is over. */
async function ended(child: ChildProcess, timeoutMs: number): Promise<Ended> {
  let out = "";
  let err = "";
  let isLate = false;
  child.stdout?.on("data", (bytes: Buffer) => {
    out += bytes.toString();
  });
  child.stderr?.on("data", (bytes: Buffer) => {
    err += bytes.toString();
  });
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It is gone.
    }
  };
  running.add(kill);
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, timeoutMs);
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve(code ?? -1));
    });
    return { code, out, err, isLate };
  } finally {
    clearTimeout(timer);
    running.delete(kill);
    kill();
  }
}
