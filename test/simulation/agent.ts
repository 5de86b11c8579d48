/**
 * A simulated agent: keeps a connection to some hub, asks, follows the log, and asks again under the same id
 * when it has had no answer, on whatever hub it finds next. It may believe it holds what it lost long ago.
 */

import { decode, encode } from "../../core/protocol/codec.ts";
import { type Hub, tokenOf } from "./hub.ts";
import { intrude } from "./intruder.ts";
import type { Judge } from "./judge.ts";
import type { Loop } from "./loop.ts";
import type { Random } from "./random.ts";
import type { Wire } from "./sim-net.ts";
import { drawCommand, drawQuery, type Known } from "./workload.ts";

/** A command or a question that has no answer yet. */
interface Open {
  readonly submission: string;
  readonly method: string;
  readonly params: Record<string, unknown>;
  readonly query: boolean;
  readonly sentAfter: number;
  /** The head that had been answered to anybody when the newest try began. */
  floor: number;
  tries: number;
}

interface Asked {
  readonly method: string;
  readonly open: Open | undefined;
  /** A duplicate: nobody waits for its answer, but it must be right. */
  readonly late: boolean;
  readonly stopWaiting: () => void;
}

type Message = {
  readonly id?: string;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly data?: Record<string, unknown> };
};

/** What an agent needs of the world around it. */
export interface Surroundings {
  readonly loop: Loop;
  readonly judge: Judge;
  readonly hubs: readonly Hub[];
  readonly agents: readonly string[];
  /** No new work: only what is open is brought to its end. */
  quiet: boolean;
  readonly thinkMs: number;
  /** Sessions need a token. */
  readonly guarded: boolean;
  /** The name that several processes share. */
  readonly shared: string;
  /** The store outside that the epochs guard. */
  readonly store: (claim: string, epoch: number, agent: string) => void;
}

/** Whoever lives in the world. */
export interface Inhabitant {
  readonly label: string;
  readonly wire: Wire | undefined;
  /** What has no answer yet. */
  readonly open: Iterable<string>;
  /** Whether it waits for nothing and has seen everything up to `head`. */
  settled(head: number): boolean;
  /** Loses its connection. */
  drop(): void;
  /** Sends something again that it had sent before. */
  repeatOne(fate: Random): void;
  /** Holds what it believes of the log against it. */
  check(): void;
}

export class Agent implements Inhabitant {
  readonly name: string;
  readonly label: string;
  wire: Wire | undefined;
  hub: Hub | undefined;
  /** How far it follows. */
  cursor = 0;
  seen = 0;
  /** Everything it ever sent, for duplicates that arrive late. */
  private readonly sent: Open[] = [];
  private readonly pending = new Map<string, Open>();
  private readonly world: Surroundings;
  private readonly random: Random;
  private readonly filter: readonly string[] | undefined;
  private readonly grants: { claim: string; epoch: number }[] = [];
  private readonly reservations: { name: string; epoch: number }[] = [];
  private readonly asked = new Map<string, Asked>();
  private count = 0;
  private ids = 0;
  private ready = false;
  private calling = false;
  private forged = false;
  /** Nobody else may be open under its name. */
  private readonly alone: boolean;
  /** What takes its newest session over. */
  private resume: string | undefined;

  constructor(label: string, name: string, random: Random, world: Surroundings) {
    this.label = label;
    this.name = name;
    this.random = random;
    this.world = world;
    this.filter = random.happens(0.25) ? [random.pick(["claim.*", "agent.*", "claim.granted"])] : undefined;
    this.alone = name !== world.shared && random.happens(0.25);
    this.think();
  }

  get operator(): boolean {
    return this.name === "op";
  }

  get open(): Iterable<string> {
    return this.pending.keys();
  }

  check(): void {}

  settled(head: number): boolean {
    return this.ready && this.pending.size === 0 && this.cursor === head;
  }

  /** Gives its connection up without a word. */
  drop(): void {
    this.wire?.cut();
    this.lost();
  }

  /** Mostly of late, sometimes of long ago; now and then twice at once. */
  repeatOne(fate: Random): void {
    if (this.sent.length === 0) return;
    const old = fate.pick(fate.happens(0.7) ? this.sent.slice(-6) : this.sent);
    this.repeat(old);
    if (fate.happens(0.3)) this.repeat(old);
  }

