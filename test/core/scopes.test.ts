/**
 * What scopes cover, case by case: `A / B` overlap or not, `file:` before an exact file, everything else a pattern.
 */
import { describe, expect, test } from "vitest";
import { ScopeIndex } from "../../core/model/scope-index.ts";
import {
  compileScope,
  coversFile,
  firstOverlap,
  normaliseScope,
  overlaps,
  patternProblem,
  type Scope,
  sameWorktree,
} from "../../core/model/scopes.ts";

function scoped(text: string): Scope {
  const input = text.startsWith("file:") ? { files: [text.slice(5)] } : { paths: [text] };
  const result = normaliseScope(input);
  if ("problem" in result) throw new Error(`${text}: ${JSON.stringify(result.problem)}`);
  return result.scope;
}

function overlap(a: Scope, b: Scope, foldCase: boolean): boolean {
  const [left, right] = [compileScope(a, foldCase), compileScope(b, foldCase)];
  const answer = overlaps(left, right);
  expect(overlaps(right, left), "is symmetric").toBe(answer);
  expect(firstOverlap(left, right) !== undefined, "agrees with firstOverlap").toBe(answer);
  const index = ScopeIndex.empty(foldCase).add("a", a);
  expect([...index.overlapping(b, { acrossWorktrees: false })], "agrees with the index").toEqual(
    answer ? ["a"] : [],
  );
  return answer;
}

function problem(input: Scope) {
  const result = normaliseScope(input);
  return "problem" in result ? result.problem : undefined;
}

const yes = true;
const no = false;
const rows: readonly (readonly [row: string, answer: boolean, pairs: string])[] = [
  [
    "SC1",
    yes,
    String.raw`src / src/a.py · src/ / src/a · ./src/ / src · src//a / src/a · src\a.py / src/a.py`,
  ],
  ["SC2", no, "src / srcx · src/a / src/ab"],
  ["SC3", yes, ". / src/a.py · ** / a · . / * · ** / ** · . / file:x/y · **/* / . · ./ / q"],
  [
    "SC4",
    yes,
    "src/*.py / src/auth.py · src/** / src/a.py · * / a.py · src/{a,b}.py / src/b.py · src/[ab].py / src/a.py" +
      " · src/{auth,db} / src/auth/x.ts",
  ],
  ["SC5", no, "src/*.py / src/*.ts · src/*.py / src/sub/x.py"],
  ["SC5b", yes, "* / src/a.py · packages/* / packages/a/x.ts · packages/*/src / packages/a/src/x.ts"],
  ["SC5c", no, "**/*.ts / **/*.js · src/*.py / src/a.py/b"],
  ["SC6", yes, "src/**/test_*.py / src/a/*_x.py · a/**/z / **/b/z"],
  ["SC7", yes, "src/*.py / src · **/x.ts / src · **/*.ts / README.md"],
  ["SC7b", no, "**/*.ts / file:README.md · file:src / file:src/a.py · app/[id] / file:app/[id]/page.tsx"],
  ["SC7c", yes, "src / file:src/a.py · file:app/[id]/page.tsx / app · file:a/b / file:a/b"],
  ["SC8", yes, "src/../tests / tests · {a,b}/../c / c · {a/b,c}/../d / a/d"],
  [
    "SC9",
    yes,
    "caf\u00e9.py / cafe\u0301.py · file:caf\u00e9.py / file:cafe\u0301.py · {e,o}\u0301 / \u00e9",
  ],
  ["SC10", no, "SRC/a.py / src/a.py · [A-C].py / b.py"],
  ["** stands for none, too", yes, "src/** / file:src · a/**/b / file:a/b · **/a / file:a"],
  ["** in a segment is *", yes, "a**b / axxb · **x/c / ax/c"],
  ["** in a segment is *", no, "a**b / file:a/b · **x / file:a/x"],
  [
    "literal characters as classes",
    yes,
    "a[[]b / file:a[b · [*] / file:* · [{]x[}] / file:{x} · [[]id]/p / file:[id]/p",
  ],
  ["literal characters as classes", no, "[*] / file:a · [?].ts / file:a.ts"],
  ["a class of one character is no wildcard", yes, "src/[a] / src/a/x · app/[[]id] / file:app/[id]/page.tsx"],
  [
    "classes",
    yes,
    "[!a-c] / file:d · []a] / file:] · [a-] / file:- · [!a] / [!b] · [^a] / file:b · [0-5] / [5-9]",
  ],
  ["classes", no, "[!a-c] / file:b · [0-4] / [5-9] · [!!] / file:! · [!\u{1f600}] / file:\u{1f600}"],
  ["? is one code point", yes, "? / file:\u{1f600} · a?c / file:abc · ?.ts / *.ts"],
  ["? is one code point", no, "? / file:ab · a?c / file:ac · ?? / file:\u{1f600} · ? / file:a/b"],
  ["braces with slashes", yes, "{a/b,c}/d / a/b/d · x/{a,}/b / x/b · x{/a,b} / x/a · {a,b}{c,d} / bc"],
  ["braces with slashes", no, "{a/b,c}/d / a/d · {a,b}{c,d} / ab · {src,**/q*}/*.ts / file:lib/p/x.ts"],
  ["dot files", yes, "* / file:.env · **/*.ts / .git/a.ts · ?env / file:.env"],
  [
    "both ends of a name",
    no,
    "ab*ba / file:aba · a*b*c / file:acb · *a*a / file:a · a*bc*c / file:abc · *ab*ab / file:ab",
  ],
  ["both ends of a name", yes, "ab*ba / file:abba · a*c* / *b*d · x*y / ?*?"],
];

