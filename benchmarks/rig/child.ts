/**
 * The other process of a benchmark: a program of this folder, run by node, asked over its own channel.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What a child can be asked, by name; each answer must survive structured cloning. */
export type Answers = { readonly [question: string]: (said: never) => unknown };

/** CPU time of a process so far. */
export interface Cpu {
  /** In microseconds, user and system together. */
  readonly us: number;
}

interface Answer {
  readonly number: number;
  readonly answer?: unknown;
  readonly error?: string;
}

/** A child that runs. */
export class Child {
  private readonly process: ChildProcess;
  private readonly waiting = new Map<
    number,
    { resolve: (answer: unknown) => void; reject: (error: Error) => void }
  >();
  private asked = 0;

  private constructor(process: ChildProcess, name: string) {
    this.process = process;
    process.on("message", (said: Answer) => {
      const waiting = this.waiting.get(said.number);
      this.waiting.delete(said.number);
      if (said.error === undefined) waiting?.resolve(said.answer);
      else waiting?.reject(new Error(`${name}: ${said.error}`));
    });
    process.on("exit", (code, signal) => {
      const error = new Error(`${name} has ended (${code ?? signal})`);
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    });
  }

  /**
   * Starts `NAME.js` of this folder. Nothing but `PROFILE=DIR` (profiles are written there) and `NODE_OPTIONS` changes
   * how node is run.
   */
  static start(name: string, args: readonly string[] = []): Child {
    const profile = process.env.PROFILE;
    const execArgv = [
      "--expose-gc",
      ...(profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`]),
    ];
    const file = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
    const child = fork(file, args, {
      execArgv,
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    return new Child(child, name);
  }

  ask<T>(question: string, said?: unknown): Promise<T> {
    const number = ++this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(number, { resolve: resolve as (answer: unknown) => void, reject });
      this.process.send({ number, question, said }, (error) => error && reject(error));
    });
  }

  /** CPU time it has used so far, in microseconds. */
  async cpuUs(): Promise<number> {
    return (await this.ask<Cpu>("cpu")).us;
  }

  /** Has it close what it holds; resolves when it is gone. */
  async stop(): Promise<void> {
    const { process } = this;
    if (process.exitCode !== null || process.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => process.once("exit", () => resolve()));
    this.ask("stop").catch(() => process.kill("SIGKILL"));
    await gone;
  }
}

/** The child's side: answers questions until it is told to stop or its parent is gone. */
export function answerParent(answers: Answers, close: () => Promise<void>): void {
  const all: Answers = {
    cpu: (): Cpu => {
      const { user, system } = process.cpuUsage();
      return { us: user + system };
    },
    ...answers,
  };
  process.on(
    "message",
    async ({ number, question, said }: { number: number; question: string; said: never }) => {
      if (question === "stop") {
        await close();
        process.send?.({ number }, () => process.disconnect());
        return;
      }
      try {
        process.send?.({ number, answer: await all[question]?.(said) });
      } catch (error) {
        process.send?.({
          number,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
      }
    },
  );
  process.on("disconnect", () => process.exit());
}
