/**
 * Conflicts: what will meet at merge, predicted without touching the repository.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Change } from "../../adapters/git/changes.ts";
import { versionOf } from "../../adapters/git/git.ts";
import { haveOnePlace, nameOf, predict } from "../../adapters/git/merging.ts";
import { Scratch } from "../../adapters/git/scratch.ts";
import { sidesOf, worktreesOf } from "../../adapters/git/sides.ts";
import { trunkOf } from "../../adapters/git/stand.ts";
import { limits } from "../../core/limits.ts";
import { GitBox, hermetic, inGitBox } from "./git-box.ts";

const { lines } = GitBox;

/** What is predicted in a repository, as `a × b: files`. */
async function predicted(box: GitBox) {
  const git = box.product;
  const scratch = new Scratch(join(box.root, ".git/objects"), hermetic);
  try {
    const worktrees = await worktreesOf(git, await versionOf(git));
    const { sides, unseen } = await sidesOf(git, hermetic, worktrees, await trunkOf(git), scratch);
    const found = await predict(git, scratch, sides);
    const conflicts = found.conflicts.map(
      ({ a, b, files }) => `${nameOf(a)} × ${nameOf(b)}: ${files.join(" ")}`,
    );
    return { conflicts, pairs: found.pairs, sides, unseen: [...unseen, ...found.unseen] };
  } finally {
    scratch.dispose();
  }
}

/** A branch with one commit, made without leaving where one is. */
async function branch(
  box: GitBox,
  name: string,
  files: { readonly [name: string]: string | undefined },
  from = "main",
) {
  await box.git("checkout", "-q", "-b", name, from);
  for (const [file, text] of Object.entries(files)) {
    if (text === undefined) rmSync(join(box.root, file));
    else box.file(file, text);
  }
  await box.commit(name);
  await box.git("checkout", "-q", "main");
}

describe("predicting", () => {
  it(
    "finds what git would: the same lines, renames, folders in the place of files; and no more",
    inGitBox(async (box) => {
      await branch(box, "one", { "src/a.ts": lines(5, "one") });
      await branch(box, "two", { "src/a.ts": lines(5, "two") });
      await branch(box, "apart", { "src/a.ts": lines(15, "apart") });
      await branch(box, "renamed", {
        "src/a.ts": undefined,
        "src/b.ts": undefined,
        "lib/a.ts": lines(5, "renamed"),
        "lib/b.ts": lines(),
      });
      await branch(box, "folder", { "src/new.ts": "1" });
      await branch(box, "file", { "docs/x": "1" });
      await branch(box, "place", { docs: "a file" });
      const { conflicts, unseen } = await predicted(box);
      expect(unseen).toEqual([]);
      const sorted = conflicts.map((text) => {
        const [, a = "", b = "", files = ""] = /^(.*) × (.*): (.*)$/.exec(text) ?? [];
        return `${[a, b].sort().join(" × ")}: ${files}`;
      });
      expect(sorted.filter((text) => !text.startsWith("file × place")).sort()).toEqual([
        "folder × renamed: lib/new.ts",
        "one × renamed: lib/a.ts",
        "one × two: src/a.ts",
        "renamed × two: lib/a.ts",
      ]);
      expect(sorted.filter((text) => text.startsWith("file × place"))).toHaveLength(1);
    }),
  );

  it(
    "merges only pairs that could conflict, which is never fewer than do",
    inGitBox(async (box) => {
      for (let i = 0; i < 6; i++) await branch(box, `alone-${i}`, { [`new-${i}`]: "1" });
      expect(await predicted(box)).toMatchObject({ conflicts: [], pairs: 0 });
      box.file("new-3", "another");
      await box.commit("main moved");
      expect((await predicted(box)).conflicts).toEqual(["main × alone-3: new-3"]);
      const change = (name: string, kind: Change["kind"] = "changed"): Change => ({
        ...{ name, kind, raw: Buffer.from(name), submodule: false },
      });
      expect(haveOnePlace([change("a/b")], [change("a/c")])).toBe(false);
      expect(haveOnePlace([change("a/b")], [change("a/b")])).toBe(true);
      expect(haveOnePlace([change("a")], [change("a/b/c"), change("x")])).toBe(true);
      expect(haveOnePlace([change("a/b/c"), change("x")], [change("a")])).toBe(true);
      const moved = [change("a/b", "deleted"), change("c/b", "added")];
      expect(haveOnePlace(moved, [change("a/new", "added")])).toBe(true);
      expect(haveOnePlace(moved, [change("a/old")])).toBe(false);
    }),
  );

  it(
    "knows no default branch, one that was fetched, unrelated histories, submodules and detached heads",
    inGitBox(async (box) => {
      await branch(box, "one", { "src/a.ts": lines(5, "one") });
      await branch(box, "theirs", { "src/a.ts": lines(5, "theirs") });
      await box.git("update-ref", "refs/remotes/origin/main", "theirs");
      await box.git("branch", "-q", "-D", "theirs");
      expect((await predicted(box)).conflicts).toEqual(["origin/main × one: src/a.ts"]);
      const detached = join(box.folder, "detached");
      await box.git("worktree", "add", "-q", "--detach", detached, "one");
      box.write(detached, "src/a.ts", lines(5, "detached"));
      const [first] = (await predicted(box)).conflicts;
      expect(first).toMatch(/^[0-9a-f]{10} in .*detached × origin\/main: src\/a.ts$/);
      await box.git("worktree", "remove", "--force", detached);

      await box.git("branch", "-q", "-m", "main", "trunk");
      await box.git("update-ref", "-d", "refs/remotes/origin/main");
      await box.git("checkout", "-q", "--orphan", "island");
      box.file("src/a.ts", "island");
      await box.commit("island");
      const apart = await predicted(box);
      expect(apart.conflicts).toEqual([]);
      expect(apart.unseen.map(({ why }) => why).join()).toContain("unrelated histories");

      const [a, b, c] = (await box.git("rev-list", "--all")).split("\n");
      for (const [name, commit] of [
        ["m0", a],
        ["m1", b],
        ["m2", c],
      ]) {
        await box.git("checkout", "-q", "-B", name as string, name === "m0" ? "trunk" : "m0");
        await box.git("update-index", "--add", "--cacheinfo", `160000,${commit},lib`);
        await box.git("commit", "-q", "-m", "lib");
      }
      expect((await predicted(box)).conflicts.join()).toMatch(/m2 × m1: lib|m1 × m2: lib/);
    }),
  );
});

