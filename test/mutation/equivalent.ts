/**
 * Mutants that no test can catch, because the program does the same with them, each with the reason. They are drawn
 * again; one whose line has changed since is judged anew.
 */
import type { Mutant } from "./mutants.ts";

interface Equivalent {
  /** As it is printed. */
  readonly id: string;
  readonly file: string;
  /** The line it stands in, without its indentation. */
  readonly line: string;
  readonly what: string;
  readonly why: string;
}

export const equivalents: readonly Equivalent[] = [
  {
    id: "87512453",
    file: "core/model/text-diff.ts",
    line: 'const changes = before === "" || after === "" ? whole(before, after) : byLines(before, after);',
    what: "a choice is always the second",
    why: "comparing with nothing by lines ends at one hunk, too; the shortcut saves time",
  },
  {
    id: "d162bf59",
    file: "core/model/task-next.ts",
    line: "if (lent !== undefined) taken.add(where);",
    what: "add becomes delete",
    why: "what conflicts once conflicts again; that it is not asked twice saves time",
  },
  {
    id: "7f1f9c3a",
    file: "core/engine/expiry.ts",
    line: "if (this.heap.length > SWEEP_MIN && this.heap.length > this.live * STALE_RATIO) this.rebuild(state);",
    what: "> becomes >=",
    why: "sweeping one deadline sooner leaves the same ones; when to sweep is a matter of cost",
  },
  {
    id: "24f9a619",
    file: "core/model/agents.ts",
    line: "const agent = state.agents.byName.get(name) ?? { agent: name, capabilities: [], joinedAtMs: 0 };",
    what: "0 becomes 1",
    why: "every name that is listed is known; what stands in satisfies the compiler",
  },
  {
    id: "7a770b08",
    file: "core/model/claims.ts",
    line: "const waits = state.waits.byAgent.get(agent)?.length ?? 0;",
    what: "0 becomes 1",
    why: "of `overWaits`: one who waits for nothing is below the limit either way",
  },
  {
    id: "0a54cd69",
    file: "core/engine/engine.ts",
    line: "const jitterMs = Math.floor(this.options.chance.fraction() * limits.expiryTickMs);",
    what: "floor becomes ceil",
    why: "how much later by chance a timer fires, to the millisecond",
  },
  {
    id: "d0bbb77c",
    file: "core/engine/log-time.ts",
    line: "const AHEAD_MS = 100;",
    what: "100 becomes 101",
    why: "what is little is a matter of taste, to the millisecond",
  },
  {
    id: "f58508f5",
    file: "core/model/characters.ts",
    line: "for (let i = 0; i < a.length; i += 2) if (within(a[i] as number, a[i + 1] as number, b)) return true;",
    what: "< becomes <=",
    why: "there is nothing behind the end, and nothing is within it",
  },
  {
    id: "d5e97518",
    file: "core/model/scope-routes.ts",
    line: "const CHUNK_ENDS = [2, 5, 9, 14, 20, 32];",
    what: "32 becomes 33",
    why: "how finely long beginnings are told apart decides how many are looked at, not what is found",
  },
];

/** Whether it is known to change nothing. */
export function isEquivalent(mutant: Mutant): boolean {
  return equivalents.some(({ id }) => id === mutant.id);
}
