/**
 * Documents, row by row: blocks that are the file byte for byte, patches that merge, undo, claims.
 */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { limits } from "../../core/limits.ts";
import type { BlockView } from "../../core/model/document-queries.ts";
import { agent, given, later, paths, type Step, type Story, within } from "./story.ts";

const alice = agent("alice");
const bob = agent("bob");
const carol = agent("carol");
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const README = [
  "# Title\r\n\r\nSome words.\n",
  "```text markpact:deps python\nfastapi\nuvicorn\n```\n",
  "\nThe code:\n\n",
  "~~~~python markpact:file path=app/main.py\n    import os\n```\n~~~\n~~~~\n",
  "<!--\n```js markpact:run\n-->\n\n````md\n```sh markpact:run\n```\n````\n",
  "```markpact:run\n```\n",
  "the end, without a line end",
].join("");

function blocks(story: Story, document = "D"): readonly BlockView[] {
  return (story.ask("document.blocks", { document }) as { items: readonly BlockView[] }).items;
}

function ids(story: Story): readonly string[] {
  return blocks(story).map(({ block }) => block);
}

function content(story: Story, document = "D"): string {
  return (story.ask("document.read", { document }) as { content: string }).content;
}

function text(story: Story, block = "text", document = "D"): string {
  return (story.ask("document.read", { document, block }) as { text: string }).text;
}

/** A document of one text, `D`. */
const plain = (content: string, ...steps: readonly Step[]) => given(alice.puts("D", content), ...steps);
/** A Markpact document, `D`. */
const markpact = (content: string, ...steps: readonly Step[]) =>
  given(alice.puts("D", content, { format: "markpact" }), ...steps);

describe("DO1 put and read", () => {
  test.each([
    ["", "text"],
    ["one line", "text"],
    ["a\r\nb\rc\n\u2028d\u0000\ufeff🦀", "text"],
    ["", "markpact"],
    [README, "markpact"],
    [README.replaceAll("\n", "\r\n"), "markpact"],
    ["```a markpact:b", "markpact"],
    ["```a markpact:b\nnever closed", "markpact"],
    ["```a markpact:b\n```", "markpact"],
  ] as const)("the same bytes come back: %j as %s", (given_, format) => {
    const story = given(alice.puts("D", given_, { format }));
    expect(content(story)).toBe(given_);
    const joined = blocks(story)
      .map(({ open = "", text, close = "" }) => open + text + close)
      .join("");
    expect(joined).toBe(given_);
    expect(story.ask("document.read", { document: "D", wantHash: true })).toMatchObject({
      hash: sha256(given_),
    });
  });

  test("the answer names the blocks; the listing the documents", () => {
    const story = given(alice.puts("D", "abc", { path: "./docs/a.md", worktree: "w", shared: true }));
    story.answers({ document: "D", blocks: [{ block: "text", kind: "text", version: 0 }] });
    expect(story.ask("documents.list")).toEqual({
      items: [
        {
          document: "D",
          format: "text",
          path: "docs/a.md",
          worktree: "w",
          shared: true,
          blocks: 1,
          bytes: 3,
          by: "alice",
          changedAtMs: 1_000_000,
        },
      ],
    });
  });

  test("put again: it becomes that content, by patches; nothing happens when it is so already", () => {
    const story = markpact(README);
    story.when(bob.puts("D", README, { format: "markpact" })).changesNothing();
    const changed = README.replace("uvicorn", "uvicorn\nhttpx");
    story.when(bob.puts("D", changed, { format: "markpact" })).gives("document.stored");
    expect(content(story)).toBe(changed);
    expect(blocks(story).map(({ version }) => version)).toEqual([0, 1, 0, 0, 0, 0, 0]);
    const less = `${changed.replace(/~~~~python[\s\S]*~~~~\n/, "")}!`;
    story.when(bob.puts("D", less, { format: "markpact" }));
    expect(content(story)).toBe(less);
    story.when(bob.puts("D", README, { format: "markpact", fresh: true })).refused("document.exists");
  });

  test("of an unknown document nothing is known", () => {
    const story = given(alice.patches("D", "text", { changes: [] })).refused("document.unknown");
    expect(story.ask("document.read", { document: "D" })).toMatchObject({
      rejection: { code: "document.unknown" },
    });
    plain("a")
      .when(bob.patches("D", "prose", { changes: [] }))
      .refused("block.unknown");
  });

  test("too large as a whole, by put and by patch", () => {
    const max = limits.documentBytesMax;
    const story = plain("é".repeat(max / 2 - 1));
    story
      .when(bob.patches("D", "text", { changes: [{ from: 0, insert: "abc" }] }))
      .refused("document.too-large", { bytes: max + 1, max });
    story.when(bob.patches("D", "text", { changes: [{ from: 0, to: 1, insert: "abcd" }] }));
    expect(text(story)).toHaveLength(max / 2 + 2);
  });

  test("too many blocks in one, and too many documents", () => {
    const fences = (count: number) => "```py markpact:run\n```\n".repeat(count);
    const max = limits.blocksPerDocument;
    const story = markpact(fences(max));
    story
      .when(alice.puts("E", fences(max + 1), { format: "markpact" }))
      .refused("document.too-many", { max });
    for (let i = 1; i < limits.documentsMax; i++) story.when(alice.puts(`E${i}`, "x"));
    story.when(alice.puts("one-more", "x")).refused("document.too-many", { max: limits.documentsMax });
    story.when(alice.puts("E1", "y")).gives("document.stored");
  });

  test("a document can be removed, and a patch meant for the old one does not fit a new one", () => {
    const story = plain("abc", bob.patches("D", "text", { changes: [{ from: 0, insert: "x" }] }));
    story.when(bob.send({ type: "document.remove", document: "D" })).gives("document.removed");
    story.when(alice.puts("D", "abc"));
    story.when(bob.patches("D", "text", { base: 1, changes: [{ from: 3, insert: "!" }] }));
    story.refused("block.base-too-old");
    expect(text(story)).toBe("abc");
  });
});

