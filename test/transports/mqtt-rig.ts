/**
 * What the tests of the MQTT transport share: hubs with an engine behind them, plain clients of the bare library, raw
 * sockets, and everything of it gone at the end.
 */
import { connect as connectTcp, type Socket } from "node:net";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { openMemoryLog } from "../../adapters/log/memory.ts";
import { connect } from "../../adapters/node/connect.ts";
import { type Hub, type ServeOptions, serve } from "../../adapters/node/hub.ts";
import type { Client } from "../../core/client/client.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import { listen, type MqttListenOptions } from "../../transports/mqtt/index.ts";

/** What a client of the bare library has heard, in order. */
export interface Heard {
  readonly topic: string;
  readonly text: string;
  readonly retain: boolean;
  readonly qos: number;
  readonly dup: boolean;
}

export interface Plain {
  readonly client: MqttClient;
  readonly heard: Heard[];
}

const endings: (() => unknown)[] = [];

/** Ends everything that was begun since the last time. */
export async function endAll(): Promise<void> {
  for (const end of endings.splice(0).reverse()) await end();
}

export function atEnd(end: () => unknown): void {
  endings.push(end);
}

/** A hub that serves MQTT only, unless told otherwise. */
export async function hubOf(options: Partial<ServeOptions> = {}): Promise<Hub & { readonly port: number }> {
  const hub = await serve({ log: "memory:", listen: ["mqtt://127.0.0.1:0"], ...options });
  endings.push(() => hub.close());
  const url = hub.urls.find((one) => one.startsWith("mqtt:")) ?? "mqtt://none:0";
  return Object.assign(hub, { port: portOf(url) });
}

let logs = 0;

/** A log that outlives its hubs. */
export async function lastingLog(): Promise<EventLog> {
  const log = await openMemoryLog(`mqtt-${process.pid}-${++logs}`);
  endings.push(() => log.close());
  return log;
}

/** A broker with nothing behind it. */
export async function brokerOf(
  options: MqttListenOptions = {},
): Promise<{ port: number; close(): Promise<void> }> {
  const listener = await listen("mqtt://127.0.0.1:0", options, (connection) =>
    connection.receive({ frame: (frame) => connection.send(frame), drained() {}, closed() {} }),
  );
  endings.push(() => listener.close());
  return { port: portOf(listener.urls[0] ?? ""), close: () => listener.close() };
}

/** Where the hub's broker is. */
export const urlOf = (hub: Hub): string => hub.urls.find((url) => url.startsWith("mqtt:")) as string;

export async function entriesOf(hub: Hub): Promise<Entry[]> {
  const all: Entry[] = [];
  for await (const entries of hub.log.read(0)) all.push(...entries);
  return all;
}

/** A row of a list, with the fields its kind has. */
export interface Row {
  readonly claim: string;
  readonly task: string;
  readonly agent: string;
  readonly status: string;
  readonly presence: string;
  readonly epoch: number;
  readonly ttlMs: number;
}

/** What the hub itself lists, for all to read. */
export async function rowsOf(
  { engine }: Hub,
  method: "claims.list" | "tasks.list" | "agents.list",
): Promise<readonly Row[]> {
  await engine.settled();
  const page: unknown = await engine.query(method, { limit: 1000 }, { agent: "", operator: false });
  return (page as { readonly items: readonly Row[] }).items;
}

export function portOf(url: string): number {
  return Number(/:(\d+)/.exec(url.slice(url.indexOf("//")))?.[1]);
}

/** A client of the bare library that does not come back by itself. */
export async function plain(port: number, options: IClientOptions = {}): Promise<Plain> {
  const client = await mqtt.connectAsync(
    `mqtt://127.0.0.1:${port}`,
    { protocolVersion: 4, reconnectPeriod: 0, connectTimeout: 10_000, ...options },
    false,
  );
  const heard: Heard[] = [];
  client.on("error", () => undefined);
  client.on("message", (topic, payload, { retain, qos, dup }) =>
    heard.push({ topic, text: payload.toString(), retain, qos, dup }),
  );
  endings.push(() => client.endAsync(true));
  return { client, heard };
}

/** A client of ours. */
export async function agentOf(
  url: string,
  agent: string,
  options: { readonly token?: string; readonly timeoutMs?: number } = {},
): Promise<Client> {
  const client = await connect(url, { agent, ...options });
  endings.push(() => client.close());
  return client;
}

/** A plain client that speaks the protocol by hand. */
export async function speaker(port: number, agent: string, options: IClientOptions = {}) {
  const { client, heard } = await plain(port, { username: agent, ...options });
  const level = encodeURIComponent(agent);
  await client.subscribeAsync(`holdfast/${level}/response`, { qos: 1 });
  let made = 0;
  const ask = async (method: string, params: object, id: number = ++made): Promise<Answer> => {
    const text = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    await client.publishAsync(`holdfast/${level}/request`, text, { qos: 1 });
    return answer(heard, id);
  };
  return { client, heard, ask, opened: await ask("session.open", { agent }) };
}

export interface Answer {
  readonly id: number | null;
  readonly result?: { readonly [field: string]: unknown };
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

async function answer(heard: readonly Heard[], id: number): Promise<Answer> {
  let found: Answer | undefined;
  await until(() => {
    for (const { topic, text } of heard) {
      const messages: unknown = topic.endsWith("/response") ? JSON.parse(text) : [];
      found ??= [messages].flat().find((one) => (one as Answer).id === id) as Answer | undefined;
    }
    return found !== undefined;
  }, `the answer to ${id}`);
  return found as Answer;
}

/** A TCP client that says these bytes, and what it was told until the hub hung up. */
export function raw(port: number, ...says: readonly Uint8Array[]): { socket: Socket; told: Promise<Buffer> } {
  const socket = connectTcp(port, "127.0.0.1");
  endings.push(() => socket.destroy());
  const heard: Buffer[] = [];
  socket.on("data", (chunk) => heard.push(chunk));
  socket.on("error", () => undefined);
  for (const bytes of says) socket.write(bytes);
  const told = new Promise<Buffer>((resolve) => socket.on("close", () => resolve(Buffer.concat(heard))));
  return { socket, told };
}

/** A packet: its first byte, its length, its body. */
export function packet(first: number, ...parts: readonly (Uint8Array | number | string)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) =>
      typeof part === "number"
        ? Buffer.from([part])
        : typeof part === "string"
          ? text(part)
          : Buffer.from(part),
    ),
  );
  const head = [first];
  let left = body.length;
  do {
    head.push(left > 127 ? (left & 127) | 128 : left);
    left >>>= 7;
  } while (left > 0);
  return Buffer.concat([Buffer.from(head), body]);
}

/** A text of MQTT: its length, then its bytes. */
export function text(words: string | Uint8Array): Buffer {
  const bytes = Buffer.from(words as string);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

/** CONNECT 3.1.1 with a clean session. */
export function connectPacket(id: string, flags = 2, keepAliveSeconds = 0): Buffer {
  return packet(0x10, "MQTT", 4, flags, 0, keepAliveSeconds, id);
}

export async function until(holds: () => boolean, what = "it"): Promise<void> {
  const giveUpAt = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
