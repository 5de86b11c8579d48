/**
 * The gate: what may be committed, given who holds it and under which epoch it was changed.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, expect, it } from "vitest";
import { between, emptyTree, staged, uncommitted } from "../../adapters/git/changes.ts";
import { type Ask, type Held, heldByOthers, underOldEpochs } from "../../adapters/git/gate.ts";
import { Git } from "../../adapters/git/git.ts";
import { coversName, scopeOfName } from "../../adapters/git/names.ts";
import { beginningOf, standOf, trunkOf } from "../../adapters/git/stand.ts";
import { limits } from "../../core/limits.ts";
import { normaliseScope } from "../../core/model/scopes.ts";
import { formats } from "../../core/protocol/formats.ts";
import { GitBox, hermetic, inGitBox } from "./git-box.ts";

const file = (name: string) => ({ name, submodule: false });

describe("names", () => {
  const odd = [
    "plain.ts",
    "with space.ts",
    " blank ends ",
    "日本/äöü.ts",
    "a\nb.ts",
    "tab\there",
    "~tilde/x",
    "C:/x",
    "br[ack]{e,t}*?.ts",
    "back\\slash",
    "broken \ufffd bytes",
    `deep/${"x".repeat(200)}/${"y".repeat(1200)}`,
    `${"[".repeat(600)}\n`,
  ];

  it("of every kind can be asked for and claimed, and the scope covers them", () => {
    for (const name of odd) {
      const scope = scopeOfName(file(name));
      for (const one of scope.files ?? []) expect(formats.path(one), name).toBeUndefined();
      for (const one of scope.paths ?? []) expect(formats.pattern(one), name).toBeUndefined();
      const normal = normaliseScope(scope);
      expect(normal, name).toHaveProperty("scope");
      if ("scope" in normal) expect(coversName(normal.scope, file(name), false), name).toBe(true);
    }
  });

  it("of every kind are covered by their folder and by nothing beside it", () => {
    for (const name of odd) {
      const inside = file(`held/${name}`);
      const spelled = name.length > 1000 || /[~:]/.test(name) ? [] : [inside];
      for (const one of spelled) {
        expect(coversName({ paths: ["held"] }, one, false), name).toBe(true);
        expect(coversName({ paths: ["hel"] }, one, false), name).toBe(false);
      }
    }
    expect(coversName({ paths: ["[~]tilde"] }, file("~tilde/x"), false)).toBe(true);
    expect(coversName({ paths: ["a?b.ts"] }, file("a\nb.ts"), false)).toBe(true);
    expect(coversName({ files: ["axb.ts"] }, file("a\nb.ts"), false)).toBe(false);
  });

  it("of submodules stand for everything below", () => {
    const sub = { name: "lib", submodule: true };
    expect(coversName({ files: ["lib/x.ts"] }, sub, false)).toBe(true);
    expect(coversName({ files: ["library"] }, sub, false)).toBe(false);
    expect(coversName({ files: ["lib/x.ts"] }, file("lib"), false)).toBe(false);
  });
});

describe("judging", () => {
  const claim = (over: Partial<Held>): Held => ({
    claim: "C",
    holder: "bob",
    epoch: 7,
    shared: false,
    remainingMs: 60_000,
    scope: { files: ["a"] },
    ...over,
  });
  const asking = (items: readonly Held[], asked: unknown[] = []): Ask => {
    return async (scope) => {
      asked.push(scope);
      return { items, more: false };
    };
  };
  const isMine = ({ holder }: Held) => holder === "me";

  it("tells each file, its claim and until when, within 400 characters", async () => {
    const long = { note: "n".repeat(500), claim: "c".repeat(200), holder: "h".repeat(200) };
    const name = `${"d/".repeat(100)}a`;
    const [refused, ...more] = await heldByOthers(
      [file("free"), file(name)],
      asking([claim({ ...long, scope: { paths: ["d"] } })]),
      isMine,
    );
    expect(more).toEqual([]);
    expect(refused).toMatchObject({ code: "claim.overlap", file: name, epoch: 7, remainingMs: 60_000 });
    expect(refused?.message.length).toBeLessThanOrEqual(400);
    const record = { ...long, log: "l", agent: "me", worktree: "/w", root: "/w", epoch: 3 } as const;
    const [stale] = await underOldEpochs(
      [file(name)],
      [{ ...record, scope: { paths: ["d"] }, autoRelease: "manual" }],
      async () => claim(long),
    );
    expect(stale).toMatchObject({ code: "claim.stale", file: name, epoch: 3, holder: long.holder });
    expect(stale?.message.length).toBeLessThanOrEqual(400);
    // By oneself, too: a later grant, from another worktree or a former self, knows nothing of this work.
    const under = { ...record, claim: "C", scope: { paths: ["d"] }, autoRelease: "manual" } as const;
    const old = async (current: Held | undefined) =>
      (await underOldEpochs([file("d/x"), file("e")], [under], async () => current)).map((one) => one.file);
    expect(await old(claim({ holder: "me", epoch: 3 }))).toEqual([]);
    expect(await old(claim({ holder: "me", epoch: 4 }))).toEqual(["d/x"]);
    expect(await old(claim({ holder: "me", epoch: 3, remainingMs: 0 }))).toEqual(["d/x"]);
    expect(await old(claim({ holder: "bob", epoch: 3 }))).toEqual(["d/x"]);
  });

  it("lets one's own pass, the shared where one shares, and the overdue", async () => {
    const pass = async (...items: Held[]) =>
      (await heldByOthers([file("a")], asking(items), isMine)).length === 0;
    expect(await pass()).toBe(true);
    expect(await pass(claim({ holder: "me" }))).toBe(true);
    expect(await pass(claim({ shared: true }))).toBe(false);
    expect(await pass(claim({ shared: true }), claim({ shared: true, holder: "me" }))).toBe(true);
    const elsewhere = claim({ shared: true, holder: "me", scope: { files: ["b"] } });
    expect(await pass(claim({ shared: true }), elsewhere)).toBe(false);
    expect(await pass(claim({}), claim({ shared: true, holder: "me" }))).toBe(false);
    expect(await pass(claim({ remainingMs: 0 }))).toBe(true);
    expect(await pass(claim({ scope: { files: ["A"] } }))).toBe(false);
  });

  it("asks in portions that fit a scope and a frame, and again in halves where there is more", async () => {
    const asked: { files?: readonly string[]; paths?: readonly string[] }[] = [];
    const many = Array.from({ length: 2000 }, (_, i) => file(`${i}-${"ü".repeat(900)}`));
    await heldByOthers([...many, file("a\nb")], asking([], asked), isMine);
    expect(asked.flatMap(({ files = [] }) => files)).toHaveLength(2000);
    expect(asked.at(-1)).toEqual({ files: expect.anything() });
    expect(asked.filter(({ paths }) => paths !== undefined)).toEqual([{ paths: ["a?b"] }]);
    for (const scope of asked) {
      expect(JSON.stringify(scope).length * 2).toBeLessThan(limits.frameBytesMax);
      expect((scope.files?.length ?? 0) <= limits.scopePathsMax).toBe(true);
    }
    const halves: Ask = async ({ files = [] }) => ({
      items: files.includes("x7") ? [claim({ scope: { files: ["x7"] } })] : [],
      more: files.length > 1,
    });
    const names = Array.from({ length: 10 }, (_, i) => file(`x${i}`));
    expect((await heldByOthers(names, halves, isMine)).map((one) => one.file)).toEqual(["x7"]);
  });
});

describe("what git tells", () => {
  it(
    "is bounded in time and length, and its failures say what it said",
    inGitBox(async (box) => {
      const slow = new Git(box.root, { ...hermetic, PATH: `${box.folder}${delimiter}${process.env.PATH}` });
      writeFileSync(join(box.folder, "git"), "#!/bin/sh\nyes | head -c 100000\nexec sleep 20\n", {
        mode: 0o755,
      });
      await expect(slow.run(["version"], { ms: 200 })).rejects.toThrow(
        /git version in .* took longer than 0.2 s/,
      );
      await expect(slow.run(["version"], { bytesMax: 5000 })).rejects.toThrow("printed more than 5000 bytes");
      const failing = box.product.run(["-c", "a.b=c", "rev-parse", "--verify", "nothing"]);
      await expect(failing).rejects.toMatchObject({
        code: "program.failed",
        definite: true,
        message: expect.stringMatching(
          /^git rev-parse failed \(exit code 128\) in .*: fatal: Needed a single/,
        ),
      });
      const nowhere = new Git(join(box.folder, "nowhere"), hermetic);
      await expect(nowhere.run(["version"])).rejects.toThrow("git could not be started in");
    }),
  );

  it(
    "renames are two names, whatever the repository's settings say",
    inGitBox(async (box) => {
      for (const [name, value] of [
        ["diff.renames", "copies"],
        ["diff.relative", "true"],
        ["diff.noprefix", "true"],
        ["status.renames", "true"],
        ["status.showUntrackedFiles", "no"],
        ["status.relativePaths", "true"],
        ["core.quotePath", "true"],
        ["color.ui", "always"],
      ]) {
        await box.git("config", name as string, value as string);
      }
      await box.git("mv", "src/a.ts", "src/ä ö.ts");
      await box.git("rm", "-q", "src/b.ts");
      box.file("new\nname", "x");
      const told = [
        ["src/a.ts", "deleted"],
        ["src/b.ts", "deleted"],
        ["src/ä ö.ts", "added"],
      ];
      const kinds = (changes: Awaited<ReturnType<typeof staged>>) =>
        changes.map(({ name, kind }) => [name, kind]).sort();
      expect(kinds(await staged(box.product))).toEqual(told);
      expect(kinds(await uncommitted(box.product))).toEqual([["new\nname", "added"], ...told]);
      const commit = await box.commit("moved");
      expect(kinds(await between(box.product, `${commit}^`, commit))).toEqual([
        ["new\nname", "added"],
        ...told,
      ]);
      expect(await between(box.product, await emptyTree(box.product), commit)).toHaveLength(2);
    }),
  );

  it(
    "where a worktree stands: on a branch, detached, before its first commit, with and without a default branch",
    inGitBox(async (box) => {
      const git = box.product;
      const first = await box.git("rev-parse", "HEAD");
      expect(await standOf(git)).toEqual({ head: first, branch: "main" });
      expect(await trunkOf(git)).toEqual({ name: "main", refs: ["refs/heads/main"] });
      await box.git("checkout", "-q", "-b", "feature/x");
      box.file("n", "1");
      const second = await box.commit("second");
      expect(await beginningOf(git, await standOf(git))).toBe(first);
      await box.git("update-ref", "refs/remotes/origin/trunk", second);
      await box.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk");
      expect(await trunkOf(git)).toEqual({ name: "trunk", refs: ["refs/remotes/origin/trunk"] });
      await box.git("checkout", "-q", "--detach");
      expect(await standOf(git)).toEqual({ head: second });
      expect(await beginningOf(git, await standOf(git))).toBe(second);
      await box.git("checkout", "-q", "--orphan", "unborn");
      expect(await standOf(git)).toEqual({ branch: "unborn" });
      expect(await beginningOf(git, await standOf(git))).toBeUndefined();
      expect((await staged(git)).map(({ name }) => name).sort()).toEqual(["n", "src/a.ts", "src/b.ts"]);
    }),
  );
});

describe("holdfast gate", () => {
  it(
    "refuses what is staged and held by another: changed, deleted, renamed from or to, in odd names",
    inGitBox(async (box) => {
      box.file("odd/日本 x.ts", "1");
      box.file("odd/new\nline", "1");
      await box.commit("odd");
      expect((await box.run(["gate"])).code).toBe(0);
      await box.run(["claim", "B", "--paths", "src/a.ts", "odd", "--note", "rewrite"], { as: "bob" });
      expect((await box.run(["gate"])).out).toBe("nothing is touched\n");

      box.file("src/b.ts", "free");
      box.file("src/a.ts", "not staged");
      await box.git("add", "src/b.ts");
      expect((await box.run(["gate"])).code).toBe(0);

      await box.git("add", "-A");
      const changed = await box.run(["gate"]);
      expect(changed.code).toBe(2);
      expect(changed.out).toBe("");
      expect(changed.err).toContain('refused: src/a.ts is held by bob as B ("rewrite") for another 15 min.');
      expect(changed.err).not.toContain("src/b.ts");
      expect((await box.run(["gate"], { as: "bob" })).code).toBe(0);

      await box.git("mv", "-f", "src/a.ts", "odd/日本 x.ts");
      await box.git("rm", "-q", "odd/new\nline");
      const { code, json } = await box.run(["gate", "--json"]);
      expect(code).toBe(2);
      const files = json.refused.map((one: { file: string }) => one.file);
      expect(files.sort()).toEqual(["odd/new\nline", "odd/日本 x.ts", "src/a.ts"]);
      expect(json.refused[0]).toMatchObject({
        code: "claim.overlap",
        claim: "B",
        holder: "bob",
        worktree: box.root,
      });
    }),
  );

  it(
    "knows worktrees: another's claim elsewhere is none here, unless it says so",
    inGitBox(async (box) => {
      const other = await box.worktree("feature");
      box.file("src/a.ts", "x");
      box.file("src/b.ts", "x");
      await box.git("add", "-A");
      await box.run(["claim", "B", "--paths", "src/a.ts"], { as: "bob", cwd: other });
      expect((await box.run(["gate"])).code).toBe(0);
      await box.run(["claim", "C", "--paths", "src/b.ts", "--across-worktrees"], { as: "carol", cwd: other });
      const across = await box.run(["gate"]);
      expect(across.code).toBe(2);
      expect(across.err).toContain("src/b.ts is held by carol");
      expect(across.err).not.toContain("src/a.ts");
      expect((await box.run(["gate", "--worktree", other])).err).toContain("src/a.ts is held by bob");
    }),
  );

  it(
    "refuses a submodule's commit where something below it is held",
    inGitBox(async (box) => {
      const commit = await box.git("rev-parse", "HEAD");
      box.file(".gitmodules", '[submodule "lib"]\n\tpath = lib\n\turl = ./lib\n');
      await box.git("add", ".gitmodules");
      await box.git("update-index", "--add", "--cacheinfo", `160000,${commit},lib`);
      await box.run(["claim", "B", "--paths", "lib/x.ts"], { as: "bob" });
      const ran = await box.run(["gate"]);
      expect(ran.code).toBe(2);
      expect(ran.err).toContain("lib is held by bob");
      expect((await box.run(["gate"], { as: "bob" })).code).toBe(0);
    }),
  );

  it(
    "refuses what was changed under a grant that is over, until it is claimed again",
    inGitBox(async (box) => {
      box.file("src/a.ts", "mine");
      expect((await box.run(["git", "claim", "A"])).code).toBe(0);
      await box.git("add", "-A");
      expect((await box.run(["gate"])).code).toBe(0);
      await box.run(["break", "A"], { as: "boss" });
      const ended = await box.run(["gate"]);
      expect(ended.code).toBe(2);
      expect(ended.err).toContain("src/a.ts was changed under epoch 3 of A, which has ended");
      const bobs = await box.run(["claim", "A", "--json"], { as: "bob" });
      const anew = await box.run(["gate"]);
      expect(anew.code).toBe(2);
      expect(anew.err).toContain(`which was granted anew (epoch ${bobs.json.epoch}, bob)`);
      await box.run(["release", "A"], { as: "bob" });
      expect((await box.run(["gate"])).code).toBe(2);
      expect((await box.run(["git", "claim", "A"])).code).toBe(0);
      expect((await box.run(["gate"])).code).toBe(0);
      expect((await box.run(["release", "A"])).code).toBe(0);
      expect((await box.run(["gate"])).code).toBe(0);
    }),
  );

  it(
    "--base: all that a branch brings, against every worktree's claims but those made on that branch",
    inGitBox(async (box) => {
      const feature = await box.worktree("feature");
      box.write(feature, "src/a.ts", GitBox.lines(1));
      const claimed = await box.run(["git", "claim", "F", "--json"], { as: "ann", cwd: feature });
      expect(claimed.json.git).toMatchObject({ branch: "feature", autoRelease: "manual" });
      await box.gitIn(feature, "rm", "-q", "src/b.ts");
      await box.commit("feature", feature);
      box.file("src/b.ts", "main went on");
      await box.commit("on main");
      const gate = (...args: string[]) =>
        box.run(["gate", "--base", "main", ...args], { as: "ci", cwd: feature });
      expect((await gate()).code).toBe(0);
      expect((await gate("--branch", "other")).code).toBe(2);
      await box.gitIn(feature, "checkout", "-q", "--detach");
      expect((await gate()).err).toContain("src/a.ts is held by ann as F");
      expect((await gate("--branch", "feature")).code).toBe(0);

      await box.run(["claim", "B", "--paths", "src"], { as: "bob" });
      const ran = await gate("--branch", "feature", "--json");
      expect(ran.code).toBe(2);
      const files = ran.json.refused.map((one: { file: string }) => one.file);
      expect(files.sort()).toEqual(["src/a.ts", "src/b.ts"]);
      expect((await gate("--branch", "feature", "--worktree", feature)).code).toBe(0);
      expect((await gate("--branch", "feature", "--as", "bob")).code).toBe(0);
    }),
  );

  it(
    "is no riddle where there is little to look at: unknown refs, no history, no worktree, no repository",
    inGitBox(async (box) => {
      const unknown = await box.run(["gate", "--base", "nowhere"]);
      expect(unknown.code).toBe(64);
      expect(unknown.err).toContain("nowhere is no commit here");
      await box.git("checkout", "-q", "--orphan", "island");
      await box.run(["claim", "B", "--paths", "src/a.ts"], { as: "bob" });
      expect((await box.run(["gate"])).code).toBe(2);
      await box.commit("island");
      expect((await box.run(["gate", "--base", "main"])).code).toBe(64);

      const bare = join(box.folder, "bare.git");
      await box.git("clone", "-q", "--bare", box.root, bare);
      const nothing = await box.run(["gate"], { cwd: bare });
      expect(nothing.code).toBe(64);
      expect(nothing.err).toContain("There is no worktree here");
      expect((await box.run(["gate", "--base", "main"], { cwd: bare })).code).toBe(64);
      expect((await box.run(["gate", "--base", "island"], { cwd: bare })).code).toBe(0);
      expect((await box.run(["claim", "X", "--json"], { cwd: bare })).code).toBe(0);
      expect((await box.run(["status", "--json"], { cwd: bare })).json.file).toBe(
        join(bare, "holdfast/log.db"),
      );

      const outside = join(box.folder, "outside");
      mkdirSync(outside);
      const none = await box.run(["gate"], { cwd: outside });
      expect(none.code).toBe(64);
      for (const args of [["git", "claim", "A", "x"], ["git", "install"], ["conflicts"]]) {
        expect((await box.run(args, { cwd: outside })).code, args.join(" ")).toBe(64);
      }
    }),
  );

  it(
    "asks the hub that runs or is named; without git it says so",
    inGitBox(async (box) => {
      const { url } = await box.serve();
      box.file("src/a.ts", "x");
      await box.git("add", "-A");
      await box.run(["claim", "B", "--paths", "src"], { as: "bob" });
      expect((await box.run(["gate"])).code).toBe(2);
      expect((await box.run(["gate", "--hub", url])).code).toBe(2);
      expect((await box.run(["gate", "--hub", "ws://127.0.0.1:9"])).code).toBe(3);
      await box.stop();
      expect((await box.run(["gate"])).code).toBe(2);

      const empty = join(box.folder, "empty");
      mkdirSync(empty);
      const missing = await box.run(["gate"], { env: { PATH: empty } });
      expect(missing.code).toBe(1);
      expect(missing.err).toContain("git is not on the PATH");
      writeFileSync(join(empty, "git"), "#!/bin/sh\necho 'fatal: broken today' >&2\nexit 5\n", {
        mode: 0o755,
      });
      const failing = await box.run(["gate", "--json"], { env: { PATH: empty } });
      expect(failing.code).toBe(1);
      expect(failing.json).toMatchObject({
        code: "program.failed",
        program: "git",
        said: "fatal: broken today",
      });
    }),
  );
});
