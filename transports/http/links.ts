/**
 * Links: whole sessions over HTTP, for `connect("http://…")`. `GET /link` streams the hub's frames as
 * events, the first of which names the link; `POST /link` brings the peer's, one a line; `DELETE
 * /link` says goodbye.
 *
 * One POST a frame could not carry a session: waits, follows, exclusive names and presence last longer
 * than a request.
 */
import { randomBytes } from "node:crypto";
import { limits } from "../../core/limits.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Accept, Closed, CloseReason } from "../../core/ports/transport.ts";
import { EventStream, eventText } from "./event-stream.ts";
import { ALWAYS, answer, type Exchange } from "./exchange.ts";
import { isWhole, LINK_HEADER, numberIn, POST_HEADER } from "./link-post.ts";
import { RequestConnection } from "./request-connection.ts";

/** Longest body of a POST: frames are gathered up to a quarter of a frame before the last one. */
export const LINK_BODY_BYTES_MAX = limits.frameBytesMax + limits.frameBytesMax / 4 + 1024;

interface Link {
  readonly connection: RequestConnection;
  readonly stream: EventStream;
  /** The number of the newest POST, where its peer numbers them. */
  newest: number;
  /** The last POST: the next waits for it, so that frames keep their order. */
  taken: Promise<void>;
}

/** The open links of one listener. */
export class Links {
  readonly #open = new Map<string, Link>();
  readonly #accept: Accept;
  readonly #after: Clock["after"];
  readonly #drainMs: number;

  constructor(accept: Accept, after: Clock["after"], drainMs: number) {
    this.#accept = accept;
    this.#after = after;
    this.#drainMs = drainMs;
  }

  /** Answers `GET /link`. */
  open({ response, peer: { oneShot: _, agent: __, ...peer } }: Exchange): void {
    // Whoever knows the name speaks for the link, so it cannot be guessed.
    const name = randomBytes(16).toString("base64url");
    const stream = new EventStream(response, this.#after, this.#drainMs, {
      drained: () => connection.drained(),
      gone: (reason) => this.#gone(name, { goodbye: false, reason }),
    });
    let events = 0;
    const numbered = (data: string, event?: string): string => eventText(data, event, events++);
    const connection = new RequestConnection(peer, {
      frame: (frame) => stream.write(numbered(frame)),
      get bufferedBytes() {
        return stream.bufferedBytes;
      },
      closed: (reason, words) => {
        this.#open.delete(name);
        stream.end(numbered(JSON.stringify({ reason, ...(words === undefined ? {} : { words }) }), "closed"));
      },
    });
    this.#open.set(name, { connection, stream, newest: 0, taken: Promise.resolve() });
    stream.write(numbered(name, "link"));
    this.#accept(connection);
  }

  /** Answers `POST /link`, once the hub took the frames; `undefined` for text: the body was too large. */
  async frames(exchange: Exchange, text: string | undefined): Promise<void> {
    const { response } = exchange;
    const found = this.#find(exchange);
    if (found === undefined) return;
    const [name, link] = found;
    const lines = (text ?? "").split("\n").filter((line) => line !== "");
    if (text === undefined || lines.some((line) => Buffer.byteLength(line) > limits.frameBytesMax)) {
      answer(response, 413, { error: { message: `A frame holds ${limits.frameBytesMax} bytes.` } });
      this.#gone(name, { goodbye: false, reason: "frame-too-large" });
      return;
    }
    const order = this.#orderOf(exchange, link, text);
    if (order === "broken") return this.#outOfStep(exchange, name);
    if (order === "new") link.taken = link.taken.then(() => link.connection.deliver(lines));
    await link.taken;
    taken(exchange);
  }

  /** Answers `DELETE /link`, whose body says why. */
  async close(exchange: Exchange, text: string): Promise<void> {
    const found = this.#find(exchange);
    if (found === undefined) return;
    const [name, link] = found;
    if (this.#orderOf(exchange, link, text) !== "new") return this.#outOfStep(exchange, name);
    await Promise.race([link.taken, new Promise<void>((resolve) => this.#after(limits.closeMs, resolve))]);
    this.#gone(name, closedBy(text));
    taken(exchange);
  }

  /** Whether a POST is the next one; one whose peer numbers none is. */
  #orderOf({ request }: Exchange, link: Link, text: string): "new" | "repeated" | "broken" {
    if (!isWhole(request.headers, text)) return "broken";
    const number = numberIn(request.headers);
    if (number === undefined) return "new";
    if (number > link.newest + 1) return "broken";
    if (number <= link.newest) return "repeated";
    link.newest = number;
    return "new";
  }

  /** Something was lost or altered under way: the peer begins anew, and sends again what has no answer. */
  #outOfStep({ response }: Exchange, name: string): void {
    const message = "This is not what was sent, or not the next POST of its link; open another.";
    answer(response, 409, { error: { message } }, { connection: "close" });
    this.#gone(name, { goodbye: false, reason: "broken: the posts are out of step" });
  }

  #find({ request, response }: Exchange): [string, Link] | undefined {
    const name = request.headers[LINK_HEADER];
    const link = typeof name === "string" ? this.#open.get(name) : undefined;
    if (typeof name === "string" && link !== undefined) return [name, link];
    answer(response, 404, { error: { message: "This link is not open (any more)." } });
    return undefined;
  }

  #gone(name: string, how: Closed): void {
    const link = this.#open.get(name);
    this.#open.delete(name);
    link?.connection.end(how);
    link?.stream.end();
  }
}

/** The answer to a POST carries its number, so that it is not taken for that of another. */
function taken({ request, response }: Exchange): void {
  const number = numberIn(request.headers);
  if (response.destroyed) return;
  response.writeHead(204, { ...ALWAYS, ...(number === undefined ? {} : { [POST_HEADER]: number }) }).end();
}

const reasons: readonly CloseReason[] = [
  "goodbye",
  "too-slow",
  "refused",
  "taken-over",
  "shutting-down",
  "failed",
];

/** How the peer closed, from its own words; whatever they are, they are only words. */
function closedBy(text: string): Closed {
  let said: { readonly reason?: unknown; readonly words?: unknown } = {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) said = value;
  } catch {
    // Then it did not say why.
  }
  const reason = reasons.find((known) => known === said.reason) ?? "goodbye";
  const words = typeof said.words === "string" && said.words !== "" ? `: ${said.words.slice(0, 200)}` : "";
  return { goodbye: reason === "goodbye", reason: `${reason}${words}` };
}
