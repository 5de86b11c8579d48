/**
 * Archives and patches: programs whose input says what they write.
 */
import { diffPaths, isPatch, type PatchPaths, patchPaths } from "../patches.ts";
import { baseName, type Call, type Program, writeAll, writeText } from "./call.ts";
import { given, has } from "./options.ts";

const tar: Program = (call) => {
  // The first word may be letters without a dash.
  const [first, ...rest] = call.args;
  const isBare = first?.text !== undefined && /^[a-zA-Z]+$/.test(first.text);
  const found = given(isBare ? [{ text: `-${first.text}` }, ...rest] : call.args, {
    valued: "fCTXbIgHV",
    valuedLong: ["file", "directory", "exclude", "strip-components", "transform", "use-compress-program"],
  });
  const archive = [...(found.values.get("-f") ?? []), ...(found.values.get("--file") ?? [])];
  const folder = [...(found.values.get("-C") ?? []), ...(found.values.get("--directory") ?? [])];
  if (has(found, ["-x", "--extract", "--get"])) {
    if (has(found, ["-O", "--to-stdout"])) return;
    writeAll(call, folder.length > 0 ? folder : [{ text: "." }], true);
  } else if (has(found, ["-c", "-r", "-u", "-A", "--create", "--append", "--update"])) {
    writeAll(
      call,
      archive.filter(({ text }) => text !== "-"),
    );
    if (has(found, ["--remove-files"])) writeAll(call, found.operands, true);
  } else if (!has(found, ["-t", "--list", "-d", "--diff", "--version"])) call.sink.unsure();
};

const unzip: Program = (call) => {
  const found = given(call.args, { valued: "dxP" });
  if (has(found, ["-l", "-t", "-p", "-v", "-Z", "-z"])) return;
  writeAll(call, found.values.get("-d") ?? [{ text: "." }], true);
};

const zip: Program = (call) => {
  const found = given(call.args, { valued: "btnxi" });
  writeAll(call, found.operands.slice(0, 1));
  if (has(found, ["-m"])) writeAll(call, found.operands.slice(1), true);
};

/** A file goes away and another comes, with or without the ending. */
function packing(ending: string): Program {
  return (call) => {
    const found = given(call.args, { valued: "STo" });
    if (has(found, ["-c", "--stdout", "-l", "--list", "-t", "--test"])) return;
    const isTree = has(found, ["-r", "--recursive"]);
    for (const file of found.operands) {
      call.sink.write(call.base, file, isTree);
      if (file.text === undefined || file.pattern !== undefined) call.sink.unsure();
      else if (file.text.endsWith(ending)) writeText(call, file.text.slice(0, -ending.length));
      else writeText(call, `${file.text}${ending}`);
    }
  };
}

const patch: Program = (call) => {
  const found = given(call.args, {
    valued: "pdiorBDFgVYz",
    valuedLong: ["strip", "directory", "input", "output", "reject-file"],
  });
  if (has(found, ["--dry-run", "-C", "--check"])) return;
  const folder = (found.values.get("-d") ?? found.values.get("--directory"))?.[0];
  const output = found.values.get("-o") ?? found.values.get("--output");
  if (output !== undefined) return writeAll(call, output);
  const file = found.operands[0];
  if (file !== undefined) call.sink.write(call.base, file);
  // What does not apply is left beside it, in `.orig` and `.rej`.
  call.sink.unsure();
  const strip = (found.values.get("-p") ?? found.values.get("--strip"))?.[0]?.text;
  if (call.body !== undefined && folder === undefined && file === undefined)
    diffed(call, diffPaths(call.body, Number(strip ?? 0) || 0));
};

/** Writes what a patch names; a patch that names nothing is none that can be read. */
export function diffed(call: Call, found: PatchPaths): void {
  if (found.isCut || found.paths.length === 0) call.sink.unsure();
  for (const path of found.paths) writeText(call, path);
}

const applyPatch: Program = (call) => {
  const text = [call.body, ...call.args.map((arg) => arg.text)].find(
    (each) => each !== undefined && isPatch(each),
  );
  if (text === undefined) call.sink.unsure();
  else diffed(call, patchPaths(text));
};

const split: Program = (call) => {
  const found = given(call.args, { valued: "abClnt" });
  const prefix = found.operands[1] ?? { text: "x" };
  const name = baseName(prefix);
  if (prefix.text === undefined || name === undefined) return call.sink.unsure();
  call.sink.glob(call.base, `${prefix.text.replace(/[*?[{]/g, "[$&]")}*`);
};

/** These programs by name. */
export const archives: { readonly [program: string]: Program } = {
  tar,
  gtar: tar,
  bsdtar: tar,
  unzip,
  zip,
  gzip: packing(".gz"),
  gunzip: packing(".gz"),
  bzip2: packing(".bz2"),
  bunzip2: packing(".bz2"),
  xz: packing(".xz"),
  unxz: packing(".xz"),
  zstd: packing(".zst"),
  patch,
  apply_patch: applyPatch,
  applypatch: applyPatch,
  split,
};
