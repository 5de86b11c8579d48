/**
 * `wait-for-message`: sleeps until there is a message to read, and hands it over as hooks do: framed as data,
 * acknowledged, so that it is shown once.
 */
import type { Client } from "../../core/client/client.ts";
import { mailFor } from "../hooks/mail.ts";
import { exits, type Run } from "./command.ts";
import { stay } from "./reach.ts";

/** So long at most a message to all waits for its readers to come one after another. */
const JITTER_MS = 5000;
/** A hub that is away for so long may not come back there: it is looked for anew. */
const AWAY_MS = 2000;

export const waitVerb: Run = async (command) => {
  const { args, out } = command;
  const timeoutMs = args.durationMs("timeout");
  const jitterMs = args.durationMs("jitter") ?? JITTER_MS;
  const only = args.flag("directed") ? "directed" : "all";
  const endMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  while (performance.now() < endMs) {
    const { client } = await stay(command, "act");
    try {
      const mail = await nextMail(client, only, jitterMs, endMs);
      if (mail !== undefined) {
        out.data({ arrived: true, mail }, () => mail);
        return exits.ok;
      }
    } finally {
      await client.close();
    }
  }
  if (out.json) out.data({ arrived: false }, () => "");
  out.say("No message came in time.");
  return exits.failed;
};

/** The next mail; nothing when the time is over or the hub was away for long. */
async function nextMail(
  client: Client,
  only: "all" | "directed",
  jitterMs: number,
  endMs: number,
): Promise<string | undefined> {
  // Followed before the first look, so that nothing falls between.
  const following = client.follow({ after: client.seq, events: ["message.posted"] });
  let upMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    if (client.isUp) upMs = nowMs;
    if (nowMs >= endMs || nowMs - upMs > AWAY_MS) following.close();
  }, 50);
  // A message to all is looked for once everybody else who waits had a chance to be first.
  let all = performance.now();
  let due: NodeJS.Timeout | undefined;
  try {
    let coming = following.next();
    for (;;) {
      const isDue = only === "all" && performance.now() >= all;
      const mail = await mailFor(client, new Set(), isDue ? "all" : "directed");
      if (mail !== undefined) return mail;
      if (isDue) all = Number.POSITIVE_INFINITY;
      clearTimeout(due);
      const isDueLater = new Promise<undefined>((resolve) => {
        if (Number.isFinite(all))
          due = setTimeout(() => resolve(undefined), Math.max(0, all - performance.now()));
      });
      const next = await Promise.race([coming, isDueLater]);
      if (next === undefined) continue;
      if (next.done === true) return undefined;
      if (all === Number.POSITIVE_INFINITY) all = performance.now() + Math.random() * jitterMs;
      coming = following.next();
    }
  } finally {
    clearInterval(timer);
    clearTimeout(due);
    following.close();
  }
}
