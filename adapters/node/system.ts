/**
 * What core asks of the machine: its clock, its chance and its hash function.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Chance } from "../../core/ports/clock.ts";

export { machineClock as systemClock } from "../log/machine.ts";

/** Chance from the operating system's generator. */
export const systemChance: Chance = {
  fraction: () => Math.random(),
  id: () => randomBytes(16).toString("base64url"),
};

/** SHA-256 of the UTF-8 of a text, in lower-case hex. */
export function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}
