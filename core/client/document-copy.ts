/**
 * A document's copy: what the hub has, folded from its events, and what was edited here and is not
 * confirmed yet. Pure.
 *
 * For each block with unconfirmed edits, `sent` is what was sent and not yet seen in the log, and
 * `unsent` what was edited since; the text shown is the confirmed one, then `sent`, then `unsent`. What
 * arrives is mapped over both to reach the shown text, and both are mapped over it to stand on the new
 * confirmed one. The hub maps by the same functions over the same events in the same order, so what it
 * makes of `sent` is what stands here.
 */

import { limits } from "../limits.ts";
import type { ChunkedText } from "../model/chunked-text.ts";
import {
  type Block,
  blocksOf,
  type Document,
  type DocumentsState,
  noDocuments,
} from "../model/document-state.ts";
import { documents } from "../model/documents.ts";
import { defaultSettings } from "../model/log.ts";
import { render, type Written } from "../model/markpact.ts";
import type { Event } from "../model/model.ts";
import { type Changes, canonicalChanges, composeChanges, mapChanges, mapOffset } from "../model/patch.ts";
import type { At, Entry } from "../model/slice.ts";
import { diffTexts } from "../model/text-diff.ts";

/** Events that change a document. */
export type DocumentChange = Extract<
  Event,
  { type: "document.stored" | "document.removed" | `block.${"patched" | "inserted" | "removed" | "moved"}` }
>;

/** A document as `document.read` gives it with `blocks`. */
export interface ReadDocument extends Pick<Document, "document" | "format" | "path" | "worktree"> {
  readonly shared?: true;
  readonly blocks: readonly (Written & { readonly version: number })[];
}

/** What a change from elsewhere did to the shown text of a block. */
export interface Shown {
  readonly block: string;
  readonly changes: Changes;
}

interface Unconfirmed {
  sent: { changes: Changes; readonly submission: string } | undefined;
  unsent: Changes;
  shown: ChunkedText;
}

export class DocumentCopy {
  readonly document: string;
  private confirmed: DocumentsState = noDocuments;
  private readonly edits = new Map<string, Unconfirmed>();

  constructor(read: ReadDocument) {
    this.document = read.document;
    this.confirmed = stateOf(read);
  }

  /** Whether the document is (still) there. */
  get isThere(): boolean {
    return this.confirmed.byId.has(this.document);
  }

  /** The blocks in order, with the texts shown and the versions confirmed. */
  get blocks(): readonly (Written & { readonly version: number })[] {
    const document = this.confirmed.byId.get(this.document);
    return document === undefined ? [] : [...blocksOf(document)].map((block) => this.view(block));
  }

  /** The file as it would be with all edits. */
  get content(): string {
    return render(this.blocks);
  }

  /** The text shown; `undefined` where there is no such block. */
  text(block: string): string | undefined {
    return (this.edits.get(block)?.shown ?? this.blockOf(block)?.text)?.toString();
  }

  /** The confirmed version of a block, and its text; for checks of the hash. */
  confirmedText(block: string): { readonly version: number; readonly text: string } | undefined {
    const found = this.blockOf(block);
    return found && { version: found.version, text: found.text.toString() };
  }

  /** Blocks with edits that the log does not have yet. */
  get unconfirmed(): readonly string[] {
    return [...this.edits.keys()];
  }

  /** Takes a local edit, in offsets of the text shown; `false`, and nothing done, where it does not fit. */
  edit(id: string, changes: Changes): boolean {
    const block = this.blockOf(id);
    if (block === undefined) return false;
    const edit = this.edits.get(id) ?? { sent: undefined, unsent: [], shown: block.text };
    const canonical = canonicalChanges(changes, edit.shown.length);
    if (canonical === undefined) return false;
    const isWhole = canonical.every(({ insert }) => insert === undefined || insert.isWellFormed());
    if (!isWhole || edit.shown.cutsPair(canonical)) return false;
    const shown = edit.shown.apply(canonical);
    this.edits.set(id, { ...edit, unsent: composeChanges(edit.unsent, canonical), shown });
    this.tidy(id);
    return true;
  }

