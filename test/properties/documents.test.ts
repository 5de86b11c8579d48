/** Copies of a document under any interleaving, against the engine's text and a set of named characters. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../adapters/node/hash.ts";
import { type DocumentChange, DocumentCopy, type ReadDocument } from "../../core/client/document-copy.ts";
import { type DocumentsState, loadDocuments, saveDocuments } from "../../core/model/document-state.ts";
import { Edit } from "../../core/model/map.ts";
import { type Command, evolve, initial, queries } from "../../core/model/model.ts";
import { isCanonical } from "../../core/model/patch.ts";
import type { Row } from "../../core/model/slice.ts";
import { Ledger } from "../core/ledger.ts";

const NAMES = ["ann", "ben", "cat"] as const;
type Name = (typeof NAMES)[number];
const asker = { agent: "x", nowMs: 0, operator: false, guarded: false, hash: sha256 };

const who = fc.constantFrom(...NAMES);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("edit" as const),
      who,
      block: fc.nat(),
      at: fc.nat(),
      take: fc.nat(4),
      put: fc.nat(3),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("send" as const), who }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("receive" as const), who, count: fc.integer({ min: 1, max: 4 }) }),
  },
  // What was sent is sent once more: its answer was lost.
  { weight: 1, arbitrary: fc.record({ do: fc.constant("repeat" as const), who }) },
);
const more = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), who }) },
  { weight: 4, arbitrary: step },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("undo" as const), who, block: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("structure" as const), who, block: fc.nat(), how: fc.nat(2) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("put" as const), who, how: fc.nat(3) }) },
);
type Step = typeof more extends fc.Arbitrary<infer S> ? S : never;

const SOURCE = "# Title\n\n```py markpact:file path=a.py\nabc\n```\nmiddle\n```sh markpact:run\nrun\n```\n";

/** An agent's copy, what it sent last, and how far it has read. */
interface Peer {
  copy: DocumentCopy;
  seen: number;
  sent: { command: Command; submission: string } | undefined;
}

