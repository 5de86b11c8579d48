/**
 * Goes through a command as a shell would, without running anything: follows `cd` and variables, enters
 * subshells, loops and commands within commands, and asks of each program what it writes. Both branches
 * of a condition are taken; `&&` is taken to succeed.
 */
import { limits } from "../../../core/limits.ts";
import { expand, type Names, valueIn } from "./expand.ts";
import { carryOut, programName } from "./programs.ts";
import { type Arg, resolved, type Sink } from "./sink.ts";
import { plainText, type Redirection, readWords, runs, type Token, type Word } from "./words.ts";

/** What a walk shares with the walks inside it: work left, so that no nesting is dear. */
export interface Effort {
  left: number;
}

interface Frame {
  readonly kind: "(" | "loop" | "case" | "if";
  readonly base: string | undefined;
  /** In a `case`: the words are patterns, not commands. */
  isPattern: boolean;
}

interface Simple {
  readonly words: readonly Word[];
  readonly redirections: readonly Redirection[];
}

const ASSIGNMENT = /^([A-Za-z_]\w*)(\+?)=/;
const DECLARING = new Set(["export", "declare", "local", "readonly", "typeset"]);
/** Words that only say that a command follows. */
const PASSING = new Set(["then", "elif", "else", "do", "!", "{", "}", "coproc"]);

/** One shell: its folder, its variables, what it is inside of. */
export class Walk {
  private base: string | undefined;
  private readonly names: Map<string, readonly string[] | undefined>;
  private readonly functions = new Set<string>();
  private readonly frames: Frame[] = [];
  private readonly folders: (string | undefined)[] = [];
  private before = "";
  /** What `cat <<EOF` hands on through a pipe. */
  private piped: string | undefined;
  private readonly sink: Sink;
  private readonly effort: Effort;
  private readonly depth: number;

  constructor(at: {
    readonly base: string | undefined;
    readonly sink: Sink;
    readonly effort: Effort;
    readonly depth: number;
    readonly names?: ReadonlyMap<string, readonly string[] | undefined>;
  }) {
    this.base = at.base;
    this.sink = at.sink;
    this.effort = at.effort;
    this.depth = at.depth;
    this.names = new Map(at.names ?? []);
  }

  /** Goes through a command. */
  follow(text: string): void {
    if (this.depth > 0) this.effort.left -= text.length >> 2;
    if (this.depth > limits.shellDepthMax || this.effort.left <= 0) return this.sink.unsure();
    const { tokens, isWhole } = readWords(text);
    if (!isWhole) this.sink.unsure();
    for (let i = 0; i < tokens.length; ) {
      const token = tokens[i] as Token;
      if (token.kind === "operator") {
        this.operate(token.text);
        i++;
        continue;
      }
      let end = i;
      while (end < tokens.length && tokens[end]?.kind !== "operator") end++;
      const simple = partsOf(tokens.slice(i, end));
      // `f() { …`: what follows is walked as if it ran.
      if (isOperator(tokens[end], "(") && isOperator(tokens[end + 1], ")") && simple.words.length === 1) {
        this.functions.add(plainText(simple.words[0] as Word) ?? "");
        end += 2;
      } else this.command(simple);
      i = end;
    }
  }

  private operate(operator: string): void {
    const frame = this.frames[this.frames.length - 1];
    if (frame?.kind === "case" && operator === ")" && frame.isPattern) frame.isPattern = false;
    else if (frame?.kind === "case" && operator.startsWith(";;")) frame.isPattern = true;
    else if (operator === "(" && !frame?.isPattern) this.enter("(");
    else if (operator === ")" && frame?.kind === "(") this.base = this.frames.pop()?.base;
    if (operator !== "|" && operator !== "|&") this.piped = undefined;
    this.before = operator;
  }

  private enter(kind: Frame["kind"]): void {
    this.frames.push({ kind, base: this.base, isPattern: kind === "case" });
  }

  /** The end of a loop or condition: a folder that was changed inside may or may not have been. */
  private leave(): void {
    const frame = this.frames.pop();
    if (frame === undefined || frame.base === this.base) return;
    if (frame.kind === "loop") this.sink.unsure();
    this.base = undefined;
  }

