/**
 * Git's hooks: what is installed beside what there is, what it refuses, and that it never stands in the way.
 */
import { chmodSync, existsSync, lstatSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hooksPlace, installHooks, uninstallHooks } from "../../adapters/git/hooks.ts";
import { program } from "./command-line.ts";
import { GitBox, hermetic, inGitBox } from "./git-box.ts";

const HOOKS = ["pre-commit", "pre-merge-commit", "post-commit", "post-merge", "post-rewrite"];
const here = { here: { node: process.execPath, script: program } };

/** Puts the hooks in as the command does, without waiting for it. */
async function install(box: GitBox, cwd = box.root) {
  const place = await hooksPlace(box.product, join(box.root, ".git"), hermetic);
  return { place, done: installHooks(place, here), cwd };
}

const how = (done: readonly { how: string }[]) => done.map((one) => one.how);

describe("installing", () => {
  it(
    "leaves the hooks of others as they are, and gives each back byte for byte",
    inGitBox(async (box) => {
      const folder = join(box.root, ".git/hooks");
      rmSync(folder, { recursive: true, force: true });
      box.file("scripts/post-merge.sh", "#!/bin/sh\necho linked\n");
      const latin = Buffer.concat([
        Buffer.from("#!/bin/sh -e\n# caf"),
        Buffer.from([0xe9]),
        Buffer.from("\r\nexit 0"),
      ]);
      box.file(".git/hooks/pre-commit");
      writeFileSync(join(folder, "pre-commit"), latin, { mode: 0o750 });
      chmodSync(join(folder, "pre-commit"), 0o750);
      writeFileSync(join(folder, "post-commit"), "#!/usr/bin/env python3\nprint(1)\n", { mode: 0o755 });
      symlinkSync("../../scripts/post-merge.sh", join(folder, "post-merge"));
      writeFileSync(join(folder, "post-rewrite"), "#!/bin/sh\nfalse\n", { mode: 0o644 });
      const bytes = () =>
        HOOKS.map((hook) => existsSync(join(folder, hook)) && readFileSync(join(folder, hook)));
      const modes = () => HOOKS.map((hook) => lstatSync(join(folder, hook), { throwIfNoEntry: false })?.mode);
      const before = [bytes(), modes()];

      expect(how((await install(box)).done)).toEqual(["joined", "made", "wrapped", "wrapped", "wrapped"]);
      expect(readFileSync(join(box.root, "scripts/post-merge.sh"), "utf8")).toBe("#!/bin/sh\necho linked\n");
      const after = [bytes(), modes()];
      expect(how((await install(box)).done)).toEqual(Array(5).fill("unchanged"));
      expect([bytes(), modes()]).toEqual(after);
      const moved = installHooks((await install(box)).place, { here: { node: "/n", script: "/it's é" } });
      expect(how(moved)).toEqual(Array(5).fill("renewed"));
      expect(readFileSync(join(folder, "pre-commit"), "utf8")).toContain("'/it'\\''s é'");

      expect(how(uninstallHooks(folder))).toEqual([
        "restored",
        "removed",
        "restored",
        "restored",
        "restored",
      ]);
      expect([bytes(), modes()]).toEqual(before);
      expect(uninstallHooks(folder)).toEqual([]);
    }),
  );

  it(
    "gives way to what was changed since: added lines stay, a replaced hook stays, a kept one is never lost",
    inGitBox(async (box) => {
      const folder = join(box.root, ".git/hooks");
      const { place } = await install(box);
      const own = join(folder, "pre-commit");
      writeFileSync(own, `${readFileSync(own, "utf8")}echo mine\n`);
      writeFileSync(join(folder, "post-commit"), "#!/bin/sh\necho replaced\n", { mode: 0o755 });
      const wrapped = join(folder, "post-merge");
      uninstallHooks(folder);
      expect(readFileSync(own, "utf8")).toBe("#!/bin/sh\necho mine\n");
      expect(readFileSync(join(folder, "post-commit"), "utf8")).toBe("#!/bin/sh\necho replaced\n");

      writeFileSync(wrapped, "#!/usr/bin/perl\n1;\n", { mode: 0o755 });
      installHooks(place, here);
      writeFileSync(wrapped, `${readFileSync(wrapped, "utf8")}echo mine\n`);
      expect(uninstallHooks(folder).find(({ hook }) => hook === "post-merge")).toMatchObject({ how: "left" });
      writeFileSync(wrapped, "#!/usr/bin/perl\n2;\n", { mode: 0o755 });
      expect(installHooks(place, here).find(({ hook }) => hook === "post-merge")).toMatchObject({
        how: "left",
      });
      expect(readFileSync(`${wrapped}.before-holdfast`, "utf8")).toBe("#!/usr/bin/perl\n1;\n");
    }),
  );

  it(
    "respects core.hooksPath: inside the repository, husky's, of all repositories, turned off",
    inGitBox(async (box) => {
      await box.git("config", "core.hooksPath", ".githooks");
      const set = await box.run(["git", "install"]);
      expect(set.code).toBe(0);
      expect(set.err).toContain(
        "core.hooksPath is .githooks: inside the worktree, so these hooks are part of",
      );
      const text = readFileSync(join(box.root, ".githooks/pre-commit"), "utf8");
      expect(text).not.toContain(process.execPath);
      expect(existsSync(join(box.root, ".git/hooks/pre-commit"))).toBe(false);
      const sub = await box.run(["git", "uninstall", "--json"], { cwd: join(box.root, "src") });
      expect(how(sub.json.hooks)).toEqual(Array(5).fill("removed"));

      box.file(".husky/_/h", "#!/usr/bin/env sh\n");
      box.file(".husky/_/.gitignore", "*");
      box.file(".husky/pre-commit", "npm test\n");
      await box.git("config", "core.hooksPath", ".husky/_");
      const husky = await install(box);
      expect(husky.place.note).toContain("husky");
      expect(husky.done[0]).toMatchObject({ how: "joined", file: join(box.root, ".husky/pre-commit") });
      expect(readFileSync(join(box.root, ".husky/pre-commit"), "utf8")).toMatch(
        /^# >>> holdfast[\s\S]*npm test\n$/,
      );
      uninstallHooks(husky.place.folder);
      expect(readFileSync(join(box.root, ".husky/pre-commit"), "utf8")).toBe("npm test\n");

      box.file(".gitignore", ".githooks/\n");
      await box.git("config", "core.hooksPath", ".githooks");
      expect((await install(box)).place).toMatchObject({
        versioned: false,
        note: expect.stringContaining("ignored"),
      });
      await box.git("config", "core.hooksPath", join(box.folder, "everyone"));
      const everyone = await install(box);
      expect(everyone.place).toMatchObject({ folder: join(box.folder, "everyone"), versioned: false });
      expect(everyone.place.note).toContain("every repository");
      await box.git("config", "core.hooksPath", "/dev/null");
      const off = await box.run(["git", "install"]);
      expect(off.code).toBe(64);
      expect(off.err).toContain("turned off");
    }),
  );
});

