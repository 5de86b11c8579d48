/**
 * Programs that write at a place which their other operands name: `mv`, `cp`, `ln`, `install`, `rsync`,
 * `dd`.
 */
import { baseName, type Call, type Program, writeAll, writeText } from "./call.ts";
import { type Given, given, has, type OptionFacts } from "./options.ts";
import type { Arg } from "./sink.ts";

const RECURSIVE = ["-r", "-R", "-a", "--recursive", "--archive"];

const copying: OptionFacts = {
  valued: "tS",
  valuedLong: ["target-directory", "suffix", "backup", "sparse", "preserve", "no-preserve"],
};

/** Sources go away, with everything below; the target is written. */
export function move(call: Call): void {
  const found = given(call.args, copying);
  const { sources } = placesOf(found);
  writeAll(call, sources, true);
  land(call, found, true);
}

const copy: Program = (call) => {
  const found = given(call.args, copying);
  land(call, found, has(found, RECURSIVE));
};

const link: Program = (call) => {
  const found = given(call.args, copying);
  const [only] = found.operands;
  // One operand: a link of its name in this folder.
  if (found.operands.length === 1 && only !== undefined && !found.values.has("-t")) {
    const name = baseName(only);
    return name === undefined ? call.sink.unsure() : writeText(call, name);
  }
  land(call, found, false);
};

const install: Program = (call) => {
  const found = given(call.args, {
    valued: "tSgmo",
    valuedLong: ["target-directory", "mode", "owner", "group", "suffix"],
  });
  if (!has(found, ["-d", "--directory"])) land(call, found, false);
};

const rsync: Program = (call) => {
  const found = given(call.args, {
    valued: "efTBM",
    valuedLong: ["rsh", "filter", "exclude", "include", "exclude-from", "include-from", "files-from"],
  });
  if (has(found, ["-n", "--dry-run"])) return;
  const target = found.operands[found.operands.length - 1];
  if (target === undefined || /^[^/]*:/.test(target.text ?? "")) return;
  call.sink.write(call.base, target, true);
};

const scp: Program = (call) => {
  const found = given(call.args, { valued: "cFiJloPSX" });
  if (/^[^/]*:/.test(found.operands[found.operands.length - 1]?.text ?? "")) return;
  land(call, found, has(found, RECURSIVE));
};

const dd: Program = (call) => {
  for (const { text } of call.args) {
    if (text === undefined) call.sink.unsure();
    else if (text.startsWith("of=")) writeText(call, text.slice(3));
  }
};

interface Places {
  readonly sources: readonly Arg[];
  readonly target: Arg | undefined;
  /** The target is certainly a folder. */
  readonly isFolder: boolean;
}

function placesOf(found: Given): Places {
  const folder = found.values.get("-t")?.[0] ?? found.values.get("--target-directory")?.[0];
  if (folder !== undefined) return { sources: found.operands, target: folder, isFolder: true };
  const sources = found.operands.slice(0, -1);
  const target = found.operands[found.operands.length - 1];
  const isFolder = sources.length > 1 || /(?:^|\/)\.{0,2}$/.test(target?.text ?? "x");
  return { sources, target, isFolder };
}

/** Writes at the target: inside it where it is a folder, and at it where it may be none. */
function land(call: Call, found: Given, isTree: boolean): void {
  const { sources, target, isFolder } = placesOf(found);
  if (target === undefined || sources.length === 0) return;
  const isFile = has(found, ["-T", "--no-target-directory"]);
  if (isFile || !isFolder) call.sink.write(call.base, target, isFile && isTree);
  if (isFile) return;
  for (const source of sources) {
    const name = baseName(source);
    if (target.text === undefined || target.pattern !== undefined) call.sink.unsure();
    else if (source.pattern !== undefined) {
      const folder = target.text.replace(/[*?[{]/g, "[$&]");
      call.sink.glob(call.base, `${folder}/${source.pattern.split("/").pop() ?? "*"}`, isTree);
    } else if (name !== undefined) writeText(call, `${target.text}/${name}`, isTree);
    // `cp -r a/. b`: everything in it.
    else if (source.text !== undefined) call.sink.write(call.base, target, true);
    else call.sink.unsure();
  }
}

/** These programs by name. */
export const copies: { readonly [program: string]: Program } = {
  mv: move,
  cp: copy,
  ln: link,
  install,
  ginstall: install,
  rsync,
  scp,
  dd,
};