  private command({ words, redirections }: Simple): void {
    const frame = this.frames[this.frames.length - 1];
    if (frame?.isPattern && plainText(words[0] ?? []) !== "esac") return;
    let at = 0;
    for (; at < words.length; at++) {
      const keyword = keywordOf(words[at] as Word);
      if (keyword === "if") this.enter("if");
      else if (keyword === "while" || keyword === "until") this.enter("loop");
      else if (keyword === "fi" || keyword === "done" || keyword === "esac") this.leave();
      else if (keyword === "function") this.functions.add(plainText(words[++at] ?? []) ?? "");
      else if (keyword === "for" || keyword === "select") return this.loop(words.slice(at + 1));
      else if (keyword === "case") {
        for (const word of words) this.inside(word);
        return this.enter("case");
      } else if (keyword === undefined || !PASSING.has(keyword)) break;
    }
    this.simple({ words: words.slice(at), redirections });
  }

  /** `for NAME in WORDS`. */
  private loop([name, , ...words]: readonly Word[]): void {
    for (const word of words) this.inside(word);
    const values = words.flatMap((word) =>
      this.choices([word]).flatMap((names) => this.unfold([word], names) ?? [{}]),
    );
    const isKnown = values.every(({ text, pattern }) => text !== undefined && pattern === undefined);
    const variable = plainText(name ?? []) ?? "";
    const isFew = values.length > 0 && values.length <= limits.shellWordsMax;
    this.names.set(variable, isKnown && isFew ? values.map(({ text }) => text as string) : undefined);
    this.enter("loop");
  }

  private simple({ words, redirections }: Simple): void {
    let at = 0;
    while (at < words.length && assigned(words[at] as Word) !== undefined) at++;
    const command = words.slice(at);
    for (const word of [...words, ...redirections.map(({ target }) => target)]) this.inside(word);
    if (command.length === 0) for (const word of words) this.assign(word);
    for (const { body, isLive } of redirections)
      if (isLive && body !== undefined && runs(body)) this.sink.unsure();
    const choices = this.choices([...command, ...redirections.map(({ target }) => target)]);
    for (const names of choices) {
      for (const redirection of redirections) this.redirect(redirection, names);
      const args = this.unfold(command, names);
      if (args === undefined) return this.sink.unsure();
      if (args.length > 0) this.call(args, bodyOf(redirections, names), choices.length === 1);
    }
    if (command.length > 0) this.declare(command);
  }

  private unfold(command: readonly Word[], names: Names): readonly Arg[] | undefined {
    const args: Arg[] = [];
    for (const word of command) {
      const unfolded = expand(word, names);
      this.effort.left -= unfolded.length;
      if (this.effort.left <= 0) return undefined;
      args.push(...unfolded);
    }
    return args;
  }

  private call(args: readonly Arg[], own: string | undefined, isOne: boolean): void {
    const name = programName(args[0]);
    const rest = args.slice(1);
    const body = own ?? this.piped;
    this.piped = name === "cat" && rest.every(({ text }) => text === "-") ? body : undefined;
    if (name === "cd" || name === "pushd") {
      const isMaybe = !isOne || this.before === "||";
      if (name === "pushd") this.folders.push(this.base);
      this.base = isMaybe ? undefined : folderOf(this.base, rest);
    } else if (name === "popd") this.base = this.folders.pop();
    else if (name === undefined || !this.functions.has(name)) this.run(args, this.base, this.sink, body, 0);
  }

  private run(
    args: readonly Arg[],
    base: string | undefined,
    sink: Sink,
    body: string | undefined,
    depth: number,
  ): void {
    const name = programName(args[0]);
    this.effort.left -= args.length;
    if (name === undefined || depth > limits.shellDepthMax || this.effort.left <= 0) return sink.unsure();
    carryOut({
      name,
      args: args.slice(1),
      base,
      sink,
      body,
      run: (words, folder, into) => this.run(words, folder, into ?? sink, body, depth + 1),
      source: (text) => this.within(base, sink).follow(text),
    });
  }

