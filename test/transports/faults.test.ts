/**
 * The socket transports through a proxy that cuts connections, stalls them, passes bytes on in halves, and says some twice:
 * whatever it does, each command has one effect and one answer, and a follower gets every entry once, in order.
 */
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { connect } from "../../adapters/node/connect.ts";
import { type Hub, serve } from "../../adapters/node/hub.ts";
import type { Client } from "../../core/client/client.ts";

/** Numbers from a seed, so that a bad run can be had again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 8) / 0x1000000;
  };
}

/** What became of connections. */
interface Faults {
  cuts: number;
  stalls: number;
  halves: number;
  doubles: number;
}

class HostileLine {
  readonly faults: Faults = { cuts: 0, stalls: 0, halves: 0, doubles: 0 };
  /** While false, bytes pass untouched. */
  hostile = true;
  private readonly sockets = new Set<Socket>();
  private readonly chance: () => number;
  private readonly server: Server;

  constructor(port: number, seed: number) {
    this.chance = random(seed);
    this.server = createServer((near) => {
      const far = dial(port, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.sockets.add(from);
        from.on("error", () => {});
        from.on("close", () => {
          this.sockets.delete(from);
          to.destroy();
        });
        from.on("data", (bytes) => this.pass(bytes, from, to));
      }
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private pass(bytes: Buffer, from: Socket, to: Socket): void {
    const drawn = this.hostile ? this.chance() : 1;
    if (drawn < 0.02) {
      this.faults.cuts += 1;
      // Half of it arrives, and nothing behind it; nobody is told that there was more.
      from.pause();
      to.write(bytes.subarray(0, bytes.length >> 1), () => from.destroy());
    } else if (drawn < 0.04) {
      this.faults.stalls += 1;
      from.pause();
      setTimeout(() => {
        to.write(bytes);
        from.resume();
      }, 60);
    } else if (drawn < 0.14) {
      this.faults.halves += 1;
      const cut = 1 + Math.floor(this.chance() * (bytes.length - 1));
      from.pause();
      to.write(bytes.subarray(0, cut));
      setTimeout(() => {
        to.write(bytes.subarray(cut));
        from.resume();
      }, 2);
    } else if (drawn < 0.15) {
      this.faults.doubles += 1;
      to.write(bytes);
      to.write(bytes);
    } else to.write(bytes);
  }
}

let hub: Hub | undefined;
let proxy: HostileLine | undefined;
let clients: Client[] = [];
afterEach(async () => {
  if (proxy !== undefined) proxy.hostile = false;
  for (const client of clients) await client.close();
  clients = [];
  await proxy?.close();
  await hub?.close();
});

/** Tries until it is in: the first dial is the caller's own matter. */
async function join(url: string, agent: string): Promise<Client> {
  for (let tries = 0; ; tries++) {
    try {
      const client = await connect(url, { agent });
      clients.push(client);
      return client;
    } catch (error) {
      if (tries > 50) throw error;
    }
  }
}

describe("through a hostile line", () => {
  test.each(["ws", "mqtt", "http"])(
    "%s: one effect, one answer, no gap, no repeat",
    { timeout: 120_000 },
    async (scheme) => {
      hub = await serve({ log: "memory:", listen: [`${scheme}://127.0.0.1:0`] });
      const url = new URL(hub.urls.find((one) => one.startsWith(`${scheme}:`)) as string);
      proxy = new HostileLine(Number(url.port), 7);
      const through = `${scheme}://127.0.0.1:${await proxy.listen()}`;
      const [ann, ben, eve] = [
        await join(through, "ann"),
        await join(through, "ben"),
        await join(through, "eve"),
      ];
      const seen: number[] = [];
      const watching = (async () => {
        for await (const { seq } of eve.follow({ after: 0 })) seen.push(seq);
      })().catch(() => {});
      const granted: number[] = [];
      const work = async (client: Client, name: string) => {
        for (let i = 0; i < 120; i++) {
          const { epoch } = await client.call("claim.acquire", {
            claim: `${name}${i}`,
            scope: { files: [`${name}/${i}`] },
          });
          granted.push(epoch);
          if (i % 2 === 0) await client.call("claim.release", { claim: `${name}${i}`, epoch });
        }
      };
      await Promise.all([work(ann, "a"), work(ben, "b")]);
      proxy.hostile = false;
      const head = hub.engine.head();
      await expect.poll(() => seen.at(-1) ?? 0, { timeout: 30_000 }).toBeGreaterThanOrEqual(head);
      expect(seen.slice(0, head)).toEqual(Array.from({ length: head }, (_, i) => i + 1));
      const types = new Map<string, number>();
      for await (const entries of hub.log.read(0)) {
        for (const { events } of entries)
          for (const { type } of events) types.set(type, (types.get(type) ?? 0) + 1);
      }
      expect(new Set(granted).size).toBe(240);
      expect(types.get("claim.granted")).toBe(240);
      expect(types.get("claim.released")).toBe(120);
      expect(hub.engine.state().claims.live.size).toBe(120);
      const { cuts, stalls, halves, doubles } = proxy.faults;
      expect(Math.min(cuts, stalls, halves, doubles)).toBeGreaterThan(0);
      for (const client of clients) await client.close();
      await watching;
    },
  );
});