describe("how much", () => {
  it(
    "is bounded, and said where it is reached",
    inGitBox(async (box) => {
      await branch(box, "one", { "src/a.ts": lines(5, "one") });
      const names = Array.from(
        { length: limits.gitSidesMax },
        (_, i) => `update refs/heads/copy-${i} refs/heads/one\n`,
      );
      await box.product.run(["update-ref", "--stdin"], { input: names.join("") });
      const { sides, unseen, conflicts } = await predicted(box);
      expect(sides).toHaveLength(limits.gitSidesMax);
      expect(conflicts).toEqual([]);
      expect(unseen).toMatchObject([{ why: `more than ${limits.gitSidesMax} worktrees and branches` }]);
    }),
  );
});

describe("what is not committed", () => {
  it(
    "counts, new files in any name among it, and neither index, refs nor objects are touched",
    inGitBox(async (box) => {
      const other = await box.worktree("other");
      const name = "src/日本 \n.ts";
      await branch(box, "theirs", { [name]: "theirs\n", "src/a.ts": lines(5, "theirs") });
      box.write(other, name, "mine\n");
      box.write(other, "src/a.ts", lines(5, "mine"));
      await box.gitIn(other, "add", "src/a.ts");
      box.write(other, "src/a.ts", lines(5, "mine, later"));
      rmSync(join(other, "src/b.ts"));
      box.write(other, "within/.git/HEAD", "no repository");
      box.write(other, "within/x", "1");
      await box.git("config", "core.autocrlf", "true");
      await box.git("config", "core.safecrlf", "true");
      await box.git("config", "commit.gpgSign", "true");
      const look = async () => [
        readFileSync(join(box.root, ".git/worktrees/other/index")).toString("hex"),
        await box.git("for-each-ref"),
        await box.gitIn(other, "-c", "core.safecrlf=false", "status", "--porcelain"),
        execFileSync("find", [join(box.root, ".git/objects"), "-type", "f"]).toString(),
      ];
      await look();
      const before = await look();
      const { conflicts, sides, unseen } = await predicted(box);
      expect(unseen).toEqual([]);
      expect(conflicts).toEqual([`other × theirs: src/a.ts ${name}`]);
      const touched = sides.find((side) => side.branch === "other")?.uncommitted.map((one) => one.name);
      expect(touched).toEqual(expect.arrayContaining(["src/a.ts", "src/b.ts", name]));
      expect(await look()).toEqual(before);
      const temporary = join(box.folder, "tmp");
      mkdirSync(temporary);
      const ran = await box.run(["conflicts", "--check"], { env: { TMPDIR: temporary } });
      expect(ran.code).toBe(2);
      expect(await look()).toEqual(before);
      expect(readdirSync(temporary)).toEqual([]);
    }),
  );
});

