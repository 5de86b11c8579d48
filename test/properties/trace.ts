/**
 * Editing histories of real people, replayed on the model: keystroke by keystroke, or as several clients
 * that type at the same time.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { type DocumentChange, DocumentCopy, type ReadDocument } from "../../core/client/document-copy.ts";
import { type Command, queries } from "../../core/model/model.ts";
import { type Change, type Changes, composeChanges, mapChanges } from "../../core/model/patch.ts";
import { Ledger } from "../core/ledger.ts";

type Patch = readonly [position: number, deleted: number, inserted: string];
/** One author's history. */
export interface Sequential {
  readonly startContent: string;
  readonly endContent: string;
  readonly txns: readonly { readonly patches: readonly Patch[] }[];
}
/** Several authors'; a patch's positions are in the text its parents make. */
export interface Concurrent {
  readonly endContent: string;
  readonly numAgents: number;
  readonly txns: readonly {
    readonly parents: readonly number[];
    readonly agent: number;
    readonly patches: readonly Patch[];
  }[];
}

/** A history from the folder of real data beside this checkout, where there is one. */
export function realTrace(name: string): unknown {
  const file = fileURLToPath(new URL(`../../../shared/data/traces/${name}.json.gz`, import.meta.url));
  return existsSync(file) ? JSON.parse(gunzipSync(readFileSync(file)).toString()) : undefined;
}

/** A patch of a history as a change. */
export function changeOf([position, deleted, inserted]: Patch): Change {
  return {
    from: position,
    ...(deleted === 0 ? {} : { to: position + deleted }),
    ...(inserted === "" ? {} : { insert: inserted }),
  };
}

const asker = { agent: "x", nowMs: 0, operator: false, guarded: false };

/** A ledger with one text, `D`, and what it reads by now. */
export function textLedger(content: string) {
  const ledger = new Ledger({ bulk: true });
  const send = (command: Command, by: string, submission?: string) => {
    const told = ledger.send(command, by, submission === undefined ? {} : { submission });
    if (told.rejection !== undefined) throw new Error(told.rejection.message);
    return told;
  };
  send({ type: "document.put", document: "D", format: "text", content }, "hub");
  const read = () =>
    queries["document.read"].answer(
      ledger.state,
      { document: "D", blocks: true },
      asker,
    ) as unknown as ReadDocument;
  return { ledger, send, read, text: () => read().blocks[0]?.text ?? "" };
}

/** What others did that is in the log and that this author had not seen when it typed, in order. */
type Unseen = { readonly txn: number; changes: Changes };

/**
 * One author: a copy that is as new as the log at its last answer, and the text the author looked at,
 * behind it.
 */
class Author {
  readonly copy: DocumentCopy;
  /** On the way from the author's text to the copy's. */
  unseen: Unseen[] = [];
  /** Its own transactions and those it saw. */
  readonly seen = new Set<number>();
  read = 0;
  /** The entry of its newest patch. */
  sent = 0;
  readonly name: string;

  constructor(name: string, copy: DocumentCopy) {
    this.name = name;
    this.copy = copy;
  }
}

/**
 * Replays a concurrent history: every author sends each transaction on the version it knows then, and
 * hears of what others did only when it waits for an answer or takes them in. Returns the texts of all,
 * the engine's first.
 */
export function replayConcurrently(trace: Concurrent): {
  readonly texts: readonly string[];
  readonly mapped: number;
} {
  const { ledger, send, read, text } = textLedger("");
  const authors = Array.from(
    { length: trace.numAgents },
    (_, i) => new Author(`author-${i}`, new DocumentCopy(read())),
  );
  for (const author of authors) author.read = ledger.seq;
  const txnOf = new Map<number, number>();
  const seqOf = new Map<number, number>();
  const receive = (author: Author, upTo: number) => {
    for (const entry of ledger.entries.slice(author.read, upTo)) {
      for (const event of entry.events) {
        const own = entry.by === author.name;
        const { shown } = author.copy.take(entry, event as DocumentChange);
        const txn = txnOf.get(entry.seq);
        if (own || txn === undefined) continue;
        const changes = shown.reduce<Changes>((all, one) => composeChanges(all, one.changes), []);
        author.unseen.push({ txn, changes });
      }
      author.read = entry.seq;
    }
  };
  let mapped = 0;
  trace.txns.forEach((txn, index) => {
    const author = authors[txn.agent] as Author;
    const before = ancestors(trace, txn.parents, author.seen);
    receive(author, Math.max(0, ...[...before].map((one) => seqOf.get(one) ?? 0)));
    for (const one of before) author.seen.add(one);
    author.seen.add(index);
    while (author.unseen[0] !== undefined && author.seen.has(author.unseen[0].txn)) author.unseen.shift();
    // One patch at a time is under way: the next waits for the answer.
    if (author.copy.unconfirmed.length > 0) receive(author, author.sent);
    for (const patch of txn.patches) {
      let changes: Changes = [changeOf(patch)];
      author.unseen = author.unseen.map((one) => {
        const over = { ...one, changes: mapChanges(one.changes, changes, true) };
        changes = mapChanges(changes, one.changes, false);
        return over;
      });
      if (!author.copy.edit("text", changes)) throw new Error(`transaction ${index} does not fit`);
    }
    const submission = `t${index}`;
    const sent = author.copy.send("text", submission);
    if (sent === undefined) return;
    send({ type: "block.patch", document: "D", block: "text", ...sent }, author.name, submission);
    const event = ledger.entries.at(-1)?.events[0];
    if (event?.type === "block.patched" && event.base !== undefined) mapped += 1;
    txnOf.set(ledger.seq, index);
    seqOf.set(index, ledger.seq);
    author.sent = ledger.seq;
  });
  for (const author of authors) receive(author, ledger.seq);
  return { texts: [text(), ...authors.map(({ copy }) => copy.text("text") ?? "")], mapped };
}

/** What the parents stand for besides what is known already. */
function ancestors(
  trace: Concurrent,
  parents: readonly number[],
  known: ReadonlySet<number>,
): ReadonlySet<number> {
  const found = new Set<number>();
  const open = [...parents];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (known.has(next) || found.has(next)) continue;
    found.add(next);
    open.push(...(trace.txns[next]?.parents ?? []));
  }
  return found;
}
