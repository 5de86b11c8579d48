/**
 * `patch`: real editing histories through decide and evolve, keystroke by keystroke; bytes on the wire a
 * keystroke; beside Yjs on the same histories, where it is installed.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { Edit } from "../core/model/map.ts";
import { type Command, decide, evolve, initial, queries, type State } from "../core/model/model.ts";
import { type Change, type Changes, mapChanges } from "../core/model/patch.ts";
import type { Context, Entry } from "../core/model/slice.ts";
import { alone, compared, inTurns, print } from "./measure.ts";
import type { Options } from "./run.ts";

type Patch = readonly [position: number, deleted: number, inserted: string];
interface History {
  readonly name: string;
  readonly startContent?: string;
  readonly endContent: string;
  readonly numAgents?: number;
  readonly txns: readonly {
    readonly patches: readonly Patch[];
    readonly parents?: readonly number[];
    readonly agent?: number;
  }[];
}
/** One patch as an agent sends it. */
interface Sent {
  readonly agent: string;
  readonly base: number;
  readonly changes: Changes;
}

const hash = (text: string) => createHash("sha256").update(text).digest("hex");
/** Entries an append holds on a busy hub. */
const APPEND = 128;
const WHERE = { document: "paper.md", block: "text" } as const;

/** The model alone, with one document. */
class Desk {
  state: State = initial;
  seq = 0;
  private edit = new Edit();

  constructor(content: string) {
    this.send("hub", { type: "log.create", log: "bench", settings: {} });
    this.send("hub", { type: "document.put", document: WHERE.document, format: "text", content });
  }

  send(agent: string, command: Command): Entry | undefined {
    const seq = this.seq + 1;
    const context: Context = { agent, nowMs: seq, seq, operator: false, hub: "h", submission: "s", hash };
    const decision = decide(this.state, command, context);
    if ("rejection" in decision) throw new Error(decision.rejection.message);
    if (decision.events.length === 0) return undefined;
    const entry: Entry = { seq, atMs: seq, wallMs: seq, by: agent, id: "s", events: decision.events };
    // As an engine folds: what one append takes in is one edit.
    if (seq % APPEND === 0) this.edit = new Edit();
    this.state = evolve(this.state, entry, this.edit);
    this.seq = seq;
    return entry;
  }

  patch({ agent, base, changes }: Sent): Entry | undefined {
    return this.send(agent, { type: "block.patch", ...WHERE, base, changes });
  }

  get text(): string {
    const asker = { agent: "", nowMs: 0, operator: false, guarded: false };
    const read = queries["document.read"].answer(this.state, { document: WHERE.document }, asker);
    return "content" in read ? (read.content as string) : "";
  }
}

/** A history from the folder of real data beside the project. */
function historyOf(name: string): History | undefined {
  // From the sources and from the compiled benchmarks alike.
  for (const up of ["../..", "../../.."]) {
    const file = fileURLToPath(new URL(`${up}/shared/data/traces/${name}.json.gz`, import.meta.url));
    if (existsSync(file)) return { name, ...JSON.parse(gunzipSync(readFileSync(file)).toString()) };
  }
  return undefined;
}

function changeOf([position, deleted, inserted]: Patch): Change {
  return {
    from: position,
    ...(deleted === 0 ? {} : { to: position + deleted }),
    ...(inserted === "" ? {} : { insert: inserted }),
  };
}

/**
 * What each author sent: each keystroke on the newest version the author had taken in. In a concurrent
 * history an author types on a text without the others' newest, so its keystroke is first moved onto the
 * version it names.
 */
