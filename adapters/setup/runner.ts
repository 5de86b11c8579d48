/**
 * How hosts start Holdfast: what is written into files that many machines read must name no machine.
 */
import { isObject, type Json, type JsonObject } from "./json-text.ts";

/**
 * The words before a verb: the program itself where it is installed, else npx, which never downloads it
 * here.
 */
export type Runner = "holdfast" | "npx --no-install holdfast";

/** Every runner there is, the quickest first. */
export const runners: readonly Runner[] = ["holdfast", "npx --no-install holdfast"];

/** The command line of a host's hook. It is the same in every version: Codex trusts hooks by their text. */
export function hookLine(runner: Runner, host: string): string {
  return `${runner} hook ${host}`;
}

/** The same beside a hook that is posted: it keeps what happens while no hub runs. */
export function spareLine(runner: Runner, host: string): string {
  return `${hookLine(runner, host)} --when-down`;
}

/** The same at the start of a session: the hub runs before the hook asks it. */
export function startLine(runner: Runner, host: string, and = ";"): string {
  return `${runner} ensure --quiet${and} ${hookLine(runner, host)}`;
}

const HOOK_LINE = /(?:^|[\s;&|"'/\\])holdfast(?:\.cmd|\.js)?["']? hook [a-z]+\b/;
/** The page of a hub that hooks of Claude Code are posted to. */
export const HOOK_URL = /^http:\/\/(?:127\.0\.0\.1|localhost):(\d+)\/hooks\/[a-z]+$/;

/** Whether a handler in a host's file of hooks is Holdfast's, in any form it ever had. */
export function isHookOfOurs(handler: JsonObject): boolean {
  const { command, bash, powershell, url, args } = handler;
  const words = Array.isArray(args) ? args.join(" ") : "";
  const lines = [command, bash, powershell].filter((line) => typeof line === "string");
  return (
    lines.some((line) => HOOK_LINE.test(`${line} ${words}`)) ||
    (typeof url === "string" && HOOK_URL.test(url))
  );
}

/** A server of tools, for files that want its command and arguments apart. */
export function toolServer(runner: Runner): { readonly command: string; readonly args: readonly string[] } {
  const [command = "", ...args] = [...runner.split(" "), "mcp"];
  return { command, args };
}

/** Whether an entry that names a server of tools is one that Holdfast writes. */
export function isToolServerOfOurs(value: Json): boolean {
  if (!isObject(value)) return false;
  const { command, args = [], type: _, enabled: __, ...others } = value;
  if (Object.keys(others).length > 0) return false;
  const line = [command, args].flat().join(" ");
  return runners.some((runner) => line === `${runner} mcp`);
}

/** The runner that a text names; `undefined` where it names none. */
export function runnerIn(text: string): Runner | undefined {
  if (/npx --no-install holdfast hook /.test(text)) return "npx --no-install holdfast";
  return /"holdfast hook [a-z]/.test(text) ? "holdfast" : undefined;
}

/** The port that Claude Code's hooks in a text are posted to; `undefined` where there are none. */
export function portIn(text: string): number | undefined {
  for (const [, url = ""] of text.matchAll(/"(http:[^"\s]+\/hooks\/[a-z]+)"/g)) {
    const port = Number(HOOK_URL.exec(url)?.[1]);
    if (port > 0 && port < 65_536) return port;
  }
  return undefined;
}

/** The first port that a repository's hub may be given, and how many there are from it on. */
const PORTS = { first: 20_000, count: 10_000 } as const;

/**
 * The port of a repository: far from the defaults and from what systems hand out themselves, the same
 * whenever it is asked for the same folder, and `nth` others where that one is taken.
 */
export function portOf(folder: string, nth = 0): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < folder.length; i++) sum = Math.imul(sum ^ folder.charCodeAt(i), 0x01000193);
  return PORTS.first + (((sum >>> 0) + nth * 37) % PORTS.count);
}
