/**
 * `start`: `holdfast status` on a log of 100,000 entries, directly and by a hub, against `node -e 0`: wall time and CPU
 * of the whole process. NODE_EXTRA_CA_CERTS is unset, which alone would add 38 ms to every start.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openLog } from "../adapters/log/index.ts";
import { compared, inTurns, print } from "./measure.ts";
import { folderOnDisk, root } from "./rig/disk.ts";
import { writeHistory } from "./rig/history.ts";
import type { Options } from "./run.ts";
import { workload } from "./workload.ts";

const ROUNDS = 9;
/** Runs a round: the kernel counts the CPU of children in hundredths of a second. */
const RUNS = 10;

export async function run({ scale }: Options): Promise<void> {
  const program = join(root, "dist/bin/holdfast.js");
  if (!existsSync(program)) throw new Error("there is no dist/bin/holdfast.js: run `npm run build` first");
  const folder = folderOnDisk();
  const { NODE_EXTRA_CA_CERTS: _, ...rest } = process.env;
  const env = { ...rest, HOLDFAST_AGENT: "bench" };
  const place = join(folder.path, ".holdfast");
  mkdirSync(place);
  const log = await openLog(join(place, "log.db"), { durability: "relaxed" });
  const entries = Math.round(100_000 * scale);
  await writeHistory(log, { entries, liveClaims: workload.liveClaims, snapshotAt: entries * 0.9 });
  await log.close();
  const cpu: Record<string, number[]> = {};
  const wallMs = (name: string, args: readonly string[]) => {
    const before = childrenCpuMs();
    const startMs = performance.now();
    for (let i = 0; i < RUNS; i++) {
      const { status, stderr } = spawnSync(process.execPath, args, {
        cwd: folder.path,
        env,
        encoding: "utf8",
      });
      if (status !== 0) throw new Error(`node ${args.join(" ")}: ${stderr}`);
    }
    const tookMs = (performance.now() - startMs) / RUNS;
    cpu[name] = [...(cpu[name] ?? []), (childrenCpuMs() - before) / RUNS];
    return tookMs;
  };
  const measure = async (name: string) => {
    const cases = {
      ours: () => wallMs(name, [program, "status"]),
      node: () => wallMs(`${name} node`, ["-e", "0"]),
    };
    const values = await inTurns(cases, ROUNDS);
    print(compared("start", `status ${name}, wall`, "ms", values.ours, "node -e 0", values.node));
    const [ours = [], node = []] = [cpu[name]?.slice(1), cpu[`${name} node`]?.slice(1)];
    print(compared("start", `status ${name}, CPU`, "ms", ours, "node -e 0", node));
  };
  try {
    await measure("direct");
    const args = [program, "serve", "--listen", "ws://127.0.0.1:0", "--json"];
    const hub = spawn(process.execPath, args, {
      cwd: folder.path,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const end = () => hub.kill();
    process.on("exit", end);
    const gone = new Promise((resolve) => hub.once("exit", resolve));
    await Promise.race([
      new Promise((resolve) => hub.stdout.once("data", resolve)),
      gone.then(() => Promise.reject(new Error("the hub has ended"))),
    ]);
    await measure("by hub");
    hub.kill();
    await gone;
    process.off("exit", end);
  } finally {
    folder.remove();
  }
}

/** User and system time of all children that have ended, in milliseconds; NaN where the kernel does not tell. */
function childrenCpuMs(): number {
  try {
    const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[13]) + Number(fields[14])) * 10;
  } catch {
    return Number.NaN;
  }
}
