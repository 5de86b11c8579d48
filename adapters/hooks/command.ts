/**
 * The command hook: hands what a host tells to the hub and says its answer. A program of its own, which
 * loads next to nothing, for a host waits for it at every tool. Ends with 0, or 2 where a host wants that
 * for a refusal, and never with 1, which some hosts take for one.
 */
import { readFileSync, readSync, writeSync } from "node:fs";
import type { Socket } from "node:net";
import { isAbsolute } from "node:path";
import { limits } from "../../core/limits.ts";
import { readHubFile } from "../place/hub-file.ts";
import { findRepository } from "../place/repository.ts";
import type { HookAnswer } from "./event.ts";
import type { Environment } from "./normalise.ts";

const SILENCE: HookAnswer = { stdout: "", stderr: "", exitCode: 0 };

/** Who somebody is, where, and the variables by which hosts say that nobody is there (`HostFacts.print`). */
export const TOLD: readonly string[] = [
  "HOLDFAST_AGENT",
  "PWD",
  "CLAUDE_CODE_ENTRYPOINT",
  "CLAUDE_CODE_SESSION_ATTENDED",
  "COPILOT_AGENT_PROMPT",
];

/** Where a hub is. */
interface Door {
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
}

/**
 * Runs a hook of the named host on what stands at standard input; `event`: the host's name of the event,
 * where its payload does not say. `isSpare`: the same was posted to the hub, so that there is something to do only
 * where none runs. Ends the process.
 */
export function runHook(host: string, event: string | undefined, isSpare = false): void {
  process.on("uncaughtException", () => process.exit(0));
  const text = /^[a-z]{1,20}$/.test(host) ? standardInput() : undefined;
  const payload = text === undefined ? undefined : payloadOf(text, event);
  if (text === undefined || payload === undefined) return end(SILENCE);
  const { env } = process;
  const { folder } = findRepository(folderOf(payload, env));
  const told = environmentOf(env);
  const down = () => {
    import("./alone.ts").then(
      ({ withoutHub }) => end(withoutHub(host, payload, told, folder)),
      () => end(SILENCE),
    );
  };
  const door = doorOf(folder, env);
  if (door === undefined) return down();
  if (isSpare) return end(SILENCE);
  const body = event === undefined ? text : JSON.stringify(payload);
  ask(door, requestOf(host, door, told, env, body), (answer) =>
    answer === undefined ? down() : end(answer),
  );
}

function end({ stdout, stderr, exitCode }: HookAnswer): void {
  if (stdout !== "") say(1, stdout);
  if (stderr !== "") say(2, stderr);
  process.exit(exitCode);
}

