/**
 * Closing: our reasons as WebSocket close codes, and back.
 */
import type { Closed, CloseReason } from "../../core/ports/transport.ts";

/** The code sent for each reason. */
export const closeCodes: { readonly [reason in CloseReason]: number } = {
  goodbye: 1000,
  "shutting-down": 1001,
  refused: 1008,
  failed: 1011,
  "too-slow": 1013,
  "taken-over": 4001,
};

const reasonsByCode: ReadonlyMap<number, string> = new Map([
  ...Object.entries(closeCodes).map(([reason, code]) => [code, reason] as const),
  // A close frame without a code: how `close()` of a browser says goodbye.
  [1005, "goodbye"],
  [1002, "protocol-error"],
  [1006, "broken"],
  [1007, "invalid-text"],
  [1009, "frame-too-large"],
]);

const reasonsByFault: { readonly [code: string]: string } = {
  WS_ERR_INVALID_UTF8: "invalid-text",
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: "frame-too-large",
};

/** How the other end closed, from its close frame; 1006 stands for none. */
export function closedByPeer(code: number, words: string): Closed {
  const reason = reasonsByCode.get(code) ?? `code-${code}`;
  return { goodbye: reason === "goodbye", reason: withWords(reason, words) };
}

/** How it ends when the other end broke the rules of the medium, or the network did. */
export function closedByFault(error: Error & { code?: string }): Closed {
  const ours = error.code?.startsWith("WS_ERR_") ? "protocol-error" : "broken";
  return { goodbye: false, reason: withWords(reasonsByFault[error.code ?? ""] ?? ours, error.message) };
}

/** A reason with its words, as `Closed` carries them. */
export function withWords(reason: string, words: string | undefined): string {
  return words === undefined || words === "" ? reason : `${reason}: ${words}`;
}

/** At most 123 bytes, which is what a close frame holds (RFC 6455, 5.5), cut between characters. */
export function closingWords(words: string): string {
  const bytes = Buffer.from(words);
  if (bytes.length <= 123) return words;
  let end = 123;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
