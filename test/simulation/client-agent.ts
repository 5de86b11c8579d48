/**
 * A simulated agent that uses the real client: what it is told is judged where its program would hear it,
 * behind reconnecting, sending again and resuming.
 */
import { type Client, openClient } from "../../core/client/client.ts";
import { Refused } from "../../core/client/refused.ts";
import { Replica } from "../../core/client/replica.ts";
import { Failure } from "../../core/failures.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Connection, Frame } from "../../core/ports/transport.ts";
import { decode } from "../../core/protocol/codec.ts";
import type { Inhabitant, Surroundings } from "./agent.ts";
import { type Hub, tokenOf } from "./hub.ts";
import { chanceOf, Process, SimClock } from "./loop.ts";
import type { Random } from "./random.ts";
import type { Wire } from "./sim-net.ts";
import { drawCommand } from "./workload.ts";

type Message = { readonly id?: string | number; readonly params?: { readonly submission?: string } };

export class ClientAgent implements Inhabitant {
  readonly label: string;
  wire: Wire | undefined;
  private readonly name: string;
  private readonly random: Random;
  private readonly world: Surroundings;
  private readonly waiting = new Set<string>();
  /** The hub whose answer to a submission came last. */
  private readonly answeredBy = new Map<string, string>();
  private readonly grants: { claim: string; epoch: number }[] = [];
  private process: Process | undefined;
  private client: Client | undefined;
  private cursor = 0;
  private replica: Replica | undefined = new Replica();
  private starts = 0;
  private made: string | undefined;

  constructor(label: string, name: string, random: Random, world: Surroundings) {
    this.label = label;
    this.name = name;
    this.random = random;
    this.world = world;
    this.start();
    this.think();
  }

  private get asker(): { readonly agent: string; readonly operator: boolean } {
    return { agent: this.name, operator: this.name === "op" };
  }

  get open(): Iterable<string> {
    return this.waiting;
  }

  settled(head: number): boolean {
    return this.client?.isUp === true && this.waiting.size === 0 && this.cursor === head;
  }

  drop(): void {
    this.wire?.cut();
  }

  /** A program has no way to send an old command again but by its client. */
  repeatOne(): void {}

  /** Its copy of the state is the state. */
  check(): void {
    const { replica, world, asker } = this;
    if (replica !== undefined) world.judge.copied(this.label, asker, replica.seq, replica.state);
  }

  private start(): void {
    const { loop, judge } = this.world;
    this.starts += 1;
    const process = new Process(`${this.label}.${this.starts}`);
    this.process = process;
    const clock = new SimClock(loop, process, this.random.between(0, 1_000_000), 0);
    const role = this.name === "op" ? { role: "operator" } : {};
    const token = this.world.guarded ? { token: tokenOf(this.name) } : {};
    const { fraction, id } = chanceOf(this.random);
    // A submission's id is made within the call: so it is known before anything is sent.
    const chance = {
      fraction,
      id: () => {
        this.made = id();
        return this.made;
      },
    };
    const dial = () => this.dial(process);
    openClient({ dial, agent: this.name, ...role, ...token, clock, chance }).then(
      (client) => {
        if (!process.alive) return;
        this.client = client;
        this.read(client, process).catch((error: unknown) => {
          judge.verdict ??= `${this.label} can read no further: ${String(error)}`;
        });
      },
      () => this.startLater(process),
    );
  }

  private startLater(process: Process): void {
    if (process.alive) this.world.loop.at(this.random.between(100, 1000), process, () => this.start());
  }

  private async dial(process: Process): Promise<Connection> {
    const hubs = this.world.hubs.filter((hub) => hub.serving);
    const hub = hubs.length === 0 ? undefined : this.random.pick(hubs);
    const wire = hub?.dial(process);
    if (hub === undefined || wire === undefined) throw new Failure("hub.unreachable", "No hub is up.");
    this.wire = wire;
    return this.overheard(wire, hub.incarnation, hub);
  }

