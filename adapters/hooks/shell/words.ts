/**
 * Takes a shell command apart into words, operators and redirections, as POSIX shells and bash do.
 * Nothing is expanded here: a word keeps what was quoted, which names stand in it, and which commands.
 */
import { limits } from "../../../core/limits.ts";
import { type Budget, bodyAt, type Delimiter, delimiterAt, endOf, endOfBackticks, lineEnd } from "./skip.ts";

/**
 * A part of a word. `unknown` is what only running would tell; `source` is the command it would run,
 * `isPipe` when the part is a pipe to or from it.
 */
export type Piece =
  | { readonly kind: "text"; readonly text: string; readonly isQuoted: boolean }
  | { readonly kind: "name"; readonly name: string; readonly isQuoted: boolean }
  | { readonly kind: "unknown"; readonly source?: string; readonly isPipe?: true };

/** A word, in its parts. */
export type Word = readonly Piece[];

/** A redirection: its operator without the number of the stream, and its target. */
export interface Redirection {
  readonly kind: "redirection";
  readonly operator: string;
  readonly target: Word;
  /** What a here-document says; `isLive` when expansions are carried out in it. */
  body?: string;
  readonly isLive?: boolean;
}

/** A part of a command. The operator of a line's end is `\n`. */
export type Token =
  | { readonly kind: "word"; readonly word: Word }
  | { readonly kind: "operator"; readonly text: string }
  | Redirection;

/**
 * A command taken apart; `isWhole` is false when it was too long, or its quotes and brackets do not
 * close.
 */
export interface Reading {
  readonly tokens: readonly Token[];
  readonly isWhole: boolean;
}

