/**
 * The judge: hears everything that was asked, stored, answered and shown, and says what of it breaks a
 * promise.
 *
 * The log is the witness. Its fold is kept for every seq, so that each answer can be held against the states
 * it may have been given from; who holds what is kept a second time, by hand, in `Leases`.
 */
import { createHash } from "node:crypto";
import { emptyFold, type Fold, foldAll, foldEntry } from "../../core/engine/fold.ts";
import { engineRejections } from "../../core/engine/refusals.ts";
import { rowsOf } from "../../core/engine/snapshot.ts";
import { answerOf, type Command, decide, redacted, type State, tables } from "../../core/model/model.ts";
import type { Closes, Entry } from "../../core/model/slice.ts";
import { Leases } from "./leases.ts";
import type { Stored } from "./sim-log.ts";

/** Whose eyes something is shown to. */
interface Eyes {
  readonly agent: string;
  readonly operator: boolean;
}

type Fields = Readonly<Record<string, unknown>>;
type Refusal = { readonly code: number; readonly data?: Fields } | undefined;

/** What is known of one submission. */
interface Sent {
  readonly command: Command;
  readonly operator: boolean;
  /** What had been answered to anybody when it was first sent. */
  readonly floor: number;
  /** The hubs it was sent to, and where the log ended when it first was. */
  readonly hubs: Map<string, number>;
  /** Hubs that refused it, and how. */
  readonly refused: Map<string, string>;
  /** The only try was called certainly without effect. */
  definite: boolean;
  tries: number;
}

/** Thrown inside the simulation when a promise is broken; ends it. */
export class Broken extends Error {}

export class Judge {
  /** The highest seq that was answered to anybody. */
  acknowledged = 0;
  /** What was broken first. */
  verdict: string | undefined;
  readonly folds: Fold[] = [emptyFold];
  readonly leases: Leases;
  readonly texts: string[] = [];
  private readonly hash = createHash("sha256");
  private readonly sent = new Map<string, Sent>();
  private readonly byKey = new Map<string, Entry>();
  private readonly closing = new Map<string, Entry>();
  private readonly entries: Entry[] = [];
  private readonly trace: string[] | undefined;
  private readonly nowMs: () => number;
  private readonly guarded: boolean;

  /** `guarded`: what is for others must be hidden. */
  constructor(nowMs: () => number, trace: string[] | undefined, guarded: boolean) {
    this.nowMs = nowMs;
    this.guarded = guarded;
    this.trace = trace;
    this.leases = new Leases((words) => this.fail(words));
  }

  get head(): number {
    return this.entries.length;
  }

  /** A line of the transcript, made only where there is one. */
  note(line: () => string): void {
    this.trace?.push(`${String(this.nowMs()).padStart(6)} ${line()}`);
  }

  fail(message: string): never {
    const words = message.replaceAll("\n", " ");
    if (this.verdict === undefined) {
      this.verdict = words;
      this.note(() => `BROKEN ${words}`);
    }
    throw new Broken(words);
  }

  /** A command is sent for the first time. */
  invoked(agent: string, submission: string, command: object, operator: boolean): void {
    const known: Sent = {
      command: command as Command,
      operator,
      floor: this.acknowledged,
      hubs: new Map(),
      refused: new Map(),
      definite: false,
      tries: 0,
    };
    this.sent.set(keyOf(agent, submission), known);
  }

  /** … or again. */
  tried(agent: string, submission: string, hub: string): void {
    const sent = this.sentOf(agent, submission);
    if (!sent.hubs.has(hub)) sent.hubs.set(hub, this.head);
    sent.tries += 1;
    sent.definite = false;
  }

  /** An append can be seen from now on. */
  stored(stored: Stored, entries: readonly Entry[]): void {
    const { by, calledMs, texts, count } = stored;
    if (texts.length !== count) this.fail(`an append of ${count} entries was stored as ${texts.length}`);
    for (const [i, entry] of entries.entries()) {
      const text = texts[i] as string;
      this.hash.update(text);
      this.note(() => `      log ${by} ${text}`);
      this.texts.push(text);
      this.one(entry, by);
      this.entries.push(entry);
      this.leases.entry(entry, calledMs);
    }
    this.leases.settled(this.last.state.log.settings.foldCase, entries.length);
  }