  /** What is to be sent of a block now; from then on it counts as sent under this submission. */
  send(id: string, submission: string): { readonly base: number; readonly changes: Changes } | undefined {
    const edit = this.edits.get(id);
    const block = this.blockOf(id);
    if (edit === undefined || block === undefined || edit.sent !== undefined) return undefined;
    // Edits of a long time offline may have come to more pieces than one patch may have.
    const changes =
      edit.unsent.length <= limits.changesMax
        ? edit.unsent
        : diffTexts(block.text.toString(), edit.shown.toString());
    edit.unsent = [];
    if (changes.length > 0) edit.sent = { changes, submission };
    this.tidy(id);
    return changes.length === 0 ? undefined : { base: block.version, changes };
  }

  /** What was sent was not taken: it is to be sent again, with what was edited since. */
  returned(id: string): void {
    const edit = this.edits.get(id);
    if (edit?.sent === undefined) return;
    edit.unsent = composeChanges(edit.sent.changes, edit.unsent);
    edit.sent = undefined;
    this.tidy(id);
  }

  /** Gives up the edits to a block; what that does to the text shown. */
  discard(id: string): Shown | undefined {
    const edit = this.edits.get(id);
    const block = this.blockOf(id);
    this.edits.delete(id);
    if (edit === undefined || block === undefined) return undefined;
    return { block: id, changes: diffTexts(edit.shown.toString(), block.text.toString()) };
  }

  /** Whether an event of the log is what was sent under a submission of this copy. */
  isOwn(event: DocumentChange, submission: string): boolean {
    return event.type === "block.patched" && this.edits.get(event.block)?.sent?.submission === submission;
  }

  /** Whether the event follows on what is confirmed; where it does not, the copy has gone astray. */
  follows(event: DocumentChange): boolean {
    if (event.type !== "block.patched") return true;
    return event.version === (this.blockOf(event.block)?.version ?? -1) + 1;
  }

  /** Whether a patch sent under this submission was neither seen in the log yet nor returned. */
  isSent(id: string, submission: string): boolean {
    return this.edits.get(id)?.sent?.submission === submission;
  }

  /**
   * Takes an event of the log in; what it did to the texts shown. Edits to blocks that are gone are
   * dropped: `lost`.
   */
  take(
    entry: Entry,
    event: DocumentChange,
  ): { readonly shown: readonly Shown[]; readonly lost: readonly Lost[] } {
    const before = this.confirmed;
    const own = this.isOwn(event, entry.id);
    this.confirmed = fold(before, event, entry);
    const shown: Shown[] = [];
    for (const id of touched(event)) {
      const was = before.byId.get(this.document)?.blocks.get(id);
      const is = this.blockOf(id);
      if (was === undefined || is === undefined || (!own && was.text === is.text)) continue;
      const changes =
        own && event.type === "block.patched"
          ? this.acknowledge(id, was, is)
          : this.rebase(id, was, is, event);
      if (changes.length > 0) shown.push({ block: id, changes });
    }
    return { shown, lost: this.orphans() };
  }

  /**
   * Begins anew from what the hub has, when events cannot be had: keeps the edits, mapped over the
   * difference. What was sent of the blocks in `taken` is in what was read.
   */
  restart(
    read: ReadDocument,
    taken: ReadonlySet<string>,
  ): { readonly shown: readonly Shown[]; readonly lost: readonly Lost[] } {
    const before = this.confirmed.byId.get(this.document);
    this.confirmed = stateOf(read);
    const shown: Shown[] = [];
    for (const was of before === undefined ? [] : blocksOf(before)) {
      const is = this.blockOf(was.block);
      if (is === undefined) continue;
      const changes = this.over(
        was.block,
        diffTexts(this.sentText(was, taken).toString(), is.text.toString()),
      );
      if (changes.length > 0) shown.push({ block: was.block, changes });
    }
    return { shown, lost: this.orphans() };
  }

  /** A stretch of the confirmed text of a block, in the text shown. */
  shownRange(id: string, { from, to }: { readonly from: number; readonly to: number }) {
    const edit = this.edits.get(id);
    const over = edit === undefined ? [] : composeChanges(edit.sent?.changes ?? [], edit.unsent);
    return { from: mapOffset(from, over, false), to: mapOffset(to, over, true) };
  }

