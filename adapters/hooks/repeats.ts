/**
 * Repeats: one hook that was registered twice (a host reads another's file, a person's and a project's
 * settings say the same) comes twice, and acts once.
 */
import { createHash } from "node:crypto";
import { limits } from "../../core/limits.ts";
import type { HookEvent, Verdict } from "./event.ts";

interface Seen {
  readonly atMs: number;
  readonly verdict: Promise<Verdict>;
  readonly hasId: boolean;
}

/** The hooks of a while ago, by what they are about. */
export class Repeats {
  /** The oldest first. */
  readonly #seen = new Map<string, Seen>();

  /**
   * The verdict of the first of them, or for its repetition what must be said twice: a refusal, for one
   * without would let the tool pass in hosts where any consent counts.
   */
  async once(event: HookEvent, nowMs: number, judge: () => Promise<Verdict>): Promise<Verdict> {
    const { key, hasId } = keyOf(event);
    const before = this.#seen.get(key);
    if (before !== undefined && (hasId || nowMs - before.atMs < limits.hookRepeatMs)) {
      const { deny } = await before.verdict;
      return deny === undefined ? {} : { deny };
    }
    const verdict = judge();
    this.#seen.delete(key);
    this.#seen.set(key, { atMs: nowMs, verdict, hasId });
    if (this.#seen.size > limits.hookRepeatsMax) {
      const [oldest] = this.#seen.keys();
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    // What failed was not acted upon.
    verdict.catch(() => this.#seen.delete(key));
    return verdict;
  }
}

/** What a hook is about, whichever host's form it came in; with the ids of uses where there are any. */
function keyOf({ session, subagent, moment, tools, source, isHeld }: HookEvent) {
  const ids = tools.map(({ id }) => id);
  const hasId = ids.length > 0 && ids.every((id) => id !== undefined);
  const about = hasId
    ? ids
    : tools.map(({ kind, paths, command }) => [kind, paths, command === undefined ? null : command]);
  const text = JSON.stringify([session, subagent, moment, about, hasId ? null : [source, isHeld]]);
  return { key: createHash("sha256").update(text).digest("base64"), hasId };
}
