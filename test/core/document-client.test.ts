/**
 * Documents held by clients: edits at once, merged over whatever the connection does; what goes wrong is
 * told.
 */
import { afterEach, describe, expect, test } from "vitest";
import { findFences } from "../../adapters/node/fences.ts";
import { sha256 } from "../../adapters/node/hash.ts";
import type { Client } from "../../core/client/client.ts";
import type { DocumentNotice, SharedDocument } from "../../core/client/document.ts";
import { limits } from "../../core/limits.ts";
import { errorOf, Hub, until } from "./hub.ts";

let hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs) await hub.close();
  hubs = [];
});

const SOURCE = "# Title\n\n```py markpact:run\nrun\n```\nend\n";

async function opened() {
  const hub = await Hub.open(undefined, { fences: findFences });
  hubs.push(hub);
  const [ann, ben] = [await hub.client("ann"), await hub.client("ben")];
  return { hub, ann, ben };
}

async function text(content: string) {
  const { hub, ann, ben } = await opened();
  await ann.call("document.put", { document: "D", format: "text", content });
  return { hub, ann, ben, anns: await held(ann), bens: await held(ben) };
}

interface Held {
  readonly doc: SharedDocument;
  readonly notices: DocumentNotice[];
}

async function held(client: Client): Promise<Held> {
  const doc = await client.document("D", { hash: sha256 });
  const notices: DocumentNotice[] = [];
  doc.notices$.subscribe((notice) => notices.push(notice));
  return { doc, notices };
}

const content = async (client: Client) =>
  (await client.call("document.read", { document: "D" })) as { content: string };

/** Waits until all show what the hub has, with nothing on the way. */
async function agreed(client: Client, ...held: readonly Held[]): Promise<string> {
  for (const { doc } of held) await doc.settled();
  const { content: truth } = await content(client);
  await until(() => held.every(({ doc }) => doc.content === truth), "agreement");
  return truth;
}

describe("editing", () => {
  test("an edit shows at once, and at the other's soon", async () => {
    const { ann, anns, bens } = await text("hello");
    anns.doc.edit("text", [{ from: 5, insert: " world" }]);
    expect(anns.doc.text("text")).toBe("hello world");
    expect(anns.doc.unconfirmed).toEqual(["text"]);
    anns.doc.write("text", "Hello world!");
    expect(await agreed(ann, anns, bens)).toBe("Hello world!");
    expect(bens.notices).toContainEqual({
      kind: "changed",
      by: "ann",
      shown: [{ block: "text", changes: expect.anything() }],
    });
    expect(anns.notices).toEqual([]);
    // What was edited in one turn went as one patch.
    const { items } = await ann.call("document.history", { document: "D" });
    expect(items).toHaveLength(1);
    expect(() => anns.doc.edit("text", [{ from: 99, insert: "x" }])).toThrow("fit");
    expect(() => anns.doc.edit("nobody", [])).toThrow("no such block");
  });

  test("both type at once; both edits survive; a meeting is told to both", async () => {
    const { ann, anns, bens } = await text("one two three");
    anns.doc.edit("text", [{ from: 0, to: 3, insert: "1" }]);
    bens.doc.edit("text", [{ from: 8, to: 13, insert: "3" }]);
    expect(await agreed(ann, anns, bens)).toBe("1 two 3");
    anns.doc.edit("text", [{ from: 2, to: 5, insert: "A" }]);
    bens.doc.edit("text", [{ from: 3, to: 5, insert: "B" }]);
    const merged = await agreed(ann, anns, bens);
    expect(merged).toMatch(/^1 (AB|AB|BA) 3$/);
    for (const { notices } of [anns, bens]) {
      const conflict = notices.find(({ kind }) => kind === "conflict");
      expect(conflict).toMatchObject({ block: "text", ranges: [{ by: expect.stringMatching(/ann|ben/) }] });
    }
  });

  test("blocks are put in, moved, removed, undone", async () => {
    const { ann, ben } = await opened();
    await ann.call("document.put", { document: "D", format: "markpact", content: SOURCE });
    const [anns, bens] = [await held(ann), await held(ben)];
    await anns.doc.insert({ kind: "file", meta: "path=a.py", text: "x\n", after: "prose" });
    anns.doc.edit("markpact:run", [{ from: 0, to: 3, insert: "go" }]);
    await bens.doc.move("markpact:run", { before: "prose" });
    await agreed(ann, anns, bens);
    expect(bens.doc.blocks.map(({ block }) => block)).toEqual([
      "markpact:run",
      "prose",
      "markpact:file=a.py",
      "prose#2",
    ]);
    await anns.doc.undo("markpact:run");
    await bens.doc.remove("prose#2");
    expect(await agreed(ann, anns, bens)).toBe(
      "```py markpact:run\nrun\n```\n# Title\n\n```markpact:file path=a.py\nx\n```\n",
    );
  });
});

