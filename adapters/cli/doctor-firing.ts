/**
 * Doctor fires hooks: it holds a file as one agent, then tells each host's hook, exactly as that host
 * would, that another agent is about to write it. Only a refusal that names the file shows that the whole
 * way works.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { limits } from "../../core/limits.ts";
import type { HostSetup } from "../setup/host.ts";
import { isObject, type JsonObject, readJson } from "../setup/json-text.ts";
import { isHookOfOurs } from "../setup/runner.ts";
import { type Check, reasonOf } from "./check.ts";
import { checkCodexTrust } from "./codex-trust.ts";
import type { Command } from "./command.ts";
import { findFile } from "./host-files.ts";
import { PROBE_SESSION, type Probe, probes } from "./probes.ts";
import { type Place, reaching } from "./reach.ts";
import type { Standing } from "./running-hub.ts";
import { chooseRunner } from "./setup-terms.ts";

/** What a hook answered. */
interface Answer {
  readonly text: string;
  readonly exitCode: number;
  readonly tookMs: number;
}

/** Fires the hooks of these hosts; nothing where no hub runs, for then none can refuse. */
export async function checkFiring(
  command: Command,
  place: Place,
  meant: readonly HostSetup[],
  standing: Standing,
): Promise<readonly Check[]> {
  const checks: Check[] = [];
  if (standing.is === "running" && meant.length > 0) {
    const { root } = place.repository;
    const suffix = randomBytes(4).toString("hex");
    const probe = {
      root,
      file: `holdfast-doctor-${suffix}.txt`,
      session: PROBE_SESSION,
      use: `probe-${suffix}`,
    };
    try {
      checks.push(...(await holding(command, probe, () => fireAll(command, probe, meant))));
    } catch (error) {
      checks.push({ check: "firing", status: "broken", said: `nothing could be fired: ${reasonOf(error)}` });
    }
  }
  if (meant.length > 0) checks.push(await toolsCheck(place.repository.root, command.env));
  if (meant.some(({ name }) => name === "codex"))
    checks.push(await checkCodexTrust(place.repository.root, command.env));
  return checks;
}

/** Does something while doctor holds the file of a probe, as an agent of its own. */
async function holding<T>(command: Command, { root, file }: Probe, work: () => Promise<T>): Promise<T> {
  const env = { ...command.env, HOLDFAST_AGENT: "doctor" };
  return reaching({ ...command, env }, "act", async ({ client, worktree }) => {
    const claim = `doctor-${file.replace(/^holdfast-doctor-|\.txt$/g, "")}`;
    const { epoch } = await client.call("claim.acquire", {
      claim,
      scope: { worktree, files: [file] },
      ttlMs: 4 * limits.probeMs,
      note: `holdfast doctor tries the hooks of ${root}`,
    });
    try {
      return await work();
    } finally {
      await client.call("claim.release", { claim, epoch, outcome: "done" });
    }
  });
}

async function fireAll(
  command: Command,
  probe: Probe,
  meant: readonly HostSetup[],
): Promise<readonly Check[]> {
  const checks: Check[] = [];
  for (const host of meant) {
    const check = `firing ${host.name}`;
    try {
      const answer = await fire(command, probe, host);
      if (answer !== undefined) checks.push(verdict(check, answer, probe));
    } catch (error) {
      checks.push({ check, status: "broken", said: `the hook of ${host.title} failed: ${reasonOf(error)}` });
    }
  }
  return checks;
}

function verdict(check: string, { text, exitCode, tookMs }: Answer, { file }: Probe): Check {
  if (exitCode !== 0) {
    const said = `the hook ended with exit code ${exitCode}: ${told(text)}`;
    return { check, status: "broken", said, todo: "run it by hand to see why", tookMs };
  }
  if (!text.includes(file)) {
    const said = `an edit of a file that another agent holds was not refused: ${told(text)}`;
    return {
      check,
      status: "broken",
      said,
      todo: "holdfast down, holdfast up, then holdfast doctor",
      tookMs,
    };
  }
  return { check, status: "ok", said: "an edit of a file that another agent holds was refused", tookMs };
}

/** Fires the hook that stands in a host's file; nothing where none of ours does. */
async function fire({ env }: Command, probe: Probe, host: HostSetup): Promise<Answer | undefined> {
  const { root } = probe;
  const text = findFile(root, host.hookFile).text ?? "";
  const known = probes[host.name];
  const beganMs = performance.now();
  const done = (answer: Omit<Answer, "tookMs">): Answer => ({
    ...answer,
    tookMs: performance.now() - beganMs,
  });
  if (known === undefined) return done(await throughPlugin(join(root, host.hookFile), probe, env));
  const handler = handlerFor(text, known.event);
  if (handler === undefined) return undefined;
  const body = JSON.stringify(known.payload(probe));
  const { url, timeout } = handler;
  if (typeof url === "string") {
    return done(await post(url, body, env, typeof timeout === "number" ? timeout * 1000 : limits.probeMs));
  }
  // As hosts do: in a shell, the payload on standard input.
  return done(await ended(commandOf(handler), [], body, { cwd: root, env, shell: true }));
}

