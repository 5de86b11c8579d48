/**
 * A hub in a process of its own, started by the command line as anybody would, so that it can be killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Failure } from "../../../core/failures.ts";
import { packageRoot } from "./trace.ts";

/** How long a hub may take to say where it listens. */
const START_MS = 20_000;

export class HubProcess {
  readonly url: string;
  private readonly child: ChildProcess;
  private readonly exited: Promise<unknown>;

  private constructor(child: ChildProcess, url: string, exited: Promise<unknown>) {
    this.child = child;
    this.url = url;
    this.exited = exited;
  }

  /** Runs `holdfast serve` on a log; resolves when it listens. `started` gets the process at once. */
  static async start(
    log: string,
    folder: string,
    started: (child: ChildProcess) => void,
  ): Promise<HubProcess> {
    const bin = join(packageRoot(), "dist/bin/holdfast.js");
    const args = [bin, "serve", "--log", log, "--listen", "ws://127.0.0.1:0", "--json"];
    const { HOLDFAST_LOG: _, HOLDFAST_HUB: __, ...env } = process.env;
    const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] });
    started(child);
    const exited = once(child, "exit");
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      clearTimeout(timer);
      const { listening } = JSON.parse(line) as { readonly listening: readonly string[] };
      const url = listening.find((one) => one.startsWith("ws:"));
      if (url !== undefined) return new HubProcess(child, url, exited);
    }
    throw new Failure("hub.unreachable", "The hub ended before it listened; what it said is above.");
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** `kill -9`: it has no time for anything. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }

  /** Tells it to stop; resolves with whether it did so well. */
  async stop(): Promise<boolean> {
    this.child.kill("SIGTERM");
    await this.exited;
    return this.child.exitCode === 0;
  }
}
