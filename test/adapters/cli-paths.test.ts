/**
 * Paths as they are given on a command line, and what they become; epochs as they are remembered; who is speaking.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { nearest, parseArguments } from "../../adapters/cli/arguments.ts";
import { formatSpan, parseDuration, parseMoment } from "../../adapters/cli/durations.ts";
import { safeLine, safeText, table } from "../../adapters/cli/render.ts";
import { whoAmI } from "../../adapters/place/identity.ts";
import { toScope } from "../../adapters/place/paths.ts";
import { findRepository } from "../../adapters/place/repository.ts";
import { Refused } from "../../core/client/refused.ts";
import { isQuery } from "../../core/client/visit.ts";
import { tables } from "../../core/model/model.ts";
import { Sandbox } from "./command-line.ts";

describe("paths", () => {
  let box: Sandbox;
  beforeAll(() => {
    box = new Sandbox("real");
    box.file("src/a.py");
    box.file("src/auth/login.ts");
    box.file("app/[id]/page.tsx");
    box.file("with space/café.txt");
    symlinkSync(join(box.root, "src"), join(box.root, "link"));
    symlinkSync("a.py", join(box.root, "src/alias.py"));
    symlinkSync(box.root, join(box.folder, "elsewhere"));
    symlinkSync("/etc/hosts", join(box.root, "leak"));
    symlinkSync("src/not-yet.py", join(box.root, "dangling"));
  });
  afterAll(() => box.dispose());

  const cases: readonly (readonly [given: string, cwd: string, scope: object])[] = [
    ["src/a.py", ".", { files: ["src/a.py"] }],
    ["a.py", "src", { files: ["src/a.py"] }],
    ["./a.py", "src", { files: ["src/a.py"] }],
    ["../src/a.py", "app", { files: ["src/a.py"] }],
    ["ROOT/src/a.py", "app", { files: ["src/a.py"] }],
    ["FOLDER/elsewhere/src/a.py", ".", { files: ["src/a.py"] }],
    ["link/a.py", ".", { files: ["src/a.py"] }],
    ["src/alias.py", ".", { files: ["src/a.py"] }],
    ["dangling", ".", { paths: ["src/not-yet.py"] }],
    ["link/new/deep.py", ".", { paths: ["src/new/deep.py"] }],
    ["src", ".", { paths: ["src"] }],
    ["src/", ".", { paths: ["src"] }],
    [".", "src", { paths: ["src"] }],
    [".", ".", { paths: ["**"] }],
    ["**", "src", { paths: ["src/**"] }],
    ["src/*.py", ".", { paths: ["src/*.py"] }],
    ["*.{ts,py}", "src", { paths: ["src/*.{ts,py}"] }],
    ["ROOT/src/**/test_*.py", "app", { paths: ["src/**/test_*.py"] }],
    ["link/**", ".", { paths: ["src/**"] }],
    ["new.py", "src", { paths: ["src/new.py"] }],
    ["app/[id]/page.tsx", ".", { files: ["app/[id]/page.tsx"] }],
    ["app/[id]", ".", { paths: ["app/[[]id]"] }],
    ["*.tsx", "app/[id]", { paths: ["app/[[]id]/*.tsx"] }],
    ["with space/café.txt", ".", { files: ["with space/café.txt"] }],
    ["src/*/../a.py", ".", { paths: ["src/*/../a.py"] }],
  ];
  it.each(cases)("%s in %s", (given, cwd, scope) => {
    const path = given.replace("ROOT", box.root).replace("FOLDER", box.folder);
    expect(toScope([path], box.root, join(box.root, cwd))).toEqual(scope);
  });

  const outside = [
    "..",
    "../x",
    "/etc/hosts",
    "src/../../x",
    "~/x",
    "leak",
    "FOLDER/new",
    "../*.ts",
    "ROOT2/x",
  ];
  it.each(outside)("%s is outside", (given) => {
    const path = given.replace("ROOT", box.root).replace("FOLDER", box.folder);
    let thrown: unknown;
    try {
      toScope([path], box.root, box.root);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(Refused);
    expect(thrown).toMatchObject({ code: "scope.outside" });
  });

  it("outside are refused with exit code 2", async () => {
    const ran = await box.run(["claim", "A", "--paths", "/etc/hosts", "--json"]);
    expect(ran.code).toBe(2);
    expect(ran.json).toMatchObject({ code: "scope.outside", path: "/etc/hosts" });
  });

  it("several, mixed and double, become one scope", () => {
    expect(toScope(["src/a.py", "src", "./src/a.py", "x"], box.root, box.root)).toEqual({
      files: ["src/a.py"],
      paths: ["src", "x"],
    });
  });
});

