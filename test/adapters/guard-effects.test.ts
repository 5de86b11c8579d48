/**
 * Shell commands: what they say they write is guarded as an edit; what they changed without saying is found
 * afterwards, told to both sides and recorded, and blamed on nobody who had a right to it.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { changedBetween, Looks, parseStatus } from "../../adapters/hooks/worktree.ts";
import type { Client } from "../../core/client/client.ts";
import { contextOf, type Fleet, git, type HostSession, withFleet } from "./hook-fleet.ts";

const S1 = "9ea8c72c-1111-4222-8333-444455556666";
const S2 = "01a1b2c3-9999-4888-8777-666655554444";
/** What it writes nobody can read out of it. */
const OPAQUE = "python3 fix.py";

/** A shell command from its beginning to its end; what its agent is told. */
async function ran(host: HostSession, effect: () => void, command = OPAQUE): Promise<string | undefined> {
  const use = host.fleet.nextUse();
  expect(await host.shell(command, use)).toBeUndefined();
  effect();
  return contextOf(await host.after("Bash", { command }, use));
}

async function hold(fleet: Fleet, name: string, files: readonly string[]): Promise<Client> {
  const agent = await fleet.agent(name);
  await agent.call("claim.acquire", { claim: `${name}-1`, scope: { worktree: fleet.root, files } });
  return agent;
}

/** Unclaimed edits as they were recorded: whose, and which file. */
async function unclaimed(agent: Client): Promise<readonly (readonly [string, string | undefined])[]> {
  const { items } = await agent.call("activity.list", { kind: "unclaimed-edit" });
  return items.map(({ agent, path }) => [agent, path] as const);
}

describe("a shell command", () => {
  it(
    "that says it writes a held file is refused, however it says it",
    withFleet(async (fleet) => {
      const alice = await hold(fleet, "alice", ["src/a.ts"]);
      const claude = fleet.host("claude", S1);
      for (const command of [
        "sed -i s/a/b/ src/a.ts",
        "echo x > src/a.ts",
        "cat > src/a.ts <<'EOF'\nx\nEOF",
        "echo x | tee -a src/a.ts",
        "mv src/b.ts src/a.ts",
        "cp src/b.ts src/a.ts",
        "rm -rf src",
        "git checkout -- src/a.ts",
        "cd src && sed -i s/a/b/ a.ts",
        "sed -i s/a/b/ src/*.ts",
      ]) {
        expect(await claude.shell(command), command).toContain("held by alice");
      }
      expect(await claude.shell("cat src/a.ts")).toBeUndefined();
      expect(await fleet.host("codex", S2).shell("sed -i s/a/b/ src/a.ts")).toContain("held by alice");
      await alice.close();
    }),
  );

  it(
    "claims the files it says it writes, but never a whole folder",
    withFleet(async (fleet) => {
      const claude = fleet.host("claude", S1);
      expect(await claude.shell("sed -i s/a/b/ src/a.ts")).toBeUndefined();
      expect(await claude.shell("rm -rf build")).toBeUndefined();
      const looker = await fleet.agent("looker");
      const { items } = await looker.call("claims.list", {});
      expect(items).toHaveLength(1);
      expect(items[0]?.scope?.files).toContain("src/a.ts");
      expect(items[0]?.scope?.paths).toBeUndefined();
      await looker.close();
    }),
  );
});