  /** A client was told that its command happened, or why not. */
  answered(agent: string, submission: string, hub: string, result: Fields | undefined, error: Refusal): void {
    const key = keyOf(agent, submission);
    const sent = this.sentOf(agent, submission);
    this.note(() => `${agent} < ${hub} ${submission} ${JSON.stringify(result ?? error)}`);
    this.hash.update(JSON.stringify(result ?? error ?? ""));
    if (result !== undefined) this.success(key, sent, result);
    else if (error?.code === 1) this.refusal(key, sent, hub, error.data ?? {});
    else if (this.byKey.has(key)) this.fail(`${key} took effect but was answered ${JSON.stringify(error)}`);
  }

  /** A client was told that something went wrong. */
  failed(agent: string, submission: string, definite: boolean): void {
    const sent = this.sentOf(agent, submission);
    this.note(() => `${agent} < ${submission} failed${definite ? ", certainly without effect" : ""}`);
    // It speaks of that one try alone: of two, another may have had the effect.
    if (!definite || sent.tries > 1) return;
    sent.definite = true;
    const key = keyOf(agent, submission);
    const entry = this.byKey.get(key);
    if (entry !== undefined)
      this.fail(`${key} is entry ${entry.seq} but was called certainly without effect`);
  }

  /** A program was told that its command certainly has no effect: neither has it, nor will it have one. */
  ruledOut(agent: string, submission: string, code: string): void {
    this.note(() => `${agent} < ${submission} failed for certain: ${code}`);
    const key = keyOf(agent, submission);
    this.sentOf(agent, submission).definite = true;
    const entry = this.byKey.get(key);
    if (entry !== undefined)
      this.fail(`${key} is entry ${entry.seq} but its program was told ${code}, for certain`);
  }

  /** A follower has folded this state for itself. */
  copied(who: string, eyes: Eyes, seq: number, state: State): void {
    const fold = this.foldAt(seq);
    const shown = this.guarded ? foldAll(emptyFold, this.entries.slice(0, seq).map(this.seenBy(eyes))) : fold;
    this.same(who, { ...shown, atMs: fold.atMs }, { ...fold, state });
  }

  /** A question was answered. */
  read(
    agent: string,
    operator: boolean,
    open: { readonly method: string; readonly params: Fields; readonly floor: number },
    result: Fields | undefined,
    error: Refusal,
  ): void {
    const { method, params, floor } = open;
    const query = tables.queries[method];
    this.note(() => `${agent} < ${method} ${JSON.stringify(result ?? error)}`);
    if (query === undefined || result === undefined) return;
    const { seq, nowMs } = result as { seq: number; nowMs: number };
    if (seq < floor)
      this.fail(`${method} was answered as of ${seq}, behind ${floor}, which had been answered`);
    if (seq > this.head) this.fail(`${method} was answered as of ${seq}, above the head`);
    const { state } = this.foldAt(seq);
    const asker = { agent, nowMs, operator, guarded: this.guarded, hash: sha256 };
    const expected = JSON.stringify({
      ...(query.answer(state, params as never, asker) as object),
      seq,
      nowMs,
    });
    const given = JSON.stringify(result);
    if (given !== expected) this.fail(`${method} as of ${seq} said ${given}, not ${expected}`);
    if (method === "claims.list") this.leases.listed(seq, params, result);
    this.hash.update(given);
  }

  /** A follower was shown an entry. */
  followed(
    who: string,
    eyes: Eyes,
    cursor: number,
    entry: Fields,
    filter: readonly string[] | undefined,
  ): void {
    const seq = entry.seq as number;
    const stored = this.entries[seq - 1];
    if (stored === undefined) return this.fail(`${who} was shown ${seq}, which is not in the log`);
    if (JSON.stringify(entry) !== JSON.stringify(this.seenBy(eyes)(stored))) {
      this.fail(`${who} was shown another entry ${seq}`);
    }
    if (this.guarded && !eyes.operator) this.hidden(who, eyes.agent, entry);
    if (filter === undefined ? seq !== cursor + 1 : seq <= cursor) {
      this.fail(`${who} was shown ${seq} after ${cursor}`);
    }
    if (filter !== undefined) this.skipped(who, cursor, seq - 1, filter);
  }

