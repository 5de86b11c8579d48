/**
 * A follower that reads from the log: what it is sent, to the frame.
 */
import { expect, it } from "vitest";
import { Subscriptions } from "../../core/engine/subscriptions.ts";
import { Tail } from "../../core/engine/tail.ts";
import { limits } from "../../core/limits.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Connection, Frame } from "../../core/ports/transport.ts";
import { settle } from "./world.ts";

type Message = { readonly method: string; readonly params: { readonly seq: number } };

const entry = (seq: number): Entry => ({
  seq,
  atMs: seq,
  wallMs: seq,
  by: "a",
  id: `${seq}`,
  digest: "",
  events: [{ type: seq % 2 === 0 ? "agent.idle" : "agent.gone", agent: "a", seenAtMs: seq }],
});

/** What a follower of a log of so many entries is told, none of them in the tail. */
async function told(count: number, events?: readonly string[]): Promise<string[]> {
  const entries = Array.from({ length: count }, (_, i) => entry(i + 1));
  const frames: Frame[] = [];
  const connection = {
    codec: "json",
    bufferedBytes: 0,
    send: (frame: Frame) => frames.push(frame),
  } as unknown as Connection;
  const subscriptions = new Subscriptions({
    tail: new Tail(count),
    head: () => count,
    read: async function* (after) {
      yield entries.slice(after);
    },
  });
  const asker = () => ({ agent: "b", nowMs: 0, operator: false, guarded: false });
  subscriptions.follow({ after: 0, connection, asker, ...(events === undefined ? {} : { events }) }).pump();
  await settle();
  const messages = frames.flatMap((frame) => JSON.parse(String(frame)) as Message | Message[]);
  return messages.map(({ method, params }) => `${method} ${params.seq}`);
}

it("puts entries together in frames that are not too large", async () => {
  const count = 100;
  const frames: Frame[] = [];
  const text = "x".repeat(20_000);
  const large = (seq: number): Entry => ({
    ...entry(seq),
    events: [{ type: "activity.logged", agent: "a", kind: "edit", text }],
  });
  const entries = Array.from({ length: count }, (_, i) => large(i + 1));
  const connection = { codec: "json", bufferedBytes: 0, send: (frame: Frame) => frames.push(frame) };
  const subscriptions = new Subscriptions({
    tail: new Tail(count),
    head: () => count,
    read: async function* (after) {
      yield entries.slice(after);
    },
  });
  const asker = () => ({ agent: "b", nowMs: 0, operator: false, guarded: false });
  subscriptions.follow({ after: 0, connection: connection as unknown as Connection, asker }).pump();
  await settle();
  expect(frames.length).toBeGreaterThan(1);
  expect(frames.length).toBeLessThan(count / 4);
  expect(Math.max(...frames.map((frame) => frame.length))).toBeLessThan(limits.frameBytesMax / 4 + 1000);
});

it("is shown every entry once, and told nothing besides, whatever the length of the log", async () => {
  for (const count of [
    1,
    limits.followChunk - 1,
    limits.followChunk,
    limits.followChunk + 1,
    3 * limits.followChunk,
  ]) {
    expect(await told(count)).toEqual(Array.from({ length: count }, (_, i) => `entry ${i + 1}`));
  }
});

it("is told how far it got where the last of a chunk was not for it, and only there", async () => {
  const shown = await told(limits.followChunk + 1, ["agent.gone"]);
  expect(shown.filter((line) => line.startsWith("cursor"))).toEqual([`cursor ${limits.followChunk}`]);
  expect(shown.at(-1)).toBe(`entry ${limits.followChunk + 1}`);
});
