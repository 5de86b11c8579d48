/**
 * Methods that sessions and hosts answer themselves: about the connection, the log and the past. Commands
 * and queries of the model stand in its own tables.
 */
import { limits } from "../limits.ts";
import { boolean, doc, integer, list, type Of, object, optional, string } from "../model/shape.ts";
import { command } from "../model/slice.ts";

const id = string("id", limits.idMax);
const after = doc("The cursor: the last seq already taken; 0 for everything.", integer(0));
const log = doc("The log the cursor is of, as `session.open` named it: another log is refused.", id);
/** Event types, `claim.granted`, or all of a noun, `claim.*`. */
const types = list(string("line", 100), 64, 1);

/**
 * Fields that every command takes besides its own; the session removes them before the command is checked.
 */
export const submissionFields = {
  submission: optional(
    doc(
      "Identifies this command among the sender's: the same again has one effect and one answer.",
      string("token", limits.idMax),
    ),
  ),
  sentAfter: optional(doc("The newest seq the sender had seen when it first sent this.", integer(0))),
  agent: optional(doc("When given, must be the session's own name (`session.not-you` otherwise).", id)),
} as const;
export type SubmissionFields = Of<{ kind: "object"; fields: typeof submissionFields }>;

/** Params of the methods of sessions, by method. */
export const sessionMethods = {
  "session.open": command(
    "Says who speaks; the first request. " +
      "Answers `{agent, hub, log, seq, protocol, durable, limits, nowMs, resume?}`.",
    {
      agent: doc("Who you are; several sessions of one name are one agent.", string("name", limits.idMax)),
      role: optional(doc('What you do; "operator" has rights of its own and may need a token.', id)),
      project: optional(id),
      capabilities: optional(doc("Words that a task's `requires` is matched with.", list(id, 64))),
      token: optional(doc("Proves the name on hubs that ask for it.", string("token", 512))),
      observe: optional(
        doc("Only looks on: does not join, so nothing is logged and presence is not touched.", boolean),
      ),
      oneShot: optional(
        doc("A short visit: counts as contact, and its end says nothing about your presence.", boolean),
      ),
      exclusive: optional(doc("Nobody else may be open under this name.", boolean)),
      resume: optional(
        doc("The `resume` of an earlier answer: takes that exclusive session over.", string("token", 200)),
      ),
    },
  ),
  "session.ping": command(
    "Says no more than that the agent is there; never logged. Answers `{seq, nowMs}`.",
    {},
  ),
  "session.close": command("Says goodbye: the agent is idle at once when this was its last connection.", {}),
  "log.follow": command(
    "Sends every entry after the cursor, then those to come, as `entry` notifications in order, each once.",
    {
      after,
      log: optional(log),
      events: optional(
        doc("Only entries with one of these event types; `claim.*` means all of a noun.", types),
      ),
      about: optional(
        doc("Only entries that name one of these agents, claims, tasks or other ids.", list(id, 64, 1)),
      ),
      deliver: optional(doc("Counts the messages sent here as delivered to you.", boolean)),
    },
  ),
  "log.unfollow": command("Ends what `log.follow` began on this connection.", {}),
  "log.read": command("Entries after the cursor, as `{items, next?}`.", {
    after,
    log: optional(log),
    limit: optional(integer(1, limits.pageItemsMax)),
    events: optional(types),
  }),
  "state.at": command("The summary of the state as it was after an entry, or at a moment of wall time.", {
    seq: optional(integer(0)),
    wallMs: optional(integer(0)),
  }),
} as const;
export type SessionMethod = keyof typeof sessionMethods;
export type SessionParams<M extends SessionMethod> = Of<(typeof sessionMethods)[M]>;

/** The shape of a command as it travels: its own fields and those of every submission. */
export function submitted<const F extends Parameters<typeof object>[0]>(fields: F) {
  return object({ ...fields, ...submissionFields });
}
