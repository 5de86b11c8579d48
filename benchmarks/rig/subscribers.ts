/**
 * Subscribers: bare sockets that subscribe to the entries of a broker, confirm what asks for it, and look
 * at no more than where each message ends.
 */
import { connect, type Socket } from "node:net";
import type { Told } from "./mqtt.ts";

const CONNACK = 2;
const PUBLISH = 3;
const SUBACK = 9;

/** Some that read. */
export class Subscribers {
  /** What the first one was told, when it is kept. */
  readonly told: Told[] = [];
  private readonly all: Subscriber[] = [];

  /** Connects so many, each subscribed to every entry with this quality of service. */
  static async connect(url: string, count: number, quality: 0 | 1, keep = false): Promise<Subscribers> {
    const subscribers = new Subscribers();
    const { port } = new URL(url.replace("mqtt:", "http:"));
    for (let at = 0; at < count; at++) {
      const one = new Subscriber(Number(port), quality, keep && at === 0 ? subscribers.told : undefined);
      subscribers.all.push(one);
      await one.subscribed;
    }
    return subscribers;
  }

  /** Resolves when each was told so many messages of the topic `holdfast/log/activity/logged`. */
  async heard(messages: number): Promise<void> {
    await Promise.all(this.all.map((one) => one.hear(messages)));
  }

  close(): void {
    for (const one of this.all) one.close();
  }
}

class Subscriber {
  readonly subscribed: Promise<void>;
  private readonly socket: Socket;
  private readonly kept: Told[] | undefined;
  private rest: Buffer = Buffer.alloc(0);
  private missing = 0;
  private done: () => void = () => {};

  constructor(port: number, quality: 0 | 1, kept: Told[] | undefined) {
    this.kept = kept;
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const id = Buffer.from(`subscriber-${Math.floor(performance.now() * 1e6)}`);
    const connecting = Buffer.from([0, 4, 77, 81, 84, 84, 4, 2, 0, 0, 0, id.length, ...id]);
    const filter = Buffer.from("holdfast/log/activity/logged");
    const subscribing = Buffer.from([0, 1, 0, filter.length, ...filter, quality]);
    this.socket.write(Buffer.from([0x10, connecting.length, ...connecting]));
    this.subscribed = new Promise((resolve) => {
      this.socket.on("data", (bytes) => {
        for (const type of this.take(bytes)) {
          if (type === CONNACK) this.socket.write(Buffer.from([0x82, subscribing.length, ...subscribing]));
          if (type === SUBACK) resolve();
        }
      });
    });
  }

  hear(messages: number): Promise<void> {
    this.missing = messages;
    return new Promise((resolve) => {
      this.done = resolve;
    });
  }

  close(): void {
    this.socket.destroy();
  }

  /** The types of the packets that are whole now, but for PUBLISH, which it counts and confirms. */
  private take(bytes: Buffer): number[] {
    const all = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    const types: number[] = [];
    const confirmations: Buffer[] = [];
    let at = 0;
    for (;;) {
      let size = 0;
      let head = 1;
      let byte = all[at + head];
      for (let shift = 0; byte !== undefined; shift += 7) {
        size |= (byte & 0x7f) << shift;
        head += 1;
        if (byte < 0x80) break;
        byte = all[at + head];
      }
      if (byte === undefined || at + head + size > all.length) break;
      const first = all[at] as number;
      if (first >> 4 === PUBLISH)
        this.published(first, all.subarray(at + head, at + head + size), confirmations);
      else types.push(first >> 4);
      at += head + size;
    }
    this.rest = all.subarray(at);
    if (confirmations.length > 0) this.socket.write(Buffer.concat(confirmations));
    return types;
  }

  private published(first: number, body: Buffer, confirmations: Buffer[]): void {
    const topicEnd = 2 + body.readUInt16BE(0);
    const numbered = (first & 6) !== 0;
    if (numbered) {
      confirmations.push(Buffer.from([0x40, 2, body[topicEnd] as number, body[topicEnd + 1] as number]));
    }
    this.kept?.push({
      topic: body.toString("utf8", 2, topicEnd),
      text: body.toString("utf8", topicEnd + (numbered ? 2 : 0)),
    });
    this.missing -= 1;
    if (this.missing === 0) this.done();
  }
}
