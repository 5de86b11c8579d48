/**
 * Small disks of a hub's own: one that fills up under it, one it may only read.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../adapters/node/connect.ts";
import { Failure } from "../../core/failures.ts";
import { type Acknowledged, missing } from "./acknowledged.ts";
import { HubProcess, pause } from "./hub-process.ts";

/** What a hub said on a disk in trouble. */
export interface DiskStory {
  readonly refusedWith: string;
  readonly definite: boolean;
  /** Questions answered meanwhile. */
  readonly answered: number;
  readonly servesAgain: boolean;
  readonly wrong: readonly string[];
}

async function onDisk<T>(size: string, run: (at: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-small-"));
  const at = join(folder, "at");
  mkdirSync(at);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", at]);
  try {
    return await run(at);
  } finally {
    spawnSync("umount", ["-l", at]);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Fills the disk of a hub at work, then gives the room back. */
export function fullDisk(): Promise<DiskStory> {
  return onDisk("3m", async (at) => {
    const log = join(at, "log.db");
    const hub = await HubProcess.start({ log });
    const client = await connect(hub.url, { agent: "ann" });
    const acknowledged: Acknowledged[] = [];
    const acquire = async (n: number): Promise<void> => {
      const claim = `c${n % 100}`;
      const { seq, epoch } = await client.call(
        "claim.acquire",
        { claim, note: "n".repeat(900) },
        { timeoutMs: 5000 },
      );
      acknowledged.push({ seq, type: "claim.granted", agent: "ann", claim, epoch });
    };
    try {
      await acquire(0);
      const { bavail, bsize } = statfsSync(at);
      writeFileSync(join(at, "filler"), Buffer.alloc(Math.max(0, bavail * bsize - 100_000)));
      let refused: Failure | undefined;
      for (let n = 1; n < 2000 && refused === undefined; n++) {
        await acquire(n).catch((error: unknown) => {
          if (!(error instanceof Failure)) throw error;
          refused = error;
        });
      }
      let answered = 0;
      for (; answered < 5; answered++) await client.call("claims.list", {}, { timeoutMs: 5000 });
      rmSync(join(at, "filler"));
      let servesAgain = false;
      for (let left = 30; left > 0 && !servesAgain; left--) {
        servesAgain = await acquire(3000).then(
          () => true,
          () => pause(200).then(() => false),
        );
      }
      await client.close();
      await hub.stop();
      const wrong = await missing(log, acknowledged);
      return {
        refusedWith: refused?.code ?? "",
        definite: refused?.definite ?? false,
        answered,
        servesAgain,
        wrong,
      };
    } finally {
      await client.close();
      await hub.stop("SIGKILL");
    }
  });
}

/** Starts a hub on a log that can only be read. */
export function readOnlyDisk(): Promise<DiskStory> {
  return onDisk("3m", async (at) => {
    const log = join(at, "log.db");
    const before = await HubProcess.start({ log });
    const writer = await connect(before.url, { agent: "ann" });
    await writer.call("claim.acquire", { claim: "kept" });
    await writer.close();
    await before.stop();
    execFileSync("mount", ["-o", "remount,ro", at]);
    const hub = await HubProcess.start({ log });
    const client = await connect(hub.url, { agent: "bob", observe: true });
    try {
      const { items } = await client.call("claims.list", {}, { timeoutMs: 5000 });
      const wrong = items.some(({ claim }) => claim === "kept") ? [] : ["the claim is gone"];
      // To take part is to be written down.
      const refused = await connect(hub.url, { agent: "ann" }).then(
        () => new Error("accepted"),
        (error: Error) => error,
      );
      const { code = refused.message, definite = true } = refused as { code?: string; definite?: boolean };
      return { refusedWith: code, definite, answered: items.length, servesAgain: false, wrong };
    } finally {
      await client.close();
      await hub.stop("SIGKILL");
    }
  });
}