describe("overlap", () => {
  test.each(rows)("%s", (_row, answer, pairs) => {
    for (const pair of pairs.split(" · ")) {
      const [a, b] = pair.split(" / ") as [string, string];
      expect(overlap(scoped(a), scoped(b), false), pair).toBe(answer);
    }
  });

  test("SC10 with foldCase", () => {
    const same =
      "SRC/a.py / src/A.py · [A-C].py / B.PY · [!A]x / file:BX · É* / éa · ΑΣ* / file:ασβ · [Z-a] / file:z";
    for (const pair of same.split(" · ")) {
      const [a, b] = pair.split(" / ") as [string, string];
      expect(overlap(scoped(a), scoped(b), true), pair).toBe(true);
    }
    // The lower case of İ is two characters long: it stays as it is, and meets itself alone.
    expect(overlap(scoped("İ*"), scoped("file:İb"), true)).toBe(true);
    for (const pair of ["[!A]x / file:ax", "[A-B] / [!a-b]", "A*B / file:abc", "İ* / file:ib"]) {
      const [a, b] = pair.split(" / ") as [string, string];
      expect(overlap(scoped(a), scoped(b), true), pair).toBe(false);
    }
  });

  test("names the file and the pattern that meet, as they stand in the canonical scopes", () => {
    const mine = compileScope(scopeOf({ files: ["./a.md"], paths: ["docs//{a,b}", "src/"] }), false);
    const theirs = compileScope(scopeOf({ paths: ["x", "docs/b/*.md"] }), false);
    expect(firstOverlap(mine, theirs)).toEqual({ mine: "docs/{a,b}", theirs: "docs/b/*.md" });
    expect(coversFile(mine, "./src\\x.ts")).toBe(true);
    expect(coversFile(mine, "a.md/b")).toBe(false);
    expect(coversFile(mine, "../src/x.ts")).toBe(false);
  });
});

function scopeOf(input: Scope): Scope {
  const result = normaliseScope(input);
  if ("problem" in result) throw new Error(JSON.stringify(result.problem));
  return result.scope;
}

