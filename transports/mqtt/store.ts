/**
 * The broker's store, in memory and bounded: what is retained, and what is kept for clients that are away.
 */
import type { Aedes, PublishPacket, Subscription } from "aedes";

/** Bounds of a store; each is its namesake in `limits`. */
export interface StoreBounds {
  readonly brokerRetainedMax: number;
  readonly brokerRetainedBytesMax: number;
  readonly brokerQueuedMax: number;
  readonly brokerInFlightMax: number;
  readonly brokerQueuedBytesMax: number;
  readonly brokerSessionsMax: number;
}

export interface Store {
  /** Whether a message may be retained; counts it when it may. The hub's own always may. */
  mayRetain(packet: PublishPacket): boolean;
}

/** What is used of the library's store. */
interface Persistence {
  addSubscriptions(client: { readonly id: string }, wanted: readonly Subscription[]): Promise<void>;
  cleanSubscriptions(client: { readonly id: string }): Promise<void>;
  outgoingEnqueueCombi(
    subscriptions: readonly { readonly clientId: string }[],
    packet: PublishPacket,
  ): Promise<void>;
  outgoingClearMessageId(
    client: { readonly id: string },
    packet: { readonly messageId?: number },
  ): Promise<PublishPacket | undefined>;
  outgoingStream(client: { readonly id: string }): AsyncIterable<PublishPacket>;
}

/** What waits for one client. */
interface Queue {
  messages: number;
  bytes: number;
}

/** Puts bounds on the store of a broker. Messages beyond those of an absent client's queue are not kept for it. */
export function boundStore(aedes: Aedes, bounds: StoreBounds, owned: (topic: string) => boolean): Store {
  const store = (aedes as unknown as { readonly persistence: Persistence }).persistence;
  boundQueues(aedes, store, bounds);
  const sizes = new Map<string, number>();
  let bytes = 0;
  return {
    mayRetain({ topic, payload }) {
      if (owned(topic)) return true;
      const before = sizes.get(topic) ?? 0;
      const size = payload.length === 0 ? 0 : payload.length + topic.length;
      if (size > 0) {
        const full = before === 0 && sizes.size >= bounds.brokerRetainedMax;
        if (full || bytes + size - before > bounds.brokerRetainedBytesMax) return false;
        sizes.set(topic, size);
      } else sizes.delete(topic);
      bytes += size - before;
      return true;
    },
  };
}

function boundQueues(aedes: Aedes, store: Persistence, bounds: StoreBounds): void {
  const queues = new Map<string, Queue>();
  const sessions = new Set<string>();
  const clients = (aedes as unknown as { readonly clients: { readonly [id: string]: unknown } }).clients;
  const add = store.addSubscriptions.bind(store);
  const clean = store.cleanSubscriptions.bind(store);
  const enqueue = store.outgoingEnqueueCombi.bind(store);
  const clear = store.outgoingClearMessageId.bind(store);
  store.addSubscriptions = async (client, wanted) => {
    sessions.delete(client.id);
    sessions.add(client.id);
    for (const id of sessions) {
      if (sessions.size <= bounds.brokerSessionsMax) break;
      if (clients[id] !== undefined) continue;
      await store.cleanSubscriptions({ id });
    }
    await add(client, wanted);
  };
  store.cleanSubscriptions = async (client) => {
    sessions.delete(client.id);
    await clean(client);
    // The library forgets the subscriptions only.
    if (!queues.delete(client.id)) return;
    for await (const packet of store.outgoingStream(client)) await clear(client, packet);
  };
  store.outgoingEnqueueCombi = async (subscriptions, packet) => {
    const size = sizeOf(packet);
    const kept = subscriptions.filter(({ clientId }) => {
      const queue = queues.get(clientId) ?? { messages: 0, bytes: 0 };
      const most = clients[clientId] === undefined ? bounds.brokerQueuedMax : bounds.brokerInFlightMax;
      const full = queue.messages >= most || queue.bytes + size > bounds.brokerQueuedBytesMax;
      if (full) return false;
      queue.messages += 1;
      queue.bytes += size;
      queues.set(clientId, queue);
      return true;
    });
    await enqueue(kept, packet);
  };
  store.outgoingClearMessageId = async (client, packet) => {
    // For a session that ends with its connection nothing is kept, and nothing need be remembered of it.
    const queue = queues.get(client.id);
    if (queue === undefined) return undefined;
    const cleared = await clear(client, packet);
    if (cleared === undefined) return undefined;
    // In the second half of a delivery of quality 2 the message itself is gone; then its size is about the others'.
    const size = cleared.topic === undefined ? queue.bytes / queue.messages : sizeOf(cleared);
    queue.messages -= 1;
    queue.bytes = Math.max(0, queue.bytes - size);
    if (queue.messages <= 0) queues.delete(client.id);
    return cleared;
  };
}

function sizeOf({ topic, payload }: PublishPacket): number {
  return topic.length + payload.length + 100;
}
