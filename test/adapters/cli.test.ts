/**
 * The verbs of the command line, each through a hub and directly on the log.
 */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { finished, Sandbox } from "./command-line.ts";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => box.dispose());

const ways = ["directly", "through a hub"] as const;

describe.each(ways)("%s", (way) => {
  beforeEach(async () => {
    if (way === "through a hub") await box.serve();
  });

  it("claims, shows, extends, refuses and releases", async () => {
    box.file("src/a.ts");
    const granted = await box.run([
      "claim",
      "A",
      "--paths",
      "src",
      "--ttl",
      "5m",
      "--note",
      "mine",
      "--json",
    ]);
    expect(granted.err).toBe("");
    expect(granted.json).toMatchObject({ claim: "A", holder: "alice", ttlMs: 300_000, note: "mine" });
    expect(granted.json.scope).toEqual({ worktree: box.root, paths: ["src"] });
    const again = await box.run(["claim", "A", "--json"]);
    expect(again.json.epoch).toBe(granted.json.epoch);

    const refused = await box.run(["claim", "B", "--paths", "src/a.ts", "--json"], { as: "bob" });
    expect(refused.code).toBe(2);
    expect(refused.json).toMatchObject({
      code: "claim.overlap",
      conflicts: [{ claim: "A", holder: "alice" }],
    });
    expect(refused.err).toMatch(/^refused: .*alice/);
    expect((await box.run(["claim", "A"], { as: "bob" })).code).toBe(2);

    const shown = await box.run(["claims"], { as: "bob" });
    expect(shown.out).toMatch(/^CLAIM +HOLDER/);
    expect(shown.out).toContain("alice");
    const covering = await box.run(["claims", "--covering", "src/new.ts", "--json"], { as: "bob" });
    expect(covering.code).toBe(2);
    expect(covering.json).toMatchObject({ mayEdit: false, items: [{ claim: "A" }] });
    expect((await box.run(["claims", "--covering", "src/new.ts", "--json"])).code).toBe(0);

    const renewed = await box.run(["renew", "A", "--ttl", "1h", "--json"]);
    expect(renewed.json).toMatchObject({ epoch: granted.json.epoch, ttlMs: 3_600_000 });
    const released = await box.run(["release", "A", "--outcome", "done", "--json"]);
    expect(released.json).toMatchObject({ claim: "A", outcome: "done" });
    expect((await box.run(["claim", "B", "--paths", "src/a.ts"], { as: "bob" })).code).toBe(0);
  });

  it("saves checkpoints, hands off, reports and breaks", async () => {
    await box.run(["claim", "A"]);
    expect((await box.run(["checkpoint", "A", "half", "done"])).code).toBe(0);
    expect((await box.run(["checkpoint", "A"], { input: "from standard input\n" })).code).toBe(0);
    const saved = await box.run(["checkpoint", "A", "--list", "--json"]);
    expect(saved.json.items.map(({ text }: { text: string }) => text)).toEqual([
      "from standard input\n",
      "half done",
    ]);
    expect((await box.run(["report", "A", "working"])).code).toBe(0);

    await box.run(["claim", "other"], { as: "bob" });
    const handed = await box.run(["handoff", "A", "--to", "bob", "--json"]);
    expect(handed.json).toMatchObject({ holder: "bob" });
    expect((await box.run(["renew", "A"])).code).toBe(2);
    const renewed = await box.run(["renew", "A", "--epoch", String(handed.json.epoch)], { as: "bob" });
    expect(renewed.code).toBe(0);

    const broken = await box.run(["break", "A", "--reason", "stuck", "--json"]);
    expect(broken.json).toMatchObject({ claim: "A", holder: "bob" });
    expect((await box.run(["renew", "A"], { as: "bob" })).code).toBe(2);
  });

  it("tells who is here, what happened, how it was and why", async () => {
    box.file("src/a.ts");
    await box.run(["claim", "A", "--paths", "src/a.ts"]);
    const { seq } = (await box.run(["status", "--json"])).json;
    await box.run(["release", "A"]);
    const who = await box.run(["who", "--json"]);
    expect(who.json.items).toMatchObject([{ agent: "alice", presence: "present" }]);
    const status = await box.run(["status", "--json"], { as: "bob" });
    expect(status.json).toMatchObject({ seq: seq + 1, claims: 0, agents: { present: 1 }, durable: "full" });

    const lines = (await box.run(["log", "--json"])).out.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).seq)).toEqual(
      Array.from({ length: seq + 1 }, (_, i) => i + 1),
    );
    const filtered = await box.run(["log", "--after", "1", "--events", "claim.*", "--json"]);
    expect(filtered.out.trim().split("\n")).toHaveLength(2);
    const at = await box.run(["at", String(seq), "--json"]);
    expect(at.json).toMatchObject({ seq, claims: { items: [{ claim: "A" }] } });
    expect((await box.run(["at", "0s", "--json"])).json.seq).toBe(seq + 1);
    const blame = await box.run(["blame", "src/a.ts", "--json"]);
    expect(blame.json.items).toMatchObject([{ claim: "A", holder: "alice", how: "abandoned" }]);
    const why = await box.run(["why", "A", "--json"]);
    expect(why.json.items).toHaveLength(2);
    expect((await box.run(["why", "nothing"])).code).toBe(1);
  });

  it("reads leave no trace in the log", async () => {
    await box.run(["claim", "A"]);
    const before = (await box.run(["status", "--json"])).json.seq;
    for (const verb of [
      ["status"],
      ["claims"],
      ["who"],
      ["waits"],
      ["log"],
      ["at", "1"],
      ["blame", "x"],
      ["why", "A"],
    ]) {
      await box.run(verb, { as: "onlooker" });
    }
    expect((await box.run(["call", "log.read", '{"after":0}'], { as: "onlooker" })).code).toBe(0);
    expect((await box.run(["status", "--json"])).json.seq).toBe(before);
  });

  it("calls any method", async () => {
    const granted = await box.run(["call", "claim.acquire", '{"claim":"A"}', "--json"]);
    expect(granted.json).toMatchObject({ claim: "A", holder: "alice" });
    const listed = await box.run(["call", "claims.list", "-", "--json"], { input: '{"holder":"alice"}' });
    expect(listed.json.items).toHaveLength(1);
    expect((await box.run(["call", "claim.acquire", '{"claim":""}'])).code).toBe(64);
    expect((await box.run(["call", "no.method"])).code).toBe(64);
    expect((await box.run(["call", "claims.list", "{"])).code).toBe(64);
  });

  it("follows the log", async () => {
    await box.run(["claim", "A"]);
    const following = box.start([
      "log",
      "--follow",
      "--after",
      "0",
      "--events",
      "claim.*",
      "--limit",
      "2",
      "--json",
    ]);
    const done = finished(following);
    await box.run(["release", "A"]);
    const lines = (await done).out.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).events[0].type)).toEqual(["claim.granted", "claim.released"]);
  });

  it("waits for what is held", async () => {
    await box.run(["claim", "A"]);
    const waiting = box.run(["claim", "A", "--wait", "20s", "--json"], { as: "bob" });
    for (;;) {
      if ((await box.run(["waits", "--json"])).json.items.length > 0) break;
    }
    await box.run(["release", "A"]);
    expect((await waiting).json).toMatchObject({ holder: "bob" });
    const late = await box.run(["claim", "A", "--wait", "1s", "--json"]);
    expect(late.code).toBe(2);
    expect(late.json.code).toBe("claim.wait-timeout");
  });

  it("locks while a command runs", async () => {
    const script = "process.stdout.write(process.env.HOLDFAST_CLAIM); process.exitCode = 7";
    const ran = await box.run(["lock", "deploy", "--", process.execPath, "-e", script]);
    expect(ran).toMatchObject({ code: 7, out: "deploy" });
    expect((await box.run(["claims", "--json"])).json.items).toEqual([]);

    const holding = box.start([
      "lock",
      "deploy",
      "--",
      process.execPath,
      "-e",
      "setTimeout(() => {}, 60000)",
    ]);
    const ended = finished(holding);
    for (;;) {
      if ((await box.run(["claims", "--json"])).json.items.length > 0) break;
    }
    expect((await box.run(["lock", "deploy", "--", "true"])).code).toBe(2);
    holding.kill("SIGINT");
    expect((await ended).code).toBe(130);
    expect((await box.run(["lock", "deploy", "--", "true"])).code).toBe(0);
    expect((await box.run(["lock", "deploy", "--", "/no/such/program"])).code).not.toBe(0);
    expect((await box.run(["claims", "--json"])).json.items).toEqual([]);
  });

  it("plans, takes up what is ready, and talks", async () => {
    box.file("src/a.ts");
    await box.run(["task", "add", "T1", "--title", "First", "--paths", "src/a.ts"]);
    await box.run(["task", "add", "T2", "--title", "Second", "--after", "T1", "--priority", "-3"]);
    expect((await box.run(["task", "ready", "--json"])).json.items).toMatchObject([{ task: "T1" }]);
    const next = (await box.run(["next", "--json"])).json;
    expect(next).toMatchObject({ claim: "T1", task: "T1", holder: "alice", scope: { paths: ["src/a.ts"] } });
    expect((await box.run(["next"], { as: "bob" })).code).toBe(2);
    expect((await box.run(["note", "T1", "half", "way"])).code).toBe(0);
    expect((await box.run(["release", "T1", "--outcome", "done"])).code).toBe(0);
    expect((await box.run(["task", "amend", "T2", "--title", "Later"])).code).toBe(0);
    expect((await box.run(["task", "amend", "T2", "--title", "Late", "--version", "1"])).code).toBe(2);
    expect((await box.run(["task", "list", "--json"])).json.items).toMatchObject([
      { task: "T1", status: "done" },
      { task: "T2", title: "Later", priority: -3 },
    ]);

    const sent = (await box.run(["send", "bob", "over", "to", "you", "--json"])).json;
    expect((await box.run(["inbox", "--json", "--ack"], { as: "bob" })).json.items).toMatchObject([
      { message: sent.message, from: "alice", body: "over to you" },
    ]);
    expect((await box.run(["inbox", "--json"], { as: "bob" })).json.items).toEqual([]);
    const asking = box.run(["ask", "bob", "fit?", "--timeout", "20s", "--json"]);
    let request: { message: string } | undefined;
    while (request === undefined) request = (await box.run(["inbox", "--json"], { as: "bob" })).json.items[0];
    await box.run(["send", "alice", "yes", "--kind", "task_result", "--reply-to", request.message], {
      as: "bob",
    });
    expect((await asking).json).toMatchObject({ from: "bob", body: "yes" });

    await box.run(["decide", "Keys are Ed25519", "--about", "T1"]);
    expect((await box.run(["decisions", "--json"])).json.items).toMatchObject([
      { text: "Keys are Ed25519", about: "T1" },
    ]);
    await box.run(["activity", "test", "all", "green", "--path", "src"]);
    expect((await box.run(["activity", "--json"])).json.items).toMatchObject([{ kind: "test", path: "src" }]);
  });

  it("stops a command whose lease is lost", async () => {
    const holding = box.start([
      "lock",
      "deploy",
      "--ttl",
      "3s",
      "--",
      process.execPath,
      "-e",
      "setTimeout(() => {}, 60000)",
    ]);
    const ended = finished(holding);
    for (;;) {
      if ((await box.run(["claims", "--json"])).json.items.length > 0) break;
    }
    await box.run(["break", "deploy"]);
    const { code, err } = await ended;
    expect(code).toBe(1);
    expect(err).toContain("is lost");
  });
});

