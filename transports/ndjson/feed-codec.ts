/**
 * The feed's encoding: entries to lines of NDJSON and back, without loss, in about a third of the
 * bytes and tokens.
 *
 * A file is self-contained. Its first line is the header, an object with `feed`. After it come four
 * kinds of lines: `{"t":N,"is":{…}}` declares template N; `{"seq":N}` says that the next entry's seq
 * is not the one that follows; `{"sum":"…"}`, behind every 32nd entry, is the beginning of the SHA-256 of
 * all lines before it but those of this kind, in base64url; and an entry is a list
 * `[template, ms since the last entry, values…]`,
 * with `[ms, wall ms beyond that]` in second place where the wall clock went otherwise. Template 0
 * needs no declaration: its value is the entry as it is.
 */
import { createHash, type Hash } from "node:crypto";
import type { Entry } from "../../core/model/slice.ts";
import { fillIn, fillOut, rules } from "./feed-template.ts";
import { FeedWords, type Plain, type PlainObject } from "./feed-words.ts";

/** Kinds of entries one file may declare; all others are written as they are. */
const TEMPLATES_MAX = 400;

/** Rarely enough to cost next to nothing, often enough that damage is noticed soon. */
const SUM_EVERY = 32;
/** Characters of a sum: 48 bits. */
const SUM_LENGTH = 8;

/** The first line of a feed file. */
export interface FeedHeader {
  /** Version of the encoding. */
  readonly feed: 1;
  /** Id of the log. */
  readonly log: string;
  /** Seq of the entry before the first one in this file. */
  readonly after: number;
  /** Whether direct messages are shown. */
  readonly full: boolean;
}

/** What a file has said, from which either end goes on. */
export interface FeedState {
  readonly words: FeedWords;
  readonly templates: PlainObject[];
  readonly sums: FeedSums;
}

/** What every line so far comes to. */
class FeedSums {
  readonly #hash: Hash = createHash("sha256");
  #entries = 0;

  /** A line that is no sum, without its end. */
  add(line: string, isEntry: boolean): void {
    this.#hash.update(line).update("\n");
    if (isEntry) this.#entries++;
  }

  get isDue(): boolean {
    return this.#entries >= SUM_EVERY;
  }

  /** The sum to be written, or to be found, here. */
  take(): string {
    this.#entries = 0;
    return this.#hash.copy().digest("base64url").slice(0, SUM_LENGTH);
  }
}

function begun(firstLine: string, after: number): FeedState {
  const sums = new FeedSums();
  sums.add(firstLine, false);
  return { words: new FeedWords(after), templates: [{}], sums };
}

/** The first line of a new file, with the rules, without its end. */
export function headerLine(header: FeedHeader): string {
  const entry = "[template, ms since the last entry or [ms, wall ms beyond that], values…]; seq counts on";
  const word =
    "a string of 7 to 200 characters gets the next number, from 0, when first said, and may be said by it; " +
    '"=x" is x in the folder of the last word that has a "/"; "==x" is "=x"';
  return JSON.stringify({ ...header, how: { entry, word, rules } });
}

/** Makes the lines of one file, in order. */
export class FeedEncoder {
  readonly #state: FeedState;
  readonly #numbers: Map<string, number>;
  /** Kinds that occurred once: only a second one is worth a declaration. */
  readonly #seen = new Set<string>();

  /** Begins behind a header, or goes on where a decoder of the file stands. */
  constructor(start: FeedHeader | FeedState) {
    this.#state = "feed" in start ? begun(headerLine(start), start.after) : start;
    this.#numbers = new Map(this.#state.templates.map((template, at) => [JSON.stringify(template), at]));
  }

  /** Seq of the last entry. */
  get seq(): number {
    return this.#state.words.seq;
  }

  /** The lines of the next entry, each with its end. Entries must come in the order of the log. */
  encode(entry: Entry): string {
    const { sums } = this.#state;
    const sum = () => (sums.isDue ? `{"sum":"${sums.take()}"}\n` : "");
    // One that an earlier writer had no time for comes first.
    const before = sum();
    const lines = this.#lines(entry);
    for (const line of lines) sums.add(line, line.startsWith("["));
    return `${before}${lines.join("\n")}\n${sum()}`;
  }

