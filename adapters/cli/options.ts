/**
 * Options that several verbs take.
 */
import type { Arity, Option } from "./arguments.ts";

const JSON_OUT: Option = { name: "json", kind: "flag", about: "one line of JSON on stdout, for programs" };
const HELP: Option = { name: "help", kind: "flag", short: "h", about: "this" };
const HUB: Option = { name: "hub", kind: "text", value: "URL", about: "the hub to speak to (HOLDFAST_HUB)" };
const LOG: Option = {
  name: "log",
  kind: "text",
  value: "FILE",
  about: "the log to use without a hub (HOLDFAST_LOG)",
};
const AS: Option = { name: "as", kind: "text", value: "NAME", about: "who is speaking (HOLDFAST_AGENT)" };
/** Which worktree is meant. */
export const WORKTREE: Option = {
  name: "worktree",
  kind: "text",
  value: "LABEL",
  about: "the worktree meant, instead of the one around the working directory",
};

/** What every verb takes. */
export const everywhere: readonly Option[] = [HUB, LOG, AS, JSON_OUT, HELP];

/** Under which grant to act. */
export const EPOCH: Option = {
  name: "epoch",
  kind: "integer",
  value: "N",
  about: "the epoch the claim was granted under, instead of the one remembered here",
};
/** How long a lease lasts. */
export const TTL: Option = {
  name: "ttl",
  kind: "duration",
  value: "15m",
  about: "length of the lease (1s to 24h)",
};
/** How long to queue. */
export const WAIT: Option = {
  name: "wait",
  kind: "duration",
  value: "30s",
  about: "queue for it this long when it is not free",
};
/** What is covered. */
export const PATHS: Option = {
  name: "paths",
  kind: "list",
  value: "P…",
  about: "files, folders and patterns to cover, relative to where you are",
};
/** What it is for. */
export const NOTE: Option = {
  name: "note",
  kind: "text",
  value: "TEXT",
  about: "what it is for, for others to read",
};
/** Whether others may share it. */
export const SHARED: Option = { name: "shared", kind: "flag", about: "others may hold it shared, too" };
/** How many rows to show. */
export const LIMIT: Option = { name: "limit", kind: "integer", value: "N", about: "at most so many rows" };

/** No words. */
export const none: Arity = { min: 0, max: 0 };
/** One word. */
export const one: Arity = { min: 1, max: 1 };
/** Any number of words. */
export const many: Arity = { min: 0, max: Number.MAX_SAFE_INTEGER };
