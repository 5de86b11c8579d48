/**
 * The tool that makes small bugs: where it finds them, and that it leaves alone what nothing could tell.
 */
import { expect, it } from "vitest";
import { drawn, functionsOf, instrumented, mutantsOf, planted } from "./mutants.ts";

const made = (text: string) => mutantsOf("a.ts", text).map((mutant) => planted(text, mutant));

it("flips comparisons, to their boundary and to their opposite", () => {
  expect(made("export const f = (a: number, b: number) => a < b;")).toEqual([
    "export const f = (a: number, b: number) => a <= b;",
    "export const f = (a: number, b: number) => a >= b;",
  ]);
});

it("finds its place behind characters of any size, and beside operators in other words", () => {
  expect(made('const é = "≤ <𝄞"; export const x = (é /* + */ as string) + y;')).toEqual([
    'const é = "≤ <𝄞"; export const x = (é /* + */ as string) - y;',
  ]);
});

it("negates conditions, and drops statements, fields and early returns", () => {
  const text = "function f(x?: number) { if (x) return; g(); return { ...a, b: 1 }; }";
  expect(made(text)).toEqual(
    expect.arrayContaining([
      "function f(x?: number) { if (!(x)) return; g(); return { ...a, b: 1 }; }",
      "function f(x?: number) { if (false) return; g(); return { ...a, b: 1 }; }",
      "function f(x?: number) { if (x) ; g(); return { ...a, b: 1 }; }",
      "function f(x?: number) { if (x) return; ; return { ...a, b: 1 }; }",
      "function f(x?: number) { if (x) return; g(); return { b: 1 }; }",
      "function f(x?: number) { if (x) return; g(); return { ...a }; }",
      "function f(x?: number) { if (x) return; g(); return { ...a, b: 2 }; }",
    ]),
  );
});

it("leaves types, imports, assertions and sentences alone", () => {
  const text = [
    'import { a } from "./a.ts";',
    "type T = 1 | 2;",
    'assert(x === 1, "one");',
    "const words = `$" + "{n + 1} files, $" + "{n === 1 ? 'a' : 'b'} of them`;",
    'const said = many ? "some are left" : "";',
  ].join("\n");
  expect(made(text)).toEqual([]);
});

it("says of every function that it ran", () => {
  const text = "const f = () => { g(); }; function h(a = () => { return 1; }) { return a; }";
  const functions = functionsOf("a.ts", text);
  expect(functions).toHaveLength(3);
  const ran = [...instrumented(text, functions, 7).matchAll(/ran\?\.\((\d)\)/g)].map(([, n]) => n);
  expect(ran).toEqual(["7", "8", "9"]);
});

it("draws the same by the same seed, whatever is changed elsewhere", () => {
  const text = "const a = b < c;\nconst d = e + f;\nconst g = h && i;\nconst j = !k;\n";
  const order = (of: string, seed: number) => drawn(mutantsOf("a.ts", of), seed).map(({ id }) => id);
  expect(order(`${text}`, 1)).toEqual(order(text, 1));
  expect(order(text, 2)).not.toEqual(order(text, 1));
  const more = new Set(order(text, 1));
  expect(order(`const z = 7;\n${text}`, 1).filter((id) => more.has(id))).toEqual(order(text, 1));
});
