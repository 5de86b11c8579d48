/**
 * Which program a call is of, and what is known of it. A program that is not known may write anything.
 */
import { archives } from "./archives.ts";
import { type Call, type Program, writeBy } from "./call.ts";
import { copies } from "./copies.ts";
import { git } from "./git.ts";
import { runners } from "./runners.ts";
import { scripts } from "./scripts.ts";
import type { Arg } from "./sink.ts";
import { readers, writers } from "./writers.ts";

const programs: { readonly [program: string]: Program } = {
  ...runners,
  ...scripts,
  ...copies,
  ...archives,
  git,
  // The colon names a folder as well, but nothing is ever written by it.
  ":": () => {},
};

/** The name of the program that a word starts; nothing when the word does not tell. */
export function programName(word: Arg | undefined): string | undefined {
  if (word?.text === undefined || word.pattern !== undefined) return undefined;
  const path = word.text.replaceAll("\\", "/").replace(/\.(?:exe|cmd)$/i, "");
  const name = path.split("/").pop() as string;
  // A script that only happens to be called `rm` is not that program.
  if (path.includes("/") && !/(?:^|\/)\.?s?bin\/[^/]+$/.test(path)) return undefined;
  return name.replace(/^(python|perl|ruby|php|node)[\d.]+$/, "$1");
}

/** Says what a call writes. */
export function carryOut(call: Call): void {
  const { name, args } = call;
  if (args.length === 1 && /^--(?:version|help)$/.test(args[0]?.text ?? "")) return;
  const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
  const writer = Object.hasOwn(writers, name) ? writers[name] : undefined;
  if (program !== undefined) program(call);
  else if (writer !== undefined) writeBy(writer, call);
  else if (!readers.has(name)) call.sink.unsure();
}