describe("DO2 the forms of a block", () => {
  test("in document order, prose between them", () => {
    const story = markpact(README);
    expect(ids(story)).toEqual([
      "prose",
      "markpact:deps",
      "prose#2",
      "markpact:file=app/main.py",
      "prose#3",
      "markpact:run",
      "prose#4",
    ]);
    expect(blocks(story)[3]).toEqual({
      block: "markpact:file=app/main.py",
      kind: "file",
      lang: "python",
      meta: "path=app/main.py",
      open: "~~~~python markpact:file path=app/main.py\n",
      text: "    import os\n```\n~~~\n",
      close: "~~~~\n",
      version: 0,
    });
    expect(blocks(story)[5]).toMatchObject({ kind: "run", text: "", open: "```markpact:run\n" });
  });

  test.each([
    ["```c++ markpact:file path=a.cc\n```", { kind: "file", lang: "c++", meta: "path=a.cc" }],
    ["```markpact:file=a.py x=1\n```", { kind: "file", meta: "path=a.py x=1" }],
    ["   ```py   markpact:test-http\tslow\n   ```", { kind: "test-http", lang: "py", meta: "slow" }],
    ['~~~ markpact:file path="a b.py"\n~~~', { kind: "file", meta: 'path="a b.py"' }],
    ["`````py markpact:deps\n````\n`````  ", { kind: "deps", text: "````\n" }],
    ["```py markpact:deps\n    ```\n```", { kind: "deps", text: "    ```\n" }],
    ["```py markpact:deps\n~~~\n``` x\n```", { kind: "deps", text: "~~~\n``` x\n" }],
  ])("%j", (source, expected) => {
    const story = markpact(source);
    expect(blocks(story)).toMatchObject([expected]);
    expect(content(story)).toBe(source);
  });

  test.each([
    "text ```py markpact:run\n```",
    "    ```py markpact:run\n    ```",
    "> ```py markpact:run\n> ```",
    "- ```py markpact:run\n  ```",
    "<pre>\n```py markpact:run\n```\n</pre>",
    "~~~\n```py markpact:run\n```\n~~~",
    "```py markpact:\n```",
    "```py notmarkpact:run\n```",
    "```py `markpact:run\n```",
  ])("%j is prose", (source) => {
    expect(ids(markpact(source))).toEqual(["prose"]);
  });
});

