/**
 * The observer: the hub seen through its own protocol, from within its process. It looks on, so it is no
 * agent and nothing of it is logged.
 */
import { limits } from "../../core/limits.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Accept, Closed, CloseReason, Connection, Frame, Receiver } from "../../core/ports/transport.ts";
import { request } from "../../core/protocol/frame.ts";
import { receive } from "../../core/protocol/receive.ts";

/** What an observer is told. */
export interface Watcher {
  /** Entries in order; no more come while `busyBytes` of the observer is over the limit of a connection. */
  entries(entries: readonly Entry[]): void;
  /** The hub has ended it. */
  ended(): void;
}

/** A refusal or failure of the hub. */
class Unanswered extends Error {}

/** The hub's end of a connection whose other end is this object. */
export class Observer implements Connection {
  readonly peer;
  readonly codec = "json";
  readonly #watcher: Watcher;
  readonly #waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  #receiver: Receiver | undefined;
  #busyBytes = 0;
  #over = false;
  #made = 0;
  #ended = false;

  constructor(transport: string, accept: Accept, watcher: Watcher) {
    this.peer = { transport, loopback: true, within: true };
    this.#watcher = watcher;
    accept(this);
  }

  get bufferedBytes(): number {
    return this.#busyBytes;
  }

  receive(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  send(frame: Frame): void {
    // Never from within the hub's own call.
    queueMicrotask(() => this.#take(frame));
  }

  close(reason: CloseReason): void {
    this.#end({ goodbye: false, reason });
  }

  /** Asks the hub; rejects when it refuses, and when the observer has ended. */
  ask<T>(method: string, params: object): Promise<T> {
    const id = ++this.#made;
    return new Promise((resolve, reject) => {
      if (this.#ended || this.#receiver === undefined) return reject(new Unanswered("the hub was closed"));
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#receiver.frame(JSON.stringify(request(id, method, params)));
    });
  }

  /** Counts what was made of entries and is still under way, so that the hub waits. */
  busy(bytes: number): void {
    this.#busyBytes += bytes;
    if (this.#busyBytes > limits.connectionBufferBytesMax / 2) this.#over = true;
    else if (this.#over && this.#busyBytes === 0) {
      this.#over = false;
      this.#receiver?.drained();
    }
  }

  /** Ends it from this side. */
  end(): void {
    this.#end({ goodbye: true, reason: "goodbye" });
  }

  #take(frame: Frame): void {
    if (this.#ended) return;
    const entries: Entry[] = [];
    for (const message of receive(frame)) {
      if (message.kind === "notification" && message.method === "entry")
        entries.push(message.params as Entry);
      else if (message.kind === "reply") this.#answered(message.id)?.resolve(message.result);
      else if (message.kind === "error" && message.id !== null) {
        this.#answered(message.id)?.reject(new Unanswered(message.error.message));
      }
    }
    if (entries.length > 0) this.#watcher.entries(entries);
  }

  #answered(id: string | number) {
    const waiting = this.#waiting.get(id as number);
    this.#waiting.delete(id as number);
    return waiting;
  }

  #end(how: Closed): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const { reject } of this.#waiting.values()) reject(new Unanswered("the hub was closed"));
    this.#waiting.clear();
    const receiver = this.#receiver;
    queueMicrotask(() => {
      receiver?.closed(how);
      this.#watcher.ended();
    });
  }
}
