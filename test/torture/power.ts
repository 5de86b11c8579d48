/**
 * Sudden ends: hubs killed at random moments, and power cuts, where only what was brought to the disk is left.
 *
 * A power cut is a copy of the file a mounted file system stands in, taken while the hub is stopped in its tracks:
 * it has what was handed to the disk and nothing of what waits in memory. A disk that loses what it was told to keep,
 * or keeps later writes and loses earlier ones, is not simulated.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  constants,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../adapters/node/connect.ts";
import { Random } from "../simulation/random.ts";
import { missing, Workers } from "./acknowledged.ts";
import { HubProcess, pause } from "./hub-process.ts";

export interface PowerReport {
  done: number;
  acknowledged: number;
  /** What was lost, or otherwise wrong. */
  readonly wrong: string[];
}

const IMAGE_BYTES = 64 * 1024 * 1024;
const AGENTS = 4;

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: "pipe" });
}

/** Why file systems cannot be mounted here; `undefined` when they can. */
export function cannotMount(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    return "only root on Linux may mount file systems";
  const folder = mkdtempSync(join(tmpdir(), "holdfast-mount-"));
  try {
    const image = join(folder, "image");
    makeImage(image, 4 * 1024 * 1024);
    const at = join(folder, "at");
    mkdirSync(at);
    run("mount", "-o", "loop", image, at);
    run("umount", at);
    return undefined;
  } catch (error) {
    return `file systems cannot be mounted from files here: ${(error as Error).message.split("\n").at(-1)}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeImage(image: string, bytes: number): void {
  writeFileSync(image, "");
  truncateSync(image, bytes);
  run("mkfs.ext4", "-q", "-F", "-m", "0", image);
}

export interface CutOptions {
  /** No more cuts after so many minutes. */
  readonly minutes?: number;
  /** A log that does not wait for the disk: then something must be lost, or the cuts prove nothing. */
  readonly relaxed?: boolean;
}

/** So many power cuts under load. */
export async function powerCuts(cuts: number, seed: number, options: CutOptions = {}): Promise<PowerReport> {
  const args = options.relaxed === true ? ["--relaxed"] : [];
  const folder = mkdtempSync(join(tmpdir(), "holdfast-power-"));
  const [image, at] = [join(folder, "image"), join(folder, "at")];
  const random = new Random(seed, "power");
  const report: PowerReport = { done: 0, acknowledged: 0, wrong: [] };
  makeImage(image, IMAGE_BYTES);
  mkdirSync(at);
  // Nothing reaches the image by itself in between, so that it stands still while it is copied.
  run("mount", "-o", "loop,noatime,commit=300", image, at);
  let hub: HubProcess | undefined;
  const workers = new Workers();
  try {
    hub = await HubProcess.start({ log: join(at, "log.db"), args });
    const { url } = hub;
    await workers.begin(url, AGENTS, random);
    const operator = await connect(url, { agent: "op", role: "operator" });
    const untilMs = performance.now() + (options.minutes ?? 60) * 60_000;
    for (let i = 0; i < cuts && performance.now() < untilMs; i++) {
      await pause(random.between(30, 400));
      if (i % 8 === 5) void operator.call("log.compact", { keepMs: random.between(0, 5000) }).catch(() => {});
      if (i % 10 === 9) {
        await hub.stop("SIGKILL");
        hub = await HubProcess.start({ log: join(at, "log.db"), listen: [url], args });
        if (random.happens(0.5)) await pause(random.between(0, 60));
      }
      const words = await cut(hub, workers, image, join(folder, `cut-${i}`));
      report.wrong.push(...words.map((word) => `cut ${i}: ${word}`));
      report.done++;
    }
    await operator.close();
    await workers.end();
  } finally {
    await hub?.stop("SIGKILL");
    await workers.end();
    report.acknowledged = workers.acknowledged.length;
    spawnSync("umount", ["-l", at]);
    rmSync(folder, { recursive: true, force: true });
  }
  return report;
}

async function cut(
  hub: HubProcess,
  workers: Workers,
  image: string,
  folder: string,
): Promise<readonly string[]> {
  const [copy, at] = [join(folder, "image"), join(folder, "at")];
  mkdirSync(at, { recursive: true });
  hub.signal("SIGSTOP");
  try {
    // Until it stands, and what it had said has been heard.
    await pause(40);
    copyFileSync(image, copy, constants.COPYFILE_FICLONE);
  } finally {
    hub.signal("SIGCONT");
  }
  const told = [...workers.acknowledged];
  run("mount", "-o", "loop,noatime", copy, at);
  try {
    return await missing(join(at, "log.db"), told);
  } catch (error) {
    return [`after it the log does not open: ${(error as Error).message}`];
  } finally {
    run("umount", "-l", at);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** So many times kills a hub under load with -9 and starts it again at once, then looks whether all is there. */
export async function kills(times: number, seed: number, minutes = 60): Promise<PowerReport> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-kills-"));
  const log = join(folder, "log.db");
  const random = new Random(seed, "kills");
  const report: PowerReport = { done: 0, acknowledged: 0, wrong: [] };
  const workers = new Workers();
  let hub = await HubProcess.start({ log });
  const { url } = hub;
  try {
    await workers.begin(url, AGENTS, random);
    const untilMs = performance.now() + minutes * 60_000;
    for (let i = 0; i < times && performance.now() < untilMs; i++) {
      const before = workers.acknowledged.length;
      for (let left = 60; left > 0 && workers.acknowledged.length === before; left--) await pause(100);
      await pause(random.between(0, 300));
      await hub.stop("SIGKILL");
      report.done++;
      hub = await HubProcess.start({ log, listen: [url] });
    }
    await pause(500);
    await workers.end();
    await hub.stop("SIGKILL");
    report.wrong.push(...(await missing(log, workers.acknowledged)));
  } finally {
    await hub.stop("SIGKILL");
    await workers.end();
    report.acknowledged = workers.acknowledged.length;
    rmSync(folder, { recursive: true, force: true });
  }
  return report;
}
