/**
 * Arguments: a command line's words, read by the table of the verb's options. Small and without a library,
 * because every command waits for it.
 */
import { Failure } from "../../core/failures.ts";
import { parseDuration } from "./durations.ts";

/**
 * What follows an option's name: nothing, one word, any number of words, or a word that is a number or a
 * duration.
 */
export type OptionKind = "flag" | "text" | "list" | "integer" | "duration";

/** One option of a verb. */
export interface Option {
  /** Without its dashes. */
  readonly name: string;
  readonly kind: OptionKind;
  /** What the help calls the word that follows, e.g. `NAME`. */
  readonly value?: string;
  readonly about: string;
  /** One letter that stands for it. */
  readonly short?: string;
}

/** How many words a verb takes besides its options. */
export interface Arity {
  readonly min: number;
  readonly max: number;
  /** Whether words after `--` are a command line of their own. */
  readonly rest?: boolean;
}

/** Throws the failure that ends in exit code 64. */
export function usage(message: string): never {
  throw new Failure("usage", message);
}

/** A command line that was read. */
export class Arguments {
  readonly words: readonly string[];
  /** What stood after `--`. */
  readonly rest: readonly string[];
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(
    words: readonly string[],
    rest: readonly string[],
    values: ReadonlyMap<string, readonly string[]>,
  ) {
    this.words = words;
    this.rest = rest;
    this.#values = values;
  }

  /** The word at a place; throws `usage` when it is missing. */
  word(index: number, name: string): string {
    return this.words[index] ?? usage(`${name} is missing.`);
  }

  flag(name: string): boolean {
    return this.#values.has(name);
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  list(name: string): readonly string[] | undefined {
    return this.#values.get(name);
  }

  /** A whole number, 0 or more. */
  integer(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
      usage(`--${name} takes a whole number, not ${text}.`);
    return value;
  }

  /** A whole number, also below 0. */
  signed(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value))
      usage(`--${name} takes a whole number, not ${text}.`);
    return value === 0 ? 0 : value;
  }

  /** Milliseconds. */
  durationMs(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseDuration(text, `--${name}`);
  }
}

/** Reads a verb's words. Throws `usage`, with a suggestion where one is near. */
export function parseArguments(argv: readonly string[], options: readonly Option[], arity: Arity): Arguments {
  const byName = new Map<string, Option>();
  for (const option of options) {
    byName.set(`--${option.name}`, option);
    if (option.short !== undefined) byName.set(`-${option.short}`, option);
  }
  const words: string[] = [];
  const values = new Map<string, string[]>();
  let rest: readonly string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    if (word === "--") {
      if (arity.rest === true) rest = argv.slice(i + 1);
      else words.push(...argv.slice(i + 1));
      break;
    }
    if (!/^-./.test(word) || /^-\d/.test(word)) {
      words.push(word);
      continue;
    }
    const equals = word.startsWith("--") ? word.indexOf("=") : -1;
    const name = equals < 0 ? word : word.slice(0, equals);
    const option = byName.get(name) ?? unknown(name, [...byName.keys()]);
    const given = values.get(option.name) ?? [];
    values.set(option.name, given);
    if (option.kind === "flag") {
      if (equals >= 0) usage(`${name} takes no value.`);
    } else if (equals >= 0) {
      given.push(word.slice(equals + 1));
    } else {
      i = takeValues(argv, i + 1, option, given, (next) => next === "--" || byName.has(next)) - 1;
    }
  }
  if (words.length > arity.max) usage(`Too many words: ${words.slice(arity.max).join(" ")}.`);
  return new Arguments(words, rest, values);
}

/** Takes what follows an option's name, all of it for a list; where the words go on. */
function takeValues(
  argv: readonly string[],
  from: number,
  option: Option,
  given: string[],
  isOption: (word: string) => boolean,
): number {
  const first = argv[from];
  if (first === undefined || isOption(first)) {
    usage(`--${option.name} needs ${option.value ?? "a value"} after it.`);
  }
  given.push(first);
  let next = from + 1;
  if (option.kind !== "list") return next;
  for (let word = argv[next]; word !== undefined && !/^-./.test(word); word = argv[++next]) given.push(word);
  return next;
}

function unknown(name: string, known: readonly string[]): never {
  const near = nearest(name, known);
  return usage(`There is no option ${name}.${near === undefined ? "" : ` Did you mean ${near}?`}`);
}

/** The known word that is nearest to a mistyped one, if any is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