  /** What one agent wrote to another is nobody else's, by hand. */
  private hidden(who: string, agent: string, { events }: Fields): void {
    for (const { type, from, to } of events as readonly Fields[]) {
      const names = [to].flat();
      if (type !== "message.posted" || from === agent || names.includes(agent)) continue;
      const all = names.every((name) => /^(a\d|op)$/.test(String(name)));
      if (all) this.fail(`${who} was shown what ${from} wrote to ${names.join()}`);
    }
  }

  /** A follower was told that nothing of what it wants stands up to `seq`. */
  moved(who: string, cursor: number, seq: number, filter: readonly string[] | undefined): void {
    if (seq < cursor || seq > this.head) this.fail(`${who} at ${cursor} was moved to ${seq}`);
    this.skipped(who, cursor, seq, filter ?? [""]);
  }

  /** A hub serves this fold. */
  served(hub: string, fold: Fold): void {
    this.same(hub, this.foldAt(fold.seq), fold);
  }

  private same(who: string, should: Fold, fold: Fold): void {
    const expected = rowsOf(should);
    const rows = rowsOf(fold);
    for (let i = 0; i < Math.max(rows.length, expected.length); i++) {
      if (rows[i] === expected[i]) continue;
      this.fail(
        `${who} at ${fold.seq} serves ${rows[i] ?? "nothing"} where the log says ${expected[i] ?? "nothing"}`,
      );
    }
  }

  /** When all is over: the whole log once more, folded in bulk; nothing waits, nothing is overdue. */
  finish(): string {
    const again = foldAll(
      emptyFold,
      this.texts.map((text) => JSON.parse(text) as Entry),
    );
    this.served("a bulk fold", again);
    const waiting = [...this.last.state.waits.bySeq.values()][0];
    if (waiting !== undefined) this.fail(`a wait of ${waiting.agent} for ${waiting.claim} never ended`);
    for (const row of rowsOf(again)) this.hash.update(row);
    return this.hash.digest("hex").slice(0, 16);
  }

  /** The newest fold. */
  get last(): Fold {
    return this.folds[this.folds.length - 1] as Fold;
  }

  private seenBy(eyes: Eyes): (entry: Entry) => Entry {
    return (entry) => redacted(entry, { ...eyes, nowMs: 0, guarded: this.guarded });
  }

  private foldAt(seq: number): Fold {
    const fold = this.folds[seq];
    return fold ?? this.fail(`nothing stands at ${seq}; the log ends at ${this.head}`);
  }

  private one(entry: Entry, hub: string): void {
    const { last } = this;
    if (entry.seq !== last.seq + 1) this.fail(`entry ${entry.seq} stands behind ${last.seq}`);
    if (entry.atMs < last.atMs) this.fail(`log time goes back at ${entry.seq}`);
    if (entry.events.length === 0) this.fail(`entry ${entry.seq} says nothing`);
    this.folds.push(foldEntry(last, entry, undefined));
    for (const event of entry.events) {
      const { closes } = event as { closes?: Closes };
      if (closes !== undefined) this.closing.set(keyOf(closes.agent, closes.submission), entry);
    }
    if (entry.id === "") return;
    const key = keyOf(entry.by, entry.id);
    const before = this.byKey.get(key);
    if (before !== undefined) this.fail(`${key} took effect twice: ${before.seq} and ${entry.seq}`);
    this.byKey.set(key, entry);
    const sent = this.sent.get(key);
    if (sent === undefined) this.fail(`entry ${entry.seq} is of ${key}, which nobody sent`);
    if (sent.refused.has(hub))
      this.fail(`${key} was refused by ${hub} and took effect there later (${entry.seq})`);
    if (sent.definite)
      this.fail(`${key} was called certainly without effect and took effect at ${entry.seq}`);
    if (entry.seq <= sent.floor)
      this.fail(`${key} took effect at ${entry.seq}, before ${sent.floor} was answered`);
    this.leases.obeyed(entry, sent.command);
  }

