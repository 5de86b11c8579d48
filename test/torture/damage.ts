/**
 * Damage: bits flipped, pieces cut off, moved, swapped or put back from an older copy, in every file of a log. Each
 * must be noticed, on opening or by `verify`, or be without effect on what was acknowledged; never folded.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { openSqliteLog, verifyLog } from "../../adapters/log/index.ts";
import { openEngineOnLog } from "../../adapters/node/engine.ts";
import { recover } from "../../core/engine/recovery.ts";
import { Failure } from "../../core/failures.ts";
import type { Entry } from "../../core/model/slice.ts";
import { savedRows } from "../core/saved.ts";
import { Random } from "../simulation/random.ts";
import { pause } from "./hub-process.ts";

/** A log that is whole, an older copy of it, and what both say. */
export interface Whole {
  readonly name: string;
  readonly folder: string;
  readonly older: string;
  readonly head: number;
  readonly entries: readonly Entry[];
  readonly state: string;
}

const LOG = "log.db";

const open = (folder: string) => openSqliteLog(join(folder, LOG));

async function told(folder: string): Promise<Pick<Whole, "head" | "entries" | "state">> {
  const log = await open(folder);
  try {
    const fold = await recover(log);
    const entries: Entry[] = [];
    for await (const some of log.read(await log.horizon())) entries.push(...some);
    return { head: fold.seq, entries, state: JSON.stringify(savedRows(fold.state)) };
  } finally {
    await log.close();
  }
}

/** Copies a log as it stands on the disk, without the index of its write-ahead log, which a crash makes void. */
function copyLog(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true, filter: (path) => !/-shm$|\.status/.test(path) });
}

/** Makes a log of so many rounds, as it is when closed and as a crash leaves it, before and after compaction. */
export async function wholeLogs(folder: string, rounds: number, compacted = true): Promise<readonly Whole[]> {
  const live = join(folder, "live");
  mkdirSync(live, { recursive: true });
  const made: Whole[] = [];
  const keep = async (name: string, older: string): Promise<void> => {
    const kept = join(folder, name);
    copyLog(live, kept);
    const probe = join(folder, `${name}-probe`);
    copyLog(kept, probe);
    made.push({ name, folder: kept, older, ...(await told(probe)) });
    rmSync(probe, { recursive: true });
  };
  const session = async (label: string, atEnd: () => Promise<void>, compacts = false): Promise<void> => {
    const { engine, close } = await openEngineOnLog({ log: join(live, LOG) });
    for (let i = 0; i < rounds; i++) {
      const id = `${label}-${i}`;
      const work = {
        type: "claim.acquire",
        claim: id,
        scope: { files: [`src/${id}.ts`] },
        ttlMs: 86_400_000,
        note: id.repeat(9),
      } as const;
      await Promise.all([
        engine.submit({ id: `a-${id}`, agent: "ann", command: work }),
        engine.submit({
          id: `n-${id}`,
          agent: "ben",
          command: { type: "decision.record", text: `decided ${id}` },
        }),
      ]);
      if (i % 2 === 0)
        await engine.submit({ id: `r-${id}`, agent: "ann", command: { type: "claim.release", claim: id } });
      if (compacts && i === rounds >> 1) await engine.own({ type: "log.compact", keepMs: 0 });
    }
    // The witness is at most a second behind.
    await pause(1200);
    await atEnd();
    await close();
  };
  const older = join(folder, "older");
  await session("one", async () => copyLog(live, older));
  await session("two", () => keep("crashed", older));
  await keep("closed", older);
  if (!compacted) return made;
  await session("three", () => keep("crashed, compacted", older), true);
  await keep("closed, compacted", older);
  return made;
}

