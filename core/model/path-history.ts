/**
 * The history of a path: who held it when, under which claim, and how that ended.
 */
import { limits } from "../limits.ts";
import { canonical } from "./acquire.ts";
import type { Event } from "./model.ts";
import { cursorSeq, type Page, paging } from "./page.ts";
import { compileScope, coversFile, overlaps, type Scope } from "./scopes.ts";
import { optional, string } from "./shape.ts";
import { type Entry, past } from "./slice.ts";

/** A claim's time over a path. Times are wall time. */
export interface Holding {
  readonly seq: number;
  readonly wallMs: number;
  readonly claim: string;
  readonly holder: string;
  readonly epoch: number;
  readonly task?: string;
  readonly note?: string;
  /** How it ended; absent while it is live. */
  readonly how?: string;
  readonly endedSeq?: number;
  readonly endedWallMs?: number;
}

export const pathPasts = {
  "path.history": past(
    "Who held a path, newest first, as `{items, next?}`.",
    { path: string("path", limits.pathMax), worktree: optional(string("line", limits.pathMax)), ...paging },
    (state, params) => {
      const { path, worktree } = params;
      const asked = canonical(worktree === undefined ? { files: [path] } : { files: [path], worktree });
      if ("rejection" in asked) return asked;
      const holdings = new Holdings(asked.scope, path, state.log.settings.foldCase);
      return {
        from: 0,
        take: (entry) => {
          for (const event of entry.events) holdings.take(event, entry);
          return true;
        },
        answer: (): Page<Holding> => {
          const from = cursorSeq(params, 0);
          const to = from + (params.limit ?? limits.pageItemsDefault);
          const items = holdings.newestFirst();
          return { items: items.slice(from, to), ...(items.length > to ? { next: String(to) } : {}) };
        },
      };
    },
  ),
} as const;

/** Most holdings remembered of one path; the oldest are left out beyond it. */
const HOLDINGS_MAX = 10_000;

class Holdings {
  private readonly wanted: Scope;
  private readonly path: string;
  private readonly foldCase: boolean;
  private readonly scopes = new Map<string, Scope>();
  private readonly live = new Map<string, Holding>();
  private readonly ended: Holding[] = [];

  constructor(wanted: Scope, path: string, foldCase: boolean) {
    this.wanted = wanted;
    this.path = path;
    this.foldCase = foldCase;
  }

  take(event: Event, entry: Entry): void {
    switch (event.type) {
      case "claim.granted":
        this.close(event.claim, "superseded", entry);
        this.rescope(event.claim, event.scope);
        this.open(event.claim, event.holder, event, entry);
        break;
      case "claim.renewed":
        if (event.scope === undefined) break;
        this.rescope(event.claim, event.scope);
        if (!this.touches(event.scope)) this.close(event.claim, "narrowed", entry);
        else if (!this.live.has(event.claim)) this.open(event.claim, event.holder, event, entry);
        break;
      case "claim.handed-off":
        this.close(event.claim, `handed off to ${event.to}`, entry);
        this.open(event.claim, event.to, event, entry);
        break;
      case "claim.released":
        this.end(event.claim, event.outcome, entry);
        break;
      case "claim.expired":
        this.end(event.claim, "expired", entry);
        break;
      case "claim.broken":
        this.end(event.claim, `broken by ${event.by}`, entry);
        break;
      default:
    }
  }

  newestFirst(): Holding[] {
    return [...this.ended, ...this.live.values()].sort((a, b) => b.seq - a.seq);
  }

  private rescope(claim: string, scope: Scope | undefined): void {
    if (scope === undefined) this.scopes.delete(claim);
    else this.scopes.set(claim, scope);
  }

  private touches(scope: Scope): boolean {
    const there = scope.worktree === undefined || this.wanted.worktree === undefined;
    if (!there && scope.worktree !== this.wanted.worktree) return false;
    const covering = compileScope(scope, this.foldCase);
    return coversFile(covering, this.path) || overlaps(covering, compileScope(this.wanted, this.foldCase));
  }

  private open(
    claim: string,
    holder: string,
    { epoch, task, note }: { readonly epoch: number; readonly task?: string; readonly note?: string },
    { seq, wallMs }: Entry,
  ): void {
    const scope = this.scopes.get(claim);
    if (scope === undefined || !this.touches(scope)) return;
    this.live.set(claim, {
      seq,
      wallMs,
      claim,
      holder,
      epoch,
      ...(task === undefined ? {} : { task }),
      ...(note === undefined ? {} : { note }),
    });
  }

  private close(claim: string, how: string, { seq, wallMs }: Entry): void {
    const holding = this.live.get(claim);
    if (holding === undefined) return;
    this.live.delete(claim);
    this.ended.push({ ...holding, how, endedSeq: seq, endedWallMs: wallMs });
    if (this.ended.length > 2 * HOLDINGS_MAX) this.ended.splice(0, HOLDINGS_MAX);
  }

  private end(claim: string, how: string, entry: Entry): void {
    this.close(claim, how, entry);
    this.scopes.delete(claim);
  }
}
