/**
 * What git writes in a worktree; what it writes for itself, below `.git`, does not count.
 */
import { diffPaths } from "../patches.ts";
import { diffed } from "./archives.ts";
import { type Call, type Program, writeAll, writeText } from "./call.ts";
import { move } from "./copies.ts";
import { type Given, given, has } from "./options.ts";
import { type Arg, resolved } from "./sink.ts";

/** Subcommands that change no file of a worktree. `commit` does, where a repository's hooks do. */
const HARMLESS = new Set(
  (
    "add annotate blame branch bundle cat-file check-attr check-ignore check-ref-format cherry config count-objects " +
    "describe diff-files diff-index diff-tree fetch for-each-ref fsck gc grep hash-object help init log ls-files " +
    "ls-remote ls-tree maintenance merge-base merge-tree mktree name-rev notes pack-refs prune push range-diff " +
    "reflog remote repack replace rerere rev-list rev-parse shortlog show show-branch show-ref status symbolic-ref " +
    "tag update-index update-ref var verify-commit verify-tag version whatchanged write-tree diff stage"
  ).split(" "),
);
/** Subcommands that may change any file of the worktree. */
const SWEEPING = new Set([
  "merge",
  "rebase",
  "pull",
  "cherry-pick",
  "revert",
  "am",
  "bisect",
  "sparse-checkout",
]);

/** `git`, with the options that come before its subcommand. */
export const git: Program = (call) => {
  let base = call.base;
  let at = 0;
  for (; at < call.args.length; at++) {
    const text = call.args[at]?.text;
    if (text === undefined) return call.sink.unsure();
    if (!text.startsWith("-")) break;
    const value = call.args[at + 1];
    if (text === "-C" || text === "--work-tree") {
      base = value?.text === undefined ? undefined : resolved(base, value.text);
      at++;
    } else if (text.startsWith("--work-tree=")) base = resolved(base, text.slice(12));
    else if (/^(?:-c|--git-dir|--exec-path|--namespace)$/.test(text)) at++;
  }
  const sub = call.args[at]?.text;
  if (sub === undefined) return;
  const inner: Call = { ...call, name: sub, args: call.args.slice(at + 1), base };
  const known = Object.hasOwn(subcommands, sub) ? subcommands[sub] : undefined;
  if (known !== undefined) return known(inner);
  if (SWEEPING.has(sub)) return call.sink.worktree(base);
  if (!HARMLESS.has(sub)) return call.sink.unsure();
  output(inner);
};

/** `git log --output=FILE`. */
function output(call: Call): void {
  const found = given(call.args, { valuedLong: ["output"] });
  writeAll(call, found.values.get("--output") ?? []);
}

/** The operands behind `--`, or nothing without one. */
function behindDashes(args: readonly Arg[]): readonly Arg[] | undefined {
  const at = args.findIndex(({ text }) => text === "--");
  return at < 0 ? undefined : args.slice(at + 1);
}

