/**
 * The algebra of patches against a naive one that knows each character by name; texts kept in pieces;
 * differences.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChunkedText } from "../../core/model/chunked-text.ts";
import {
  applyChanges,
  type Change,
  type Changes,
  canonicalChanges,
  composeChanges,
  growth,
  invertChanges,
  isCanonical,
  mapChanges,
  mapOffset,
  removedBy,
} from "../../core/model/patch.ts";
import { diffTexts } from "../../core/model/text-diff.ts";

const runs = { numRuns: 3000 };
const letters = fc.string({ unit: fc.constantFrom("a", "b", "c", "\n"), maxLength: 12 });

/** Canonical changes for a text of this length; insertions are made of `mark`. */
function changesFor(length: number, mark = "xyz"): fc.Arbitrary<Changes> {
  const cut = fc.tuple(
    fc.nat(length),
    fc.nat(length),
    fc.string({ unit: fc.constantFrom(...mark), maxLength: 3 }),
    fc.boolean(),
  );
  return fc.array(cut, { maxLength: 4 }).map((cuts) => {
    const changes: Change[] = [];
    let end = 0;
    const sorted = cuts.map(
      ([a, b, insert, keep]) => [Math.min(a, b), keep ? Math.min(a, b) : Math.max(a, b), insert] as const,
    );
    for (const [from, to, insert] of sorted.sort((a, b) => a[0] - b[0])) {
      if (from < end || (from === to && insert === "")) continue;
      changes.push({ from, ...(to > from ? { to } : {}), ...(insert === "" ? {} : { insert }) });
      end = to;
    }
    return changes;
  });
}

const one = letters.chain((text) => fc.record({ text: fc.constant(text), a: changesFor(text.length) }));
const two = letters.chain((text) =>
  fc.record({
    text: fc.constant(text),
    a: changesFor(text.length, "ABC"),
    b: changesFor(text.length, "XYZ"),
  }),
);
const chain = one.chain(({ text, a }) => {
  const then = applyChanges(text, a);
  return fc.record({ text: fc.constant(text), a: fc.constant(a), b: changesFor(then.length, "XYZ") });
});

/**
 * Both patches at once on a text of named characters: each says, gap by gap, what it puts in, and which
 * characters it takes away. The characters that neither takes stay; of two insertions into one gap the
 * first one's stands first.
 */
function merged(text: string, first: Changes, second: Changes): string {
  let out = "";
  const put = (changes: Changes, gap: number) =>
    changes.map(({ from, insert = "" }) => (from === gap ? insert : "")).join("");
  const takes = (changes: Changes, at: number) =>
    changes.some(({ from, to = from }) => from <= at && at < to);
  for (let gap = 0; gap <= text.length; gap++) {
    out += put(first, gap) + put(second, gap);
    if (gap < text.length && !takes(first, gap) && !takes(second, gap)) out += text[gap];
  }
  return out;
}

describe("changes", () => {
  it("of any shape become canonical ones of the same effect, or are refused", () => {
    fc.assert(
      fc.property(one, fc.infiniteStream(fc.nat(1000)), ({ text, a }, stream) => {
        const shuffled = a
          .map((change) => [stream.next().value as number, change] as const)
          .sort(([x], [y]) => x - y)
          .map(([, change]) => change);
        const canonical = canonicalChanges(shuffled, text.length);
        const sameGap = new Set(a.map(({ from }) => from)).size < a.length;
        if (canonical === undefined) return expect(true).toBe(false);
        expect(isCanonical(canonical, text.length)).toBe(true);
        if (!sameGap) expect(applyChanges(text, canonical)).toBe(applyChanges(text, a));
      }),
      runs,
    );
  });

  it("are taken back by their inverse", () => {
    fc.assert(
      fc.property(one, ({ text, a }) => {
        const after = applyChanges(text, a);
        const inverse = invertChanges(
          a,
          removedBy(a, (from, to) => text.slice(from, to)),
        );
        expect(isCanonical(inverse, after.length)).toBe(true);
        expect(applyChanges(after, inverse)).toBe(text);
        expect(after.length - text.length).toBe(growth(a));
      }),
      runs,
    );
  });

  it("after one another are one", () => {
    fc.assert(
      fc.property(chain, ({ text, a, b }) => {
        const both = composeChanges(a, b);
        expect(isCanonical(both, text.length)).toBe(true);
        expect(applyChanges(text, both)).toBe(applyChanges(applyChanges(text, a), b));
      }),
      runs,
    );
  });

  it("beside one another converge on what a model of named characters says", () => {
    fc.assert(
      fc.property(two, ({ text, a, b }) => {
        const aOverB = mapChanges(a, b, true);
        const bOverA = mapChanges(b, a, false);
        expect(isCanonical(aOverB, text.length + growth(b))).toBe(true);
        expect(isCanonical(bOverA, text.length + growth(a))).toBe(true);
        const expected = merged(text, a, b);
        expect(applyChanges(applyChanges(text, a), bOverA)).toBe(expected);
        expect(applyChanges(applyChanges(text, b), aOverB)).toBe(expected);
      }),
      { numRuns: 20_000 },
    );
  });

  it("are said to have met exactly where characters were touched by both", () => {
    fc.assert(
      fc.property(two, ({ text, a, b }) => {
        const met = new Set<number>();
        mapChanges(a, b, false, (index) => met.add(index));
        const touches = (x: Change, y: Change) => {
          const { from, to = from } = x;
          const { from: start, to: end = start } = y;
          const common = Math.max(from, start) < Math.min(to, end);
          return common || (y.insert !== undefined && from < start && start < to);
        };
        const expected = b.flatMap((change, i) =>
          a.some((mine) => touches(mine, change) || (mine.insert !== undefined && touches(change, mine)))
            ? [i]
            : [],
        );
        expect(
          [...met].sort((x, y) => x - y),
          text,
        ).toEqual(expected);
      }),
      { numRuns: 20_000 },
    );
  });

  it("move offsets with the characters they stand at", () => {
    fc.assert(
      fc.property(one, fc.nat(12), ({ text, a }, at) => {
        const offset = Math.min(at, text.length);
        const after = applyChanges(text, a);
        expect(mapOffset(offset, a, false)).toBeLessThanOrEqual(mapOffset(offset, a, true));
        const kept = a.every(({ from, to = from }) => offset < from || offset >= to);
        if (kept && offset < text.length) expect(after[mapOffset(offset, a, true)]).toBe(text[offset]);
      }),
      runs,
    );
  });
});

