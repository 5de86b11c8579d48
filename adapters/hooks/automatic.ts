/**
 * Automatic claims: what an agent holds because it edits. One claim an agent and worktree, and a second one
 * with a shorter lease for files that everybody edits; a full claim is followed by another.
 *
 * Invariant: one taking at a time, so that two edits of one agent never replace each other's scope. An epoch
 * is remembered from the grant; where none is (the hub was started anew), the claim is granted anew.
 */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { Client } from "../../core/client/client.ts";
import type { Grant, Method, Params, Result } from "../../core/client/methods.ts";
import { Refused } from "../../core/client/refused.ts";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";

/** Files of one worktree to be claimed together. */
export interface Wanted {
  readonly root: string;
  readonly files: readonly string[];
  readonly isHot: boolean;
  readonly ttlMs: number;
}

/** What an automatic claim is called in its note. */
export const AUTOMATIC = "edits (claimed by itself)";

/** A claim as it was last granted to this agent. */
interface Held {
  readonly claim: string;
  readonly epoch: number;
  readonly files: ReadonlySet<string>;
}

/** What was done for one group, so that it can be undone. */
interface Step {
  readonly key: string;
  readonly before: Held | undefined;
  readonly after: Held;
}

/** The automatic claims of one agent. */
export class AutomaticClaims {
  readonly #held = new Map<string, Held>();
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * Claims all of what is wanted, or nothing. Resolves with the grants; throws `Refused` with what stands
   * in the way.
   */
  take(client: Client, wanted: readonly Wanted[]): Promise<readonly Grant[]> {
    const taken = this.#turn.then(() => this.#take(client, wanted));
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  /** Passes every automatic claim that may still stand to another agent, who goes on under it. */
  async handOver(client: Client, to: string): Promise<void> {
    const claims = [...this.#held.values()];
    this.#held.clear();
    const given = claims.map(({ claim, epoch }) => call(client, "claim.handoff", { claim, epoch, to }));
    await Promise.allSettled(given);
  }

  async #take(client: Client, wanted: readonly Wanted[]): Promise<readonly Grant[]> {
    const ordered = [...wanted].sort((a, b) => compare(keyOf(a), keyOf(b)));
    const steps: Step[] = [];
    const grants: Grant[] = [];
    try {
      for (const group of ordered) {
        const { step, grant } = await this.#extend(client, group);
        steps.push(step);
        grants.push(grant);
      }
    } catch (error) {
      for (const step of steps.reverse()) await this.#undo(client, step);
      throw error;
    }
    return grants;
  }

  async #extend(client: Client, group: Wanted): Promise<{ readonly step: Step; readonly grant: Grant }> {
    const key = keyOf(group);
    const before = this.#held.get(key);
    if (before === undefined) return this.#anew(client, key, group, 1);
    if (!hasRoom(before.files, group.files)) {
      return this.#anew(client, key, group, numberOf(before.claim) + 1);
    }
    return (await this.#join(client, key, before, group)) ?? this.#anew(client, key, group, 1);
  }

  /** Adds to a claim under its epoch; `undefined` when it is no longer held under that. */
  async #join(client: Client, key: string, before: Held, { files, ttlMs }: Wanted) {
    const added = files.filter((file) => !before.files.has(file));
    const addFiles = added.length === 0 ? {} : { addFiles: added };
    const { claim, epoch } = before;
    try {
      const grant = await call(client, "claim.acquire", { claim, epoch, ttlMs, ...addFiles });
      const after: Held = { claim, epoch: grant.epoch, files: new Set([...before.files, ...files]) };
      this.#held.set(key, after);
      return { step: { key, before, after }, grant };
    } catch (error) {
      if (!(error instanceof Refused) || !/^claim\.(unknown|not-holder|stale)$/.test(error.code)) throw error;
      this.#held.delete(key);
      return undefined;
    }
  }

  /** Acquires the first claim of the group, from that number on, that is free or the agent's own. */
  async #anew(client: Client, key: string, { root, files, ttlMs, isHot }: Wanted, from: number) {
    for (let number = from; number < from + limits.claimsPerAgentMax; number++) {
      const claim = claimId(client.agent, root, isHot, number);
      const { items } = await call(client, "claims.list", { claim });
      const [there] = items;
      // One that was passed on stands under its id until its lease ends.
      if (there !== undefined && there.holder !== client.agent) continue;
      const known = new Set(there?.scope?.worktree === root ? there.scope.files : []);
      if (!hasRoom(known, files)) continue;
      const all = new Set([...known, ...files]);
      const scope = { worktree: root, files: [...all] };
      const git = { autoRelease: "commit" as const };
      const grant = await call(client, "claim.acquire", { claim, scope, ttlMs, note: AUTOMATIC, git });
      const after: Held = { claim, epoch: grant.epoch, files: all };
      this.#held.set(key, after);
      const before = known.size === 0 ? undefined : { ...after, files: known };
      return { step: { key, before, after }, grant };
    }
    throw new Failure("busy", "Every name for an automatic claim is taken.");
  }

  async #undo(client: Client, { key, before, after }: Step): Promise<void> {
    const { claim, epoch } = after;
    try {
      if (before?.claim === claim && before.epoch === epoch) {
        const root = key.slice(2);
        const scope = { worktree: root, files: [...before.files] };
        await call(client, "claim.acquire", { claim, epoch, scope });
      } else await call(client, "claim.release", { claim, epoch, outcome: "abandoned" });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
    if (before === undefined) this.#held.delete(key);
    else this.#held.set(key, before);
  }
}

/** `call` within the time a hook may take. */
export function call<M extends Method>(client: Client, method: M, params: Params<M>): Promise<Result<M>> {
  return client.call(method, params, { timeoutMs: limits.hookCallMs });
}

/** Whether files can join those of a claim: it has some already, or is not full. */
function hasRoom(held: ReadonlySet<string>, files: readonly string[]): boolean {
  const added = files.filter((file) => !held.has(file)).length;
  if (added === 0 || held.size === 0) return true;
  return held.size < limits.hookClaimFilesMax && held.size + added <= limits.scopePathsMax;
}

function keyOf({ isHot, root }: Wanted): string {
  return `${isHot ? "h" : "e"}:${root}`;
}

/** `edits:AGENT:FOLDER-xxxxxxxx`, short enough for any agent and folder. */
function claimId(agent: string, root: string, isHot: boolean, number: number): string {
  const who = agent.length > 100 ? `${agent.slice(0, 80)}${digest(agent)}` : agent;
  const folder = basename(root)
    .replace(/[^A-Za-z0-9._-]/g, "")
    .slice(0, 40);
  const part = number === 1 ? "" : `~${number}`;
  return `${isHot ? "hot" : "edits"}:${who}:${folder}-${digest(root)}${part}`.normalize("NFC");
}

function numberOf(claim: string): number {
  return Number(/~(\d+)$/.exec(claim)?.[1] ?? 1);
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
