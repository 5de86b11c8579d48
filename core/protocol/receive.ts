/**
 * Receiving: from a frame to the messages in it, each told apart, or a problem that can be answered.
 */
import type { Frame } from "../ports/transport.ts";
import { keyProblem, parseFrame } from "./codec.ts";
import { classify, codes, type Incoming, messages, unusable } from "./frame.ts";

/** Finds keys that must not be there, and blames them on the one message that has them. */
function checked(message: unknown): Incoming {
  const incoming = classify(message);
  const problem = keyProblem(message);
  if (problem === undefined || incoming.kind === "problem") return incoming;
  const id = "id" in incoming ? incoming.id : null;
  if (problem.at !== "params" && !problem.at.startsWith("params/")) {
    return unusable(id, codes.invalidRequest, problem.why);
  }
  return unusable(id, codes.invalidParams, problem.why, problem.at.slice("params/".length));
}

/**
 * The messages of one frame in their order, those of a batch or the one it is. Never throws and is never
 * empty; what is unusable stands in its place as a problem, under its id where that could be read.
 */
export function receive(frame: Frame): readonly Incoming[] {
  const parsed = parseFrame(frame);
  if ("problem" in parsed) return [unusable(null, codes.parseError, parsed.problem)];
  const list = messages(parsed.value);
  if ("kind" in list) return [list];
  return list.map(parsed.suspect ? checked : classify);
}
