/**
 * Sessions: what is remembered of each session of a host, and its way to the hub. A bounded number; a silent
 * one is left soon, and comes again with the next hook.
 */
import type { Client, ClientOptions } from "../../core/client/client.ts";
import { limits } from "../../core/limits.ts";
import { AutomaticClaims } from "./automatic.ts";
import type { HookEvent } from "./event.ts";
import { sessionAgent, speakerOf } from "./names.ts";
import type { Snapshot } from "./worktree.ts";

/** Opens a session at the hub. */
export type Connect = (
  visitor: Omit<ClientOptions, "dial" | "clock" | "chance">,
  loopback: boolean,
) => Promise<Client>;

/** Who sent a hook, besides what the host tells. */
export interface Sender {
  readonly token?: string;
  /** HOLDFAST_AGENT of the host's environment. */
  readonly agent?: string;
  /** Whether it came from this machine; names are taken at their word from there only. */
  readonly isLocal: boolean;
}

/** A shell that runs, and what its worktree looked like before. */
export interface Running {
  readonly root: string;
  readonly sinceMs: number;
  readonly command: string;
  readonly before: Promise<Snapshot | undefined>;
}

/** One session of a host, or one subagent of it. */
export class Session {
  readonly agent: string;
  /** The session whose subagent it is. */
  readonly parent: string | undefined;
  readonly automatic = new AutomaticClaims();
  /** Shells whose writes were not certain, by the id of their use. */
  readonly running = new Map<string, Running>();
  /** When each file's edit was last recorded. */
  readonly recorded = new Map<string, number>();
  /** Warnings that were given. */
  readonly warned = new Set<string>();
  /** Messages it was shown, as long as it may not be written down that it was. */
  readonly shown = new Set<string>();
  /** What could not be said yet. */
  readonly unsaid: string[] = [];
  /** Its host runs without a person, as any of its hooks said. */
  isPrint = false;
  /** When it last wrote each file by a tool that says so, and when a shell last ended in each worktree. */
  readonly touchedMs = new Map<string, number>();
  readonly #connect: Connect;
  readonly #sender: Sender;
  #client: Promise<Client> | undefined;
  #rest: NodeJS.Timeout | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(connect: Connect, agent: string, parent: string | undefined, sender: Sender) {
    this.#connect = connect;
    this.agent = agent;
    this.parent = parent;
    this.#sender = sender;
  }

  /** Its client, opened where there is none. Throws `Refused` when the hub does not let it in. */
  client(): Promise<Client> {
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => void this.leave(), limits.hookRestMs);
    this.#rest.unref();
    if (this.#client !== undefined) return this.#client;
    const opening = this.#open({ oneShot: true });
    this.#client = opening;
    opening.catch(() => {
      if (this.#client === opening) this.#client = undefined;
    });
    return opening;
  }

  /** Runs one thing at a time. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Whether a warning is to be given, which is once. */
  warnsOnce(warning: string): boolean {
    if (this.warned.has(warning) || this.warned.size >= limits.hookRulesMax) return false;
    this.warned.add(warning);
    return true;
  }

  /** It writes a file now, or, without one, ran a shell that may have written any. */
  touch(nowMs: number, root: string, file = ""): void {
    const key = `${root}\0${file}`;
    this.touchedMs.delete(key);
    this.touchedMs.set(key, nowMs);
    const [oldest] = this.touchedMs.keys();
    if (this.touchedMs.size > limits.hookSessionsMax && oldest !== undefined) this.touchedMs.delete(oldest);
  }

  touchedAt(root: string, file = ""): number {
    return this.touchedMs.get(`${root}\0${file}`) ?? 0;
  }

  /** Closes its client; its presence is not touched. */
  async leave(): Promise<void> {
    clearTimeout(this.#rest);
    const open = this.#client;
    this.#client = undefined;
    await open?.then((client) => client.close()).catch(() => undefined);
  }

  /** Says goodbye: the agent is idle at once, its leases run on. */
  async end(): Promise<void> {
    await this.leave();
    const last = await this.#open({});
    await last.close();
  }

  #open(more: { readonly oneShot?: true }): Promise<Client> {
    const { token, isLocal } = this.#sender;
    return this.#connect({ agent: this.agent, ...more, ...(token === undefined ? {} : { token }) }, isLocal);
  }
}

/** The sessions of a hub's hosts. */
export class Sessions {
  readonly #connect: Connect;
  /** The one longest silent first. */
  readonly #kept = new Map<string, Session>();

  constructor(connect: Connect) {
    this.#connect = connect;
  }

  /** The session that a hook speaks of. */
  of(event: HookEvent, sender: Sender): Session {
    const agent = sessionAgent(event, sender.agent);
    const speaker = speakerOf(agent, event);
    const key = `${speaker}\n${sender.isLocal}\n${sender.token ?? ""}`;
    const kept = this.#kept.get(key);
    const parent = event.subagent === undefined ? undefined : agent;
    const session = kept ?? new Session(this.#connect, speaker, parent, sender);
    this.#kept.delete(key);
    this.#kept.set(key, session);
    if (this.#kept.size > limits.hookSessionsMax) {
      const [oldest] = this.#kept;
      if (oldest !== undefined) this.#forget(...oldest);
    }
    session.isPrint ||= event.isPrint;
    return session;
  }

  /** Agents that may have written the file of a worktree since then. */
  writersOf(root: string, file: string, sinceMs: number): ReadonlySet<string> {
    const agents = new Set<string>();
    for (const session of this.#kept.values()) {
      const runs = [...session.running.values()].some((running) => running.root === root);
      const lastMs = Math.max(session.touchedAt(root), session.touchedAt(root, file));
      if (runs || lastMs >= sinceMs) agents.add(session.agent);
    }
    return agents;
  }

  forget(session: Session): void {
    for (const [key, kept] of this.#kept) if (kept === session) this.#forget(key, kept);
  }

  async close(): Promise<void> {
    const open = [...this.#kept.values()];
    this.#kept.clear();
    await Promise.all(open.map((session) => session.leave()));
  }

  #forget(key: string, session: Session): void {
    this.#kept.delete(key);
    void session.leave();
  }
}
