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

/** Sessions that outlive their connections. */
export interface AwayStore {
  readonly hasSessions: boolean;
  /** A message of quality 1 of the hub's, numbered as the library wants it. */
  packet(topic: string, payload: string): PublishPacket;
  /** Keeps a message of quality 1 for the sessions that are away and have subscribed to it. */
  keepForAway(topic: string, payload: string): void;
}

export interface Store extends AwayStore {
  /** Whether a message may be retained; counts it when it may. */
  mayRetain(packet: PublishPacket): boolean;
}

/** What is used of the library's store. */
interface Persistence {
  addSubscriptions(client: { readonly id: string }, wanted: readonly Subscription[]): Promise<void>;
  subscriptionsByTopic(topic: string): Promise<readonly { readonly clientId: string }[]>;
  cleanSubscriptions(client: { readonly id: string }): Promise<void>;
  outgoingEnqueue(subscription: { readonly clientId: string }, packet: PublishPacket): Promise<void>;
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

/**
 * Puts bounds on the store of a broker. Messages beyond those of an absent client's queue are not kept for
 * it.
 */
export function boundStore(aedes: Aedes, bounds: StoreBounds): Store {
  const store = (aedes as unknown as { readonly persistence: Persistence }).persistence;
  const sessions = boundQueues(aedes, store, bounds);
  const sizes = new Map<string, number>();
  let bytes = 0;
  const counted = aedes as unknown as { counter: number };
  const packetOf = (topic: string, payload: string): PublishPacket => {
    const numbered = { brokerId: `${aedes.id}/hub`, brokerCounter: ++counted.counter };
    const packet = {
      cmd: "publish",
      topic,
      payload: Buffer.from(payload),
      qos: 1,
      retain: false,
      dup: false,
    } as const;
    return { ...packet, ...numbered };
  };
  return {
    get hasSessions() {
      return sessions.size > 0;
    },
    packet: packetOf,
    keepForAway(topic, payload) {
      const packet = packetOf(topic, payload);
      const keep = async (): Promise<void> => {
        const wanted = await store.subscriptionsByTopic(topic);
        const away = wanted.filter(({ clientId }) => clientsOf(aedes)[clientId] === undefined);
        if (away.length > 0) await store.outgoingEnqueueCombi(away, packet);
      };
      // It is in memory: nothing can go wrong that anybody could mend.
      keep().catch(() => undefined);
    },
    mayRetain({ topic, payload }) {
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

function boundQueues(aedes: Aedes, store: Persistence, bounds: StoreBounds): ReadonlySet<string> {
  const queues = new Map<string, Queue>();
  const sessions = new Set<string>();
  const clients = clientsOf(aedes);
  const add = store.addSubscriptions.bind(store);
  const clean = store.cleanSubscriptions.bind(store);
  const enqueue = store.outgoingEnqueueCombi.bind(store);
  const enqueueOne = store.outgoingEnqueue.bind(store);
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
  const hasRoom = (clientId: string, packet: PublishPacket): boolean => {
    const size = sizeOf(packet);
    const queue = queues.get(clientId) ?? { messages: 0, bytes: 0 };
    const most = clients[clientId] === undefined ? bounds.brokerQueuedMax : bounds.brokerInFlightMax;
    if (queue.messages >= most || queue.bytes + size > bounds.brokerQueuedBytesMax) return false;
    queue.messages += 1;
    queue.bytes += size;
    queues.set(clientId, queue);
    return true;
  };
  store.outgoingEnqueue = async (subscription, packet) => {
    if (hasRoom(subscription.clientId, packet)) await enqueueOne(subscription, packet);
  };
  store.outgoingEnqueueCombi = async (subscriptions, packet) => {
    await enqueue(
      subscriptions.filter(({ clientId }) => hasRoom(clientId, packet)),
      packet,
    );
  };
  store.outgoingClearMessageId = async (client, packet) => {
    // For a session that ends with its connection nothing is kept, and nothing need be remembered of it.
    const queue = queues.get(client.id);
    if (queue === undefined) return undefined;
    const cleared = await clear(client, packet);
    if (cleared === undefined) return undefined;
    // In the second half of a delivery of quality 2 the message itself is gone; then its size is about the
    // others'.
    const size = cleared.topic === undefined ? queue.bytes / queue.messages : sizeOf(cleared);
    queue.messages -= 1;
    queue.bytes = Math.max(0, queue.bytes - size);
    if (queue.messages <= 0) queues.delete(client.id);
    return cleared;
  };
  return sessions;
}

function clientsOf(aedes: Aedes): { readonly [id: string]: unknown } {
  return (aedes as unknown as { readonly clients: { readonly [id: string]: unknown } }).clients;
}

function sizeOf({ topic, payload }: PublishPacket): number {
  return topic.length + payload.length + 100;
}
