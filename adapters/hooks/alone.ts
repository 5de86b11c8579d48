/**
 * The command hook where no hub answers: edits go on, unless the repository wants them to wait; the session
 * is warned once, and what was edited is kept for the next hub. Loaded only then.
 */
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../core/limits.ts";
import { findRepository } from "../place/repository.ts";
import { answerOf } from "./answer.ts";
import type { HookAnswer, HookEvent } from "./event.ts";
import { canSay, hostNamed } from "./hosts.ts";
import { type Environment, normalise } from "./normalise.ts";
import { policyOf } from "./policy.ts";
import { writesOf } from "./shell.ts";
import { spool } from "./spool.ts";
import { spotsOf, spotsWritten } from "./spots.ts";

const SILENCE: HookAnswer = { stdout: "", stderr: "", exitCode: 0 };

/** What the host is told. `folder`: that of the log. */
export function withoutHub(name: string, payload: object, told: Environment, folder: string): HookAnswer {
  const host = hostNamed(name);
  const event = host === undefined ? undefined : normalise(host, payload, told);
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
      deny:
        "No Holdfast hub answers, so nobody can tell who holds this file, and this repository wants to know " +
        "before it is edited. Ask your user to run holdfast up, or wait until it runs. Nothing was changed.",
    });
  }
  if (!canSay(event, "warning") || !isFirst(folder, event)) return SILENCE;
  const isClosed = policyOf(findRepository(event.cwd).root).whenHubIsDown === "closed";
  const edits = isClosed ? "edits wait until then" : "edits go on";
  return answerOf(event, {
    warning: `Holdfast: no hub answers, so nobody guards who edits what. Start one with holdfast up; ${edits}.`,
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
