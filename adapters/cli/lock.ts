/**
 * `lock`: holds a fresh claim while a command runs. When the lease is lost the command is stopped, for
 * somebody else may be at work by then.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { limits } from "../../core/limits.ts";
import { usage } from "./arguments.ts";
import { acquireParams, scopeOf } from "./claims.ts";
import { type Command, exits, type Run } from "./command.ts";
import { staying } from "./reach.ts";
import { safeLine } from "./render.ts";

/** Length of the lease unless told otherwise: how long others wait at most when this machine dies. */
const TTL_MS = 60_000;
/** How long a command may take to end after it was asked to. */
const GRACE_MS = 5000;

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export const lockVerb: Run = async (command) => {
  const { args } = command;
  if (args.rest.length === 0) usage("holdfast lock takes NAME -- COMMAND…");
  return staying(command, "act", async (reached) => {
    const claim = args.word(0, "NAME");
    // Standing by while it waits, so that it can be told to stop.
    const cancelled = interrupted(() => void reached.client.close());
    const terms = { ttlMs: TTL_MS, ...acquireParams(command, scopeOf(command, reached)), fresh: true };
    const lease = await reached.client.lease(claim, terms).catch((error: unknown) => {
      if (cancelled.signal() === undefined) throw error;
      return undefined;
    });
    cancelled.stop();
    const early = cancelled.signal();
    if (lease === undefined || early !== undefined) {
      await lease?.release("abandoned");
      return exitOf(null, early ?? "SIGTERM");
    }
    // Renewals may be far apart; whoever works is here.
    const keepContact = (): void => void reached.client.call("claims.list", { claim }).catch(() => undefined);
    const ended = await runUnder(lease.lost, command, { claim, epoch: lease.epoch }, keepContact);
    if (!ended.lost)
      await lease
        .release(ended.code === 0 ? "done" : "failed")
        .catch((error: unknown) => late(command, error));
    return ended.code;
  });
};

/** The lease ran out between the end of the command and its release: the command's exit code still counts. */
function late({ out }: Command, error: unknown): void {
  out.say(`The claim was not released: ${safeLine((error as Error).message)}`);
}

/** Notices signals until `stop`. */
function interrupted(then: () => void) {
  let caught: NodeJS.Signals | undefined;
  const note = (signal: NodeJS.Signals): void => {
    caught = signal;
    then();
  };
  for (const signal of FORWARDED) process.on(signal, note);
  return {
    signal: () => caught,
    stop: () => {
      for (const signal of FORWARDED) process.off(signal, note);
    },
  };
}

async function runUnder(
  lost: Promise<{ readonly message: string }>,
  { args, out, env }: Command,
  held: { readonly claim: string; readonly epoch: number },
  keepContact: () => void,
): Promise<{ code: number; lost: boolean }> {
  const [program, ...words] = args.rest as [string, ...string[]];
  const child = spawn(program, words, {
    stdio: "inherit",
    env: { ...env, HOLDFAST_CLAIM: held.claim, HOLDFAST_EPOCH: String(held.epoch) },
  });
  const contact = setInterval(keepContact, limits.idleAfterMs / 4);
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of FORWARDED) process.on(signal, forward);
  let isLost = false;
  void lost.then(({ message }) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    isLost = true;
    out.say(`The lease of ${safeLine(held.claim)} is lost, so the command is stopped: ${safeLine(message)}`);
    stop(child);
  });
  try {
    const code = await exited(child, program, out.say);
    return { code: isLost ? exits.failed : code, lost: isLost };
  } finally {
    clearInterval(contact);
    for (const signal of FORWARDED) process.off(signal, forward);
  }
}

/** Exit code of a shell for a program that cannot be run. */
const NOT_RUN = 127;

function exited(child: ChildProcess, program: string, say: (words: string) => void): Promise<number> {
  return new Promise((resolve) => {
    child.on("error", (error) => {
      if (child.pid !== undefined) return;
      say(`${safeLine(program)} cannot be run: ${error.message}.`);
      resolve(NOT_RUN);
    });
    child.on("exit", (code, signal) => resolve(exitOf(code, signal)));
  });
}

/** Asks it to end, then makes it. */
function stop(child: ChildProcess): void {
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGKILL"), GRACE_MS).unref();
}

/** The exit code a shell would show. */
function exitOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}
