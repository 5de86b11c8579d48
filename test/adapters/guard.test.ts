/**
 * The guard before edits: held files are refused, free ones claimed, for every host and path alike.
 */
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Client } from "../../core/client/client.ts";
import { contextOf, deniedBy, type Fleet, withFleet } from "./hook-fleet.ts";

const S1 = "9ea8c72c-1111-4222-8333-444455556666";
const S2 = "01a1b2c3-9999-4888-8777-666655554444";

/** Has an agent hold files. */
async function hold(fleet: Fleet, name: string, files: readonly string[], more = {}): Promise<Client> {
  const agent = await fleet.agent(name);
  const scope = { worktree: fleet.root, files };
  await agent.call("claim.acquire", { claim: `${name}-1`, scope, ...more });
  return agent;
}

const patch = (...lines: string[]) => ["*** Begin Patch", ...lines, "*** End Patch", ""].join("\n");

describe("an edit of what another holds", () => {
  it(
    "is refused with the six parts, and changes nothing",
    withFleet(async (fleet) => {
      const alice = await hold(fleet, "alice", ["src/a.ts"], { note: "refactors login" });
      const why = await fleet.host("claude", S1).edit("src/a.ts");
      expect(why).toMatch(
        /^src\/a\.ts is held by alice as alice-1 \("refactors login"\) until \d\d:\d\d:\d\d \(another 15 min\)/,
      );
      expect(why).toContain("holdfast next");
      expect(why).toContain('holdfast send alice "…"');
      expect(why).toMatch(/Nothing was changed\.$/);
      const { items } = await alice.call("claims.list", {});
      expect(items.map(({ claim }) => claim)).toEqual(["alice-1"]);
      expect(await fleet.host("codex", S2).edit("src/a.ts")).toContain("held by alice");
      await alice.close();
    }),
  );

  it(
    "says the task, and says it for every tool that edits",
    withFleet(async (fleet) => {
      const alice = await fleet.agent("alice");
      await alice.call("task.declare", { task: "T-9", title: "Login" });
      const scope = { worktree: fleet.root, paths: ["src"] };
      await alice.call("claim.acquire", { claim: "c", scope, task: "T-9" });
      const claude = fleet.host("claude", S1);
      for (const [tool, input] of [
        ["Write", { file_path: join(fleet.root, "src/new.ts"), content: "x" }],
        ["MultiEdit", { file_path: join(fleet.root, "src/a.ts"), edits: [] }],
        ["NotebookEdit", { notebook_path: join(fleet.root, "src/n.ipynb"), new_source: "x" }],
      ] as const) {
        expect(deniedBy(await claude.before(tool, input)), tool).toContain("task T-9");
      }
      await alice.close();
    }),
  );

  it(
    "is refused through links, odd spellings and from subfolders",
    withFleet(async (fleet) => {
      const alice = await hold(fleet, "alice", ["src/a.ts"]);
      symlinkSync(join(fleet.root, "src"), join(fleet.folder, "elsewhere"));
      symlinkSync("src/a.ts", join(fleet.root, "link.ts"));
      const claude = fleet.host("claude", S1);
      for (const path of [
        join(fleet.folder, "elsewhere/a.ts"),
        join(fleet.root, "link.ts"),
        `${fleet.root}/src/../src//a.ts`,
      ]) {
        expect(deniedBy(await claude.before("Edit", { file_path: path })), path).toContain(
          "src/a.ts is held",
        );
      }
      const command = patch("*** Update File: a.ts", "@@", "-a", "+b");
      const codex = fleet.host("codex", S2);
      const answer = await codex.before("apply_patch", { command }, undefined, {
        cwd: join(fleet.root, "src"),
      });
      expect(deniedBy(answer)).toContain("src/a.ts is held");
      await alice.close();
    }),
  );

  it(
    "is refused where both are shared in name only; passes where the agent shares it",
    withFleet(async (fleet) => {
      const alice = await hold(fleet, "alice", ["src/a.ts"], { shared: true });
      const claude = fleet.host("claude", S1);
      expect(await claude.edit("src/a.ts")).toContain("held by alice");
      const same = await fleet.agent(claude.agent);
      const scope = { worktree: fleet.root, files: ["src/a.ts"] };
      await same.call("claim.acquire", { claim: "both", scope, shared: true });
      expect(await claude.edit("src/a.ts")).toBeUndefined();
      await alice.close();
      await same.close();
    }),
  );
});