describe("usage", () => {
  it("has an exit code of its own, and says what was meant", async () => {
    for (const args of [
      ["clam"],
      ["claim"],
      ["claim", "A", "--tll", "5m"],
      ["claim", "A", "--ttl", "soon"],
      ["renew"],
      ["lock", "A"],
    ]) {
      expect((await box.run(args)).code, args.join(" ")).toBe(64);
    }
    expect((await box.run(["clam"])).err).toContain("Did you mean claim?");
    expect((await box.run(["claim", "A", "--tll", "5m"])).err).toContain("Did you mean --ttl?");
    expect((await box.run(["claim", "A\u0007", "--json"])).code).toBe(64);
  });

  it("is told by help, for everything and for each verb", async () => {
    const help = await box.run(["help"]);
    expect(help.code).toBe(0);
    expect(help.out).toContain("holdfast claim AUTH-7");
    const all = await box.run(["help", "--all"]);
    const claim = await box.run(["claim", "--help"]);
    expect(claim.out).toContain("--paths P…");
    expect(all.out).toContain("holdfast lock NAME -- COMMAND…");
  });

  it("ends with 3 where a named hub does not answer", async () => {
    expect((await box.run(["status", "--hub", "ws://127.0.0.1:9"])).code).toBe(3);
  });
});

