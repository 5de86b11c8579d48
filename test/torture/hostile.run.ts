/**
 * `npm run torture:hostile -- [--each N] [--idle N] [--storm PER-SECOND] [--seconds S] [--seed S]`: everything hostile,
 * one after another, against one hub on loopback. Ends with 1 when the bystander was disturbed, memory grew beyond its
 * bounds, or the log cannot be replayed.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { program } from "../adapters/command-line.ts";
import { Random } from "../simulation/random.ts";
import { missing } from "./acknowledged.ts";
import { Bystander, flood, fuzz, idle, neverReads, sendNoise, sendOdd, storm } from "./hostile.ts";
import { malformed, oddTexts } from "./hostile-frames.ts";
import { HubProcess, pause } from "./hub-process.ts";
import { record } from "./record.ts";

const MIB = 1024 * 1024;
const IDLE_RSS_MAX = 300 * MIB;
const RSS_MAX = 600 * MIB;

const { values } = parseArgs({
  options: {
    each: { type: "string", default: "40" },
    idle: { type: "string", default: "10000" },
    storm: { type: "string", default: "2000" },
    seconds: { type: "string", default: "5" },
    seed: { type: "string", default: "1" },
  },
});
const [each, seed, seconds] = [Number(values.each), Number(values.seed), Number(values.seconds)];
const folder = mkdtempSync(join(tmpdir(), "holdfast-hostile-"));
const spool = join(folder, "spool");
mkdirSync(spool, { mode: 0o700 });
const log = join(folder, "log.db");
const hub = await HubProcess.start({
  log,
  listen: ["ws://127.0.0.1:0", "mqtt://127.0.0.1:0"],
  args: ["--spool", spool, "--feed", join(folder, "feed.ndjson")],
});
const urlOf = (scheme: string): string => hub.urls.find((url) => url.startsWith(`${scheme}:`)) as string;
const portOf = (scheme: string): number => Number(new URL(urlOf(scheme)).port);
const random = new Random(seed, "hostile");
const bystander = await new Bystander().begin(urlOf("ws"));
const wrong: string[] = [];
const mib = (): number => Math.round(hub.rssBytes() / MIB);

/** Those that are not called at a url of this hub's; the one on standard streams is a hub of its own. */
const special: { readonly [scheme: string]: string } = {
  ndjson: `ndjson:${spool}?agent=fuzzer`,
  stdio: `stdio:${process.execPath} ${program} serve --listen stdio: --log memory:`,
};

/** Notes how the hub and the bystander stand after one kind of trouble. */
function stands(what: string, outcome: string, rssMax = RSS_MAX): void {
  const rss = hub.rssBytes();
  if (!hub.running) wrong.push(`${what}: the hub ended: ${hub.said()}`);
  if (bystander.downs > 0) wrong.push(`${what}: the bystander lost its connection ${bystander.downs} times`);
  if (rss > rssMax) wrong.push(`${what}: ${Math.round(rss / MIB)} MiB`);
  bystander.downs = 0;
  record(
    `hostile: ${what}`,
    `${outcome}; hub at ${mib()} MiB, bystander's slowest answer ${bystander.slowestMs()} ms`,
  );
}

try {
  const ports = [...new Set([portOf("ws"), portOf("mqtt")])];
  await pause(1000);
  stands("before", `${bystander.acknowledged.length} answers`);
  const end = await idle(portOf("ws"), Number(values.idle));
  await pause(2000);
  stands(`${values.idle} idle sessions over WebSocket`, "all open", IDLE_RSS_MAX);
  end();
  await pause(1000);
  for (const [scheme, codec] of [
    ["ws", "json"],
    ["ws", "msgpack"],
    ["http", "json"],
    ["mqtt", "json"],
    ["mqtt", "msgpack"],
    ["ndjson", "json"],
    ["stdio", "json"],
  ] as const) {
    const url = special[scheme] ?? urlOf(scheme);
    const { sent, answers, wrong: bad } = await fuzz(url, malformed(each, seed, `${scheme}-${codec}`), codec);
    wrong.push(...bad.slice(0, 10));
    stands(`malformed requests over ${scheme}, ${codec}`, `${sent} sent, answers ${JSON.stringify(answers)}`);
  }
  for (const scheme of ["ws", "http", "mqtt"]) await sendOdd(urlOf(scheme), oddTexts());
  await sendOdd(`ndjson:${spool}?agent=odd`, oddTexts());
  stands("texts that are no frames", `${oddTexts().length} over each transport`);
  for (const port of ports) await sendNoise(port, 500, random);
  stands("noise on every port", `${500 * ports.length} connections`);
  const sleepers = await Promise.all(Array.from({ length: 20 }, () => neverReads(portOf("ws"))));
  const before = mib();
  await pause(seconds * 1000);
  stands("20 followers that never read", `${mib() - before} MiB grown`);
  const bytes = await flood(portOf("ws"), seconds);
  stands("a client that floods and never reads", `${Math.round(bytes / 1024)} KiB taken`);
  for (const sleeper of sleepers) sleeper.resetAndDestroy();
  const made = await storm(portOf("ws"), Number(values.storm), seconds, random);
  stands(`a storm of ${values.storm} connections a second for ${seconds} s`, `${made} made`);
  await pause(2000);
  stands("after", "all of it over");
  await bystander.end();
  const how = await hub.stop();
  if (how !== 0) wrong.push(`the hub ended with ${how}: ${hub.said()}`);
  wrong.push(...(await missing(log, bystander.acknowledged)));
} finally {
  await hub.stop("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
for (const words of wrong) console.error(words);
record(
  `hostile: all, seed ${seed}, ${each} of each method`,
  wrong.length === 0 ? "undisturbed, replayable" : `${wrong.length} WRONG`,
);
process.exit(wrong.length === 0 ? 0 : 1);
