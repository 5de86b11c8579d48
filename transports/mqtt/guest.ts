/**
 * The hub as a guest: it joins a broker of the fleet's own and serves one prefix there. That broker's own
 * access rules guard who publishes and reads what; tokens, where the hub has them, travel in
 * `session.open`.
 *
 * Invariant: while `hub/online` below the prefix is retained with this hub's id, the retained state is this
 * hub's.
 */
import { randomBytes } from "node:crypto";
import mqtt, { type MqttClient } from "mqtt";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Accept, Frame, Listener } from "../../core/ports/transport.ts";
import { isLoopbackHost } from "../../core/protocol/gate.ts";
import { unreachable } from "../socket/unreached.ts";
import { type BrokerPlace, brokerPlace } from "./broker-place.ts";
import type { MqttListenOptions } from "./listener.ts";
import { Mirror } from "./mirror.ts";
import { closingNote, readNote } from "./notes.ts";
import { inTime, leave, realAfter } from "./patience.ts";
import { TopicConnection } from "./topic-connection.ts";

/** Bytes of a frame besides itself while it is under way, roughly. */
const FRAME_BYTES = 64;

/**
 * Joins the broker. Throws `usage` when another hub serves the prefix, `hub.unreachable` when nobody
 * answers.
 */
export async function join(url: string, options: MqttListenOptions, accept: Accept): Promise<Listener> {
  const place = brokerPlace(url);
  const guest = new Guest(place, options, accept);
  await guest.join();
  return { urls: [url.replace(/\/\/[^/@]*@/, "//")], close: () => guest.close() };
}

class Guest {
  readonly #id = randomBytes(8).toString("hex");
  readonly #place: BrokerPlace;
  readonly #options: MqttListenOptions;
  readonly #accept: Accept;
  readonly #mirror: Mirror | undefined;
  readonly #connections = new Map<string, TopicConnection>();
  #client: MqttClient | undefined;
  #settled = false;
  /** What is found retained while the guest looks around. */
  #found: Map<string, string> | undefined;
  #lookedAround: () => void = () => undefined;

  constructor(place: BrokerPlace, options: MqttListenOptions, accept: Accept) {
    this.#place = place;
    this.#options = options;
    this.#accept = accept;
    const publish = (topic: string, payload: string, retain: boolean, done: () => void): void => {
      if (this.#client === undefined) return done();
      this.#client.publish(topic, payload, { qos: 1, retain }, done);
    };
    const after = options.clock?.after.bind(options.clock) ?? realAfter;
    this.#mirror =
      options.observe && new Mirror(place.topics, { hears: () => true, publish }, options.observe, after);
  }

  get #handshakeMs(): number {
    return this.#options.bounds?.handshakeMs ?? limits.handshakeMs;
  }

