/**
 * Claims made with git in view: what is covered, what is remembered, and when they are given back.
 */
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type GitClaim, GitClaims } from "../../adapters/git/claimed.ts";
import { hooksPlace, installHooks } from "../../adapters/git/hooks.ts";
import { isCommitted, isMerged } from "../../adapters/git/settled.ts";
import { limits } from "../../core/limits.ts";
import { program } from "./command-line.ts";
import { GitBox, hermetic, inGitBox } from "./git-box.ts";

const RELEASED = (claim: string, how: string) => `${claim} of alice is ${how}, and released as done`;

async function install(box: GitBox): Promise<void> {
  const place = await hooksPlace(box.product, join(box.root, ".git"), hermetic);
  installHooks(place, { here: { node: process.execPath, script: program } });
}

/** Commits through the hooks; what they said. */
async function commit(box: GitBox, args: readonly string[], cwd = box.root, as = "alice"): Promise<string> {
  const ran = await box.tryGit(["commit", "-qm", "x", ...args], { cwd, as });
  expect(ran.code, ran.err).toBe(0);
  return ran.err;
}

describe("holdfast git claim", () => {
  it(
    "covers what is changed, staged, renamed and new, with branch and base",
    inGitBox(async (box) => {
      const base = await box.git("rev-parse", "HEAD");
      const clean = await box.run(["git", "claim", "A"]);
      expect(clean.code).toBe(64);
      expect(clean.err).toContain("Nothing is changed here");
      await box.git("checkout", "-q", "-b", "feature/ü");
      await box.git("mv", "src/a.ts", "src/ren amed.ts");
      box.file("src/b.ts", "changed");
      box.file("new/日本\n.ts", "1");
      box.file(".gitignore", "ignored\n");
      box.file("ignored", "1");
      const { code, json } = await box.run(["git", "claim", "A", "--json"], { cwd: join(box.root, "new") });
      expect(code).toBe(0);
      expect([...json.scope.files].sort()).toEqual([".gitignore", "src/a.ts", "src/b.ts", "src/ren amed.ts"]);
      expect(json.scope.paths).toEqual(["new/日本?.ts"]);
      expect(json.scope.worktree).toBe(box.root);
      expect(json.git).toEqual({ branch: "feature/ü", base, autoRelease: "manual" });
      expect(new GitClaims(join(box.root, ".git/holdfast")).list()).toMatchObject([
        {
          agent: "alice",
          claim: "A",
          epoch: json.epoch,
          branch: "feature/ü",
          base,
          head: base,
          root: box.root,
        },
      ]);

      const given = await box.run(["git", "claim", "B", "../src/*.css", "x", "--auto-release", "merge"], {
        cwd: join(box.root, "new"),
      });
      expect(given.out).toContain("covers src/*.css, new/x");
      expect(given.out).toContain("on feature/ü, began from");
      expect((await box.run(["git", "claim", "C", "x", "--auto-release", "soon"])).code).toBe(64);
      const held = await box.run(["git", "claim", "D", "src/b.ts"], { as: "bob" });
      expect(held.code).toBe(2);
      expect(new GitClaims(join(box.root, ".git/holdfast")).list()).toHaveLength(2);
    }),
  );

  it("remembers so many claims, forgets the oldest, and passes over what is no record", async () => {
    const box = new GitBox();
    try {
      const claims = new GitClaims(box.folder);
      const record = (claim: string): GitClaim => {
        const about = { log: "l", agent: "a", worktree: "/w", root: "/w", epoch: 1 };
        return { ...about, claim, scope: { files: ["f"] }, autoRelease: "commit" };
      };
      expect(claims.list()).toEqual([]);
      claims.put(record("old"));
      const folder = join(box.folder, "git-claims");
      const [oldest = ""] = readdirSync(folder);
      utimesSync(join(folder, oldest), 1, 1);
      for (let i = 0; i < limits.gitClaimsKept; i++) {
        writeFileSync(join(folder, `${i}.json`), i === 7 ? "torn" : JSON.stringify(record(`c${i}`)));
      }
      claims.put({ ...record("c0"), epoch: 2 });
      const kept = claims.list();
      expect(kept.map(({ claim }) => claim)).not.toContain("old");
      expect(kept.length).toBeGreaterThan(limits.gitClaimsKept - 10);
      claims.drop(record("c0"));
      expect(claims.list().filter(({ epoch }) => epoch === 2)).toEqual([]);
    } finally {
      await box.dispose();
    }
  });
});

