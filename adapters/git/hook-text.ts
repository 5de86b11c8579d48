/**
 * The text of a git hook: a marked block that calls Holdfast and never stands in the way when it cannot.
 *
 * A text here is a file's bytes, each as one character, since hooks of others may be in any encoding.
 */

/** Hooks that are installed, and whether each can stop what git is about to do. */
export const hooks: { readonly [name: string]: { readonly guards: boolean } } = {
  "pre-commit": { guards: true },
  "pre-merge-commit": { guards: true },
  "post-commit": { guards: false },
  "post-merge": { guards: false },
  "post-rewrite": { guards: false },
};

/** How a hook finds Holdfast. */
export interface Program {
  /** Absolute files, for hooks that stay on this machine; absent where others will have the hook, too. */
  readonly here?: { readonly node: string; readonly script: string };
}

const BEGIN = "# >>> holdfast";
const END = "# <<< holdfast <<<";
const FIRST_LINE = "#!/bin/sh\n";
const BLOCK = /^# >>> holdfast [^\n]*\n[\s\S]*?^# <<< holdfast <<<\n/m;
/** Said in the block of a file that was made for it. */
const MADE = "in a file of its own";
/** Said in the block of a file that calls the hook which was there before. */
const WRAPS = "before the hook that was here";

/** What the file of a hook is called when another one calls it. */
export function keptName(hook: string): string {
  return `${hook}.before-holdfast`;
}

/** The block for one hook, ending with a line's end. */
function block(hook: string, program: Program, where: string): string {
  const call = '"$@"';
  const { node, script } = program.here ?? { node: "", script: "" };
  const there = `[ -x ${quoted(node)} ] && [ -f ${quoted(script)} ]`;
  const own =
    program.here === undefined ? "" : `${there}; then ${quoted(node)} ${quoted(script)} ${call}\n  elif `;
  const after = hooks[hook]?.guards === true ? "|| [ $? -ne 2 ] || exit 1" : "|| :";
  return `${BEGIN} ${hook}, ${where}: added by \`holdfast git install\`, taken out by \`holdfast git uninstall\` >>>
holdfast_hook() {
  if ${own}command -v holdfast >/dev/null 2>&1; then holdfast ${call}
  elif [ -x node_modules/.bin/holdfast ]; then node_modules/.bin/holdfast ${call}
  else echo "holdfast: it is not found, so its ${hook} hook did nothing (see 'holdfast git install')." >&2
  fi
}
holdfast_hook git hook ${hook} "$@" </dev/null ${after}
${END}
`;
}

/** The file of a hook where there was none. */
export function fresh(hook: string, program: Program): string {
  return `${FIRST_LINE}${block(hook, program, MADE)}`;
}

/** The file of a hook that calls the one there was. */
export function wrapper(hook: string, program: Program): string {
  return `${FIRST_LINE}${block(hook, program, WRAPS)}holdfast_kept="$(dirname "$0")/${keptName(hook)}"
if [ -x "$holdfast_kept" ]; then exec "$holdfast_kept" "$@"; fi
`;
}

/**
 * A shell's hook with the block before its own lines; `undefined` where it is no such text. What `sh` is
 * told to read needs no first line that names it.
 */
export function withBlock(text: string, hook: string, program: Program, isRead: boolean): string | undefined {
  if (BLOCK.test(text)) {
    const where = isFresh(text) ? MADE : isWrapper(text) ? WRAPS : "before your own lines";
    return text.replace(BLOCK, () => block(hook, program, where));
  }
  const [first] = /^#![^\n]*\/(?:env +)?(?:ba|da|z|k)?sh(?: [^\n\r]*)?\n/.exec(text) ?? [];
  if (first === undefined && (!isRead || text.startsWith("#!"))) return undefined;
  return `${first ?? ""}${block(hook, program, "before your own lines")}${text.slice(first?.length ?? 0)}`;
}

/** The text without the block; `undefined` where there is none. */
export function withoutBlock(text: string): string | undefined {
  return BLOCK.test(text) ? text.replace(BLOCK, "") : undefined;
}

/** Whether nothing is left of a file that was made for the block. */
export function isEmptied(text: string): boolean {
  return text === FIRST_LINE;
}

/** Whether the file was made for the block. */
export function isFresh(text: string): boolean {
  return BLOCK.exec(text)?.[0].split("\n", 1)[0]?.includes(`, ${MADE}:`) === true;
}

/** Whether the file calls the hook that was there before. */
export function isWrapper(text: string): boolean {
  return BLOCK.exec(text)?.[0].split("\n", 1)[0]?.includes(`, ${WRAPS}:`) === true;
}

/** A word of the shell, in bytes. */
function quoted(word: string): string {
  return `'${Buffer.from(word).toString("latin1").replaceAll("'", "'\\''")}'`;
}
