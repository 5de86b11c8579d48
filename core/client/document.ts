/**
 * A shared document: holds the text, takes edits at once, sends them, and follows what others do; offline
 * too.
 *
 * One patch a block is under way at a time; what is edited meanwhile goes with the next. What was sent is
 * known to be taken by its entry in the log, not by the answer: so a break at any moment leaves no doubt.
 */
import { type Observable, Subject } from "rxjs";
import { Failure } from "../failures.ts";
import type { Written } from "../model/markpact.ts";
import type { Changes } from "../model/patch.ts";
import type { Entry, Rejection } from "../model/slice.ts";
import { diffTexts } from "../model/text-diff.ts";
import type { Client } from "./client.ts";
import { type DocumentChange, DocumentCopy, type ReadDocument, type Shown } from "./document-copy.ts";
import type { Following } from "./following.ts";
import type { Accepted, Params } from "./methods.ts";
import { Refused } from "./refused.ts";

/** What happens to a document that is held. */
export type DocumentNotice =
  /** The text shown has changed by what others did, or blocks came, went or moved. */
  | { readonly kind: "changed"; readonly by: string; readonly shown: readonly Shown[] }
  /**
   * Patches met at the same characters and were merged; `ranges` in the text shown. One of them is this
   * agent's.
   */
  | {
      readonly kind: "conflict";
      readonly block: string;
      readonly version: number;
      /** Who merged over whom: the writer of the patch, and whose patches it met. */
      readonly by: string;
      readonly ranges: readonly { readonly from: number; readonly to: number; readonly by: string }[];
    }
  /** The hub does not take the edits to a block: they stay here until `retry` or `discard`. */
  | { readonly kind: "refused"; readonly block: string; readonly rejection: Rejection }
  /** The block is gone, and edits to it with it; this was its text here. */
  | { readonly kind: "lost"; readonly block: string; readonly text: string }
  /** The copy did not agree with the hub, or its events could not be had: it was read again, edits kept. */
  | { readonly kind: "reread"; readonly why: string }
  /** Nothing more comes: the document was closed, or the client was. */
  | { readonly kind: "ended"; readonly error?: Failure | Refused };

export interface DocumentOptions {
  /**
   * SHA-256 of the UTF-8 of a text, in lower-case hex; with it the copy is checked against the hub's
   * hashes.
   */
  readonly hash?: (text: string) => string;
}

/** What a document needs of its client. */
export type DocumentClient = Pick<Client, "agent" | "call" | "follow" | "clock"> & {
  readonly submissionId: () => string;
};

const EVENTS = ["document.*", "block.*"] as const;
/**
 * A refusal that mends itself by catching up with the log: the patch is sent again as it stands by then.
 */
const PASSING = new Set(["block.base-too-old", "block.base-unknown", "submission.expired"]);
/** How long a failure that is no refusal is waited out, in milliseconds. */
const RETRY_MS = 200;
/** How often the arrival of an entry is waited for. */
const SEEN_WAITS = 10;

/** Opens a document; rejects with `document.unknown`, or as calls do. */
export async function openDocument(
  client: DocumentClient,
  document: string,
  options: DocumentOptions = {},
): Promise<SharedDocument> {
  const read = await client.call("document.read", { document, blocks: true });
  return new SharedDocument(client, read as unknown as ReadDocument, read.seq, options);
}

export class SharedDocument {
  readonly document: string;
  /** Errors of nobody: it completes, behind an `ended`. */
  readonly notices$: Observable<DocumentNotice>;
  private readonly client: DocumentClient;
  private readonly copy: DocumentCopy;
  private readonly hash: ((text: string) => string) | undefined;
  private readonly subject = new Subject<DocumentNotice>();
  private following: Following;
  private readonly held = new Set<string>();
  private waiting: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  /** By block, the newest patch sent: whether it was taken. */
  private readonly underway = new Map<string, Promise<boolean>>();
  /** The newest entry taken in. */
  private newest = 0;
  private arrivals: (() => void)[] = [];
  private scheduled = false;
  private isRereading = false;
  private isClosed = false;

  constructor(client: DocumentClient, read: ReadDocument, seq: number, { hash }: DocumentOptions) {
    this.client = client;
    this.document = read.document;
    this.copy = new DocumentCopy(read);
    this.hash = hash;
    this.notices$ = this.subject.asObservable();
    this.following = this.follow(seq);
    this.run().catch((error: unknown) => this.end(error as Failure));
  }

