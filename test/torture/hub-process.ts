/**
 * Real hubs for torture: processes of the bundled program that are killed, paused, watched and started again.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { program } from "../adapters/command-line.ts";

/** How to start a hub. */
export interface HubOptions {
  readonly log: string;
  /** Default: a free port for WebSocket and HTTP. */
  readonly listen?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** What runs it, before `serve`. Default: node on the bundled program. */
  readonly command?: readonly string[];
}

/** Machines are busy when everything is tried at once. */
const START_MS = 180_000;

/** A hub that said it was ready. */
export class HubProcess {
  readonly child: ChildProcess;
  readonly urls: readonly string[];
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** What it has said on stderr. */
  readonly said: () => string;

  private constructor(
    child: ChildProcess,
    urls: readonly string[],
    ended: HubProcess["ended"],
    said: () => string,
  ) {
    this.child = child;
    this.urls = urls;
    this.ended = ended;
    this.said = said;
  }

  /** Starts a hub; throws what it said when it ends instead, or is not ready within half a minute. */
  static async start({
    log,
    listen = ["ws://127.0.0.1:0"],
    args = [],
    env,
    command,
  }: HubOptions): Promise<HubProcess> {
    const [run = process.execPath, ...before] = command ?? [process.execPath, program];
    const listens = listen.flatMap((url) => ["--listen", url]);
    const child = spawn(run, [...before, "serve", "--json", "--log", log, ...listens, ...args], {
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [out, err] = ["", ""];
    const ended = new Promise<number | NodeJS.Signals>((resolve) => {
      child.on("exit", (code, signal) => resolve(signal ?? code ?? -1));
    });
    child.stderr?.on("data", (bytes: Buffer) => {
      err = (err + bytes.toString()).slice(-20_000);
    });
    const line = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
        reject(new Error(`the hub was not ready in time: ${err}`));
      }, START_MS);
      child.stdout?.on("data", (bytes: Buffer) => {
        out += bytes.toString();
        if (out.includes("\n")) resolve(out);
      });
      void ended.then((how) => reject(new Error(`the hub ended (${how}): ${err}`)));
      void ended.then(() => clearTimeout(timer));
      child.stdout?.on("data", () => clearTimeout(timer));
    });
    return new HubProcess(child, (JSON.parse(line) as { listening: string[] }).listening, ended, () => err);
  }

  get url(): string {
    return this.urls[0] as string;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Sends a signal; what is paused goes on first when it is to end. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends it and waits until it has. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | NodeJS.Signals> {
    this.child.kill("SIGCONT");
    this.child.kill(signal);
    const cut = setTimeout(() => this.child.kill("SIGKILL"), 15_000);
    const how = await this.ended;
    clearTimeout(cut);
    return how;
  }

  /** Resident memory in bytes; 0 once it is gone. Linux only. */
  rssBytes(): number {
    return 1024 * Number(/VmRSS:\s+(\d+)/.exec(this.proc("status"))?.[1] ?? 0);
  }

  /** Open file descriptors. Linux only. */
  descriptors(): number {
    try {
      return readdirSync(`/proc/${this.child.pid}/fd`).length;
    } catch {
      return 0;
    }
  }

  private proc(name: string): string {
    try {
      return readFileSync(`/proc/${this.child.pid}/${name}`, "latin1");
    } catch {
      return "";
    }
  }
}

/** Resolves after so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
