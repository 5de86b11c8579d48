/**
 * Claimed: what `holdfast git claim` was granted, remembered beside the log with where its worktree stood
 * then. The log keeps a claim only while it lives; these records say what was claimed once it ended (CL23).
 *
 * One small file a claim, replaced whole. A bounded memory: the oldest go first, and what cannot be read is
 * nothing.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../core/limits.ts";
import type { Scope } from "../../core/model/scopes.ts";

/** When a claim is released by a hook: never, once all of it is committed, or once that is merged. */
export type AutoRelease = "manual" | "commit" | "merge";

/** A claim made with git in view. */
export interface GitClaim {
  /** Id of the log. */
  readonly log: string;
  readonly agent: string;
  /** Label of the worktree. */
  readonly worktree: string;
  readonly claim: string;
  readonly epoch: number;
  readonly scope: Scope;
  /** Root of the worktree. */
  readonly root: string;
  /** Absent where HEAD was detached. */
  readonly branch?: string;
  /** Where the branch's work begins. */
  readonly base?: string;
  /** HEAD when it was claimed; absent before the first commit. */
  readonly head?: string;
  /** The newest commit seen on its branch, which may be gone by the time it is merged. */
  readonly tip?: string;
  readonly autoRelease: AutoRelease;
}

/** The records of one log's folder. */
export class GitClaims {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = join(folder, "git-claims");
  }

  /** All that are remembered, in any order. */
  list(): readonly GitClaim[] {
    return this.#names().flatMap((name) => read(join(this.#folder, name)) ?? []);
  }

  /** Remembers one, instead of an earlier one of the same agent, worktree and claim. */
  put(record: GitClaim): void {
    const file = this.#file(record);
    const draft = `${file}.${randomBytes(6).toString("hex")}`;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    try {
      writeFileSync(draft, `${JSON.stringify(record)}\n`, { mode: 0o600 });
      renameSync(draft, file);
    } finally {
      rmSync(draft, { force: true });
    }
    this.#prune();
  }

  /** Forgets one. */
  drop(record: GitClaim): void {
    rmSync(this.#file(record), { force: true });
  }

  #names(): readonly string[] {
    try {
      return readdirSync(this.#folder).filter((name) => name.endsWith(".json"));
    } catch {
      return [];
    }
  }

  #file({ log, agent, worktree, claim }: GitClaim): string {
    const key = createHash("sha256").update(JSON.stringify([log, agent, worktree, claim]));
    return join(this.#folder, `${key.digest("hex").slice(0, 24)}.json`);
  }

  #prune(): void {
    const names = this.#names();
    if (names.length <= limits.gitClaimsKept) return;
    const dated = names.map((name) => {
      const file = join(this.#folder, name);
      return { file, at: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 };
    });
    dated.sort((a, b) => a.at - b.at);
    for (const { file } of dated.slice(0, names.length - limits.gitClaimsKept)) rmSync(file, { force: true });
  }
}

function read(file: string): GitClaim | undefined {
  try {
    const said = JSON.parse(readFileSync(file, "utf8")) as Partial<GitClaim>;
    const texts = [said.log, said.agent, said.worktree, said.claim, said.root, said.autoRelease];
    const whole = texts.every((text) => typeof text === "string") && Number.isSafeInteger(said.epoch);
    return whole && typeof said.scope === "object" && said.scope !== null ? (said as GitClaim) : undefined;
  } catch {
    return undefined;
  }
}