function say(descriptor: 1 | 2, text: string): void {
  let bytes = Buffer.from(text);
  for (let tries = 0; bytes.length > 0 && tries < 1000; tries++) {
    try {
      bytes = bytes.subarray(writeSync(descriptor, bytes));
    } catch (error) {
      // A pipe that is full for a moment; anything else has nobody to read it.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** All of it, unless it is more than a hook may tell. */
function standardInput(): string | undefined {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (let waits = 0; ; ) {
    const chunk = Buffer.allocUnsafe(65_536);
    let read = 0;
    try {
      read = readSync(0, chunk);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EOF") break;
      if (code !== "EAGAIN" || ++waits > limits.hookCallMs) return undefined;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      continue;
    }
    if (read === 0) break;
    bytes += read;
    if (bytes > limits.hookBodyBytesMax) return undefined;
    chunks.push(chunk.subarray(0, read));
  }
  return Buffer.concat(chunks).toString("utf8");
}

type Payload = { readonly [field: string]: unknown };

function payloadOf(text: string, event: string | undefined): Payload | undefined {
  try {
    const said: unknown = JSON.parse(text);
    if (typeof said !== "object" || said === null || Array.isArray(said)) return undefined;
    return event === undefined ? { ...said } : { hook_event_name: event, ...said };
  } catch {
    return undefined;
  }
}

function folderOf({ cwd, workspace_roots }: Payload, env: NodeJS.ProcessEnv): string {
  if (typeof cwd === "string" && isAbsolute(cwd)) return cwd;
  const [first] = Array.isArray(workspace_roots) ? workspace_roots : [];
  if (typeof first === "string" && isAbsolute(first)) return first;
  return env.CLAUDE_PROJECT_DIR ?? process.cwd();
}

/** The hub that is named, or that of the repository. */
function doorOf(folder: string, env: NodeJS.ProcessEnv): Door | undefined {
  const named = env.HOLDFAST_HUB ?? "";
  const urls = named === "" ? (readHubFile(folder)?.urls ?? []) : [named];
  for (const url of urls) {
    const match = /^(ws|http)(s?):\/\/(?:\[([0-9a-f:]+)\]|([^/:[\]]+))(?::(\d{1,5}))?(?:\/|$)/i.exec(url);
    if (match === null) continue;
    const isSecure = match[2] !== "";
    return { host: match[3] ?? match[4] ?? "", port: Number(match[5] ?? (isSecure ? 443 : 80)), isSecure };
  }
  return undefined;
}

/** What a hub is told of the environment: never more, for the rest is secret. */
function environmentOf(env: NodeJS.ProcessEnv): Environment {
  const there = TOLD.filter((name) => env[name] !== undefined);
  return Object.fromEntries(there.map((name) => [name, env[name]?.slice(0, limits.pathMax)]));
}

function requestOf(
  host: string,
  door: Door,
  told: Environment,
  env: NodeJS.ProcessEnv,
  body: string,
): string {
  const token = tokenOf(env);
  const name = door.host.includes(":") ? `[${door.host}]` : door.host;
  return [
    `POST /hooks/${host} HTTP/1.1`,
    `Host: ${name}:${door.port}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
    "Holdfast-Hook: command",
    `Holdfast-Env: ${Buffer.from(JSON.stringify(told)).toString("base64url")}`,
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    "",
    body,
  ].join("\r\n");
}

function tokenOf({ HOLDFAST_TOKEN, HOLDFAST_TOKEN_FILE }: NodeJS.ProcessEnv): string | undefined {
  let token = HOLDFAST_TOKEN ?? "";
  try {
    if (token === "" && HOLDFAST_TOKEN_FILE) token = readFileSync(HOLDFAST_TOKEN_FILE, "utf8").trim();
  } catch {
    // Without it the hub says what is missing.
  }
  return /^[\x21-\x7e]+$/.test(token) ? token : undefined;
}

/** Sends a request; `undefined` when there is no answer, or none that makes sense. */
function ask(door: Door, request: string, settle: (answer: HookAnswer | undefined) => void): void {
  let told: Buffer = Buffer.alloc(0);
  let isSettled = false;
  const done = (answer: HookAnswer | undefined) => {
    if (isSettled) return;
    isSettled = true;
    clearTimeout(timer);
    settle(answer);
  };
  const timer = setTimeout(() => done(undefined), limits.hookAnswerMs);
  const talk = (socket: Socket) => {
    socket.on("data", (bytes: Buffer) => {
      told = told.length === 0 ? bytes : Buffer.concat([told, bytes]);
      const answer = answerIn(told);
      if (answer !== "more") done(answer);
      else if (told.length > limits.hookBodyBytesMax) done(undefined);
    });
    socket.on("error", () => done(undefined));
    socket.on("close", () => done(undefined));
    socket.write(request);
  };
  const { host, port, isSecure } = door;
  // Loaded where it is needed: either takes longer than all the rest.
  const dialled = isSecure
    ? import("node:tls").then((tls) => tls.connect({ host, port, servername: host }))
    : import("node:net").then((net) => net.connect(port, host));
  dialled.then(talk, () => done(undefined));
}

function answerIn(told: Buffer): HookAnswer | undefined | "more" {
  const head = told.indexOf("\r\n\r\n");
  if (head < 0) return "more";
  const headers = told.toString("latin1", 0, head);
  if (!/^HTTP\/1\.1 200 /.test(headers)) return undefined;
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(headers)?.[1] ?? Number.NaN);
  if (!Number.isSafeInteger(length)) return undefined;
  if (told.length < head + 4 + length) return "more";
  try {
    const said = JSON.parse(told.toString("utf8", head + 4, head + 4 + length)) as Partial<HookAnswer>;
    const { stdout = "", stderr = "", exitCode } = said;
    return { stdout: String(stdout), stderr: String(stderr), exitCode: exitCode === 2 ? 2 : 0 };
  } catch {
    return undefined;
  }
}