describe("hooks", () => {
  it(
    "refuse a commit of what another holds, in every worktree and however it is made; others' hooks run, too",
    inGitBox(async (box) => {
      const other = await box.worktree("feature");
      const foreign = join(box.root, ".git/hooks/pre-commit");
      box.file(".git/hooks/pre-commit", '#!/bin/sh\necho "foreign $PWD" >&2\ntest ! -e veto\n');
      chmodSync(foreign, 0o755);
      expect((await box.run(["git", "install"], { cwd: other })).code).toBe(0);
      await box.run(["claim", "B", "--paths", "src/a.ts"], { as: "bob", cwd: other });
      for (const name of ["src/a.ts", "src/b.ts"]) box.write(other, name, GitBox.lines(3));
      const commit = (as: string, ...args: string[]) =>
        box.tryGit(["commit", "-qm", "x", ...args], { as, cwd: other });

      const all = await commit("alice", "-a");
      expect(all.code).not.toBe(0);
      expect(all.err).toContain("refused: src/a.ts is held by bob as B");
      expect(all.err).not.toContain("foreign");
      expect((await commit("alice", "src/a.ts")).err).toContain("src/a.ts is held by bob");
      const free = await commit("alice", "src/b.ts");
      expect(free.code, free.err).toBe(0);
      expect(free.err).toBe(`foreign ${other}\n`);
      box.write(other, "veto", "");
      expect((await commit("bob", "-a")).code).not.toBe(0);
      rmSync(join(other, "veto"));
      expect((await commit("bob", "-a")).code).toBe(0);

      // The same file here is nobody's; a merge of it is a commit, too.
      box.file("src/new.ts", "1");
      await box.commit("aside");
      await box.run(["claim", "M", "--paths", "src/a.ts"], { as: "carol" });
      const merge = await box.tryGit(["merge", "-q", "--no-edit", "feature"]);
      expect(merge.code).not.toBe(0);
      expect(merge.err).toContain("src/a.ts is held by carol as M");
      expect((await box.tryGit(["commit", "-qm", "merge"], { as: "carol" })).code).toBe(0);
    }),
  );

  it(
    "never stand in the way: no log, a broken log, no hub, no program, a program that fails",
    inGitBox(async (box) => {
      await install(box);
      const commit = async (env: NodeJS.ProcessEnv = {}) => {
        box.file("src/a.ts", `${Math.random()}`);
        const ran = await box.tryGit(["commit", "-qam", "x"], { env });
        expect(ran.code, ran.err).toBe(0);
        return ran.err;
      };
      expect(await commit()).toContain("there is no log at");
      await box.run(["claim", "B", "--paths", "src"], { as: "bob" });
      expect((await box.tryGit(["commit", "-qam", "x", "--allow-empty"])).code).toBe(0);
      const unreachable = await commit({ HOLDFAST_HUB: "ws://127.0.0.1:9" });
      expect(unreachable).toContain("this commit was not checked");
      const log = join(box.root, ".git/holdfast/log.db");
      for (const name of ["-wal", "-shm", ".status"]) rmSync(`${log}${name}`, { force: true });
      writeFileSync(log, "no log at all".repeat(1000));
      expect(await commit()).toContain("this commit was not checked");

      installHooks((await install(box)).place, { here: { node: "/nowhere/node", script: "/nowhere/x.js" } });
      expect(await commit()).toContain("it is not found");
      const crash = box.file("crash.js", "process.exit(7)");
      installHooks((await install(box)).place, { here: { node: process.execPath, script: crash } });
      await commit();
      const refuse = box.file("refuse.js", "process.exit(2)");
      installHooks((await install(box)).place, { here: { node: process.execPath, script: refuse } });
      box.file("src/a.ts", "refused");
      expect((await box.tryGit(["commit", "-qam", "x"])).code).not.toBe(0);
    }),
  );

  it(
    "say what they are when they are told wrong",
    inGitBox(async (box) => {
      expect((await box.run(["git", "instal"])).err).toContain("Did you mean install?");
      expect((await box.run(["git", "hook", "pre-push"])).code).toBe(64);
      expect((await box.run(["git", "hook", "pre-commit"])).code).toBe(0);
    }),
  );
});