/** Our handler of an event in a file of hooks. */
function handlerFor(text: string, event: string): JsonObject | undefined {
  const read = readJson(text);
  const hooks = read.kind === "value" && isObject(read.value) ? read.value.hooks : undefined;
  const listed = isObject(hooks) ? hooks[event] : undefined;
  const items = (Array.isArray(listed) ? listed : []).filter(isObject);
  const handlers = items.flatMap((item) =>
    Array.isArray(item.hooks) ? item.hooks.filter(isObject) : [item],
  );
  return handlers.find(isHookOfOurs);
}

function commandOf({ command, bash, powershell }: JsonObject): string {
  const line = command ?? (process.platform === "win32" ? powershell : bash);
  return typeof line === "string" ? line : "";
}

async function post(
  url: string,
  body: string,
  { HOLDFAST_TOKEN: token }: NodeJS.ProcessEnv,
  timeoutMs: number,
) {
  const headers = {
    "content-type": "application/json",
    ...(token ? { authorization: `Bearer ${token}` } : {}),
  };
  const signal = AbortSignal.timeout(timeoutMs);
  const answer = await fetch(url, { method: "POST", headers, body, signal, redirect: "error" });
  const text = await answer.text();
  return answer.ok ? { text, exitCode: 0 } : { text: `HTTP ${answer.status} ${text}`, exitCode: 1 };
}

/** By this the answer of a server of tools is known. */
const SERVER = /"serverInfo"/;

/** Whether the server of tools that hosts start answers as one. */
async function toolsCheck(root: string, env: NodeJS.ProcessEnv): Promise<Check> {
  const check = "tools";
  const clientInfo = { name: "holdfast-doctor", version: "1" };
  const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo };
  const hello = `${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params })}\n`;
  const line = `${chooseRunner(root, env)} mcp`;
  const beganMs = performance.now();
  try {
    const { text, exitCode } = await ended(line, [], hello, { cwd: root, env, shell: true, enough: SERVER });
    const tookMs = performance.now() - beganMs;
    if (SERVER.test(text)) {
      return { check, status: "ok", said: `\`${line}\` answers as a server of tools (MCP)`, tookMs };
    }
    const said = `\`${line}\` does not answer as a server of tools: ${told(text)} (exit code ${exitCode})`;
    return { check, status: "broken", said, todo: "run it by hand to see why" };
  } catch (error) {
    return { check, status: "broken", said: `\`${line}\` cannot be run: ${reasonOf(error)}` };
  }
}

/** What a program said, as far as it fits a sentence. */
function told(text: string): string {
  return text.trim().slice(0, 200) || "it said nothing";
}

/** A program that loads a plugin as OpenCode does and has it try an edit; it prints what was thrown. */
const PLUGIN_PROGRAM = `
const [file, root, edited, sessionID, callID] = process.argv.slice(1);
const { Holdfast } = await import(file);
const hooks = await Holdfast({ directory: root, worktree: root });
try {
  await hooks["tool.execute.before"]({ tool: "write", sessionID, callID }, { args: { filePath: edited, content: "" } });
} catch (error) {
  console.log(error.message);
}`;

async function throughPlugin(
  file: string,
  { root, file: edited, session, use }: Probe,
  env: NodeJS.ProcessEnv,
) {
  const told = [pathToFileURL(file).href, root, join(root, edited), session, use];
  return ended(process.execPath, ["--input-type=module", "-e", PLUGIN_PROGRAM, ...told], "", {
    cwd: root,
    env,
  });
}

/** How a program is run. */
interface Running {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly shell?: boolean;
  /** What is enough to have heard of one that would go on. */
  readonly enough?: RegExp;
}

/** Runs a program to its end, or until it said enough, or for as long as any host would wait. */
function ended(
  program: string,
  args: readonly string[],
  input: string,
  { cwd, env, shell = false, enough }: Running,
): Promise<{ readonly text: string; readonly exitCode: number }> {
  return new Promise((resolve, reject) => {
    const { HOLDFAST_AGENT: _, ...rest } = env;
    // A group of its own, so that what a shell started ends with it.
    const detached = process.platform !== "win32";
    const child = spawn(program, args, { shell, cwd, env: rest, detached, windowsHide: true });
    const end = (signal: NodeJS.Signals): void => {
      try {
        if (detached) process.kill(-(child.pid as number), signal);
        else child.kill(signal);
      } catch {
        // It has ended.
      }
    };
    const timer = setTimeout(() => end("SIGKILL"), limits.probeMs);
    let out = "";
    let err = "";
    child.stdout.on("data", (bytes: Buffer) => {
      out += bytes.toString();
      if (enough?.test(out) !== true) return;
      resolve({ text: out, exitCode: 0 });
      child.stdin.end();
      end("SIGTERM");
    });
    child.stderr.on("data", (bytes: Buffer) => {
      err += bytes.toString();
    });
    child.stdin.on("error", () => undefined);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ text: out || err, exitCode: code ?? 1 });
    });
    child.stdin.write(input);
    if (enough === undefined) child.stdin.end();
  });
}
