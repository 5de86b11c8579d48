/**
 * Every fault point of the disk in turn: a process writes to a log while the Nth call that changes a file fails, or is
 * the last thing that process does; then the log is opened on a sound disk and held to what was acknowledged.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { verifyLog } from "../../adapters/log/verify.ts";
import { openEngineOnLog } from "../../adapters/node/engine.ts";
import type { Entry } from "../../core/model/slice.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What may go wrong with a call. */
export const harms = ["eio", "eio-done", "eio-on", "enospc", "kill", "kill-done", "torn"] as const;
export type Harm = (typeof harms)[number];

/** Whether the library can be built here; if not, why. */
export function cannotPreload(): string | undefined {
  if (process.platform !== "linux") return "only Linux preloads libraries this way";
  return spawnSync("gcc", ["--version"]).status === 0 ? undefined : "there is no gcc";
}

interface Said {
  readonly id?: string;
  readonly seq?: number;
  readonly code?: string;
  readonly definite?: boolean;
  readonly fault?: string;
  readonly rejection?: string;
  readonly closed?: true;
  readonly open?: true;
  readonly late?: true;
  readonly report?: string;
}

/** How one run under a fault went. */
export interface Outcome {
  readonly at: number;
  readonly harm: Harm | undefined;
  readonly acknowledged: number;
  /** Codes of what was refused or failed on the way. */
  readonly codes: readonly string[];
  readonly ended: "closed" | "refused" | "killed" | "late";
  readonly wrong: readonly string[];
}

/** The preloaded library and the program that runs under it, in a folder of their own. */
export class FaultRig {
  readonly folder = mkdtempSync(join(tmpdir(), "holdfast-faults-"));
  private readonly library = join(this.folder, "disk-faults.so");
  private readonly program = join(root, "dist", `disk-child-${process.pid}.mjs`);
  private runs = 0;

  constructor() {
    const source = fileURLToPath(new URL("./disk-faults.c", import.meta.url));
    execFileSync("gcc", ["-shared", "-fPIC", "-O1", "-w", "-o", this.library, source, "-ldl"]);
    // Inside the tree, so that it finds its packages.
    buildSync({
      entryPoints: [fileURLToPath(new URL("./disk-child.ts", import.meta.url))],
      outfile: this.program,
      bundle: true,
      platform: "node",
      format: "esm",
      packages: "external",
      logLevel: "error",
    });
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
    rmSync(this.program, { force: true });
  }

  /** The calls of a run in which nothing goes wrong, each as `call file`. */
  async calls(): Promise<readonly string[]> {
    const trace = join(this.folder, "trace");
    const { wrong } = await this.run(undefined, 0, { DISK_TRACE: trace });
    if (wrong.length > 0) throw new Error(`wrong without any fault: ${wrong.join("; ")}`);
    return readFileSync(trace, "utf8").trim().split("\n");
  }

  /** One run with one fault, and what it came to. */
  async run(harm: Harm | undefined, at: number, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const folder = join(this.folder, `run-${this.runs++}`);
    mkdirSync(folder);
    const log = join(folder, "log.db");
    const faults = { LD_PRELOAD: this.library, DISK_UNDER: folder, ...env };
    const told = harm === undefined ? faults : { ...faults, DISK_AT: String(at), DISK_DO: harm };
    const { said, signal, err } = await heard(this.program, log, told);
    const wrong: string[] = [];
    const end = said.at(-1);
    const ended = signal !== null ? "killed" : end?.closed ? "closed" : end?.late ? "late" : "refused";
    if (signal !== null && signal !== "SIGKILL") wrong.push(`ended by ${signal}: ${err}`);
    if (signal === null && end?.closed === undefined && end?.late === undefined && end?.open === undefined) {
      wrong.push(`ended without a word: ${err}`);
    }
    for (const each of said)
      if (each.fault !== undefined) wrong.push(`a fault instead of a failure: ${each.fault}`);
    const acknowledged = said.filter(({ seq }) => seq !== undefined);
    try {
      wrong.push(...(await examine(log, said)));
    } catch (error) {
      wrong.push(`on a sound disk it does not open: ${(error as Error).message}`);
    }
    rmSync(folder, { recursive: true, force: true });
    const codes = [...new Set(said.flatMap(({ code }) => (code === undefined ? [] : [code])))];
    return { at, harm, acknowledged: acknowledged.length, codes, ended, wrong };
  }
}

function heard(
  program: string,
  log: string,
  env: NodeJS.ProcessEnv,
): Promise<{ said: readonly Said[]; signal: NodeJS.Signals | null; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, log], { env: { ...process.env, ...env } });
    const cut = setTimeout(() => child.kill("SIGABRT"), 20_000);
    let [out, err] = ["", ""];
    child.stdout.on("data", (bytes: Buffer) => {
      out += bytes.toString();
    });
    child.stderr.on("data", (bytes: Buffer) => {
      err += bytes.toString();
    });
    child.on("close", (_, signal) => {
      clearTimeout(cut);
      const said = out
        .split("\n")
        .filter((line) => line.endsWith("}"))
        .map((line) => JSON.parse(line) as Said);
      resolve({ said, signal, err });
    });
  });
}

/** Holds the log to what was said while its disk was failing. */
async function examine(log: string, said: readonly Said[]): Promise<readonly string[]> {
  const wrong: string[] = [];
  const { engine, log: opened, close } = await openEngineOnLog({ log });
  try {
    const byId = new Map<string, Entry>();
    const horizon = await opened.horizon();
    for await (const entries of opened.read(horizon)) for (const entry of entries) byId.set(entry.id, entry);
    const acknowledged = new Map(said.flatMap(({ id, seq }) => (id && seq ? [[id, seq] as const] : [])));
    for (const [id, seq] of acknowledged) {
      const held = engine.state().claims.live.get(`c-${id}`);
      if (held?.epoch !== seq) wrong.push(`${id} was acknowledged as ${seq}, the claim has ${held?.epoch}`);
      if (seq > horizon && byId.get(id)?.seq !== seq) wrong.push(`entry ${seq} of ${id} is gone`);
    }
    const ids = new Set(said.flatMap(({ id }) => (id === undefined ? [] : [id])));
    for (const id of ids) {
      const about = said.filter((each) => each.id === id);
      const surely = about.every(({ seq, definite }) => seq === undefined && definite === true);
      if (surely && byId.has(id)) wrong.push(`${id} was refused for certain, but is in the log`);
    }
    // Whatever its fate was, the same submission again has one effect and one answer.
    for (const id of ["r0-0", "r1-3", "r2-3"]) {
      const command = {
        type: "claim.acquire",
        claim: `c-${id}`,
        note: "n".repeat(700),
        ttlMs: 86_400_000,
      } as const;
      const outcome = await engine.submit({ id, agent: "ann", command });
      const before = acknowledged.get(id) ?? byId.get(id)?.seq;
      // The answer is told by the entry; where that was dropped the repetition is refused.
      const dropped = before !== undefined && before <= horizon;
      if (!outcome.ok && dropped && outcome.rejection.code === "submission.expired") continue;
      if (!outcome.ok) wrong.push(`${id} again: ${outcome.rejection.code}`);
      else if (before !== undefined && outcome.seq !== before) wrong.push(`${id} had a second effect`);
    }
  } finally {
    await close();
  }
  const report = await verifyLog(log);
  for (const { message } of report.problems) wrong.push(`verify: ${message}`);
  return wrong;
}
