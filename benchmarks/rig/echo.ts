/**
 * Bare ws, the floor under any hub: echoes frames, as it is (`echo`), with one write a turn
 * and connection (`corked`), or behind a durable commit of each frame (`commit`); or sends texts to all.
 */

import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import Database from "better-sqlite3";
import { type WebSocket, WebSocketServer } from "ws";
import { answerParent } from "./child.ts";

/** A sender that never looked would be measured by its memory. */
const BUFFERED_MAX = 1024 * 1024;

const [, , mode = "echo", file = ""] = process.argv;
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
await new Promise((resolve) => server.once("listening", resolve));

const database = mode === "commit" ? new Database(file) : undefined;
database?.pragma("journal_mode = WAL");
database?.pragma("synchronous = FULL");
database?.exec("CREATE TABLE IF NOT EXISTS row (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL)");
let frames: readonly string[] = [];
const insert = database?.prepare("INSERT INTO row (bytes) VALUES (?)");

server.on("connection", (socket: WebSocket & { _socket?: Duplex }) => {
  const stream = socket._socket;
  let corked = false;
  socket.on("message", (data: Buffer) => {
    insert?.run(data);
    if (mode === "corked" && !corked) {
      corked = true;
      stream?.cork();
      process.nextTick(() => {
        corked = false;
        stream?.uncork();
      });
    }
    socket.send(data.toString());
  });
});

answerParent(
  {
    url: () => `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** What to send to all. */
    load: (texts: readonly string[]) => {
      frames = texts;
    },
    /** Sends it, one `ws.send` a frame and follower, as fast as their sockets take it. */
    shout: async () => {
      const clients = [...server.clients];
      for (const frame of frames) {
        for (const client of clients) client.send(frame);
        while (clients.some((client) => client.bufferedAmount > BUFFERED_MAX))
          await new Promise(setImmediate);
      }
    },
  },
  async () => {
    for (const client of server.clients) client.terminate();
    server.close();
    database?.close();
  },
);
