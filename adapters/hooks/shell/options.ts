/**
 * Reads a program's arguments as options and operands, as getopt does.
 */
import type { Arg } from "./sink.ts";

/** Which options take a value, so that it is not taken for an operand. */
export interface OptionFacts {
  /** Letters of the short ones. */
  readonly valued?: string;
  /** Letters whose value, if any, stands in the same word: `-i.bak`. */
  readonly attached?: string;
  /** Names of the long ones, without `--`. */
  readonly valuedLong?: readonly string[];
  /** A single dash begins a name, not letters: `-check`. */
  readonly isWordy?: true;
}

/** What was given. Options are named as written, with their dashes: `-i`, `--fix`. */
export interface Given {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, readonly Arg[]>;
  readonly operands: readonly Arg[];
}

/** Takes arguments apart. */
export function given(args: readonly Arg[], facts: OptionFacts): Given {
  const flags = new Set<string>();
  const values = new Map<string, Arg[]>();
  const operands: Arg[] = [];
  const value = (name: string, arg: Arg | undefined) => {
    if (arg !== undefined) values.set(name, [...(values.get(name) ?? []), arg]);
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as Arg;
    const text = arg.text;
    if (text === "--") {
      operands.push(...args.slice(i + 1));
      break;
    }
    if (text === undefined || !text.startsWith("-") || text === "-") {
      operands.push(arg);
      continue;
    }
    if (text.startsWith("--") || facts.isWordy) {
      const [name, ...rest] = text.split("=");
      flags.add(name as string);
      if (rest.length > 0) value(name as string, { text: rest.join("=") });
      else if (facts.valuedLong?.includes((name as string).replace(/^--?/, "")))
        value(name as string, args[++i]);
      continue;
    }
    for (let at = 1; at < text.length; at++) {
      const letter = text[at] as string;
      const name = `-${letter}`;
      flags.add(name);
      const rest = text.slice(at + 1);
      if (facts.attached?.includes(letter)) {
        if (rest !== "") value(name, { text: rest });
        break;
      }
      if (facts.valued?.includes(letter)) {
        value(name, rest === "" ? args[++i] : { text: rest });
        break;
      }
    }
  }
  return { flags, values, operands };
}

/** Whether any of these was given. */
export function has(found: Given, names: readonly string[]): boolean {
  return names.some((name) => found.flags.has(name));
}