test("DO3 two blocks with one id are numbered, never dropped", () => {
  const one = "```py markpact:file path=a.py\n1\n```\n";
  const story = markpact(one + one + one.replace("1", "2"));
  expect(ids(story)).toEqual(["markpact:file=a.py", "markpact:file=a.py#2", "markpact:file=a.py#3"]);
  expect(blocks(story).map(({ text }) => text)).toEqual(["1\n", "1\n", "2\n"]);
});

describe("DO4 a patch against the current version", () => {
  test("is applied as it is; version + 1", () => {
    const story = plain("hello");
    story.when(
      bob.patches("D", "text", {
        changes: [
          { from: 0, to: 1, insert: "J" },
          { from: 5, insert: "!" },
        ],
      }),
    );
    story.gives({
      type: "block.patched",
      writer: "bob",
      version: 1,
      changes: [
        { from: 0, to: 1, insert: "J" },
        { from: 5, insert: "!" },
      ],
    });
    expect(story.told.entry?.events[0]).not.toHaveProperty("hash");
    story.answers({ document: "D", block: "text", version: 1 });
    expect(text(story)).toBe("Jello!");
  });

  test("changes are taken in any order", () => {
    const changes = [
      { from: 4, insert: "!" },
      { from: 0, to: 1 },
      { from: 0, insert: "x" },
    ];
    expect(text(plain("abcd", bob.patches("D", "text", { changes })))).toBe("xbcd!");
  });

  test("the hash is told when asked for, and at every 64th version", () => {
    const story = plain("");
    for (let base = 0; base < 64; base++)
      story.when(bob.patches("D", "text", { base, changes: [{ from: 0, insert: "x" }] }));
    story.gives({ type: "block.patched", version: 64, hash: sha256("x".repeat(64)) });
    story.when(bob.patches("D", "text", { base: 64, changes: [{ from: 64, insert: "é" }], wantHash: true }));
    story.answers({ version: 65, hash: sha256(`${"x".repeat(64)}é`) });
  });

  test("a given hash must match: of the text before, or of what is to come of it", () => {
    const story = plain("abc");
    const changes = [{ from: 3, insert: "d" }];
    story
      .when(bob.patches("D", "text", { changes, hash: sha256("abd") }))
      .refused("block.hash-mismatch", { version: 0, hash: sha256("abc") });
    story.when(bob.patches("D", "text", { changes, hash: sha256("abc") })).gives("block.patched");
    story
      .when(bob.patches("D", "text", { changes, base: 1, hash: sha256("abc") }))
      .refused("block.hash-mismatch");
    const after = { changes: [{ from: 0, insert: "_" }], hash: sha256("_abc") };
    story.when(bob.patches("D", "text", after)).gives({ type: "block.patched", version: 2 });
    expect(text(story)).toBe("_abcd");
  });

  test.each([
    [[{ from: 0, to: 9 }]],
    [[{ from: 4, insert: "x" }]],
    [[{ from: 2, to: 1 }]],
    [
      [
        { from: 0, to: 2 },
        { from: 1, to: 3 },
      ],
    ],
  ])("%j does not fit", (changes) => {
    plain("abc")
      .when(bob.patches("D", "text", { changes }))
      .refused("block.out-of-range");
  });

  test("no character is cut in two", () => {
    const story = plain("a🦀b");
    story
      .when(bob.patches("D", "text", { changes: [{ from: 2, insert: "x" }] }))
      .refused("block.out-of-range");
    story.when(bob.patches("D", "text", { changes: [{ from: 1, to: 2 }] })).refused("block.out-of-range");
    story.when(bob.patches("D", "text", { changes: [{ from: 1, to: 3, insert: "🦞" }] }));
    expect(text(story)).toBe("a🦞b");
  });

  test("what changes nothing is accepted, and nothing happens", () => {
    plain("abc")
      .when(bob.patches("D", "text", { changes: [{ from: 1 }] }))
      .changesNothing();
    plain("abc")
      .when(bob.patches("D", "text", {}))
      .refused("invalid");
  });

  test("a base that was never", () => {
    plain("abc")
      .when(bob.patches("D", "text", { base: 1, changes: [] }))
      .refused("block.base-unknown", { version: 0 });
  });
});

