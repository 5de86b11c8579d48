/**
 * Scopes against brute force: a naive matcher over all short paths of a small alphabet, and a plain list instead of
 * the index.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Edit } from "../../core/model/map.ts";
import { ScopeIndex } from "../../core/model/scope-index.ts";
import {
  compileScope,
  coversFile,
  normaliseScope,
  overlaps,
  type Scope,
  sameWorktree,
} from "../../core/model/scopes.ts";

const LETTERS = ["a", "b", "."];
const names = LETTERS.flatMap((x) => [
  x,
  ...LETTERS.flatMap((y) => [x + y, ...LETTERS.map((z) => x + y + z)]),
]);
const usable = names.filter((name) => name !== "." && name !== "..");

/** Four segments are enough: a pattern below has at most three before its `**`, and one after. */
const short = usable.filter((name) => name.length < 3 && !name.includes("."));
const threes = short.flatMap((x) => short.flatMap((y) => short.map((z) => `${x}/${y}/${z}`)));
const paths = [
  ...usable,
  ...usable.flatMap((x) => short.flatMap((y) => [`${x}/${y}`, `${y}/${x}`])),
  ...threes,
  ...threes.flatMap((path) => short.map((name) => `${path}/${name}`)),
];

/** The meaning of a segment in minimatch, with `dot: true`. */
function matchesName(glob: string, name: string): boolean {
  if (glob === "") return name === "";
  const [first, rest] = [glob[0] as string, glob.slice(1)];
  if (first === "*") return matchesName(rest, name) || (name !== "" && matchesName(glob, name.slice(1)));
  if (name === "") return false;
  if (first === "?") return matchesName(rest, name.slice(1));
  if (first !== "[") return first === name[0] && matchesName(rest, name.slice(1));
  const end = glob.indexOf("]");
  const body = glob.slice(1, end);
  const admitted = body.startsWith("!")
    ? !body.includes(name[0] as string)
    : body.includes(name[0] as string);
  return admitted && matchesName(glob.slice(end + 1), name.slice(1));
}

function matchesPath(globs: readonly string[], path: readonly string[]): boolean {
  const [glob, ...rest] = globs;
  if (glob === undefined) return path.length === 0;
  if (glob === "**") return matchesPath(rest, path) || (path.length > 0 && matchesPath(globs, path.slice(1)));
  return path.length > 0 && matchesName(glob, path[0] as string) && matchesPath(rest, path.slice(1));
}

function unfolded(pattern: string): string[] {
  const brace = /^(.*?)\{([^}]*)\}(.*)$/.exec(pattern);
  if (brace === null) return [pattern];
  return (brace[2] as string).split(",").flatMap((option) => unfolded(brace[1] + option + brace[3]));
}

function covers(pattern: string, path: string): boolean {
  return unfolded(pattern).some((text) => {
    const globs = text.replace(/\[([^\]!])\]/g, "$1").split("/");
    const last = globs.at(-1) as string;
    if (last === "*") globs[globs.length - 1] = "**";
    else if (!/[*?[]/.test(last)) globs.push("**");
    return matchesPath(globs, path.split("/"));
  });
}

const item = fc.constantFrom("a", "b", "*", "?", "[ab]", "[!a]", "[a]", "{a,b}", "a", "b");
const name = fc.array(item, { minLength: 1, maxLength: 2 }).map((items) => items.join(""));
const pattern = fc
  .oneof(
    fc.tuple(name),
    fc.tuple(name, name),
    fc.tuple(fc.constant("**"), name),
    fc.tuple(name, fc.constant("**")),
    fc.tuple(name, fc.constant("**"), name),
    fc.tuple(fc.constantFrom("{a/b,b}", "{a,*/b}"), name),
  )
  .map((segments) => segments.join("/"));

function canonical(input: Scope): Scope {
  const result = normaliseScope(input);
  if ("problem" in result) throw new Error(`${JSON.stringify(input)}: ${JSON.stringify(result.problem)}`);
  return result.scope;
}

test("a pattern covers what the naive matcher says", () => {
  fc.assert(
    fc.property(pattern, (text) => {
      const covering = compileScope(canonical({ paths: [text] }), false);
      for (const path of paths) {
        if (coversFile(covering, path) !== covers(text, path)) throw new Error(`${text} on ${path}`);
      }
    }),
    { numRuns: 150 },
  );
});