describe("breaks", () => {
  test("edits made offline are merged when the connection is back, once, wherever it broke", async () => {
    const { hub, ann, anns, bens } = await text("0123456789");
    let n = 0;
    for (let round = 0; round < 30; round++) {
      const [side, frames] = [round % 2 === 0 ? "toHub" : "toClient", round % 3] as const;
      // The break loses what is on the way from some frame on.
      let passed = 0;
      hub.tap[side] = () => passed++ < frames;
      for (const { doc } of [anns, bens]) {
        const { length } = doc.text("text") ?? "";
        doc.edit("text", [{ from: (round * 7) % (length + 1), insert: String.fromCharCode(0x4e00 + n++) }]);
        await Promise.resolve();
      }
      await new Promise((resolve) => setTimeout(resolve, round % 4));
      hub.cut(round % 2 === 0 ? "hub" : "client");
      delete hub.tap[side];
    }
    const merged = await agreed(ann, anns, bens);
    for (let i = 0; i < n; i++) expect(merged.split(String.fromCharCode(0x4e00 + i))).toHaveLength(2);
    expect(merged.replace(/[^\d]/g, "")).toBe("0123456789");
  });

  test("offline for longer than patches are kept: it catches up from the log and goes on", async () => {
    const { hub, ann, ben, anns, bens } = await text("base");
    let lost = false;
    // Ann's first patch never reaches the hub; it is away for her while Ben goes on.
    hub.tap.toHub = (frame) => {
      if (lost || !frame.includes("block.patch") || !frame.includes("ANN")) return true;
      return false;
    };
    anns.doc.edit("text", [{ from: 4, insert: "ANN" }]);
    await Promise.resolve();
    for (let i = 0; i <= limits.patchesPerBlock; i += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, j) =>
          ben.call("block.patch", {
            document: "D",
            block: "text",
            base: i + j,
            changes: [{ from: 0, insert: "b" }],
          }),
        ),
      );
    }
    lost = true;
    hub.cut();
    const merged = await agreed(ann, anns, bens);
    expect(merged).toBe(`${"b".repeat(1100)}baseANN`);
  });

  test("a hub that starts anew on the same log", async () => {
    const { hub, ann, anns, bens } = await text("x");
    anns.doc.edit("text", [{ from: 1, insert: "a" }]);
    await hub.restart();
    bens.doc.edit("text", [{ from: 0, insert: "b" }]);
    hub.cut();
    expect(await agreed(ann, anns, bens)).toBe("bxa");
  });
});

describe("what goes wrong is told", () => {
  test("edits the hub refuses stay, until they are sent again or given up", async () => {
    const { ann, ben } = await opened();
    await ann.call("document.put", { document: "D", format: "text", content: "abc", path: "a.md" });
    const anns = await held(ann);
    const { epoch } = await ben.call("claim.acquire", { claim: "C", scope: { paths: ["*.md"] } });
    anns.doc.edit("text", [{ from: 3, insert: "d" }]);
    expect(await errorOf(anns.doc.settled())).toMatchObject({ code: "claim.overlap" });
    expect(anns.notices).toMatchObject([
      { kind: "refused", block: "text", rejection: { code: "claim.overlap" } },
    ]);
    expect(anns.doc.text("text")).toBe("abcd");
    await ben.call("claim.release", { claim: "C", epoch });
    anns.doc.retry();
    expect(await agreed(ann, anns)).toBe("abcd");
    await ben.call("claim.acquire", { claim: "C", scope: { paths: ["*.md"] } });
    anns.doc.edit("text", [{ from: 0, to: 4 }]);
    await errorOf(anns.doc.settled());
    anns.doc.discard("text");
    expect(await agreed(ann, anns)).toBe("abcd");
  });

  test("a block that is gone, with edits to it", async () => {
    const { ann, ben } = await opened();
    await ann.call("document.put", { document: "D", format: "markpact", content: SOURCE });
    const [anns, bens] = [await held(ann), await held(ben)];
    const gone = bens.doc.remove("markpact:run");
    anns.doc.edit("markpact:run", [{ from: 0, insert: "mine " }]);
    await gone;
    await until(() => anns.notices.some(({ kind }) => kind === "lost"), "the loss");
    expect(anns.notices.find(({ kind }) => kind === "lost")).toMatchObject({ block: "markpact:run" });
    expect(anns.doc.text("markpact:run")).toBeUndefined();
    await agreed(ann, anns, bens);
  });

  test("a copy that does not agree with the hub's hash is read again, edits kept", async () => {
    const { ann, ben, bens } = await text("abc");
    const doc = await ann.document("D", { hash: () => "0".repeat(64) });
    const notices: DocumentNotice[] = [];
    doc.notices$.subscribe((notice) => notices.push(notice));
    doc.edit("text", [{ from: 3, insert: "d" }]);
    await ben.call("block.patch", {
      document: "D",
      block: "text",
      base: 0,
      changes: [{ from: 0, insert: "_" }],
      wantHash: true,
    });
    await until(() => notices.some(({ kind }) => kind === "reread"), "the reread");
    expect(await agreed(ann, { doc, notices }, bens)).toBe("_abcd");
  });

  test("closing ends it; an unknown document cannot be opened", async () => {
    const { ann, anns, bens } = await text("abc");
    expect(await errorOf(ann.document("E"))).toMatchObject({ code: "document.unknown" });
    anns.doc.close();
    expect(anns.notices).toEqual([{ kind: "ended" }]);
    expect(() => anns.doc.edit("text", [])).toThrow("closed");
    bens.doc.edit("text", [{ from: 0, insert: "x" }]);
    expect(await agreed(ann, bens)).toBe("xabc");
    expect(anns.doc.text("text")).toBe("abc");
    const waiting = errorOf(bens.doc.settled().then(() => Promise.reject(new Error("settled"))));
    expect(await waiting).toMatchObject({ message: "settled" });
  });
});
