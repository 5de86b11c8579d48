/**
 * Transcripts: who says what, and what is said back and written down, as text a person can read.
 *
 *     # A title, and words about it.
 *     alice> claim.acquire T1 paths=src/** ttlMs=60s
 *       ok seq=3 claim=T1 epoch=3 …
 *       3 alice: claim.granted claim=T1 …
 *     ... 10s
 *
 * A line `NAME> METHOD WORDS FIELD=VALUE FLAG` is sent as it is; `... 10s` lets time pass; `hub> restart` ends the
 * hub and starts another on its log; `NAME> drop` breaks a connection, `NAME> leave` says goodbye. What is indented
 * was answered or logged: it is compared, and rewritten by `vitest -u`.
 */
import { tables } from "../../core/model/model.ts";
import type { OptionalShape, Shape } from "../../core/model/shape.ts";
import type { Entry } from "../../core/model/slice.ts";
import { sessionMethods } from "../../core/protocol/methods.ts";

/** Something to be done, and how many lines are expected of it. */
export interface Step {
  /** The line itself, and the words above it. */
  readonly text: string;
  readonly words: readonly string[];
  readonly expected: number;
  readonly act:
    | { readonly kind: "pass"; readonly ms: number }
    | { readonly kind: "hub"; readonly verb: string }
    | { readonly kind: "say"; readonly agent: string; readonly method: string; readonly params: Params };
}

export type Params = { readonly [field: string]: unknown };

/** The steps of a transcript; throws for a line that is none. */
export function parse(text: string): readonly Step[] {
  const steps: Step[] = [];
  let words: string[] = [];
  for (const line of text.split("\n")) {
    const last = steps.at(-1);
    if (/^\s+\S/.test(line) && last !== undefined) {
      steps[steps.length - 1] = { ...last, expected: last.expected + 1 };
    } else if (line.trim() === "" || line.startsWith("#")) {
      words.push(line);
    } else {
      steps.push({ text: line, words, expected: 0, act: actOf(line) });
      words = [];
    }
  }
  return steps;
}

function actOf(line: string): Step["act"] {
  const pass = /^\.\.\. (\S+)$/.exec(line);
  if (pass !== null) return { kind: "pass", ms: durationMs(pass[1] ?? "") ?? 0 };
  const said = /^(\S+)> (\S+)\s*(.*)$/.exec(line);
  if (said === null) throw new Error(`no step of a transcript: ${line}`);
  const [, agent = "", method = "", rest = ""] = said;
  if (agent === "hub") return { kind: "hub", verb: method };
  return { kind: "say", agent, method, params: paramsOf(method, rest) };
}

/** What the words without a name are, by method or by noun. */
const POSITIONAL: { readonly [method: string]: readonly string[] } = {
  "claim.handoff": ["claim", "to"],
  "claim.report": ["claim", "status"],
  "checkpoint.save": ["claim", "text"],
  "task.declare": ["task", "title"],
  "task.block": ["task", "reason"],
  "progress.note": ["text"],
  "message.post": ["to", "body"],
  "message.acknowledge": ["messages"],
  "resource.offer": ["name", "kind"],
  "decision.record": ["text"],
  "activity.log": ["kind", "text"],
  "thread.read": ["thread"],
  "path.history": ["path"],
  claim: ["claim"],
  task: ["task"],
  channel: ["channel"],
  resource: ["name"],
};

