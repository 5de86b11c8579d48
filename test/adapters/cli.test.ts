/**
 * The verbs of the command line, each through a hub and directly on the log.
 */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { finished, inSandbox, type Sandbox } from "./command-line.ts";

const ways = ["directly", "through a hub"] as const;

describe.each(ways)("%s", { concurrent: true }, (way) => {
  const within = (work: (box: Sandbox) => Promise<void>) =>
    inSandbox(async (box) => {
      if (way === "through a hub") await box.serve();
      await work(box);
    });

  it(
    "claims, shows, extends, refuses and releases",
    within(async (box) => {
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
    }),
  );

  it(
    "saves checkpoints, hands off, reports and breaks",
    within(async (box) => {
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
    }),
  );

  it(
    "tells who is here, what happened, how it was and why",
    within(async (box) => {
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
    }),
  );

  it(
    "reads leave no trace in the log",
    within(async (box) => {
      await box.run(["claim", "A"]);
      const before = (await box.run(["status", "--json"])).json.seq;
      const reads = [
        ["status"],
        ["claims"],
        ["who"],
        ["waits"],
        ["log"],
        ["at", "1"],
        ["blame", "x"],
        ["why", "A"],
        ["call", "log.read", '{"after":0}'],
      ];
      const ran = await Promise.all(reads.map((verb) => box.run(verb, { as: "onlooker" })));
      expect(ran.map(({ code, out }) => `${code} ${out}`).filter((said) => /^[^0]/.test(said))).toEqual([]);
      expect((await box.run(["status", "--json"])).json.seq).toBe(before);
    }),
  );

  it(
    "calls any method",
    within(async (box) => {
      const granted = await box.run(["call", "claim.acquire", '{"claim":"A"}', "--json"]);
      expect(granted.json).toMatchObject({ claim: "A", holder: "alice" });
      const listed = await box.run(["call", "claims.list", "-", "--json"], { input: '{"holder":"alice"}' });
      expect(listed.json.items).toHaveLength(1);
      expect((await box.run(["call", "claim.acquire", '{"claim":""}'])).code).toBe(64);
      expect((await box.run(["call", "no.method"])).code).toBe(64);
      expect((await box.run(["call", "claims.list", "{"])).code).toBe(64);
    }),
  );

  it(
    "follows the log",
    within(async (box) => {
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
      expect(lines.map((line) => JSON.parse(line).events[0].type)).toEqual([
        "claim.granted",
        "claim.released",
      ]);
    }),
  );

  it(
    "waits for what is held",
    within(async (box) => {
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
    }),
  );

  it(
    "locks while a command runs",
    within(async (box) => {
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
    }),
  );

  it(
    "plans, takes up what is ready, and talks",
    within(async (box) => {
      box.file("src/a.ts");
      await box.run(["task", "add", "T1", "--title", "First", "--paths", "src/a.ts"]);
      await box.run(["task", "add", "T2", "--title", "Second", "--after", "T1", "--priority", "-3"]);
      expect((await box.run(["task", "ready", "--json"])).json.items).toMatchObject([{ task: "T1" }]);
      const next = (await box.run(["next", "--json"])).json;
      expect(next).toMatchObject({
        claim: "T1",
        task: "T1",
        holder: "alice",
        scope: { paths: ["src/a.ts"] },
      });
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
      while (request === undefined)
        request = (await box.run(["inbox", "--json"], { as: "bob" })).json.items[0];
      await box.run(["send", "alice", "yes", "--kind", "task_result", "--reply-to", request.message], {
        as: "bob",
      });
      expect((await asking).json).toMatchObject({ from: "bob", body: "yes" });

      await box.run(["decide", "Keys are Ed25519", "--about", "T1"]);
      expect((await box.run(["decisions", "--json"])).json.items).toMatchObject([
        { text: "Keys are Ed25519", about: "T1" },
      ]);
      await box.run(["activity", "test", "all", "green", "--path", "src"]);
      expect((await box.run(["activity", "--json"])).json.items).toMatchObject([
        { kind: "test", path: "src" },
      ]);
    }),
  );

  it(
    "stops a command whose lease is lost",
    within(async (box) => {
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
    }),
  );

  it(
    "tells why something was refused, what stood in the way, and what became of it",
    within(async (box) => {
      const epoch = (await box.run(["claim", "A", "--paths", "src", "--json"])).json.epoch as number;
      expect((await box.run(["claim", "B", "--paths", "src/x"], { as: "bob" })).code).toBe(2);
      const held = (await box.run(["why", "B", "--json"])).json;
      expect(held).toMatchObject({ id: "B", items: [] });
      expect(held.refused).toMatchObject([
        {
          agent: "bob",
          command: ["claim", "B"],
          code: "claim.overlap",
          since: [{ claim: "A", holder: "alice", epoch }],
        },
      ]);
      expect(held.refused[0].since[0]).not.toHaveProperty("ended");
      const { seq } = (await box.run(["release", "A", "--outcome", "done", "--json"])).json;
      const ended = { how: "released, done", entry: { by: "alice", seq } };
      expect((await box.run(["why", "bob", "--json"])).json.refused).toMatchObject([
        { since: [{ claim: "A", ended }] },
      ]);
      const told = await box.run(["why", "A"]);
      expect(told.out).toMatch(
        /refused {2}claim B\n.*held by alice as A.*\n.*A of alice was released, done at .* \(#/,
      );
      expect(told.out.indexOf("claim.granted")).toBeLessThan(told.out.indexOf("refused"));
    }),
  );

  it(
    "tells why a hub refused what did not come from a shell: commands once, and edits that hooks saw",
    within(async (box) => {
      const { urls } = await box.serve();
      const hub = urls.find((url) => url.startsWith("http:"));
      const post = (path: string, body: object, agent = "carol") =>
        fetch(`${hub}${path}`, {
          method: "POST",
          headers: { "content-type": "application/json", "holdfast-agent": agent },
          body: JSON.stringify(body),
        });
      const { epoch } = (await box.run(["claim", "A", "--paths", "src", "--json"])).json;
      expect((await box.run(["claim", "B", "--paths", "src/x"], { as: "bob" })).code).toBe(2);
      const renew = { jsonrpc: "2.0", id: 1, method: "claim.renew", params: { claim: "B", epoch: 3 } };
      await (await post("/rpc", renew)).text();
      const tool_input = { file_path: join(box.root, "src/login.ts"), old_string: "a", new_string: "b" };
      const edit = { session_id: "s", cwd: box.root, tool_name: "Edit", tool_input, tool_use_id: "t" };
      const denied = await post("/hooks/claude", { ...edit, hook_event_name: "PreToolUse" });
      expect(await denied.text()).toContain("held by alice as A");
      // What a hub refuses is written down a moment later.
      const refusedOf = async (id: string, count: number): Promise<object[]> => {
        for (;;) {
          const { refused = [] } = (await box.run(["why", id, "--json"])).json ?? {};
          if (refused.length >= count) return refused;
        }
      };
      expect(await refusedOf("src/login.ts", 1)).toMatchObject([
        {
          agent: "carol",
          command: ["Edit", "src/login.ts"],
          since: [{ claim: "A", holder: "alice", epoch }],
        },
      ]);
      const ofB = await refusedOf("B", 2);
      expect(ofB).toMatchObject([
        { agent: "bob", code: "claim.overlap" },
        { agent: "carol", code: "claim.unknown" },
      ]);
    }),
  );

  it(
    "offers and reserves resources, opens and leaves channels",
    within(async (box) => {
      await box.run(["resource", "offer", "gpu", "--kind", "card", "--capacity", "4", "--ttl", "1h"]);
      const [two, three] = await Promise.all([
        box.run(["resource", "reserve", "gpu", "--units", "2", "--json"], { as: "bob" }),
        box.run(["channel", "create", "build", "--topic", "what is built", "--json"]),
      ]);
      expect(two.json.epoch).toBeGreaterThan(0);
      expect(three.code).toBe(0);
      expect((await box.run(["resource", "reserve", "gpu", "--units", "3"], { as: "carl" })).code).toBe(2);
      expect((await box.run(["resource", "--json"])).json.items).toMatchObject([
        { name: "gpu", kind: "card", free: 2, reservations: [{ agent: "bob", units: 2 }] },
      ]);
      expect((await box.run(["resource", "return", "gpu"], { as: "bob" })).code).toBe(0);
      expect((await box.run(["resource", "return", "gpu"], { as: "bob" })).code).toBe(2);
      expect((await box.run(["channel", "join", "build"], { as: "bob" })).code).toBe(0);
      expect((await box.run(["channel", "--json"])).json.items).toMatchObject([
        { channel: "build", members: ["alice", "bob"], topic: "what is built" },
      ]);
      expect((await box.run(["channel", "leave", "build"])).code).toBe(0);
      expect((await box.run(["channel", "list", "--mine", "--json"])).json.items).toEqual([]);
      expect((await box.run(["resource", "withdraw", "gpu"])).code).toBe(0);
      expect((await box.run(["resource", "list"])).out).toBe("");
    }),
  );

  it(
    "compacts, waits until that is done, and goes on telling what is left",
    within(async (box) => {
      await box.run(["claim", "A"]);
      await box.run(["release", "A"]);
      expect((await box.run(["compact", "--keep", "30d", "--json"])).json).toMatchObject({
        horizon: 0,
        dropped: 0,
      });
      const { horizon, dropped, seq } = (await box.run(["compact", "--keep", "0s", "--json"])).json;
      expect(horizon).toBeGreaterThan(3);
      expect(dropped).toBe(horizon);
      const kept = (await box.run(["log", "--json"])).out.trim().split("\n");
      expect(JSON.parse(kept[0] as string).seq).toBe(horizon + 1);
      expect(JSON.parse(kept.at(-1) as string).seq).toBeGreaterThanOrEqual(seq);
      expect((await box.run(["claim", "B", "--json"])).json.epoch).toBeGreaterThan(seq);
      const why = await box.run(["why", "B"]);
      expect(why).toMatchObject({ code: 0 });
      expect(why.err).toContain(`after entry ${horizon}`);
      expect((await box.run(["verify", "--json"])).json).toMatchObject({ ok: true, horizon });
    }),
  );
});

describe("usage", { concurrent: true }, () => {
  it(
    "has an exit code of its own, and says what was meant",
    inSandbox(async (box) => {
      const wrong = [
        ["clam"],
        ["claim"],
        ["claim", "A", "--tll", "5m"],
        ["claim", "A", "--ttl", "soon"],
        ["renew"],
        ["lock", "A"],
      ];
      const ran = await Promise.all(wrong.map((args) => box.run(args)));
      expect(ran.map(({ code }) => code)).toEqual(wrong.map(() => 64));
      expect((await box.run(["clam"])).err).toContain("Did you mean claim?");
      expect((await box.run(["claim", "A", "--tll", "5m"])).err).toContain("Did you mean --ttl?");
      expect((await box.run(["claim", "A\u0007", "--json"])).code).toBe(64);
    }),
  );

  it(
    "is told by help, for everything and for each verb",
    inSandbox(async (box) => {
      const help = await box.run(["help"]);
      expect(help.code).toBe(0);
      expect(help.out).toContain("holdfast claim AUTH-7");
      const all = await box.run(["help", "--all"]);
      const claim = await box.run(["claim", "--help"]);
      expect(claim.out).toContain("--paths P…");
      expect(all.out).toContain("holdfast lock NAME -- COMMAND…");
    }),
  );

  it(
    "ends with 3 where a named hub does not answer",
    inSandbox(async (box) => {
      expect((await box.run(["status", "--hub", "ws://127.0.0.1:9"])).code).toBe(3);
    }),
  );
});
