/**
 * The embedded broker: a general MQTT 3.1.1 broker, but for the topics of the hub, where only the hub
 * publishes.
 *
 * Invariant: nothing a client publishes is ever forwarded below the hub's prefix; it is a frame for the
 * switchboard, or it is dropped and its sender told.
 */
import type { Duplex } from "node:stream";
import type { Aedes, AuthenticateError, Client, PublishPacket, Subscription } from "aedes";
import type { Verify } from "../../core/engine/admission.ts";
import { limits } from "../../core/limits.ts";
import type { Clock } from "../../core/ports/clock.ts";
import { codes, errorReply } from "../../core/protocol/frame.ts";
import { Bulletin } from "./bulletin.ts";
import { Intake } from "./intake.ts";
import { boundStore, type Store } from "./store.ts";
import type { Caller, Switchboard } from "./switchboard.ts";
import { isFilter, matches, type Topics } from "./topics.ts";

export interface BrokerOptions {
  readonly topics: Topics;
  readonly switchboard: Switchboard;
  /** Proves user names; absent: they are taken at their word. */
  readonly verify: Verify | undefined;
  readonly bounds: BrokerBounds;
  /** Awaited before the first client is let in, and any other. */
  readonly ready: () => Promise<void>;
  readonly after: Clock["after"];
}

/** Bounds of one broker; each is its namesake in `limits`. */
export interface BrokerBounds {
  readonly frameBytesMax: number;
  readonly handshakeMs: number;
  readonly brokerBufferBytesMax: number;
  readonly brokerDrainMs: number;
  readonly brokerRetainedMax: number;
  readonly brokerRetainedBytesMax: number;
  readonly brokerQueuedMax: number;
  readonly brokerInFlightMax: number;
  readonly brokerQueuedBytesMax: number;
  readonly brokerSessionsMax: number;
  readonly brokerSubscriptionsMax: number;
}

/** Where what was refused goes: nobody can subscribe to it. */
const NOWHERE = "$holdfast/nowhere";

const REFUSED = { badIdentifier: 2, badUser: 4, notAuthorized: 5 } as const;

export class Broker {
  readonly #aedes: Aedes;
  readonly #options: BrokerOptions;
  readonly #store: Store;
  readonly #bulletin: Bulletin;
  readonly #callers = new WeakMap<Client, Caller>();
  readonly #live = new Set<Caller>();

