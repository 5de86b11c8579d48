/**
 * `stdio:` and `stdio:COMMAND`: frames on standard input and output, one JSON text a line.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Abilities, Accept, Connection, ConnectOptions, Listener } from "../../core/ports/transport.ts";
import { StdioConnection } from "./stdio-connection.ts";

/**
 * What this transport can do: a pipe ends, and nobody learns why. `session.close` is how a client says
 * goodbye.
 */
export const abilities: Abilities = {
  binary: false,
  backpressure: true,
  goodbye: false,
  reasons: false,
  flushes: true,
};

/** Which streams; the process's own unless told otherwise. */
export interface StdioListenOptions {
  readonly stdio?: { readonly input: Readable; readonly output: Writable };
}

/** Takes standard input and output as the one connection there is. Throws `usage` for more than `stdio:`. */
export async function listen(url: string, options: StdioListenOptions, accept: Accept): Promise<Listener> {
  if (!/^stdio:$/i.test(url)) {
    throw new Failure("usage", "A hub listens at stdio: alone; a command after it is for calling one.", {
      fields: { url },
    });
  }
  const { input, output } = options.stdio ?? { input: process.stdin, output: process.stdout };
  const connection = new StdioConnection(input, output, { transport: "stdio", loopback: true }, true);
  accept(connection);
  return {
    urls: ["stdio:"],
    async close() {
      connection.close("shutting-down");
      await connection.ended;
    },
  };
}

/**
 * Starts the command, whose words are separated by blanks and may be quoted; no shell is asked. Its
 * standard error is passed on. It ends when its input does; one that stays is killed after
 * `limits.closeMs`. Throws `hub.unreachable` when it cannot be started, `usage` when there is none.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Connection> {
  const [command, ...args] = wordsOf(url.slice(url.indexOf(":") + 1));
  if (command === undefined) {
    throw new Failure("usage", "A stdio: url names the command that speaks for the hub.", {
      fields: { url },
    });
  }
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? limits.handshakeMs);
    child.once("spawn", () => {
      clearTimeout(timer);
      resolve();
    });
    child.once("error", (error) => {
      clearTimeout(timer);
      const words = `${command} cannot be started: ${error.message}.`;
      reject(new Failure("hub.unreachable", words, { fields: { command }, cause: error }));
    });
  });
  child.on("error", () => undefined);
  const peer = { transport: "stdio", address: command, loopback: true };
  const connection = new StdioConnection(child.stdout as Readable, child.stdin as Writable, peer, false);
  void connection.ended.then(() => seeOff(child));
  return connection;
}

/** Lets the command end by itself, for a while. */
function seeOff(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const kill = setTimeout(() => child.kill("SIGKILL"), limits.closeMs);
  child.once("exit", () => clearTimeout(kill));
}

/**
 * The words of a command line: blanks separate, quotes keep together, a backslash keeps the next
 * character.
 */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  const pattern = /(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs;
  for (const [word] of text.matchAll(pattern)) {
    words.push(
      word.replace(/\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs, (_all, escaped, double, single) =>
        escaped !== undefined ? escaped : double !== undefined ? double.replace(/\\(["\\])/g, "$1") : single,
      ),
    );
  }
  return words;
}
