/**
 * Where the command line finds its hub and its log, and what it says where either cannot be used.
 */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { finished, inSandbox, type Sandbox } from "./command-line.ts";

describe("finding the hub", { concurrent: true }, () => {
  it(
    "passes over a hub that was killed, and one that serves another log",
    inSandbox(async (box) => {
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
    }),
  );

  it(
    "takes a free port where the default is taken, tells where, and tidies up",
    inSandbox(async (box) => {
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
    }),
  );

  it(
    "serves others than this machine only with tokens, and asks for them",
    inSandbox(async (box) => {
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
    }),
  );
});

describe("logs that cannot be used", { concurrent: true }, () => {
  it(
    "are named, with what to do",
    inSandbox(async (box) => {
      const file = join(box.folder, "no-log.db");
      writeFileSync(file, "this is no log, but it is long enough to be looked at as a database ".repeat(20));
      for (const args of [["serve"], ["status"], ["claim", "A"]]) {
        const ran = await box.run([...args, "--log", file]);
        expect(ran.code, args[0]).toBe(1);
        expect(ran.err).toContain(file);
      }
    }),
  );

  it(
    "are found sound, or not, by verify",
    inSandbox(async (box) => {
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
    }),
  );

  it(
    "are named where they were written by a newer version",
    inSandbox(async (box) => {
      await box.run(["claim", "A"]);
      const file = join(box.root, ".git/holdfast/log.db");
      const db = new Database(file);
      db.pragma("user_version = 9");
      db.close();
      const ran = await Promise.all(
        [["claims"], ["status"], ["claim", "B"], ["serve"]].map((args) => box.run(args)),
      );
      for (const { code, err } of ran) {
        expect(code).toBe(1);
        expect(err).toMatch(/log\.db was written by a newer version \(format 9.*Update this program/);
      }
    }),
  );

  it(
    "are not made where there is none to read, and a folder is none",
    inSandbox(async (box) => {
      const file = join(box.folder, "none/log.db");
      const status = await box.run(["status", "--log", file]);
      expect(status).toMatchObject({ code: 0, out: expect.stringContaining("not there yet") });
      expect(existsSync(join(box.folder, "none"))).toBe(false);
      const verify = await box.run(["verify", file]);
      expect(verify).toMatchObject({ code: 1, err: expect.stringContaining(`There is no log at ${file}`) });
      const folder = await box.run(["claim", "A", "--log", box.folder]);
      expect(folder).toMatchObject({ code: 64, err: expect.stringContaining(`${box.folder} is a folder`) });
    }),
  );
});

describe("the status that is remembered", () => {
  it(
    "is answered from while it stands, to each its own inbox, and never when the log has moved on",
    inSandbox(async (box) => {
      await box.run(["claim", "A"]);
      await box.run(["send", "bob", "hello"]);
      const file = join(box.root, ".git/holdfast/log.db.status");
      const status = async (as: string) => (await box.run(["status", "--json"], { as })).json;
      const seen = JSON.parse(readFileSync(file, "utf8"));
      const forged = { ...seen, summary: { ...seen.summary, claims: 99 } };
      writeFileSync(file, JSON.stringify(forged));
      expect(await status("alice")).toMatchObject({ claims: 99, inbox: 0, seq: seen.head });
      expect(await status("bob")).toMatchObject({ claims: 99, inbox: 1 });
      writeFileSync(file, JSON.stringify({ ...forged, hash: seen.hash.replace(/^./, "_") }));
      expect(await status("alice")).toMatchObject({ claims: 1 });
      const { child } = await box.serve();
      await box.run(["claim", "B"]);
      child.kill("SIGKILL");
      await box.stop("SIGKILL");
      writeFileSync(file, JSON.stringify(forged));
      expect(await status("bob")).toMatchObject({ claims: 2, inbox: 1 });
      rmSync(`${join(box.root, ".git/holdfast/log.db")}.witness`);
      expect((await box.run(["status"])).err).toContain("its witness file is missing");
    }),
  );
});

/** Whether this process may mount file systems, as a test of disks must. */
const mayMount = ((): boolean => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", folder], { stdio: "ignore" });
    execFileSync("umount", [folder], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
})();

describe.runIf(mayMount)("disks", { concurrent: true }, () => {
  /** A small disk with a log on it, on which alice holds A. */
  const onDisk = (work: (box: Sandbox, disk: string, log: readonly string[]) => Promise<void>) =>
    inSandbox(async (box) => {
      const disk = join(box.folder, "disk");
      mkdirSync(disk);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]);
      try {
        const log = ["--log", join(disk, "log.db")];
        expect((await box.run(["claim", "A", ...log])).code).toBe(0);
        await work(box, disk, log);
      } finally {
        await box.stop();
        execFileSync("umount", [disk]);
      }
    });

  it(
    "that are full: it is said which and what to do, reading goes on, nothing is lost",
    onDisk(async (box, disk, log) => {
      const fill = join(disk, "fill");
      const block = Buffer.alloc(4096);
      const fd = openSync(fill, "w");
      expect(() => {
        for (;;) writeSync(fd, block);
      }).toThrow("ENOSPC");
      closeSync(fd);
      let refused = await box.run(["claim", "more", ...log], { as: "agent-0" });
      // What was set aside for this day is used up first.
      for (let n = 1; refused.code === 0 && n < 40; n++) {
        refused = await box.run(["checkpoint", "more", "x".repeat(60_000), ...log], { as: "agent-0" });
      }
      expect(refused.code).toBe(1);
      expect(refused.err).toMatch(
        /(No room to write|There is no room on the disk to open) \S*log\.db\. Free some disk space/,
      );
      const seen = await box.run(["claims", "--json", ...log]);
      expect(seen.err).toBe("");
      expect(seen.json.items[0]).toMatchObject({ claim: "A", holder: "alice" });
      rmSync(fill);
      expect((await box.run(["renew", "A", ...log])).code).toBe(0);
      expect((await box.run(["verify", join(disk, "log.db")])).code).toBe(0);
    }),
  );

  it(
    "that are read-only: reading and serving go on, writing names the file",
    onDisk(async (box, disk, log) => {
      execFileSync("mount", ["-o", "remount,ro", disk]);
      const [claims, status, refused] = await Promise.all([
        box.run(["claims", "--json", ...log]),
        box.run(["status", "--json", ...log]),
        box.run(["claim", "B", ...log]),
      ]);
      expect(claims.json.items).toMatchObject([{ claim: "A" }]);
      expect(status.json).toMatchObject({ claims: 1 });
      expect(refused).toMatchObject({ code: 1, err: expect.stringContaining(join(disk, "log.db")) });
      expect(refused.err).toContain("Check its owner and mode");
      const { url } = await box.serve(...log);
      expect((await box.run(["claims", "--hub", url, "--json"])).json.items).toMatchObject([{ claim: "A" }]);
      expect((await box.run(["claim", "B", "--hub", url])).code).toBe(1);
    }),
  );
});
