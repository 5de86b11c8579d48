/**
 * A host of agents, as far as setting it up goes, and what the entries of most hosts are made of.
 */
import { type Hooks, memberPart } from "./json-part.ts";
import type { JsonObject } from "./json-text.ts";
import type { Part } from "./part.ts";
import { isToolServerOfOurs, type Runner, toolServer } from "./runner.ts";

/** What the parts depend on. */
export interface Terms {
  readonly runner: Runner;
  /** Where hooks of Claude Code are posted to. */
  readonly port: number;
  /** Edits must wait where no hub answers, which only a command can see to. */
  readonly isClosed: boolean;
}

/** One host. */
export interface HostSetup {
  readonly name: string;
  /** As people call it. */
  readonly title: string;
  /** Files and folders of a repository that show it is used there. */
  readonly signs: readonly string[];
  /** Programs that show it is installed. */
  readonly programs: readonly string[];
  /** The file that its hooks stand in. */
  readonly hookFile: string;
  /** Where it looks for skills. */
  readonly skills: ".claude" | ".agents";
  /** What is left to the person, once. */
  readonly next?: string;
  parts(terms: Terms): readonly Part[];
}

/** A session may begin before the hub has come up. */
export const START_SECONDS = 30;
/** Tools of Claude Code, and of hosts that took over its names, that write a file they name. */
export const FILE_TOOLS = "Edit|Write|MultiEdit|NotebookEdit";
/** The same, and the shell. */
export const EDITS = `${FILE_TOOLS}|Bash`;

/** One group of handlers for each event. */
export function grouped(events: { readonly [event: string]: JsonObject }, handler: JsonObject): Hooks {
  return Object.fromEntries(
    Object.entries(events).map(([event, group]) => [event, [{ ...group, hooks: [handler] }]]),
  );
}

/** One handler for each event. */
export function flat(events: readonly string[], handler: JsonObject): Hooks {
  return Object.fromEntries(events.map((event) => [event, [handler]]));
}

/** A server of tools, in a file that lists them under `mcpServers`. */
export function mcpServers(path: string, title: string, { runner }: Terms, type: JsonObject = {}): Part {
  return memberPart({
    path,
    about: `tools for ${title} (MCP)`,
    within: "mcpServers",
    key: "holdfast",
    value: { ...type, ...toolServer(runner) },
    isOurs: isToolServerOfOurs,
  });
}
