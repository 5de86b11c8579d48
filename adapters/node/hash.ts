/**
 * The hash function core asks for. Apart from clock and chance, because loading it takes time that a short
 * command has not.
 */
import { createHash } from "node:crypto";

/** SHA-256 of the UTF-8 of a text, in lower-case hex. */
export function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}
