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
import { RequestConnection } from "./request-connection.ts";

/** Longest body of a POST: frames are gathered up to a quarter of a frame before the last one. */
export const LINK_BODY_BYTES_MAX = limits.frameBytesMax + limits.frameBytesMax / 4 + 1024;

interface Link {
  readonly connection: RequestConnection;
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
    const connection = new RequestConnection(peer, {
      frame: (frame) => stream.write(eventText(frame)),
      get bufferedBytes() {
        return stream.bufferedBytes;
      },
      closed: (reason, words) => {
        this.#open.delete(name);
        stream.end(
          eventText(JSON.stringify({ reason, ...(words === undefined ? {} : { words }) }), "closed"),
        );
      },
    });
    this.#open.set(name, { connection, taken: Promise.resolve() });
    this.#leave.set(name, () => stream.end());
    stream.write(eventText(name, "link"));
    this.#accept(connection);
  }

  readonly #leave = new Map<string, () => void>();

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
    link.taken = link.taken.then(() => link.connection.deliver(lines));
    await link.taken;
    if (!response.destroyed) response.writeHead(204, ALWAYS).end();
  }

  /** Answers `DELETE /link`, whose body says why. */
  async close(exchange: Exchange, text: string): Promise<void> {
    const found = this.#find(exchange);
    if (found === undefined) return;
    const [name, link] = found;
    await Promise.race([link.taken, new Promise<void>((resolve) => this.#after(limits.closeMs, resolve))]);
    this.#gone(name, closedBy(text));
    exchange.response.writeHead(204, ALWAYS).end();
  }

  #find({ request, response }: Exchange): [string, Link] | undefined {
    const name = request.headers["holdfast-link"];
    const link = typeof name === "string" ? this.#open.get(name) : undefined;
    if (typeof name === "string" && link !== undefined) return [name, link];
    answer(response, 404, { error: { message: "This link is not open (any more)." } });
    return undefined;
  }

  #gone(name: string, how: Closed): void {
    const link = this.#open.get(name);
    this.#open.delete(name);
    link?.connection.end(how);
    this.#leave.get(name)?.();
    this.#leave.delete(name);
  }
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