  private constructor(aedes: Aedes, options: BrokerOptions) {
    this.#aedes = aedes;
    this.#options = options;
    this.#store = boundStore(aedes, options.bounds);
    this.#bulletin = new Bulletin({
      topics: options.topics,
      store: this.#store,
      after: options.after,
      bufferBytesMax: options.bounds.brokerBufferBytesMax,
      drainMs: options.bounds.brokerDrainMs,
    });
    aedes.on("subscribe", (subscriptions, client) => {
      const granted = subscriptions.filter(({ qos }) => (qos as number) !== 128);
      this.#with(client, (caller) => {
        this.#subscribed(caller, granted);
        const added = granted.map(({ topic }) => topic);
        this.#bulletin.changed(caller, added);
      });
    });
    aedes.on("unsubscribe", (filters, client) => {
      this.#with(client, (caller) => {
        for (const filter of filters) caller.filters.delete(filter);
        this.#bulletin.changed(caller, []);
      });
    });
    aedes.on("clientReady", (client) => {
      // A session that was kept has its subscriptions already.
      const kept = Object.entries(subscriptionsOf(client)).map(([topic, { qos }]) => ({ topic, qos }));
      if (kept.length === 0) return;
      this.#with(client, (caller) => {
        this.#subscribed(caller, kept);
        this.#bulletin.changed(caller, []);
      });
    });
    // It stays up whatever its store says; there is nothing to be done about it here.
    (aedes as unknown as NodeJS.EventEmitter).on("error", () => undefined);
  }

  static async open(options: BrokerOptions): Promise<Broker> {
    const { bounds } = options;
    // The hooks are asked only once there are clients.
    let broker: Broker | undefined;
    const own = (): Broker => broker as Broker;
    // It is a module, which a bundle for older versions of Node could not require.
    const library = await import("aedes");
    const aedes = await library.Aedes.createBroker({
      drainTimeout: bounds.brokerDrainMs,
      connectTimeout: bounds.handshakeMs,
      queueLimit: 1000,
      maxClientsIdLength: 65_535,
      preConnect: (client, packet, done) => own().#preConnect(client, packet, done),
      authenticate: (client, user, password, done) => own().#authenticate(client, user, password, done),
      authorizePublish: (client, packet, done) => own().#authorizePublish(client, packet, done),
      authorizeSubscribe: (client, wanted, done) => own().#authorizeSubscribe(client, wanted, done),
      authorizeForward: (client, packet) => {
        // The broker lowers a quality only to that of a filter spelled like the topic.
        if (packet.qos === 2) packet.qos = grantedQuality(client, packet.topic);
        return packet;
      },
    });
    broker = new Broker(aedes, options);
    return broker;
  }

  /** Clients there are. */
  get size(): number {
    return this.#live.size;
  }

  /** The clients, for who closes them. */
  get callers(): Iterable<Caller> {
    return this.#live;
  }

  /** Serves a byte stream until it ends. */
  serve(stream: Duplex, address: string, loopback: boolean): void {
    const { bounds, switchboard } = this.#options;
    const { frameBytesMax, brokerBufferBytesMax: bufferBytesMax } = bounds;
    const intake = new Intake(stream, { frameBytesMax, bufferBytesMax });
    const caller: Caller = {
      intake,
      address,
      loopback,
      client: undefined,
      agent: undefined,
      token: undefined,
      will: undefined,
      filters: new Map(),
      connections: new Map(),
      closing: false,
    };
    this.#live.add(caller);
    intake.once("close", () => {
      this.#live.delete(caller);
      this.#bulletin.gone(caller);
      switchboard.gone(caller);
    });
    const client = this.#aedes.handle(intake);
    caller.client = client;
    this.#callers.set(client, caller);
  }

  /** What the hub publishes here. */
  get bulletin(): Bulletin {
    return this.#bulletin;
  }

  /** Ends the broker; its clients must be gone, or are cut. */
  close(): Promise<void> {
    return new Promise((resolve) => this.#aedes.close(resolve));
  }

  /**
   * The broker drops what comes to a client with a lower number than what came before, to send a packet
   * once that matches two filters. Packets of different kinds take different times inside it and overtake
   * each other, so each kind is numbered for itself.
   */
  #lane(qos: number, retain: boolean): string {
    return `${this.#aedes.id}/${qos}${retain ? "r" : ""}`;
  }

  #subscribed(caller: Caller, granted: readonly { readonly topic: string; readonly qos: number }[]): void {
    for (const { topic, qos } of granted) caller.filters.set(topic, qos);
    const filters = granted.map(({ topic }) => topic);
    this.#options.switchboard.subscribed(caller, filters);
  }

  #with(client: Client | null, run: (caller: Caller) => void): void {
    const caller = client === null ? undefined : this.#callers.get(client);
    if (caller !== undefined) run(caller);
  }

  #preConnect(
    client: Client,
    packet: {
      clientId: string;
      clean?: boolean;
      username?: string;
      will?: { topic: string; payload: Uint8Array | string };
    },
    done: (error: Error | null, success: boolean) => void,
  ): void {
    this.#with(client, (caller) => {
      if (packet.clientId === "" && packet.clean !== true) caller.intake.fault = "empty client id";
      if (packet.will !== undefined) {
        caller.will = { topic: packet.will.topic, payload: Buffer.from(packet.will.payload) };
      }
      // Each user has client ids of its own, so that nobody throws out another's client.
      if (packet.clientId !== "" && packet.username !== undefined) {
        packet.clientId = `${encodeURIComponent(packet.username)}/${packet.clientId}`;
      }
    });
    this.#options.ready().then(
      () => done(null, true),
      (error: Error) => done(error, false),
    );
  }

  #authenticate(
    client: Client,
    user: string | undefined,
    password: Uint8Array | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): void {
    const caller = this.#callers.get(client);
    const { verify } = this.#options;
    const refuse = (returnCode: number, why: string): void => {
      if (caller !== undefined) caller.will = undefined;
      done(Object.assign(new Error(why), { returnCode }) as AuthenticateError, false);
    };
    if (caller === undefined || caller.closing) return refuse(REFUSED.notAuthorized, "not served");
    if (caller.intake.fault !== undefined) return refuse(REFUSED.badIdentifier, caller.intake.fault);
    if (user !== undefined && user !== "") caller.agent = user;
    if (password !== undefined) caller.token = Buffer.from(password).toString();
    if (verify !== undefined) {
      if (caller.agent === undefined || caller.token === undefined) {
        return refuse(REFUSED.notAuthorized, "this hub asks for the agent as user and its token as password");
      }
      if (verify(caller.agent, caller.token) === undefined) {
        return refuse(REFUSED.badUser, "the token does not prove this name");
      }
    }
    done(null, true);
  }

  #authorizePublish(
    client: Client | null,
    packet: PublishPacket,
    done: (error?: Error | null) => void,
  ): void {
    const { topics, switchboard } = this.#options;
    const { topic } = packet;
    const caller = client === null ? undefined : this.#callers.get(client);
    if (!topics.owns(topic) && !topic.startsWith("$")) {
      if (packet.retain && !this.#store.mayRetain(packet)) this.#deny(caller, packet);
      (packet as { brokerId?: string }).brokerId = this.#lane(packet.qos, packet.retain);
      return done(null);
    }
    const place = topics.place(topic);
    const allowed =
      place.kind !== "other" &&
      place.link === undefined &&
      caller !== undefined &&
      (caller.agent === undefined || caller.agent === place.agent);
    if (!allowed) this.#deny(caller, packet);
    else {
      const payload = Buffer.from(packet.payload);
      nowhere(packet);
      // A will comes when the client is gone; the switchboard has seen to it.
      if (client !== null && !client.closed) switchboard.said(caller, place, payload);
    }
    done(null);
  }

  /** Drops it, acknowledged as the protocol wants it (3.3.5), and says so where its sender hears. */
  #deny(caller: Caller | undefined, packet: PublishPacket): void {
    const { topic } = packet;
    nowhere(packet);
    const agents = new Set([...(caller?.connections.values() ?? [])].map(({ peer }) => peer.agent));
    const agent = caller?.agent ?? [...agents][0];
    if (caller === undefined || agent === undefined) return;
    const words =
      `You may not publish on ${topic.slice(0, 200)}; it was dropped. Requests go to ` +
      `${this.#options.topics.request(encodeURIComponent(agent))}, your own messages outside ` +
      `${this.#options.topics.prefix}/ and $.`;
    const reply = errorReply(null, codes.definite, words, { code: "usage", topic: topic.slice(0, 200) });
    this.#options.switchboard.tell(caller, agent, JSON.stringify(reply));
  }

  #authorizeSubscribe(
    client: Client,
    wanted: Subscription,
    done: (error: Error | null, subscription?: Subscription | null) => void,
  ): void {
    const caller = this.#callers.get(client);
    const { topics, bounds } = this.#options;
    if (!isFilter(wanted.topic)) return done(new Error("not a topic filter"));
    const heard = topics.heardBy(wanted.topic);
    const foreign = heard !== undefined && caller?.agent !== undefined && caller.agent !== heard.agent;
    const full =
      caller === undefined ||
      (caller.filters.size >= bounds.brokerSubscriptionsMax && !caller.filters.has(wanted.topic));
    const reserved = wanted.topic.startsWith("$share/") || wanted.topic.startsWith("$holdfast/");
    done(null, foreign || full || reserved ? null : wanted);
  }
}

/** Turns a packet into one that reaches nobody, and is kept nowhere. */
function nowhere(packet: PublishPacket): void {
  packet.topic = NOWHERE;
  packet.payload = "";
  packet.retain = false;
}

/**
 * The highest quality of service among the client's filters that match; at least 1, since 0 goes another
 * way.
 */
function grantedQuality(client: Client, topic: string): 1 | 2 {
  const all = Object.entries(subscriptionsOf(client));
  return all.some(([filter, { qos }]) => qos === 2 && matches(filter, topic)) ? 2 : 1;
}

function subscriptionsOf(client: Client): { readonly [filter: string]: { readonly qos: number } } {
  return (client as Client & { subscriptions: { [filter: string]: { qos: number } } }).subscriptions;
}

/** What a broker is bound to unless told otherwise. */
export const brokerBounds: BrokerBounds = limits;
