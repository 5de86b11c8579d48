/**
 * Followers: WebSockets that take every entry and look at no more than the end of each frame.
 */
import type { WebSocket } from "ws";
import { dial, open } from "./load.ts";

const NOTIFICATION = '"method":"entry"';

/** What one follower has been sent. */
interface Heard {
  entries: number;
  ended: boolean;
}

/** Some that read; `stuck` ones open a follow and never read again. */
export class Followers {
  /** The frames the first one was sent, when they are kept. */
  readonly frames: string[] = [];
  private readonly sockets: WebSocket[] = [];
  private readonly heard: Heard[] = [];
  private mark = "";
  private missing = 0;
  private done: () => void = () => {};

  /** On a hub (`follow`) or on a bare server, which sends without being asked. */
  static async connect(
    url: string,
    count: number,
    { follow = true, keep = false, stuck = 0 } = {},
  ): Promise<Followers> {
    const all = new Followers();
    const opening = Array.from({ length: count }, async (_, i) => {
      const heard: Heard = { entries: 0, ended: true };
      all.heard.push(heard);
      const socket = await dial(url, (data) => all.hear(heard, data, keep && i === 0));
      all.sockets.push(socket);
      if (follow) await begin(socket, `follower-${i}`);
    });
    const sticking = Array.from({ length: stuck }, async (_, i) => {
      const socket = await dial(url, () => {});
      all.sockets.push(socket);
      await begin(socket, `stuck-${i}`);
      socket.pause();
    });
    await Promise.all([...opening, ...sticking]);
    return all;
  }

  /**
   * Resolves when each was sent a frame that ends with an entry holding `mark`, which no other entry does. Throws
   * unless each was sent `entries` entries by then, or a few more: the hub adds some of its own.
   */
  async all(mark: string, entries: number): Promise<void> {
    this.mark = mark;
    this.missing = this.heard.length;
    for (const heard of this.heard) Object.assign(heard, { entries: 0, ended: false });
    await new Promise<void>((resolve) => {
      this.done = resolve;
    });
    for (const heard of this.heard) {
      const more = heard.entries - entries;
      if (more < 0 || more > 1000)
        throw new Error(`a follower was sent ${heard.entries} entries of ${entries}`);
    }
  }

  /** Has each follow anew, from behind `after`. */
  rewind(after: number): void {
    const again = [
      { jsonrpc: "2.0", id: "stop", method: "log.unfollow", params: {} },
      { jsonrpc: "2.0", id: "again", method: "log.follow", params: { after } },
    ];
    for (const socket of this.sockets) socket.send(JSON.stringify(again));
  }

  close(): void {
    for (const socket of this.sockets) socket.terminate();
  }

  private hear(heard: Heard, data: Buffer, keep: boolean): void {
    if (keep) this.frames.push(data.toString());
    if (heard.ended) return;
    for (let at = data.indexOf(NOTIFICATION); at >= 0; at = data.indexOf(NOTIFICATION, at + 100))
      heard.entries += 1;
    if (!data.includes(this.mark, Math.max(0, data.length - 512))) return;
    heard.ended = true;
    this.missing -= 1;
    if (this.missing === 0) this.done();
  }
}

/** Opens a session and follows from here on; resolves when that is confirmed. */
async function begin(socket: WebSocket, agent: string): Promise<void> {
  const { seq } = await open(socket, agent);
  const confirmed = new Promise((resolve) => socket.once("message", resolve));
  socket.send(JSON.stringify({ jsonrpc: "2.0", id: "follow", method: "log.follow", params: { after: seq } }));
  await confirmed;
}
