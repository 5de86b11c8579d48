/**
 * Calling a hub over MQTT: on the broker it embeds, or on one that hub and caller both join.
 */
import { randomBytes } from "node:crypto";
import mqtt, { type MqttClient } from "mqtt";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Connection, ConnectOptions, Frame } from "../../core/ports/transport.ts";
import { isLoopbackHost } from "../../core/protocol/gate.ts";
import { unreachable } from "../socket/unreached.ts";
import { type BrokerPlace, brokerPlace } from "./broker-place.ts";
import { closingNote, lastWill, readNote } from "./notes.ts";
import { inTime, leave, realAfter } from "./patience.ts";
import { TopicConnection } from "./topic-connection.ts";
import { levelOf } from "./topics.ts";

/** Bytes of a frame besides itself while it is under way, roughly. */
const FRAME_BYTES = 64;

/**
 * Connects to `mqtt://HOST:PORT`, or to the hub that joined the broker of
 * `mqtt+client://HOST[:PORT][?prefix=NAME]`. Fails at the first try: `hub.unreachable` when nobody answers
 * in time, `hub.refused` when the broker does not let the agent in, `usage` for a bad url or without an
 * agent.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Connection> {
  const place = brokerPlace(url);
  const { agent, token, ca, timeoutMs = limits.handshakeMs } = options;
  if (agent === undefined || agent === "") {
    throw new Failure("usage", "An MQTT connection is an agent's: say which.", { fields: { url } });
  }
  const call = new Call(place, levelOf(agent));
  let client: MqttClient | undefined;
  try {
    client = await mqtt.connectAsync(
      place.url,
      { ...call.options(agent, token, timeoutMs), ...(ca === undefined ? {} : { ca }) },
      false,
    );
    // A broker that lets somebody in may still leave everything else without an answer.
    return await inTime(call.made(client), timeoutMs, () => call.late());
  } catch (error) {
    client?.end(true);
    if (error instanceof Failure) throw error;
    throw failure(place.shown, error as Error & { code?: unknown });
  }
}

/** One connection in the making. */
class Call {
  readonly #place: BrokerPlace;
  readonly #request: string;
  readonly #response: string;
  #missing = "No answer comes from the broker";

  constructor(place: BrokerPlace, level: string) {
    this.#place = place;
    // On a foreign broker the hub cannot tell clients apart, so each of them has a topic.
    const link = place.foreign ? randomBytes(8).toString("hex") : undefined;
    this.#request = place.topics.request(level, link);
    this.#response = place.topics.response(level, link);
  }

  options(agent: string, token: string | undefined, timeoutMs: number): mqtt.IClientOptions {
    const { user, password, foreign } = this.#place;
    const username = foreign ? user : agent;
    const secret = foreign ? password : token;
    return {
      clientId: `holdfast-${randomBytes(8).toString("hex")}`,
      clean: true,
      protocolVersion: 4,
      keepalive: limits.pingMs / 1000,
      connectTimeout: timeoutMs,
      reconnectPeriod: 0,
      resubscribe: false,
      ...(username === undefined ? {} : { username }),
      ...(secret === undefined ? {} : { password: secret }),
      will: { topic: `${this.#request}/closed`, payload: Buffer.from(lastWill), qos: 1, retain: false },
    };
  }

  /** What is wrong when it is not made in time. */
  late(): Failure {
    const { shown } = this.#place;
    return new Failure("hub.unreachable", `${this.#missing} ${shown}.`, { fields: { url: shown } });
  }

  async made(client: MqttClient): Promise<Connection> {
    client.on("error", () => undefined);
    const { topics, foreign, address } = this.#place;
    const carrier = new ClientCarrier(client, this.#request);
    const peer = { transport: "mqtt", address, loopback: isLoopbackHost(new URL(this.#place.url).hostname) };
    const connection = new TopicConnection(peer, carrier, realAfter, limits.drainMs);
    carrier.connection = connection;
    let hubIsThere: () => void = () => undefined;
    const there = new Promise<void>((resolve) => {
      hubIsThere = resolve;
    });
    client.on("message", (topic, payload) => {
      if (topic === this.#response) connection.take(payload);
      else if (topic === `${this.#response}/closed`) carrier.ended(readNote(payload));
      else if (topic === topics.online) {
        if (payload.length > 0) hubIsThere();
        else carrier.ended({ goodbye: false, reason: "broken: the hub left the broker" });
      }
    });
    client.on("close", () => connection.end({ goodbye: false, reason: "broken" }));
    connection.holdUntilReceived();
    const wanted = [this.#response, `${this.#response}/closed`, ...(foreign ? [topics.online] : [])];
    carrier.holding = false;
    const granted = await client.subscribeAsync(wanted, { qos: 1 });
    if (granted.some(({ qos }) => (qos as number) === 128)) {
      throw new Failure("hub.refused", `${this.#place.shown} does not let this agent hear its answers.`);
    }
    if (foreign) {
      this.#missing = "No hub is on the broker";
      await there;
      await client.publishAsync(`${this.#request}/opened`, "", { qos: 1 });
    }
    carrier.holding = true;
    return connection;
  }
}

/** Carries the frames of one connection over a client of its own. */
class ClientCarrier {
  connection: TopicConnection | undefined;
  /** Whether what comes may be held back; not while the connection is being made. */
  holding = true;
  readonly #client: MqttClient;
  readonly #topic: string;
  #unconfirmedBytes = 0;
  #held = false;
  #waiting: (() => void)[] = [];

  constructor(client: MqttClient, topic: string) {
    this.#client = client;
    this.#topic = topic;
    client.handleMessage = (_packet, done) => {
      if (this.#held && this.holding) this.#waiting.push(() => done());
      else done();
    };
  }

  get bufferedBytes(): number {
    return this.#unconfirmedBytes;
  }

  send(frame: Frame): void {
    const payload =
      typeof frame === "string" ? frame : Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    const bytes = Buffer.byteLength(payload) + FRAME_BYTES;
    this.#unconfirmedBytes += bytes;
    this.#client.publish(this.#topic, payload, { qos: 1 }, (error) => {
      this.#unconfirmedBytes -= bytes;
      if (!error) return this.connection?.took();
      this.connection?.end({ goodbye: false, reason: `broken: ${error.message}` });
      this.#client.end(true);
    });
  }

  hold(): void {
    this.#held = true;
  }

  letGo(): void {
    this.#held = false;
    for (const done of this.#waiting.splice(0)) done();
  }

  close(reason: Parameters<typeof closingNote>[0], words: string | undefined): void {
    this.letGo();
    if (reason !== "goodbye")
      this.#client.publish(`${this.#topic}/closed`, closingNote(reason, words), { qos: 0 });
    void leave(this.#client);
  }

  /** The other end closed. */
  ended(how: Parameters<TopicConnection["end"]>[0]): void {
    this.connection?.end(how);
    void leave(this.#client);
  }
}

function failure(url: string, error: Error & { code?: unknown }): Failure {
  const { code } = error;
  const refused = typeof code === "number" && code > 0 && code < 128;
  return refused
    ? new Failure("hub.refused", `${url} refused: ${error.message}.`, { fields: { url, code }, cause: error })
    : unreachable(url, error);
}
