/**
 * The caller's end of a link: reads the hub's events, posts its own frames one POST after the other.
 */
import type { IncomingMessage } from "node:http";
import { StringDecoder } from "node:string_decoder";
import { limits } from "../../core/limits.ts";
import type {
  Closed,
  CloseReason,
  Codec,
  Connection,
  Frame,
  Peer,
  Receiver,
} from "../../core/ports/transport.ts";
import { isLoopbackAddress } from "../../core/protocol/gate.ts";
import { EventReader, LineTooLong } from "./event-stream.ts";

/**
 * Sends a body along a link, as its POST of this number, and tells the status of the answer; rejects when
 * there is none in time, or one that belongs to another.
 */
export type Post = (method: "POST" | "DELETE", body: string, link: string, number: number) => Promise<number>;

/** Frames gathered in one POST before the last one. */
const POST_BYTES = limits.frameBytesMax / 4;

export class LinkConnection implements Connection {
  readonly peer: Peer;
  readonly codec: Codec = "json";
  readonly #response: IncomingMessage;
  readonly #post: Post;
  readonly #release: () => void;
  readonly #decoder = new StringDecoder("utf8");
  readonly #reader: EventReader;
  #link = "";
  /** How many POSTs there were. */
  #posts = 0;
  #receiver: Receiver | undefined;
  #ended: Closed | undefined;
  #told = false;
  #early: string[] = [];
  #outbox: string[] = [];
  #bufferedBytes = 0;
  #posting = false;
  #over = false;
  /** The body of the DELETE that follows the last POST. */
  #farewell: string | undefined;
  #silence: NodeJS.Timeout;

  /** `opened` or `failed` is called once: when the hub named the link, or ended before. */
  constructor(
    response: IncomingMessage,
    post: Post,
    address: string,
    opened: () => void,
    failed: (words: string) => void,
    release: () => void,
  ) {
    this.peer = { transport: "http", address, loopback: isLoopbackAddress(response.socket.remoteAddress) };
    this.#response = response;
    this.#post = post;
    this.#release = release;
    this.#reader = new EventReader((event, data) => {
      if (event === "link" && this.#link === "") {
        this.#link = data;
        response.pause();
        opened();
      } else if (event === "") this.#heard(data);
      else if (event === "closed") this.#end(closedBy(data));
      else this.#broken();
    });
    this.#silence = setTimeout(() => this.#broken(), 3 * limits.streamHeartbeatMs);
    this.#silence.unref();
    response.on("data", (chunk: Buffer) => this.#read(chunk));
    const over = (): void => {
      if (this.#link === "") failed("it opened no link");
      this.#broken();
    };
    response.on("error", over);
    response.on("close", over);
  }

  get bufferedBytes(): number {
    return this.#ended === undefined ? this.#bufferedBytes : 0;
  }

  receive(receiver: Receiver): void {
    this.#receiver = receiver;
    queueMicrotask(() => {
      for (const frame of this.#early.splice(0)) this.#heard(frame);
      this.#tell();
      if (this.#ended === undefined) this.#response.resume();
    });
  }

  send(frame: Frame): void {
    if (this.#ended !== undefined || typeof frame !== "string") return;
    // In JSON a line break can only stand between tokens, where a blank means the same.
    const line = /[\r\n]/.test(frame) ? frame.replace(/[\r\n]/g, " ") : frame;
    this.#outbox.push(line);
    this.#bufferedBytes += Buffer.byteLength(line);
    if (this.#bufferedBytes > limits.connectionBufferBytesMax) this.#over = true;
    this.#pump();
  }

  close(reason: CloseReason, words?: string): void {
    if (this.#ended !== undefined) return;
    this.#farewell = JSON.stringify({ reason, ...(words === undefined ? {} : { words }) });
    const said = words === undefined || words === "" ? reason : `${reason}: ${words}`;
    this.#end({ goodbye: reason === "goodbye", reason: said });
    this.#pump();
  }

  #read(chunk: Buffer): void {
    this.#silence.refresh();
    try {
      this.#reader.push(this.#decoder.write(chunk));
    } catch (error) {
      const reason = error instanceof LineTooLong ? "frame-too-large" : "broken: the stream is out of step";
      this.#end({ goodbye: false, reason });
    }
  }

  #heard(frame: string): void {
    if (this.#ended !== undefined) return;
    if (this.#receiver === undefined) this.#early.push(frame);
    else this.#receiver.frame(frame);
  }

  #pump(): void {
    if (this.#posting || (this.#outbox.length === 0 && this.#farewell === undefined)) return;
    this.#posting = true;
    // At the end of the turn, so that what is sent together travels together.
    setImmediate(() => this.#postNext());
  }

  #postNext(): void {
    const frames: string[] = [];
    let bytes = 0;
    while (this.#outbox.length > frames.length && bytes < POST_BYTES) {
      const frame = this.#outbox[frames.length] as string;
      const size = Buffer.byteLength(frame);
      if (frames.length > 0 && bytes + size > POST_BYTES) break;
      bytes += size;
      frames.push(frame);
    }
    this.#outbox.splice(0, frames.length);
    const farewell = frames.length === 0 ? this.#farewell : undefined;
    if (farewell !== undefined) this.#farewell = undefined;
    this.#posts += 1;
    const posted =
      farewell === undefined
        ? this.#post("POST", `${frames.join("\n")}\n`, this.#link, this.#posts)
        : this.#post("DELETE", farewell, this.#link, this.#posts);
    posted.then(
      (status) => {
        this.#posting = false;
        if (farewell !== undefined) return this.#leave();
        if (status !== 204)
          return this.#end({ goodbye: false, reason: status === 413 ? "frame-too-large" : "broken" });
        this.#bufferedBytes -= bytes;
        if (
          this.#over &&
          this.#bufferedBytes <= limits.connectionBufferBytesMax / 2 &&
          this.#ended === undefined
        ) {
          this.#over = false;
          this.#receiver?.drained();
        }
        this.#pump();
      },
      () => {
        this.#posting = false;
        this.#broken();
        this.#leave();
      },
    );
  }

  #broken(): void {
    this.#end({ goodbye: false, reason: "broken" });
  }

  #end(how: Closed): void {
    if (this.#ended !== undefined) return;
    this.#ended = how;
    clearTimeout(this.#silence);
    queueMicrotask(() => this.#tell());
    // The farewell, when there is one, still has to go out.
    if (this.#farewell === undefined) this.#leave();
    else setTimeout(() => this.#leave(), limits.closeMs).unref();
  }

  #leave(): void {
    this.#response.destroy();
    this.#release();
  }

  #tell(): void {
    if (this.#told || this.#receiver === undefined || this.#ended === undefined) return;
    this.#told = true;
    this.#receiver.closed(this.#ended);
  }
}

function closedBy(data: string): Closed {
  try {
    const { reason, words } = JSON.parse(data) as { readonly reason?: string; readonly words?: string };
    const said = words === undefined || words === "" ? `${reason}` : `${reason}: ${words}`;
    return { goodbye: reason === "goodbye", reason: said };
  } catch {
    return { goodbye: false, reason: "broken" };
  }
}
