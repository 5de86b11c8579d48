/**
 * History: questions about the past, answered from the log beside the event loop, never in front of a command.
 */
import { Failure } from "../failures.ts";
import { limits } from "../limits.ts";
import { type Event, queries, redacted, type State } from "../model/model.ts";
import { type Page, sizeOf } from "../model/page.ts";
import { normaliseScope, compileScope, coversFile, overlaps, type Scope } from "../model/scopes.ts";
import type { Asker, Entry, Rejection } from "../model/slice.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { SessionMethod, SessionParams } from "../protocol/methods.ts";
import { foldAt } from "./recovery.ts";
import { refuse } from "./refusals.ts";

export interface HistoryOptions {
  readonly log: EventLog;
  /** The state as of now. */
  readonly state: () => State;
  readonly head: () => number;
  /** Lets what has arrived be handled first. */
  readonly pause: () => Promise<void>;
}

type Answer<T> = T | { readonly rejection: Rejection };

/** A claim's time over a path, as `path.history` tells it. */
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

export class History {
  private readonly options: HistoryOptions;
  private running = 0;

  constructor(options: HistoryOptions) {
    this.options = options;
  }

  /** Whether `method` is answered here. */
  static answers(method: string): method is "log.read" | "state.at" | "path.history" | "task.history" {
    return method === "log.read" || method === "state.at" || method === "path.history" || method === "task.history";
  }

  /** Answers one; throws `busy` when as many as may are under way. */
  async answer(method: string, params: object, asker: Asker): Promise<Answer<object>> {
    if (this.running >= limits.historyQueriesMax) {
      throw new Failure("busy", "Enough questions about the past are being answered; try again shortly.");
    }
    this.running += 1;
    try {
      switch (method as SessionMethod) {
        case "log.read":
          return await this.readLog(params as SessionParams<"log.read">, asker);
        case "state.at":
          return await this.stateAt(params as SessionParams<"state.at">, asker);
        case "path.history":
          return await this.pathHistory(params as SessionParams<"path.history">);
        default:
          return await this.taskHistory(params as SessionParams<"task.history">, asker);
      }
    } finally {
      this.running -= 1;
    }
  }

  private async readLog(params: SessionParams<"log.read">, asker: Asker): Promise<Answer<Page<Entry>>> {
    const refusal = await this.cursorRefusal(params.after, params.log);
    if (refusal !== undefined) return refusal;
    const limit = params.limit ?? limits.pageItemsDefault;
    const types = params.events && new Set(params.events);
    const items: Entry[] = [];
    let bytes = 0;
    for await (const entries of this.options.log.read(params.after)) {
      for (const entry of entries) {
        if (types !== undefined && !wants(entry.events, types)) continue;
        const shown = redacted(entry, asker);
        const size = sizeOf(shown);
        const full = items.length >= limit || (items.length > 0 && bytes + size > limits.pageBytesMax);
        if (full) return { items, next: String(items[items.length - 1]?.seq ?? params.after) };
        items.push(shown);
        bytes += size;
      }
      await this.options.pause();
    }
    return { items };
  }

  private async stateAt(params: SessionParams<"state.at">, asker: Asker): Promise<Answer<object>> {
    const seq = params.seq ?? (params.wallMs === undefined ? undefined : await this.seqAt(params.wallMs));
    if (seq === undefined) return refuse("log.ahead", { head: this.options.head() });
    const refusal = await this.cursorRefusal(seq, undefined);
    if (refusal !== undefined) return refusal;
    const fold = await foldAt(this.options.log, seq, this.options.pause);
    const then: Asker = { ...asker, nowMs: fold.atMs };
    const claims = queries["claims.list"].answer(fold.state, { limit: limits.pageItemsMax }, then);
    const agents = queries["agents.list"].answer(fold.state, { limit: limits.pageItemsMax }, then);
    const waits = queries["waits.list"].answer(fold.state, { limit: limits.pageItemsMax }, then);
    const summary = queries["state.summary"].answer(fold.state, {}, then);
    return { seq, atMs: fold.atMs, summary, claims, agents, waits };
  }

  /** The newest entry that was written at or before a moment of wall time. */
  private async seqAt(wallMs: number): Promise<number> {
    let seq = await this.options.log.horizon();
    for await (const entries of this.options.log.read(seq)) {
      for (const entry of entries) {
        if (entry.wallMs > wallMs) return seq;
        seq = entry.seq;
      }
      await this.options.pause();
    }
    return seq;
  }

