/**
 * Server-sent events: writing them with back-pressure and heartbeats, and reading them.
 */
import type { ServerResponse } from "node:http";
import { limits } from "../../core/limits.ts";
import type { Cancel, Clock } from "../../core/ports/clock.ts";
import { ALWAYS } from "./exchange.ts";

/** Below this, a stream that was over its limit has room again. */
const ROOM_BYTES = limits.connectionBufferBytesMax / 2;

/** One event as it stands in the stream. */
export function eventText(data: string, event?: string, id?: number): string {
  const lines = /[\r\n]/.test(data) ? data.split(/\r\n|\r|\n/).join("\ndata: ") : data;
  const head = (id === undefined ? "" : `id: ${id}\n`) + (event === undefined ? "" : `event: ${event}\n`);
  return `${head}data: ${lines}\n\n`;
}

/** What a stream tells the one who writes it. */
export interface EventStreamEnds {
  /** There is room again after `bufferedBytes` had passed the limit. */
  drained(): void;
  /** The reader is gone, or read nothing for `drainMs`. Called once, unless `end` was called. */
  gone(reason: "broken" | "too-slow"): void;
}

/** An answer that goes on: events until either side ends it. */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #ends: EventStreamEnds;
  readonly #after: Clock["after"];
  readonly #drainMs: number;
  #over = false;
  #ended = false;
  #endPatience: Cancel | undefined;
  #endPulse: Cancel = () => undefined;

  constructor(response: ServerResponse, after: Clock["after"], drainMs: number, ends: EventStreamEnds) {
    this.#response = response;
    this.#ends = ends;
    this.#after = after;
    this.#drainMs = drainMs;
    response.writeHead(200, {
      ...ALWAYS,
      "content-type": "text/event-stream; charset=utf-8",
      "x-accel-buffering": "no",
    });
    response.flushHeaders();
    response.on("error", () => undefined);
    response.on("close", () => this.#gone("broken"));
    this.#pulse();
  }

  get bufferedBytes(): number {
    return this.#ended ? 0 : this.#response.writableLength;
  }

  /** Queues text of whole events; nobody waits for it. */
  write(text: string): void {
    if (this.#ended) return;
    const buffered = this.#response.writableLength;
    this.#response.write(text, buffered + text.length > ROOM_BYTES ? this.#written : undefined);
    if (this.#over || this.#response.writableLength <= limits.connectionBufferBytesMax) return;
    this.#over = true;
    this.#endPatience = this.#after(this.#drainMs, () => this.#gone("too-slow"));
  }

  /** Ends the answer behind what was written; a peer that does not read it is cut after a while. */
  end(text = ""): void {
    if (this.#ended) return;
    this.#stop();
    this.#response.end(text);
    this.#after(limits.closeMs, () => this.#response.destroy());
  }

  #gone(reason: "broken" | "too-slow"): void {
    if (this.#ended) return;
    this.#stop();
    this.#response.destroy();
    this.#ends.gone(reason);
  }

  #stop(): void {
    this.#ended = true;
    this.#endPatience?.();
    this.#endPulse();
  }

  /** A comment now and then, so that neither end nor a proxy takes silence for death. */
  #pulse(): void {
    this.#endPulse = this.#after(limits.streamHeartbeatMs, () => {
      if (!this.#over) this.#response.write(":\n\n");
      this.#pulse();
    });
  }

  readonly #written = (): void => {
    if (!this.#over || this.#ended || this.#response.writableLength > ROOM_BYTES) return;
    this.#over = false;
    this.#endPatience?.();
    this.#ends.drained();
  };
}

/** A line that is longer than a frame may be. */
export class LineTooLong extends Error {}

/**
 * Takes the text of a link's stream apart, in chunks as they come; `heard` gets each whole event. The events are
 * numbered from 0 and have one line of data each: whatever else comes, something repeated or swallowed bytes.
 */
export class EventReader {
  readonly #heard: (event: string, data: string) => void;
  #line: string[] = [];
  #lineLength = 0;
  #next = 0;
  #id: number | undefined;
  #event = "";
  #data: string | undefined;

  constructor(heard: (event: string, data: string) => void) {
    this.#heard = heard;
  }

  /** Throws `LineTooLong`, and an error at anything that no link's stream holds; then it is of no more use. */
  push(text: string): void {
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      this.#line.push(text.slice(start, end));
      const line = this.#line.length === 1 ? (this.#line[0] as string) : this.#line.join("");
      this.#line = [];
      this.#lineLength = 0;
      this.#take(line);
      start = end + 1;
    }
    if (start >= text.length) return;
    this.#line.push(text.slice(start));
    this.#lineLength += text.length - start;
    if (this.#lineLength > limits.frameBytesMax + 100)
      throw new LineTooLong("a line longer than a frame may be");
  }

  #take(line: string): void {
    if (line === "") return this.#endOfEvent();
    if (line.startsWith("data: ") && this.#data === undefined) this.#data = line.slice(6);
    else if (line.startsWith("id: ") && this.#id === undefined) this.#id = Number(line.slice(4));
    else if (line.startsWith("event: ") && this.#event === "") this.#event = line.slice(7);
    else if (line !== ":") throw new Error("a line that no event has here");
  }

  /** A comment alone is none. */
  #endOfEvent(): void {
    const [id, event, data] = [this.#id, this.#event, this.#data];
    this.#id = undefined;
    this.#event = "";
    this.#data = undefined;
    if (id === undefined && event === "" && data === undefined) return;
    if (id !== this.#next || data === undefined) throw new Error("not the next event");
    this.#next += 1;
    this.#heard(event, data);
  }
}
