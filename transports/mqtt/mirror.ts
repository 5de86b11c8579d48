/**
 * The mirror: entries told on topics, and the live state retained on topics, as a plain MQTT client sees
 * them.
 *
 * Invariant: what is retained is what was last published here, and once the hub rests it is exactly the
 * live claims, the unfinished tasks and the agents that are not gone. What an entry touches is asked for
 * anew, never computed here, so this file knows names of things and no rules. Messages to some are redacted
 * for all: a topic has no reader.
 */
import { limits } from "../../core/limits.ts";
import { redacted } from "../../core/model/model.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Accept } from "../../core/ports/transport.ts";
import { Observer } from "./observer.ts";
import type { Topics } from "./topics.ts";

/** Where the mirror publishes. */
export interface Outlet {
  /** Whether what is not retained would reach anybody. */
  hears(topic: string): boolean;
  /** `done` once the medium has taken it, or has given it up. */
  publish(topic: string, payload: string, retain: boolean, done: () => void): void;
}

type Kind = "claims" | "tasks" | "agents";
type Row = { readonly [field: string]: unknown };
type Page = { readonly items: readonly Row[]; readonly next?: string; readonly seq: number };

const NOBODY = { agent: "", operator: false, guarded: true, nowMs: 0 } as const;
/** The name of its session; it is in no log. */
const NAME = "hub:mqtt";
/** Things asked for in one turn: bounds what waits for answers. */
const ASKED_AT_ONCE = 256;
/** How long after an end that nobody wanted it is tried again. */
const AGAIN_MS = 1000;
/** Bytes of a message besides its payload, roughly. */
const MESSAGE_BYTES = 200;

/** What is listed but changes with the clock, or follows from what is retained elsewhere. */
const LEFT_OUT: { readonly [kind in Kind]: ReadonlySet<string> } = {
  claims: new Set(["remainingMs", "overdue", "waiting"]),
  tasks: new Set(["ready", "waitingFor", "claim", "holder", "expiresAtMs", "children"]),
  agents: new Set(["claims"]),
};
const KEY = { claims: "claim", tasks: "task", agents: "agent" } as const;
const FINISHED: ReadonlySet<unknown> = new Set(["done", "failed", "cancelled"]);