  /** The blocks in order, edits included; their versions are those of the log. */
  get blocks(): readonly (Written & { readonly version: number })[] {
    return this.copy.blocks;
  }

  /** The file, edits included. */
  get content(): string {
    return this.copy.content;
  }

  /** Blocks with edits that are not in the log yet. */
  get unconfirmed(): readonly string[] {
    return this.copy.unconfirmed;
  }

  /** The text of a block, edits included; `undefined` when there is no such block. */
  text(block: string): string | undefined {
    return this.copy.text(block);
  }

  /** Edits a block, here at once. Throws `usage` when the changes do not fit its text, or it has none. */
  edit(block: string, changes: Changes): void {
    if (this.isClosed) throw new Failure("closed", "The document was closed.");
    if (!this.copy.edit(block, changes)) {
      throw new Failure("usage", `The changes do not fit the text of ${block}, or there is no such block.`);
    }
    this.held.delete(block);
    this.schedule();
  }

  /** Makes this the text of a block: what differs is an edit. */
  write(block: string, text: string): void {
    this.edit(block, diffTexts(this.copy.text(block) ?? "", text));
  }

  /** Sends edits again that were refused. */
  retry(): void {
    this.held.clear();
    this.schedule();
  }

  /** Gives up edits to a block that were refused. */
  discard(block: string): void {
    this.held.delete(block);
    const shown = this.copy.discard(block);
    if (shown !== undefined && shown.changes.length > 0) {
      this.tell({ kind: "changed", by: this.client.agent, shown: [shown] });
    }
    this.settle();
  }

  /** Puts a block in; resolves when it is seen here. So do the others that follow. */
  insert(block: Omit<Params<"block.insert">, "document">): Promise<Accepted> {
    return this.seen(this.client.call("block.insert", { document: this.document, ...block }));
  }

  remove(block: string, base?: number): Promise<Accepted> {
    const since = base === undefined ? {} : { base };
    return this.seen(this.client.call("block.remove", { document: this.document, block, ...since }));
  }

  move(block: string, place: { readonly after?: string; readonly before?: string }): Promise<Accepted> {
    return this.seen(this.client.call("block.move", { document: this.document, block, ...place }));
  }

  /** Takes back an agent's (one's own) last patch to a block. */
  undo(block: string, by?: string): Promise<Accepted> {
    const whose = by === undefined ? {} : { by };
    return this.seen(this.client.call("document.undo", { document: this.document, block, ...whose }));
  }

