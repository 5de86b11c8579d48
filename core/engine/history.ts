/**
 * History: questions about the past, answered from the log beside the event loop, never in front of a
 * command.
 */
import { assert, Failure } from "../failures.ts";
import { limits } from "../limits.ts";
import { type Event, glance, redacted, type State, tables } from "../model/model.ts";
import { type Page, sizeOf } from "../model/page.ts";
import type { Asker, Entry, Rejection } from "../model/slice.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { SessionParams } from "../protocol/methods.ts";
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

export class History {
  private readonly options: HistoryOptions;
  private running = 0;

  constructor(options: HistoryOptions) {
    this.options = options;
  }

  /** Whether `method` is answered here. */
  static answers(method: string): boolean {
    return method === "log.read" || method === "state.at" || Object.hasOwn(tables.pasts, method);
  }

  /** Answers one; throws `busy` when as many as may are under way. */
  async answer(method: string, params: object, asker: Asker): Promise<Answer<object>> {
    if (this.running >= limits.historyQueriesMax) {
      throw new Failure("busy", "Enough questions about the past are being answered; try again shortly.");
    }
    this.running += 1;
    try {
      if (method === "log.read") return await this.readLog(params as SessionParams<"log.read">, asker);
      if (method === "state.at") return await this.stateAt(params as SessionParams<"state.at">, asker);
      return await this.trace(method, params, asker);
    } finally {
      this.running -= 1;
    }
  }

  private async trace(method: string, params: object, asker: Asker): Promise<Answer<object>> {
    const question = tables.pasts[method];
    assert(question !== undefined, `no question ${method}`);
    const tracer = question.trace(this.options.state(), params as never, asker);
    if ("rejection" in tracer) return tracer;
    const horizon = await this.options.log.horizon();
    for await (const entries of this.options.log.read(Math.max(horizon, tracer.from))) {
      for (const entry of entries) if (!tracer.take(redacted(entry, asker))) return tracer.answer();
      await this.options.pause();
    }
    return tracer.answer();
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
    return { seq, atMs: fold.atMs, ...glance(fold.state, then) };
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