  /** Wherever it is connected now. */
  private repeat(old: Open): void {
    if (!this.ready) return;
    this.world.judge.tried(this.name, old.submission, this.hub?.incarnation ?? "");
    const params = { ...old.params, submission: old.submission, sentAfter: old.sentAfter };
    this.request(old.method, params, old, true);
  }

  private think(): void {
    const { loop, thinkMs } = this.world;
    loop.at(this.random.long(thinkMs) + 1, undefined, () => {
      if (this.wire === undefined) this.connect();
      else if (this.ready && !this.world.quiet && this.pending.size < 4) this.act();
      this.think();
    });
  }

  private act(): void {
    const { random, world } = this;
    if (random.happens(0.01)) return this.leave();
    if (this.alone && random.happens(0.02)) return this.beIntruded();
    if (random.happens(0.15) && this.grants.length > 0) return this.useStore();
    const query = random.happens(0.2);
    const drawn = query ? drawQuery(random, this.known()) : drawCommand(random, this.known());
    this.count += 1;
    const open: Open = {
      ...drawn,
      submission: `${this.label}-${this.count}`,
      query,
      sentAfter: this.seen,
      floor: 0,
      tries: 0,
    };
    this.pending.set(open.submission, open);
    if (!query) {
      this.sent.push(open);
      world.judge.invoked(this.name, open.submission, { type: open.method, ...open.params }, this.operator);
    }
    this.send(open);
  }

  private known(): Known {
    const { name: agent, grants, reservations, seen: seq } = this;
    return { agent, agents: this.world.agents, grants, reservations, seq };
  }

  /** Acts outside under an epoch it believes in, some time later. */
  private useStore(): void {
    const { claim, epoch } = this.random.pick(this.grants.slice(-3));
    this.world.loop.at(this.random.long(300), undefined, () => this.world.store(claim, epoch, this.name));
  }

  private leave(): void {
    if (this.random.happens(0.5)) this.request("session.close", {}, undefined);
    else this.wire?.client.close("goodbye");
  }

  private connect(): void {
    const { world } = this;
    const hubs = world.hubs.filter((hub) => hub.serving);
    if (hubs.length === 0 || this.calling) return;
    const hub = this.random.pick(hubs);
    const wire = hub.dial();
    if (wire === undefined) return;
    this.calling = true;
    this.wire = wire;
    this.hub = hub;
    wire.client.receive({
      frame: (frame) => {
        if (this.wire === wire) this.heard((decode(frame) as { readonly value: Message }).value);
      },
      drained: () => {},
      closed: () => {
        if (this.wire === wire) this.lost();
      },
    });
    const resume = this.resume === undefined ? {} : { resume: this.resume };
    const alone = this.alone ? { exclusive: true, ...resume } : {};
    this.forged = world.guarded && this.random.happens(0.1);
    this.request("session.open", { ...this.opening(this.forged), ...alone }, undefined);
  }

  private opening(forged: boolean): object {
    const role = this.operator ? { role: "operator" } : {};
    const token = this.world.guarded ? { token: tokenOf(forged ? "somebody else" : this.name) } : {};
    return { agent: this.name, ...role, ...token };
  }

  private beIntruded(): void {
    const { wire, hub, label, resume } = this;
    if (wire === undefined || hub === undefined || resume === undefined) return;
    const stands = () => this.wire === wire && this.ready && this.resume === resume;
    const alone = { label, wire, hub, opening: this.opening(false), resume, stands };
    intrude(alone, this.world.judge, this.random.happens(0.3));
  }

  private lost(): void {
    this.wire = undefined;
    this.ready = false;
    this.calling = false;
    for (const { stopWaiting } of this.asked.values()) stopWaiting();
    this.asked.clear();
  }

  private heard(frame: Message | readonly Message[]): void {
    for (const message of Array.isArray(frame) ? (frame as Message[]) : [frame as Message]) {
      if (this.wire === undefined) return;
      if (message.method === "entry") this.followed(message.params ?? {});
      else if (message.method === "cursor") this.moved(message.params?.seq as number);
      else if (message.id !== undefined) this.answered(message.id, message);
    }
  }

  private followed(entry: Record<string, unknown>): void {
    const seq = entry.seq as number;
    const asker = { agent: this.name, operator: this.operator };
    this.world.judge.followed(this.label, asker, this.cursor, entry, this.filter);
    this.cursor = seq;
    this.seen = Math.max(this.seen, seq);
    for (const event of entry.events as readonly Record<string, unknown>[]) this.learn(event);
  }

