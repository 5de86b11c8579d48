/**
 * A command: what a verb is given, and what it may ask for.
 */
import type { Arguments, Arity, Option } from "./arguments.ts";
import type { Output } from "./render.ts";

/** What a verb works with. */
export interface Command {
  readonly args: Arguments;
  readonly out: Output;
  readonly env: NodeJS.ProcessEnv;
  /** The working directory. */
  readonly cwd: string;
}

/** Does what the verb says; resolves with its exit code. */
export type Run = (command: Command) => Promise<number>;

/** A verb as data. */
export interface Verb {
  /** Its words, for the help. */
  readonly takes: string;
  readonly arity: Arity;
  readonly about: string;
  readonly options: readonly Option[];
  readonly examples: readonly (readonly [command: string, what: string])[];
  readonly load: () => Promise<Run>;
}

/** What a command ends with. */
export const exits = { ok: 0, failed: 1, refused: 2, unreachable: 3, usage: 64 } as const;
