/**
 * Goes through a command as a shell would, without running anything: follows `cd` and variables, enters
 * subshells, loops and commands within commands, and asks of each program what it writes. All branches of
 * a condition are taken. What stands before `&&`, and a `cd`, is taken to succeed; the result is not certain
 * where that decides in which folder a later command runs.
 */
import { limits } from "../../../core/limits.ts";
import { expand, type Names } from "./expand.ts";
import { carryOut, programName } from "./programs.ts";
import { bodyOf, folderOf, isOperator, keywordOf, moveOf, partsOf, type Simple } from "./simple.ts";
import type { Arg, Sink } from "./sink.ts";
import { assigned, Variables } from "./variables.ts";
import { plainText, type Redirection, readWords, runs, type Token, type Word } from "./words.ts";

/** What a walk shares with the walks inside it: work left, so that no nesting is dear. */
export interface Effort {
  left: number;
}

interface Frame {
  readonly kind: "(" | "{" | "function" | "loop" | "case" | "if";
  /** Where it began; a branch that may not be taken leaves the next one there. */
  readonly base: string | undefined;
  variables: Variables;
  /** Its condition went elsewhere, or tried to. */
  isGuarded: boolean;
  /** How the branches ended that were gone through already. */
  readonly branches: Variables[];
  /** Some branch went elsewhere. */
  hasMoved: boolean;
  /** In a `case`: the words are patterns, not commands. */
  isPattern: boolean;
}

const CLOSING = new Set(["fi", "done", "esac", "}"]);
/** Words that only say that a command follows. */
const PASSING = new Set(["!", "coproc"]);

