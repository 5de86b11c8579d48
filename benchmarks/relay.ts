/**
 * `relay`: bytes, and tokens, of the feed against the JSON entry notifications a follower gets,
 * lossless, on the fleet trace: each change is a claim of its paths, released by its agent some
 * changes later.
 *
 * Tokens are o200k_base, where `gpt-tokenizer` is installed; it is no dependency.
 */
import { createHash } from "node:crypto";
import { openLog } from "../adapters/log/index.ts";
import { openEngine } from "../core/engine/engine.ts";
import type { Entry } from "../core/model/slice.ts";
import { entryNotification } from "../core/protocol/codec.ts";
import { fleetTrace } from "../test/data/index.ts";
import { FeedDecoder, FeedEncoder, type FeedHeader, headerLine } from "../transports/ndjson/feed-codec.ts";
import { alone, compared, print, random, seconds } from "./measure.ts";
import type { Options } from "./run.ts";

/** Claims held at a time. */
const HELD = 30;

type Count = (text: string) => number;

export async function run({ scale }: Options): Promise<void> {
  const { changes, sample } = fleetTrace();
  const entries = await entriesOf(changes.slice(0, Math.max(50, Math.floor(changes.length * scale))));
  const header: FeedHeader = { feed: 1, log: "r".repeat(22), after: (entries[0]?.seq ?? 1) - 1, full: false };
  const wire = entries.map((entry) => `${String(entryNotification("json", entry))}\n`);
  const encode = (): string[] => {
    const encoder = new FeedEncoder(header);
    return [`${headerLine(header)}\n`, ...entries.map((entry) => encoder.encode(entry))];
  };
  const feed = encode();
  lossless(feed.join(""), entries);
  const name = sample ? "feed, sample" : "feed, fleet trace";
  const measure = (unit: string, count: Count): void => {
    const sum = (texts: readonly string[]): number => texts.reduce((total, text) => total + count(text), 0);
    const [mine, theirs] = [sum(feed) / entries.length, sum(wire) / entries.length];
    print(compared("relay", name, `${unit}/entry`, [mine], "entry notifications", [theirs]));
  };
  measure("bytes", (text) => Buffer.byteLength(text));
  const tokens = await tokenizer();
  if (tokens === undefined)
    process.stderr.write("relay: gpt-tokenizer is not installed; tokens are not counted.\n");
  else measure("tokens", tokens);
  const rates: number[] = [];
  for (let round = 0; round < 5; round++) rates.push(entries.length / (await seconds(encode)));
  print(alone("relay", "encode", "entries/s", rates));
}

/** Throws when the feed is not the entries. */
function lossless(feed: string, entries: readonly Entry[]): void {
  const [first = "", ...lines] = feed.split("\n").slice(0, -1);
  const decoder = new FeedDecoder(first);
  const back = lines.flatMap((line) => decoder.decode(line) ?? []);
  if (JSON.stringify(back) !== JSON.stringify(entries)) throw new Error("the feed lost something");
}

/** What a real engine makes of the trace, by a clock that follows it. */
async function entriesOf(changes: ReturnType<typeof fleetTrace>["changes"]): Promise<readonly Entry[]> {
  const draw = random(4653);
  const id = (): string => {
    const bytes = Uint8Array.from({ length: 16 }, () => Math.floor(draw() * 256));
    return Buffer.from(bytes).toString("base64url");
  };
  let nowMs = 0;
  const clock = {
    monotonicMs: () => nowMs,
    wallMs: () => Math.floor(1_700_000_000_000.4 + nowMs),
    after: () => () => undefined,
    soon: (turn: () => void) => void setImmediate(turn),
  };
  const log = await openLog("memory:");
  const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
  const engine = await openEngine({ log, clock, chance: { fraction: draw, id }, hash });
  const held: { readonly agent: string; readonly claim: string; readonly epoch: number }[] = [];
  for (const { t, agent, task, paths } of changes) {
    nowMs = Math.max(nowMs, t * 1000) + draw() * 1000;
    const scope = { paths: [...paths] };
    const acquire = { type: "claim.acquire", claim: task, scope, ttlMs: 86_400_000 } as const;
    const outcome = await engine.submit({ id: id(), agent, command: acquire });
    if (outcome.ok) held.push({ agent, claim: task, epoch: outcome.seq });
    if (held.length <= HELD) continue;
    const { agent: holder, ...oldest } = held.shift() as (typeof held)[number];
    nowMs += draw() * 200;
    await engine.submit({
      id: id(),
      agent: holder,
      command: { type: "claim.release", ...oldest, outcome: "done" },
    });
  }
  const entries: Entry[] = [];
  for await (const some of log.read(0)) entries.push(...some);
  await engine.close();
  return entries;
}

async function tokenizer(): Promise<Count | undefined> {
  // Kept from the compiler, which would look for it.
  const name = process.env.HOLDFAST_TOKENIZER ?? "gpt-tokenizer/encoding/o200k_base";
  try {
    const { countTokens } = (await import(name)) as { countTokens: Count };
    return countTokens;
  } catch {
    return undefined;
  }
}
