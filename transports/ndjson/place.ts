/**
 * Where a spool is and how its folders are called: `ndjson:DIR?agent=NAME`, one folder an agent.
 */
import { lstat, mkdir, realpath } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { Failure } from "../../core/failures.ts";

/** The file an agent appends requests to, and the one it reads responses from. */
export const REQUESTS = "requests.ndjson";
export const RESPONSES = "responses.ndjson";
/** Folder of the hub's own notes; no agent's, since theirs do not begin with a dot. */
export const NOTES = ".hub";

const PLAIN_MAX = 64;
const ENCODED_MAX = 200;

/** The folder and the agent of a url. Throws `usage`. */
export function spoolPlace(url: string): { readonly root: string; readonly agent?: string } {
  const [, path = "", query] = /^ndjson:([^?]*)(?:\?(.*))?$/is.exec(url) ?? [];
  if (path === "") {
    throw new Failure("usage", "A spool's url has the form ndjson:DIR?agent=NAME.", { fields: { url } });
  }
  const agent = new URLSearchParams(query ?? "").get("agent");
  return { root: resolve(path), ...(agent === null || agent === "" ? {} : { agent }) };
}

/**
 * The folder of an agent: its name where that is made of letters, digits, `.`, `_` and `-` and begins
 * with no dot, else percent-encoded. Different names have different folders. Throws `usage` for one
 * that is too long.
 */
export function folderOf(agent: string): string {
  let folder = "";
  for (const byte of Buffer.from(agent, "utf8")) {
    const character = String.fromCharCode(byte);
    const plain = /[A-Za-z0-9_-]/.test(character) || (character === "." && folder !== "");
    folder += plain ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  const max = folder.includes("%") ? ENCODED_MAX : PLAIN_MAX;
  if (folder.length <= max) return folder;
  throw new Failure("usage", "An agent's name is too long for a folder of a spool.", { fields: { agent } });
}

/** The agent whose folder this is; `undefined` when it cannot be any's. */
export function agentOf(folder: string): string | undefined {
  if (!/^[A-Za-z0-9_%-][A-Za-z0-9._%-]*$/.test(folder)) return undefined;
  try {
    const agent = decodeURIComponent(folder);
    return folderOf(agent) === folder ? agent : undefined;
  } catch {
    return undefined;
  }
}

/** Makes a folder that only its owner can enter, where there is none. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/** The owner of an agent's folder; `undefined` when it is no real folder within the root. */
export async function folderOwner(root: string, folder: string): Promise<number | undefined> {
  const path = join(root, folder);
  try {
    const stat = await lstat(path);
    if (!stat.isDirectory()) return undefined;
    const [realRoot, real] = await Promise.all([realpath(root), realpath(path)]);
    return real === `${realRoot}${realRoot.endsWith(sep) ? "" : sep}${folder}` ? stat.uid : undefined;
  } catch {
    return undefined;
  }
}