/** One piece of damage, in words, done to a copy. */
export function damage(whole: Whole, copy: string, random: Random): string {
  const files = listed(copy);
  const file = random.pick(files.filter((path) => statSync(path).size > 0));
  const bytes = readFileSync(file);
  const name = file.slice(copy.length + 1);
  const size = bytes.length;
  switch (
    random.weighted([
      [6, "flip"],
      [2, "byte"],
      [2, "cut"],
      [2, "zero"],
      [2, "swap"],
      [1, "append"],
      [1, "older"],
      [1, "gone"],
    ] as const)
  ) {
    case "flip": {
      const [at, bit] = [random.between(0, size - 1), random.between(0, 7)];
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
      writeFileSync(file, bytes);
      return `${name}: bit ${bit} of byte ${at}`;
    }
    case "byte": {
      const at = random.between(0, size - 1);
      bytes[at] = random.between(0, 255);
      writeFileSync(file, bytes);
      return `${name}: byte ${at}`;
    }
    case "cut": {
      const to = random.between(0, size - 1);
      writeFileSync(file, bytes.subarray(0, to));
      return `${name}: cut from ${size} to ${to}`;
    }
    case "zero": {
      const at = 512 * random.between(0, (size - 1) >> 9);
      bytes.fill(0, at, Math.min(size, at + 512));
      writeFileSync(file, bytes);
      return `${name}: a sector of zeros at ${at}`;
    }
    case "swap": {
      const block = name.includes("wal") ? 4120 : random.pick([512, 4096]);
      const last = Math.max(0, Math.floor((size - (name.includes("wal") ? 32 : 0)) / block) - 1);
      const start = name.includes("wal") ? 32 : 0;
      const [a, b] = [start + block * random.between(0, last), start + block * random.between(0, last)];
      const one = Buffer.from(bytes.subarray(a, a + block));
      const two = Buffer.from(bytes.subarray(b, b + block));
      bytes.set(two, a);
      bytes.set(one, b);
      writeFileSync(file, bytes);
      return `${name}: ${block} bytes at ${a} and ${b} changed places`;
    }
    case "append": {
      writeFileSync(file, Buffer.concat([bytes, bytes.subarray(0, random.between(1, Math.min(size, 5000)))]));
      return `${name}: some of itself behind its end`;
    }
    case "older": {
      const before = join(whole.older, name);
      if (existsSync(before)) cpSync(before, file);
      else rmSync(file);
      return `${name}: put back from an older copy`;
    }
    case "gone":
      rmSync(file);
      return `${name}: gone`;
  }
}

function listed(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? listed(path) : [path];
    })
    .filter((path) => !path.endsWith(".reserve"))
    .sort();
}

/** What became of a damaged log. */
export type Found =
  | { readonly how: "refused" | "verify" | "no effect"; readonly code?: string }
  | { readonly wrong: string };

/** Opens a damaged copy as a hub would, then verifies it, and compares with what was acknowledged. */
export async function find(whole: Whole, copy: string): Promise<Found> {
  // Before anything heals or changes it by writing.
  const report = await verifyLog(join(copy, LOG)).catch((error: unknown) => error as Error);
  if (report instanceof Error && !(report instanceof Failure))
    return { wrong: `verify threw ${report.stack}` };
  let now: Awaited<ReturnType<typeof told>>;
  try {
    now = await told(copy);
  } catch (error) {
    if (error instanceof Failure) return { how: "refused", code: error.code };
    return { wrong: `it was not refused with a failure: ${(error as Error).stack}` };
  }
  if (now.head !== whole.head) return { wrong: `its head is ${now.head}, not ${whole.head}` };
  if (now.state !== whole.state) return { wrong: "another state was folded" };
  const noticed = report instanceof Error || !report.ok;
  // What compaction had dropped may be back, but nothing else.
  const kept = now.entries.slice(-whole.entries.length);
  if (JSON.stringify(kept) !== JSON.stringify(whole.entries)) {
    return noticed ? { how: "verify" } : { wrong: `${now.entries.length} other entries are told` };
  }
  return noticed ? { how: "verify" } : { how: "no effect" };
}

/** What was done and found. */
export interface DamageReport {
  readonly done: number;
  readonly found: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
}

/** Does so many pieces of damage, one at a time. */
export async function damageAll(
  times: number,
  seed: number,
  { rounds = 60, compacted = true } = {},
): Promise<DamageReport> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-damage-"));
  const found: Record<string, number> = {};
  const wrong: string[] = [];
  try {
    const wholes = await wholeLogs(folder, rounds, compacted);
    const random = new Random(seed, "damage");
    for (let i = 0; i < times; i++) {
      const whole = wholes[i % wholes.length] as Whole;
      const copy = join(folder, "copy");
      copyLog(whole.folder, copy);
      const done = damage(whole, copy, random);
      const what = await find(whole, copy);
      if ("wrong" in what) wrong.push(`${i}, ${whole.name}, ${done}: ${what.wrong}`);
      const file = basename(done.split(":")[0] as string).replace(/\d+\./, "");
      const key = `${file}: ${"wrong" in what ? "WRONG" : `${what.how}${what.code === undefined ? "" : ` ${what.code}`}`}`;
      found[key] = (found[key] ?? 0) + 1;
    }
    return { done: times, found, wrong };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
