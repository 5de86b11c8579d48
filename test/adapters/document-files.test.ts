/**
 * Files and documents: kept in step both ways, written whole, pushed without overwriting anybody, never
 * written outside.
 */
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { likelyBase, onTop, planPush } from "../../adapters/files/push.ts";
import { type FileSync, type SyncReport, startSync } from "../../adapters/files/sync.ts";
import { targetOf } from "../../adapters/files/targets.ts";
import { readTextFile, writeTextFile } from "../../adapters/files/text-file.ts";
import { findFences } from "../../adapters/node/fences.ts";
import type { Client } from "../../core/client/client.ts";
import { parseMarkpact, render } from "../../core/model/markpact.ts";
import { Hub, until } from "../core/hub.ts";

const parse = (text: string) => parseMarkpact(text, findFences);
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "holdfast-files-"));
  closing.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const SOURCE = "# Title\r\n\r\n```py markpact:run\r\nrun\r\n```\r\nend";

async function synced(source = SOURCE) {
  const hub = await Hub.open(undefined, { fences: findFences });
  closing.push(() => hub.close());
  const [ann, ben] = [await hub.client("ann"), await hub.client("ben")];
  await ann.call("document.put", { document: "D", format: "markpact", content: source });
  const file = join(folder(), "README.md");
  writeFileSync(file, source);
  const document = await ann.document("D");
  const reports: SyncReport[] = [];
  const sync = await startSync(
    { file, document, parse, report: (one) => reports.push(one), settleMs: 20 },
    { text: source, blocks: document.blocks },
  );
  closing.push(() => sync.close());
  return { hub, ann, ben, file, document, sync, reports };
}

const content = async (client: Client) =>
  ((await client.call("document.read", { document: "D" })) as { content: string }).content;

async function both(
  client: Client,
  file: string,
  sync: FileSync,
  holds: (text: string) => boolean,
): Promise<string> {
  await until(() => holds(readFileSync(file, "utf8")), "the file");
  for (let i = 0; i < 200; i++) {
    await sync.idle();
    const text = readFileSync(file, "utf8");
    if ((await content(client)) === text && holds(text)) return text;
  }
  throw new Error(
    `file ${JSON.stringify(readFileSync(file, "utf8"))}, document ${JSON.stringify(await content(client))}`,
  );
}