export class Mirror {
  readonly #topics: Topics;
  readonly #outlet: Outlet;
  readonly #accept: Accept;
  readonly #after: Clock["after"];
  /** What is retained now, by kind and id. */
  readonly #retained: { readonly [kind in Kind]: Map<string, string> } = {
    claims: new Map(),
    tasks: new Map(),
    agents: new Map(),
  };
  readonly #touched: { readonly [kind in Kind]: Set<string> } = {
    claims: new Set(),
    tasks: new Set(),
    agents: new Set(),
  };
  /** Live claims on a task: what is saved under one shows in the others. */
  readonly #byTask = new Map<string, Set<string>>();
  readonly #taskOf = new Map<string, string>();
  #observer: Observer | undefined;
  #begun: Promise<void> | undefined;
  #refreshing = false;
  #closed = false;

  constructor(topics: Topics, outlet: Outlet, accept: Accept, after: Clock["after"]) {
    this.#after = after;
    this.#topics = topics;
    this.#outlet = outlet;
    this.#accept = accept;
  }

  /**
   * Follows the log from now on and retains the live state; resolves when it stands. Further calls do
   * nothing.
   */
  begin(): Promise<void> {
    this.#begun ??= this.#begin();
    return this.#begun;
  }

  /** Publishes all that is retained once more, for a medium that may have lost it. */
  repeat(): void {
    for (const kind of ["claims", "tasks", "agents"] as const) {
      for (const [id, payload] of this.#retained[kind]) this.#retain(kind, id, payload);
    }
  }

  /** The topics that have something retained. */
  topics(): ReadonlySet<string> {
    const topics = new Set<string>();
    for (const kind of ["claims", "tasks", "agents"] as const) {
      for (const id of this.#retained[kind].keys()) topics.add(this.#topics.state(kind, id));
    }
    return topics;
  }

  close(): void {
    this.#closed = true;
    this.#observer?.end();
  }

  async #begin(): Promise<void> {
    if (this.#closed) return;
    let stood = false;
    const observer = new Observer("mqtt", this.#accept, {
      entries: (entries) => this.#entries(entries),
      ended: () => {
        this.#observer = undefined;
        this.#begun = undefined;
        if (stood && !this.#closed) this.#after(AGAIN_MS, () => this.begin().catch(() => undefined));
      },
    });
    this.#observer = observer;
    try {
      const { seq } = await observer.ask<{ readonly seq: number }>("session.open", {
        agent: NAME,
        observe: true,
      });
      await observer.ask("log.follow", { after: seq });
      for (const kind of ["claims", "tasks", "agents"] as const) await this.#list(observer, kind);
      stood = true;
    } catch (error) {
      observer.end();
      throw error;
    }
  }

  /** Retains all there is of a kind, and clears what is no more. */
  async #list(observer: Observer, kind: Kind): Promise<void> {
    const before = new Set(this.#retained[kind].keys());
    let cursor: string | undefined;
    do {
      const params = { limit: limits.pageItemsMax, ...(cursor === undefined ? {} : { cursor }) };
      const page = await observer.ask<Page>(`${kind}.list`, params);
      for (const row of page.items) {
        const id = String(row[KEY[kind]]);
        before.delete(id);
        // What was touched meanwhile is asked for once more.
        this.#set(kind, id, row);
      }
      cursor = page.next;
    } while (cursor !== undefined);
    for (const id of before) this.#set(kind, id, undefined);
  }

  #entries(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const shown = redacted(entry, NOBODY);
      const types = new Set(shown.events.map(({ type }) => type));
      for (const type of types) {
        const topic = this.#topics.log(type);
        if (!this.#outlet.hears(topic)) continue;
        const one = types.size === 1;
        const told = one ? shown : { ...shown, events: shown.events.filter((event) => event.type === type) };
        this.#publish(topic, JSON.stringify(told), false);
      }
      for (const event of shown.events) this.#touch(event as unknown as Row);
    }
    void this.#refresh();
  }

  /** Whatever an event names may have changed. */
  #touch(event: Row): void {
    const { claims, tasks, agents } = this.#touched;
    const type = String(event.type);
    if (typeof event.claim === "string") {
      claims.add(event.claim);
      tasks.add(event.claim);
    }
    if (typeof event.task === "string") {
      tasks.add(event.task);
      for (const claim of this.#byTask.get(event.task) ?? []) claims.add(claim);
    }
    if (type.startsWith("agent.") && typeof event.agent === "string") agents.add(event.agent);
  }

  /** Asks for what was touched until nothing is. */
  async #refresh(): Promise<void> {
    if (this.#refreshing) return;
    this.#refreshing = true;
    try {
      await this.#begun;
      for (let observer = this.#observer; observer !== undefined; observer = this.#observer) {
        const asked = this.#taken();
        if (asked.length === 0) break;
        await Promise.all(asked.map(([kind, id]) => this.#look(observer as Observer, kind, id)));
      }
    } catch {
      // The hub is closing, or refuses what it took a moment ago: beginning anew lists everything.
      this.#observer?.end();
    } finally {
      this.#refreshing = false;
    }
  }

  #taken(): [Kind, string][] {
    const taken: [Kind, string][] = [];
    for (const kind of ["claims", "tasks", "agents"] as const) {
      for (const id of this.#touched[kind]) {
        if (taken.length >= ASKED_AT_ONCE) return taken;
        this.#touched[kind].delete(id);
        taken.push([kind, id]);
      }
    }
    return taken;
  }

  async #look(observer: Observer, kind: Kind, id: string): Promise<void> {
    const params = kind === "agents" ? { cursor: id, limit: 1 } : { [KEY[kind]]: id };
    const { items } = await observer.ask<Page>(`${kind}.list`, params);
    const row = items[0];
    this.#set(kind, id, row?.[KEY[kind]] === id ? row : undefined);
  }

  #set(kind: Kind, id: string, row: Row | undefined): void {
    const over =
      row === undefined || row.presence === "gone" || (kind === "tasks" && FINISHED.has(row.status));
    const shown = over ? undefined : Object.entries(row).filter(([field]) => !LEFT_OUT[kind].has(field));
    if (kind === "claims") this.#index(id, over ? undefined : row.task);
    const payload = shown === undefined ? "" : JSON.stringify(Object.fromEntries(shown));
    const { [kind]: retained } = this.#retained;
    if ((retained.get(id) ?? "") === payload) return;
    if (payload === "") retained.delete(id);
    else retained.set(id, payload);
    this.#retain(kind, id, payload);
  }

  #index(claim: string, task: unknown): void {
    const before = this.#taskOf.get(claim);
    if (before === task) return;
    if (before !== undefined) {
      const claims = this.#byTask.get(before);
      if (claims?.delete(claim) === true && claims.size === 0) this.#byTask.delete(before);
      this.#taskOf.delete(claim);
    }
    if (typeof task !== "string") return;
    this.#taskOf.set(claim, task);
    this.#byTask.set(task, (this.#byTask.get(task) ?? new Set()).add(claim));
  }

  #retain(kind: Kind, id: string, payload: string): void {
    this.#publish(this.#topics.state(kind, id), payload, true);
  }

  #publish(topic: string, payload: string, retain: boolean): void {
    const observer = this.#observer;
    const bytes = payload.length + MESSAGE_BYTES;
    observer?.busy(bytes);
    this.#outlet.publish(topic, payload, retain, () => observer?.busy(-bytes));
  }
}
