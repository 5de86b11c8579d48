/**
 * Frames: what others wrote, handed to an agent as data. Whoever wrote it cannot end the frame, for its mark
 * is made afterwards, nor look like a host or a hook, for what would is broken.
 */
import { randomBytes } from "node:crypto";
import { utf8Length } from "../../core/protocol/formats.ts";
import { safeLine, safeText } from "../place/plain.ts";

/** Names that hosts of agents, models and this program give a meaning to. */
const NAMES = [
  "\\|",
  "antml",
  "system",
  "holdfast",
  "user",
  "assistant",
  "human",
  "developer",
  "tool",
  "function",
  "invoke",
  "hook",
  "channel",
  "task-",
  "im_",
];
const MARKS = new RegExp(`<(?=[\\s/|!?]*(?:${NAMES.join("|")}))`, "gi");

/** Text of others on one line, at most `max` characters, without quotation marks of its own. */
export function quoted(text: string, max: number): string {
  const line = broken(safeLine(text.slice(0, max * 4))).replaceAll('"', "'");
  return line.length > max ? `${line.slice(0, max - 1).toWellFormed()}…` : line;
}

/** A name or path of others, as it may stand in a sentence. */
export function named(text: string): string {
  return quoted(text, 120);
}

/**
 * Text of others within at most `bytesMax` bytes, every line begun by `| `; whether something was cut off.
 */
export function block(text: string, bytesMax: number): { readonly text: string; readonly isCut: boolean } {
  const clean = broken(safeText(text.slice(0, bytesMax * 2)));
  const lined = clean.replace(/^/gm, "| ").replace(/[\u2028\u2029]/g, "\n| ");
  const cut = clipped(lined, bytesMax);
  return { text: cut, isCut: cut.length < lined.length || text.length > bytesMax * 2 };
}

/** Puts text into a frame that nothing inside can end. */
export function framed(what: string, explanation: string, text: string): string {
  const mark = `holdfast-${what}-${randomBytes(6).toString("hex")}`;
  return `<${mark}>\n${explanation}\n${text}\n</${mark}>`;
}

/** The beginning of a text within so many bytes of UTF-8. */
export function clipped(text: string, bytesMax: number): string {
  if (utf8Length(text) <= bytesMax) return text;
  let end = Math.min(text.length, bytesMax);
  for (let over = utf8Length(text.slice(0, end)) - bytesMax; over > 0; ) {
    // A code unit is at most three bytes, so this never cuts too much.
    end -= Math.max(1, Math.floor(over / 3));
    over = utf8Length(text.slice(0, end)) - bytesMax;
  }
  const last = text.charCodeAt(end - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? end - 1 : end);
}

function broken(text: string): string {
  return text.replace(MARKS, "‹");
}
