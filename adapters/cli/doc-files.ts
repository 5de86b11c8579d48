/**
 * The verbs that bring a file and its document together: push, pull, sync.
 */
import { resolve } from "node:path";
import type { Client } from "../../core/client/client.ts";
import { Refused } from "../../core/client/refused.ts";
import {
  type FindFences,
  parseMarkpact,
  parseText,
  render,
  type Written,
} from "../../core/model/markpact.ts";
import { applyChanges } from "../../core/model/patch.ts";
import { diffTexts } from "../../core/model/text-diff.ts";
import { type BaseBlock, onTop, planPush, type Step } from "../files/push.ts";
import { readTextFile, writeTextFile } from "../files/text-file.ts";
import { toFile } from "../place/paths.ts";
import { usage } from "./arguments.ts";
import { type Command, exits, type Run } from "./command.ts";
import {
  type Asking,
  documentId,
  guessBase,
  type ReadDocument,
  Records,
  readDocument,
} from "./doc-records.ts";
import { reaching, staying } from "./reach.ts";
import { safeLine, safeText } from "./render.ts";

/** What a push came to. */
interface Pushed {
  readonly document: string;
  /** Blocks that were changed, put in, moved or removed. */
  readonly sent: readonly { readonly do: Step["do"]; readonly block: string; readonly version?: number }[];
  /** Where others had changed the same characters, and both changes stand. */
  readonly conflicts: readonly { readonly block: string; readonly by: string }[];
  readonly refused: readonly { readonly block: string; readonly code: string; readonly message: string }[];
  /** The file was written: it has what others did, too. */
  readonly written: boolean;
}

export const pushVerb: Run = (command) =>
  reaching(command, "act", async ({ client }) => {
    const { file, document } = fileOf(command);
    const { pushed } = await push(command, client, client.log, file, document);
    command.out.data(pushed, () => safeText(pushedText(pushed)));
    return pushed.refused.length > 0 ? exits.refused : exits.ok;
  });

function fileOf(command: Command): { readonly file: string; readonly document: string } {
  const word = command.args.word(1, "FILE");
  return { file: resolve(command.cwd, word), document: documentId(command, word) };
}

function pushedText({ document, sent, conflicts, refused, written }: Pushed): string {
  const words = { patch: "changed", insert: "put in", remove: "removed", move: "moved" } as const;
  const lines = sent.map(({ do: what, block }) => `${words[what]}: ${block}`);
  for (const { block, by } of conflicts)
    lines.push(`merged with a change of ${by} to the same characters: ${block}`);
  for (const { block, message } of refused) lines.push(`refused: ${block}: ${message}`);
  if (written) lines.push("the file was brought up to date with what others changed");
  return lines.length === 0 ? `${document}: nothing to push` : lines.join("\n");
}

async function parserOf({
  format,
}: Pick<ReadDocument, "format">): Promise<(text: string) => readonly Written[]> {
  if (format === "text") return parseText;
  const { findFences }: { findFences: FindFences } = await import("../node/fences.ts");
  return (text) => parseMarkpact(text, findFences);
}

/** Sends what the file became since it was last the same as the document, and writes what came of it. */
async function push(command: Command, client: Asking, log: string, file: string, document: string) {
  const records = new Records(command);
  const text = readTextFile(file) ?? usage(`There is no file ${safeLine(file)}.`);
  const now = await readDocument(client, document);
  const parse = await parserOf(now);
  const read = parse(text);
  const kept = records.recall(file, document, log);
  const base = kept ?? (await guessBase(client, document, now.blocks, read));
  const same = text === render(now.blocks) || text === render(base);
  const taken = now.blocks.map(({ block }) => block);
  const steps = same ? [] : planPush(base, read, { taken, guessed: kept === undefined });
  const sending = new Sending(client, document, base);
  for (const step of steps) await sending.take(step);
  const after = await readDocument(client, document);
  const content = render(after.blocks);
  const stays = () => readTextFile(file) !== text;
  const written = content !== text && writeTextFile(file, content, stays);
  if (written || content === text) records.remember(file, document, log, after.blocks);
  const { sent, conflicts, refused } = sending;
  const pushed: Pushed = { document, sent, conflicts, refused, written };
  return { pushed, content, blocks: after.blocks };
}

/** Carries steps out, one after the other. */
class Sending {
  readonly sent: { do: Step["do"]; block: string; version?: number }[] = [];
  readonly conflicts: { block: string; by: string }[] = [];
  readonly refused: { block: string; code: string; message: string }[] = [];
  readonly #client: Asking;
  readonly #document: string;
  readonly #base: ReadonlyMap<string, BaseBlock>;
  /** Ids that blocks got, where they are not what they were meant to be. */
  readonly #ids = new Map<string, string>();

  constructor(client: Asking, document: string, base: readonly BaseBlock[]) {
    this.#client = client;
    this.#document = document;
    this.#base = new Map(base.map((block) => [block.block, block]));
  }