function keystrokes(history: History): readonly Sent[] {
  const sent: Sent[] = [];
  const unseen = new Map<number, { txn: number; changes: Changes }[]>();
  const seen = Array.from({ length: history.numAgents ?? 1 }, () => new Set<number>());
  for (let i = 0; i < seen.length; i++) unseen.set(i, []);
  const desk = new Desk(history.startContent ?? "");
  history.txns.forEach(({ agent = 0, parents, patches }, index) => {
    const known = seen[agent] as Set<number>;
    for (const one of parents === undefined ? [] : ancestors(history, parents, known)) known.add(one);
    known.add(index);
    let waiting = (unseen.get(agent) ?? []).filter(({ txn }) => !known.has(txn));
    for (const patch of patches) {
      let changes: Changes = [changeOf(patch)];
      waiting = waiting.map((one) => {
        const over = { ...one, changes: mapChanges(one.changes, changes, true) };
        changes = mapChanges(changes, one.changes, false);
        return over;
      });
      if (changes.length === 0) continue;
      const one = { agent: `author-${agent}`, base: sent.length, changes };
      desk.patch(one);
      sent.push(one);
      for (const [other, list] of unseen) if (other !== agent) list.push({ txn: index, changes });
    }
    unseen.set(agent, waiting);
  });
  return sent;
}

function ancestors(history: History, parents: readonly number[], known: ReadonlySet<number>): Set<number> {
  const found = new Set<number>();
  const open = [...parents];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (known.has(next) || found.has(next)) continue;
    found.add(next);
    open.push(...(history.txns[next]?.parents ?? []));
  }
  return found;
}

/** The same keystrokes as one sees them who is `behind` versions late: the engine maps each. */
function late(sent: readonly Sent[], behind: number): readonly Sent[] {
  return sent.map((one, i) => {
    let { changes } = one;
    const base = Math.max(0, one.base - behind);
    // Back over what came between, as far as it was another's and apart: else as it is.
    for (let j = i - 1; j >= base; j--) {
      const other = sent[j] as Sent;
      const [{ from, to = from, insert = "" } = { from: 0 }] = other.changes;
      const start = changes[0]?.from ?? 0;
      const end = changes.at(-1)?.to ?? changes.at(-1)?.from ?? 0;
      const shift = insert.length - (to - from);
      if (other.changes.length > 1 || (end > from && start < from + insert.length) || start === from)
        return one;
      if (start >= from + insert.length) {
        changes = changes.map((change) => ({
          ...change,
          from: change.from - shift,
          ...(change.to === undefined ? {} : { to: change.to - shift }),
        }));
      }
    }
    return { ...one, base, changes };
  });
}

function replay(history: History, sent: readonly Sent[]): { rate: number; text: string } {
  const desk = new Desk(history.startContent ?? "");
  const startedMs = performance.now();
  for (const one of sent) desk.patch(one);
  return { rate: (1000 * sent.length) / (performance.now() - startedMs), text: desk.text };
}

/** Bytes of JSON an edit takes: to the hub, and to each follower. */
function wireBytes(history: History, sent: readonly Sent[]): { up: number; down: number } {
  const desk = new Desk(history.startContent ?? "");
  let up = 0;
  let down = 0;
  sent.forEach(({ agent, base, changes }, i) => {
    const id = `c${i}`;
    const params = { ...WHERE, base, changes, submission: "0123456789abcdefghijkl", sentAfter: desk.seq };
    up += Buffer.byteLength(JSON.stringify({ jsonrpc: "2.0", id, method: "block.patch", params }));
    const entry = desk.patch({ agent, base, changes });
    down += Buffer.byteLength(
      JSON.stringify({ jsonrpc: "2.0", method: "entry", params: { ...entry, id: params.submission } }),
    );
  });
  return { up: up / sent.length, down: down / sent.length };
}

interface YText {
  insert(at: number, text: string): void;
  delete(at: number, length: number): void;
  toString(): string;
}
interface YDoc {
  getText(name: string): YText;
  on(event: "update", listener: (update: Uint8Array) => void): void;
  transact(change: () => void): void;
}
type Yjs = { readonly Doc: new () => YDoc; applyUpdate(doc: YDoc, update: Uint8Array): void };