describe("in step", () => {
  test("the file is edited, and the document is; only a patch travels", async () => {
    const { ben, file, sync, ann } = await synced();
    writeFileSync(file, SOURCE.replace("run\r\n```", "go\r\n```"));
    expect(await both(ben, file, sync, (text) => text.includes("go\r\n"))).toBe(
      SOURCE.replace("run\r\n```", "go\r\n```"),
    );
    const { items } = await ann.call("document.history", { document: "D" });
    expect(items).toMatchObject([
      { block: "markpact:run", by: "ann", changes: [{ from: 0, to: 3, insert: "go" }] },
    ]);
  });

  test("the document is edited, and the file is, without an echo", async () => {
    const { ben, file, sync } = await synced();
    await ben.call("block.patch", {
      document: "D",
      block: "prose",
      base: 0,
      changes: [{ from: 2, to: 7, insert: "Name" }],
    });
    const seq = ben.seq;
    expect(await both(ben, file, sync, (text) => text.startsWith("# Name\r\n"))).toBe(
      SOURCE.replace("Title", "Name"),
    );
    for (let i = 0; i < 5; i++) await sync.idle();
    expect((await ben.call("document.read", { document: "D" })).seq).toBe(seq);
    expect(readdirSync(join(file, "..")).filter((name) => name !== "README.md")).toEqual([]);
  });

  test("an editor's save by renaming, and blocks that come and go", async () => {
    const { ben, file, sync } = await synced();
    const edited = `${SOURCE.replace("end", "~~~js markpact:file path=a.js\r\n1\r\n~~~\r\nthe end")}`;
    writeFileSync(`${file}~`, edited);
    renameSync(`${file}~`, file);
    expect(await both(ben, file, sync, (text) => text.includes("a.js"))).toBe(edited);
    const { items } = await ben.call("document.blocks", { document: "D" });
    expect(items.map(({ block }) => block)).toEqual([
      "prose",
      "markpact:run",
      "markpact:file=a.js",
      "prose#2",
    ]);
    writeFileSync(file, edited.replace(/```py[\s\S]*?```\r\n/, ""));
    await both(ben, file, sync, (text) => !text.includes("py"));
    expect((await ben.call("document.blocks", { document: "D" })).items).toHaveLength(3);
  });

  test("a file that is half written is waited for", async () => {
    const { ben, file, sync, ann } = await synced();
    const edited = SOURCE.replace("run\r\n```", "go\r\n```");
    writeFileSync(file, SOURCE.slice(0, 9));
    await new Promise((resolve) => setTimeout(resolve, 60));
    appendFileSync(file, edited.slice(9));
    expect(await both(ben, file, sync, (text) => text === edited)).toBe(edited);
    expect((await ann.call("document.history", { document: "D" })).items).toHaveLength(1);
  });

  test("both sides at once, again and again: nothing is lost, and all end the same", async () => {
    const { ben, file, sync } = await synced("a\n\n```py markpact:run\nrun\n```\nz\n");
    for (let round = 0; round < 8; round++) {
      const text = readFileSync(file, "utf8");
      writeFileSync(file, text.replace(/^a/, `a${String.fromCharCode(0x4e00 + round)}`));
      const { items } = await ben.call("document.blocks", { document: "D" });
      const run = items.find(({ block }) => block === "markpact:run");
      const changes = [{ from: 0, insert: String.fromCharCode(0x5e00 + round) }];
      await ben.call("block.patch", {
        document: "D",
        block: "markpact:run",
        base: run?.version ?? 0,
        changes,
      });
      await new Promise((resolve) => setTimeout(resolve, round * 7));
    }
    const all = Array.from({ length: 8 }, (_, i) => [
      String.fromCharCode(0x4e00 + i),
      String.fromCharCode(0x5e00 + i),
    ]).flat();
    const text = await both(ben, file, sync, (text) => all.filter((one) => text.includes(one)).length >= 9);
    // A save that was overtaken by a writing here, and overwritten by the next save, is the file's own
    // affair.
    for (const one of all.filter((char) => char >= "\u5e00")) expect(text.split(one)).toHaveLength(2);
  });
});

describe("pushing", () => {
  const base = parse(
    "# A\n```py markpact:run\nrun\n```\nmid\n```py markpact:file path=a.py\n1\n```\nend\n",
  ).map((block) => ({ ...block, version: 3 }));
  const plan = (text: string, guessed = false) =>
    planPush(base, parse(text), { taken: base.map(({ block }) => block), guessed });

  test("only what differs is asked for", () => {
    expect(plan(render(base))).toEqual([]);
    expect(plan(render(base).replace("mid", "middle"))).toMatchObject([
      { do: "patch", block: "prose#2", base: 3, changes: [{ from: 3, insert: "dle" }] },
    ]);
    expect(plan(render(base).replace("mid\n", "mid\n```sh markpact:test\nt\n```\n"))).toMatchObject([
      { do: "insert", block: "markpact:test", content: "```sh markpact:test\nt\n```\n", after: "prose#2" },
    ]);
    expect(plan(render(base).replace(/```py markpact:run[\s\S]*?```\nmid\n/, ""))).toMatchObject([
      { do: "remove", block: "markpact:run", base: 3 },
      { do: "remove", block: "prose#2", base: 3 },
    ]);
    expect(plan("# A\n", true)).toEqual([]);
  });

  test("blocks in another order are moved, as few as can be", () => {
    const moved = "# A\n```py markpact:file path=a.py\n1\n```\nmid\n```py markpact:run\nrun\n```\nend\n";
    const steps = plan(moved);
    expect(steps.every((step) => step.do === "move")).toBe(true);
    expect(steps.length).toBeLessThanOrEqual(2);
  });

  test("the base of a file nobody kept a record of is the version it differs least from", () => {
    const versions = [
      { version: 2, text: "one TWO three FOUR" },
      { version: 1, text: "one two three FOUR" },
      { version: 0, text: "one two three four" },
    ];
    expect(likelyBase(versions, "one two 3 four")?.version).toBe(0);
    expect(likelyBase(versions, "one two three FOUR!")?.version).toBe(1);
    expect(onTop("abc", [{ from: 1, to: 2, insert: "B" }], "xabc")).toEqual({
      changes: [{ from: 2, to: 3, insert: "B" }],
      met: 0,
    });
  });
});

