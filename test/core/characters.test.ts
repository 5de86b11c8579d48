/**
 * What a class of characters admits, to the character.
 */
import { expect, it } from "vitest";
import { ANY, classCells } from "../../core/model/characters.ts";

const LAST = 0x10ffff;

it("lets any character of a segment stand for a question mark", () => {
  expect(ANY).toEqual([0, 46, 48, LAST]);
});

it("admits what it names, or all else but the slash", () => {
  expect(classCells("[a-c]", false)).toEqual([97, 99]);
  expect(classCells("[!a]", false)).toEqual([0, 46, 48, 96, 98, LAST]);
  expect(classCells("[^a]", false)).toEqual(classCells("[!a]", false));
  expect(classCells("[a!]", false)).toEqual([33, 33, 97, 97]);
});

it("has no empty stretches where what is left out begins where it does", () => {
  expect(classCells("[!\u0000-a]", false)).toEqual([98, LAST]);
  expect(classCells("[!b-\u{10ffff}]", false)).toEqual([0, 46, 48, 97]);
  expect(classCells("[/-a]", false)).toEqual([48, 97]);
});