/** A slice as it stands in a snapshot, in an order of its own. */
function rows(slice: DocumentsState): readonly Row[] {
  const all = JSON.parse(JSON.stringify([...saveDocuments(slice)])) as Row[];
  return all.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

class World {
  readonly ledger = new Ledger();
  readonly peers = new Map<Name, Peer>();
  readonly outcomes = new Map<string, boolean>();
  /** Characters put in and taken away; each is put in once, so that it has a name. */
  readonly alive = new Set<string>();
  private next = 0x4e00;
  private sends = 0;

  constructor(format: "text" | "markpact", content: string) {
    this.send("ann", { type: "document.put", document: "D", format, content });
    for (const name of NAMES)
      this.peers.set(name, { copy: new DocumentCopy(this.read()), seen: this.ledger.seq, sent: undefined });
    for (const char of content) this.alive.add(char);
  }

  read(): ReadDocument {
    const answer = queries["document.read"].answer(this.ledger.state, { document: "D", blocks: true }, asker);
    return answer as unknown as ReadDocument;
  }

  content(): string {
    const answer = queries["document.read"].answer(this.ledger.state, { document: "D" }, asker);
    return (answer as { content: string }).content;
  }

  /** A submission takes effect once (SU1). */
  send(name: string, command: Command, submission = `s${++this.sends}`): boolean {
    const known = this.outcomes.get(submission);
    if (known !== undefined) return known;
    const { rejection } = this.ledger.send(command, name, { submission });
    this.outcomes.set(submission, rejection === undefined);
    if (rejection !== undefined && !/^block\.(unknown|nothing|base-too-old)/.test(rejection.code))
      throw new Error(rejection.message);
    return rejection === undefined;
  }

  run(step: Step): void {
    const peer = this.peers.get(step.who) as Peer;
    const { copy } = peer;
    const { blocks } = copy;
    const block = "block" in step ? blocks[step.block % Math.max(1, blocks.length)] : undefined;
    if (step.do === "edit" && block !== undefined) this.edit(copy, block.block, block.text, step);
    else if (step.do === "send") this.flush(step.who, peer);
    else if (step.do === "receive") this.receive(peer, step.count);
    else if (step.do === "repeat" && peer.sent !== undefined)
      this.send(step.who, peer.sent.command, peer.sent.submission);
    else if (step.do === "restart") this.restart(peer);
    else if (step.do === "undo" && block !== undefined)
      this.send(step.who, { type: "document.undo", document: "D", block: block.block });
    else if (step.do === "structure" && block !== undefined) this.structure(step.who, block.block, step.how);
    else if (step.do === "put") this.put(step.who, step.how);
  }

  private edit(
    copy: DocumentCopy,
    block: string,
    text: string,
    { at, take, put }: { at: number; take: number; put: number },
  ): void {
    const from = at % (text.length + 1);
    const to = Math.min(text.length, from + take);
    let insert = "";
    for (let i = 0; i < put; i++) insert += String.fromCharCode(this.next++);
    for (const char of text.slice(from, to)) this.alive.delete(char);
    for (const char of insert) this.alive.add(char);
    expect(copy.edit(block, [{ from, to, insert }])).toBe(true);
    expect(copy.text(block)).toBe(text.slice(0, from) + insert + text.slice(to));
  }

  /** Sends what is to be sent of every block, one patch under way at a time. */
  flush(name: Name, { copy }: Peer): void {
    for (const block of copy.unconfirmed) {
      const submission = `s${++this.sends}`;
      const patch = copy.send(block, submission);
      if (patch === undefined) continue;
      const command: Command = { type: "block.patch", document: "D", block, ...patch, wantHash: true };
      (this.peers.get(name) as Peer).sent = { command, submission };
      if (!this.send(name, command, submission)) copy.returned(block);
    }
  }

  receive(peer: Peer, count: number): void {
    for (const entry of this.ledger.entries.slice(peer.seen, peer.seen + count)) {
      for (const event of entry.events) {
        expect(peer.copy.follows(event as DocumentChange)).toBe(true);
        const before = new Map(peer.copy.blocks.map(({ block, text }) => [block, text]));
        const { shown } = peer.copy.take(entry, event as DocumentChange);
        if (event.type === "block.patched" && event.hash !== undefined) {
          expect(sha256(peer.copy.confirmedText(event.block)?.text ?? "")).toBe(event.hash);
        }
        // What is said to have happened to a text happened to it.
        for (const { block, changes } of shown) {
          let [text, shift] = [before.get(block) ?? "", 0];
          for (const { from, to = from, insert = "" } of changes) {
            text = text.slice(0, from + shift) + insert + text.slice(to + shift);
            shift += insert.length - (to - from);
          }
          expect(peer.copy.text(block)).toBe(text);
        }
      }
      peer.seen = entry.seq;
    }
  }

  /** The log no longer has what came since: the copy begins anew, its edits kept. */
  private restart(peer: Peer): void {
    const taken = new Set(
      peer.copy.unconfirmed.filter((block) =>
        [...this.outcomes.keys()].some((one) => peer.copy.isSent(block, one) && this.outcomes.get(one)),
      ),
    );
    peer.copy.restart(this.read(), taken);
    peer.seen = this.ledger.seq;
  }

  private structure(name: Name, block: string, how: number): void {
    const document = "D";
    if (how === 0) this.send(name, { type: "block.insert", document, kind: "x", text: "new\n" });
    else if (how === 1) this.send(name, { type: "block.remove", document, block });
    else this.send(name, { type: "block.move", document, block });
  }

  private put(name: Name, how: number): void {
    const content = this.content();
    const at = content.length >> 1;
    const changed =
      how === 0
        ? SOURCE
        : how === 1
          ? content.slice(at)
          : `${content.slice(0, at)}+${content.slice(at + how)}`;
    this.send(name, { type: "document.put", document: "D", format: "markpact", content: changed });
  }

  /** Everybody is online until there is nothing more to say. */
  drain(): void {
    for (let turn = 0; turn < 20; turn++) {
      for (const [name, peer] of this.peers) {
        this.receive(peer, Number.POSITIVE_INFINITY);
        this.flush(name, peer);
      }
    }
    for (const peer of this.peers.values()) {
      this.receive(peer, Number.POSITIVE_INFINITY);
      expect(peer.copy.unconfirmed).toEqual([]);
      expect(peer.copy.content).toBe(this.content());
      expect(peer.copy.blocks).toEqual(this.read().blocks);
    }
  }
}

describe("copies of a document", () => {
  it("end with the engine's text, in which is every character put in and not taken away by one who saw it", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const world = new World("text", "0123456789");
        for (const step of steps) world.run(step);
        world.drain();
        const content = world.content();
        expect([...content].sort()).toEqual([...world.alive].sort());
      }),
      { numRuns: 800 },
    );
  });

  it("end with the engine's blocks whatever is undone, put in, removed, moved or put anew", () => {
    fc.assert(
      fc.property(fc.array(more, { maxLength: 60, size: "max" }), (steps) => {
        const world = new World("markpact", SOURCE);
        const { ledger } = world;
        const held = ledger.state;
        const heldRows = rows(held.documents);
        for (const step of steps) world.run(step);
        world.drain();
        // Folded in bulk, or saved and loaded, it is the same; and a held state is what it was.
        expect(rows(held.documents)).toEqual(heldRows);
        const { documents: is } = ledger.state;
        const edit = new Edit();
        const folded = ledger.entries.reduce((state, entry) => evolve(state, entry, edit), initial);
        expect(rows(folded.documents)).toEqual(rows(is));
        const loaded = loadDocuments(rows(is));
        expect(rows(loaded)).toEqual(rows(is));
        const document = is.byId.get("D");
        expect(document?.bytes).toBe(
          [...(document?.blocks.values() ?? [])].reduce(
            (sum, { open = "", text, close = "" }) => sum + Buffer.byteLength(open + text.toString() + close),
            0,
          ),
        );
      }),
      { numRuns: 400 },
    );
  });

  it("are changed by no event that does not fit", () => {
    const offset = fc.integer({ min: 0, max: 40 });
    const change = fc.record(
      { from: offset, to: offset, insert: fc.constantFrom("", "x") },
      { requiredKeys: ["from"] },
    );
    const patched = fc.record({
      version: fc.integer({ min: 0, max: 3 }),
      changes: fc.array(change, { maxLength: 3 }),
      undoes: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(patched, ({ version, changes, undoes }) => {
        const world = new World("text", "0123456789");
        const { state, seq } = world.ledger;
        const event = {
          type: "block.patched",
          document: "D",
          block: "text",
          version,
          changes,
          undoes,
        } as const;
        const at = { atMs: 0, wallMs: 0, by: "eve", id: "x" };
        const next = evolve(state, { seq: seq + 1, ...at, events: [event] });
        const fits = version === 1 && isCanonical(changes, 10);
        expect(next.documents === state.documents).toBe(!fits);
        expect(rows(loadDocuments(rows(next.documents)))).toEqual(rows(next.documents));
      }),
      { numRuns: 1000 },
    );
  });

  it("one agent's patches are all taken back by as many undos, whatever is undone and done again between", () => {
    const action = fc.oneof(
      { weight: 3, arbitrary: fc.tuple(fc.nat(), fc.nat(4), fc.nat(3)) },
      { weight: 2, arbitrary: fc.constant("undo" as const) },
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const world = new World("text", "0123456789");
        const undone = ["0123456789"];
        for (const action of actions) {
          const peer = world.peers.get("ann") as Peer;
          if (action === "undo") {
            if (undone.length === 1) continue;
            world.send("ann", { type: "document.undo", document: "D", block: "text" });
            undone.pop();
          } else {
            const [at, take, put] = action;
            world.run({ do: "edit", who: "ann", block: 0, at, take, put });
            if (peer.copy.unconfirmed.length === 0) continue;
            world.flush("ann", peer);
            undone.push(world.content());
          }
          world.receive(peer, Number.POSITIVE_INFINITY);
          expect(world.content()).toBe(undone.at(-1));
        }
      }),
      { numRuns: 500 },
    );
  });
});
