/**
 * `up`, `down` and `ensure`: one hub in the background, found again, and no process ended that is not it.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { appendWords, lastWords, wordsFile } from "../../adapters/cli/words-file.ts";
import { limits } from "../../core/limits.ts";
import { inBackground, quietly, runs, toldOf, until } from "./background.ts";
import { inSandbox } from "./command-line.ts";

const linux = process.platform === "linux";

describe("a hub in the background", { concurrent: true, timeout: 90_000 }, () => {
  it(
    "runs until it is told to end; telling either twice is telling it once",
    inBackground(async (box) => {
      const up = await box.run(["up", "--json", ...quietly]);
      expect(up.code, up.err).toBe(0);
      const told = toldOf(box);
      expect(up.json).toMatchObject({ running: true, started: true, pid: told.pid, urls: told.urls });
      expect((await box.run(["status", "--json"])).json).toMatchObject({ hub: told.urls[0] });
      expect((await box.run(["up", "--json"])).json).toMatchObject({ started: false, pid: told.pid });
      expect((await box.run(["ensure", "--json"])).json).toMatchObject({ started: false, pid: told.pid });
      expect(await box.run(["ensure", "--quiet"])).toMatchObject({ code: 0, out: "", err: "" });
      expect(readFileSync(wordsFile(join(box.root, ".git/holdfast")), "utf8")).toContain("listening at ws:");

      const down = await box.run(["down", "--json"]);
      expect(down).toMatchObject({ code: 0, json: { running: false, stopped: true, pid: told.pid } });
      expect(runs(told.pid)).toBe(false);
      expect((await box.run(["down", "--json"])).json).toEqual({ running: false, stopped: false });
      expect((await box.run(["status", "--json"])).json).toHaveProperty("file");
    }),
  );

  it(
    "is one, however many commands want it at the same time",
    inBackground(async (box) => {
      const ran = await Promise.all(
        Array.from({ length: 4 }, () => box.run(["ensure", "--json", "--quiet"])).concat(
          box.run(["up", "--json"]),
        ),
      );
      expect(ran.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
      const words = readFileSync(wordsFile(join(box.root, ".git/holdfast")), "utf8");
      expect(words.match(/listening at ws:/g)).toHaveLength(1);
      expect(ran[4]?.json.pid).toBe(toldOf(box).pid);
      expect(() => statSync(join(box.root, ".git/holdfast/up.lock"))).toThrow();
    }),
  );

  it(
    "takes the port that init gave the repository, or a free one where that is taken",
    inBackground(async (box) => {
      const { port } = (await box.run(["init", "--host", "claude", "--json"])).json;
      await box.run(["up"]);
      expect(toldOf(box).urls[0]).toBe(`ws://127.0.0.1:${port}`);
      await box.run(["down"]);
      const squatter = createServer().listen(port, "127.0.0.1");
      await new Promise((resolve) => squatter.once("listening", resolve));
      try {
        const up = await box.run(["up", "--json"]);
        expect(up.json.started).toBe(true);
        expect(toldOf(box).urls[0]).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
        expect(toldOf(box).urls[0]).not.toBe(`ws://127.0.0.1:${port}`);
      } finally {
        squatter.close();
      }
    }),
  );

  it(
    "is started anew after it was killed, with a lock left behind by whoever was killed with it",
    inBackground(async (box) => {
      await box.run(["up", ...quietly]);
      const { pid } = toldOf(box);
      process.kill(pid, "SIGKILL");
      await until(() => !runs(pid));
      writeFileSync(join(box.root, ".git/holdfast/up.lock"), `${pid}\n`);
      const again = await box.run(["up", "--json", ...quietly]);
      expect(again.json.started).toBe(true);
      expect(again.json.pid).not.toBe(pid);
    }),
  );

  it.runIf(linux)(
    "never ends another program that was given its number",
    inBackground(async (box) => {
      const stranger = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { stdio: "ignore" });
      const pid = stranger.pid ?? 0;
      try {
        const other = await box.serve("--log", join(box.folder, "other.db"));
        for (const urls of [["ws://127.0.0.1:9"], [other.url]]) {
          const file = join(box.root, ".git/holdfast/hub.json");
          mkdirSync(join(file, ".."), { recursive: true });
          writeFileSync(file, JSON.stringify({ pid, hub: "gone", log: "gone", urls }));
          const down = await box.run(["down"]);
          expect(down.code).toBe(0);
          expect(down.err).toContain("left alone");
          expect(runs(pid)).toBe(true);
          expect(runs(other.child.pid ?? 0)).toBe(true);
          expect(() => statSync(file)).toThrow();
        }
        // Even one that serves, but another log: the file names its process by mistake.
        const file = join(box.root, ".git/holdfast/hub.json");
        const wrong = { pid: other.child.pid, hub: "gone", log: "gone", urls: [other.url] };
        writeFileSync(file, JSON.stringify(wrong));
        const down = await box.run(["down"]);
        expect(down).toMatchObject({ code: 1 });
        expect(down.err).toContain("left alone");
        expect(runs(other.child.pid ?? 0)).toBe(true);
        const up = await box.run(["up", "--json", ...quietly]);
        expect(up.json).toMatchObject({ started: true });
        expect(runs(pid)).toBe(true);
      } finally {
        stranger.kill("SIGKILL");
      }
    }),
  );

  it(
    "says why where it cannot start, and leaves nothing behind",
    inBackground(async (box) => {
      const up = await box.run(["up", "--", "--listen", "gopher://x"]);
      expect(up.code).toBe(3);
      expect(up.err).toContain("The hub was not started: it ended with exit code 64");
      expect(up.err).toContain("gopher");
      expect(() => statSync(join(box.root, ".git/holdfast/up.lock"))).toThrow();
      expect((await box.run(["ensure", "--quiet", "--hub", "ws://127.0.0.1:9"])).code).toBe(0);
      expect(() => toldOf(box)).toThrow();
    }),
  );

  it.runIf(linux)(
    "is ended also where it asks for a token",
    inBackground(async (box) => {
      await box.run(["token", "add", "alice"]);
      const tokens = ["--token-file", join(box.root, ".git/holdfast/tokens")];
      expect((await box.run(["up", ...quietly, ...tokens])).code).toBe(0);
      const { pid } = toldOf(box);
      expect((await box.run(["ensure", "--json"])).json).toMatchObject({ started: false, pid });
      expect((await box.run(["down"])).code).toBe(0);
      expect(runs(pid)).toBe(false);
    }),
  );

  it(
    "has the port that a worktree names, and lives on when that worktree is gone",
    inBackground(async (box) => {
      box.file("../tree/.git", `gitdir: ${join(box.root, ".git/worktrees/tree")}\n`);
      box.file(".git/worktrees/tree/HEAD", "ref: refs/heads/tree\n");
      box.file(".git/worktrees/tree/commondir", "../..\n");
      const tree = join(box.folder, "tree");
      const { port } = (await box.run(["init", "--host", "claude", "--json"], { cwd: tree })).json;
      await box.run(["up"], { cwd: tree });
      expect(toldOf(box).urls[0]).toBe(`ws://127.0.0.1:${port}`);
      rmSync(tree, { recursive: true });
      expect((await box.run(["claim", "A"])).code).toBe(0);
      expect((await box.run(["status", "--json"])).json).toHaveProperty("hub");
      if (linux) {
        expect(readlinkSync(`/proc/${toldOf(box).pid}/cwd`)).toBe(join(box.root, ".git/holdfast"));
      }
    }),
  );
});

describe("its words", () => {
  it(
    "take up two bounded files at most",
    inSandbox(async (box) => {
      const file = join(box.folder, "hub.log");
      const line = "x".repeat(10_000);
      for (let i = 0; i < 250; i++) appendWords(file, `${i} ${line}`);
      expect(statSync(file).size).toBeLessThan(limits.hubWordsBytesMax + 20_000);
      expect(statSync(`${file}.1`).size).toBeLessThan(limits.hubWordsBytesMax + 20_000);
      expect(lastWords(file, 1)[0]).toContain(" 249 x");
      appendWords(join(box.folder, "no", "such", "folder"), "is no failure");
    }),
  );
});
