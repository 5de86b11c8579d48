/**
 * The verbs of documents: put, read, patch, undo … What works on files besides is in doc-files.ts.
 */
import { mkdirSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import type { Params } from "../../core/client/methods.ts";
import type { BlockView } from "../../core/model/document-queries.ts";
import { pathOf } from "../../core/model/markpact.ts";
import { makeFolders, targetOf } from "../files/targets.ts";
import { readTextFile, writeTextFile } from "../files/text-file.ts";
import { toFile } from "../place/paths.ts";
import { usage } from "./arguments.ts";
import { changesText } from "./changes-text.ts";
import { standardInput } from "./claims.ts";
import { type Command, exits, type Run } from "./command.ts";
import { pullVerb, pushVerb, syncVerb } from "./doc-files.ts";
import { documentId, Records, readDocument } from "./doc-records.ts";
import { formatSpan } from "./durations.ts";
import { reaching } from "./reach.ts";
import { safeLine, safeText, table } from "./render.ts";

export const docVerb: Run = (command) => {
  const [what] = command.args.words;
  const verb = what !== undefined && Object.hasOwn(verbs, what) ? verbs[what] : undefined;
  if (verb === undefined)
    usage(`holdfast doc takes ${Object.keys(verbs).join(", ")}. See holdfast doc --help.`);
  return verb(command);
};

const putVerb: Run = (command) =>
  reaching(command, "act", async ({ client, repository, worktree }) => {
    const { args, out, cwd } = command;
    const named = args.word(1, "FILE");
    const file = resolve(cwd, named);
    const content = readTextFile(file) ?? usage(`There is no file ${safeLine(named)}.`);
    const path = toFile(named, repository.root, cwd);
    const document = args.text("document") ?? path;
    const format = args.text("format") ?? (/\.(md|markdown|mkd)$/i.test(named) ? "markpact" : "text");
    if (format !== "markpact" && format !== "text") usage("--format takes markpact or text.");
    const put = await client.call("document.put", {
      document,
      format,
      content,
      path,
      worktree,
      ...(args.flag("shared") ? { shared: true } : {}),
      ...(args.flag("replace") ? {} : { fresh: true }),
    });
    const read = await readDocument(client, document);
    new Records(command).remember(file, document, client.log, read.blocks);
    out.data(put, () => safeText(`${document}: ${read.blocks.length} blocks\n${blockTable(read.blocks)}`));
    return exits.ok;
  });

function blockTable(blocks: readonly BlockView[]): string {
  return table(
    ["BLOCK", "VERSION", "LINES", "KIND"],
    blocks.map(({ block, version, text, kind, lang }) => [
      block,
      version,
      text.split(/\r\n?|\n/).length - (/[\r\n]$/.test(text) || text === "" ? 1 : 0),
      lang === undefined ? kind : `${kind} (${lang})`,
    ]),
  );
}

const blocksVerb: Run = (command) =>
  reaching(command, "look", async ({ client }) => {
    const { items: _, ...read } = { items: [], ...(await readDocument(client, idOf(command))) };
    command.out.data(read, () => safeText(blockTable(read.blocks)));
    return exits.ok;
  });

const readVerb: Run = (command) =>
  reaching(command, "look", async ({ client }) => {
    const { args, out } = command;
    const block = args.text("block") ?? args.words[2];
    const which = block === undefined ? {} : { block };
    const read = (await client.call("document.read", { document: idOf(command), ...which })) as {
      readonly content?: string;
      readonly text?: string;
      readonly version?: number;
    };
    if (out.json) out.data(read, () => "");
    else process.stdout.write(read.content ?? read.text ?? "");
    if (read.version !== undefined) out.say(`version ${read.version}`);
    return exits.ok;
  });

const patchVerb: Run = async (command) => {
  const { args, out } = command;
  const block = args.word(2, "BLOCK");
  const base =
    args.integer("base") ??
    usage("--base is missing: which version was your text made from? `doc read` says.");
  const given = args.text("changes");
  const words = args.words.slice(3).join(" ");
  const content = given === undefined && (words === "" || words === "-") ? await standardInput() : words;
  const what = given === undefined ? { content } : { changes: parseChanges(given) };
  return reaching(command, "act", async ({ client }) => {
    const patched = (await client.call("block.patch", {
      document: idOf(command),
      block,
      base,
      ...what,
      ...(args.flag("reject") ? { onConflict: "reject" } : {}),
    })) as { readonly version?: number; readonly conflict?: readonly { readonly by: string }[] };
    out.data(
      patched,
      () =>
        `${safeLine(block)}: ${patched.version === undefined ? "as it was" : `version ${patched.version}`}`,
    );
    for (const { by } of patched.conflict ?? []) {
      out.say(`merged with a change of ${safeLine(by)} to the same characters; read it again`);
    }
    return exits.ok;
  });
};

function parseChanges(text: string): NonNullable<Params<"block.patch">["changes"]> {
  try {
    const changes: unknown = JSON.parse(text);
    if (Array.isArray(changes)) return changes;
  } catch {
    // Said below.
  }
  return usage("--changes takes a JSON list of {from, to?, insert?}.");
}

const historyVerb: Run = (command) =>
  reaching(command, "look", async ({ client }) => {
    const { args, out } = command;
    const block = args.text("block") ?? args.words[2];
    const limit = args.integer("limit");
    const page = await client.call("document.history", {
      document: idOf(command),
      ...(block === undefined ? {} : { block }),
      ...(limit === undefined ? {} : { limit }),
    });
    out.data(page, () =>
      table(
        ["SEQ", "WHEN", "BY", "BLOCK", "VERSION", "CHANGES"],
        page.items.map(({ seq, atMs, by, block, version, changes, removed, undoes, undone }) => [
          seq,
          `${formatSpan(page.nowMs - atMs)} ago`,
          by,
          block,
          version,
          `${undoes === undefined ? "" : `(undoes ${undoes}) `}${undone ? "(undone) " : ""}${changesText(changes, removed)}`,
        ]),
      ),
    );
    return exits.ok;
  });

const undoVerb: Run = (command) =>
  reaching(command, "act", async ({ client }) => {
    const { args, out } = command;
    const block = args.word(2, "BLOCK");
    const by = args.text("by");
    const undone = await client.call("document.undo", {
      document: idOf(command),
      block,
      ...(by === undefined ? {} : { by }),
    });
    out.data(undone, () =>
      safeLine(`${block}: version ${undone.version}, version ${undone.undoes} taken back`),
    );
    return exits.ok;
  });

const removeVerb: Run = (command) =>
  reaching(command, "act", async ({ client }) => {
    const document = idOf(command);
    const removed = await client.call("document.remove", { document });
    command.out.data(removed, () => safeLine(`${document}: removed; the file stays`));
    return exits.ok;
  });

const listVerb: Run = (command) =>
  reaching(command, "look", async ({ client }) => {
    const page = await client.call("documents.list", {});
    command.out.data(page, () =>
      page.items.length === 0
        ? ""
        : table(
            ["DOCUMENT", "FORMAT", "BLOCKS", "BYTES", "BY", "CHANGED"],
            page.items.map(({ document, format, blocks, bytes, by, changedAtMs }) => [
              document,
              format,
              blocks,
              bytes,
              by,
              `${formatSpan(page.nowMs - changedAtMs)} ago`,
            ]),
          ),
    );
    return exits.ok;
  });

/** Writes out the files that blocks stand for, none of them outside the folder. */
const unpackVerb: Run = (command) =>
  reaching(command, "look", async ({ client }) => {
    const { args, out, cwd } = command;
    const root = resolve(cwd, args.words[2] ?? ".");
    const { blocks } = await readDocument(client, idOf(command));
    const written: string[] = [];
    const refused: { path: string; why: string }[] = [];
    mkdirSync(root, { recursive: true });
    for (const block of blocks) {
      const path = block.kind === "file" ? pathOf(block) : undefined;
      if (path === undefined) continue;
      const target = targetOf(realpathSync(root), path);
      if ("refused" in target) refused.push({ path, why: target.refused });
      else {
        makeFolders(target.file);
        writeTextFile(target.file, block.text);
        written.push(path);
      }
    }
    out.data({ written, refused }, () => safeText(written.join("\n")));
    for (const { path, why } of refused) out.say(`not written: ${safeLine(path)}: ${why}`);
    return refused.length > 0 ? exits.refused : exits.ok;
  });

/** The document meant by the word behind the verb. */
function idOf(command: Command): string {
  return documentId(command, command.args.word(1, "DOC"));
}

const verbs: { readonly [verb: string]: Run } = {
  put: putVerb,
  push: pushVerb,
  pull: pullVerb,
  sync: syncVerb,
  blocks: blocksVerb,
  read: readVerb,
  patch: patchVerb,
  history: historyVerb,
  undo: undoVerb,
  remove: removeVerb,
  unpack: unpackVerb,
  list: listVerb,
};