  private success(key: string, sent: Sent, result: Fields): void {
    const seq = result.seq as number;
    if (seq > this.head) this.fail(`${key} was answered ${seq}, which is not in the log`);
    this.acknowledged = Math.max(this.acknowledged, seq);
    const own = this.byKey.get(key);
    if (own === undefined) {
      if (seq < sent.floor) this.fail(`${key} was answered as of ${seq}, behind ${sent.floor}`);
      if (!this.possible(key, sent, (decision) => "events" in decision && decision.events.length === 0)) {
        this.fail(`${key} was answered ${JSON.stringify(result)} without an effect`);
      }
      return;
    }
    const closing = this.closing.get(key);
    const entry = closing ?? own;
    if (closing !== undefined) {
      const answer = answerOf(closing, closesOf(key));
      if (answer === undefined || "rejection" in answer)
        this.fail(`${key} waited in vain but was answered a success`);
    }
    if (seq !== entry.seq) this.fail(`${key} is entry ${entry.seq} but was answered ${seq}`);
    const { epoch, claim, expiresAtMs } = result;
    if (epoch === undefined) return;
    const found = (entry.events as readonly Fields[]).some(
      (event) => event.epoch === epoch && event.claim === claim && event.expiresAtMs === expiresAtMs,
    );
    if (!found) this.fail(`${key} was answered ${JSON.stringify(result)}, which entry ${seq} does not say`);
  }

  private refusal(key: string, sent: Sent, hub: string, data: Fields): void {
    const code = data.code as string;
    const closing = this.closing.get(key);
    if (closing !== undefined) {
      const answer = answerOf(closing, closesOf(key));
      if (answer !== undefined && "rejection" in answer && answer.rejection.code === code) return;
    }
    const own = this.byKey.get(key);
    if (code === "submission.expired") return;
    // Refused here, then accepted from a duplicate elsewhere, may be (5); accepted, then refused, may not.
    if (own !== undefined && own.seq <= (sent.hubs.get(hub) ?? this.head)) {
      this.fail(`${key} is entry ${own.seq} but was refused: ${JSON.stringify(data)}`);
    }
    const through = own === undefined ? this.head : own.seq - 1;
    if (Object.hasOwn(engineRejections, code)) return this.excused(key, code);
    const before = sent.refused.get(hub);
    if (before !== undefined && before !== code)
      this.fail(`${key} was refused as ${before}, then as ${code}`);
    sent.refused.set(hub, code);
    if (data.repeated === true && before === code) return;
    const said = (decision: ReturnType<typeof decide>) => {
      if (!("rejection" in decision) || decision.rejection.code !== code) return false;
      const same = (field: string) =>
        JSON.stringify(decision.rejection[field]) === JSON.stringify(data[field]);
      return same("holder") && same("epoch") && same("claim");
    };
    if (!this.possible(key, sent, said, through)) {
      this.fail(`${key} was refused ${JSON.stringify(data)}, which no state since ${sent.floor} gives`);
    }
  }

  /** What a hub refuses by itself. */
  private excused(key: string, code: string): void {
    if (code === "submission.reused") this.fail(`${key} was called reused`);
  }

  /** Whether some state between the first try and now leads to such a decision. */
  private possible(
    key: string,
    sent: Sent,
    fits: (decision: ReturnType<typeof decide>) => boolean,
    through = this.head,
  ): boolean {
    const { agent, submission } = closesOf(key);
    const { command, operator, floor } = sent;
    for (let seq = through; seq >= floor; seq--) {
      const { state, atMs } = this.foldAt(seq);
      const context = { agent, nowMs: atMs, seq: seq + 1, operator, hub: "", submission, hash: sha256 };
      if (fits(decide(state, command, context))) return true;
    }
    return false;
  }

  private skipped(who: string, after: number, through: number, filter: readonly string[]): void {
    for (let seq = after + 1; seq <= through; seq++) {
      const wanted = this.entries[seq - 1]?.events.some(({ type }) =>
        filter.some((one) => one === type || (one.endsWith("*") && type.startsWith(one.slice(0, -1)))),
      );
      if (wanted) this.fail(`${who} was not shown ${seq}`);
    }
  }

  private sentOf(agent: string, submission: string): Sent {
    return this.sent.get(keyOf(agent, submission)) ?? this.fail(`${agent} never sent ${submission}`);
  }
}

export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

function keyOf(agent: string, submission: string): string {
  return `${agent}\n${submission}`;
}

function closesOf(key: string): Closes {
  const cut = key.indexOf("\n");
  return { agent: key.slice(0, cut), submission: key.slice(cut + 1) };
}