/** Pathspecs: `:/x` begins at the top, `:!x` takes away, and stars reach across folders. */
function pathspecs(call: Call, specs: readonly Arg[]): void {
  for (const spec of specs) {
    const text = spec.text;
    if (text === undefined) call.sink.unsure();
    else if (/^:(?:!|\^|\(exclude\))/.test(text)) continue;
    else if (text.startsWith(":")) call.sink.worktree(call.base);
    else if (spec.pattern === undefined && /[*?[]/.test(text)) {
      // In quotes it is git that unfolds it; a name with brackets may be meant as well.
      call.sink.glob(call.base, wide(text));
      if (!/[*?]/.test(text)) call.sink.write(call.base, spec, true);
    } else call.sink.write(call.base, spec, true);
  }
}

/** A pathspec as a pattern of claims, in which a star stays within its folder. */
function wide(text: string): string {
  const segments = text.replace(/\{/g, "[{]").replace(/\*+/g, "*").split("/");
  const last = segments.pop() as string;
  const literalFolders = segments.findIndex((segment) => /[*?[]/.test(segment));
  if (literalFolders < 0) return [...segments, "**", last].join("/");
  return [...segments.slice(0, literalFolders), "**"].join("/");
}

const checkout: Program = (call) => {
  const found = given(call.args, {
    valued: "bB",
    valuedLong: ["orphan", "conflict", "pathspec-from-file"],
  });
  if (has(found, ["--pathspec-from-file"])) call.sink.unsure();
  const behind = behindDashes(call.args);
  if (behind !== undefined) return pathspecs(call, behind);
  const [first, ...rest] = found.operands;
  if (has(found, ["-b", "-B", "--orphan"])) {
    // A new branch here changes no file; one from elsewhere does.
    if (first !== undefined) call.sink.worktree(call.base);
    return;
  }
  if (first === undefined) return has(found, ["-p", "--patch"]) ? call.sink.unsure() : undefined;
  if (rest.length > 0 && !has(found, ["-t", "--track"])) {
    // `checkout REF PATHS…` or `checkout PATH PATHS…`.
    pathspecs(call, rest);
    return isPathLike(first) ? pathspecs(call, [first]) : undefined;
  }
  if (isPathLike(first)) return pathspecs(call, [first]);
  call.sink.worktree(call.base);
};

/** Whether an operand is rather a path than the name of a branch. */
function isPathLike({ text, pattern }: Arg): boolean {
  if (text === undefined || pattern !== undefined) return pattern !== undefined;
  if (/^\.{1,2}(?:\/|$)|\/$|^[/:]|[*?]/.test(text)) return true;
  return /\.[A-Za-z]\w{0,9}$/.test(text) && !/\.\./.test(text);
}

const switchBranch: Program = (call) => {
  const found = given(call.args, { valued: "cC", valuedLong: ["create", "force-create", "orphan"] });
  const isNew = has(found, ["-c", "-C", "--create", "--force-create"]);
  if (!isNew || found.operands.length > 0) call.sink.worktree(call.base);
};

const restore: Program = (call) => {
  const found = given(call.args, { valued: "s", valuedLong: ["source", "pathspec-from-file"] });
  const isWorktree = has(found, ["-W", "--worktree"]) || !has(found, ["-S", "--staged"]);
  if (!isWorktree) return;
  if (has(found, ["--pathspec-from-file", "-p", "--patch"])) call.sink.unsure();
  pathspecs(call, found.operands);
};

const apply: Program = (call) => {
  const found = given(call.args, {
    valued: "pC",
    valuedLong: ["directory", "exclude", "include", "whitespace"],
  });
  if (has(found, ["--check", "--stat", "--numstat", "--summary", "--cached"]) && !has(found, ["--apply"]))
    return;
  const [file] = found.operands;
  const strip = found.values.get("-p")?.[0]?.text ?? "1";
  if (has(found, ["--reject", "-3", "--3way"])) call.sink.unsure();
  const isHere = call.body !== undefined && (file === undefined || file.text === "-");
  if (!isHere || has(found, ["--directory"])) return call.sink.unsure();
  diffed(call, diffPaths(call.body ?? "", Number(strip) || 0));
};

const remove: Program = (call) => {
  const found = given(call.args, { valuedLong: ["pathspec-from-file"] });
  if (has(found, ["--pathspec-from-file"])) call.sink.unsure();
  if (!has(found, ["--cached", "-n", "--dry-run"])) pathspecs(call, found.operands);
};

const stash: Program = (call) => {
  const found = given(call.args, { valued: "m", valuedLong: ["message", "pathspec-from-file"] });
  const [sub, ...rest] = found.operands;
  const verb = sub?.text ?? "push";
  if (/^(?:list|show|drop|clear|create|store)$/.test(verb)) return;
  const specs = behindDashes(call.args) ?? (verb === "push" ? rest : []);
  if (specs.length > 0) pathspecs(call, specs);
  else call.sink.worktree(call.base);
};

const reset: Program = (call) => {
  const found = given(call.args, {});
  if (has(found, ["--hard", "--merge", "--keep"])) call.sink.worktree(call.base);
};

const clean: Program = (call) => {
  const found = given(call.args, { valued: "e", valuedLong: ["exclude"] });
  if (has(found, ["-n", "--dry-run"])) return;
  if (found.operands.length === 0) writeText(call, ".", true);
  else pathspecs(call, found.operands);
};

const moveTracked: Program = (call) => {
  if (!has(given(call.args, {}), ["-n", "--dry-run"])) move(call);
};

const clone: Program = (call) => {
  const found = given(call.args, {
    valued: "bouj",
    valuedLong: ["branch", "depth", "origin", "reference", "template", "filter", "config"],
  });
  const [from, to] = found.operands;
  if (to !== undefined) return call.sink.write(call.base, to, true);
  const name = from?.text
    ?.replace(/\/+$|\.git\/*$/g, "")
    .split(/[/:]/)
    .pop();
  if (name === undefined || name === "") call.sink.unsure();
  else writeText(call, name, true);
};

const worktree: Program = (call) => {
  const [sub, ...rest] = call.args;
  const found: Given = given(rest, { valued: "bB", valuedLong: ["reason"] });
  const verb = sub?.text;
  if (verb === "add" || verb === "remove") writeAll(call, found.operands.slice(0, 1), true);
  else if (verb === "move") writeAll(call, found.operands.slice(0, 2), true);
  else if (verb !== "list" && verb !== "prune" && verb !== "lock" && verb !== "unlock") call.sink.unsure();
};

const archive: Program = (call) => {
  const found = given(call.args, { valued: "o", valuedLong: ["output", "format", "prefix"] });
  writeAll(call, [...(found.values.get("-o") ?? []), ...(found.values.get("--output") ?? [])]);
};

const subcommands: { readonly [name: string]: Program } = {
  checkout,
  switch: switchBranch,
  restore,
  apply,
  rm: remove,
  mv: moveTracked,
  stash,
  reset,
  clean,
  clone,
  worktree,
  archive,
};
