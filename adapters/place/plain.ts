/**
 * Plain text: what others wrote, without anything that a terminal or a reader would take for more than
 * text.
 */

const ESC = String.fromCharCode(0x1b);
const BEL = String.fromCharCode(0x07);
/** The end of a string that a terminal takes for itself: BEL or ST. */
const END = `(?:${BEL}|${ESC}\\\\|\\x9c)`;
/**
 * Sequences as a whole: CSI; OSC, DCS, SOS, PM and APC up to their end; any other escape; in 7 bits and in
 * 8.
 */
const SEQUENCES = new RegExp(
  `(?:${ESC}\\[|\\x9b)[0-?]*[ -/]*[@-~]|(?:${ESC}[\\]PX^_]|[\\x9d\\x90\\x98\\x9e\\x9f])` +
    `[^${BEL}${ESC}\\x9c]*${END}?|${ESC}[ -/]*[0-~]?`,
  "g",
);
/** Lone controls but for tab and line feed, and whatever turns text around. */
const CONTROLS = /(?![\t\n])[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/**
 * Text of others as it may be shown: several lines and tabs stay, nothing in it moves or colours the
 * terminal.
 */
export function safeText(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(SEQUENCES, "").replace(CONTROLS, "");
}

/** The same on one line. */
export function safeLine(text: string): string {
  return safeText(text)
    .replace(/[\t\n\u2028\u2029]+/g, " ")
    .trim();
}