describe("the effect of a shell command", () => {
  it(
    "on a file that another holds is told to both and recorded",
    withFleet(async (fleet) => {
      const alice = await hold(fleet, "alice", ["src/a.ts"]);
      const claude = fleet.host("claude", S1);
      const told = await ran(claude, () => fleet.file("src/a.ts", "changed\n"));
      expect(told).toContain("src/a.ts is held by alice as alice-1");
      expect(told).toContain("undo that change");
      const { items } = await alice.call("inbox.list", {});
      expect(items.map(({ from, kind }) => [from, kind])).toEqual([[claude.agent, "notice"]]);
      expect(items[0]?.body).toContain("src/a.ts");
      expect(items[0]?.body).toContain(OPAQUE);
      expect(await unclaimed(alice)).toEqual([[claude.agent, "src/a.ts"]]);
      // The same change is not found again.
      expect(await ran(claude, () => undefined)).toBeUndefined();
      expect(await unclaimed(alice)).toHaveLength(1);
      await alice.close();
    }),
  );

  it(
    "is found in batches, for new, removed and reverted files, too",
    withFleet(async (fleet) => {
      fleet.file("src/b.ts", "being edited by alice\n");
      const alice = await hold(fleet, "alice", ["src/a.ts", "src/b.ts", "new file é.ts"]);
      const claude = fleet.host("claude", S1);
      const use = fleet.nextUse();
      await claude.shell(OPAQUE, use);
      rmSync(join(fleet.root, "src/a.ts"));
      git(fleet.root, "checkout", "--", "src/b.ts");
      fleet.file("new file é.ts");
      const batch = await claude.send("PostToolBatch", {
        tool_calls: [{ tool_name: "Bash", tool_input: { command: OPAQUE }, tool_use_id: use }],
      });
      for (const file of ["src/a.ts", "src/b.ts", "new file é.ts"]) expect(contextOf(batch)).toContain(file);
      expect((await unclaimed(alice)).map(([, path]) => path).sort()).toEqual([
        "new file é.ts",
        "src/a.ts",
        "src/b.ts",
      ]);
      expect((await alice.call("inbox.list", {})).items).toHaveLength(1);
      await alice.close();
    }),
  );

  it(
    "on a free file is recorded, and the file claimed from then on",
    withFleet(async (fleet) => {
      const claude = fleet.host("claude", S1);
      const told = await ran(claude, () => fleet.file("src/gen.ts"));
      expect(told).toContain("src/gen.ts");
      expect(told).toContain("claimed for you now");
      expect(await fleet.host("codex", S2).edit("src/gen.ts")).toContain(claude.agent);
      const looker = await fleet.agent("looker");
      expect(await unclaimed(looker)).toEqual([[claude.agent, "src/gen.ts"]]);
      await looker.close();
    }),
  );

  it(
    "on what its agent holds is nobody's news",
    withFleet(async (fleet) => {
      const claude = fleet.host("claude", S1);
      const self = await hold(fleet, claude.agent, ["src/a.ts"]);
      expect(await ran(claude, () => fleet.file("src/a.ts", "mine\n"))).toBeUndefined();
      expect(await unclaimed(self)).toEqual([]);
      await self.close();
    }),
  );

  it(
    "is not seen in what changed before it, or was committed",
    withFleet(async (fleet) => {
      const alice = await hold(fleet, "alice", ["src/a.ts", "src/b.ts"]);
      fleet.file("src/a.ts", "by a person\n");
      const claude = fleet.host("claude", S1);
      expect(await ran(claude, () => undefined)).toBeUndefined();
      expect(await ran(claude, () => fleet.commit("a person commits"))).toBeUndefined();
      expect(await unclaimed(alice)).toEqual([]);
      await alice.close();
    }),
  );

  it(
    "is not blamed on an agent while the holder was at work on the file in the same worktree",
    withFleet(async (fleet) => {
      const [claude, codex] = [fleet.host("claude", S1), fleet.host("codex", S2)];
      // The holder edits by its tool while the other's command runs.
      const told = await ran(claude, () => undefined).then(() =>
        ranWith(claude, async () => {
          await codex.edit("src/a.ts");
          fleet.file("src/a.ts", "by codex\n");
        }),
      );
      expect(told).toBeUndefined();
      // The holder runs a shell of its own meanwhile.
      const use = fleet.nextUse();
      await codex.shell(OPAQUE, use);
      expect(await ran(claude, () => fleet.file("src/a.ts", "by codex again\n"))).toBeUndefined();
      await codex.after("Bash", { command: OPAQUE }, use);
      const looker = await fleet.agent("looker");
      expect(await unclaimed(looker)).toEqual([]);
      // But a holder that does something else is told.
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(await ran(claude, () => fleet.file("src/a.ts", "by claude\n"))).toContain(codex.agent);
      await looker.close();
    }),
  );

  it(
    "that nobody can tell whose it was is recorded, but blamed on nobody",
    withFleet(async (fleet) => {
      const [claude, codex] = [fleet.host("claude", S1), fleet.host("codex", S2)];
      const use = fleet.nextUse();
      await codex.shell(OPAQUE, use);
      expect(await ran(claude, () => fleet.file("src/who.ts"))).toBeUndefined();
      expect(contextOf(await codex.after("Bash", { command: OPAQUE }, use))).toBeUndefined();
      const looker = await fleet.agent("looker");
      expect(await unclaimed(looker)).toHaveLength(1);
      expect((await looker.call("claims.list", {})).items).toEqual([]);
      await looker.close();
    }),
  );

  it(
    "of paths that the policy turned off is not looked at",
    withFleet(async (fleet) => {
      fleet.file(".holdfast.json", '{"hooks": {"policy": [{"paths": ["gen"], "do": "off"}]}}');
      const claude = fleet.host("claude", S1);
      expect(await ran(claude, () => fleet.file("gen/x.ts"))).toBeUndefined();
    }),
  );
});