describe("DO5 a patch against an older version", () => {
  test("is mapped over what came since; the answer carries the mapped changes", () => {
    const story = plain("one two three");
    story.when(alice.patches("D", "text", { changes: [{ from: 0, to: 3, insert: "1" }] }));
    story.when(alice.patches("D", "text", { base: 1, changes: [{ from: 11, insert: "!" }] }));
    story.when(bob.patches("D", "text", { changes: [{ from: 4, to: 7, insert: "2" }] }));
    story.answers({ version: 3, base: 0, changes: [{ from: 2, to: 5, insert: "2" }] });
    expect(story.told.entry?.events[0]).not.toHaveProperty("conflict");
    expect(text(story)).toBe("1 2 three!");
  });

  test("two insertions at one place stand in the order of the log", () => {
    const story = plain("ab", alice.patches("D", "text", { changes: [{ from: 1, insert: "A" }] }));
    story.when(bob.patches("D", "text", { changes: [{ from: 1, insert: "B" }] }));
    expect(text(story)).toBe("aABb");
    expect(story.told.entry?.events[0]).not.toHaveProperty("conflict");
  });
});

describe("DO6 both touched the same characters", () => {
  test.each([
    // base, theirs, mine, merged, where it is flagged
    [
      "abcdef",
      [{ from: 1, to: 4, insert: "X" }],
      [{ from: 2, to: 5, insert: "Y" }],
      "aXYf",
      [{ from: 1, to: 3 }],
    ],
    ["abcdef", [{ from: 1, to: 4 }], [{ from: 2, insert: "Y" }], "aYef", [{ from: 1, to: 2 }]],
    ["abcdef", [{ from: 2, insert: "X" }], [{ from: 1, to: 4 }], "aXef", [{ from: 1, to: 2 }]],
    ["abcdef", [{ from: 1, to: 4 }], [{ from: 1, to: 4 }], "aef", [{ from: 1, to: 1 }]],
    ["abcdef", [{ from: 0, to: 2, insert: "X" }], [{ from: 2, to: 4, insert: "Y" }], "XYef", undefined],
    ["abcdef", [{ from: 1, to: 3 }], [{ from: 3, insert: "Y" }], "aYdef", undefined],
    ["abcdef", [{ from: 3, insert: "X" }], [{ from: 1, to: 3 }], "aXdef", undefined],
  ] as const)("%s: %j, then %j", (base, first, second, merged, flagged) => {
    const story = plain(base, alice.patches("D", "text", { changes: first }));
    story.when(bob.patches("D", "text", { changes: second }));
    expect(text(story)).toBe(merged);
    const conflict = flagged?.map((range) => ({ ...range, by: "alice" }));
    const event = story.told.entry?.events[0] as { conflict?: unknown };
    expect(event.conflict).toEqual(conflict);
    expect((story.told.answer as { conflict?: unknown }).conflict).toEqual(conflict);
  });

  test("or refused, when the sender wants it so, with both sides", () => {
    const story = plain("abcdef", alice.patches("D", "text", { changes: [{ from: 1, to: 4, insert: "X" }] }));
    const mine = [{ from: 2, to: 5, insert: "Y" }];
    story.when(bob.patches("D", "text", { changes: mine, onConflict: "reject" })).refused("block.conflict", {
      base: 0,
      version: 1,
      mine,
      theirs: [{ from: 1, to: 4, insert: "X", by: "alice", version: 1 }],
    });
    expect(text(story)).toBe("aXef");
    // Of a long text only so much is shown.
    const long = "y".repeat(limits.conflictTextShown + 1);
    story
      .when(bob.patches("D", "text", { changes: [{ from: 2, to: 5, insert: long }], onConflict: "reject" }))
      .refused("block.conflict", { mine: [{ from: 2, to: 5, insert: long.slice(1) }] });
    const apart = { changes: [{ from: 5, insert: "Y" }], onConflict: "reject" } as const;
    story.when(bob.patches("D", "text", apart)).gives("block.patched");
    expect(text(story)).toBe("aXeYf");
  });

  test("a conflict is followed to where it is in the new text", () => {
    const story = plain("abcdef", alice.patches("D", "text", { changes: [{ from: 3, to: 4, insert: "X" }] }));
    story.when(carol.patches("D", "text", { base: 1, changes: [{ from: 0, insert: "___" }] }));
    story.when(
      bob.patches("D", "text", {
        changes: [
          { from: 0, insert: ">" },
          { from: 3, to: 4, insert: "Y" },
        ],
      }),
    );
    expect(text(story)).toBe("___>abcXYef");
    story.answers({ conflict: [{ from: 7, to: 9, by: "alice" }] });
  });
});