  private async pathHistory(params: SessionParams<"path.history">): Promise<Answer<Page<Holding>>> {
    const asked: Scope = { files: [params.path], paths: [params.path] };
    const normal = normaliseScope(params.worktree === undefined ? asked : { ...asked, worktree: params.worktree });
    if ("problem" in normal) return refuse("log.ahead", { head: this.options.head() });
    const { foldCase } = this.options.state().log.settings;
    const wanted = compileScope(normal.scope, foldCase);
    const live = new Map<string, Holding & { readonly at: number }>();
    const found: Holding[] = [];
    const scopes = new Map<string, Scope>();
    const touches = (scope: Scope) => {
      const sees = params.worktree === undefined || scope.worktree === undefined || scope.worktree === params.worktree;
      const covering = compileScope(scope, foldCase);
      return sees && (overlaps(covering, wanted) || coversFile(covering, params.path));
    };
    for await (const entries of this.options.log.read(await this.options.log.horizon())) {
      for (const entry of entries) for (const event of entry.events) trace(event, entry, live, found, scopes, touches);
      await this.options.pause();
    }
    found.sort((a, b) => b.seq - a.seq);
    const from = params.cursor === undefined ? 0 : Number(params.cursor);
    const limit = params.limit ?? limits.pageItemsDefault;
    const items = found.slice(from, from + limit);
    return found.length > from + limit ? { items, next: String(from + limit) } : { items };
  }

  private async taskHistory(params: SessionParams<"task.history">, asker: Asker): Promise<Answer<Page<Entry>>> {
    const from = params.cursor === undefined ? await this.options.log.horizon() : Number(params.cursor);
    const limit = params.limit ?? limits.pageItemsDefault;
    const items: Entry[] = [];
    for await (const entries of this.options.log.read(from)) {
      for (const entry of entries) {
        const about = entry.events.filter((event) => (event as { readonly task?: unknown }).task === params.task);
        if (about.length === 0) continue;
        if (items.length >= limit) return { items, next: String(items[items.length - 1]?.seq) };
        items.push(redacted({ ...entry, events: about }, asker));
      }
      await this.options.pause();
    }
    return { items };
  }

  /** The refusal of a cursor that this log cannot serve (LO6), if any. */
  async cursorRefusal(after: number, log: string | undefined) {
    const { log: own } = this.options.state().log;
    if (log !== undefined && log !== own) return refuse("log.unknown", { log: own });
    const head = this.options.head();
    if (after > head) return refuse("log.ahead", { head });
    const horizon = await this.options.log.horizon();
    return after < horizon ? refuse("log.horizon", { seq: horizon }) : undefined;
  }
}

function wants(events: readonly Event[], types: ReadonlySet<string>): boolean {
  return events.some(({ type }) => types.has(type) || types.has(`${type.slice(0, type.indexOf("."))}.*`));
}

/** Follows one claim event through the life of the claims over a path. */
function trace(
  event: Event,
  entry: Entry,
  live: Map<string, Holding & { readonly at: number }>,
  found: Holding[],
  scopes: Map<string, Scope>,
  touches: (scope: Scope) => boolean,
): void {
  const close = (claim: string, how: string) => {
    const holding = live.get(claim);
    live.delete(claim);
    if (holding === undefined) return;
    const { at, ...shown } = holding;
    found[at] = { ...shown, how, endedSeq: entry.seq, endedWallMs: entry.wallMs };
  };
  const open = (claim: string, holder: string, epoch: number, task?: string, note?: string) => {
    const holding: Holding = {
      seq: entry.seq,
      wallMs: entry.wallMs,
      claim,
      holder,
      epoch,
      ...(task === undefined ? {} : { task }),
      ...(note === undefined ? {} : { note }),
    };
    live.set(claim, { ...holding, at: found.length });
    found.push(holding);
  };
  switch (event.type) {
    case "claim.granted":
      close(event.claim, "superseded");
      if (event.scope !== undefined) scopes.set(event.claim, event.scope);
      else scopes.delete(event.claim);
      if (event.scope !== undefined && touches(event.scope)) {
        open(event.claim, event.holder, event.epoch, event.task, event.note);
      }
      break;
    case "claim.renewed":
      if (event.scope === undefined) break;
      scopes.set(event.claim, event.scope);
      if (!touches(event.scope)) close(event.claim, "narrowed");
      else if (!live.has(event.claim)) open(event.claim, event.holder, event.epoch, event.task, event.note);
      break;
    case "claim.handed-off": {
      const scope = scopes.get(event.claim);
      close(event.claim, "handed-off");
      if (scope !== undefined && touches(scope)) open(event.claim, event.to, event.epoch, event.task);
      break;
    }
    case "claim.released":
      close(event.claim, event.outcome);
      break;
    case "claim.expired":
      close(event.claim, "expired");
      break;
    case "claim.broken":
      close(event.claim, `broken by ${event.by}`);
      break;
    default:
  }
}

