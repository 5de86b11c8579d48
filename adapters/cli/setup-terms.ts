/**
 * What init finds out before it plans: which hosts are in use, how they can start Holdfast, and which port is
 * this repository's.
 */
import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { policyOf } from "../hooks/policy.ts";
import type { HostSetup } from "../setup/host.ts";
import { hosts } from "../setup/hosts.ts";
import { portIn, portOf, type Runner, runnerIn } from "../setup/runner.ts";
import { usage } from "./arguments.ts";

/** The host that is set up where nothing tells which is used. */
const FALLBACK = "claude";

/** A host and why it is taken to be in use. */
export interface ChosenHost {
  readonly host: HostSetup;
  /** A file of the repository, a program, or `asked` or `default`. */
  readonly sign: string;
}

/** The hosts that were named, else those in use. Throws `usage` for a name no host has. */
export function chooseHosts(
  root: string,
  named: readonly string[] | undefined,
  env: NodeJS.ProcessEnv,
): readonly ChosenHost[] {
  if (named !== undefined) {
    for (const name of named) {
      if (hosts.some((host) => host.name === name)) continue;
      usage(`No host is called ${name}. There are ${hosts.map((host) => host.name).join(", ")}.`);
    }
    return hosts.filter(({ name }) => named.includes(name)).map((host) => ({ host, sign: "asked" }));
  }
  const found = hosts.flatMap((host): ChosenHost[] => {
    const sign = host.signs.find((path) => existsSync(join(root, path)));
    const program = sign === undefined ? host.programs.find((name) => findProgram(name, env)) : undefined;
    const why = sign ?? program;
    return why === undefined ? [] : [{ host, sign: why }];
  });
  if (found.length > 0) return found;
  return hosts.filter(({ name }) => name === FALLBACK).map((host) => ({ host, sign: "default" }));
}

/**
 * Where a program is found on the path, as a shell finds it. Folders that npm adds for as long as it runs one
 * command do not count when `lasting`.
 */
export function findProgram(name: string, env: NodeJS.ProcessEnv, lasting = true): string | undefined {
  const path = env.PATH ?? env.Path ?? "";
  const endings = process.platform === "win32" ? (env.PATHEXT ?? ".EXE;.CMD;.BAT").split(";") : [""];
  for (const folder of path.split(delimiter)) {
    if (folder === "" || (lasting && /[\\/](node_modules[\\/]\.bin|_npx)([\\/]|$)/.test(folder))) continue;
    for (const ending of endings) {
      const file = join(folder, name + ending);
      if (isProgram(file)) return file;
    }
  }
  return undefined;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * How hosts are to start Holdfast here. What the files say already stays, whoever wrote it: Codex asks for
 * trust again when a line changes, and others may have it otherwise installed.
 */
export function chooseRunner(root: string, env: NodeJS.ProcessEnv): Runner {
  for (const { hookFile } of hosts) {
    const said = runnerIn(textOf(join(root, hookFile)));
    if (said !== undefined) return said;
  }
  return findProgram("holdfast", env) === undefined ? "npx --no-install holdfast" : "holdfast";
}

/** Whether edits must wait where no hub answers, as the repository's policy says. */
export function waitsForHub(root: string): boolean {
  return policyOf(root).whenHubIsDown === "closed";
}

/** The port that the hooks of a repository name; `undefined` where none of them does. */
export function hookPort(root: string): number | undefined {
  return portIn(textOf(join(root, ".claude/settings.json")));
}

/** How many ports are tried before the first is taken after all. */
const TRIES = 20;

/** The port of this repository: the one its hooks name, else one that is free now. */
export async function choosePort(root: string, folder: string, asked: number | undefined): Promise<number> {
  if (asked !== undefined) {
    if (asked < 1 || asked > 65_535) usage("--port takes a port from 1 to 65535.");
    return asked;
  }
  const said = hookPort(root);
  if (said !== undefined) return said;
  for (let nth = 0; nth < TRIES; nth++) if (await isFree(portOf(folder, nth))) return portOf(folder, nth);
  return portOf(folder);
}

/** Whether nobody listens at a port of this machine. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** The text of a file; empty where there is none. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