  /** The text that unconfirmed edits stand on once what was sent is settled one way or the other. */
  private sentText({ block, text }: Block, taken: ReadonlySet<string>): ChunkedText {
    const edit = this.edits.get(block);
    if (edit?.sent === undefined) return text;
    const { changes } = edit.sent;
    if (!taken.has(block)) {
      this.returned(block);
      return text;
    }
    edit.sent = undefined;
    return text.apply(changes);
  }

  private view(block: Block): Written & { readonly version: number } {
    const { text, patches: _, kept: __, ...about } = block;
    return { ...about, text: (this.edits.get(block.block)?.shown ?? text).toString() };
  }

  private blockOf(id: string): Block | undefined {
    return this.confirmed.byId.get(this.document)?.blocks.get(id);
  }

  /**
   * Someone else's change reaches the text shown; both kinds of edits are moved onto the new confirmed
   * text.
   */
  private rebase(id: string, was: Block, is: Block, event: DocumentChange): Changes {
    const patch = is.patches.get(is.version);
    const known = event.type === "block.patched" || is.version === was.version + 1;
    return this.over(
      id,
      known && patch !== undefined ? patch.changes : diffTexts(was.text.toString(), is.text.toString()),
    );
  }

  private over(id: string, changes: Changes): Changes {
    const edit = this.edits.get(id);
    if (edit === undefined || changes.length === 0) {
      this.tidy(id);
      return changes;
    }
    const sent = edit.sent?.changes ?? [];
    const pastSent = mapChanges(changes, sent, true);
    const pastAll = mapChanges(pastSent, edit.unsent, true);
    if (edit.sent !== undefined) edit.sent = { ...edit.sent, changes: mapChanges(sent, changes, false) };
    edit.unsent = mapChanges(edit.unsent, pastSent, false);
    edit.shown = edit.shown.apply(pastAll);
    this.tidy(id);
    return pastAll;
  }

  /** What was sent is in the log. Should the hub have made something else of it, the text shown follows. */
  private acknowledge(id: string, was: Block, is: Block): Changes {
    const edit = this.edits.get(id);
    if (edit?.sent === undefined) return [];
    const { changes } = edit.sent;
    edit.sent = undefined;
    const made = is.patches.get(is.version)?.changes ?? [];
    if (!isSame(changes, made)) {
      const difference = diffTexts(was.text.apply(changes).toString(), is.text.toString());
      return this.over(id, difference);
    }
    this.tidy(id);
    return [];
  }

  private orphans(): readonly Lost[] {
    const lost: Lost[] = [];
    for (const [id, { shown }] of this.edits) {
      if (this.blockOf(id) !== undefined) continue;
      this.edits.delete(id);
      lost.push({ block: id, text: shown.toString() });
    }
    return lost;
  }

  private tidy(id: string): void {
    const edit = this.edits.get(id);
    if (edit !== undefined && edit.sent === undefined && edit.unsent.length === 0) this.edits.delete(id);
  }
}

/** A block that is gone, and the text that was shown, edits and all. */
export interface Lost {
  readonly block: string;
  readonly text: string;
}

function touched(event: DocumentChange): readonly string[] {
  if (event.type === "document.stored") return event.blocks.map(({ block }) => block);
  return "block" in event ? [event.block] : [];
}

function isSame(a: Changes, b: Changes): boolean {
  return (
    a.length === b.length &&
    a.every((x, i) => {
      const y = b[i];
      return (
        y !== undefined &&
        x.from === y.from &&
        (x.to ?? x.from) === (y.to ?? y.from) &&
        (x.insert ?? "") === (y.insert ?? "")
      );
    })
  );
}

function fold(state: DocumentsState, event: DocumentChange, entry: Entry): DocumentsState {
  const { seq, atMs, wallMs, by, id } = entry;
  const at: At = { seq, atMs, wallMs, by, id, settings: defaultSettings, edit: undefined };
  return documents.evolve[event.type](state, event as never, at);
}

function stateOf({ blocks, ...about }: ReadDocument): DocumentsState {
  const event = { type: "document.stored", ...about, blocks } as const;
  return fold(noDocuments, event, { seq: 0, atMs: 0, wallMs: 0, by: "", id: "", events: [] });
}
