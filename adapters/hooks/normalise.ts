/**
 * Turns what a host's hook tells into the one form. Total: whatever comes in, out comes a safe event or
 * nothing, never an error; what is read is bounded.
 */
import { limits } from "../../core/limits.ts";
import type { HookEvent, Host, Moment, ToolUse } from "./event.ts";
import type { EventFacts, FieldFacts, HostFacts, Place, ToolFacts } from "./host-facts.ts";
import { eventFacts, hosts } from "./hosts.ts";
import { patchPaths } from "./patches.ts";

/** The environment of the hook's process, as far as it is known. */
export interface Environment {
  readonly [name: string]: string | undefined;
}

/**
 * The event that a payload tells of, or nothing: not an object, an event that does not matter here, no
 * session, no folder. A payload that another host sends through this one's registration comes back as
 * that host's. `env` is that of the command hook; over HTTP there is none, and `isPrint` is false unless
 * the payload says so.
 */
export function normalise(host: Host, raw: unknown, env: Environment = {}): HookEvent | undefined {
  try {
    return isObject(raw) ? read(hostOf(host, raw), raw, env) : undefined;
  } catch {
    // A payload that is no plain data (a getter that throws): nothing can be known of it.
    return undefined;
  }
}

interface Payload {
  readonly [field: string]: unknown;
}

function hostOf(host: Host, raw: Payload): Host {
  const isThere = (field: string) => Object.hasOwn(raw, field);
  const guest = hosts[host].guests.find(
    ({ has, lacks }) => has.every(isThere) && !lacks.some(isThere) && knows(hosts[host], raw),
  );
  return guest?.host ?? host;
}

/**
 * A guest sends the names of the host whose file it read, or, where it spells fields its own way, its
 * own.
 */
function knows(facts: HostFacts, raw: Payload): boolean {
  const event = textAt(raw, facts.fields.event);
  return event === undefined || Object.hasOwn(facts.events, event);
}

function read(host: Host, raw: Payload, env: Environment): HookEvent | undefined {
  const facts = hosts[host];
  const { fields } = facts;
  const event = textAt(raw, fields.event) ?? inferred(facts, raw);
  const known = event === undefined ? undefined : eventFacts(host, event);
  if (event === undefined || known === undefined) return undefined;
  const session = idAt(raw, fields.session);
  const cwd = folderAt(raw, fields.cwd) ?? absolute(env.PWD);
  if (session === undefined || cwd === undefined) return undefined;
  const subagent = idAt(raw, fields.subagent);
  if (known.isSubagents && subagent === undefined) return undefined;
  const source = textAt(raw, fields.source);
  return {
    host,
    event,
    moment: momentOf(known, fields, raw),
    session,
    ...(subagent !== undefined && { subagent }),
    cwd,
    tools: toolsOf(facts, known, raw),
    ...(source !== undefined && source.length <= limits.idMax && { source }),
    isHeld: fields.held.some((place) => isSet(valueAt(raw, place))),
    isPrint: isPrint(facts, env),
  };
}

/**
 * Copilot's own form does not say which event it is; its fields do. Where they do not, the caller must
 * put the name in (`hook_event_name`).
 */
function inferred(facts: HostFacts, raw: Payload): string | undefined {
  if (facts !== hosts.copilot || !Object.hasOwn(raw, "sessionId")) return undefined;
  const has = (field: string) => Object.hasOwn(raw, field);
  if (has("toolName")) {
    if (has("toolResult")) return "postToolUse";
    return has("error") ? "postToolUseFailure" : "preToolUse";
  }
  if (has("agentId")) return "subagentStop";
  if (has("agentName")) return "subagentStart";
  if (has("stopReason")) return "agentStop";
  if (has("source")) return "sessionStart";
  if (has("reason")) return "sessionEnd";
  return has("prompt") && !has("transformedPrompt") ? "userPromptSubmitted" : undefined;
}

function momentOf(known: EventFacts, fields: FieldFacts, raw: Payload): Moment {
  if (known.moment !== "after") return known.moment;
  const error = fields.error.map((place) => valueAt(raw, place)).find((value) => value !== undefined);
  return error === undefined || error === null || error === "" || error === false ? "after" : "failed";
}

function isPrint(facts: HostFacts, env: Environment): boolean {
  return Object.entries(facts.print).some(([name, values]) => {
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    return value !== undefined && (values === "any" ? value !== "" : values.includes(value));
  });
}

// Tools.

function toolsOf(facts: HostFacts, known: EventFacts, raw: Payload): readonly ToolUse[] {
  const { fields } = facts;
  if (known.moment === "batch") {
    const batch = firstAt(raw, fields.batch);
    const uses = Array.isArray(batch) ? batch.slice(0, limits.hookToolsMax) : [];
    return uses.flatMap((use) => (isObject(use) ? toolOf(facts, use, undefined) : []));
  }
  if (known.moment === "before" || known.moment === "after") return toolOf(facts, raw, known.tool);
  return known.moment === "failed" ? toolOf(facts, raw, known.tool) : [];
}

