/**
 * A shell's variables, as far as their values can be known without running anything.
 */
import { limits } from "../../../core/limits.ts";
import { type Names, valueIn } from "./expand.ts";
import { plainText, type Word } from "./words.ts";

const ASSIGNMENT = /^([A-Za-z_]\w*)(\+?)=/;
const DECLARING = new Set(["export", "declare", "local", "readonly", "typeset"]);
/** Programs whose arguments are names that get a value nobody knows. */
const READING = new Set(["read", "mapfile", "readarray", "unset"]);

/** The name and value of a word that assigns; nothing for any other. `isAdding`: `x+=…`. */
export function assigned(
  word: Word,
): { readonly name: string; readonly value: Word; readonly isAdding: boolean } | undefined {
  // The name and its `=` may stand in several pieces, none of them quoted.
  let text = "";
  for (let i = 0; i < word.length; i++) {
    const piece = word[i];
    if (piece?.kind !== "text" || piece.isQuoted || text.length > limits.idMax) return undefined;
    text += piece.text;
    const found = ASSIGNMENT.exec(text);
    if (found === null) continue;
    const rest = { ...piece, text: text.slice(found[0].length) };
    return {
      name: found[1] as string,
      value: [...(rest.text === "" ? [] : [rest]), ...word.slice(i + 1)],
      isAdding: found[2] === "+",
    };
  }
  return undefined;
}

/** Each name has a few values that it may have, or none that is known. */
export class Variables {
  private readonly values: Map<string, readonly string[] | undefined>;

  constructor(values: ReadonlyMap<string, readonly string[] | undefined> = new Map()) {
    this.values = new Map(values);
  }

  /** The same for a shell inside, which keeps its own changes to itself. */
  copy(): Variables {
    return new Variables(this.values);
  }

  /** How many names there are. */
  get size(): number {
    return this.values.size;
  }

  /** Each name with every value that it has in any of these; unknown where one of them knows none. */
  static either(all: readonly Variables[]): Variables {
    const merged = new Variables();
    for (const name of new Set(all.flatMap(({ values }) => [...values.keys()]))) {
      const lists = all.map(({ values }) => values.get(name));
      const isKnown = lists.every((list) => list !== undefined);
      merged.set(name, isKnown ? lists.flat() : [undefined], false);
    }
    return merged;
  }

  /** Whether any name that has known values here has others there; `isStrict`: or one that has none here. */
  hasChanged(there: Variables, isStrict: boolean): boolean {
    const differ = (name: string) => this.values.get(name)?.join("\0") !== there.values.get(name)?.join("\0");
    const names = isStrict ? [...this.values.keys(), ...there.values.keys()] : [...this.values.keys()];
    return names.some((name) => (isStrict || this.values.get(name) !== undefined) && differ(name));
  }

  /** Sets a name to any of these values; `isMaybe`: or leaves it as it is. */
  set(name: string, values: readonly (string | undefined)[], isMaybe: boolean): void {
    const known = values.filter((value) => value !== undefined);
    const old = isMaybe ? this.values.get(name) : [];
    const all = old === undefined ? undefined : [...new Set([...old, ...known])];
    const isKnown = known.length === values.length && all !== undefined && all.length <= limits.shellWordsMax;
    this.values.set(name, isKnown ? all : undefined);
  }

  /** Carries out a word that assigns. */
  assign(word: Word, isMaybe: boolean, base: string | undefined): void {
    const found = assigned(word);
    if (found === undefined) return;
    const { name, value, isAdding } = found;
    const values = this.choices([value], base).map((names) => (isAdding ? undefined : valueIn(value, names)));
    this.set(name, values, isMaybe);
  }

  /** `export X=…`; `read x` makes a name unknown. */
  declare(command: readonly Word[], isMaybe: boolean, base: string | undefined): void {
    const name = plainText(command[0] ?? []);
    if (name === undefined) return;
    if (DECLARING.has(name)) for (const word of command.slice(1)) this.assign(word, isMaybe, base);
    if (READING.has(name))
      for (const word of command.slice(1)) this.values.set(plainText(word) ?? "", undefined);
  }

  /** Every way in which these words' names may have values; of too many none is known. */
  choices(words: readonly Word[], base: string | undefined): readonly Names[] {
    const used = new Set(
      words.flatMap((word) => word.map((piece) => (piece.kind === "name" ? piece.name : ""))),
    );
    let choices: Map<string, string | undefined>[] = [new Map(used.has("PWD") ? [["PWD", base]] : [])];
    for (const name of used) {
      const values = this.values.get(name);
      if (values === undefined || choices.length * values.length > limits.shellWordsMax) continue;
      choices = choices.flatMap((names) => values.map((value) => new Map([...names, [name, value]])));
    }
    return choices;
  }
}