  #lines(entry: Entry): string[] {
    const { words, templates } = this.#state;
    const ms = entry.atMs - words.atMs;
    const beyond = entry.wallMs - words.wallMs - ms;
    const time: Plain = beyond === 0 ? ms : [ms, beyond];
    const lines = entry.seq === words.seq + 1 ? [] : [`{"seq":${entry.seq}}`];
    const kind = kindOf(entry);
    if (!this.#seen.has(kind)) {
      if (this.#seen.size < TEMPLATES_MAX) this.#seen.add(kind);
      return [...lines, this.#plain(entry, time)];
    }
    if (templates.length >= TEMPLATES_MAX) return [...lines, this.#plain(entry, time)];
    const { template, values } = fillIn(entry, words);
    const text = JSON.stringify(template);
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = templates.push(template) - 1;
      this.#numbers.set(text, number);
      lines.push(`{"t":${number},"is":${text}}`);
    }
    words.entry(entry);
    lines.push(JSON.stringify([number, time, ...values]));
    return lines;
  }

  #plain(entry: Entry, time: Plain): string {
    const { seq: _, atMs: __, wallMs: ___, ...rest } = entry;
    this.#state.words.entry(entry);
    return JSON.stringify([0, time, rest]);
  }
}

/** Which entries are alike: the types of their events and the fields these have. */
function kindOf(entry: Entry): string {
  return entry.events.map((event) => Object.keys(event).join(" ") + event.type).join("|");
}

/** Reads the lines of one file, in order. */
export class FeedDecoder {
  readonly header: FeedHeader;
  readonly state: FeedState;
  #next: number | undefined;

  /** Begins with the file's first line; throws when that is no header this version knows. */
  constructor(firstLine: string) {
    this.header = headerOf(firstLine);
    this.state = begun(firstLine, this.header.after);
  }

  /** Seq of the last entry. */
  get seq(): number {
    return this.state.words.seq;
  }

  /** The entry of a line, `undefined` when it holds none; throws when it cannot be one of this file. */
  decode(line: string): Entry | undefined {
    const value = JSON.parse(line) as Plain;
    const { words, templates, sums } = this.state;
    if (!Array.isArray(value)) {
      const { t, is, seq, sum } = value as PlainObject;
      if (typeof sum === "string") {
        if (sum !== sums.take()) throw new Error("a line before it is not what was written");
        return undefined;
      }
      sums.add(line, false);
      if (typeof seq === "number") this.#next = seq;
      else if (t === templates.length && typeof is === "object" && is !== null)
        templates.push(is as PlainObject);
      else throw new Error("a line that is neither an entry nor a declaration");
      return undefined;
    }
    if (sums.isDue) throw new Error("a sum is missing");
    sums.add(line, true);
    const [number, time, ...values] = value as readonly Plain[];
    const [ms, beyond] = (Array.isArray(time) ? time : [time, 0]) as readonly Plain[];
    if (typeof number !== "number" || typeof ms !== "number" || typeof beyond !== "number") {
      throw new Error("an entry without template or time");
    }
    const times = {
      seq: this.#next ?? words.seq + 1,
      atMs: words.atMs + ms,
      wallMs: words.wallMs + ms + beyond,
    };
    this.#next = undefined;
    const template = templates[number];
    if (template === undefined) throw new Error(`template ${number} was not declared`);
    const entry =
      number === 0
        ? ({ ...times, ...(values[0] as object) } as Entry)
        : fillOut(template, values, times, words);
    words.entry(entry);
    return entry;
  }
}

/** The header in a line; throws when it is none. */
export function headerOf(line: string): FeedHeader {
  const { feed, log, after, full } = JSON.parse(line) as { readonly [key: string]: unknown };
  if (feed !== 1 || typeof log !== "string" || typeof after !== "number") {
    throw new Error("this is no feed, or one of a newer version");
  }
  return { feed, log, after, full: full === true };
}
