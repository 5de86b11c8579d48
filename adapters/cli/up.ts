/**
 * `up` and `down`: the hub of a repository in the background.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import { type HubFile, hubFilePath, isAlive, removeHubFile } from "../place/hub-file.ts";
import { type Command, exits, type Run } from "./command.ts";
import { type Place, placeOf } from "./reach.ts";
import { safeLine } from "./render.ts";
import { hubStanding, isServing } from "./running-hub.ts";
import { hookPort } from "./setup-terms.ts";
import { lastWords, openWords, wordsFile } from "./words-file.ts";

const POLL_MS = 25;
/** Lines of its last words that are shown of a hub that did not start. */
const LAST_WORDS = 8;

export const upVerb: Run = async (command) => {
  const { args, env, out } = command;
  const place = placeOf(command);
  const standing = await hubStanding(place.folder, env);
  const runs = standing.is === "running" || standing.is === "guarded";
  const { hub, started } = runs ? { hub: standing.hub, started: false } : await start(command, place);
  const words = wordsFile(place.folder);
  const said = { running: true, started, pid: hub.pid, urls: hub.urls, log: place.file, words };
  if (args.flag("quiet")) return exits.ok;
  out.data(said, () => hub.urls.map((url) => `listening at ${url}`).join("\n"));
  out.say(
    started
      ? `The hub runs in the background, process ${hub.pid}; its words are in ${words}. holdfast down stops it.`
      : `The hub runs already, process ${hub.pid}.`,
  );
  if (!started && args.rest.length > 0)
    out.say("The options after -- have no effect on it: holdfast down first.");
  return exits.ok;
};

/** Starts a hub, unless another command is just doing so; either way one answers afterwards. */
async function start(
  command: Command,
  place: Place,
): Promise<{ readonly hub: HubFile; readonly started: boolean }> {
  mkdirSync(place.folder, { recursive: true, mode: 0o700 });
  const untilMs = performance.now() + limits.hubStartMs;
  const lock = join(place.folder, "up.lock");
  while (!takeLock(lock)) {
    await pause();
    const standing = await hubStanding(place.folder, command.env);
    if (standing.is === "running" || standing.is === "guarded") return { hub: standing.hub, started: false };
    if (performance.now() > untilMs)
      throw notStarted(place, "another command has been starting one for long");
  }
  try {
    // It may have come up between the first look and the lock.
    const standing = await hubStanding(place.folder, command.env);
    if (standing.is === "running" || standing.is === "guarded") return { hub: standing.hub, started: false };
    const child = spawnHub(command, place);
    return { hub: await answering(child, command, place, untilMs), started: true };
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Whether the lock is ours now. One whose owner is gone, or that is older than any start, is nobody's. */
function takeLock(lock: string): boolean {
  try {
    writeFileSync(lock, `${process.pid}\n`, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  try {
    const old = Date.now() - statSync(lock).mtimeMs > limits.hubStartMs;
    if (old || !isAlive(Number(readFileSync(lock, "utf8")))) rmSync(lock, { force: true });
  } catch {
    // It was just given back.
  }
  return false;
}

/** The process of a hub, which lives on when this one ends. */
function spawnHub({ args, env }: Command, { folder, file, repository }: Place): ChildProcess {
  const words = wordsFile(folder);
  const descriptor = openWords(words);
  const port = folder === repository.folder ? hookPort(repository.root) : undefined;
  const told = [
    ...["serve", "--json", "--log", file, "--words", words],
    ...(port === undefined ? [] : ["--port", String(port)]),
    ...args.rest,
  ];
  // Who starts it is not who it serves.
  const { HOLDFAST_AGENT: _, HOLDFAST_HUB: __, ...rest } = env;
  try {
    const child = spawn(process.execPath, [process.argv[1] as string, ...told], {
      // The folder of the log outlives any worktree.
      cwd: folder,
      env: rest,
      detached: true,
      windowsHide: true,
      stdio: ["ignore", descriptor, descriptor],
    });
    child.unref();
    return child;
  } finally {
    closeSync(descriptor);
  }
}

/** Waits until it answers. Throws when it ends before that, or takes too long. */
async function answering(
  child: ChildProcess,
  { env }: Command,
  place: Place,
  untilMs: number,
): Promise<HubFile> {
  let ended: string | undefined;
  child.on("error", (error) => {
    ended = `it cannot be run: ${error.message}`;
  });
  child.on("exit", (code, signal) => {
    ended = `it ended with ${signal ?? `exit code ${code}`}`;
  });
  for (;;) {
    const standing = await hubStanding(place.folder, env);
    if (standing.is === "running" || standing.is === "guarded") return standing.hub;
    if (ended !== undefined) throw notStarted(place, ended);
    if (performance.now() > untilMs) {
      child.kill("SIGTERM");
      throw notStarted(place, `it did not answer within ${limits.hubStartMs / 1000} s`);
    }
    await pause();
  }
}

function notStarted({ folder }: Place, why: string): Failure {
  const words = wordsFile(folder);
  const last = lastWords(words, LAST_WORDS).join(" | ");
  const told = last === "" ? "" : ` Its last words: ${last}`;
  return new Failure("hub.unreachable", `The hub was not started: ${why}. See ${words}.${told}`, {
    fields: { words },
  });
}

export const downVerb: Run = async (command) => {
  const { args, env, out } = command;
  const { folder } = placeOf(command);
  const say = (words: string): void => {
    if (!args.flag("quiet")) out.say(words);
  };
  const standing = await hubStanding(folder, env);
  const told = (stopped: boolean, more: object = {}): void => {
    if (!args.flag("quiet")) out.data({ running: false, stopped, ...more }, () => "");
  };
  if (standing.is === "none") {
    rmSync(hubFilePath(folder), { force: true });
    told(false);
    say("No hub runs here.");
    return exits.ok;
  }
  const { hub } = standing;
  if (standing.is !== "running" && isServing(hub.pid) === false) {
    // The number was given to another program: the hub itself is long gone.
    removeHubFile(folder, hub.hub);
    told(false);
    say(
      `No hub runs here; process ${hub.pid}, which it once was, is another program now and was left alone.`,
    );
    return exits.ok;
  }
  if (standing.is === "silent") {
    say(
      `Process ${hub.pid} does not answer as the hub of this log, so it was left alone: it may be another ` +
        `program by now. If it is the hub, and hangs, end it yourself: kill ${hub.pid}`,
    );
    return exits.failed;
  }
  if (standing.is === "guarded" && isServing(hub.pid) === undefined) {
    say("The hub asks for a token before it says who it is, so it was left alone: set HOLDFAST_TOKEN.");
    return exits.failed;
  }
  process.kill(hub.pid, "SIGTERM");
  const untilMs = performance.now() + limits.hubStopMs;
  while (isAlive(hub.pid)) {
    if (performance.now() > untilMs) {
      say(
        safeLine(`The hub, process ${hub.pid}, was told to end and has not yet; see ${wordsFile(folder)}.`),
      );
      return exits.failed;
    }
    await pause();
  }
  // Where a signal cannot be heard, as on Windows, it had no time to do so itself.
  removeHubFile(folder, hub.hub);
  told(true, { pid: hub.pid });
  say(`The hub, process ${hub.pid}, has ended.`);
  return exits.ok;
};

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
