/**
 * What sessions and engines refuse by themselves, before or beside the model.
 */
import { limits } from "../limits.ts";
import { agentRejections } from "../model/agents.ts";
import { integer, optional, string } from "../model/shape.ts";
import { refusal, rejecter } from "../model/slice.ts";

const id = string("id", limits.idMax);

export const engineRejections = {
  "submission.reused": refusal(
    "The id was used for a different command.",
    { submission: id, seq: optional(integer(1)) },
    (f) =>
      `The submission id ${f.submission} stands for another command already. Use a fresh id; nothing was changed.`,
  ),
  "submission.expired": refusal(
    "The submission may be older than what is remembered, so it is refused rather than done twice.",
    { submission: id, floor: integer(0) },
    (f) =>
      `Submission ${f.submission} was made before entry ${f.floor}, beyond what is remembered; it may have taken effect. ` +
      "Look at the log or the state, then submit anew under a fresh id.",
  ),
  "entry.too-large": refusal(
    "Its entry could not be sent in one frame.",
    { bytes: integer(0), max: integer(0) },
    (f) =>
      `This would make an entry of about ${f.bytes} bytes; at most ${f.max} fit. Split it; nothing was changed.`,
  ),
  "session.not-open": refusal(
    "The first request must be `session.open`.",
    {},
    () => "Open a session first: session.open with your agent's name. Nothing was changed.",
  ),
  "session.observing": refusal(
    "A session that only looks on sent a command.",
    {},
    () => "This session only observes. Open one without `observe` to act; nothing was changed.",
  ),
  "session.not-you": refusal(
    "A frame names an agent that the session is not.",
    { agent: id },
    (f) =>
      `This session speaks for ${f.agent} only. Open another session for another name; nothing was changed.`,
  ),
  "session.refused": refusal(
    "The token is missing or wrong for this name, or the role is not open to it.",
    { agent: id, why: string("line", 200) },
    (f) => `${f.agent} was not let in: ${f.why}. Nothing was changed.`,
  ),
  "session.too-many": refusal(
    "The hub has as many open requests or sessions as it takes.",
    { max: integer(1) },
    (f) =>
      `There are ${f.max} already, the most at once. Wait for answers before sending more; nothing was done.`,
  ),
  "rate.limited": refusal(
    "The agent sends faster than it may.",
    { retryAfterMs: integer(0) },
    (f) => `Too fast: try again in ${f.retryAfterMs} ms. Nothing was changed.`,
  ),
  "log.unknown": refusal(
    "A cursor of another log.",
    { log: id },
    (f) =>
      `This is log ${f.log}, not the one the cursor is from. Start again from its beginning or a fresh state.`,
  ),
  "log.ahead": refusal(
    "A cursor above the head.",
    { head: integer(0) },
    (f) => `The log ends at ${f.head}; the cursor is beyond it. Start again from a fresh state.`,
  ),
  "log.horizon": refusal(
    "A cursor below the horizon: the entries were compacted away.",
    { seq: integer(0) },
    (f) => `Entries up to ${f.seq} are no longer kept. Read the state, then follow from there.`,
  ),
} as const;

/** Makes a refusal of the table above, or the one the model gives for a name that is taken. */
export const refuse = rejecter({ ...engineRejections, "agent.taken": agentRejections["agent.taken"] });
