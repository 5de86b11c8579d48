/**
 * The hub of a log that runs: found by its file, believed only when it answers as the one the file names.
 */
import { readFileSync } from "node:fs";
import { Refused } from "../../core/client/refused.ts";
import { Failure } from "../../core/failures.ts";
import { type HubFile, readHubFile } from "../place/hub-file.ts";
import { visitHub } from "./reach.ts";

/** How the hub that the file names stands. */
export type Standing =
  /** It answers and is the one. */
  | { readonly is: "running"; readonly hub: HubFile }
  /** It answers, and asks for a token before it says who it is. */
  | { readonly is: "guarded"; readonly hub: HubFile }
  /** Its process seems alive, but no hub of that name answers: it hangs, or another has its number now. */
  | { readonly is: "silent"; readonly hub: HubFile }
  | { readonly is: "none" };

/** Asks the hub that the file beside a log names. */
export async function hubStanding(folder: string, env: NodeJS.ProcessEnv): Promise<Standing> {
  const hub = readHubFile(folder);
  if (hub === undefined) return { is: "none" };
  const token = env.HOLDFAST_TOKEN;
  for (const url of hub.urls) {
    if (!/^(ws|mqtt):/.test(url)) continue;
    try {
      const opening = { agent: "keeper", observe: true, ...(token ? { token } : {}) };
      const visit = await visitHub(url, opening);
      await visit.close();
      // A hub of another log, or another hub of this one, that has the address now.
      if (visit.hub === hub.hub) return { is: "running", hub };
    } catch (error) {
      if (error instanceof Refused) return { is: "guarded", hub };
      if (!(error instanceof Failure)) throw error;
    }
  }
  return { is: "silent", hub };
}

/**
 * Whether a process is one that serves, as far as the system tells; `undefined` where it does not tell.
 */
export function isServing(pid: number): boolean | undefined {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.includes("serve") && words.some((word) => /holdfast|bin\.(ts|js)$/.test(word));
  } catch {
    return undefined;
  }
}
