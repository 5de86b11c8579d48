/**
 * What a client can call and what it is answered, derived from the tables of the model and of sessions.
 */

import type { Checkpoint } from "../model/checkpoints.ts";
import type { Claim } from "../model/claim-state.ts";
import type { commands, pasts, queries } from "../model/model.ts";
import type { Page } from "../model/page.ts";
import type { Of } from "../model/shape.ts";
import type { Entry, Past, Rejection } from "../model/slice.ts";
import type { SessionMethod, SessionParams } from "../protocol/methods.ts";

type Commands = typeof commands;
type Queries = typeof queries;
type Pasts = typeof pasts;
/** Methods of sessions that a caller may use; the client sees to the others itself. */
export type LogMethod = Extract<SessionMethod, "log.read" | "state.at">;
/** Questions about the past, of the log and of the nouns. */
export type PastMethod = LogMethod | (keyof Pasts & string);

export type CommandMethod = keyof Commands & string;
export type QueryMethod = keyof Queries & string;
/** Everything `call` takes. */
export type Method = CommandMethod | QueryMethod | PastMethod;

/** What a method takes. */
export type Params<M extends Method> = M extends keyof Commands
  ? Of<Commands[M]>
  : M extends keyof Queries
    ? Asked<Queries[M]>
    : M extends keyof Pasts
      ? Pasts[M] extends Past<infer P, infer _>
        ? P
        : never
      : M extends LogMethod
        ? SessionParams<M>
        : never;

/** What every command answers. */
export interface Accepted {
  /** The entry it became; where nothing changed, the newest one then. */
  readonly seq: number;
  /** Log time of the answer, in milliseconds. */
  readonly nowMs: number;
  /** The same submission was answered before. */
  readonly repeated?: true;
}

/** A lease as it was granted or extended. */
export interface Leased extends Accepted {
  readonly claim: string;
  readonly holder: string;
  readonly epoch: number;
  /** In log time. */
  readonly expiresAtMs: number;
  /** As of when the answer was made. */
  readonly remainingMs: number;
  /** What was granted has ended since: only in a repeated answer. */
  readonly endedAtMs?: number;
}

/** Answers `claim.acquire`. */
export interface Grant
  extends Leased,
    Partial<Pick<Claim, "scope" | "shared" | "acrossWorktrees" | "note" | "task" | "git">> {
  readonly ttlMs: number;
  /** What the holder before left behind. */
  readonly checkpoint?: Checkpoint;
  /** Live claims in other worktrees that will meet this one at merge. */
  readonly nearby?: readonly {
    readonly claim: string;
    readonly holder: string;
    readonly worktree?: string;
  }[];
  readonly nearbyMore?: boolean;
}

/** Answers `claim.renew`. */
export interface Renewal extends Leased {
  readonly ttlMs: number;
}

/** Answers `claim.release`. */
export interface Release extends Accepted {
  readonly claim: string;
  readonly outcome: "done" | "failed" | "abandoned";
}

/** Answers `message.post`. */
export interface Posted extends Accepted {
  readonly message: string;
  readonly thread?: string;
  /** Addresses that nobody answered to. */
  readonly unknown?: readonly string[];
}

interface CommandResults {
  readonly "claim.acquire": Grant;
  readonly "claim.renew": Renewal;
  readonly "claim.handoff": Leased;
  readonly "claim.release": Release;
  readonly "claim.break": Accepted & { readonly claim: string; readonly holder: string };
  readonly "message.post": Posted;
  readonly "task.next": Grant;
}

/** Answers `state.at`. */
export interface StateAt {
  readonly seq: number;
  readonly atMs: number;
  readonly summary: { readonly [field: string]: unknown };
  readonly [list: string]: unknown;
}

interface PastResults {
  readonly "log.read": Page<Entry>;
  readonly "state.at": StateAt;
}

type Asked<Q> = Q extends { readonly answer: (state: never, params: infer P, asker: never) => unknown }
  ? P
  : never;
type Told<Q> = Q extends { readonly answer: (...args: never[]) => infer R }
  ? Exclude<R, { readonly rejection: Rejection }> & { readonly seq: number; readonly nowMs: number }
  : never;

/** What a method answers. */
export type Result<M extends Method> = M extends keyof Commands
  ? M extends keyof CommandResults
    ? CommandResults[M]
    : Accepted & { readonly [field: string]: unknown }
  : M extends keyof Queries
    ? Told<Queries[M]>
    : M extends keyof Pasts
      ? Pasts[M] extends Past<never, infer R>
        ? R
        : never
      : M extends keyof PastResults
        ? PastResults[M]
        : never;
