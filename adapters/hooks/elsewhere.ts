/**
 * Hooks of another repository. Hooks over HTTP are posted to a port that stands in a committed file, so two
 * clones on one machine name the same one: whichever hub has it hands on what belongs to the other's.
 */
import { limits } from "../../core/limits.ts";
import { readHubFile } from "../place/hub-file.ts";
import type { HookEvent } from "./event.ts";
import { logFolder } from "./names.ts";

/** Marks what was handed on, so that it is never handed on again. */
export const PASSED_HEADER = "holdfast-passed";

/**
 * Where the hub listens whose repository an event comes from; nothing where that is this process, or
 * nobody.
 */
export function hubElsewhere({ cwd }: Pick<HookEvent, "cwd">): string | undefined {
  const folder = logFolder(cwd);
  const hub = folder === undefined ? undefined : readHubFile(folder);
  if (hub === undefined || hub.pid === process.pid) return undefined;
  // A file names any address; only this machine's are believed.
  const url = hub.urls.find((one) => /^(ws|http):\/\/(127\.0\.0\.1|localhost|\[::1\]):\d+/.test(one));
  return url?.replace(/^ws:/, "http:").replace(/\/+$/, "");
}

/** Hands a payload on; what is answered, or nothing where there is no answer. */
export async function passOn(
  url: string,
  host: string,
  payload: unknown,
  authorization: string | undefined,
): Promise<string | undefined> {
  try {
    const answer = await fetch(`${url}/hooks/${host}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        [PASSED_HEADER]: "1",
        ...(authorization === undefined ? {} : { authorization }),
      },
      body: JSON.stringify(payload),
      redirect: "error",
      signal: AbortSignal.timeout(2 * limits.hookCallMs),
    });
    return answer.ok ? await answer.text() : undefined;
  } catch {
    return undefined;
  }
}