describe("worktrees", () => {
  let box: Sandbox;
  beforeEach(() => {
    box = new Sandbox("real");
  });
  afterEach(() => box.dispose());

  it("of one repository share its log, and do not refuse one another", async () => {
    const other = join(box.folder, "other");
    execFileSync("git", ["worktree", "add", "-q", "-b", "side", other], { cwd: box.root });
    expect(findRepository(other)).toEqual({ ...findRepository(box.root), root: other });
    mkdirSync(join(other, "deep/er"), { recursive: true });
    expect(findRepository(join(other, "deep/er")).root).toBe(other);
    const first = await box.run(["claim", "A", "--paths", "src", "--json"]);
    const second = await box.run(["claim", "B", "--paths", "src", "--json"], { as: "bob", cwd: other });
    expect(second.json).toMatchObject({
      scope: { worktree: other },
      nearby: [{ claim: "A", holder: "alice" }],
    });
    expect(first.json.scope.worktree).toBe(box.root);
  });

  it("outside git keep their log in .holdfast, found from below", async () => {
    const bare = new Sandbox("none");
    try {
      await bare.run(["claim", "A"]);
      mkdirSync(join(bare.root, "deep/er"), { recursive: true });
      const below = await bare.run(["claims", "--json"], { cwd: join(bare.root, "deep/er") });
      expect(below.json.items).toHaveLength(1);
      expect(findRepository(join(bare.root, "deep")).folder).toBe(join(bare.root, ".holdfast"));
    } finally {
      await bare.dispose();
    }
  });
});

describe("epochs (CL23)", () => {
  let box: Sandbox;
  beforeEach(() => {
    box = new Sandbox("real");
  });
  afterEach(() => box.dispose());

  it("are those that were granted here, not those that stand when a command runs", async () => {
    const other = join(box.folder, "other");
    execFileSync("git", ["worktree", "add", "-q", "-b", "side", other], { cwd: box.root });
    const first = (await box.run(["claim", "A", "--json"])).json.epoch as number;
    // The same agent, started anew in another worktree, supersedes its former self.
    const second = (await box.run(["claim", "A", "--json"], { cwd: other })).json.epoch as number;
    expect(second).toBeGreaterThan(first);
    for (const verb of [
      ["renew", "A"],
      ["checkpoint", "A", "late"],
      ["release", "A"],
      ["claim", "A"],
      ["handoff", "A", "--to", "bob"],
    ]) {
      const late = await box.run([...verb, "--json"]);
      expect(late.code, verb[0]).toBe(2);
      expect(["claim.stale", "agent.unknown"], verb[0]).toContain(late.json.code);
    }
    expect((await box.run(["renew", "A"], { cwd: other })).code).toBe(0);
    expect((await box.run(["renew", "A", "--epoch", String(second)])).code).toBe(0);
  });

  it("that ended here stay dead, and a new claim starts afresh", async () => {
    const first = (await box.run(["claim", "A", "--json"])).json.epoch as number;
    await box.run(["release", "A"]);
    await box.run(["claim", "A"], { cwd: box.root, env: { HOLDFAST_WORKTREE: "elsewhere" } });
    expect((await box.run(["release", "A", "--json"])).json).toMatchObject({ code: "claim.stale" });
    await box.run(["release", "A"], { env: { HOLDFAST_WORKTREE: "elsewhere" } });
    const again = (await box.run(["claim", "A", "--json"])).json.epoch as number;
    expect(again).toBeGreaterThan(first);
  });

  it("are asked for where none is remembered", async () => {
    await box.run(["claim", "A"], { as: "bob" });
    const ran = await box.run(["renew", "A", "--json"]);
    expect(ran.code).toBe(2);
    expect(ran.json).toMatchObject({ code: "claim.not-holder", holder: "bob" });
    expect(ran.err).toContain("--epoch");
  });
});

describe("who is speaking", () => {
  it("is what was said, else the environment, else the session", () => {
    expect(whoAmI("carol", { HOLDFAST_AGENT: "alice" })).toBe("carol");
    expect(whoAmI(undefined, { HOLDFAST_AGENT: "alice", CLAUDE_CODE_SESSION_ID: "x" })).toBe("alice");
    const id = "0b51a6f2-77aa-4c2d-9c7e-aaaaaaaaaaaa";
    const host = whoAmI(undefined, { CLAUDE_CODE_SESSION_ID: id });
    expect(host).toMatch(/^claude-/);
    expect(whoAmI(undefined, { CLAUDE_CODE_SESSION_ID: id, SHLVL: "3" })).toBe(host);
    expect(whoAmI(undefined, { CODEX_THREAD_ID: "a b\n" })).toMatch(/^codex-[0-9a-f]{12}$/);
    const session = "01a1f9f7-17ab-7c81-9ae5-8ea9664355ae";
    const thread = "01a1f9f7-1b40-7dc3-ae88-d64d1e54198a";
    const codex = (id: string) => whoAmI(undefined, { CODEX_SESSION_ID: session, CODEX_THREAD_ID: id });
    expect(codex(session)).toBe("codex-01a1f9f7-17ab");
    expect(codex(thread), "a subagent's shell").toBe(`codex-01a1f9f7-17ab/${thread}`);
    expect(whoAmI(undefined, { USER: "ann" })).toMatch(/^ann-\d+/);
    expect(whoAmI(undefined, { USER: "ann" })).toBe(whoAmI(undefined, { USER: "ann" }));
  });
});