/** Yjs, where it is installed: compared with, never used. */
async function yjs(): Promise<Yjs | undefined> {
  const name = "yjs";
  try {
    return (await import(name)) as Yjs;
  } catch {
    return undefined;
  }
}

/** The same keystrokes as updates of Yjs, one each: what its writer sends. */
function updatesOf({ Doc }: Yjs, history: History, sent: readonly Sent[]): readonly Uint8Array[] {
  const updates: Uint8Array[] = [];
  const writer = new Doc();
  const text = writer.getText("t");
  writer.on("update", (update) => updates.push(update));
  if (history.startContent !== undefined && history.startContent !== "") text.insert(0, history.startContent);
  for (const { changes } of sent) {
    writer.transact(() => {
      let shift = 0;
      for (const { from, to = from, insert = "" } of changes) {
        if (to > from) text.delete(from + shift, to - from);
        if (insert !== "") text.insert(from + shift, insert);
        shift += insert.length - (to - from);
      }
    });
  }
  return updates;
}

/** What a hub has to do with them: each is applied to its copy. */
function replayByYjs({ Doc, applyUpdate }: Yjs, updates: readonly Uint8Array[], end: string): number {
  const hub = new Doc();
  const startedMs = performance.now();
  for (const update of updates) applyUpdate(hub, update);
  const rate = (1000 * updates.length) / (performance.now() - startedMs);
  if (hub.getText("t").toString() !== end) throw new Error("Yjs ends in another text");
  return rate;
}

export async function run({ scale }: Options): Promise<void> {
  const peer = await yjs();
  if (peer === undefined) process.stderr.write("          (yjs is not installed: no comparison)\n");
  for (const name of ["automerge-paper", "friendsforever"]) {
    const history = historyOf(name);
    if (history === undefined) {
      process.stderr.write(
        `          (no ${name}: the real editing histories are not beside this project)\n`,
      );
      continue;
    }
    const all = keystrokes(history);
    const sent = all.slice(0, Math.max(1, Math.round(all.length * Math.min(1, scale))));
    const end = replay(history, sent).text;
    if (sent.length === all.length && history.numAgents === undefined && end !== history.endContent) {
      throw new Error(`${name} does not end in its known text`);
    }
    const behind = late(sent, 16);
    if (replay(history, behind).text !== end) throw new Error(`${name}, sent late, ends in another text`);
    const updates = peer === undefined ? [] : updatesOf(peer, history, sent);
    const cases: Record<string, () => number> = {
      ours: () => replay(history, sent).rate,
      late: () => replay(history, behind).rate,
      ...(peer === undefined ? {} : { yjs: () => replayByYjs(peer, updates, end) }),
    };
    const rates: { readonly [name: string]: number[] } = await inTurns(cases, 5);
    const { ours = [], late: lates = [], yjs: theirs } = rates;
    const before = process.cpuUsage();
    replay(history, sent);
    const { user, system } = process.cpuUsage(before);
    print(alone("patch", `${name}, CPU an edit`, "µs", [(user + system) / sent.length]));
    const title = `${name}, ${sent.length} edits`;
    if (theirs === undefined) print(alone("patch", title, "edits/s", ours));
    else print(compared("patch", title, "edits/s", ours, "yjs", theirs));
    const moved = behind.filter(({ base }, i) => base < (sent[i]?.base ?? 0)).length;
    print(alone("patch", `the same, ${moved} of them 16 versions late`, "edits/s", lates));
    const { up, down } = wireBytes(history, sent);
    print(alone("patch", "bytes an edit to the hub, JSON", "bytes", [up]));
    print(alone("patch", "bytes an edit to a follower, JSON", "bytes", [down]));
    if (peer !== undefined) {
      const bytes = updates.reduce((sum, update) => sum + update.byteLength, 0) / updates.length;
      print(alone("patch", "bytes an edit, an update of Yjs", "bytes", [bytes]));
    }
  }
}
