/**
 * A broker in a process of its own: `node mqtt.js hub LOG` is the real engine behind the embedded broker,
 * `node mqtt.js fed` the embedded broker with the making of entries spared, `node mqtt.js bare` the library
 * alone; the latter two publish what they were loaded with.
 */
import { type AddressInfo, createServer } from "node:net";
import { Aedes } from "aedes";
import { serve } from "../../adapters/node/hub.ts";
import { limits } from "../../core/limits.ts";
import type { Connection } from "../../core/ports/transport.ts";
import { listen } from "../../transports/mqtt/index.ts";
import { answerParent } from "./child.ts";
import { publish } from "./filling.ts";

/** A message as it was told. */
export interface Told {
  readonly topic: string;
  readonly text: string;
}

/** Messages that are under way at once; more do not make the library faster. */
const AT_ONCE = 100;
/** Entries an engine under load sends in one batch. */
const BATCH = 100;

async function startHub(log: string): Promise<void> {
  const hub = await serve({ log, listen: ["mqtt://127.0.0.1:0"] });
  answerParent(
    {
      url: () => hub.urls[0],
      /** Publishes so many entries; the text of the last one ends with `mark`. */
      publish: ({ entries, mark }: { entries: number; mark: string }) => publish(hub.engine, entries, mark),
    },
    () => hub.close(),
  );
}

async function startBare(): Promise<void> {
  const aedes = await Aedes.createBroker();
  const server = createServer({ noDelay: true }, aedes.handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  let told: readonly Told[] = [];
  answerParent(
    {
      url: () => `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
      load: (messages: readonly Told[]) => {
        told = messages;
      },
      /** Publishes what was loaded, as fast as the library takes it. */
      shout: async () => {
        const send = async (first: number): Promise<void> => {
          for (let at = first; at < told.length; at += AT_ONCE) {
            const { topic, text } = told[at] as Told;
            const packet = {
              cmd: "publish",
              topic,
              payload: Buffer.from(text),
              qos: 1,
              retain: false,
              dup: false,
            } as const;
            await new Promise<void>((resolve) => aedes.publish(packet, () => resolve()));
          }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, (_, first) => send(first)));
      },
    },
    async () => {
      await new Promise<void>((resolve) => aedes.close(resolve));
      server.close();
    },
  );
}

async function startFed(): Promise<void> {
  let hub: { send(frame: string): void; readonly bufferedBytes: number } | undefined;
  let told: readonly Told[] = [];
  const observe = (connection: Connection): void => {
    hub = connection;
    connection.receive({
      frame(frame) {
        const { id } = JSON.parse(String(frame)) as { readonly id: number };
        connection.send(JSON.stringify({ jsonrpc: "2.0", id, result: { seq: 0, items: [] } }));
      },
      drained() {},
      closed() {},
    });
  };
  const listener = await listen("mqtt://127.0.0.1:0", { observe }, (connection) =>
    connection.close("refused"),
  );
  answerParent(
    {
      url: () => listener.urls[0],
      load: (messages: readonly Told[]) => {
        told = messages;
      },
      /** Publishes what was loaded, in batches as an engine sends them, as fast as the broker takes it. */
      shout: async () => {
        for (let at = 0; at < told.length; at += BATCH) {
          const some = told.slice(at, at + BATCH);
          hub?.send(
            `[${some.map(({ text }) => `{"jsonrpc":"2.0","method":"entry","params":${text}}`).join()}]`,
          );
          do await new Promise(setImmediate);
          while ((hub?.bufferedBytes ?? 0) > limits.connectionBufferBytesMax);
        }
      },
    },
    () => listener.close(),
  );
}

const [, , mode, log = "memory:"] = process.argv;
if (mode === "hub") await startHub(log);
else if (mode === "fed") await startFed();
else await startBare();