describe("finding the hub", () => {
  it("passes over a hub that was killed, and one that serves another log", async () => {
    const { child } = await box.serve();
    child.kill("SIGKILL");
    await box.stop("SIGKILL");
    expect((await box.run(["status", "--json"])).json).toMatchObject({
      file: join(box.root, ".git/holdfast/log.db"),
    });

    const other = await box.serve("--log", join(box.folder, "other.db"));
    const said = { pid: process.pid, hub: "x", log: "another", urls: [other.url] };
    writeFileSync(join(box.root, ".git/holdfast/hub.json"), JSON.stringify(said));
    expect((await box.run(["status", "--json"])).json).toHaveProperty("file");
  });

  it("takes a free port where the default is taken, tells where, and tidies up", async () => {
    const squatter = createServer().listen(4653, "127.0.0.1");
    await new Promise((resolve) => squatter.once("listening", resolve).once("error", resolve));
    try {
      const child = box.start(["serve", "--json"]);
      const line = await new Promise<string>((resolve) =>
        child.stdout?.once("data", (bytes) => resolve(String(bytes))),
      );
      const ended = finished(child);
      const said = JSON.parse(line);
      expect(said).toMatchObject({ ready: true, log: `sqlite:${join(box.root, ".git/holdfast/log.db")}` });
      expect(said.listening[0]).not.toContain(":4653");
      const file = join(box.root, ".git/holdfast/hub.json");
      expect(JSON.parse(readFileSync(file, "utf8")).urls).toEqual(said.listening);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      child.kill("SIGTERM");
      expect((await ended).code).toBe(0);
      expect(() => statSync(file)).toThrow();
    } finally {
      squatter.close();
    }
  });

  it("serves others than this machine only with tokens, and asks for them", async () => {
    const refused = await box.run(["serve", "--listen", "ws://0.0.0.0:0"]);
    expect(refused.code).toBe(64);
    expect(refused.err).toContain("token");
    const token = (await box.run(["token", "add", "alice", "--json"])).json.token as string;
    const file = join(box.root, ".git/holdfast/tokens");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8")).not.toContain(token);
    await box.serve("--token-file", file);
    expect((await box.run(["claim", "A"])).code).toBe(2);
    expect((await box.run(["claim", "A"], { env: { HOLDFAST_TOKEN: token } })).code).toBe(0);
    expect((await box.run(["claim", "B"], { as: "bob", env: { HOLDFAST_TOKEN: token } })).code).toBe(2);
    expect((await box.run(["token", "remove", "alice"])).code).toBe(0);
    expect((await box.run(["claim", "C"], { env: { HOLDFAST_TOKEN: token } })).code).toBe(2);
  });
});

describe("logs that cannot be used", () => {
  it("are named, with what to do", async () => {
    const file = join(box.folder, "no-log.db");
    writeFileSync(file, "this is no log, but it is long enough to be looked at as a database ".repeat(20));
    for (const args of [["serve"], ["status"], ["claim", "A"]]) {
      const ran = await box.run([...args, "--log", file]);
      expect(ran.code, args[0]).toBe(1);
      expect(ran.err).toContain(file);
    }
  });

  it("are found sound, or not, by verify", async () => {
    await box.run(["claim", "A"]);
    const sound = await box.run(["verify", "--json"]);
    expect(sound).toMatchObject({ code: 0 });
    expect(sound.json).toMatchObject({ ok: true, problems: [] });
    const file = join(box.root, ".git/holdfast/log.db");
    const bytes = readFileSync(file);
    const at = bytes.indexOf("claim.granted");
    expect(at).toBeGreaterThan(0);
    bytes.write("claim.grantex", at);
    writeFileSync(file, bytes);
    const damaged = await box.run(["verify", "--json"]);
    expect(damaged.code).toBe(1);
    expect(damaged.json.problems[0].code).toBe("log.damaged");
  });
});