function toolOf(facts: HostFacts, use: Payload, implied: string | undefined): readonly ToolUse[] {
  const { fields } = facts;
  const name = implied ?? textAt(use, fields.tool);
  if (name === undefined || name === "" || name.length > limits.idMax) return [];
  const id = idAt(use, fields.use);
  const named = { name, ...(id !== undefined && { id }) };
  const tool = Object.hasOwn(facts.tools, name) ? facts.tools[name] : undefined;
  const input = implied === undefined ? opened(firstAt(use, fields.input)) : use;
  if (tool === undefined || isReading(tool, input)) return [{ ...named, kind: "other", paths: [] }];
  if (tool.kind === "shell") return [{ ...named, ...shellOf(tool, input) }];
  return [{ ...named, ...editOf(tool, input) }];
}

function isReading(tool: ToolFacts, input: unknown): boolean {
  if (tool.readsWhen === undefined) return false;
  const { place, values } = tool.readsWhen;
  const value = valueAt(input, place);
  return typeof value === "string" && values.includes(value);
}

/** Some hosts send a tool's input as a text of JSON. */
function opened(input: unknown): unknown {
  if (typeof input !== "string" || input.length > limits.hookPatchMax || !/^\s*[[{"]/.test(input))
    return input;
  try {
    return JSON.parse(input);
  } catch {
    return input;
  }
}

function editOf(tool: ToolFacts, input: unknown): Omit<ToolUse, "name" | "id"> {
  const paths = new Set<string>();
  let isCut = false;
  const add = (path: string) => {
    if (path === "" || path.includes("\0")) return;
    if (path.length > limits.hookPathMax || paths.size >= limits.hookPathsMax) isCut = true;
    else paths.add(path);
  };
  for (const place of tool.paths ?? []) for (const path of textsAt(input, place)) add(path);
  for (const place of tool.patch ?? [])
    for (const text of textsAt(input, place)) {
      const patch = patchPaths(text);
      patch.paths.forEach(add);
      isCut ||= patch.isCut;
    }
  return { kind: "edit", paths: [...paths], ...(isCut && { isCut }) };
}

function shellOf(tool: ToolFacts, input: unknown): Omit<ToolUse, "name" | "id"> {
  const place = (tool.command ?? []).find((at) => commandOf(valueAt(input, at)) !== undefined);
  const whole = place === undefined ? undefined : commandOf(valueAt(input, place));
  const cwd = (tool.cwd ?? []).flatMap((at) => textsAt(input, at)).find((text) => text !== "");
  return {
    kind: "shell",
    paths: [],
    ...(whole !== undefined && { command: whole.slice(0, limits.hookCommandMax) }),
    ...(cwd !== undefined && cwd.length <= limits.hookPathMax && { cwd }),
    ...(whole !== undefined && whole.length > limits.hookCommandMax && { isCut: true as const }),
  };
}

/** A command, also where a host gives it as a list of words. */
function commandOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value) || value.length === 0 || value.length > limits.shellTokensMax) return undefined;
  if (!value.every((word): word is string => typeof word === "string")) return undefined;
  return value
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}

// Reading payloads: own fields only, so that nothing of a prototype is ever taken for data.

function isObject(value: unknown): value is Payload {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function valueAt(root: unknown, place: Place): unknown {
  let value = root;
  for (const field of place === "" ? [] : place.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, field)) return undefined;
    value = (value as Payload)[field];
  }
  return value;
}

function firstAt(root: unknown, places: readonly Place[]): unknown {
  for (const place of places) {
    const value = valueAt(root, place);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The texts at a place; with `*` in it, those of every item of a list. */
function textsAt(root: unknown, place: Place): readonly string[] {
  const [head, tail] = place.split(".*.");
  if (tail === undefined) {
    const value = valueAt(root, place);
    return typeof value === "string" ? [value] : [];
  }
  const items = valueAt(root, head as string);
  if (!Array.isArray(items)) return [];
  return items.slice(0, limits.hookPathsMax + 1).flatMap((item) => textsAt(item, tail));
}

function textAt(root: Payload, places: readonly Place[]): string | undefined {
  for (const place of places) {
    const value = valueAt(root, place);
    if (typeof value === "string" && value !== "") return value;
  }
  return undefined;
}

/** An id is a name in what follows: short, and of characters that can be shown. */
function idAt(root: Payload, places: readonly Place[]): string | undefined {
  const id = textAt(root, places);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  return id === undefined || id.length > limits.idMax || /[\x00-\x1f\x7f]/.test(id) ? undefined : id;
}

function folderAt(root: Payload, places: readonly Place[]): string | undefined {
  for (const place of places) {
    const value = valueAt(root, place);
    const folder = typeof value === "string" ? absolute(value) : undefined;
    if (folder !== undefined) return folder;
  }
  return undefined;
}

function absolute(path: string | undefined): string | undefined {
  if (path === undefined || path.length > limits.hookPathMax || path.includes("\0")) return undefined;
  return /^(?:\/|[A-Za-z]:[\\/]|\\\\)/.test(path) ? path : undefined;
}

/** Whether a hook has held the turn already: true, or a count of the times. */
function isSet(value: unknown): boolean {
  return value === true || (typeof value === "number" && value > 0);
}