describe("--auto-release commit", () => {
  it(
    "releases once all that is claimed is committed, not by a commit of something else or of a part",
    inGitBox(async (box) => {
      await install(box);
      for (const name of ["src/a.ts", "src/b.ts", "other"]) box.file(name, "1");
      await box.run(["git", "claim", "A", "src", "--auto-release", "commit"]);
      await box.git("add", "-A");
      expect(await commit(box, ["other"])).not.toContain("released");
      expect(await commit(box, ["src/a.ts"])).not.toContain("released");
      expect(await commit(box, [])).toContain(RELEASED("A", "committed"));
      expect((await box.run(["claims", "--json"])).json.items).toEqual([]);
      const why = await box.run(["log", "--json", "--events", "claim.released"]);
      expect(why.out).toContain('"outcome":"done"');
      box.file("src/a.ts", "2");
      expect(await commit(box, ["-a"])).toBe("");
    }),
  );

  it(
    "looks at the claim as it is now: widened, taken over, ended",
    inGitBox(async (box) => {
      await install(box);
      box.file("src/a.ts", "1");
      box.file("src/b.ts", "1");
      await box.run(["git", "claim", "A", "src/a.ts", "--auto-release", "commit"]);
      await box.run(["claim", "A", "--add", "src/b.ts"]);
      expect(await commit(box, ["src/a.ts"])).not.toContain("released");
      expect(await commit(box, ["src/b.ts"])).toContain("released as done");

      box.file("src/a.ts", "2");
      await box.run(["git", "claim", "B", "--auto-release", "commit"]);
      await box.run(["break", "B"], { as: "boss" });
      const late = await box.tryGit(["commit", "-qam", "x", "--no-verify"]);
      expect(late.err).toContain("B was not released: Nobody holds B any more");
      box.file("src/b.ts", "2");
      expect(await commit(box, ["-a"])).not.toContain("released");
    }),
  );

  it(
    "the first commit of all, a detached HEAD, an amended commit",
    inGitBox(async (box) => {
      const record = (about: Partial<GitClaim>): GitClaim => ({
        ...{ log: "l", agent: "a", worktree: box.root, root: box.root, epoch: 1, claim: "A" },
        ...{ scope: { paths: ["src"] }, autoRelease: "commit" as const, ...about },
      });
      const git = box.product;
      const first = await box.git("rev-parse", "HEAD");
      const unborn = record({ branch: "main" });
      expect(await isCommitted(git, unborn, unborn.scope)).toBe(true);
      expect(await isCommitted(git, record({ branch: "main", head: first }), unborn.scope)).toBe(false);
      expect(await isCommitted(git, record({ branch: "gone" }), unborn.scope)).toBe(false);
      box.file("src/untracked", "1");
      expect(await isCommitted(git, unborn, unborn.scope)).toBe(false);
      await box.git("checkout", "-q", "--detach");
      expect(await isCommitted(git, record({}), { paths: ["src/a.ts"] })).toBe(true);
      await box.git("add", "-A");
      await box.git("commit", "-q", "--amend", "-m", "amended");
      expect(await isCommitted(git, record({ head: first }), unborn.scope)).toBe(true);
      expect(await isCommitted(git, record({ head: first }), { paths: ["src/a.ts"] })).toBe(false);
    }),
  );
});

