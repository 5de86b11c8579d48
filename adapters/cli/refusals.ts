/**
 * Refusals: what commands were refused here, remembered beside the log, since the log itself holds only
 * what happened. `holdfast why` shows them. A bounded memory, never the truth.
 */
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Refused } from "../../core/client/refused.ts";

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

/** A file larger than this is cut to its newer half. */
const BYTES_MAX = 256 * 1024;
/** Longer ones are not remembered. */
const LINE_BYTES_MAX = 8 * 1024;

function fileIn(folder: string): string {
  return join(folder, "refusals.ndjson");
}

/** Remembers a refusal in the log's folder, where there is one. What cannot be written is forgotten. */
export function rememberRefusal(
  folder: string,
  said: Pick<Refusal, "agent" | "command" | "hub">,
  refused: Refused,
): void {
  const { code, message, fields } = refused;
  const refusal: Refusal = { wallMs: Date.now(), ...said, code, message, inTheWay: obstacles(fields) };
  const line = `${JSON.stringify(refusal)}\n`;
  try {
    if (!existsSync(folder) || line.length > LINE_BYTES_MAX) return;
    const file = fileIn(folder);
    appendFileSync(file, line, { mode: 0o600 });
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
    if (about) found.push(refusal);
  }
  return found;
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

function obstacles(fields: Refused["fields"]): readonly Obstacle[] {
  const named = Array.isArray(fields.conflicts) ? fields.conflicts : [fields];
  return named.flatMap(({ claim, holder, epoch }) =>
    typeof claim === "string" && typeof holder === "string" && typeof epoch === "number"
      ? [{ claim, holder, epoch }]
      : [],
  );
}
