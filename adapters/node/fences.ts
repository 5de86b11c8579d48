/**
 * Fences: finds the fenced code blocks of a Markdown file with markdown-it, which is loaded when it is
 * first needed.
 */
import { createRequire } from "node:module";
import type * as markdownIt from "markdown-it";
import type { Fence } from "../../core/model/markpact.ts";

type Parser = InstanceType<typeof markdownIt.default>;
let parser: Parser | undefined;

/** The fenced code blocks at the top level of a CommonMark document, in order, by lines. */
export function findFences(text: string): readonly Fence[] {
  parser ??= load();
  const fences: Fence[] = [];
  for (const { type, level, map } of parser.parse(text, {})) {
    if (type === "fence" && level === 0 && map !== null) fences.push({ start: map[0], end: map[1] });
  }
  return fences;
}

function load(): Parser {
  // Deciding is synchronous, so the parser cannot be imported when it is needed; and it takes longer to
  // load than all of a short command's other work.
  const require = createRequire(import.meta.url);
  const MarkdownIt = require("markdown-it") as typeof markdownIt.default;
  const fresh = new MarkdownIt("commonmark");
  // Where blocks are is all that is asked.
  fresh.core.ruler.enableOnly(["normalize", "block"]);
  return fresh;
}