describe("--auto-release merge", () => {
  it(
    "releases when somebody merges the branch, in any worktree, also when the branch is gone",
    inGitBox(async (box) => {
      await install(box);
      const feature = await box.worktree("feature");
      box.write(feature, "src/a.ts", GitBox.lines(2));
      await box.run(["git", "claim", "A", "--auto-release", "merge"], { cwd: feature });
      expect(await commit(box, ["-a"], feature)).not.toContain("released");
      box.file("x", "1");
      await box.git("add", "-A");
      expect(await commit(box, [], box.root, "bob")).toBe("");
      const merged = await box.tryGit(["merge", "--no-edit", "-q", "feature"], { as: "bob" });
      expect(merged.code, merged.err).toBe(0);
      expect(merged.err).toContain(RELEASED("A", "merged"));
      expect((await box.run(["claims", "--json"])).json.items).toEqual([]);

      box.write(feature, "src/a.ts", GitBox.lines(7));
      await box.run(["git", "claim", "B", "--auto-release", "merge"], { cwd: feature });
      await commit(box, ["-a"], feature);
      await box.git("worktree", "remove", "--force", feature);
      await box.git("merge", "-q", "--squash", "feature");
      await box.git("branch", "-q", "-D", "feature");
      expect(await commit(box, [], box.root, "bob")).toContain(RELEASED("B", "merged"));
    }),
  );

  it(
    "not before: nothing committed, not on what is claimed, not in the default branch; rebased ones are",
    inGitBox(async (box) => {
      await install(box);
      const head = await box.git("rev-parse", "HEAD");
      const feature = await box.worktree("feature");
      const git = box.product;
      const record = (about: Partial<GitClaim>): GitClaim => ({
        ...{ log: "l", agent: "a", worktree: feature, root: feature, epoch: 1, claim: "A", head },
        ...{ branch: "feature", scope: { paths: ["src"] }, autoRelease: "merge" as const, ...about },
      });
      const isDone = (about: Partial<GitClaim>) => isMerged(git, record(about), record(about).scope);
      expect(await isDone({})).toBe(false);
      expect(await isDone({ tip: head })).toBe(false);
      box.write(feature, "src/a.ts", GitBox.lines(2));
      await box.run(["git", "claim", "R", "--auto-release", "merge"], { cwd: feature });
      await commit(box, ["-a"], feature);
      const tip = await box.gitIn(feature, "rev-parse", "HEAD");
      expect(await isDone({ tip })).toBe(false);
      box.file("src/b.ts", GitBox.lines(9));
      await box.commit("main goes on");
      const rebased = await box.tryGit(["rebase", "-q", "main"], { cwd: feature });
      expect(rebased.code, rebased.err).toBe(0);
      const [kept] = new GitClaims(join(box.root, ".git/holdfast")).list();
      expect(kept?.tip).toBe(await box.gitIn(feature, "rev-parse", "HEAD"));
      expect((await box.tryGit(["merge", "-q", "feature"])).err).toContain(RELEASED("R", "merged"));
      expect(await isDone({ tip })).toBe(true);
      expect(await isDone({ tip, scope: { paths: ["docs"] } })).toBe(false);
      // Work on the default branch itself is merged when it is where it was cloned from.
      await box.git("update-ref", "refs/remotes/origin/main", head);
      expect(await isDone({ tip, branch: "main" })).toBe(false);
      await box.git("update-ref", "refs/remotes/origin/main", "main");
      expect(await isDone({ tip, branch: "main" })).toBe(true);
    }),
  );

  it(
    "through a hub, in the name of whoever claimed",
    inGitBox(async (box) => {
      await install(box);
      await box.serve();
      box.file("src/a.ts", "1");
      await box.run(["git", "claim", "A", "--auto-release", "merge"]);
      expect(await commit(box, ["-a"])).toContain(RELEASED("A", "merged"));
      mkdirSync(join(box.root, "sub"));
      expect((await box.run(["claims", "--json"], { cwd: join(box.root, "sub") })).json.items).toEqual([]);
    }),
  );
});
