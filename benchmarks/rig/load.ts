/**
 * The load on a hub: claims and releases over bare WebSockets, so many at once on each, each one answered before the
 * next one of its slot is sent. It spends as little as it can: frames are made of text, and leave once a turn.
 */
import { createConnection, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Redis } from "ioredis";
import { WebSocket } from "ws";

/** What a run brought. */
export interface Ran {
  readonly pairs: number;
  readonly seconds: number;
  /** Of each pair, in milliseconds. */
  readonly latencies: readonly number[];
}

/** Something that takes pairs. */
export interface Load {
  /** Keeps `inFlight` a connection going for so long, then lets the last ones end. */
  run(inFlight: number, forMs: number): Promise<Ran>;
  close(): void;
}

/** How one half of a pair is asked for and answered, on one connection. */
interface Line {
  /** Asks for the claim of a slot, or for its end. */
  acquire(slot: number, count: number): void;
  release(slot: number): void;
  /** Where answers go. */
  answered: (slot: number) => void;
  close(): void;
}

class Lines implements Load {
  private readonly lines: readonly Line[];
  private count = 0;

  constructor(lines: readonly Line[]) {
    this.lines = lines;
  }

  async run(inFlight: number, forMs: number): Promise<Ran> {
    const latencies: number[] = [];
    const startedMs = performance.now();
    const untilMs = startedMs + forMs;
    await Promise.all(this.lines.map((line) => this.drive(line, inFlight, untilMs, latencies)));
    return { pairs: latencies.length, seconds: (performance.now() - startedMs) / 1000, latencies };
  }

  close(): void {
    for (const line of this.lines) line.close();
  }

  private drive(line: Line, inFlight: number, untilMs: number, latencies: number[]): Promise<void> {
    return new Promise((resolve) => {
      const begun: number[] = [];
      const holds: boolean[] = [];
      let going = inFlight;
      const begin = (slot: number): void => {
        begun[slot] = performance.now();
        holds[slot] = true;
        line.acquire(slot, this.count++);
      };
      line.answered = (slot) => {
        if (holds[slot]) {
          holds[slot] = false;
          return line.release(slot);
        }
        const nowMs = performance.now();
        latencies.push(nowMs - (begun[slot] ?? nowMs));
        if (nowMs < untilMs) return begin(slot);
        going -= 1;
        if (going === 0) resolve();
      };
      for (let slot = 0; slot < inFlight; slot++) begin(slot);
    });
  }
}

/** Writes of one turn leave together. */
function corker(stream: Duplex): () => void {
  let corked = false;
  return () => {
    if (corked) return;
    corked = true;
    stream.cork();
    process.nextTick(() => {
      corked = false;
      stream.uncork();
    });
  };
}

/** Opens a WebSocket; `heard` gets each text. */
export function dial(url: string, heard: (data: Buffer) => void): Promise<WebSocket> {
  const socket = new WebSocket(url, ["holdfast.json"], {
    perMessageDeflate: false,
    skipUTF8Validation: true,
  });
  socket.on("message", heard);
  return new Promise((resolve, reject) => {
    socket.on("open", () => resolve(socket));
    socket.on("error", reject);
  });
}

/** Opens a session; resolves with its answer. */
export async function open(socket: WebSocket, agent: string): Promise<{ readonly seq: number }> {
  const answer = new Promise<string>((resolve) => socket.once("message", (data) => resolve(String(data))));
  socket.send(JSON.stringify({ jsonrpc: "2.0", id: "open", method: "session.open", params: { agent } }));
  const { result, error } = JSON.parse(await answer) as { result: { seq: number }; error?: object };
  if (error !== undefined) throw new Error(JSON.stringify(error));
  return result;
}

/**
 * Claims over WebSocket. `echo`: the other end only echoes, and gets frames of the same kind and size. `name` keeps
 * several loads on one hub apart.
 */
