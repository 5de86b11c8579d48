/**
 * What may go wrong in one simulation, and how often. Everything is off once the faults are over.
 */
import type { Random } from "./random.ts";

/** The kinds that can be switched off one by one, to find which a failure needs. */
export const faultKinds = [
  "full",
  "slow",
  "unknown",
  "busy",
  "unreadable",
  "lostWake",
  "damage",
  "crash",
  "power",
  "restart",
  "pause",
  "jump",
  "cut",
  "deaf",
  "stall",
  "ghost",
  "truncate",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Shares of appends, snapshots or wake-ups that go wrong; the rest is per second of simulated time. */
export interface Faults extends Record<FaultKind, number> {
  /** A hub took the wall clock for elapsed time, as it may after a reboot, and was off by so much. */
  onLeap: (excessMs: number) => void;
}

/** Draws how bad a world is: some kinds are off, some frequent. */
export function drawFaults(random: Random, off: ReadonlySet<FaultKind>): Faults {
  const most: Record<FaultKind, number> = {
    full: 0.05,
    slow: 0.08,
    unknown: 0.04,
    busy: 0.9,
    unreadable: 0.002,
    lostWake: 0.5,
    damage: 0.4,
    crash: 0.25,
    power: 0.05,
    restart: 0.1,
    pause: 0.15,
    jump: 0.2,
    cut: 0.8,
    deaf: 0.25,
    stall: 0.2,
    ghost: 2,
    truncate: 0.3,
  };
  const faults = { ...most, onLeap: () => {} } as Faults;
  for (const kind of faultKinds) {
    const drawn = random.happens(0.35) ? 0 : most[kind] * random.next();
    faults[kind] = off.has(kind) ? 0 : drawn;
  }
  return faults;
}

/** From now on nothing goes wrong any more. */
export function heal(faults: Faults): void {
  for (const kind of faultKinds) faults[kind] = 0;
}
