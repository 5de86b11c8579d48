/**
 * A hub to be called by clients in tests: an engine on a log in memory, and connections that can be cut, tapped or
 * refused at will.
 */

import { machineClock } from "../../adapters/log/machine.ts";
import { openMemoryLog } from "../../adapters/log/memory.ts";
import { type Client, type ClientOptions, openClient } from "../../core/client/client.ts";
import { type Engine, openEngine } from "../../core/engine/engine.ts";
import type { EngineOptions } from "../../core/engine/options.ts";
import { Failure } from "../../core/failures.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import type { Closed, Connection, Frame, Receiver } from "../../core/ports/transport.ts";
import { memoryPair } from "../../transports/memory/index.ts";
import { countedChance, sha256 } from "./world.ts";

/** What becomes of a frame: `false` loses it. */
export interface Tap {
  toHub?: (frame: string) => boolean;
  toClient?: (frame: string) => boolean;
}

let hubs = 0;

export class Hub {
  readonly tap: Tap = {};
  /** While set, dialling fails. */
  away = false;
  dials = 0;
  readonly clients: Client[] = [];
  readonly faults: unknown[] = [];
  readonly clock: Clock;
  log!: EventLog;
  engine!: Engine;
  private readonly name = `hub${++hubs}`;
  private open: { readonly hub: Connection; readonly client: Connection }[] = [];

  private constructor(clock: Clock) {
    this.clock = clock;
  }

  /** On the machine's clock unless another is given. */
  static async open(clock: Clock = machineClock, options: Partial<EngineOptions> = {}): Promise<Hub> {
    const hub = new Hub(clock);
    await hub.start(options);
    return hub;
  }

  async start(options: Partial<EngineOptions> = {}): Promise<void> {
    this.log = await openMemoryLog(this.name, this.clock === machineClock ? {} : { clock: this.clock });
    this.engine = await openEngine({
      log: this.log,
      clock: this.clock,
      chance: countedChance(`${this.name}.${this.dials}-`),
      hash: sha256,
      report: (what, error) => this.faults.push([what, error]),
      ...options,
    });
  }

  /** Another engine takes over on the same log. */
  async restart(): Promise<void> {
    this.away = true;
    await this.engine.close();
    await this.start();
    this.away = false;
  }

  readonly dial = async (): Promise<Connection> => {
    this.dials += 1;
    if (this.away) throw new Failure("hub.unreachable", "nobody is there");
    const [hub, client] = memoryPair();
    this.open.push({ hub, client });
    this.engine.accept(tapped(hub, (frame) => this.tap.toHub?.(frame) ?? true));
    return tapped(client, (frame) => this.tap.toClient?.(frame) ?? true);
  };

  /** Breaks every connection and tells how many there were. `unread` is lost at that end; the other still reads what it was sent. */
  cut(unread: "hub" | "client" = "hub"): number {
    const open = this.open.splice(0);
    for (const pair of open) pair[unread].close("failed", "cut");
    return open.length;
  }

  /** Sends a frame to every client, as if the hub had. */
  tell(frame: string): void {
    for (const { hub } of this.open) hub.send(frame);
  }

  async client(agent: string, options: Partial<ClientOptions> = {}): Promise<Client> {
    const client = await openClient({
      dial: this.dial,
      agent,
      clock: this.clock,
      chance: countedChance(`${agent}-${this.clients.length}-`),
      ...options,
    });
    this.clients.push(client);
    return client;
  }

  async entries(): Promise<Entry[]> {
    const all: Entry[] = [];
    for await (const entries of this.log.read(0)) all.push(...entries);
    return all;
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()));
    await this.engine.close();
    await this.log.close();
  }
}

/** The same connection, whose incoming frames may be lost. */
function tapped(connection: Connection, passes: (frame: string) => boolean): Connection {
  return {
    peer: connection.peer,
    codec: connection.codec,
    get bufferedBytes() {
      return connection.bufferedBytes;
    },
    send: (frame: Frame) => connection.send(frame),
    close: (reason, words) => connection.close(reason, words),
    receive: (receiver: Receiver) =>
      connection.receive({
        frame: (frame) => passes(String(frame)) && receiver.frame(frame),
        drained: () => receiver.drained(),
        closed: (how: Closed) => receiver.closed(how),
      }),
  };
}

/** Resolves once `holds`, looking again and again; rejects after a generous while. */
export async function until(holds: () => boolean, what = "it"): Promise<void> {
  const started = Date.now();
  while (!holds()) {
    if (Date.now() - started > 20_000) throw new Error(`${what} did not come about`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** What a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not reject");
}