async function ranWith(host: HostSession, effect: () => Promise<void>): Promise<string | undefined> {
  const use = host.fleet.nextUse();
  await host.shell(OPAQUE, use);
  await effect();
  return contextOf(await host.after("Bash", { command: OPAQUE }, use));
}

describe("activity", () => {
  it(
    "records an edit once in a while, whichever hook tells it",
    withFleet(async (fleet) => {
      const claude = fleet.host("claude", S1);
      const input = { file_path: join(fleet.root, "src/a.ts") };
      const use = fleet.nextUse();
      await claude.before("Edit", input, use);
      await claude.after("Edit", input, use);
      await claude.send("PostToolBatch", {
        tool_calls: [{ tool_name: "Edit", tool_input: input, tool_use_id: use }],
      });
      await claude.after("Edit", input);
      await claude.send("PostToolUseFailure", {
        tool_name: "Write",
        tool_input: { file_path: join(fleet.root, "src/b.ts") },
        tool_use_id: fleet.nextUse(),
        error: "no",
      });
      const looker = await fleet.agent("looker");
      const { items } = await looker.call("activity.list", {});
      expect(items.map(({ agent, kind, path }) => [agent, kind, path])).toEqual([
        [claude.agent, "edit", "src/a.ts"],
      ]);
      await looker.close();
    }),
  );
});

describe("a look at a worktree", () => {
  it("reads what git says, names of every kind included", () => {
    const said = [
      "# branch.oid abc",
      "# branch.head main",
      "1 .M N... 100644 100644 100644 aaa bbb src/a b.ts",
      "2 R. N... 100644 100644 100644 aaa bbb R100 new.ts",
      "old.ts",
      "u UU N... 100644 100644 100644 100644 aaa bbb ccc both.ts",
      "? é\n.ts",
      "",
    ].join("\0");
    const { head, files } = parseStatus(said);
    expect(head).toBe("abc");
    expect(files.map(({ file }) => file)).toEqual(["src/a b.ts", "new.ts", "old.ts", "both.ts", "é\n.ts"]);
  });

  it(
    "tells changes apart from what was there, and shares looks that are asked for together",
    withFleet(async (fleet) => {
      const looks = new Looks();
      const before = await looks.at(fleet.root);
      fleet.file("src/a.ts", "2\n");
      const [one, two, three] = await Promise.all([1, 2, 3].map(() => looks.at(fleet.root)));
      expect(two).toBe(three);
      expect(one).not.toBe(two);
      if (before === undefined || two === undefined) throw new Error("git did not answer");
      expect(changedBetween(before, two)).toEqual(["src/a.ts"]);
      expect(await looks.at(join(fleet.folder, "nowhere"))).toBeUndefined();
      expect(await looks.at(fleet.folder)).toBeUndefined();
    }),
  );
});