  /** The client's end of a wire, with the judge listening. */
  private overheard(wire: Wire, incarnation: string, hub: Hub): Connection {
    const { judge } = this.world;
    const asked = new Map<string | number, string>();
    const { client: end } = wire;
    return {
      peer: end.peer,
      codec: end.codec,
      get bufferedBytes() {
        return end.bufferedBytes;
      },
      receive: (receiver) =>
        end.receive({
          frame: (frame) => {
            for (const { id } of messagesOf(frame)) {
              const submission = id === undefined ? undefined : asked.get(id);
              if (submission !== undefined) this.answeredBy.set(submission, incarnation);
            }
            receiver.frame(frame);
          },
          drained: () => receiver.drained(),
          closed: (how) => receiver.closed(how),
        }),
      send: (frame) => {
        const messages = messagesOf(frame);
        judge.note(() => `${this.label} > ${hub.name} ${JSON.stringify(messages)}`);
        for (const { id, params } of messages) {
          if (id === undefined || params?.submission === undefined) continue;
          asked.set(id, params.submission);
          judge.tried(this.name, params.submission, incarnation);
        }
        end.send(frame);
      },
      close: (reason, words) => end.close(reason, words),
    };
  }

  private think(): void {
    const { loop, thinkMs, quiet } = this.world;
    loop.at(this.random.long(thinkMs) + 1, undefined, () => {
      if (this.client !== undefined && !quiet && this.waiting.size < 4) this.act(this.client);
      this.think();
    });
  }

  private act(client: Client): void {
    const { random, world, name: agent } = this;
    if (world.quiet) return;
    if (random.happens(0.01)) return this.end(client);
    const { agents } = world;
    const { method, params } = drawCommand(random, {
      agent,
      agents,
      grants: this.grants,
      reservations: [],
      seq: client.seq,
    });
    this.made = undefined;
    const answer = client.send(method, params);
    const submission = this.made as string | undefined;
    if (submission === undefined) return world.judge.fail(`${this.label} called ${method} without an id`);
    world.judge.invoked(agent, submission, { type: method, ...params }, agent === "op");
    this.waiting.add(submission);
    answer.then(
      (result) => this.told(submission, result as Record<string, unknown>, undefined),
      (error: unknown) => this.told(submission, undefined, error),
    );
  }

  private told(submission: string, result: Record<string, unknown> | undefined, error: unknown): void {
    const { judge } = this.world;
    this.waiting.delete(submission);
    const hub = this.answeredBy.get(submission) ?? "";
    if (error === undefined) {
      this.learn({ holder: this.name, ...result });
      judge.answered(this.name, submission, hub, result, undefined);
    } else if (error instanceof Refused) {
      const { code, fields, repeated } = error;
      const data = { code, ...fields, ...(repeated ? { repeated } : {}) };
      judge.answered(this.name, submission, hub, undefined, { code: 1, data });
    } else if (!(error instanceof Failure)) {
      judge.verdict ??= `${this.label}: a call threw ${String(error)}`;
    } else if (error.definite) judge.ruledOut(this.name, submission, error.code);
  }

  private learn(event: Record<string, unknown>): void {
    const { claim, epoch, holder, to } = event;
    if (typeof claim !== "string" || typeof epoch !== "number") return;
    if ((to ?? holder) !== this.name) return;
    this.grants.push({ claim, epoch });
    if (this.grants.length > 6) this.grants.shift();
  }

  /** Ends as programs do: closed well, or killed. */
  private end(client: Client): void {
    const { process } = this;
    if (process === undefined) return;
    this.client = undefined;
    this.waiting.clear();
    if (this.random.happens(0.5)) {
      process.alive = false;
      this.wire?.cut();
      this.world.loop.at(500, undefined, () => this.start());
      return;
    }
    client.close().then(() => {
      if (!process.alive) return;
      process.alive = false;
      this.world.loop.at(100, undefined, () => this.start());
    });
  }

  private async read(client: Client, process: Process): Promise<void> {
    while (process.alive && this.client === client) {
      try {
        for await (const entry of client.follow({ after: this.cursor })) this.followed(entry);
        return;
      } catch (error) {
        if (!(error instanceof Refused) || error.code !== "log.horizon") throw error;
        // It is told where the log now begins; what it has folded so far goes no further.
        this.replica = undefined;
        this.cursor = Math.max(this.cursor, error.fields.seq as number);
      }
    }
  }

  private followed(entry: Entry): void {
    const { judge } = this.world;
    const shown = entry as unknown as Record<string, unknown>;
    judge.followed(this.label, this.asker, this.cursor, shown, undefined);
    this.cursor = entry.seq;
    this.replica?.fold([entry]);
    for (const event of entry.events) this.learn(event as unknown as Record<string, unknown>);
  }
}

function messagesOf(frame: Frame): readonly Message[] {
  const decoded = decode(frame);
  const { value } = decoded as { readonly value: Message | readonly Message[] };
  return Array.isArray(value) ? value : [value as Message];
}