describe("files", () => {
  test("are read exactly, and written whole, links and modes kept", () => {
    const dir = folder();
    const file = join(dir, "a.md");
    expect(readTextFile(file)).toBeUndefined();
    writeTextFile(file, "\ufeffa\r\nb\u0000🦀");
    expect(readTextFile(file)).toBe("\ufeffa\r\nb\u0000🦀");
    symlinkSync(file, join(dir, "link.md"));
    writeTextFile(join(dir, "link.md"), "x");
    expect(readFileSync(file, "utf8")).toBe("x");
    expect(writeTextFile(file, "y", () => true)).toBe(false);
    expect(readFileSync(file, "utf8")).toBe("x");
    writeFileSync(join(dir, "script"), "s", { mode: 0o755 });
    writeTextFile(join(dir, "script"), "t");
    expect(statSync(join(dir, "script")).mode & 0o777).toBe(0o755);
    writeFileSync(file, Buffer.from([0xff, 0xfe]));
    expect(() => readTextFile(file)).toThrow("UTF-8");
    expect(readdirSync(dir).sort()).toEqual(["a.md", "link.md", "script"]);
  });

  test("of blocks are never written outside the project", () => {
    const root = folder();
    const elsewhere = folder();
    mkdirSync(join(root, "src"));
    symlinkSync(elsewhere, join(root, "out"));
    symlinkSync(join(root, "src"), join(root, "in"));
    writeFileSync(join(root, "file"), "");
    for (const path of ["a.py", "src/a.py", "new/deep/a.py", "in/a.py", "file", "..a/b", ".gitignore"]) {
      expect(targetOf(root, path), path).toHaveProperty("file");
    }
    const bad = [
      "",
      "..",
      "../a",
      "src/../../a",
      "/etc/passwd",
      "~/a",
      "a/../b",
      "./a",
      "a//b",
      "a/",
      "C:\\a",
      "c:a",
      "a\\..\\b",
      "a\u0000",
      "out/a",
      "file/a",
      "src",
      ".git/config",
      ".GIT/hooks/x",
      "a/.git./b",
      ".holdfast/log.db",
      "out",
    ];
    for (const path of bad) expect(targetOf(root, path), path).toHaveProperty("refused");
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("..", ".", "", "a", "out", "in", "/", "\\", "~", ".git"), { maxLength: 6 }),
        (parts) => {
          const target = targetOf(root, parts.join("/"));
          if ("refused" in target) return;
          writeProbe(target.file, root);
        },
      ),
    );
    expect(readdirSync(elsewhere)).toEqual([]);
  });
});

/** What is written to a target stands below the root. */
function writeProbe(file: string, root: string): void {
  expect(file.startsWith(`${root}/`) || file.includes("holdfast-files-")).toBe(true);
  mkdirSync(join(file, ".."), { recursive: true });
  if (statSync(file, { throwIfNoEntry: false }) === undefined) writeFileSync(file, "");
  rmSync(file);
}