describe("holdfast conflicts", () => {
  it(
    "tells branch, worktree, owner and what is not committed; --check exits with 2",
    inGitBox(async (box) => {
      const [one, two] = [await box.worktree("one"), await box.worktree("two")];
      const quiet = await box.run(["conflicts", "--check"]);
      expect([quiet.code, quiet.out]).toEqual([0, ""]);
      box.write(one, "src/a.ts", lines(5, "one"));
      box.write(two, "src/a.ts", lines(5, "two"));
      await box.run(["git", "claim", "ONE"], { as: "ann", cwd: one });
      await box.run(["git", "claim", "TWO", "src"], { as: "bob", cwd: two });
      await box.commit("two", two);
      const ran = await box.run(["conflicts"], { as: "eve" });
      expect(ran.code).toBe(0);
      expect(ran.out.split("\n")).toEqual([
        `conflict: one (ann; ${one}; not committed) × two (bob; ${two}): src/a.ts`,
        `claims meet: ONE of ann (one; ${one}) × TWO of bob (two; ${two}): src/a.ts and src`,
        "",
      ]);
      const { code, json } = await box.run(["conflicts", "--check", "--json"], { as: "eve" });
      expect(code).toBe(2);
      expect(json).toMatchObject({
        repository: join(box.root, ".git"),
        conflicts: [
          {
            a: { branch: "one", worktree: one, owners: ["ann"], author: "Ann", uncommitted: ["src/a.ts"] },
            b: { branch: "two", worktree: two, owners: ["bob"], uncommitted: [] },
            files: ["src/a.ts"],
          },
        ],
        meetings: [
          {
            a: { claim: "ONE", branch: "one" },
            b: { claim: "TWO", worktree: two },
            paths: ["src/a.ts", "src"],
          },
        ],
        unseen: [],
      });
      // Claims that meet are told, but nothing says yet that they conflict.
      await box.gitIn(one, "checkout", "-q", "--", ".");
      const met = await box.run(["conflicts", "--check"]);
      expect(met.code).toBe(0);
      expect(met.out).toMatch(/^claims meet: ONE of ann .*\n$/);
    }),
  );

  it(
    "in a bare repository with worktrees, one of them before its first commit; without a log",
    inGitBox(async (box) => {
      const bare = join(box.folder, "bare.git");
      await box.git("clone", "-q", "--bare", box.root, bare);
      for (const name of ["one", "two"]) {
        const root = join(box.folder, name);
        await box.gitIn(bare, "worktree", "add", "-q", "-b", name, root);
        box.write(root, "src/a.ts", lines(5, name));
      }
      const unborn = join(box.folder, "unborn");
      await box.gitIn(bare, "worktree", "add", "-q", "--detach", unborn);
      await box.gitIn(unborn, "checkout", "-q", "--orphan", "unborn");
      for (const cwd of [bare, join(box.folder, "two/src")]) {
        const ran = await box.run(["conflicts", "--check"], { cwd });
        expect(ran.code, ran.err).toBe(2);
        expect(ran.out).toMatch(
          /^conflict: (one|two) \(last commit by Ann; .*; not committed\) × .*: src\/a.ts\n$/,
        );
        expect(ran.err).toContain("not compared: unborn: it has no commit yet");
        expect(ran.err).toContain("There is no log at");
      }
    }),
  );

  it(
    "says what it cannot know where git is too old",
    inGitBox(async (box) => {
      await branch(box, "one", { "src/a.ts": lines(5, "one") });
      await branch(box, "two", { "src/a.ts": lines(6, "two") });
      const real = execFileSync("sh", ["-c", "command -v git"]).toString().trim();
      const old = join(box.folder, "old");
      mkdirSync(old);
      const script = `#!/bin/sh\ncase "$1" in version) echo git version 2.30.2;; merge-tree) exit 129;; *) exec ${real} "$@";; esac\n`;
      writeFileSync(join(old, "git"), script, { mode: 0o755 });
      const env = { PATH: `${old}${delimiter}${process.env.PATH}` };
      const ran = await box.run(["conflicts", "--check"], { env });
      expect(ran.code).toBe(0);
      expect(ran.err).toContain("git 2.30 cannot merge without a worktree (2.38 can)");
      expect(ran.err).toMatch(/not compared: (one × two|two × one): git is too old/);
    }),
  );
});
