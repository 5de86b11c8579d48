/**
 * What core asks of the machine: its clock and its chance.
 */
import type { Chance } from "../../core/ports/clock.ts";

export { machineClock as systemClock } from "../log/machine.ts";

/** Chance from the operating system's generator. */
export const systemChance: Chance = {
  fraction: () => Math.random(),
  // The global is loaded when it is first used, unlike node:crypto.
  id: () => Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(16))).toString("base64url"),
};
