/**
 * The command hook: hands what a host tells to the hub and says its answer. A program of its own, which
 * loads next to nothing, for a host waits for it at every tool. Ends with 0, or 2 where a host wants that
 * for a refusal, and never with 1, which some hosts take for one.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { connect, type Socket } from "node:net";
import { isAbsolute, join } from "node:path";
import { limits } from "../../core/limits.ts";
import { readHubFile } from "../place/hub-file.ts";
import { findRepository } from "../place/repository.ts";
import { answerOf } from "./answer.ts";
import type { HookAnswer, HookEvent, Host } from "./event.ts";
import { canSay, hostNamed, hosts } from "./hosts.ts";
import { type Environment, normalise } from "./normalise.ts";
import { policyOf } from "./policy.ts";
import { writesOf } from "./shell.ts";
import { spool } from "./spool.ts";
import { spotsOf, spotsWritten } from "./spots.ts";

const SILENCE: HookAnswer = { stdout: "", stderr: "", exitCode: 0 };

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
export function runHook(name: string, event: string | undefined, isSpare = false): void {
  process.on("uncaughtException", () => process.exit(0));
  const host = hostNamed(name);
  const text = host === undefined ? undefined : standardInput();
  const payload = text === undefined ? undefined : payloadOf(text, event);
  if (host === undefined || text === undefined || payload === undefined) return end(SILENCE);
  const { env } = process;
  const cwd = folderOf(payload, env);
  const repository = findRepository(cwd);
  const door = doorOf(repository.folder, env);
  const told = environmentOf(host, env);
  const down = () => end(withoutHub(host, payload, told, repository.folder));
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

/** What a hub must know of the environment: never more. */
function environmentOf(host: Host, env: NodeJS.ProcessEnv): Environment {
  const names = ["HOLDFAST_AGENT", "PWD", ...Object.keys(hosts[host].print)];
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

function requestOf(host: Host, door: Door, told: Environment, env: NodeJS.ProcessEnv, body: string): string {
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
  if (!isSecure) return talk(connect(port, host));
  // Loaded where it is needed: it takes longer than all the rest.
  import("node:tls").then(
    (tls) => talk(tls.connect({ host, port, servername: host })),
    () => done(undefined),
  );
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

/** No hub answers: edits go on, unless the repository wants them to wait; what was done is kept for the hub. */
function withoutHub(host: Host, payload: Payload, told: Environment, folder: string): HookAnswer {
  const event = normalise(host, payload, told);
  // Where nothing was ever set up nobody expects a hub.
  if (event === undefined || !isFolder(folder)) return SILENCE;
  const agent = told.HOLDFAST_AGENT;
  const isEdit = event.tools.some(({ kind }) => kind === "edit");
  if (isEdit && (event.moment === "after" || event.moment === "batch")) {
    const id = `hook:${Date.now()}:${process.pid}:${process.hrtime.bigint()}`;
    spool(folder, { id, atMs: Date.now(), event, ...(agent === undefined ? {} : { agent }) });
  }
  if (event.moment === "before" && isGuarded(event)) {
    return answerOf(event, {
      deny: "No Holdfast hub answers, so nobody can tell who holds this file, and this repository wants to know before it is edited. Ask your user to run holdfast up, or wait until it runs. Nothing was changed.",
    });
  }
  if (!canSay(event, "warning") || !isFirst(folder, event)) return SILENCE;
  const isClosed = policyOf(findRepository(event.cwd).root).whenHubIsDown === "closed";
  return answerOf(event, {
    warning: `Holdfast: no hub answers, so nobody guards who edits what. Start one with holdfast up; edits ${isClosed ? "wait until then" : "go on"}.`,
  });
}

/** Whether an edit must wait for the hub. */
function isGuarded({ tools, cwd }: HookEvent): boolean {
  return tools.some((tool) => {
    if (tool.kind === "other") return false;
    const spots =
      tool.kind === "edit" ? spotsOf(tool.paths, cwd) : spotsWritten(writesOf(tool.command ?? "", cwd)).spots;
    return spots.some(({ root, path, isFolder }) => {
      const policy = policyOf(root);
      return policy.whenHubIsDown === "closed" && policy.measure(path, isFolder) === "deny";
    });
  });
}

/** Whether this is the first warning of the session. */
function isFirst(folder: string, { session }: HookEvent): boolean {
  const place = join(folder, "hook-warned");
  try {
    mkdirSync(place, { recursive: true, mode: 0o700 });
    const there = readdirSync(place);
    if (there.length >= limits.hookSessionsMax) rmSync(place, { recursive: true, force: true });
    const name = session.replace(/[^A-Za-z0-9-]/g, "_").slice(0, 80);
    mkdirSync(place, { recursive: true, mode: 0o700 });
    writeFileSync(join(place, `s${name}`), "", { flag: "wx", mode: 0o600 });
    return true;
  } catch {
    return false;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
