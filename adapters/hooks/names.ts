/**
 * Names: under which agent a host's session acts. The same as its shell's, which finds it in the
 * environment; where that was told otherwise (HOLDFAST_AGENT), the first hook that says so is remembered
 * beside the log, for hooks over HTTP cannot say it.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { limits } from "../../core/limits.ts";
import { formats } from "../../core/protocol/formats.ts";
import { hostAgent, subagentOf } from "../place/identity.ts";
import { findRepository } from "../place/repository.ts";
import type { HookEvent } from "./event.ts";

const FOLDER = "hook-names";

/** The agent of the session, subagents aside. `told`: what the environment says, if it was passed on. */
export function sessionAgent(event: HookEvent, told: string | undefined): string {
  const own = hostAgent(event.host, event.session);
  const folder = logFolder(event.cwd);
  if (told !== undefined && formats.name(told) === undefined) {
    if (told !== own && folder !== undefined) remember(folder, event.session, told);
    return told;
  }
  return (folder === undefined ? undefined : recall(folder, event.session)) ?? own;
}

/** The agent that speaks: the session's, or its subagent's. */
export function speakerOf(agent: string, { subagent }: Pick<HookEvent, "subagent">): string {
  return subagent === undefined ? agent : subagentOf(agent, subagent);
}

/** The folder of the log for whoever stands there, if there is one. */
export function logFolder(cwd: string): string | undefined {
  if (!isAbsolute(cwd)) return undefined;
  try {
    const { folder } = findRepository(cwd);
    return statSync(folder).isDirectory() ? folder : undefined;
  } catch {
    return undefined;
  }
}

function recall(folder: string, session: string): string | undefined {
  try {
    const name = readFileSync(join(folder, FOLDER, digest(session)), "utf8").trim();
    return formats.name(name) === undefined ? name : undefined;
  } catch {
    return undefined;
  }
}

/** A disk that takes nothing costs only the memory. */
function remember(folder: string, session: string, name: string): void {
  if (recall(folder, session) === name) return;
  const place = join(folder, FOLDER);
  const draft = join(place, `.${randomBytes(6).toString("hex")}`);
  try {
    mkdirSync(place, { recursive: true, mode: 0o700 });
    const there = readdirSync(place);
    if (there.length >= limits.hookSessionsMax) {
      const dated = there.map((file) => [join(place, file), statSync(join(place, file)).mtimeMs] as const);
      dated.sort(([, a], [, b]) => a - b);
      for (const [file] of dated.slice(0, there.length >> 1)) rmSync(file, { force: true });
    }
    writeFileSync(draft, `${name}\n`, { mode: 0o600 });
    renameSync(draft, join(place, digest(session)));
  } catch {
    rmSync(draft, { force: true });
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
