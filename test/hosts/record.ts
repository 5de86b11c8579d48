/**
 * Records what Claude Code and Codex tell their hooks, without paths and ids of this machine, as fixtures for
 * tests that run without them. `npx tsx test/hosts/record.ts` writes them anew.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installHosts, VERSIONS } from "./install.ts";
import { openModel, type Script } from "./model.ts";
import { CLAUDE_EVENTS, CODEX_EVENTS, playClaude, playCodex } from "./record-plays.ts";
import { type Answer, openRecorder, type Recorder } from "./recorder.ts";
import { configureCodex, type Ended, runClaude, runCodex } from "./run-host.ts";

/** One stage for a play: a repository, a home, a recorder in it, and a model that plays the script. */
export interface Stage {
  readonly repo: string;
  readonly recorder: Recorder;
  claude(prompt: string, args?: readonly string[], mode?: string): Promise<Ended>;
  codex(prompt: string, args?: readonly string[]): Promise<Ended>;
}

/** A play: what the model does, what hooks answer, and how the host is started. */
export interface Play {
  readonly script: (repo: string) => Script;
  readonly answer?: Answer;
  readonly run: (stage: Stage) => Promise<unknown>;
}

// biome-ignore lint/suspicious/noExplicitAny: payloads are recorded as they came
type Payload = any;

const hosts = installHosts(console.error);
const target = fileURLToPath(new URL("../adapters/hooks-fixtures/recorded", import.meta.url));

