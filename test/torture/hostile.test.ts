/**
 * A hostile world in short, and one history of killed and paused hubs; the long forms are scripts.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../adapters/node/connect.ts";
import { finished, program, Sandbox } from "../adapters/command-line.ts";
import { Random } from "../simulation/random.ts";
import { missing } from "./acknowledged.ts";
import { Bystander, flood, fuzz, idle, neverReads, sendNoise, sendOdd, storm } from "./hostile.ts";
import { malformed, oddTexts } from "./hostile-frames.ts";
import { HubProcess } from "./hub-process.ts";
import { linear } from "./linear.ts";

const MIB = 2 ** 20;

it("is linearizable while hubs are killed and paused", { timeout: 60_000 }, async () => {
  const report = await linear({ histories: 2, ops: 80, seed: 11 });
  expect(report).toMatchObject({ histories: 2, bad: [] });
  expect(report.granted).toBeGreaterThan(10);
});

describe("a hub in a hostile world", { timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-hostile-"));
  const [spool, log] = [join(folder, "spool"), join(folder, "log.db")];
  const random = new Random(1, "hostile");
  let hub: HubProcess;
  let bystander: Bystander;
  const urlOf = (scheme: string): string => hub.urls.find((url) => url.startsWith(`${scheme}:`)) ?? "";
  const portOf = (scheme: string): number => Number(new URL(urlOf(scheme)).port);

  beforeAll(async () => {
    mkdirSync(spool, { mode: 0o700 });
    const listen = ["ws://127.0.0.1:0", "mqtt://127.0.0.1:0"];
    hub = await HubProcess.start({ log, listen, args: ["--spool", spool] });
    bystander = await new Bystander().begin(urlOf("ws"));
  });
  afterAll(async () => {
    await hub.stop("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    ["ws", "json"],
    ["ws", "msgpack"],
    ["http", "json"],
    ["mqtt", "json"],
    ["ndjson", "json"],
    ["stdio", "json"],
  ] as const)("answers every malformed request over %s, %s", async (scheme, codec) => {
    const special: { readonly [scheme: string]: string } = {
      ndjson: `ndjson:${spool}?agent=fuzzer`,
      stdio: `stdio:${process.execPath} ${program} serve --listen stdio: --log memory:`,
    };
    const url = special[scheme] ?? urlOf(scheme);
    const { answers, wrong } = await fuzz(url, malformed(1, 3, `${scheme}-${codec}`), codec);
    expect(wrong).toEqual([]);
    expect(answers["-32602"]).toBeGreaterThan(20);
  });

  it("stands noise, floods, storms and those who never read, bounded and undisturbed", async () => {
    const small = oddTexts().filter((text) => text.length < 200_000);
    await sendOdd(urlOf("ws"), oddTexts());
    await sendOdd(urlOf("mqtt"), small.slice(0, 12));
    for (const scheme of ["ws", "mqtt"]) await sendNoise(portOf(scheme), 40, random);
    const sleepers = [await neverReads(portOf("ws")), await neverReads(portOf("ws"))];
    const end = await idle(portOf("ws"), 100);
    await flood(portOf("ws"), 0.5);
    expect(await storm(portOf("ws"), 300, 0.5, random)).toBeGreaterThan(50);
    end();
    for (const sleeper of sleepers) sleeper.resetAndDestroy();
    expect(hub.rssBytes()).toBeLessThan(400 * MIB);
  });

  it("shows nothing of it to the terminals of others", async () => {
    const evil = "\u001b]0;owned\u0007\u001b[31mred\u001b[2J\u009b5A\u202eback\rfirst\u0085\nsecond";
    const client = await connect(urlOf("ws"), { agent: "mallory" });
    await client.call("message.post", { to: "alice", body: evil });
    await client.call("message.post", { to: "all", body: evil });
    await client.call("decision.record", { text: evil });
    await client.call("activity.log", { kind: "edit", text: evil, path: "a.ts" });
    await client.call("task.declare", { task: "evil", title: "plain", description: evil });
    await client.call("progress.note", { task: "evil", kind: "note", text: evil });
    for (const params of [{ claim: evil }, { claim: "x", note: evil }]) {
      await expect(client.call("claim.acquire", params)).rejects.toThrow();
    }
    await client.close();
    const box = new Sandbox("none");
    let shown = "";
    for (const verb of [
      "inbox",
      "decisions",
      "activity",
      "who",
      "status",
      "log",
      "claims",
      "task list",
      "why evil",
    ]) {
      const { out, err } = await finished(box.start([...verb.split(" "), "--hub", urlOf("ws")]));
      shown += out;
      expect(`${out}${err}`, verb).not.toMatch(/(?![\t\n])[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
    }
    expect(shown.split("red").length, "it was shown").toBeGreaterThan(3);
    await box.dispose();
  });

  it("has disturbed nobody, ends well, and its log can be replayed", async () => {
    await bystander.end();
    expect(bystander).toMatchObject({ downs: 0 });
    expect(bystander.acknowledged.length).toBeGreaterThan(20);
    expect(await hub.stop(), hub.said()).toBe(0);
    expect(await missing(log, bystander.acknowledged)).toEqual([]);
  });
});
