/**
 * The switchboard: which of the broker's clients speaks for which agent, and which connection a frame
 * belongs to.
 *
 * A client that hears its agent's answers has a connection of its own. A client that only asks (one that
 * publishes a line and is gone) speaks on the connection of the agent's client that hears: together they
 * are one peer.
 */
import type { Client } from "aedes";
import { limits } from "../../core/limits.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Accept, Closed, Peer } from "../../core/ports/transport.ts";
import type { Intake } from "./intake.ts";
import { closingNote, readNote } from "./notes.ts";
import { publishPacket } from "./publish-packet.ts";
import { TopicConnection } from "./topic-connection.ts";
import { matches, type Place, type Topics } from "./topics.ts";

/** One client of the broker, from its first byte to its last. */
export interface Caller {
  readonly intake: Intake;
  readonly address: string;
  readonly loopback: boolean;
  client: Client | undefined;
  /** The agent it is bound to by its user name; absent: any, on a hub without tokens. */
  agent: string | undefined;
  token: string | undefined;
  will: { readonly topic: string; readonly payload: Uint8Array } | undefined;
  /** Filters it is subscribed to, and the quality of service granted. */
  readonly filters: Map<string, number>;
  /** By the level the client spells the agent's name with. */
  readonly connections: Map<string, TopicConnection>;
  /** Nothing more is taken from it. */
  closing: boolean;
}

export interface SwitchboardOptions {
  readonly topics: Topics;
  readonly accept: Accept;
  readonly after: Clock["after"];
  readonly drainMs: number;
}

export class Switchboard {
  readonly #options: SwitchboardOptions;
  /** Connections whose clients hear, by agent; the newest last. */
  readonly #hearing = new Map<string, Set<TopicConnection>>();

  constructor(options: SwitchboardOptions) {
    this.#options = options;
  }

  /** A frame or note was published on a request topic. */
  said(caller: Caller, place: Exclude<Place, { kind: "other" }>, payload: Uint8Array): void {
    if (caller.closing || place.kind === "opened") return;
    const own = caller.connections.get(place.level);
    if (place.kind === "closed") own?.end(readNote(payload));
    else (own ?? this.#connectionFor(caller, place.agent, place.level)).take(payload);
  }

  /** The client has subscribed: what names one agent's answers opens a connection at once. */
  subscribed(caller: Caller, filters: readonly string[]): void {
    for (const filter of filters) {
      const heard = this.#options.topics.heardBy(filter);
      if (heard === undefined || (caller.agent !== undefined && caller.agent !== heard.agent)) continue;
      if (!caller.closing && !caller.connections.has(heard.level)) {
        this.#open(caller, heard.agent, heard.level);
      }
    }
  }

  /** The client is gone. */
  gone(caller: Caller): void {
    const { intake, will } = caller;
    caller.closing = true;
    const how: Closed = intake.saidGoodbye
      ? { goodbye: true, reason: "goodbye" }
      : { goodbye: will !== undefined, reason: intake.fault ?? (will ? "broken: its last will" : "broken") };
    for (const [level, connection] of caller.connections) {
      const said =
        will !== undefined && !intake.saidGoodbye && will.topic === this.#options.topics.request(level);
      if (said) connection.take(will.payload);
      connection.end(how);
    }
    caller.connections.clear();
  }

  /** Tells the client, where it hears, that something it published was not let through. */
  tell(caller: Caller, agent: string, frame: string): void {
    const topic = this.#options.topics.response(encodeURIComponent(agent));
    if (hears(caller, topic)) caller.intake.write(publishPacket(topic, frame));
  }

  #connectionFor(caller: Caller, agent: string, level: string): TopicConnection {
    if (!hears(caller, this.#options.topics.response(level))) {
      const others = this.#hearing.get(agent);
      const other = others && [...others].pop();
      if (other !== undefined) return other;
    }
    return this.#open(caller, agent, level);
  }

  #open(caller: Caller, agent: string, level: string): TopicConnection {
    const { topics, accept, after, drainMs } = this.#options;
    const { intake, address, loopback, token } = caller;
    const topic = topics.response(level);
    const peer: Peer = {
      transport: "mqtt",
      address,
      loopback,
      agent,
      ...(token === undefined ? {} : { token }),
    };
    const write = (where: string, payload: string | Uint8Array): void => {
      if (!hears(caller, where)) return;
      intake.cork();
      intake.write(publishPacket(where, payload));
      process.nextTick(() => intake.uncork());
    };
    const carrier = {
      get bufferedBytes() {
        return intake.waitingBytes;
      },
      send: (frame: string | Uint8Array) => write(topic, frame),
      hold: () => intake.hold(),
      letGo: () => intake.letGo(),
      close: (reason: Parameters<typeof closingNote>[0], words: string | undefined) => {
        write(`${topic}/closed`, closingNote(reason, words));
        forget();
        // After a goodbye the client may go on with its own topics, or open another session.
        if (reason !== "goodbye") hangUp(caller, after);
      },
    };
    const connection = new TopicConnection(peer, carrier, after, drainMs);
    const took = (): void => connection.took();
    const forget = (): void => {
      intake.off("room", took);
      const others = this.#hearing.get(agent);
      if (others?.delete(connection) === true && others.size === 0) this.#hearing.delete(agent);
      if (caller.connections.get(level) === connection) caller.connections.delete(level);
    };
    intake.on("room", took);
    intake.once("close", forget);
    caller.connections.set(level, connection);
    if (hears(caller, topic)) {
      this.#hearing.set(agent, (this.#hearing.get(agent) ?? new Set()).add(connection));
    }
    accept(connection);
    connection.holdUntilReceived();
    return connection;
  }
}

/** Ends a client once what is queued for it is written, or after a moment without that. */
export function hangUp(caller: Caller, after: Clock["after"]): void {
  if (caller.closing) return;
  caller.closing = true;
  caller.intake.end();
  const cancel = after(limits.closeMs, () => caller.intake.destroy());
  caller.intake.once("close", cancel);
}

function hears(caller: Caller, topic: string): boolean {
  if (caller.filters.has(topic)) return true;
  for (const filter of caller.filters.keys()) if (matches(filter, topic)) return true;
  return false;
}