  private moved(seq: number): void {
    this.world.judge.moved(this.label, this.cursor, seq, this.filter);
    this.cursor = seq;
  }

  private learn(event: Record<string, unknown>): void {
    const mine = event.holder === this.name || event.to === this.name;
    if (typeof event.epoch !== "number" || !mine) return;
    if (typeof event.claim === "string") {
      if (this.grants.some(({ epoch }) => epoch === event.epoch)) return;
      this.grants.push({ claim: event.claim, epoch: event.epoch });
      if (this.grants.length > 6) this.grants.shift();
    } else if (typeof event.name === "string") {
      this.reservations.push({ name: event.name, epoch: event.epoch });
    }
  }

  private answered(id: string, message: Message): void {
    const asked = this.asked.get(id);
    if (asked === undefined) return;
    this.asked.delete(id);
    asked.stopWaiting();
    const { result, error } = message;
    if (typeof result?.seq === "number" && asked.method !== "log.follow") {
      this.seen = Math.max(this.seen, result.seq);
    }
    if (asked.method === "session.open") return result === undefined ? this.drop() : this.opened(result);
    if (asked.method === "log.follow") return this.following(error);
    const { open, late } = asked;
    if (open !== undefined) this.judged(open, message, late);
  }

  private judged(open: Open, { result, error }: Message, late: boolean): void {
    const { judge, loop } = this.world;
    if (late && (error?.code === 2 || error?.code === 3)) return;
    if (error?.code === 2 || error?.code === 3) {
      if (!open.query) judge.failed(this.name, open.submission, error.code === 3);
      // It may have happened, or may go better soon: the same again.
      loop.at(this.random.between(50, 800), undefined, () => {
        if (this.ready && this.pending.has(open.submission)) this.send(open);
      });
      return;
    }
    if (!late) this.pending.delete(open.submission);
    const hub = this.hub?.incarnation ?? "";
    if (open.query) judge.read(this.name, this.operator, open, result, error);
    else judge.answered(this.name, open.submission, hub, result, error);
    if (result !== undefined) this.learn({ holder: this.name, ...result });
  }

  private opened({ resume }: Record<string, unknown>): void {
    if (typeof resume === "string") this.resume = resume;
    if (this.forged) this.world.judge.fail(`${this.label} was let in with a forged token`);
    this.ready = true;
    this.calling = false;
    this.follow();
    for (const open of this.pending.values()) this.send(open);
  }

  private follow(): void {
    const filter = this.filter === undefined ? {} : { events: this.filter };
    this.request("log.follow", { after: this.cursor, ...filter }, undefined);
  }

  /** A cursor below the horizon is told so: it goes on from where the log now begins. */
  private following(error: Message["error"]): void {
    if (error === undefined) return;
    const seq = error.data?.seq;
    if (error.data?.code === "log.horizon" && typeof seq === "number" && seq > this.cursor) {
      this.cursor = seq;
      this.follow();
    } else if (error.code === 2 || error.code === 3) this.drop();
    else this.world.judge.fail(`${this.label} cannot follow after ${this.cursor}: ${JSON.stringify(error)}`);
  }

  private send(open: Open): void {
    open.tries += 1;
    open.floor = this.world.judge.acknowledged;
    const { method, params, submission, sentAfter, query } = open;
    if (!query) this.world.judge.tried(this.name, submission, this.hub?.incarnation ?? "");
    this.request(method, query ? params : { ...params, submission, sentAfter }, open);
  }

  private request(method: string, params: object, open: Open | undefined, late = false): void {
    const { wire } = this;
    if (wire === undefined) return;
    this.ids += 1;
    const id = `${this.label}:${this.ids}`;
    this.world.judge.note(
      () => `${this.label} > ${this.hub?.name} ${id} ${method} ${JSON.stringify(params)}`,
    );
    wire.client.send(encode(wire.codec, { jsonrpc: "2.0", id, method, params }));
    const waitMs = Number((params as { waitMs?: number }).waitMs ?? 0);
    // Slow appends and paused hubs take a while; who hears nothing at all goes elsewhere.
    const stopWaiting = this.world.loop.at(waitMs + 4000 + this.random.between(0, 2000), undefined, () => {
      if (this.wire === wire) this.drop();
    });
    this.asked.set(id, { method, open, late, stopWaiting });
  }
}