async function record(play: Play): Promise<Payload[]> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-record-")));
  const repo = join(folder, "repo");
  const home = join(folder, "home");
  for (const path of ["src", ".claude/commands", ".codex"]) mkdirSync(join(repo, path), { recursive: true });
  mkdirSync(home);
  const recorder = await openRecorder(folder, play.answer);
  const model = await openModel(play.script(repo));
  try {
    furnish(repo, recorder);
    configureCodex(home, model.url, [repo]);
    await play.run({
      repo,
      recorder,
      claude: (prompt, args = [], mode = "bypassPermissions") =>
        runClaude({ program: hosts.claude, home, cwd: repo, model: model.url, prompt, args, mode }),
      codex: (prompt, args = []) => {
        const open = ["--dangerously-bypass-approvals-and-sandbox", "--dangerously-bypass-hook-trust"];
        return runCodex({ program: hosts.codex, home, cwd: repo, prompt, args: [...open, ...args] });
      },
    });
    return recorder.seen.map(({ payload }) => sanitise(payload, repo, home));
  } finally {
    await model.close();
    await recorder.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A repository with a file of each kind, and a hook for every event there is. */
function furnish(repo: string, recorder: Recorder): void {
  writeFileSync(join(repo, "src/a.ts"), "aaa\n");
  writeFileSync(join(repo, "CLAUDE.md"), "# A repository\n");
  writeFileSync(
    join(repo, ".claude/commands/hey.md"),
    "---\ndescription: says hello\n---\nhello $ARGUMENTS\n",
  );
  const cell = {
    id: "c1",
    cell_type: "code",
    source: "a = 1",
    metadata: {},
    outputs: [],
    execution_count: null,
  };
  const metadata = { language_info: { name: "python" } };
  const notebook = { cells: [cell], metadata, nbformat: 4, nbformat_minor: 5 };
  writeFileSync(join(repo, "n.ipynb"), JSON.stringify(notebook));
  const git = (...args: string[]) => execFileSync("git", args, { cwd: repo, stdio: "ignore" });
  git("init", "-q", "-b", "main");
  git("add", "src", "n.ipynb");
  git("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "first");

  const [program, script] = recorder.command;
  const http = { type: "http", url: recorder.url, timeout: 5 };
  const command = { type: "command", command: program, args: [script], timeout: 5 };
  // These two are not served over HTTP.
  const by = (event: string) => (event === "SessionStart" || event === "Setup" ? command : http);
  const claude = Object.fromEntries(CLAUDE_EVENTS.map((event) => [event, [{ hooks: [by(event)] }]]));
  writeFileSync(join(repo, ".claude/settings.json"), JSON.stringify({ hooks: claude }));
  const shell = { type: "command", command: `'${program}' '${script}'`, timeout: 3 };
  const codex = Object.fromEntries(CODEX_EVENTS.map((event) => [event, [{ hooks: [shell] }]]));
  writeFileSync(join(repo, ".codex/hooks.json"), JSON.stringify({ hooks: codex }));
}

/** The same without what is this machine's or this moment's. */
function sanitise(payload: Payload, repo: string, home: string): Payload {
  const folders: readonly [string, string][] = [
    [repo.replaceAll(/[/.]/g, "-"), "-repo"],
    [repo, "/repo"],
    [home, "/host"],
    [realpathSync(tmpdir()), "/scratch"],
  ];
  let text = JSON.stringify(payload);
  for (const [from, to] of folders) text = text.replaceAll(from, to);
  text = text
    .replaceAll(
      /\/sessions\/\d{4}\/\d\d\/\d\d\/rollout-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d/g,
      "/sessions/2026/01/01/rollout",
    )
    .replaceAll(/("(?:duration_ms|seconds_since_last_response)":)\d+/g, "$11");
  // What a tool answered is of no use here beyond its beginning; Codex calls its first agent "/root".
  return JSON.parse(text.replaceAll(/\/root(?=\/)/g, "/first"), (_key, value) =>
    typeof value === "string" && value.length > 400 ? `${value.slice(0, 100)}…` : value,
  );
}

/** Gives ids that are the same in every recording: the nth session, the nth use and so on. */
function renumber(payloads: readonly Payload[]): Payload[] {
  const numbers = new Map<string, string>();
  const nth = (kind: string, id: string, make: (n: string) => string): string => {
    const known = numbers.get(id);
    if (known !== undefined) return known;
    const count = [...numbers.keys()].filter((key) => key.startsWith(`#${kind}`)).length + 1;
    const made = make(String(count).padStart(8, "0"));
    numbers.set(`#${kind}${count}`, "");
    numbers.set(id, made);
    return made;
  };
  return payloads.map((payload) => {
    const text = JSON.stringify(payload)
      .replaceAll(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, (id) =>
        nth("uuid", id, (n) => `${n}-0000-4000-8000-000000000000`),
      )
      .replaceAll(/\ba[0-9a-f]{16}\b/g, (id) => nth("agent", id, (n) => `a${n}00000000`))
      .replaceAll(/(?<="(?:id|backgroundTaskId)":")b[0-9a-z]{8}\b/g, (id) => nth("task", id, (n) => `b${n}`));
    return JSON.parse(text);
  });
}

/** The first payload of each kind, by the name of its file. */
function byName(payloads: readonly Payload[]): Map<string, Payload> {
  const named = new Map<string, Payload>();
  for (const payload of payloads) {
    const name = nameOf(payload);
    if (!named.has(name)) named.set(name, payload);
  }
  return named;
}

/** `EVENT[-TOOL][-VARIANT]`; a variant says what is special about it. */
function nameOf(payload: Payload): string {
  const { hook_event_name: event, tool_name, tool_calls = [], tool_input, source, agent_id } = payload;
  const tools = tool_name === undefined ? tool_calls.map((call: Payload) => call.tool_name) : [tool_name];
  const variant: string[] = [];
  const said = JSON.stringify(tool_input ?? tool_calls.map((call: Payload) => call.tool_input));
  const marks = { heredoc: "<<", move: "Move to", delete: "Delete File", many: "many", unread: "unread" };
  for (const [name, mark] of Object.entries(marks)) if (said?.includes(mark)) variant.push(name);
  if (JSON.stringify(tool_calls).includes("hook error")) variant.push("denied");
  if (/tool_use_error/.test(JSON.stringify(tool_calls))) variant.push("invalid");
  if (payload.stop_hook_active === true) variant.push("held");
  if ((payload.background_tasks ?? []).length > 0 && event === "Stop") variant.push("background");
  if (event === "SessionStart") variant.push(source);
  if (/\/src$/.test(payload.cwd ?? "")) variant.push("folder");
  if (/worktrees/.test(payload.cwd ?? "")) variant.push("worktree");
  if (agent_id !== undefined && !event.startsWith("Subagent")) variant.push("subagent");
  if (event === "SubagentStop" && payload.agent_type === "") variant.push("unnamed");
  return [event, ...new Set<string>(tools), ...variant].join("-");
}

async function write(folder: string, plays: readonly Play[]): Promise<void> {
  const all: Payload[] = [];
  for (const play of plays) all.push(...(await record(play)));
  const named = byName(renumber(all));
  rmSync(join(target, folder), { recursive: true, force: true });
  mkdirSync(join(target, folder), { recursive: true });
  for (const [name, payload] of named) {
    writeFileSync(join(target, folder, `${name}.json`), `${JSON.stringify(payload, undefined, 2)}\n`);
  }
  console.log(`${folder}: ${named.size} payloads`);
}

await write(`claude-${VERSIONS.claude}`, playClaude);
await write(`codex-${VERSIONS.codex}`, playCodex);
// As the house formats its files.
const biome = fileURLToPath(new URL("../../node_modules/.bin/biome", import.meta.url));
execFileSync(biome, ["format", "--write", target], { stdio: "ignore" });
