/**
 * Terms: what a claim was asked for, the same in a grant, a renewal and a wait.
 */
import { limits } from "../limits.ts";
import { scope } from "./scopes.ts";
import { boolean, choice, doc, type Fields, integer, object, optional, string } from "./shape.ts";

const git = object({
  branch: optional(string("line", limits.pathMax)),
  base: optional(string("line", limits.pathMax)),
  autoRelease: optional(choice("manual", "commit", "merge")),
});

/** Fields of a claim that its holder chose. Scopes are canonical. */
export const terms = {
  scope: optional(scope),
  shared: optional(boolean),
  acrossWorktrees: optional(boolean),
  note: optional(string("line", limits.noteMax)),
  task: optional(string("id", limits.idMax)),
  onGone: optional(choice("release")),
  git: optional(git),
} as const;
export type Terms = Fields<typeof terms>;

/** The length of a lease, in milliseconds. */
export const ttlMs = doc("Length of the lease in milliseconds.", integer(limits.ttlMsMin, limits.ttlMsMax));