describe("a patch of several files", () => {
  it(
    "is refused as a whole, moves included, and claims none of them",
    withFleet(async (fleet) => {
      const alice = await hold(fleet, "alice", ["src/b.ts"]);
      const codex = fleet.host("codex", S2);
      for (const command of [
        patch("*** Update File: src/a.ts", "@@", "-a", "+b", "*** Delete File: src/b.ts"),
        patch("*** Add File: src/c.ts", "+c", "*** Update File: src/a.ts", "*** Move to: src/b.ts", "@@"),
      ]) {
        expect(deniedBy(await codex.before("apply_patch", { command }))).toContain("src/b.ts is held");
      }
      const { items } = await alice.call("claims.list", { holder: codex.agent });
      expect(items).toEqual([]);
      await alice.close();
    }),
  );

  it(
    "gives back what it took when a later part is refused",
    withFleet(async (fleet) => {
      const alice = await fleet.agent("alice");
      // Refused across worktrees: seen only by trying.
      const scope = { worktree: fleet.worktree("other"), files: ["README.md"] };
      await alice.call("claim.acquire", { claim: "docs", scope, acrossWorktrees: true });
      const codex = fleet.host("codex", S2);
      const both = (file: string) =>
        codex.before("apply_patch", {
          command: patch(`*** Add File: ${file}`, "+x", "*** Update File: README.md", "@@", "-a", "+b"),
        });
      expect(deniedBy(await both("src/x.ts"))).toContain("README.md is held by alice as docs");
      expect((await alice.call("claims.list", { holder: codex.agent })).items).toEqual([]);
      await codex.edit("src/a.ts");
      expect(deniedBy(await both("src/y.ts"))).toContain("README.md is held");
      const { items } = await alice.call("claims.list", { holder: codex.agent });
      expect(items.map(({ scope }) => scope?.files)).toEqual([["src/a.ts"]]);
      expect(await fleet.host("claude", S1).edit("src/y.ts")).toBeUndefined();
      await alice.close();
    }),
  );

  it(
    "that two agents race for is won by exactly one, every time",
    withFleet(async (fleet) => {
      for (let round = 0; round < 12; round++) {
        const files = [`r${round}/a.ts`, `r${round}/README.md`, `r${round}/b.ts`];
        const command = patch(...files.flatMap((file) => [`*** Add File: ${file}`, "+x"]));
        const reversed = patch(...files.toReversed().flatMap((file) => [`*** Add File: ${file}`, "+x"]));
        const one = fleet.host("codex", `${round}aaa-1`);
        const two = fleet.host("codex", `${round}bbb-2`);
        const answers = await Promise.all([
          one.before("apply_patch", { command }),
          two.before("apply_patch", { command: reversed }),
        ]);
        expect(answers.filter((answer) => deniedBy(answer) !== undefined)).toHaveLength(1);
      }
      const looker = await fleet.agent("looker");
      const { items } = await looker.call("claims.list", { limit: 100 });
      // Each winner holds its files in two claims, the loser nothing.
      expect(items).toHaveLength(24);
      await looker.close();
    }),
  );

  it(
    "of two hosts that race for one file is won by exactly one",
    withFleet(async (fleet) => {
      for (let round = 0; round < 20; round++) {
        const [one, two] = [fleet.host("claude", `c${round}-aaaa`), fleet.host("codex", `x${round}-bbbb`)];
        const denied = await Promise.all([one.edit(`race${round}.ts`), two.edit(`race${round}.ts`)]);
        expect(denied.filter((why) => why !== undefined)).toHaveLength(1);
      }
    }),
  );
});