describe("normalising", () => {
  test("each once, in order, empty parts left out", () => {
    expect(scopeOf({ files: ["b\\x", "./b/x", "a/../c/"], paths: ["src/", "src", "./"] })).toEqual({
      files: ["b/x", "c"],
      paths: ["src", "."],
    });
    expect(scopeOf({ worktree: "  ", files: [], paths: ["a"] })).toEqual({ paths: ["a"] });
  });

  test.each([
    ["src/./{a,b}/../x/*.ts", "src/x/*.ts"],
    ["x/{a,b}//y", "x/{a,b}/y"],
    ["{a/..,b}/c", "{c,b/c}"],
    ["q,r/{../s,t}", "{s,q[,]r/t}"],
    ["x/{a,}", "{x/a,x}"],
    ["./[.]/..x", "[.]/..x"],
  ])("%s is written %s", (text, canonical) => {
    expect(scoped(text)).toEqual({ paths: [canonical] });
    expect(scoped(canonical), "and stays so").toEqual({ paths: [canonical] });
  });

  test("SC11: worktrees", () => {
    const [a, b, none, other] = ["/repo", " /repo/ ", "", "/elsewhere"].map((worktree) =>
      scopeOf({ worktree, paths: ["a"] }),
    );
    expect(a).toEqual(b);
    expect(none).toEqual({ paths: ["a"] });
    expect(sameWorktree(a as Scope, none as Scope)).toBe(true);
    expect(sameWorktree(a as Scope, b as Scope)).toBe(true);
    expect(sameWorktree(a as Scope, other as Scope)).toBe(false);
    const index = ScopeIndex.build(
      false,
      [a, b, none, other].map((scope, i) => [String(i), scope as Scope] as const),
    );
    const found = (scope: Scope | undefined, acrossWorktrees: boolean) =>
      [...index.overlapping(scope as Scope, { acrossWorktrees })].sort();
    expect(found(a, false)).toEqual(["0", "1", "2"]);
    expect(found(none, false)).toEqual(["0", "1", "2", "3"]);
    expect(found(other, true)).toEqual(["0", "1", "2", "3"]);
  });

  test("SC12: outside", () => {
    for (const path of [
      "../x",
      "/etc/hosts",
      "~/x",
      "a/../../x",
      "\\x",
      "C:\\x",
      "c:/x",
      "~root",
      "./~/x",
      "{a,../..}/b",
    ]) {
      expect(problem({ paths: [path] }), path).toEqual({ kind: "outside", path });
      expect(patternProblem(path), path).toBeUndefined();
    }
    for (const path of ["../x", "/etc/hosts", "~/x"])
      expect(problem({ files: [path] })).toEqual({ kind: "outside", path });
  });

  test("SC13: invalid, and said so", () => {
    const alternatives = Array.from({ length: 65 }, (_, i) => `a${i}`).join(",");
    const wrong = [
      "x".repeat(1025),
      "a[b",
      "a{b",
      "a[b/c]",
      "[]",
      "[!]",
      "{a,{b,c}}",
      "{a,[b}",
      `{${alternatives}}`,
      "{a,b,c,d,e,f,g,h}{a,b,c,d,e,f,g,h}{a,b}",
      "*/../a",
      "a/**/../b",
      "{*,a}/../b",
      "",
      "{a,}",
      "[c-a]",
      "[[:alpha:]]",
      "{1..3}",
    ];
    for (const path of wrong) {
      expect(problem({ paths: ["ok", path] }), path).toMatchObject({ kind: "invalid", at: "paths/1", path });
      expect(patternProblem(path), path).toBeTypeOf("string");
    }
    expect(problem({ paths: ["x".repeat(1024)] })).toBeUndefined();
    expect(problem({ paths: [`{${alternatives.slice(0, -4)}}`] })).toBeUndefined();
    for (const file of ["", ".", "a/..", "x".repeat(1025)]) {
      expect(problem({ files: [file] }), file).toMatchObject({ kind: "invalid", at: "files/0" });
    }
    const many = (count: number) => Array.from({ length: count }, (_, i) => `f${i}`);
    expect(problem({ files: many(500), paths: many(13) })).toMatchObject({ kind: "invalid" });
    expect(problem({ files: many(500), paths: many(12) })).toBeUndefined();
    const wide = Array.from({ length: 17 }, (_, i) => `{${alternatives.slice(0, -4)}}/${i}`);
    expect(problem({ paths: wide }), "too many alternatives in all").toMatchObject({ kind: "invalid" });
    expect(problem({ paths: wide.slice(1) })).toBeUndefined();
    const dear = Array.from({ length: 2 }, (_, i) => `*?${"a".repeat(500)}${i}*`);
    expect(problem({ paths: dear }), "too dear to compare").toMatchObject({ kind: "invalid" });
    expect(problem({ paths: dear.slice(1) })).toBeUndefined();
    expect(
      problem({ paths: Array.from({ length: 512 }, (_, i) => `**/*f${i}_and_what_follows*.ts`) }),
    ).toBeUndefined();
    expect(problem({})).toMatchObject({ kind: "invalid" });
    expect(problem({ worktree: "w" })).toMatchObject({ kind: "invalid" });
  });
});