test("two patterns overlap exactly when some path is covered by both", () => {
  const covered = new Map<string, Set<string>>();
  const setOf = (text: string) => {
    let set = covered.get(text);
    if (set === undefined) {
      set = new Set(paths.filter((path) => covers(text, path)));
      covered.set(text, set);
    }
    return set;
  };
  fc.assert(
    fc.property(pattern, pattern, (a, b) => {
      const [left, right] = [a, b].map((text) => compileScope(canonical({ paths: [text] }), false));
      const answer = overlaps(left as never, right as never);
      expect(overlaps(right as never, left as never)).toBe(answer);
      const other = setOf(b);
      expect(
        [...setOf(a)].some((path) => other.has(path)),
        `${a} ${b}`,
      ).toBe(answer);
    }),
    { numRuns: 400 },
  );
});

test("normalising again changes nothing", () => {
  const messy = fc
    .array(
      fc.constantFrom(
        "a",
        ".",
        "..",
        "/",
        "//",
        "{a,b}",
        "{a/..,b}",
        "{.,a/b}",
        "[a]",
        "*",
        "**",
        "é",
        "e\u0301",
        "\\",
        "}",
        ",",
      ),
    )
    .map((items) => items.join(""));
  fc.assert(
    fc.property(messy, (text) => {
      const once = normaliseScope({ paths: [text] });
      if ("scope" in once) expect(normaliseScope(once.scope)).toEqual(once);
    }),
    { numRuns: 2000 },
  );
});

const word = fc.constantFrom("a", "b", "src", "index", "README");
const segment = fc.oneof(
  word,
  fc
    .tuple(word, fc.constantFrom(".ts", ".md", ".d.ts", "", "_long_name_indeed.ts"))
    .map((parts) => parts.join("")),
  fc
    .tuple(
      fc.constantFrom("*", "a*", "ab?*", "src_*", "[ab]*", "?", "in*x"),
      fc.constantFrom(".ts", ".md", "", "x", "_indeed.ts"),
    )
    .map((parts) => parts.join("")),
  fc
    .tuple(word, fc.nat(30), fc.constantFrom("*", "_*.ts", "*long_name_indeed.ts", "?"))
    .map((parts) => parts.join("")),
);
const wide = fc
  .array(fc.oneof({ weight: 4, arbitrary: segment }, { weight: 1, arbitrary: fc.constant("**") }), {
    minLength: 1,
    maxLength: 5,
  })
  .map((segments) => segments.join("/"));
const plain = fc
  .array(fc.oneof(word, fc.nat(9).map(String)), { minLength: 1, maxLength: 3 })
  .map((names) => names.join("/"));
const anyScope = fc
  .record(
    {
      worktree: fc.constantFrom("w1", "w2", "w3"),
      files: fc.array(plain, { maxLength: 2 }),
      paths: fc.array(fc.oneof(wide, plain), { minLength: 1, maxLength: 2 }),
    },
    { requiredKeys: ["paths"] },
  )
  .map((scope) => canonical(scope as Scope));

type Model = ReadonlyMap<string, Scope>;

function expectSame(index: ScopeIndex, model: Model, query: Scope, foldCase: boolean) {
  expect(index.size).toBe(model.size);
  for (const acrossWorktrees of [false, true]) {
    const found = [...index.overlapping(query, { acrossWorktrees })];
    if (index.isClear(query, acrossWorktrees)) expect(found).toEqual([]);
    expect(new Set(found).size, "each once").toBe(found.length);
    const expected = [...model].filter(
      ([, scope]) =>
        (acrossWorktrees || sameWorktree(query, scope)) &&
        overlaps(compileScope(query, foldCase), compileScope(scope, foldCase)),
    );
    expect(found.sort(), JSON.stringify(query)).toEqual(expected.map(([key]) => key).sort());
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("add" as const), scope: anyScope }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("remove" as const), at: fc.nat(1000) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "fork" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("back" as const), at: fc.nat(1000) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "edit" as const }) },
);