export async function claims(
  url: string,
  clients: number,
  { echo = false, name = "bench" } = {},
): Promise<Load> {
  const run = Math.random().toString(36).slice(2, 8);
  const lines = await Promise.all(
    Array.from({ length: clients }, async (_, client): Promise<Line> => {
      const epochs: number[] = [];
      let seen = 1;
      let hear = (_: Buffer): void => {};
      const socket = await dial(url, (data) => hear(data));
      const cork = corker((socket as unknown as { _socket: Duplex })._socket);
      const agent = `${name}-${client}`;
      if (!echo) seen = (await open(socket, agent)).seq;
      const line: Line = {
        answered: () => {},
        acquire(slot, count) {
          const folder = `src/c${client}/s${slot}`;
          const scope =
            count % 5 === 0
              ? `"paths":["${folder}/**"]`
              : `"files":["${folder}/a.ts","${folder}/b${count % 100}.ts"]`;
          cork();
          socket.send(
            `{"jsonrpc":"2.0","id":${slot},"method":"claim.acquire","params":{"claim":"T-${client}-${slot}",` +
              `"scope":{${scope}},"ttlMs":900000,"submission":"${run}-${count}a","sentAfter":${seen}}}`,
          );
        },
        release(slot) {
          cork();
          socket.send(
            `{"jsonrpc":"2.0","id":${slot},"method":"claim.release","params":{"claim":"T-${client}-${slot}",` +
              `"epoch":${epochs[slot] ?? 123456},"outcome":"done","submission":"${run}-${slot}-${seen}r","sentAfter":${seen}}}`,
          );
        },
        close: () => socket.terminate(),
      };
      hear = (data) => {
        const { id, result, error } = JSON.parse(data.toString()) as {
          readonly id: number | string;
          readonly result?: { readonly seq: number; readonly epoch?: number };
          readonly error?: { readonly message: string };
        };
        if (typeof id !== "number") return;
        if (error !== undefined) throw new Error(error.message);
        if (result !== undefined) {
          if (result.epoch !== undefined) epochs[id] = result.epoch;
          seen = result.seq;
        }
        line.answered(id);
      };
      return line;
    }),
  );
  return new Lines(lines);
}

/** `SET NX PX` and `DEL` on a Redis server, pipelined as far as they are in flight at once; a client of its own. */
export async function redisLocks(port: number, clients: number): Promise<Load> {
  const lines = await Promise.all(
    Array.from({ length: clients }, async (_, client): Promise<Line> => {
      const socket = await connected(port);
      const cork = corker(socket);
      const asked: number[] = [];
      let first = 0;
      const send = (slot: number, ...words: readonly string[]): void => {
        asked.push(slot);
        cork();
        socket.write(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`);
      };
      const line: Line = {
        answered: () => {},
        acquire: (slot, count) =>
          send(slot, "SET", `T-${client}-${slot}`, `bench-${client}-${count}`, "NX", "PX", "900000"),
        release: (slot) => send(slot, "DEL", `T-${client}-${slot}`),
        close: () => socket.destroy(),
      };
      let rest = "";
      socket.on("data", (data) => {
        rest += data.toString("latin1");
        let at = 0;
        for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n", at)) {
          const answer = rest.slice(at, end);
          at = end + 2;
          if (answer !== "+OK" && answer !== ":1") throw new Error(`redis: ${answer}`);
          line.answered(asked[first++] as number);
          if (first === 4096) {
            asked.splice(0, first);
            first = 0;
          }
        }
        rest = rest.slice(at);
      });
      return line;
    }),
  );
  return new Lines(lines);
}

/** The same through ioredis, which is what a Node program would take: as it comes, or gathering commands by itself. */
export function ioredisLocks(port: number, clients: number, enableAutoPipelining: boolean): Load {
  return new Lines(
    Array.from({ length: clients }, (_, client): Line => {
      const redis = new Redis({ host: "127.0.0.1", port, enableAutoPipelining });
      const line: Line = {
        answered: () => {},
        acquire(slot, count) {
          redis.set(`T-${client}-${slot}`, `bench-${client}-${count}`, "PX", 900_000, "NX").then((answer) => {
            if (answer !== "OK") throw new Error(`redis: ${answer}`);
            line.answered(slot);
          });
        },
        release(slot) {
          redis.del(`T-${client}-${slot}`).then(() => line.answered(slot));
        },
        close: () => redis.disconnect(),
      };
      return line;
    }),
  );
}

function connected(port: number): Promise<Socket> {
  const socket = createConnection({ host: "127.0.0.1", port, noDelay: true });
  return new Promise((resolve, reject) => {
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}
