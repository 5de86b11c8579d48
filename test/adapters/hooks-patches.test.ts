/**
 * Which files a patch writes, in the format of `apply_patch` and as a unified diff.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diffPaths, isPatch, patchPaths } from "../../adapters/hooks/patches.ts";
import { limits } from "../../core/limits.ts";

const wrapped = (...lines: string[]) => ["*** Begin Patch", ...lines, "*** End Patch"].join("\n");

describe("apply_patch", () => {
  it.each([
    ["an update", wrapped("*** Update File: a.ts", "@@", "-a", "+b"), ["a.ts"]],
    ["an addition", wrapped("*** Add File: src/new file.ts", "+x"), ["src/new file.ts"]],
    ["a deletion", wrapped("*** Delete File: old.ts"), ["old.ts"]],
    ["a move writes both", wrapped("*** Update File: a.ts", "*** Move to: b/c.ts", "@@"), ["a.ts", "b/c.ts"]],
    ["each once", wrapped("*** Update File: a", "@@", "*** Update File: a"), ["a"]],
    ["line ends of Windows", wrapped("*** Add File: a.ts", "+x").replaceAll("\n", "\r\n"), ["a.ts"]],
    ["blanks around", wrapped("  *** Update File: a.ts  "), ["a.ts"]],
    [
      "added and removed lines are no headers",
      wrapped("*** Add File: a", "+*** Add File: b", "-*** Add File: c"),
      ["a"],
    ],
    ["an absolute path", wrapped("*** Update File: /repo/a.ts"), ["/repo/a.ts"]],
    ["without its frame", "*** Update File: a.ts", ["a.ts"]],
    ["nothing", "", []],
    ["a header without a name", wrapped("*** Update File: "), []],
  ])("%s", (_, text, paths) => {
    expect(patchPaths(text).paths).toEqual(paths);
  });

  it("is known by its frame", () => {
    expect(isPatch(wrapped("*** Add File: a"))).toBe(true);
    expect(isPatch("*** Update File: a")).toBe(false);
  });

  it("with too many files is cut, and says so", () => {
    const lines = Array.from({ length: limits.hookPathsMax + 1 }, (_, i) => `*** Delete File: f${i}`);
    expect(patchPaths(wrapped(...lines))).toMatchObject({ isCut: true });
    expect(patchPaths(wrapped(...lines.slice(1)))).toMatchObject({ isCut: false });
    expect(patchPaths(wrapped(`*** Delete File: ${"x".repeat(limits.hookPathMax + 1)}`))).toMatchObject({
      paths: [],
      isCut: true,
    });
  });
});

describe("a unified diff", () => {
  it.each([
    ["git's", "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", 1, ["x"]],
    ["a new file", "--- /dev/null\n+++ b/src/new.ts\n@@ -0,0 +1 @@\n+x\n", 1, ["src/new.ts"]],
    ["a deleted file", "--- a/old.ts\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", 1, ["old.ts"]],
    ["with dates behind the names", "--- a.ts\t2026-01-01\n+++ a.ts\t2026-01-02\n@@ -1 +1 @@\n", 0, ["a.ts"]],
    ["a rename", "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n", 1, ["x", "y"]],
    ["a copy", "diff --git a/x b/y\ncopy from x\ncopy to y\n", 1, ["y"]],
    ["two levels", "--- a/b/x\n+++ a/b/x\n@@ -1 +1 @@\n", 2, ["x"]],
    ["two files", "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n", 1, ["x", "y"]],
    ["a quoted name", '--- "a/\\303\\244 b.txt"\n+++ "b/\\303\\244 b.txt"\n', 1, ["ä b.txt"]],
    ["nothing", "hello", 1, []],
  ])("%s", (_, text, strip, paths) => {
    expect(diffPaths(text, strip).paths).toEqual(paths);
  });
});

it("whatever the text, paths come out, and never an error", () => {
  const line = fc.oneof(
    fc.constantFrom(
      "*** Begin Patch",
      "*** Update File: ",
      "*** Move to: x",
      "--- a/",
      '+++ "b/\\3',
      "@@",
      "+",
    ),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(fc.array(line), fc.nat(3), (lines, strip) => {
      const text = lines.join("\n");
      for (const { paths } of [patchPaths(text), diffPaths(text, strip)])
        for (const path of paths) expect(path.length).toBeGreaterThan(0);
    }),
    { numRuns: 600 },
  );
});