function paramsOf(method: string, rest: string): Params {
  const fields: { readonly [name: string]: Shape | OptionalShape } = {
    ...tables.commands[method]?.fields,
    ...tables.queries[method]?.params.fields,
    ...tables.pasts[method]?.params.fields,
    ...(method in sessionMethods ? sessionMethods[method as "session.open"].fields : {}),
  };
  const unnamed = [...(POSITIONAL[method] ?? POSITIONAL[method.split(".")[0] ?? ""] ?? [])];
  const params: { [field: string]: unknown } = {};
  const scope: { [field: string]: unknown } = {};
  for (const [, name, quoted, bare] of rest.matchAll(/(?:([A-Za-z]+)=)?(?:"((?:[^"\\]|\\.)*)"|(\S+))/g)) {
    const value = quoted === undefined ? (bare ?? "") : (JSON.parse(`"${quoted}"`) as string);
    const field = name ?? unnamed.shift();
    if (field === undefined) params[value] = true;
    else if (fields[field] !== undefined || fields.scope === undefined)
      params[field] = fieldValue(fields[field], field, value);
    else if (field === "worktree") scope[field] = value;
    else if (field === "paths" || field === "files") scope[field] = value.split(",");
    else params[field] = fieldValue(undefined, field, value);
  }
  if (method === "task.declare") params.title ??= params.task;
  return Object.keys(scope).length === 0 ? params : { ...params, scope };
}

function fieldValue(given: Shape | OptionalShape | undefined, field: string, value: string): unknown {
  const shape = given?.kind === "optional" ? given.of : given;
  if (shape?.kind === "list") return value.split(",");
  if (shape?.kind === "free" || value.startsWith("{")) return JSON.parse(value);
  if (field.endsWith("Ms")) return durationMs(value) ?? value;
  if (shape?.kind === "integer" || shape === undefined) return /^-?\d+$/.test(value) ? Number(value) : value;
  if (shape.kind === "boolean") return value === "true";
  if (shape.kind === "union" && value.includes(",")) return value.split(",");
  return value;
}

const UNITS: { readonly [unit: string]: number } = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function durationMs(text: string): number | undefined {
  const [, count, unit = ""] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * (UNITS[unit] ?? 1);
}

/** An answer, a refusal or an entry as lines; moments are told from the beginning of the log. */
export class Scribe {
  private readonly startMs: () => number;

  constructor(startMs: () => number) {
    this.startMs = startMs;
  }

  /** What was answered to a request. */
  answer(message: { readonly result?: object; readonly error?: ErrorSaid }): readonly string[] {
    const { result, error } = message;
    if (error !== undefined) {
      const { code, ...fields } = (error.data ?? {}) as { readonly code?: string };
      const what = error.code === 1 ? `refused ${code}` : `error ${error.code}`;
      return [`${what}${this.fields(fields)}`, `  ${error.message}`];
    }
    const { items, ...rest } = result as { readonly items?: readonly object[] };
    const rows = (items ?? []).map((item) => `-${this.fields(item)}`);
    return [`ok${this.fields(rest)}`, ...rows];
  }

  entry({ seq, by, events }: Entry): readonly string[] {
    return events.map(({ type, ...fields }) => `${seq} ${by}: ${type}${this.fields(fields)}`);
  }

  private fields(all: object): string {
    const shown = Object.entries(all).filter(([name]) => !HIDDEN.has(name));
    return shown.map(([name, value]) => ` ${name}=${this.value(value, name)}`).join("");
  }

  private value(value: unknown, name: string): string {
    if (typeof value === "number" && MOMENT.test(name)) return `+${spanOf(value - this.startMs())}`;
    if (typeof value === "number" && name.endsWith("Ms")) return spanOf(value);
    if (typeof value === "string") return /^[\w./*@#:+-]+$/.test(value) ? value : JSON.stringify(value);
    if (Array.isArray(value)) return `[${value.map((one) => this.value(one, "")).join(", ")}]`;
    if (typeof value === "object" && value !== null) return `{${this.fields(value).trim()}}`;
    return String(value);
  }
}

interface ErrorSaid {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** The same for everybody, or different in every run. */
const HIDDEN = new Set([
  "nowMs",
  "protocol",
  "limits",
  "log",
  "hub",
  "durable",
  "wallMs",
  "endedWallMs",
  "digest",
]);
const MOMENT = /AtMs$|^(atMs|deadlineMs|sinceMs|next)$/;

function spanOf(ms: number): string {
  return ms >= 120_000 && ms % 60_000 === 0 ? `${ms / 60_000}m` : `${ms / 1000}s`;
}