/** One shell: its folder, its variables, what it is inside of. */
export class Walk {
  private base: string | undefined;
  private variables: Variables;
  private readonly functions = new Set<string>();
  private readonly frames: Frame[] = [];
  private readonly folders: (string | undefined)[] = [];
  private before = "";
  /** The next brace opens a function. */
  private isDefining = false;
  /** A folder was entered, or a variable set, that is not should what stands before `&&` have failed. */
  private dependsOnSuccess = false;
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
    readonly variables: Variables;
  }) {
    this.base = at.base;
    this.sink = at.sink;
    this.effort = at.effort;
    this.depth = at.depth;
    this.variables = at.variables;
  }

  /** Goes through a command. */
  follow(text: string): void {
    if (this.depth > 0) this.effort.left -= text.length >> 2;
    if (this.depth > limits.shellDepthMax || this.effort.left <= 0) return this.sink.unsure();
    const { tokens, isWhole } = readWords(text);
    if (!isWhole) this.sink.unsure();
    for (let i = 0; i < tokens.length; ) {
      if (this.effort.left <= 0) return this.sink.unsure();
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
      const isFunction = isOperator(tokens[end], "(") && isOperator(tokens[end + 1], ")");
      const name = simple.words[keywordOf(simple.words[0] ?? []) === "function" ? 1 : 0];
      if (isFunction && name !== undefined && name === simple.words[simple.words.length - 1]) {
        this.functions.add(plainText(name) ?? "");
        this.isDefining = true;
        end += 2;
      } else {
        const isApart = ["|", "|&", "&"].some((operator) => isOperator(tokens[end], operator));
        this.command(simple, isApart || ["|", "|&"].includes(this.before));
      }
      i = end;
    }
  }

  private operate(operator: string): void {
    const frame = this.frames[this.frames.length - 1];
    if (frame?.kind === "case" && operator === ")" && frame.isPattern) frame.isPattern = false;
    else if (frame?.kind === "case" && operator.startsWith(";;")) {
      frame.isPattern = true;
      this.turn();
    } else if (operator === "(" && !frame?.isPattern) this.enter("(");
    else if (operator === ")" && frame?.kind === "(") this.leave();
    if (operator !== "|" && operator !== "|&") this.piped = undefined;
    this.before = operator;
  }

  private enter(kind: Frame["kind"]): void {
    const variables = this.variables;
    this.effort.left -= variables.size;
    this.frames.push({
      kind,
      base: this.base,
      variables,
      branches: [],
      hasMoved: false,
      isGuarded: false,
      isPattern: kind === "case",
    });
    if (kind !== "{") this.variables = variables.copy();
    this.isDefining = false;
  }

  /** The end of a condition: what it did holds for every branch. */
  private decide(): void {
    const frame = this.frames[this.frames.length - 1];
    if (frame?.kind !== "if" && frame?.kind !== "loop") return;
    this.effort.left -= this.variables.size;
    frame.variables = this.variables;
    this.variables = this.variables.copy();
    frame.isGuarded ||= frame.base !== this.base;
  }

  /** The next branch begins where the first did. */
  private turn(): void {
    const frame = this.frames[this.frames.length - 1];
    if (frame === undefined) return;
    frame.hasMoved ||= frame.base !== this.base;
    this.base = frame.isGuarded ? undefined : frame.base;
    if (frame.kind === "{") return;
    this.effort.left -= this.variables.size;
    frame.branches.push(this.variables);
    this.variables = frame.variables.copy();
  }

  /** The end of what was entered: what was changed inside may or may not have been. */
  private leave(): void {
    const frame = this.frames.pop();
    if (frame === undefined || frame.kind === "{") return;
    const hasMoved = frame.hasMoved || frame.base !== this.base;
    const inside = this.variables;
    this.base = frame.base;
    this.variables = frame.variables;
    if (frame.kind === "(") this.dependsOnSuccess = false;
    else {
      const all = [frame.variables, ...frame.branches, inside];
      this.effort.left -= all.reduce((sum, { size }) => sum + size, 0);
      if (this.effort.left > 0) this.variables = Variables.either(all);
      // Another round, or a call, begins with what this one left.
      const hasChanged = hasMoved || frame.variables.hasChanged(inside, frame.kind === "function");
      if (hasChanged && (frame.kind === "loop" || frame.kind === "function")) this.sink.unsure();
      if (hasMoved && frame.kind !== "function") this.base = undefined;
    }
  }

  private command({ words, redirections }: Simple, isApart: boolean): void {
    if (this.dependsOnSuccess && this.before !== "&&" && words.length > 0) this.sink.unsure();
    const frame = this.frames[this.frames.length - 1];
    if (frame?.isPattern && plainText(words[0] ?? []) !== "esac") return;
    let at = 0;
    for (; at < words.length; at++) {
      const keyword = keywordOf(words[at] as Word);
      if (keyword === "if") this.enter("if");
      else if (keyword === "while" || keyword === "until") this.enter("loop");
      else if (keyword === "{") this.enter(this.isDefining ? "function" : "{");
      else if (keyword !== undefined && CLOSING.has(keyword)) this.leave();
      else if (keyword === "then" || keyword === "do") this.decide();
      else if (keyword === "else" || keyword === "elif") this.turn();
      else if (keyword === "function") {
        this.functions.add(plainText(words[++at] ?? []) ?? "");
        this.isDefining = true;
      } else if (keyword === "for" || keyword === "select") return this.loop(words.slice(at + 1));
      else if (keyword === "case") {
        for (const word of words) this.inside(word);
        return this.enter("case");
      } else if (keyword === undefined || !PASSING.has(keyword)) break;
    }
    this.simple({ words: words.slice(at), redirections }, isApart);
  }

  /** `for NAME in WORDS`. */
  private loop([name, , ...words]: readonly Word[]): void {
    for (const word of words) this.inside(word);
    const values = words.flatMap((word) =>
      this.variables.choices([word], this.base).flatMap((names) => this.unfold([word], names) ?? [{}]),
    );
    const isKnown = values.every(({ text, pattern }) => text !== undefined && pattern === undefined);
    const variable = plainText(name ?? []) ?? "";
    const isFew = values.length > 0 && values.length <= limits.shellWordsMax;
    this.variables.set(
      variable,
      isKnown && isFew ? values.map(({ text }) => text as string) : [undefined],
      false,
    );
    this.enter("loop");
  }

  private simple({ words, redirections }: Simple, isApart: boolean): void {
    let at = 0;
    while (at < words.length && assigned(words[at] as Word) !== undefined) at++;
    const command = words.slice(at);
    for (const word of [...words, ...redirections.map(({ target }) => target)]) this.inside(word);
    const isMaybe = this.before === "||";
    if (command.length === 0 && !isApart) {
      if (words.length > 0 && this.before === "&&") this.dependsOnSuccess = true;
      for (const word of words) this.variables.assign(word, isMaybe, this.base);
    }
    for (const { body, isLive } of redirections)
      if (isLive && body !== undefined && runs(body)) this.sink.unsure();
    const targets = redirections.map(({ target }) => target);
    const choices = this.variables.choices([...command, ...targets], this.base);
    for (const names of choices) {
      for (const redirection of redirections) this.redirect(redirection, names);
      const args = this.unfold(command, names);
      if (args === undefined) return this.sink.unsure();
      if (args.length > 0) this.call(args, bodyOf(redirections, names));
      const target = moveOf(args);
      // In a pipe or in the background it is another shell that moves.
      if (target !== undefined && !isApart) this.move(target, args, choices.length === 1);
    }
    if (command.length > 0) this.variables.declare(command, isMaybe, this.base);
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

  private call(args: readonly Arg[], own: string | undefined): void {
    const name = programName(args[0]);
    const body = own ?? this.piped;
    const isPassing = name === "cat" && args.slice(1).every(({ text }) => text === "-");
    this.piped = isPassing ? body : undefined;
    if (name === undefined || !this.functions.has(name)) this.run(args, this.base, this.sink, body, 0);
  }

  /** `cd`, `pushd` and `popd`. */
  private move(name: string, args: readonly Arg[], isOne: boolean): void {
    if (this.before === "&&") this.dependsOnSuccess = true;
    if (name === "popd") {
      this.base = this.folders.pop();
      return;
    }
    if (name === "pushd") this.folders.push(this.base);
    this.base = isOne && this.before !== "||" ? folderOf(this.base, args.slice(1)) : undefined;
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
    return new Walk({
      base,
      sink,
      effort: this.effort,
      depth: this.depth + 1,
      variables: this.variables.copy(),
    });
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
}