const OPERATOR = /;;&|;;|;&|\|\||&&|\|&|[;&|()]/y;
const REDIRECTION = /<<<|<<|<>|<&|<|>>|>&|>\||>/y;
const NAME = /[A-Za-z_]\w*|[0-9@*#?$!-]/y;
/** Ends a stretch of a word in which nothing is special. */
const PLAIN = /[^\s;&|()<>\\'"$`?*+@!=]+/y;
/** Behind these words a command begins, as it does behind an operator. */
const STARTERS = new Set(["for", "if", "elif", "while", "until", "then", "else", "do", "!", "time", "{"]);

/** Takes a command apart. */
export function readWords(text: string): Reading {
  return new Reader(text).read();
}

/** The text of a word in which nothing is left to expand. */
export function plainText(word: Word): string | undefined {
  let text = "";
  for (const piece of word) {
    if (piece.kind !== "text") return undefined;
    text += piece.text;
  }
  return text;
}

class Reader {
  private readonly text: string;
  private readonly tokens: Token[] = [];
  private readonly waiting: { readonly token: Redirection; readonly delimiter: Delimiter }[] = [];
  private readonly budget: Budget;
  private at = 0;
  private isWhole = true;

  constructor(text: string) {
    this.text = text;
    this.budget = { left: 8 * text.length + 1000 };
  }

  read(): Reading {
    while (this.at < this.text.length) {
      if (this.tokens.length >= limits.shellTokensMax) return { tokens: this.tokens, isWhole: false };
      this.step();
    }
    if (this.waiting.length > 0) this.isWhole = false;
    return { tokens: this.tokens, isWhole: this.isWhole };
  }

  private step(): void {
    const c = this.text[this.at] as string;
    const next = this.text[this.at + 1];
    if (c === "\n") return this.endLine();
    if (c === " " || c === "\t" || c === "\r") this.at++;
    else if (c === "\\" && next === "\n") this.at += 2;
    else if (c === "#") this.at = lineEnd(this.text, this.at);
    else if (c === "&" && next === ">") {
      this.at++;
      this.redirect("&");
    } else if ((c === "<" || c === ">") && next !== "(") this.redirect("");
    else if (c === "(" && next === "(" && this.isAtCommand() && this.arithmetic()) return;
    else {
      const operator = c === "<" || c === ">" ? undefined : this.match(OPERATOR);
      if (operator === undefined) this.word();
      else this.tokens.push({ kind: "operator", text: operator });
    }
  }

  private endLine(): void {
    this.at++;
    this.tokens.push({ kind: "operator", text: "\n" });
    for (const { token, delimiter } of this.waiting.splice(0)) {
      const { body, end, isClosed } = bodyAt(this.text, this.at, delimiter);
      token.body = body;
      if (!isClosed) this.isWhole = false;
      this.at = end;
    }
  }

  private redirect(prefix: string): void {
    const operator = prefix + (this.match(REDIRECTION) ?? "");
    if (operator === "<<") {
      const found = delimiterAt(this.text, this.at);
      if (found === undefined) {
        this.isWhole = false;
        return;
      }
      this.at = found.end;
      const token: Redirection = { kind: "redirection", operator, target: [], isLive: !found.isQuoted };
      this.tokens.push(token);
      this.waiting.push({ token, delimiter: found.delimiter });
      return;
    }
    while (this.text[this.at] === " " || this.text[this.at] === "\t") this.at++;
    const target = this.pieces();
    if (target.length === 0) this.isWhole = false;
    else this.tokens.push({ kind: "redirection", operator, target });
  }

  private word(): void {
    const start = this.at;
    const word = this.pieces();
    if (word.length === 0) {
      // Nothing that belongs to a word, nor to anything else: go on behind it.
      this.at = Math.max(this.at, start + 1);
      this.isWhole = false;
      return;
    }
    const c = this.text[this.at];
    const text = this.text.slice(start, this.at);
    // `2>`: the number belongs to the redirection.
    if ((c === "<" || c === ">") && /^\d+$/.test(text)) return;
    if (text === "[[" && this.isAtCommand()) return this.test();
    this.tokens.push({ kind: "word", word });
  }

  private isAtCommand(): boolean {
    const last = this.tokens[this.tokens.length - 1];
    if (last === undefined || last.kind === "operator") return true;
    return last.kind === "word" && STARTERS.has(plainText(last.word) ?? "");
  }

  /** `[[ … ]]`: in it `<`, `>`, `(` and `|` compare and combine. */
  private test(): void {
    const end = /(?:\s|^)\]\](?=[\s;&|)]|$)/g;
    end.lastIndex = this.at;
    const found = end.exec(this.text);
    const body = this.text.slice(this.at, found === null ? this.text.length : found.index);
    this.tokens.push({ kind: "word", word: [{ kind: "text", text: "[[", isQuoted: false }] });
    if (found === null || runs(body)) this.isWhole = false;
    this.at = found === null ? this.text.length : end.lastIndex;
  }

  /** `(( … ))`. */
  private arithmetic(): boolean {
    const end = endOf(this.text, this.at + 1, "(", this.budget);
    if (end < 0 || this.text[end - 2] !== ")") return false;
    if (runs(this.text.slice(this.at, end))) this.isWhole = false;
    this.tokens.push({ kind: "word", word: [{ kind: "text", text: "((", isQuoted: false }] });
    this.at = end;
    return true;
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  // One word.

  private pieces(): Word {
    const pieces: Piece[] = [];
    const add = (text: string, isQuoted: boolean) => {
      pieces.push({ kind: "text", text, isQuoted });
    };
    while (this.at < this.text.length) {
      const c = this.text[this.at] as string;
      const next = this.text[this.at + 1];
      if ((c === "<" || c === ">") && next === "(" && pieces.length === 0)
        pieces.push({ ...this.command(2), isPipe: true });
      else if (/[\s;&|)<>]/.test(c)) break;
      else if (c === "(") {
        // `a=(…)`, or a pattern such as `!(x)`; else the bracket belongs to no word (`f()`).
        if (!/[=?*+@!]/.test(this.text[this.at - 1] ?? "") || pieces.length === 0) break;
        const inner = this.command(1);
        if (runs(inner.source ?? "")) this.isWhole = false;
        pieces.push({ kind: "unknown" });
      } else if (c === "'") add(this.single(), true);
      else if (c === '"') this.double(pieces);
      else if (c === "\\") {
        if (next !== "\n") add(next ?? "\\", true);
        this.at += 2;
      } else if (c === "$" || c === "`") this.expansion(pieces, false);
      else {
        const plain = this.match(PLAIN) ?? c;
        if (plain === c && this.text[this.at] === c) this.at++;
        add(plain, false);
      }
    }
    return pieces;
  }

  private single(): string {
    const end = this.text.indexOf("'", this.at + 1);
    if (end < 0) this.isWhole = false;
    const inner = this.text.slice(this.at + 1, end < 0 ? this.text.length : end);
    this.at = end < 0 ? this.text.length : end + 1;
    return inner;
  }

  private double(pieces: Piece[]): void {
    this.at++;
    let text = "";
    const flush = () => {
      pieces.push({ kind: "text", text, isQuoted: true });
      text = "";
    };
    while (this.at < this.text.length) {
      const c = this.text[this.at] as string;
      if (c === '"') {
        this.at++;
        return flush();
      }
      if (c === "$" || c === "`") {
        flush();
        this.expansion(pieces, true);
      } else if (c === "\\") {
        const next = this.text[this.at + 1] ?? "";
        if (next !== "\n") text += /["$`\\]/.test(next) ? next : c + next;
        this.at += 2;
      } else {
        const stop = /["$`\\]/g;
        stop.lastIndex = this.at;
        const end = stop.exec(this.text)?.index ?? this.text.length;
        text += this.text.slice(this.at, end);
        this.at = end;
      }
    }
    this.isWhole = false;
    flush();
  }

  /** What begins with `$` or a backtick. */
  private expansion(pieces: Piece[], isQuoted: boolean): void {
    const next = this.text[this.at + 1];
    if (this.text[this.at] === "`") pieces.push(this.backticks());
    else if (next === "(") pieces.push(this.command(2));
    else if (next === "{") pieces.push(this.braced(isQuoted));
    else if (next === "'" && !isQuoted) {
      pieces.push(this.escaped());
    } else if (next === '"' && !isQuoted) {
      this.at++;
      this.double(pieces);
    } else {
      this.at++;
      const name = this.match(NAME);
      if (name === undefined) pieces.push({ kind: "text", text: "$", isQuoted: true });
      else pieces.push({ kind: "name", name, isQuoted });
    }
  }

  /** A command in brackets that begin `skip` characters on; `$((…))` is no command. */
  private command(skip: number): Piece & { readonly kind: "unknown" } {
    const start = this.at + skip;
    const end = endOf(this.text, start, "(", this.budget);
    if (end < 0) {
      this.isWhole = false;
      this.at = this.text.length;
      return { kind: "unknown" };
    }
    const source = this.text.slice(start, end - 1);
    this.at = end;
    const isArithmetic = source.startsWith("(") && source.endsWith(")");
    if (isArithmetic && !runs(source)) return { kind: "unknown" };
    return { kind: "unknown", source };
  }

  private backticks(): Piece {
    const end = endOfBackticks(this.text, this.at + 1);
    const inner = this.text.slice(this.at + 1, end < 0 ? this.text.length : end - 1);
    if (end < 0) this.isWhole = false;
    this.at = end < 0 ? this.text.length : end;
    return { kind: "unknown", source: inner.replace(/\\([`$\\])/g, "$1") };
  }

  private braced(isQuoted: boolean): Piece {
    const start = this.at + 2;
    const end = endOf(this.text, start, "{", this.budget);
    const inner = this.text.slice(start, end < 0 ? this.text.length : end - 1);
    this.at = end < 0 ? this.text.length : end;
    if (end < 0 || runs(inner)) this.isWhole = false;
    return /^[A-Za-z_]\w*$/.test(inner) ? { kind: "name", name: inner, isQuoted } : { kind: "unknown" };
  }

  /** `$'…'`. */
  private escaped(): Piece {
    const found = /\$'((?:[^'\\]|\\[\s\S])*)'/y;
    found.lastIndex = this.at;
    const match = found.exec(this.text);
    if (match === null) {
      this.isWhole = false;
      this.at = this.text.length;
      return { kind: "unknown" };
    }
    this.at += match[0].length;
    const escapes: { readonly [letter: string]: string } = { n: "\n", t: "\t", r: "\r" };
    const inner = match[1] as string;
    if (/\\[^ntr\\'"]/.test(inner)) return { kind: "unknown" };
    const text = inner.replace(/\\([\s\S])/g, (_, letter: string) => escapes[letter] ?? letter);
    return { kind: "text", text, isQuoted: true };
  }
}

/** Whether expanding this text would run a command. */
export function runs(text: string): boolean {
  return text.includes("$(") || text.includes("`");
}