describe("words", () => {
  it("are read by the verb's options", () => {
    const options = [
      { name: "paths", kind: "list", about: "" },
      { name: "ttl", kind: "duration", about: "" },
      { name: "json", kind: "flag", about: "", short: "j" },
      { name: "n", kind: "integer", about: "" },
    ] as const;
    const args = parseArguments(["A", "--paths", "a", "b", "--ttl=5m", "-j", "--n", "3"], options, {
      min: 1,
      max: 1,
    });
    expect([
      args.words,
      args.list("paths"),
      args.durationMs("ttl"),
      args.flag("json"),
      args.integer("n"),
    ]).toEqual([["A"], ["a", "b"], 300_000, true, 3]);
    const rest = parseArguments(["A", "--", "x", "--ttl"], options, { min: 1, max: 1, rest: true });
    expect([rest.words, rest.rest]).toEqual([["A"], ["x", "--ttl"]]);
    expect(() => parseArguments(["A", "B"], options, { min: 1, max: 1 })).toThrow("Too many words");
    expect(() => parseArguments(["--ttl"], options, { min: 0, max: 1 })).toThrow("needs");
    expect(() => parseArguments(["--n", "1.5"], options, { min: 0, max: 1 }).integer("n")).toThrow(
      "whole number",
    );
    expect(nearest("--tll", ["--ttl", "--json"])).toBe("--ttl");
    expect(nearest("zzz", ["--ttl"])).toBeUndefined();
  });

  it("that are durations and moments", () => {
    expect(["90s", "15m", "2h", "1h30m", "500ms", "30d"].map((text) => parseDuration(text, ""))).toEqual([
      90_000, 900_000, 7_200_000, 5_400_000, 500, 2_592_000_000,
    ]);
    for (const text of ["", "5", "m", "5 m", "-5m", "5x", "1h x"])
      expect(() => parseDuration(text, ""), text).toThrow();
    expect([formatSpan(999), formatSpan(61_000), formatSpan(3_600_000), formatSpan(90_000_000)]).toEqual([
      "1s",
      "1m 1s",
      "1h",
      "25h",
    ]);
    const now = new Date(2026, 1, 3, 12, 0, 0).getTime();
    expect(parseMoment("11:30", now)).toBe(now - 1_800_000);
    expect(parseMoment("15m", now)).toBe(now - 900_000);
    expect(parseMoment("2026-02-03T12:00:00", now)).toBe(now);
    expect(parseMoment("soon", now)).toBeUndefined();
  });

  it("of agents move and colour no terminal", () => {
    expect(safeText("a\u001b[31mred\u001b[0m\u001b]0;title\u0007b\u009b2Jc\u009d8;;x\u009cd")).toBe(
      "aredbcd",
    );
    expect(safeText("x\u202egnp.exe\u2066y\u200f\u0000\u0008z")).toBe("xgnp.exeyz");
    expect(safeText("one\r\ntwo\tthree\u001b")).toBe("one\ntwo\tthree");
    expect(safeText("kept: é 漢 🙂")).toBe("kept: é 漢 🙂");
    expect(safeLine("two\nlines\u2028more")).toBe("two lines more");
    expect(
      table(
        ["A", "B"],
        [
          ["x\u001b[2J", 1],
          ["longer\nname", undefined],
        ],
        false,
      ),
    ).toBe("A            B\nx            1\nlonger name");
  });

  it("tell commands from questions as the tables do", () => {
    for (const method of Object.keys(tables.commands)) expect(isQuery(method), method).toBe(false);
    for (const method of Object.keys(tables.queries)) expect(isQuery(method), method).toBe(true);
    for (const method of ["log.read", "state.at", "path.history", "task.history"])
      expect(isQuery(method)).toBe(true);
  });
});

describe("a repository", () => {
  it("is found through a file that names its folder, and is none without a HEAD", () => {
    const box = new Sandbox("none");
    try {
      mkdirSync(join(box.root, "sub/.git"), { recursive: true });
      expect(findRepository(join(box.root, "sub")).folder).toBe(join(box.root, "sub/.holdfast"));
      mkdirSync(join(box.root, "real.git"));
      writeFileSync(join(box.root, "real.git/HEAD"), "ref: refs/heads/main\n");
      writeFileSync(join(box.root, ".git"), "gitdir: real.git\n");
      expect(findRepository(join(box.root, "sub"))).toMatchObject({
        root: box.root,
        gitCommonDir: join(box.root, "real.git"),
      });
    } finally {
      void box.dispose();
    }
  });
});