test("the index finds what a plain list finds, in every version that was kept", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.array(anyScope, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      (steps, queries, foldCase) => {
        let index = ScopeIndex.empty(foldCase);
        let model: Model = new Map();
        let edit: Edit | undefined;
        const kept: { index: ScopeIndex; model: Model }[] = [{ index, model }];
        for (const [at, step] of steps.entries()) {
          if (step.kind === "add") {
            index = index.add(`k${at}`, step.scope, edit);
            model = new Map([...model, [`k${at}`, step.scope]]);
          } else if (step.kind === "remove" && model.size > 0) {
            const [key, scope] = [...model][step.at % model.size] as [string, Scope];
            index = index.remove(key, scope, edit);
            model = new Map([...model].filter(([other]) => other !== key));
          } else if (step.kind === "fork") {
            kept.push({ index, model });
            edit = undefined;
          } else if (step.kind === "back") {
            ({ index, model } = kept[step.at % kept.length] as { index: ScopeIndex; model: Model });
            edit = undefined;
          } else if (step.kind === "edit") edit = new Edit();
        }
        for (const query of [...queries, ...[...model.values()].slice(0, 3)]) {
          expectSame(index, model, query, foldCase);
          for (const version of kept) expectSame(version.index, version.model, query, foldCase);
          expectSame(ScopeIndex.build(foldCase, model), model, query, foldCase);
        }
        let emptied = index;
        for (const [key, scope] of model) emptied = emptied.remove(key, scope);
        expectSame(emptied, new Map(), queries[0] as Scope, foldCase);
      },
    ),
    { numRuns: 300 },
  );
});

test("the index finds a deep pattern by its last segment", () => {
  const folders = ["", "a/", "a/b/", "a/*/b/", "a/b/c/", "*/a/b/c/d/"];
  const texts = folders.flatMap((folder) =>
    ["*.ts", "in*", "x.md", "t?"].flatMap((last) => ["**/", "src/**/"].map((open) => open + folder + last)),
  );
  const model: Model = new Map(texts.map((text) => [text, canonical({ paths: [text] })]));
  const index = ScopeIndex.build(false, model);
  for (const text of texts) {
    const file = text.replaceAll("**/", "top/").replaceAll(/[*?]/g, "q");
    expectSame(index, model, canonical({ files: [file] }), false);
    expectSame(index, model, canonical({ paths: [text] }), false);
  }
});

const LEAD = "an_index_of_rather_long_file_names";
const TRAIL = "_seen_here.test.ts";
const crowded = fc
  .tuple(
    fc.constantFrom("**/", "src/", "src/**/", "**/a/", "**/b/*/", "*/"),
    fc.nat(LEAD.length),
    fc.constantFrom("", "x"),
    fc.constantFrom("*", "*", "*.d*", ""),
    fc.nat(TRAIL.length),
  )
  .map(
    ([folder, lead, odd, star, trail]) => `${folder}${LEAD.slice(0, lead)}${odd}${star}${TRAIL.slice(trail)}`,
  )
  .map((text) => (text.endsWith("/") ? `${text}?` : text));

test("the index tells names apart that begin or end alike, whatever their lengths", () => {
  fc.assert(
    fc.property(
      fc.array(crowded, { minLength: 20, maxLength: 60 }),
      fc.array(crowded, { maxLength: 10 }),
      (held, queries) => {
        const model: Model = new Map(held.map((text, at) => [`k${at}`, canonical({ paths: [text] })]));
        const index = ScopeIndex.build(false, model);
        for (const text of queries) {
          expectSame(index, model, canonical({ paths: [text] }), false);
          const file = text.replaceAll("**/", "").replaceAll(/[*?]/g, "q");
          expectSame(index, model, canonical({ files: [file] }), false);
        }
      },
    ),
    { numRuns: 100 },
  );
});

test("a version derived without the edit stays as it is when the edit goes on", () => {
  const [edit, scope] = [new Edit(), canonical({ files: ["src/a.ts"] })];
  const found = (index: ScopeIndex) => [...index.overlapping(scope, { acrossWorktrees: false })].sort();
  const first = ScopeIndex.empty(false).add("a", scope, edit).add("b", scope, edit);
  const derived = first.add("c", canonical({ files: ["lib/z.ts"] }));
  const other = first.add("d", canonical({ files: ["lib/y.ts"] }), new Edit());
  const gone = first.remove("a", scope, edit).add("e", scope, edit);
  expect([found(derived), found(other), found(gone)]).toEqual([
    ["a", "b"],
    ["a", "b"],
    ["b", "e"],
  ]);
});
