/**
 * What a feed file has said so far: the words, folders and facts its next lines may refer to. Encoder
 * and decoder keep the same, each from the lines alone, so a reader needs nothing but the file.
 */
import type { Entry } from "../../core/model/slice.ts";

/** Words of these lengths get a number when they first occur: shorter ones cost no more than their number. */
const NUMBERED_MIN = 7;
const NUMBERED_MAX = 200;

/** Fields that name what an event is about; the first one an event has counts. */
const subjects = ["claim", "task", "message", "document", "resource"] as const;

/** A JSON value as plain data. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [key: string]: Plain };
/** A JSON object. */
export type PlainObject = { readonly [key: string]: Plain };

/** The words of one file. */
export class FeedWords {
  /** The last entry's, to which the next one's are relative. */
  seq: number;
  atMs = 0;
  wallMs = 0;
  readonly #numbers = new Map<string, number>();
  readonly #byNumber: string[] = [];
  /** The folder of the last word that had one, with its `/`. */
  #folder = "";
  /** By subject (`claim:TASK-1`): what its last event said. */
  readonly #facts = new Map<string, PlainObject>();

  constructor(after: number) {
    this.seq = after;
  }

  /** The word as the line shall have it: a number, the rest behind its folder, or itself. */
  encode(word: string): string | number {
    const number = this.#numbers.get(word);
    const folder = this.#folder;
    this.#take(word);
    if (number !== undefined) return number;
    if (word.startsWith("=")) return `=${word}`;
    if (folder === "" || !word.startsWith(folder) || word.startsWith("=", folder.length)) return word;
    return `=${word.slice(folder.length)}`;
  }

  /** The word that a line has, or throws. */
  decode(said: Plain | undefined): string {
    const word = this.#meant(said);
    this.#take(word);
    return word;
  }

  #meant(said: Plain | undefined): string {
    if (typeof said === "number") {
      const word = this.#byNumber[said];
      if (word === undefined) throw new Error(`word ${said} was not said before`);
      return word;
    }
    if (typeof said !== "string") throw new Error("a word is missing");
    if (!said.startsWith("=")) return said;
    return said.startsWith("==") ? said.slice(1) : this.#folder + said.slice(1);
  }

  #take(word: string): void {
    const slash = word.lastIndexOf("/");
    if (slash >= 0 && word.length <= NUMBERED_MAX) this.#folder = word.slice(0, slash + 1);
    if (word.length < NUMBERED_MIN || word.length > NUMBERED_MAX || this.#numbers.has(word)) return;
    this.#numbers.set(word, this.#byNumber.length);
    this.#byNumber.push(word);
  }

  /** What the last event about the same subject said in this field. */
  fact(subject: Plain | undefined, of: string, field: string): Plain | undefined {
    const known = this.#facts.get(`${of}:${String(subject)}`);
    return known !== undefined && Object.hasOwn(known, field) ? known[field] : undefined;
  }

  /** An entry was said in full. */
  entry(entry: Entry): void {
    this.seq = entry.seq;
    this.atMs = entry.atMs;
    this.wallMs = entry.wallMs;
    for (const event of entry.events as unknown as readonly PlainObject[]) {
      const of = subjectOf(event);
      if (of === undefined) continue;
      const key = `${of}:${String(event[of])}`;
      const known = this.#facts.get(key);
      const facts: { [field: string]: Plain } = { ...known };
      for (const [field, value] of Object.entries(event)) {
        if (typeof value === "number" || (typeof value === "string" && value.length <= NUMBERED_MAX)) {
          facts[field] = value;
        }
      }
      this.#facts.set(key, facts);
    }
  }
}

/** The field that names what an event is about. */
export function subjectOf(event: PlainObject): string | undefined {
  return subjects.find((field) => typeof event[field] === "string");
}
