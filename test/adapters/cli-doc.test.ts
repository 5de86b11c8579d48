/**
 * The doc verbs, end to end: agents that push one file, sync, and what is refused.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../core/hub.ts";
import { finished, type RunOptions, Sandbox } from "./command-line.ts";

const SOURCE =
  "# Title\r\n\r\n```py markpact:file path=app/main.py\r\nprint(1)\r\n```\r\nmiddle\r\n```sh markpact:run\r\npython app/main.py\r\n```\r\nend";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox("real");
});
afterEach(() => box.dispose());

const doc = (args: readonly string[], options: RunOptions = {}) => box.run(["doc", ...args], options);
const read = (file: string) => readFileSync(file, "utf8");

test("put, read and list; put again is refused unless it is meant", async () => {
  const file = box.file("docs/README.md", SOURCE);
  const put = await doc(["put", "docs/README.md", "--json"]);
  expect(put.json).toMatchObject({
    document: "docs/README.md",
    blocks: [{ block: "prose" }, {}, {}, {}, {}],
  });
  expect((await doc(["read", "docs/README.md"])).out).toBe(SOURCE);
  const block = await doc(["read", "docs/README.md", "markpact:run"]);
  expect(block).toMatchObject({ code: 0, out: "python app/main.py\r\n", err: "version 0\n" });
  expect((await doc(["list"])).out).toContain("docs/README.md");
  writeFileSync(file, "new");
  expect(await doc(["put", "docs/README.md"])).toMatchObject({
    code: 2,
    err: expect.stringContaining("already"),
  });
  expect((await doc(["put", "docs/README.md", "--replace"])).code).toBe(0);
  expect((await doc(["read", "docs/README.md"])).out).toBe("new");
});

test("two worktrees push edits of one file: both survive, the file is merged, and undone", async () => {
  const file = box.file("README.md", SOURCE);
  const identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
  execFileSync("git", ["add", "."], { cwd: box.root });
  execFileSync("git", [...identity, "commit", "-q", "-m", "readme"], { cwd: box.root });
  const other = join(box.folder, "other");
  execFileSync("git", ["worktree", "add", "-q", other], { cwd: box.root });
  const copy = join(other, "README.md");
  const bob = { as: "bob", cwd: other };
  await doc(["put", "README.md"]);
  writeFileSync(file, SOURCE.replace("print(1)", "print(2)").replace("Title", "Name"));
  writeFileSync(copy, SOURCE.replace("print(1)", "print(1)\r\nprint(3)").replace("end", "the end"));
  const first = await doc(["push", "README.md", "--json"]);
  expect(first.json).toMatchObject({ conflicts: [], refused: [], written: false });
  // Nobody kept a record of what bob's copy was before: the version it is nearest to is taken.
  const second = await doc(["push", "README.md", "--json"], bob);
  expect(second.json).toMatchObject({ refused: [], written: true });
  const merged = SOURCE.replace("print(1)", "print(2)\r\nprint(3)")
    .replace("Title", "Name")
    .replace("end", "the end");
  expect(read(copy)).toBe(merged);
  expect((await doc(["pull", "README.md"])).code).toBe(0);
  expect(read(file)).toBe(merged);
  expect((await doc(["push", "README.md"])).out).toContain("nothing to push");
  expect((await doc(["history", "README.md"])).out).toMatch(/bob\s+markpact:file=app\/main.py\s+2/);
  expect((await doc(["undo", "README.md", "markpact:file=app/main.py"])).code).toBe(0);
  expect((await doc(["read", "README.md"])).out).toBe(merged.replace("print(2)", "print(1)"));
  const line = await box.run(["log", "--events", "block.patched"]);
  expect(line.out.trim().split("\n").at(-1)).toMatch(/block.patched .*version=3 6 -1 \+"1" undoes=1$/);
});

test("pull keeps what only the file has; blocks come and go by push", async () => {
  const file = box.file("README.md", SOURCE);
  await doc(["put", "README.md"]);
  const patch = await doc(["patch", "README.md", "markpact:run", "--base", "0", "make\r\n"], { as: "bob" });
  expect(patch).toMatchObject({ code: 0, out: "markpact:run: version 1\n" });
  writeFileSync(file, SOURCE.replace("Title", "Mine"));
  const pulled = await doc(["pull", "README.md"]);
  expect(pulled).toMatchObject({ code: 0, err: expect.stringContaining("push it") });
  expect(read(file)).toBe(SOURCE.replace("Title", "Mine").replace("python app/main.py", "make"));
  const more = read(file)
    .replace("middle\r\n", "~~~ markpact:deps\r\nx\r\n~~~\r\nmiddle\r\n")
    .replace(/```py[\s\S]*?```\r\n/, "");
  writeFileSync(file, more);
  expect((await doc(["push", "README.md"])).code).toBe(0);
  expect((await doc(["read", "README.md"])).out).toBe(more);
  const blocks = (await doc(["blocks", "README.md", "--json"])).json.blocks as { block: string }[];
  expect(blocks.map(({ block }) => block)).toContain("markpact:deps");
  expect(blocks.map(({ block }) => block)).not.toContain("markpact:file=app/main.py");
});

test("a claim of another keeps a push out; files of blocks are written inside only", async () => {
  const file = box.file(
    "README.md",
    SOURCE.replace("app/main.py\r\nprint", "../evil.py\r\nprint").replace(
      "sh markpact:run",
      "sh markpact:file=ok/run.sh",
    ),
  );
  await doc(["put", "README.md"]);
  await box.run(["claim", "C", "--paths", "README.md"], { as: "bob" });
  writeFileSync(file, read(file).replace("Title", "Name"));
  expect(await doc(["push", "README.md"])).toMatchObject({
    code: 2,
    out: expect.stringContaining("held by bob"),
  });
  const unpacked = await doc(["unpack", "README.md", "out"]);
  expect(unpacked).toMatchObject({ code: 2, out: "ok/run.sh\n", err: expect.stringContaining("evil") });
  expect(read(join(box.root, "out/ok/run.sh"))).toBe("python app/main.py\r\n");
  expect(existsSync(join(box.root, "evil.py"))).toBe(false);
  expect(await doc(["nonsense"])).toMatchObject({ code: 64 });
});

test("sync keeps file and document in step while it runs, through a hub", { timeout: 60_000 }, async () => {
  await box.serve();
  const file = box.file("README.md", SOURCE);
  const child = box.start(["doc", "sync", "README.md", "--json"]);
  let said = "";
  child.stderr?.on("data", (bytes: Buffer) => {
    said += bytes.toString();
  });
  const ended = finished(child);
  await until(() => said.includes("in step"), "the sync");
  await doc(["patch", "README.md", "markpact:run", "--base", "0", "make\r\n"], { as: "bob" });
  await until(() => read(file).includes("make\r\n"), "bob's change in the file");
  writeFileSync(file, read(file).replace("Title", "Mine"));
  const both = SOURCE.replace("Title", "Mine").replace("python app/main.py", "make");
  let content = "";
  for (let i = 0; i < 50 && content !== both; i++) content = (await doc(["read", "README.md"])).out;
  expect(content).toBe(both);
  child.kill("SIGTERM");
  expect((await ended).code).toBe(0);
  expect(read(file)).toBe(both);
});