describe("an edit of a free file", () => {
  it(
    "joins the one automatic claim of the agent and worktree",
    withFleet(async (fleet) => {
      const claude = fleet.host("claude", S1);
      expect(await claude.edit("src/a.ts")).toBeUndefined();
      expect(await claude.edit("src/b.ts")).toBeUndefined();
      const looker = await fleet.agent("looker");
      const { items } = await looker.call("claims.list", {});
      expect(items).toHaveLength(1);
      expect(items[0]).toMatchObject({
        holder: claude.agent,
        scope: { worktree: fleet.root, files: ["src/a.ts", "src/b.ts"] },
        ttlMs: 600_000,
      });
      expect(await fleet.host("codex", S2).edit("src/b.ts")).toContain(`held by ${claude.agent}`);
      expect(await claude.edit("src/b.ts")).toBeUndefined();
      await looker.close();
    }),
  );

  it(
    "is claimed beside the others that the agent edits at the same moment",
    withFleet(async (fleet) => {
      const claude = fleet.host("claude", S1);
      const files = Array.from({ length: 8 }, (_, i) => `src/p${i}.ts`);
      expect(await Promise.all(files.map((file) => claude.edit(file)))).toEqual(files.map(() => undefined));
      const codex = fleet.host("codex", S2);
      for (const file of files) expect(await codex.edit(file), file).toContain(claude.agent);
    }),
  );

  it(
    "holds what everybody edits for a short time, in a claim of its own",
    withFleet(async (fleet) => {
      const claude = fleet.host("claude", S1);
      for (const file of ["README.md", "package-lock.json", "docs/CHANGELOG.md", "src/a.ts"])
        await claude.edit(file);
      const looker = await fleet.agent("looker");
      const { items } = await looker.call("claims.list", {});
      const held = items.map(({ ttlMs, scope }) => [ttlMs, scope?.files?.length]);
      expect(held.sort()).toEqual([
        [120_000, 3],
        [600_000, 1],
      ]);
      await looker.close();
    }),
  );

  it(
    "renews its own lease when half of it is gone, and nothing that was claimed on purpose",
    withFleet(async (fleet) => {
      fleet.file(".holdfast.json", '{"hooks": {"leaseMs": 2000, "hotLeaseMs": 2000}}');
      const claude = fleet.host("claude", S1);
      const self = await fleet.agent(claude.agent);
      const scope = { worktree: fleet.root, files: ["src/b.ts"] };
      const { expiresAtMs } = await self.call("claim.acquire", { claim: "mine", scope, ttlMs: 3000 });
      await claude.edit("src/a.ts");
      const first = (await self.call("claims.list", { limit: 5 })).items.find(
        ({ claim }) => claim !== "mine",
      );
      await claude.edit("src/a.ts");
      const head = self.seq;
      await new Promise((resolve) => setTimeout(resolve, 1200));
      await claude.edit("src/a.ts");
      await claude.edit("src/b.ts");
      const { items } = await self.call("claims.list", { limit: 5 });
      const later = items.find(({ claim }) => claim === first?.claim);
      expect(later?.epoch).toBe(first?.epoch);
      expect(later?.expiresAtMs).toBeGreaterThan(first?.expiresAtMs ?? 0);
      expect(items.find(({ claim }) => claim === "mine")?.expiresAtMs).toBe(expiresAtMs);
      expect(items).toHaveLength(2);
      // The second edit of the same file wrote nothing down.
      expect(head).toBe(first === undefined ? 0 : self.seq - 1);
      await self.close();
    }),
  );

  it(
    "passes under a claim of its own, and under that of the session whose subagent it is",
    withFleet(async (fleet) => {
      const claude = fleet.host("claude", S1);
      const self = await hold(fleet, claude.agent, ["src/a.ts"]);
      expect(await claude.edit("src/a.ts")).toBeUndefined();
      const sub = fleet.host("claude", S1, { agent_id: "sub1" });
      expect(await sub.edit("src/a.ts")).toBeUndefined();
      expect((await self.call("claims.list", {})).items).toHaveLength(1);
      // But subagents hold what they edit against each other and their session.
      expect(await sub.edit("src/b.ts")).toBeUndefined();
      const twin = fleet.host("claude", S1, { agent_id: "sub2" });
      expect(await twin.edit("src/b.ts")).toContain(`held by ${claude.agent}/sub1`);
      expect(await claude.edit("src/b.ts")).toContain(`held by ${claude.agent}/sub1`);
      await self.close();
    }),
  );

  it(
    "goes on in a second claim when the first is full",
    withFleet(async (fleet) => {
      const codex = fleet.host("codex", S2);
      for (let part = 0; part < 3; part++) {
        const files = Array.from({ length: 100 }, (_, i) => `gen/f${part}-${i}.ts`);
        const command = patch(...files.flatMap((file) => [`*** Add File: ${file}`, "+x"]));
        expect(deniedBy(await codex.before("apply_patch", { command }))).toBeUndefined();
      }
      const looker = await fleet.agent("looker");
      const { items } = await looker.call("claims.list", {});
      expect(items.map(({ scope }) => scope?.files?.length).sort()).toEqual([100, 200]);
      expect(await fleet.host("claude", S1).edit("gen/f0-5.ts")).toContain("held by");
      await looker.close();
    }),
  );

  it(
    "tells once of who will meet it at merge from another worktree",
    withFleet(async (fleet) => {
      const other = fleet.worktree("feature");
      const codex = fleet.host("codex", S2, { cwd: other });
      expect(await codex.edit("src/a.ts", other)).toBeUndefined();
      const claude = fleet.host("claude", S1);
      const input = { file_path: join(fleet.root, "src/a.ts") };
      const first = await claude.before("Edit", input);
      expect(deniedBy(first)).toBeUndefined();
      expect(contextOf(first)).toContain(`${codex.agent} holds`);
      expect(contextOf(await claude.before("Edit", input))).toBeUndefined();
    }),
  );

  it(
    "is nobody's business outside of repositories, in git's own folder, or without a path",
    withFleet(async (fleet) => {
      mkdirSync(join(fleet.folder, "plain"));
      const claude = fleet.host("claude", S1);
      for (const path of [join(fleet.folder, "plain/x.ts"), join(fleet.root, ".git/config"), "", "\0"]) {
        expect((await claude.before("Write", { file_path: path, content: "" })).text).toBe("{}");
      }
      const looker = await fleet.agent("looker");
      expect((await looker.call("claims.list", {})).items).toEqual([]);
      await looker.close();
    }),
  );
});

