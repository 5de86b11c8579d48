/**
 * `hub.json` beside the log: where the newest hub of this log listens. A hint, never the truth: whoever
 * reads it finds out by connecting.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface HubFile {
  readonly pid: number;
  /** Id of the hub's engine. */
  readonly hub: string;
  /** Id of the log it serves. */
  readonly log: string;
  readonly urls: readonly string[];
  /** Version of the program that serves. */
  readonly version?: string;
}

/** Where it stands, given the log's folder. */
export function hubFilePath(folder: string): string {
  return join(folder, "hub.json");
}

/** What it says, unless the process it names is gone. */
export function readHubFile(folder: string): HubFile | undefined {
  try {
    const said: unknown = JSON.parse(readFileSync(hubFilePath(folder), "utf8"));
    if (!isHubFile(said) || !isAlive(said.pid)) return undefined;
    return said;
  } catch {
    return undefined;
  }
}

/** Replaces it whole, readable by its owner only. */
export function writeHubFile(folder: string, said: HubFile): void {
  const file = hubFilePath(folder);
  const draft = `${file}.${process.pid}`;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(draft, `${JSON.stringify(said)}\n`, { mode: 0o600 });
  renameSync(draft, file);
}

/** Removes it, if it still names this hub and no newer one. */
export function removeHubFile(folder: string, hub: string): void {
  try {
    const said: unknown = JSON.parse(readFileSync(hubFilePath(folder), "utf8"));
    if (isHubFile(said) && said.hub === hub) rmSync(hubFilePath(folder), { force: true });
  } catch {
    // It is gone already, or somebody else's.
  }
}

function isHubFile(said: unknown): said is HubFile {
  if (typeof said !== "object" || said === null) return false;
  const { pid, hub, log, urls } = said as { [field: string]: unknown };
  const named = typeof hub === "string" && typeof log === "string";
  return (
    Number.isSafeInteger(pid) && named && Array.isArray(urls) && urls.every((url) => typeof url === "string")
  );
}

/** Whether there is a process of that number, whoever's it is. */
export function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