test("DO7 a base older than what is kept", () => {
  const story = plain("");
  const max = limits.patchesPerBlock;
  for (let base = 0; base <= max; base++) {
    story.when(alice.patches("D", "text", { base, changes: [{ from: 0, insert: "x" }] }));
  }
  const changes = [{ from: 0, insert: "y" }];
  story
    .when(bob.patches("D", "text", { base: 0, changes }))
    .refused("block.base-too-old", { version: max + 1, hash: sha256("x".repeat(max + 1)) });
  story.when(bob.patches("D", "text", { base: 1, changes })).gives("block.patched");
  expect(text(story)).toBe(`${"x".repeat(max)}yx`);
});

test("DO7 patches that rewrite much are kept for fewer versions", () => {
  const story = plain("");
  const size = limits.documentBytesMax - 1;
  for (let base = 0; base < 8; base++) {
    const to = base === 0 ? 0 : size;
    story.when(
      alice.patches("D", "text", { base, changes: [{ from: 0, to, insert: `${base}`.repeat(size) }] }),
    );
  }
  story
    .when(bob.patches("D", "text", { base: 2, changes: [{ from: 0, insert: "y" }] }))
    .refused("block.base-too-old");
  story
    .when(bob.patches("D", "text", { base: 7, changes: [{ from: 0, insert: "y" }] }))
    .gives("block.patched");
});

test("DO8 content instead of changes is compared with the base version", () => {
  const story = plain(
    "one\ntwo\nthree\n",
    alice.patches("D", "text", { changes: [{ from: 0, to: 3, insert: "1" }] }),
  );
  story.when(bob.patches("D", "text", { content: "one\ntwo\n3\n" }));
  story.answers({ version: 2 });
  expect(text(story)).toBe("1\ntwo\n3\n");
  expect(story.told.entry?.events[0]).not.toHaveProperty("conflict");
  story.when(bob.patches("D", "text", { base: 2, content: "1\ntwo\n3\n" })).changesNothing();
  story.when(bob.patches("D", "text", { base: 2, content: "", changes: [] })).refused("invalid");
});

