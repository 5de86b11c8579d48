/**
 * `POST /rpc`: a frame in, its replies out. Every POST is a session of its own, opened for the agent
 * of its headers.
 */
import { limits } from "../../core/limits.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Accept } from "../../core/ports/transport.ts";
import { encode } from "../../core/protocol/codec.ts";
import {
  codes,
  type ErrorMessage,
  errorReply,
  type Incoming,
  type RequestId,
  request,
} from "../../core/protocol/frame.ts";
import { receive } from "../../core/protocol/receive.ts";
import { ALWAYS, answer, type Exchange } from "./exchange.ts";
import { headersOf, repliedIn, statusOf } from "./replies.ts";
import { RequestConnection } from "./request-connection.ts";

/** Id of the `session.open` made from the headers; its reply is the session's first. */
const OPEN = "open";

/** Answers one POST whose body is `text`; resolves when the answer was given or the peer is gone. */
export function answerRpc(
  exchange: Exchange,
  text: string,
  accept: Accept,
  after: Clock["after"],
): Promise<void> {
  const messages = receive(text);
  const [first] = messages;
  if (messages.length === 1 && first?.kind === "problem") {
    const { id, code, at, why } = first;
    answer(exchange.response, 400, errorReply(id, code, at === "" ? why : `${at} ${why}`, { at, why }));
    return Promise.resolve();
  }
  if (!messages.some(({ kind }) => kind === "request" || kind === "problem")) {
    exchange.response.writeHead(204, ALWAYS).end();
    return Promise.resolve();
  }
  const call = new RpcCall(exchange, messages, /^\s*\[/.test(text), after);
  return call.run(text, accept);
}

/** One POST from its frame to its last reply. */
class RpcCall {
  readonly #exchange: Exchange;
  readonly #messages: readonly Incoming[];
  readonly #isBatch: boolean;
  readonly #after: Clock["after"];
  readonly #connection: RequestConnection;
  #opened: boolean;
  /** How many replies are to come, and for which ids. */
  #missing = 0;
  readonly #ids = new Map<RequestId | null, number>();
  #texts: string[] = [];
  #bytes = 0;
  #begun = false;
  #done = false;
  #finish: () => void = () => undefined;

  constructor(exchange: Exchange, messages: readonly Incoming[], isBatch: boolean, after: Clock["after"]) {
    this.#exchange = exchange;
    this.#messages = messages;
    this.#isBatch = isBatch;
    this.#after = after;
    const [first] = messages;
    this.#opened = first?.kind === "request" && first.method === "session.open";
    for (const message of messages) {
      if (message.kind !== "request" && message.kind !== "problem") continue;
      this.#missing++;
      this.#ids.set(message.id, (this.#ids.get(message.id) ?? 0) + 1);
    }
    this.#connection = new RequestConnection(exchange.peer, {
      frame: (frame) => this.#replied(frame),
      bufferedBytes: 0,
      closed: (reason) => this.#giveUp(codes.indefinite, `The hub closed the session: ${reason}.`, "closed"),
    });
  }

  async run(text: string, accept: Accept): Promise<void> {
    const { response, peer } = this.#exchange;
    if (!this.#opened && peer.agent === undefined) {
      const words =
        "Say who you are: in the header Holdfast-Agent, or by session.open as the first of a batch.";
      const refusal = errorReply(this.#onlyId(), codes.rejection, words, { code: "session.not-open" });
      answer(response, 401, refusal, headersOf(refusal.error));
      return;
    }
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    const stopWaiting = this.#after(patienceMs(this.#messages), () =>
      this.#giveUp(
        codes.indefinite,
        "There was no answer in time; ask again under the same submission.",
        "hub.timeout",
      ),
    );
    const stopBeating = this.#beat();
    response.on("close", () => {
      this.#connection.end({ goodbye: false, reason: "broken" });
      this.#done = true;
      this.#finish();
    });
    accept(this.#connection);
    if (this.#opened) void this.#connection.deliver([text]);
    else {
      const open = request(OPEN, "session.open", { agent: peer.agent });
      void this.#connection.deliver([encode("json", open) as string]);
    }
    this.#pass = () => void this.#connection.deliver([text]);
    await finished;
    stopWaiting();
    stopBeating();
  }

  #pass: () => void = () => undefined;

  #replied(frame: string): void {
    if (this.#done) return;
    const reply = repliedIn(frame);
    if (reply === undefined) return;
    if (!this.#opened) {
      if (reply.error !== undefined)
        return this.#refused(errorReply(null, reply.error.code, reply.error.message, reply.error.data));
      this.#opened = true;
      return this.#pass();
    }
    const open = this.#ids.get(reply.id) ?? 0;
    if (open === 0) return;
    this.#ids.set(reply.id, open - 1);
    this.#missing--;
    this.#add(reply.id, reply.text);
    if (this.#missing === 0) this.#end();
  }

  #add(id: RequestId | null, text: string): void {
    const bytes = Buffer.byteLength(text);
    if (this.#bytes + bytes > limits.batchReplyBytesMax) {
      const words = "The replies to this batch are too much for one answer; ask again, in smaller batches.";
      this.#texts.push(JSON.stringify(errorReply(id, codes.indefinite, words, { code: "batch.too-large" })));
      return;
    }
    this.#bytes += bytes;
    this.#texts.push(text);
  }

  /** The session was not opened: everything in the frame was refused, and had no effect. */
  #refused({ error }: ErrorMessage): void {
    for (const [id, times] of this.#ids) {
      for (let at = 0; at < times; at++) {
        this.#texts.push(JSON.stringify(errorReply(id, error.code, error.message, error.data)));
      }
    }
    this.#end(statusOf(error), headersOf(error));
  }

  /** Answers what has no reply yet by an error. */
  #giveUp(code: number, words: string, name: string): void {
    if (this.#done) return;
    for (const [id, times] of this.#ids) {
      for (let at = 0; at < times; at++)
        this.#add(id, JSON.stringify(errorReply(id, code, words, { code: name })));
    }
    this.#end(name === "closed" && this.#texts.length === 1 ? 503 : 200);
  }

  #end(status = 200, headers: { readonly [name: string]: string } = {}): void {
    if (this.#done) return;
    this.#done = true;
    const { response } = this.#exchange;
    const text = this.#isBatch ? `[${this.#texts.join(",")}]` : (this.#texts[0] ?? "null");
    if (!this.#begun) {
      const length = { "content-length": Buffer.byteLength(text) + 1 };
      response.writeHead(status, {
        ...ALWAYS,
        "content-type": "application/json; charset=utf-8",
        ...length,
        ...headers,
      });
    }
    response.end(`${text}\n`);
    this.#connection.end({ goodbye: false, reason: "answered" });
    this.#finish();
  }

  #onlyId(): RequestId | null {
    const [first] = this.#messages;
    return !this.#isBatch && first?.kind === "request" ? first.id : null;
  }

  /** A long wait is kept alive by blanks, which JSON allows before a value. */
  #beat(): () => void {
    let stop: () => void = () => undefined;
    const beat = (): void => {
      stop = this.#after(limits.streamHeartbeatMs, () => {
        if (this.#done) return;
        const { response } = this.#exchange;
        if (!this.#begun)
          response.writeHead(200, { ...ALWAYS, "content-type": "application/json; charset=utf-8" });
        this.#begun = true;
        response.write("\n");
        beat();
      });
    };
    beat();
    return () => stop();
  }
}

/** How long the replies may take: what one request may, and the longest wait that was asked for. */
function patienceMs(messages: readonly Incoming[]): number {
  let waitMs = 0;
  for (const message of messages) {
    if (message.kind !== "request") continue;
    const asked = (message.params as { readonly waitMs?: unknown }).waitMs;
    if (typeof asked === "number" && asked > waitMs) waitMs = asked;
  }
  return limits.requestMs + Math.min(waitMs, limits.waitMsMax);
}
