/**
 * Notes: what two ends tell each other of their connection beside its frames, since MQTT 3.1.1 has no words
 * for it.
 */
import type { Closed, CloseReason } from "../../core/ports/transport.ts";

/** What a caller leaves as its last will: it is idle at once, as if it had said goodbye (AG7). */
export const lastWill = closingNote("goodbye", "its last will");

/** The payload that tells the other end why this one closes. */
export function closingNote(reason: CloseReason, words?: string): string {
  return JSON.stringify({ reason, ...(words === undefined || words === "" ? {} : { words }) });
}

/** What a note says; one that cannot be read says that something failed. */
export function readNote(payload: Uint8Array): Closed {
  try {
    const note: unknown = JSON.parse(Buffer.from(payload).toString());
    const { reason, words } = note as { readonly reason?: unknown; readonly words?: unknown };
    if (typeof reason === "string" && /^[a-z-]{1,40}$/.test(reason)) {
      return {
        goodbye: reason === "goodbye",
        reason: withWords(reason, typeof words === "string" ? words : ""),
      };
    }
  } catch {
    // Said below.
  }
  return { goodbye: false, reason: "failed: it closed with a note that cannot be read" };
}

/** A reason with its words, as `Closed` carries them. */
export function withWords(reason: string, words: string | undefined): string {
  return words === undefined || words === "" ? reason : `${reason}: ${words}`;
}
