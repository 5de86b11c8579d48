/**
 * Names in use at this engine: several sessions may share one, unless one of them must be alone (AG2, AG3).
 */
import type { Rejection } from "../model/slice.ts";
import { refuse } from "./refusals.ts";

/** What the registry needs of a session. */
export interface Named {
  readonly exclusive: boolean;
  close(reason: "taken-over" | "shutting-down"): void;
}

interface Use {
  readonly sessions: Set<Named>;
  readonly sinceMs: number;
  /** Who must be alone, and what takes its place. */
  alone?: { readonly session: Named; readonly resume: string };
}

export class Names {
  private readonly uses = new Map<string, Use>();
  private readonly nowMs: () => number;
  private readonly freshId: () => string;

  constructor(nowMs: () => number, freshId: () => string) {
    this.nowMs = nowMs;
    this.freshId = freshId;
  }

  get size(): number {
    let size = 0;
    for (const { sessions } of this.uses.values()) size += sessions.size;
    return size;
  }

  /**
   * Takes a name for a session. With the resume token of the one that is alone, that one is ended at once.
   */
  claimName(
    session: Named,
    agent: string,
    exclusive: boolean,
    resume: string | undefined,
  ): { readonly resume?: string } | { readonly rejection: Rejection } {
    let use = this.uses.get(agent);
    const alone = use?.alone;
    if (use !== undefined && alone !== undefined && alone.session !== session) {
      if (resume !== alone.resume) return refuse("agent.taken", { agent, sinceMs: use.sinceMs });
      use.sessions.delete(alone.session);
      delete use.alone;
      alone.session.close("taken-over");
    }
    const others = use === undefined ? 0 : use.sessions.size - (use.sessions.has(session) ? 1 : 0);
    if (use !== undefined && exclusive && others > 0) {
      return refuse("agent.taken", { agent, sinceMs: use.sinceMs });
    }
    use ??= { sessions: new Set(), sinceMs: this.nowMs() };
    // Closing the one before may have dropped the entry.
    this.uses.set(agent, use);
    use.sessions.add(session);
    if (!exclusive) return {};
    const token = this.freshId();
    use.alone = { session, resume: token };
    return { resume: token };
  }

  release(session: Named, agent: string): void {
    const use = this.uses.get(agent);
    if (use === undefined || !use.sessions.delete(session)) return;
    // One that is alone is the last one, too.
    if (use.sessions.size === 0) this.uses.delete(agent);
  }

  /** Every session there is. */
  all(): readonly Named[] {
    return [...this.uses.values()].flatMap(({ sessions }) => [...sessions]);
  }
}
