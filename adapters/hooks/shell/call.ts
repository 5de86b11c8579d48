/**
 * One call of a program inside a command, and what it means for a program to be known.
 */
import { normalisePattern } from "../../../core/model/paths.ts";
import { given, has } from "./options.ts";
import type { Arg, Sink } from "./sink.ts";
import type { Writer } from "./writers.ts";

/** A program with its arguments, where it runs, and how it says what it writes. */
export interface Call {
  /** The program's name, without folder and extension. */
  readonly name: string;
  readonly args: readonly Arg[];
  /** The folder it runs in; nothing when nobody can know. */
  readonly base: string | undefined;
  readonly sink: Sink;
  /** What a here-document hands to it. */
  readonly body: string | undefined;
  /** Goes on with a command that the arguments spell, its program first. */
  run(words: readonly Arg[], base: string | undefined, sink?: Sink): void;
  /** Goes on with a command in one text; what it does to its folder and names stays inside. */
  source(text: string): void;
}

/** What a known program does with a call. */
export type Program = (call: Call) => void;

/** Writes to arguments. */
export function writeAll(call: Call, args: readonly Arg[], isTree = false): void {
  for (const arg of args) call.sink.write(call.base, arg, isTree);
}

/** Writes to one path. */
export function writeText(call: Call, text: string, isTree = false): void {
  call.sink.write(call.base, { text }, isTree);
}

/** The last segment of a path; nothing for `.`, `..`, the root and what is not known. */
export function baseName(arg: Arg): string | undefined {
  const name = arg.text?.replace(/\/+$/, "").split("/").pop();
  return name === undefined || name === "" || name === "." || name === ".." ? undefined : name;
}

/** Does what the table of writers says of a program. */
export function writeBy(facts: Writer | readonly Writer[], call: Call): void {
  const choices: readonly Writer[] = Array.isArray(facts) ? facts : [facts as Writer];
  if (call.args.some(({ text }) => text === undefined)) call.sink.unsure();
  for (const writer of choices) {
    const found = given(call.args, writer);
    if (writer.sub === undefined) return carry(writer, call, found);
    const [sub, ...operands] = found.operands;
    if (sub?.text !== undefined && writer.sub.includes(sub.text))
      return carry(writer, call, { ...found, operands });
  }
  call.sink.unsure();
}

function carry(writer: Writer, call: Call, found: ReturnType<typeof given>): void {
  if (writer.unless !== undefined && has(found, writer.unless)) return;
  if (writer.needs !== undefined && !has(found, writer.needs)) return;
  for (const name of writer.outputs ?? []) writeAll(call, found.values.get(name) ?? []);
  for (const text of writer.also ?? []) writeText(call, text);
  const paths = writer.isReading ? [] : found.operands.slice(writer.skip ?? 0);
  const isTree = writer.tree === true || (writer.tree !== undefined && has(found, writer.tree));
  if (paths.length === 0 && writer.otherwise !== undefined) writeText(call, writer.otherwise, true);
  for (const path of paths) {
    if (path.text === "-" || (writer.isGlobbing && path.text?.startsWith("!"))) continue;
    if (writer.isGlobbing && path.text !== undefined && /[*?[{]/.test(path.text)) unfolding(call, path.text);
    // Nobody means a star as a letter; a folder called `[id]` is meant.
    if (!writer.isGlobbing || !/[*?{]/.test(path.text ?? "")) call.sink.write(call.base, path, isTree);
  }
}

/** A pattern that the program, not the shell, unfolds. */
function unfolding(call: Call, text: string): void {
  if ("pattern" in normalisePattern(text.replace(/^(?:\.{0,2}\/+)+/, ""))) call.sink.glob(call.base, text);
  else call.sink.unsure();
}