describe("the policy of a repository", () => {
  it(
    "turns paths off, warns, or denies; the first rule counts; it is read again when it changed",
    withFleet(async (fleet) => {
      const policy = [
        { paths: ["src/b.ts"], do: "deny" },
        { paths: ["src"], do: "warn" },
        { paths: ["dist/**"], do: "off" },
      ];
      fleet.file(".holdfast.json", JSON.stringify({ hooks: { policy } }));
      const alice = await hold(fleet, "alice", ["src/a.ts", "src/b.ts", "dist/x.js", "c.ts"]);
      const claude = fleet.host("claude", S1);
      const at = (path: string) => claude.before("Edit", { file_path: join(fleet.root, path) });
      const warned = await at("src/a.ts");
      expect(deniedBy(warned)).toBeUndefined();
      expect(contextOf(warned)).toContain("src/a.ts is held by alice");
      expect(contextOf(warned)).toContain("only warns");
      expect((await at("dist/x.js")).text).toBe("{}");
      expect(deniedBy(await at("src/b.ts"))).toContain("held by alice");
      expect(deniedBy(await at("c.ts"))).toContain("held by alice");
      fleet.file(".holdfast.json", JSON.stringify({ hooks: { policy: [{ paths: ["**"], do: "off" }] } }));
      expect((await at("src/b.ts")).text).toBe("{}");
      await alice.close();
    }),
  );

  it(
    "that is broken is said once, and the defaults hold",
    withFleet(async (fleet) => {
      const alice = await hold(fleet, "alice", ["src/a.ts"]);
      const claude = fleet.host("claude", S1);
      for (const [text, why] of [
        ["{", "JSON"],
        ['{"hooks": {"policy": [{"paths": ["../x"], "do": "off"}]}}', "outside"],
        ['{"hooks": {"policy": [{"paths": ["a"], "do": "maybe"}]}}', "off"],
        ['{"hooks": {"leaseMs": 5}}', "leaseMs"],
        ['{"hooks": {"policy": {"__proto__": []}}}', "list"],
      ] as const) {
        fleet.file(".holdfast.json", text);
        const first = await claude.before("Edit", { file_path: join(fleet.root, "src/b.ts") });
        expect(first.json.systemMessage, text).toContain(why);
        expect(await claude.edit("src/a.ts")).toContain("held by alice");
        const again = await claude.before("Edit", { file_path: join(fleet.root, "src/b.ts") });
        expect(again.json.systemMessage).toBeUndefined();
      }
      await alice.close();
    }),
  );

  it(
    "says what happens while the hub cannot decide",
    withFleet(async (fleet) => {
      const claude = fleet.host("claude", S1);
      await claude.edit("src/a.ts");
      await fleet.hub?.engine.close();
      const open = await claude.before("Edit", { file_path: join(fleet.root, "src/b.ts") });
      expect(deniedBy(open)).toBeUndefined();
      expect(open.json.systemMessage).toContain("does not guard this session");
      fleet.file(".holdfast.json", '{"hooks": {"whenHubIsDown": "closed"}}');
      const closed = await claude.before("Edit", { file_path: join(fleet.root, "src/b.ts") });
      expect(deniedBy(closed)).toContain("Nothing was changed.");
    }),
  );
});
