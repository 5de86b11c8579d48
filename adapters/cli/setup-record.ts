/**
 * What init did, kept beside the log: each file as it was before, so that it can be undone byte for byte.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Change } from "../setup/plan.ts";

/** What is known of one file. */
interface Kept {
  /** Name of the copy of what stood there before; absent: there was no such file. */
  readonly copy?: string;
  /** Hash of what init left there. */
  readonly left: string;
  /** Folders, relative to the root, that were made for it. */
  readonly folders?: readonly string[];
}

/** The record of one worktree. */
export class SetupRecord {
  readonly #folder: string;
  readonly #root: string;
  readonly #files: Map<string, Kept>;

  /** Reads the record of a worktree; an unreadable one counts as none, its copies stay. */
  constructor(logFolder: string, root: string) {
    this.#root = root;
    this.#folder = join(logFolder, "setup", hashOf(root).slice(0, 12));
    this.#files = new Map(Object.entries(readRecord(join(this.#folder, "record.json"))));
  }

  /** The files init has changed. */
  get paths(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** Whether a file stands as init left it. */
  isAsLeft(path: string, text: string | undefined): boolean {
    return text !== undefined && this.#files.get(path)?.left === hashOf(text);
  }

  /** What stood in a file before init; `undefined` where there was none. */
  before(path: string): string | undefined {
    const copy = this.#files.get(path)?.copy;
    return copy === undefined ? undefined : readFileSync(join(this.#folder, copy), "utf8");
  }

  /** Whether a folder was made by init. */
  madeFolder(folder: string): boolean {
    return [...this.#files.values()].some(({ folders }) => folders?.includes(folder) === true);
  }

  /**
   * Keeps what stands in the files before they are changed. `without` gives what a file would hold if
   * Holdfast's parts were taken out: that is kept of one that was changed by hand since init last wrote it.
   */
  keep(changes: readonly Change[], without: (change: Change) => string | undefined): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const change of changes) {
      const { path, before, after } = change;
      const known = this.#files.get(path);
      let kept: Pick<Kept, "copy" | "folders">;
      if (known !== undefined && this.isAsLeft(path, before)) kept = known;
      else {
        const text = known === undefined ? before : without(change);
        const folders = known?.folders ?? this.#foldersToMake(path);
        kept = { ...(text === undefined ? {} : { copy: this.#copy(path, text) }), folders };
      }
      const { copy, folders = [] } = kept;
      this.#files.set(path, { ...(copy === undefined ? {} : { copy }), left: hashOf(after ?? ""), folders });
    }
    const record = { root: this.#root, files: Object.fromEntries(this.#files) };
    writeFileSync(join(this.#folder, "record.json"), `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  }

  /** Forgets everything, copies too. */
  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #copy(path: string, text: string): string {
    const name = `${hashOf(text).slice(0, 12)}-${path.replace(/[^A-Za-z0-9._-]/g, "_")}`;
    writeFileSync(join(this.#folder, name), text, { mode: 0o600 });
    return name;
  }

  #foldersToMake(path: string): readonly string[] {
    const found: string[] = [];
    for (let folder = dirname(path); folder !== "."; folder = dirname(folder)) {
      if (!existsSync(join(this.#root, folder))) found.push(folder);
    }
    return found;
  }
}

function readRecord(file: string): { readonly [path: string]: Kept } {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { files: { [path: string]: Kept } }).files;
  } catch {
    return {};
  }
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
