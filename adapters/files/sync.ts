/**
 * Sync: keeps a file and a document in step, both ways, while it runs.
 *
 * The watcher only hints; what counts is the file's text against `known`, the text the file and the
 * document had in common last, and its blocks. What the file became since is an edit of the document;
 * what the document became since is written to the file, once nothing in it is newer. What was written
 * here is known, so it is never taken for an edit.
 */
import { statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { type FSWatcher, watch } from "chokidar";
import type { DocumentNotice, SharedDocument } from "../../core/client/document.ts";
import { matched } from "../../core/model/block-match.ts";
import type { Written } from "../../core/model/markpact.ts";
import type { Changes } from "../../core/model/patch.ts";
import { type BaseBlock, onTop, planPush } from "./push.ts";
import { readTextFile, writeTextFile } from "./text-file.ts";

export interface SyncOptions {
  readonly file: string;
  readonly document: SharedDocument;
  /** The blocks of a text of this document's format. */
  readonly parse: (text: string) => readonly Written[];
  /** Hears what happens. Must not throw. */
  readonly report?: (report: SyncReport) => void;
  /**
   * How long a file must have stayed the same before it is read, in milliseconds: an editor may be half
   * way.
   */
  readonly settleMs?: number;
}

/** A text that file and document had in common, and its blocks as the document had them. */
export interface Common {
  readonly text: string;
  readonly blocks: readonly BaseBlock[];
}

/** What happened between file and document. */
export type SyncReport =
  | { readonly kind: "pushed" | "pulled" }
  | { readonly kind: "conflict"; readonly block: string; readonly by?: string }
  | { readonly kind: "refused"; readonly block: string; readonly message: string }
  | { readonly kind: "missing" }
  | { readonly kind: "failed"; readonly message: string };

const SETTLE_MS = 60;
/** A file that lost its end may be half written: it is looked at again after this long. */
const SUSPICIOUS_MS = 400;
/** The watcher may miss something; nobody waits longer than this. */
const LOOK_MS = 2000;

/** A file and a document in step; made by `startSync`. */
export class FileSync {
  private readonly options: SyncOptions;
  private watcher: FSWatcher | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly looking: NodeJS.Timeout;
  private known: string;
  /** The blocks of `known`, under the ids they have in the document. */
  private blocks: readonly BaseBlock[];
  private stamp = "";
  private suspiciousSinceMs: number | undefined;
  private working: Promise<void> = Promise.resolve();
  private isClosed = false;
  private readonly unsubscribe: () => void;

  constructor(options: SyncOptions, { text, blocks }: Common) {
    this.options = options;
    this.known = text;
    this.blocks = blocks;
    this.looking = setInterval(() => this.soon(0), LOOK_MS);
    const subscription = options.document.notices$.subscribe((notice) => this.heard(notice));
    this.unsubscribe = () => subscription.unsubscribe();
  }

  /** Used by `startSync`. */
  async begin(): Promise<void> {
    // The folder is watched: a save by renaming takes the file away for a moment, and with it what
    // watches it.
    const folder = dirname(this.options.file);
    const name = basename(this.options.file);
    this.watcher = watch(folder, {
      depth: 0,
      ignoreInitial: true,
      ignored: (path) => path !== folder && basename(path) !== name,
    });
    this.watcher.on("all", () => this.soon(this.settleMs));
    this.watcher.on("error", () => {});
    await new Promise<void>((resolve) => this.watcher?.on("ready", () => resolve()));
    this.soon(0);
  }

  /** Resolves when what is known of both sides by now is on both. */
  async idle(): Promise<void> {
    this.soon(0);
    await new Promise<void>((resolve) => setTimeout(resolve, this.settleMs));
    await this.working;
  }

  /** Stops; the document stays open. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    await this.working;
    this.isClosed = true;
    this.unsubscribe();
    clearInterval(this.looking);
    clearTimeout(this.timer);
    await this.watcher?.close();
  }

  private get settleMs(): number {
    return this.options.settleMs ?? SETTLE_MS;
  }

  private heard(notice: DocumentNotice): void {
    const { report } = this.options;
    if (notice.kind === "conflict") report?.({ kind: "conflict", block: notice.block, by: notice.by });
    else if (notice.kind === "refused") {
      report?.({ kind: "refused", block: notice.block, message: notice.rejection.message });
    } else if (notice.kind === "lost") {
      report?.({
        kind: "refused",
        block: notice.block,
        message: "The block was removed; its text here was not kept.",
      });
    }
    if (notice.kind !== "ended") this.soon(0);
  }

  private soon(ms: number): void {
    if (this.isClosed) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.working = this.working.then(() => this.look());
    }, ms);
  }

  /** One look at both sides. */
  private async look(): Promise<void> {
    if (this.isClosed) return;
    try {
      const text = this.settled();
      if (text === undefined) return;
      if (text !== this.known) await this.push(text);
      const { content, blocks } = this.options.document;
      if (content === this.known) this.blocks = blocks;
      else this.pull();
    } catch (error) {
      this.options.report?.({ kind: "failed", message: (error as Error).message });
    }
  }

  /** The text of the file, once it has stayed the same for a while; `undefined`: look again later. */
  private settled(): string | undefined {
    const { file, report } = this.options;
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat === undefined) {
      if (this.stamp !== "missing") report?.({ kind: "missing" });
      this.stamp = "missing";
      return undefined;
    }
    const stamp = `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
    if (stamp !== this.stamp) {
      this.stamp = stamp;
      this.suspiciousSinceMs = undefined;
      this.soon(this.settleMs);
      return undefined;
    }
    const text = readTextFile(file);
    if (text === undefined || text === this.known) return text;
    if (text.length < this.known.length && this.known.startsWith(text)) {
      this.suspiciousSinceMs ??= Date.now();
      if (Date.now() - this.suspiciousSinceMs < SUSPICIOUS_MS) {
        this.soon(SUSPICIOUS_MS);
        return undefined;
      }
    }
    return text;
  }

  /** The file was edited: its document is, too. */
  private async push(text: string): Promise<void> {
    const { document, parse, report } = this.options;
    const taken = document.blocks.map(({ block }) => block);
    const read = parse(text);
    const steps = planPush(this.blocks, read, { taken, guessed: false });
    const ids = new Map<string, string>();
    const before = new Map(this.blocks.map(({ block, text }) => [block, text]));
    for (const step of steps) {
      try {
        if (step.do === "patch") this.edit(step.block, before.get(step.block) ?? "", step.changes);
        else if (step.do === "insert") ids.set(step.block, await this.insert(step));
        else if (step.do === "remove")
          await document.remove(step.block, this.versionOf(step.block, step.base));
        else await document.move(step.block, this.placeOf(step.after));
      } catch (error) {
        report?.({ kind: "refused", block: step.block, message: (error as Error).message });
      }
    }
    await document.settled().catch(() => {});
    // What the document has besides is others': the file's own text is what its next edit is compared with.
    const there = new Map(document.blocks.map((block) => [block.block, block]));
    this.blocks = matched(this.blocks, read, taken).flatMap((block) => {
      const id = ids.get(block.block) ?? block.block;
      const found = there.get(id);
      return found === undefined ? [] : [{ ...block, block: id, version: found.version }];
    });
    this.known = text;
    report?.({ kind: "pushed" });
  }

  /** An edit of the text the file had, moved onto the text the document has by now. */
  private edit(block: string, before: string, changes: Changes): void {
    const { document, report } = this.options;
    const now = document.text(block);
    if (now === undefined)
      throw new Error("The block was removed by another; the file's text of it is not taken.");
    const mine = onTop(before, changes, now);
    document.edit(block, mine.changes);
    if (mine.met > 0) report?.({ kind: "conflict", block });
  }

  /** Puts a block in; the id it got. */
  private async insert(step: { block: string; content: string; after?: string }): Promise<string> {
    const { document } = this.options;
    const has = document.blocks.some(({ block }) => block === step.block);
    const named = has ? {} : { block: step.block };
    const put = await document.insert({ content: step.content, ...named, ...this.placeOf(step.after) });
    const { blocks } = put as { readonly blocks?: readonly { readonly block: string }[] };
    return blocks?.[0]?.block ?? step.block;
  }

  private placeOf(after: string | undefined): { after?: string; before?: string } {
    const { blocks } = this.options.document;
    if (after !== undefined && blocks.some(({ block }) => block === after)) return { after };
    const first = blocks[0]?.block;
    return after === undefined && first !== undefined ? { before: first } : {};
  }

  /** What the file had of a block is at that version, unless it was edited here since. */
  private versionOf(block: string, base: number): number {
    const now = this.options.document.blocks.find((one) => one.block === block);
    const had = this.blocks.find((one) => one.block === block);
    return now !== undefined && now.text === had?.text ? now.version : base;
  }

  /** The document was edited: its file is, too, unless the file is newer than what is known of it. */
  private pull(): void {
    const { document, file, report } = this.options;
    const { content, blocks } = document;
    const isNewer = () => readTextFile(file) !== this.known;
    if (!writeTextFile(file, content, isNewer)) {
      this.soon(this.settleMs);
      return;
    }
    this.known = content;
    this.blocks = blocks;
    const stat = statSync(file, { throwIfNoEntry: false });
    this.stamp = stat === undefined ? "" : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
    report?.({ kind: "pulled" });
  }
}

/** Starts to keep a file and a document in step, from a text that both had. */
export async function startSync(options: SyncOptions, common: Common): Promise<FileSync> {
  const sync = new FileSync(options, common);
  await sync.begin();
  return sync;
}