  private within(base: string | undefined, sink: Sink): Walk {
    return new Walk({ base, sink, effort: this.effort, depth: this.depth + 1, names: this.names });
  }

  /** Goes through the commands that stand inside a word. */
  private inside(word: Word): void {
    for (const piece of word)
      if (piece.kind === "unknown" && piece.source !== undefined)
        this.within(this.base, this.sink).follow(piece.source);
  }

  private redirect({ operator, target }: Redirection, names: Names): void {
    if (!/^(?:&?>>?|>\||<>|>&)$/.test(operator)) return;
    const args = expand(target, names);
    // `2>&1`, `>&-`: no file.
    if (operator === ">&" && /^(?:\d+-?|-)$/.test(args[0]?.text ?? "")) return;
    for (const arg of args) this.sink.write(this.base, arg);
  }

  // Variables.

  private assign(word: Word): void {
    const found = assigned(word);
    if (found === undefined) return;
    const values = found.isAdding
      ? [undefined]
      : this.choices([found.value]).map((names) => valueIn(found.value, names));
    this.set(found.name, values);
  }

  private set(name: string, values: readonly (string | undefined)[]): void {
    const known = values.filter((value) => value !== undefined);
    // Where it may not come to pass, the old value stays possible.
    const isMaybe = this.frames.some(({ kind }) => kind !== "(");
    const old = isMaybe && this.names.has(name) ? this.names.get(name) : [];
    const all = old === undefined ? undefined : [...new Set([...old, ...known])];
    const isKnown = known.length === values.length && all !== undefined && all.length <= limits.shellWordsMax;
    this.names.set(name, isKnown ? all : undefined);
  }

  /** `export X=…`; `read x` makes a name unknown. */
  private declare(command: readonly Word[]): void {
    const name = plainText(command[0] ?? []);
    if (name === undefined) return;
    if (DECLARING.has(name)) for (const word of command.slice(1)) this.assign(word);
    if (name === "read" || name === "mapfile" || name === "readarray" || name === "unset")
      for (const word of command.slice(1)) this.names.set(plainText(word) ?? "", undefined);
  }

  /** Every way in which the names in these words may have values, each name one; few, or none is known. */
  private choices(words: readonly Word[]): readonly Names[] {
    const used = new Set(
      words.flatMap((word) => word.map((piece) => (piece.kind === "name" ? piece.name : ""))),
    );
    let choices: Map<string, string | undefined>[] = [new Map()];
    if (used.has("PWD")) choices = [new Map([["PWD", this.base]])];
    for (const name of used) {
      const values = this.names.get(name);
      if (values === undefined) continue;
      if (choices.length * values.length > limits.shellWordsMax) continue;
      choices = choices.flatMap((names) => values.map((value) => new Map([...names, [name, value]])));
    }
    return choices;
  }
}

function partsOf(tokens: readonly Token[]): Simple {
  const words: Word[] = [];
  const redirections: Redirection[] = [];
  for (const token of tokens) {
    if (token.kind === "word") words.push(token.word);
    else if (token.kind === "redirection") redirections.push(token);
  }
  return { words, redirections };
}

function isOperator(token: Token | undefined, text: string): boolean {
  return token?.kind === "operator" && token.text === text;
}

/** A word that may be a keyword: plain letters, nothing quoted. */
function keywordOf(word: Word): string | undefined {
  const isBare = word.every((piece) => piece.kind === "text" && !piece.isQuoted);
  return isBare ? plainText(word) : undefined;
}

function assigned(
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

function folderOf(base: string | undefined, args: readonly Arg[]): string | undefined {
  const [folder] = args.filter(({ text }) => text === undefined || text === "-" || !text.startsWith("-"));
  if (folder?.text === undefined || folder.text === "-" || folder.pattern !== undefined) return undefined;
  return resolved(base, folder.text);
}

/** What is handed to the command: of a here-document, or of a word behind `<<<`. */
function bodyOf(redirections: readonly Redirection[], names: Names): string | undefined {
  const last = redirections.findLast(({ operator }) => operator === "<<" || operator === "<<<");
  if (last === undefined) return undefined;
  return last.operator === "<<" ? last.body : valueIn(last.target, names);
}