  async join(): Promise<void> {
    const { topics, url, shown, user, password } = this.#place;
    let client: MqttClient;
    try {
      client = await mqtt.connectAsync(
        url,
        {
          clientId: `holdfast-hub-${this.#id}`,
          clean: true,
          protocolVersion: 4,
          keepalive: limits.pingMs / 1000,
          connectTimeout: this.#handshakeMs,
          reconnectPeriod: limits.reconnectMsMax / 5,
          resubscribe: false,
          queueQoSZero: false,
          ...(this.#options.ca === undefined ? {} : { ca: this.#options.ca }),
          ...(user === undefined ? {} : { username: user }),
          ...(password === undefined ? {} : { password }),
          will: { topic: topics.online, payload: Buffer.alloc(0), qos: 1, retain: true },
        },
        false,
      );
    } catch (cause) {
      throw unreachable(shown, cause as Error, "broker");
    }
    this.#client = client;
    client.on("error", () => undefined);
    client.on("message", (topic, payload) => this.#message(topic, payload));
    try {
      await inTime(this.#settle(client), 3 * this.#handshakeMs, () =>
        unreachable(shown, "it leaves subscriptions and messages without an answer", "broker"),
      );
    } catch (error) {
      await this.#leave(client);
      throw error;
    }
    client.on("close", () => this.#cut());
    client.on("connect", () => {
      // The broker may have forgotten, or another hub may have come meanwhile.
      this.#settle(client).then(
        () => this.#mirror?.repeat(),
        (error) => (error instanceof Failure ? this.#leave(client) : undefined),
      );
    });
  }

  /** Leaves nothing retained and says goodbye to the broker. */
  async close(): Promise<void> {
    const client = this.#client;
    this.#settled = false;
    for (const connection of [...this.#connections.values()]) connection.close("shutting-down");
    this.#mirror?.close();
    if (client === undefined) return;
    if (client.connected) {
      const stale = [...(this.#mirror?.topics() ?? []), this.#place.topics.online];
      const cleared = stale.map((topic) => client.publishAsync(topic, "", { qos: 1, retain: true }));
      await Promise.race([
        Promise.all(cleared).catch(() => undefined),
        new Promise((resolve) => setTimeout(resolve, limits.closeMs).unref()),
      ]);
    }
    await leave(client);
  }

  /**
   * Gives up the prefix to the hub that has it: with a goodbye, so that the last will does not clear what
   * is its.
   */
  async #leave(client: MqttClient): Promise<void> {
    this.#settled = false;
    this.#mirror?.close();
    await leave(client);
  }

  /** Clears what an earlier hub left, retains what is live, then opens the door. */
  async #settle(client: MqttClient): Promise<void> {
    const { topics, shown } = this.#place;
    const found = await this.#lookAround(client);
    const other = found.get(topics.online) ?? "";
    if (other !== "" && other !== this.#id) {
      throw new Failure("usage", `Another hub serves ${topics.prefix} on ${shown}; choose another prefix.`, {
        fields: { taken: true, prefix: topics.prefix },
      });
    }
    await this.#mirror?.begin();
    const live = this.#mirror?.topics() ?? new Set();
    for (const topic of found.keys()) {
      if (topic !== topics.online && !live.has(topic)) client.publish(topic, "", { qos: 1, retain: true });
    }
    await client.subscribeAsync(`${topics.prefix}/+/request/#`, { qos: 1 });
    await client.publishAsync(topics.online, this.#id, { qos: 1, retain: true });
    this.#settled = true;
  }

  /**
   * What is retained of the state and of who is online. A broker sends it before what is published
   * afterwards.
   */
  async #lookAround(client: MqttClient): Promise<ReadonlyMap<string, string>> {
    const { topics } = this.#place;
    const found = new Map<string, string>();
    this.#found = found;
    const mark = `${topics.prefix}/hub/mark`;
    const seen = new Promise<void>((resolve) => {
      this.#lookedAround = resolve;
    });
    const watched = [mark, `${topics.prefix}/state/#`];
    await client.subscribeAsync([topics.online, ...watched], { qos: 1 });
    await client.publishAsync(mark, this.#id, { qos: 1 });
    await Promise.race([seen, new Promise((resolve) => setTimeout(resolve, this.#handshakeMs).unref())]);
    this.#found = undefined;
    await client.unsubscribeAsync(watched);
    return found;
  }

  #message(topic: string, payload: Buffer): void {
    const { topics } = this.#place;
    if (topic === `${topics.prefix}/hub/mark`) {
      if (payload.toString() === this.#id) this.#lookedAround();
      return;
    }
    if (!topic.startsWith(`${topics.prefix}/`)) return;
    if (topic === topics.online && payload.length === 0 && this.#settled) {
      // The will of a hub that was refused here; this one is still there.
      this.#client?.publish(topic, this.#id, { qos: 1, retain: true });
    }
    const place = topics.place(topic);
    if (place.kind === "other") {
      this.#found?.set(topic, payload.toString());
      return;
    }
    const key = `${place.level}/${place.link ?? ""}`;
    const known = this.#connections.get(key);
    if (place.kind === "closed") {
      this.#connections.delete(key);
      known?.end(readNote(payload));
    } else if (place.kind === "opened") {
      known?.end({ goodbye: false, reason: "broken: its caller connected anew" });
      this.#open(key, place.agent, place.level, place.link);
    } else (known ?? this.#open(key, place.agent, place.level, place.link)).take(payload);
  }

  #open(key: string, agent: string, level: string, link: string | undefined): TopicConnection {
    const topic = this.#place.topics.response(level, link);
    let unconfirmedBytes = 0;
    const carrier = {
      get bufferedBytes() {
        return unconfirmedBytes;
      },
      send: (frame: Frame) => {
        const payload = typeof frame === "string" ? frame : Buffer.from(frame);
        const bytes = Buffer.byteLength(payload) + FRAME_BYTES;
        unconfirmedBytes += bytes;
        this.#client?.publish(topic, payload, { qos: 1 }, () => {
          unconfirmedBytes -= bytes;
          connection.took();
        });
      },
      hold: () => undefined,
      letGo: () => undefined,
      close: (reason: Parameters<typeof closingNote>[0], words: string | undefined) => {
        if (this.#connections.get(key) === connection) this.#connections.delete(key);
        this.#client?.publish(`${topic}/closed`, closingNote(reason, words), { qos: 1 });
      },
    };
    const loopback = isLoopbackHost(new URL(`http://${this.#place.address}`).hostname);
    const peer = { transport: "mqtt", address: this.#place.address, loopback, agent };
    const { bounds = {}, clock } = this.#options;
    const after = clock?.after.bind(clock) ?? realAfter;
    const connection = new TopicConnection(peer, carrier, after, bounds.drainMs ?? limits.drainMs);
    const most = bounds.connectionsMax ?? limits.connectionsMax;
    const [oldest] = this.#connections;
    if (oldest !== undefined && this.#connections.size >= most) {
      oldest[1].close("too-slow", "it made room for a newer one");
    }
    this.#connections.set(key, connection);
    this.#accept(connection);
    return connection;
  }

  /** The broker is gone: so is, for all the hub can know, everybody on it. */
  #cut(): void {
    this.#settled = false;
    for (const connection of this.#connections.values()) connection.end({ goodbye: false, reason: "broken" });
    this.#connections.clear();
  }
}
