/**
 * Refusals: what was refused here, remembered beside the log by whoever was refused or refused it, since the
 * log itself holds only what happened. `holdfast why` shows them. A bounded memory, never the truth.
 */
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../core/limits.ts";

/** A command that was refused. */
export interface Refusal {
  readonly wallMs: number;
  readonly agent: string;
  /** The verb and its words. */
  readonly command: readonly string[];
  /** The hub that was named, if any: another hub may have another log. */
  readonly hub: string;
  readonly code: string;
  readonly message: string;
  /** What stood in the way, as far as it was claims. */
  readonly inTheWay: readonly Obstacle[];
}

/** A claim that stood in the way. */
export interface Obstacle {
  readonly claim: string;
  readonly holder: string;
  readonly epoch: number;
}

/** What was refused, and how. */
export interface Refusing {
  readonly agent: string;
  /** The verb and its words. */
  readonly command: readonly string[];
  readonly code: string;
  readonly message: string;
  readonly fields: { readonly [field: string]: unknown };
}

/** A file larger than this is cut to its newer half. */
const BYTES_MAX = 256 * 1024;
/** Longer ones are not remembered. */
const LINE_BYTES_MAX = 8 * 1024;
/** A hub writes down its refusals this often. */
const NOTES_MS = 200;
/** How far apart a hub and a command may remember one refusal. */
const TWINS_MS = 2000;

function fileIn(folder: string): string {
  return join(folder, "refusals.ndjson");
}

/**
 * Remembers refusals in the log's folder, where there is one; `hub`: the hub that was named, if any. What
 * cannot be written is forgotten.
 */
export function rememberRefusals(folder: string, hub: string, all: readonly Refusing[]): void {
  const wallMs = Date.now();
  const lines = all.map(({ agent, command, code, message, fields }) => {
    const refusal: Refusal = { wallMs, agent, command, hub, code, message, inTheWay: obstacles(fields) };
    return `${JSON.stringify(refusal)}\n`;
  });
  try {
    if (!existsSync(folder)) return;
    const file = fileIn(folder);
    appendFileSync(file, lines.filter((line) => line.length <= LINE_BYTES_MAX).join(""), { mode: 0o600 });
    const text = readFileSync(file, "utf8");
    if (text.length <= BYTES_MAX) return;
    const draft = `${file}.${process.pid}`;
    try {
      writeFileSync(draft, text.slice(text.indexOf("\n", text.length - BYTES_MAX / 2) + 1), { mode: 0o600 });
      renameSync(draft, file);
    } finally {
      rmSync(draft, { force: true });
    }
  } catch {
    // Why it was refused has been said already.
  }
}

/**
 * The refusals by a hub that are remembered, oldest first: of commands about an id, by an agent, or for a
 * claim.
 */
export function recallRefusals(folder: string, hub: string, id: string): readonly Refusal[] {
  let text = "";
  try {
    text = readFileSync(fileIn(folder), "utf8");
  } catch {
    return [];
  }
  const found: Refusal[] = [];
  for (const line of text.split("\n")) {
    const refusal = parse(line);
    if (refusal === undefined || refusal.hub !== hub) continue;
    const { agent, command, inTheWay } = refusal;
    const about = agent === id || command.slice(1).includes(id) || inTheWay.some(({ claim }) => claim === id);
    if (about && !found.slice(-8).some((other) => isTwin(refusal, other))) found.push(refusal);
  }
  return found;
}

/** Whether a hub and the command it refused have both remembered it. */
function isTwin(one: Refusal, other: Refusal): boolean {
  const alike = one.agent === other.agent && one.code === other.code && one.message === other.message;
  return alike && Math.abs(one.wallMs - other.wallMs) < TWINS_MS;
}

/** Remembers what a hub refuses, a few at a time, so that a flood of refusals keeps nobody waiting. */
export class RefusalNotes {
  readonly #folder: string;
  #all: Refusing[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Beyond `limits.refusalsNoted` at once they are forgotten. */
  readonly note = (refusal: Refusing): void => {
    if (this.#all.length >= limits.refusalsNoted) return;
    this.#all.push(refusal);
    this.#timer ??= setTimeout(() => this.write(), NOTES_MS).unref();
  };

  /** Writes what is not written yet. */
  write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const all = this.#all;
    this.#all = [];
    if (all.length > 0) rememberRefusals(this.#folder, "", all);
  }
}

function parse(line: string): Refusal | undefined {
  try {
    const said = JSON.parse(line) as Partial<Refusal>;
    const whole = Array.isArray(said.command) && Array.isArray(said.inTheWay) && Number.isFinite(said.wallMs);
    return whole ? (said as Refusal) : undefined;
  } catch {
    return undefined;
  }
}

function obstacles(fields: Refusing["fields"]): readonly Obstacle[] {
  const named = Array.isArray(fields.conflicts) ? fields.conflicts : [fields];
  return named.flatMap(({ claim, holder, epoch }) =>
    typeof claim === "string" && typeof holder === "string" && typeof epoch === "number"
      ? [{ claim, holder, epoch }]
      : [],
  );
}
