/**
 * Epochs: what an agent was granted in a worktree, remembered beside the log, so that a command acts under
 * the grant it means and not under whichever stands when it runs (CL23).
 *
 * One small file a claim, replaced whole: two commands of one agent never undo each other's memory.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Whose grants, and where they are remembered. */
export interface Rememberer {
  /** Folder of the log. */
  readonly folder: string;
  /** Id of the log, so that the memory never outlives the log it is of. */
  readonly log: string;
  readonly agent: string;
  readonly worktree: string;
}

/** A grant that is remembered. */
export interface Remembered {
  readonly epoch: number;
  /**
   * It ended by this agent's own hand: an old epoch still refuses what comes late, but a new grant starts
   * afresh.
   */
  readonly ended: boolean;
}

/** More than this many grants are not remembered for one agent and worktree; the oldest go first. */
const KEPT_MAX = 1000;

export class Epochs {
  readonly #folder: string;

  constructor({ folder, log, agent, worktree }: Rememberer) {
    this.#folder = join(folder, "epochs", digest(`${log}\0${agent}\0${worktree}`));
  }

  /** What was granted for a claim, if anything. */
  recall(claim: string): Remembered | undefined {
    try {
      const found = /^(\d+)( ended)? /.exec(readFileSync(this.#file(claim), "utf8"));
      return found === null ? undefined : { epoch: Number(found[1]), ended: found[2] !== undefined };
    } catch {
      return undefined;
    }
  }

  /** Remembers a grant. A disk that takes nothing costs only the memory. */
  remember(claim: string, epoch: number, ended = false): void {
    const file = this.#file(claim);
    const draft = `${file}.${randomBytes(6).toString("hex")}`;
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(draft, `${epoch}${ended ? " ended" : ""} ${JSON.stringify(claim)}\n`, { mode: 0o600 });
      renameSync(draft, file);
      if (ended) this.#prune();
    } catch {
      rmSync(draft, { force: true });
    }
  }

  /** Remembers that a grant is over. */
  end(claim: string, epoch: number): void {
    this.remember(claim, epoch, true);
  }

  #file(claim: string): string {
    return join(this.#folder, digest(claim));
  }

  #prune(): void {
    const names = readdirSync(this.#folder);
    if (names.length <= KEPT_MAX) return;
    const dated = names.map((name) => {
      const file = join(this.#folder, name);
      return { file, at: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 };
    });
    dated.sort((a, b) => a.at - b.at);
    for (const { file } of dated.slice(0, names.length - KEPT_MAX)) rmSync(file, { force: true });
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 24);
}