describe("a text in pieces", () => {
  it("has no empty pieces, however long it is", () => {
    for (const length of [0, 1, 1024, 2047, 2048, 2049, 3072, 4096]) {
      const text = ChunkedText.of("x".repeat(length)) as unknown as { readonly chunks: readonly string[] };
      expect(text.chunks.filter((chunk) => chunk === "")).toEqual([]);
    }
  });

  it("is the same text after any changes", () => {
    const long = fc.string({
      unit: fc.constantFrom("a", "é", "🦀", "\r\n"),
      minLength: 0,
      maxLength: 4000,
      size: "max",
    });
    fc.assert(
      fc.property(
        long,
        fc.array(fc.tuple(fc.nat(), fc.nat(3000), long), { maxLength: 12 }),
        (start, edits) => {
          let text = ChunkedText.of(start);
          let plain = start;
          for (const [place, length, insert] of edits) {
            const from = place % (plain.length + 1);
            const changes = [{ from, to: Math.min(plain.length, from + length), insert }];
            const before = text;
            text = text.apply(changes);
            expect(before.toString()).toBe(plain);
            plain = applyChanges(plain, changes);
            expect(text.toString()).toBe(plain);
            expect(text.length).toBe(plain.length);
            const { chunks } = text as unknown as { readonly chunks: readonly string[] };
            expect(chunks.every((chunk) => chunk !== "" && chunk.length <= 2048)).toBe(true);
            expect(text.slice(from, from + 7)).toBe(plain.slice(from, from + 7));
            expect(text.codeAt(from)).toEqual(plain.charCodeAt(from));
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("a difference", () => {
  const words = fc.array(fc.constantFrom("one", " ", "two", "\n", "\r\n", "🦀", "🦞", "é", ".", "\r"), {
    maxLength: 40,
  });

  it("makes one text of another, and cuts nothing in two", () => {
    fc.assert(
      fc.property(words, words, (a, b) => {
        const [from, to] = [a.join(""), b.join("")];
        const changes = diffTexts(from, to);
        expect(isCanonical(changes, from.length)).toBe(true);
        expect(applyChanges(from, changes)).toBe(to);
        for (const { from: start, to: end = start, insert = "" } of changes) {
          expect(insert.isWellFormed()).toBe(true);
          for (const at of [start, end]) {
            expect(from.slice(0, at).isWellFormed()).toBe(true);
            expect(from.slice(at).isWellFormed()).toBe(true);
          }
        }
      }),
      runs,
    );
  });

  it("is about what was changed, and nothing else", () => {
    const text = Array.from({ length: 200 }, (_, i) => `line ${i} of the text\n`).join("");
    const changed = text.replace("line 50 of", "row 50 of").replace("line 150 of the text\n", "");
    const changes = diffTexts(text, changed);
    expect(changes).toHaveLength(2);
    expect(changes[0]).toMatchObject({ insert: "row" });
    expect(growth(changes)).toBe(changed.length - text.length);
  });

  it("compares no stretch word by word that is long on either side", () => {
    const [short, long] = ["a b c d", `x b y d${" and more".repeat(2000)}`];
    expect(diffTexts(short, long)).toHaveLength(1);
    expect(diffTexts(long, short)).toHaveLength(1);
    expect(diffTexts(short, "x b y d").length).toBeGreaterThan(1);
  });

  it("ends soon where nothing is in common", () => {
    const a = Array.from({ length: 30_000 }, (_, i) => `a${i}\n`).join("");
    const b = Array.from({ length: 30_000 }, (_, i) => `b${i}\n`).join("");
    const startedMs = Date.now();
    const changes = diffTexts(a, b);
    expect(applyChanges(a, changes)).toBe(b);
    expect(Date.now() - startedMs).toBeLessThan(20_000);
  });
});