  async take(step: Step): Promise<void> {
    try {
      if (step.do === "patch") await this.#patch(step);
      else if (step.do === "insert") await this.#insert(step);
      else if (step.do === "remove") await this.#call("block.remove", { block: step.block, base: step.base });
      else await this.#call("block.move", { block: step.block, ...(await this.#place(step.after)) });
      this.sent.push({ do: step.do, block: this.#ids.get(step.block) ?? step.block });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.refused.push({ block: step.block, code: error.code, message: error.message });
    }
  }

  async #patch(step: Extract<Step, { do: "patch" }>): Promise<void> {
    const { block, base, changes } = step;
    let answer: { readonly conflict?: readonly { readonly by: string }[] };
    try {
      answer = await this.#call("block.patch", { block, base, changes });
    } catch (error) {
      if (!(error instanceof Refused) || !/^block\.base-/.test(error.code)) throw error;
      // The hub no longer has what came since; but the text it was made from is known here.
      const now = (await this.#call("document.read", { block })) as { text: string; version: number };
      const mine = onTop(this.#base.get(block)?.text ?? "", changes, now.text);
      answer = await this.#call("block.patch", { block, base: now.version, changes: mine.changes });
      if (mine.met > 0) this.conflicts.push({ block, by: "others" });
    }
    for (const { by } of answer.conflict ?? []) this.conflicts.push({ block, by });
  }

  async #insert({ block, content, after }: Extract<Step, { do: "insert" }>): Promise<void> {
    const place = await this.#place(after);
    const put = (named: object) =>
      this.#call("block.insert", { content, ...named, ...place }) as Promise<{
        blocks?: readonly { block: string }[];
      }>;
    try {
      await put({ block });
    } catch (error) {
      if (!(error instanceof Refused) || (error.code !== "block.exists" && error.code !== "invalid"))
        throw error;
      const { blocks } = await put({});
      this.#ids.set(block, blocks?.at(-1)?.block ?? block);
    }
  }

  /** Behind a block, if it is (still) there; first, where none is named. */
  async #place(after: string | undefined): Promise<{ after?: string; before?: string }> {
    const { blocks } = await readDocument(this.#client, this.#document);
    const id = after === undefined ? undefined : (this.#ids.get(after) ?? after);
    if (id !== undefined) return blocks.some(({ block }) => block === id) ? { after: id } : {};
    const first = blocks[0]?.block;
    return first === undefined ? {} : { before: first };
  }

  #call(
    method: "block.patch" | "block.insert" | "block.remove" | "block.move" | "document.read",
    params: object,
  ) {
    return this.#client.call(method, { document: this.#document, ...params } as never) as Promise<{
      readonly conflict?: readonly { readonly by: string }[];
    }>;
  }
}

export const pullVerb: Run = (command) =>
  reaching(command, "look", async ({ client }) => {
    const { file, document } = fileOf(command);
    const records = new Records(command);
    const now = await readDocument(client, document);
    const content = render(now.blocks);
    const text = readTextFile(file);
    const kept = records.recall(file, document, client.log);
    const base = kept === undefined ? undefined : render(kept);
    let [merged, met] = [content, 0];
    if (text !== undefined && text !== content && text !== base && !command.args.flag("force")) {
      if (base === undefined) {
        usage(
          `${safeLine(file)} differs from the document, and what it was before is not known here. Push it, which merges, ` +
            "or pull with --force, which gives up what only the file has.",
        );
      }
      const mine = onTop(base, diffTexts(base, text), content);
      merged = applyChanges(content, mine.changes);
      met = mine.met;
    }
    const written = merged !== text && writeTextFile(file, merged, () => readTextFile(file) !== text);
    records.remember(file, document, client.log, now.blocks);
    const own = merged !== content;
    const pulled = { document, written, own, conflicts: met };
    command.out.data(pulled, () => (written ? "the file was brought up to date" : "the file is up to date"));
    if (own) command.out.say("what you changed in it is still there; push it to share it");
    if (met > 0) command.out.say("others changed the same characters: look at it before you push");
    return exits.ok;
  });

export const syncVerb: Run = (command) =>
  staying(command, "act", async ({ client, repository, worktree }) => {
    const { file, document } = fileOf(command);
    const { out, cwd, args } = command;
    const log = client.session?.log ?? "";
    await ensure(client, document, {
      file,
      path: toFile(args.word(1, "FILE"), repository.root, cwd),
      worktree,
    });
    const { pushed, content, blocks } = await push(command, client, log, file, document);
    if (pushed.sent.length + pushed.refused.length > 0) out.say(pushedText(pushed));
    const { startSync } = await import("../files/sync.ts");
    const { sha256 } = await import("../node/hash.ts");
    const held = await client.document(document, { hash: sha256 });
    const sync = await startSync(
      {
        file,
        document: held,
        parse: await parserOf(await readDocument(client, document)),
        report: (report) =>
          out.data(report, () =>
            Object.values(report)
              .map((word) => safeLine(String(word)))
              .join(" "),
          ),
      },
      { text: content, blocks },
    );
    out.say(`${safeLine(file)} and ${safeLine(document)} are in step; stop with Ctrl-C.`);
    await new Promise<void>((resolve) => {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
      held.notices$.subscribe({ complete: () => resolve() });
    });
    await sync.idle();
    await sync.close();
    const ended = await readDocument(client, document);
    if (readTextFile(file) === render(ended.blocks))
      new Records(command).remember(file, document, log, ended.blocks);
    held.close();
    return exits.ok;
  });

/** What is missing of the two is made from the other. */
async function ensure(
  client: Client,
  document: string,
  { file, path, worktree }: { readonly file: string; readonly path: string; readonly worktree: string },
): Promise<void> {
  const text = readTextFile(file);
  try {
    const read = await readDocument(client, document);
    if (text === undefined) writeTextFile(file, render(read.blocks));
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== "document.unknown" || text === undefined) throw error;
    const format = /\.(md|markdown|mkd)$/i.test(file) ? "markpact" : "text";
    await client.call("document.put", { document, format, content: text, path, worktree, fresh: true });
  }
}
