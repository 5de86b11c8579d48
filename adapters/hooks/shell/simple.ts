/**
 * A simple command: the words and redirections between two operators.
 */
import { type Names, valueIn } from "./expand.ts";
import { type Arg, resolved } from "./sink.ts";
import { plainText, type Redirection, type Token, type Word } from "./words.ts";

/** Its words in order, its redirections in order. */
export interface Simple {
  readonly words: readonly Word[];
  readonly redirections: readonly Redirection[];
}

/** Tokens between two operators, sorted. */
export function partsOf(tokens: readonly Token[]): Simple {
  const words: Word[] = [];
  const redirections: Redirection[] = [];
  for (const token of tokens) {
    if (token.kind === "word") words.push(token.word);
    else if (token.kind === "redirection") redirections.push(token);
  }
  return { words, redirections };
}

/** Whether a token is this operator. */
export function isOperator(token: Token | undefined, text: string): boolean {
  return token?.kind === "operator" && token.text === text;
}

/** The command, where it is one that changes the folder. */
export function moveOf(args: readonly Arg[]): string | undefined {
  const name = args[0]?.text;
  return name === "cd" || name === "pushd" || name === "popd" ? name : undefined;
}

/** A word that may be a keyword: plain letters, nothing quoted. */
export function keywordOf(word: Word): string | undefined {
  const isBare = word.every((piece) => piece.kind === "text" && !piece.isQuoted);
  return isBare ? plainText(word) : undefined;
}

/** Where `cd` goes; nothing where nobody can know. */
export function folderOf(base: string | undefined, args: readonly Arg[]): string | undefined {
  const [folder] = args.filter(({ text }) => text === undefined || text === "-" || !text.startsWith("-"));
  if (folder?.text === undefined || folder.text === "-" || folder.pattern !== undefined) return undefined;
  return resolved(base, folder.text);
}

/** What is handed to the command: of a here-document, or of a word behind `<<<`. */
export function bodyOf(redirections: readonly Redirection[], names: Names): string | undefined {
  const last = redirections.findLast(({ operator }) => operator === "<<" || operator === "<<<");
  if (last === undefined) return undefined;
  return last.operator === "<<" ? last.body : valueIn(last.target, names);
}