describe("DO9 insert, remove, move", () => {
  const source = "# A\n\n```py markpact:run\nrun\n```\nlast\n";

  test("a block is put in where it is wanted; only its bytes are new", () => {
    const story = markpact(source);
    story.when(
      bob.inserts("D", { kind: "file", lang: "py", meta: "path=a.py", text: "x = 1\n", after: "prose" }),
    );
    story.gives({ type: "block.inserted", after: "prose" });
    story.answers({ blocks: [{ block: "markpact:file=a.py", kind: "file", version: 0 }] });
    expect(content(story)).toBe(
      source.replace("# A\n\n", "# A\n\n```py markpact:file path=a.py\nx = 1\n```\n"),
    );
    story.when(
      bob.inserts("D", { text: "first\n", before: "prose" }),
      bob.inserts("D", { text: "end\n", block: "end" }),
    );
    expect(ids(story)).toEqual(["prose#3", "prose", "markpact:file=a.py", "markpact:run", "prose#2", "end"]);
    expect(content(story)).toMatch(/^first\n# A[\s\S]*last\nend\n$/);
    story.when(bob.inserts("D", { text: "", block: "end" })).refused("block.exists");
    story.when(bob.inserts("D", { text: "", after: "nobody" })).refused("block.unknown");
    story.when(bob.inserts("D", { kind: "no kind", text: "" })).refused("invalid");
    for (const said of [{ lang: "py" }, { meta: "path=a.py" }]) {
      story.when(bob.inserts("D", { text: "prose has neither\n", ...said })).refused("invalid");
    }
  });

  test("blocks as they stand in a file keep their bytes", () => {
    const story = markpact(source);
    const piece = "   ~~~~  py   markpact:deps\r\na\r\n   ~~~~~\r\nwords\r\n";
    story.when(bob.inserts("D", { content: piece, after: "markpact:run" }));
    expect(content(story)).toBe(source.replace("last\n", `${piece}last\n`));
    expect(ids(story)).toEqual(["prose", "markpact:run", "markpact:deps", "prose#3", "prose#2"]);
  });

  test("a text with a fence in it is rendered with a longer one", () => {
    const story = markpact(source);
    const inner = "```md\n````\n```\n";
    story.when(bob.patches("D", "markpact:run", { content: inner }));
    expect(text(story, "markpact:run")).toBe(inner);
    expect(content(story)).toBe(`# A\n\n\`\`\`\`\`py markpact:run\n${inner}\`\`\`\`\`\nlast\n`);
    story.when(bob.inserts("D", { kind: "x", text: "```\n", before: "prose" }));
    expect(content(story)).toMatch(/^````markpact:x\n```\n````\n# A/);
    // It reads back as the same blocks.
    const again = markpact(content(story));
    expect(blocks(again).map(({ kind, text }) => [kind, text])).toEqual(
      blocks(story).map(({ kind, text }) => [kind, text]),
    );
  });

  test("a fence that nothing closes goes on to the end, whatever looks like one", () => {
    for (const end of ["```", "~~~~", "````x", ""]) {
      const open = `\`\`\`\`py markpact:run\nx\n${end}`;
      expect(text(markpact(open), "markpact:run")).toBe(`x\n${end}`);
    }
    expect(text(markpact("````py markpact:run\nx\n`````"), "markpact:run")).toBe("x\n");
  });

  test("a text that does not end its line is closed on a line of its own", () => {
    const story = markpact(source, bob.patches("D", "markpact:run", { content: "go" }));
    expect(content(story)).toBe(source.replace("run\n```", "go\n```"));
    // A fence begins a line, and so does what stands behind one.
    story.when(bob.patches("D", "prose", { content: "# A" }));
    expect(content(story)).toBe(source.replace("# A\n\n", "# A\n").replace("run\n```", "go\n```"));
    const shut = markpact("```py markpact:run\nx\n```", bob.inserts("D", { text: "more" }));
    expect(content(shut)).toBe("```py markpact:run\nx\n```\nmore");
    const open = markpact("```py markpact:run\nx");
    open.when(bob.inserts("D", { text: "more" }));
    expect(content(open)).toBe("```py markpact:run\nx\n```\nmore");
  });

  test("a block is removed, unless it was patched since", () => {
    const story = markpact(source, alice.patches("D", "markpact:run", { content: "go\n" }));
    const remove = (base?: number) =>
      bob.send({
        type: "block.remove",
        document: "D",
        block: "markpact:run",
        ...(base === undefined ? {} : { base }),
      });
    story
      .when(remove(0))
      .refused("block.conflict", { version: 1, base: 0, theirs: [{ by: "alice", version: 1 }] });
    story.when(remove(1)).gives("block.removed");
    expect(content(story)).toBe("# A\n\nlast\n");
    story.when(remove()).refused("block.unknown");
    // Another of its name begins where no patch for the old one can be meant for it.
    story.when(bob.inserts("D", { kind: "run", text: "new\n" }));
    story.answers({ blocks: [{ block: "markpact:run", version: 2 }] });
    story.when(alice.patches("D", "markpact:run", { base: 1, changes: [{ from: 0, to: 2 }] }));
    story.refused("block.base-too-old");
  });

  test("a block is moved", () => {
    const story = markpact(source);
    const move = (block: string, place: { after?: string; before?: string }) =>
      bob.send({ type: "block.move", document: "D", block, ...place });
    story.when(move("markpact:run", { before: "prose" })).gives({ type: "block.moved" });
    expect(content(story)).toBe("```py markpact:run\nrun\n```\n# A\n\nlast\n");
    story.when(move("markpact:run", {})).gives({ type: "block.moved", after: "prose#2" });
    story.when(move("markpact:run", { after: "prose#2" })).changesNothing();
    story.when(move("markpact:run", { after: "nobody" })).refused("block.unknown");
    story.when(move("prose#2", { before: "prose" }), move("prose", { before: "prose#2" }));
    expect(content(story)).toBe(`# A\n\nlast\n\`\`\`py markpact:run\nrun\n\`\`\`\n`);
  });

  test("a plain text has no blocks to put in", () => {
    plain("a")
      .when(bob.inserts("D", { text: "x" }))
      .refused("document.format");
  });
});

describe("DO10 undo", () => {
  test("takes back that agent's last patch, mapped to now", () => {
    const story = plain("one two three");
    story.when(alice.patches("D", "text", { changes: [{ from: 4, to: 7, insert: "TWO" }] }));
    story.when(bob.patches("D", "text", { base: 1, changes: [{ from: 0, to: 3, insert: "first" }] }));
    story.when(alice.undoes("D", "text"));
    story.gives({
      type: "block.patched",
      writer: "alice",
      version: 3,
      undoes: 1,
      changes: [{ from: 6, to: 9, insert: "two" }],
    });
    expect(text(story)).toBe("first two three");
    story.when(alice.undoes("D", "text")).refused("block.nothing-to-undo", { agent: "alice" });
    story.when(alice.undoes("D", "text", { by: "bob" }));
    expect(text(story)).toBe("one two three");
  });

  test("a hundred deep, then no more", () => {
    const story = plain(
      "",
      ...Array.from({ length: 101 }, (_, base) =>
        alice.patches("D", "text", { base, changes: [{ from: base, insert: `${base % 10}` }] }),
      ),
    );
    for (let i = 0; i < limits.undoDepth; i++) story.when(alice.undoes("D", "text")).gives("block.patched");
    expect(text(story)).toBe("0");
    story.when(alice.undoes("D", "text")).refused("block.nothing-to-undo");
  });

  test("what a later patch took away, and gave back by being undone, is taken back too", () => {
    const story = plain("ab", alice.patches("D", "text", { changes: [{ from: 1, insert: "X" }] }));
    story.when(alice.patches("D", "text", { base: 1, changes: [{ from: 0, to: 3 }] }));
    story.when(bob.patches("D", "text", { base: 2, changes: [{ from: 0, insert: "bob" }] }));
    story.when(alice.undoes("D", "text"));
    expect(text(story)).toBe("bobaXb");
    story.when(alice.undoes("D", "text"));
    expect(text(story)).toBe("bobab");
  });

  test("where nothing of it is left, it says so by a patch without changes", () => {
    const story = plain("ab", alice.patches("D", "text", { changes: [{ from: 1, insert: "X" }] }));
    story.when(bob.patches("D", "text", { base: 1, changes: [{ from: 0, to: 3 }] }));
    story.when(alice.undoes("D", "text")).gives({ type: "block.patched", changes: [], undoes: 1 });
  });
});

describe("DO13 claims on the document's path", () => {
  const put = { path: "docs/a.md", worktree: "w" };

  test("another's live claim refuses every change", () => {
    const story = given(alice.puts("D", "abc", put), bob.acquires("C", within("w", "docs/**")));
    const refused = { conflicts: [{ claim: "C", holder: "bob", mine: "docs/a.md", theirs: "docs/**" }] };
    const changes = [{ from: 0, insert: "x" }];
    story.when(alice.patches("D", "text", { changes })).refused("claim.overlap", refused);
    story.when(alice.undoes("D", "text")).refused("claim.overlap");
    story.when(alice.puts("D", "new", put)).refused("claim.overlap");
    story.when(alice.puts("E", "new", put)).refused("claim.overlap");
    story.when(alice.send({ type: "document.remove", document: "D" })).refused("claim.overlap");
    story.when(bob.patches("D", "text", { changes })).gives("block.patched");
    story
      .when(bob.releases("C"), alice.patches("D", "text", { changes }))
      .gives("claim.released", "block.patched");
  });

  test("a claim elsewhere, or that has ended, does not", () => {
    const story = given(alice.puts("D", "abc", put), bob.acquires("C", within("v", "docs/**")));
    story
      .when(bob.acquires("E", within("w", "src/**")))
      .when(bob.acquires("F", { ttlMs: 1000, ...within("w", "docs/*") }));
    const patch = alice.patches("D", "text", { changes: [{ from: 0, insert: "x" }] });
    story.when(patch).refused("claim.overlap");
    story.when(later(1000), patch).gives("claim.expired", "block.patched");
    given(alice.puts("D", "abc"), bob.acquires("C", paths("**")))
      .when(patch)
      .gives("block.patched");
  });

  test("a shared document is open to all; a shared claim to those who share it", () => {
    const patch = alice.patches("D", "text", { changes: [{ from: 0, insert: "x" }] });
    const shared = given(
      alice.puts("D", "abc", { ...put, shared: true }),
      bob.acquires("C", within("w", "docs/**")),
    );
    shared.when(patch).gives("block.patched");
    const both = given(
      alice.puts("D", "abc", put),
      bob.acquires("C", { ...within("w", "docs/**"), shared: true }),
    );
    both.when(patch).refused("claim.overlap");
    both
      .when(alice.acquires("M", { ...within("w", "docs/a.md"), shared: true }), patch)
      .gives("claim.granted", "block.patched");
  });
});

test("the history of a document, the newest first", () => {
  const story = markpact("a\n```x markpact:run\n1\n```\n", bob.patches("D", "prose", { content: "A\n" }));
  story.when(carol.patches("D", "markpact:run", { content: "2\n" }), bob.undoes("D", "prose"));
  const history = (params = {}) =>
    (story.ask("document.history", { document: "D", ...params }) as { items: object[] }).items;
  expect(history()).toMatchObject([
    { block: "prose", version: 2, by: "bob", undoes: 1 },
    { block: "markpact:run", version: 1, by: "carol" },
    { block: "prose", version: 1, by: "bob", undone: true },
  ]);
  expect(history({ block: "markpact:run" })).toHaveLength(1);
});