  /**
   * Resolves once every edit is in the log and was seen there; rejects when one is refused or the
   * document ends.
   */
  settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.settle();
    });
  }

  /** Stops following. Edits that are not sent are lost; wait for `settled` first. */
  close(): void {
    this.end(undefined);
  }

  /**
   * The same answer, once its entry was taken in; where nothing changed there is none, and nobody waits
   * long.
   */
  private async seen(call: Promise<Accepted>): Promise<Accepted> {
    const accepted = await call;
    for (let waits = 0; this.newest < accepted.seq && waits < SEEN_WAITS && !this.isClosed; waits++) {
      await new Promise<void>((resolve) => {
        const cancel = this.client.clock.after(RETRY_MS, resolve);
        this.arrivals.push(() => {
          cancel();
          resolve();
        });
      });
    }
    return accepted;
  }

  private follow(after: number): Following {
    return this.client.follow({ after, events: EVENTS, about: [this.document] });
  }

  private async run(): Promise<void> {
    for (;;) {
      try {
        const { following } = this;
        for (let batch = await following.batch(); batch !== undefined; batch = await following.batch()) {
          if (this.isClosed) return;
          if (!batch.every((entry) => this.take(entry))) await this.reread("it did not agree with the hub");
          for (const arrived of this.arrivals.splice(0)) arrived();
          if (following !== this.following) break;
          this.schedule();
          this.settle();
        }
        if (following === this.following) return this.end(undefined);
      } catch (error) {
        if (this.isClosed) return;
        if (!(error instanceof Refused) || error.code !== "log.horizon") throw error;
        await this.reread("the log no longer has what came since");
      }
    }
  }

  /** Takes an entry in; `false` when it does not follow on what is here. */
  private take(entry: Entry): boolean {
    this.newest = entry.seq;
    for (const event of entry.events) {
      if (!("document" in event) || event.document !== this.document) continue;
      const change = event as DocumentChange;
      if (!this.copy.follows(change)) return false;
      const own = this.copy.isOwn(change, entry.id);
      const { shown, lost } = this.copy.take(entry, change);
      if (!own) this.tell({ kind: "changed", by: entry.by, shown });
      for (const one of lost) this.tell({ kind: "lost", ...one });
      if (change.type !== "block.patched") continue;
      this.tellConflict(entry, change);
      if (!this.agrees(change)) return false;
    }
    return true;
  }

  private tellConflict(
    { by }: Entry,
    { block, version, conflict = [] }: Extract<DocumentChange, { type: "block.patched" }>,
  ): void {
    const mine = by === this.client.agent || conflict.some((one) => one.by === this.client.agent);
    if (conflict.length === 0 || !mine) return;
    const ranges = conflict.map((one) => ({ ...this.copy.shownRange(block, one), by: one.by }));
    this.tell({ kind: "conflict", block, version, by, ranges });
  }

  private agrees({ block, hash }: Extract<DocumentChange, { type: "block.patched" }>): boolean {
    if (hash === undefined || this.hash === undefined) return true;
    return this.hash(this.copy.confirmedText(block)?.text ?? "") === hash;
  }

  /**
   * Begins anew from what the hub has now, once it is known of everything under way whether it was taken.
   */
  private async reread(why: string): Promise<void> {
    const { document } = this;
    this.isRereading = true;
    const taken = new Set<string>();
    for (const [block, outcome] of this.underway) if (await outcome) taken.add(block);
    const read = await this.client.call("document.read", { document, blocks: true });
    const { shown, lost } = this.copy.restart(read as unknown as ReadDocument, taken);
    this.following.close();
    this.following = this.follow(read.seq);
    this.newest = Math.max(this.newest, read.seq);
    this.isRereading = false;
    this.tell({ kind: "reread", why });
    this.tell({ kind: "changed", by: "", shown });
    for (const one of lost) this.tell({ kind: "lost", ...one });
    this.schedule();
  }

  /** Edits of one turn go together. */
  private schedule(): void {
    if (this.scheduled || this.isClosed) return;
    this.scheduled = true;
    Promise.resolve().then(() => {
      this.scheduled = false;
      if (this.isClosed || this.isRereading) return;
      for (const block of this.copy.unconfirmed) if (!this.held.has(block)) this.send(block);
      this.settle();
    });
  }

  private send(block: string): void {
    const submission = this.client.submissionId();
    const patch = this.copy.send(block, submission);
    if (patch === undefined) return;
    this.underway.set(block, this.deliver({ document: this.document, block, ...patch }, submission));
  }

  /** Sends until there is an answer; whether it was taken. */
  private async deliver(patch: Params<"block.patch">, submission: string): Promise<boolean> {
    while (!this.isClosed) {
      try {
        await this.client.call("block.patch", patch, { submission });
        return true;
      } catch (error) {
        if (error instanceof Refused) {
          this.refused(patch.block, submission, error);
          return false;
        }
        if (error instanceof Failure && error.code === "closed") this.end(error);
        else await this.rest();
      }
    }
    return false;
  }

  private refused(block: string, submission: string, error: Refused): void {
    if (this.isClosed || this.isRereading || !this.copy.isSent(block, submission)) return;
    if (PASSING.has(error.code)) {
      this.again(block, submission).catch((failure: unknown) => this.end(failure as Failure));
      return;
    }
    this.copy.returned(block);
    this.held.add(block);
    this.tell({ kind: "refused", block, rejection: error.rejection });
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }

  /** Sends anew once everything the block had at the refusal was seen, and the patch was not among it. */
  private async again(block: string, submission: string): Promise<void> {
    const { version } = (await this.client.call("document.read", { document: this.document, block })) as {
      readonly version?: number;
    };
    while (!this.isClosed && (this.copy.confirmedText(block)?.version ?? 0) < (version ?? 0))
      await this.rest();
    if (this.isClosed || this.isRereading || !this.copy.isSent(block, submission)) return;
    this.copy.returned(block);
    this.schedule();
  }

  private rest(): Promise<void> {
    return new Promise((resolve) => this.client.clock.after(RETRY_MS, resolve));
  }

  private settle(): void {
    if (this.copy.unconfirmed.length > 0) return;
    for (const { resolve } of this.waiting.splice(0)) resolve();
  }

  private tell(notice: DocumentNotice): void {
    this.subject.next(notice);
  }

  private end(error: Failure | Refused | undefined): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.following.close();
    const why = error ?? new Failure("closed", "The document was closed.");
    for (const { reject } of this.waiting.splice(0)) reject(why);
    this.tell({ kind: "ended", ...(error === undefined ? {} : { error }) });
    this.subject.complete();
  }
}
