/**
 * Markpact: any text is its blocks, and what is edited changes no other byte; real files through put,
 * push and undo.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { findFences } from "../../adapters/node/fences.ts";
import { sha256 } from "../../adapters/node/hash.ts";
import { parseMarkpact, render, type Written } from "../../core/model/markpact.ts";
import { type Command, queries } from "../../core/model/model.ts";
import { Ledger } from "../core/ledger.ts";

const pieces = fc.constantFrom(
  ...'```|````|~~~|~~~~|`|~|py|c++|markpact:run|markpact:file|markpact:file=a.py|path=a.py|path="a b"|#|-|>|1.|<!--|-->|<pre>|</pre>|text|\\|é|🦀'.split(
    "|",
  ),
  "\u0000",
  "\ufeff",
  "\u2028",
  "\u00a0",
  "\v",
  "\f",
);
const gaps = fc.constantFrom("\n", "\n", "\n", "\r\n", "\r", " ", "   ", "    ", "\t", "");
const markdown = fc.array(fc.tuple(pieces, gaps), { maxLength: 40 }).map((parts) => parts.flat().join(""));
const any = fc.oneof(
  { weight: 4, arbitrary: markdown },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 60 }).map((text) => text.toWellFormed()) },
);
const opener = fc.constantFrom(
  "```py markpact:file path=a.py\n",
  "~~~~ markpact:run\r\n",
  "  ```c++   markpact:test-http  x y\n",
  "`````markpact:file=b/c.js\n",
);
/** A file with fences that are what they seem, prose between. */
const wellMade = fc
  .array(
    fc.tuple(
      fc.constantFrom("", "prose\n\n", "# A\r\n\r\n", "> q\n\n"),
      opener,
      fc.constantFrom("", "x\n", "  y\r\nz\n"),
    ),
    { maxLength: 4 },
  )
  .map((parts) =>
    parts
      .map(([prose, open, text]) => `${prose}${open}${text}${open.match(/`{3,}|~{3,}/)?.[0] ?? ""}\n`)
      .join(""),
  );

const parse = (text: string) => parseMarkpact(text, findFences);
const parts = (blocks: readonly Written[]) =>
  blocks.map(({ open = "", text, close = "" }) => open + text + close);

describe("a Markdown file", () => {
  it("is its blocks one behind the other, whatever it is", () => {
    fc.assert(
      fc.property(any, (text) => {
        const blocks = parse(text);
        expect(render(blocks)).toBe(text);
        expect(parts(blocks).join("")).toBe(text);
        expect(new Set(blocks.map(({ block }) => block)).size).toBe(blocks.length);
        for (const { block } of blocks) expect(block).toMatch(/^(prose|markpact:[\w-]+(=\S+)?)(#\d+)?$/u);
      }),
      { numRuns: 5000 },
    );
  });

  it("keeps every other byte when a block is edited, and reads back as it was written", () => {
    const texts = fc.array(
      fc.constantFrom("```", "````", "~~~", "~~~~~", "x", "   ```", "``` y", "    ```", ""),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(wellMade, texts, fc.nat(), (source, lines, pick) => {
        const blocks = parse(source);
        const fenced = blocks.filter(({ open }) => open !== undefined);
        const block = fenced[pick % Math.max(1, fenced.length)];
        if (block === undefined) return;
        const text = lines.map((line) => `${line}\n`).join("");
        const edited = blocks.map((one) => (one === block ? { ...one, text } : one));
        const rendered = render(edited);
        const before = render(blocks.slice(0, blocks.indexOf(block)));
        const after = parts(blocks.slice(blocks.indexOf(block) + 1)).join("");
        expect(rendered.startsWith(before)).toBe(true);
        expect(rendered.endsWith(after)).toBe(true);
        expect(parse(rendered).map(({ block, kind, text }) => [block, kind, text])).toEqual(
          edited.map(({ block, kind, text }) => [block, kind, text]),
        );
      }),
      { numRuns: 3000 },
    );
  });

  it("stays the same blocks through any edits of fenced ones, also where lines do not end", () => {
    fc.assert(
      fc.property(
        wellMade,
        fc.array(
          fc.tuple(
            fc.nat(),
            fc.string({ unit: fc.constantFrom("`", "~", " ", "\n", "\r", "x"), maxLength: 12 }),
          ),
          { maxLength: 4 },
        ),
        (source, edits) => {
          let blocks = parse(source);
          const kinds = blocks.map(({ kind }) => kind);
          for (const [pick, text] of edits) {
            const at = pick % Math.max(1, blocks.length);
            blocks = blocks.map((one, i) => (i === at && one.open !== undefined ? { ...one, text } : one));
          }
          const again = parse(render(blocks));
          expect(again.map(({ kind }) => kind)).toEqual(kinds);
          expect(render(again)).toBe(render(blocks));
          for (const [i, { open, text }] of blocks.entries()) {
            if (open === undefined || text === "") continue;
            expect(again[i]?.text.replace(/\r?\n$|\r$/, "")).toBe(text.replace(/\r?\n$|\r$/, ""));
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

const asker = { agent: "x", nowMs: 0, operator: false, guarded: false, hash: sha256 };
const shared = fileURLToPath(new URL("../../../shared/data/markpact/", import.meta.url));
const samples = fileURLToPath(new URL("../data/markpact/", import.meta.url));
/** Real files where this checkout has them beside it, else samples of our own. */
const folder = existsSync(shared) ? shared : samples;

describe.each(readdirSync(folder))("%s", (name) => {
  const source = readFileSync(`${folder}${name}`, "utf8");

  test("comes back byte for byte, survives two agents at once, and an undo of each", () => {
    const ledger = new Ledger();
    const send = (command: Command, by: string) => {
      const told = ledger.send(command, by);
      if (told.rejection !== undefined) throw new Error(told.rejection.message);
      return told;
    };
    const read = (): string =>
      (queries["document.read"].answer(ledger.state, { document: "D" }, asker) as { content: string })
        .content;
    const blocks = () =>
      (
        queries["document.blocks"].answer(ledger.state, { document: "D", limit: 1000 }, asker) as unknown as {
          items: readonly (Written & { version: number })[];
        }
      ).items;
    send({ type: "document.put", document: "D", format: "markpact", content: source }, "ann");
    expect(read()).toBe(source);
    const base = blocks();
    // Both read the file at the same time; one writes at the head of every block, the other at its end.
    const [anns, bens] = [(text: string) => `ANN${text}`, (text: string) => `${text}BEN`];
    for (const { block, text, version } of base) {
      send({ type: "block.patch", document: "D", block, base: version, content: anns(text) }, "ann");
      const told = send(
        { type: "block.patch", document: "D", block, base: version, content: bens(text) },
        "ben",
      );
      expect(told.answer).not.toHaveProperty("conflict");
    }
    expect(blocks().map(({ text }) => text)).toEqual(base.map(({ text }) => bens(anns(text))));
    for (const { block } of base) send({ type: "document.undo", document: "D", block }, "ann");
    expect(blocks().map(({ text }) => text)).toEqual(base.map(({ text }) => bens(text)));
    for (const { block } of base) send({ type: "document.undo", document: "D", block }, "ben");
    expect(read()).toBe(source);
  });
});
