/**
 * Torture of the log in short: damage, faults of the disk, power cuts, a full disk. The long forms are scripts.
 */
import { describe, expect, it } from "vitest";
import { damageAll } from "./damage.ts";
import { cannotPreload, FaultRig } from "./disk-faults.ts";
import { fullDisk, readOnlyDisk } from "./full-disk.ts";
import { cannotMount, powerCuts } from "./power.ts";

const noMount = cannotMount();
const noPreload = cannotPreload();

describe("a log", { timeout: 60_000 }, () => {
  it("is never folded when it is damaged", async () => {
    const { found, wrong } = await damageAll(60, 7, { rounds: 15, compacted: false });
    expect(wrong).toEqual([]);
    expect(Object.keys(found).some((how) => how.includes("refused"))).toBe(true);
  });

  // Needs gcc and Linux.
  it.skipIf(noPreload !== undefined)("keeps what was acknowledged through faults of the disk", async () => {
    const rig = new FaultRig();
    try {
      const calls = await rig.calls();
      const last = (what: string): number => calls.findLastIndex((call) => call.includes(what)) + 1;
      const sync = calls.findIndex((call, i) => i > 50 && /fsync .*-wal/.test(call)) + 1;
      for (const [harm, at] of [
        ["kill", sync],
        ["kill-done", sync],
        ["eio", sync],
        ["torn", sync - 1],
        ["enospc", last("snapshots")],
        ["eio", last("pwrite ")],
      ] as const) {
        expect(await rig.run(harm, at)).toMatchObject({ wrong: [] });
      }
    } finally {
      rig.dispose();
    }
  });

  // Needs root: file systems are mounted.
  it.skipIf(noMount !== undefined)("keeps what was acknowledged through power cuts", async () => {
    expect(await powerCuts(2, 3)).toMatchObject({ done: 2, wrong: [] });
    const careless = await powerCuts(2, 3, { relaxed: true });
    expect(careless.wrong.length, "without waiting for the disk something is lost").toBeGreaterThan(0);
  });

  // Needs root: small disks are mounted.
  it.skipIf(noMount !== undefined)(
    "refuses precisely on a full disk and on one it may only read",
    async () => {
      const full = await fullDisk();
      expect(full).toMatchObject({
        refusedWith: "log.full",
        definite: true,
        answered: 5,
        servesAgain: true,
        wrong: [],
      });
      expect(await readOnlyDisk()).toMatchObject({ refusedWith: "log.read-only", definite: true, wrong: [] });
    },
  );
});
