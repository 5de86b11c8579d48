/**
 * `GET /entries`: the log from a cursor on as server-sent events, one an entry, whose id is its seq.
 */
import { limits } from "../../core/limits.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Accept } from "../../core/ports/transport.ts";
import { encode } from "../../core/protocol/codec.ts";
import { codes, errorReply, request } from "../../core/protocol/frame.ts";
import { EventStream, eventText } from "./event-stream.ts";
import { answer, type Exchange } from "./exchange.ts";
import { headersOf, repliedIn, statusOf } from "./replies.ts";
import { RequestConnection } from "./request-connection.ts";

/** Who looks on without saying who; with tokens, that needs one. */
const ANYBODY = "observer";

/**
 * Streams entries until either side ends it. What the hub refuses is an error status before the stream
 * begins.
 */
export function streamEntries(
  exchange: Exchange,
  accept: Accept,
  after: Clock["after"],
  drainMs: number,
): void {
  const { response, url, peer, request: asked } = exchange;
  const question = questionOf(url.searchParams, peer.agent, asked.headers["last-event-id"]);
  if (typeof question === "string") {
    answer(response, 400, errorReply(null, codes.invalidParams, question));
    return;
  }
  let stream: EventStream | undefined;
  let opened = false;
  const connection = new RequestConnection(peer, {
    frame(frame) {
      if (stream !== undefined) return stream.write(eventsOf(frame));
      const reply = repliedIn(frame);
      if (reply === undefined) return;
      if (reply.error !== undefined) {
        answer(response, statusOf(reply.error), { error: reply.error }, headersOf(reply.error));
        connection.end({ goodbye: false, reason: "refused" });
      } else if (opened) begin();
      else {
        opened = true;
        const { seq } = reply.result as { readonly seq?: number };
        const { from, ...filter } = question;
        const params = { after: from === "now" ? seq : from, ...filter };
        void connection.deliver([encode("json", request("follow", "log.follow", params)) as string]);
      }
    },
    get bufferedBytes() {
      return stream?.bufferedBytes ?? 0;
    },
    closed(reason) {
      if (stream === undefined)
        answer(response, 503, { error: { message: `The hub closed the session: ${reason}.` } });
      else stream.end();
    },
  });
  const begin = (): void => {
    stream = new EventStream(response, after, drainMs, {
      drained: () => connection.drained(),
      gone: (reason) => connection.end({ goodbye: false, reason }),
    });
    // How soon a browser tries again after a break.
    stream.write(`retry: ${limits.reconnectMsMin * 10}\n\n`);
  };
  response.on("close", () => connection.end({ goodbye: false, reason: "broken" }));
  accept(connection);
  const name = peer.agent ?? url.searchParams.get("agent") ?? ANYBODY;
  const open = request("open", "session.open", { agent: name || ANYBODY, observe: true });
  void connection.deliver([encode("json", open) as string]);
}

interface Question {
  readonly from: number | "now";
  readonly log?: string;
  readonly events?: readonly string[];
  readonly about?: readonly string[];
}

/**
 * What the query asks for; a sentence when it makes no sense. `agent` says who looks on where no
 * header can, and beside a header which agent's entries are wanted.
 */
function questionOf(
  query: URLSearchParams,
  agent: string | undefined,
  lastEventId: unknown,
): Question | string {
  for (const name of query.keys()) {
    if (!["after", "events", "agent", "about", "log"].includes(name)) {
      const known = "there are after, events, agent, about and log";
      return `there is no parameter ${JSON.stringify(name.slice(0, 50))}; ${known}`;
    }
  }
  const resumed = typeof lastEventId === "string" && /^\d+$/.test(lastEventId) ? lastEventId : undefined;
  const after = resumed ?? query.get("after") ?? "0";
  if (after !== "now" && !/^\d{0,15}$/.test(after)) return "after must be a seq, or now";
  const events = listOf(query, "events");
  const about = listOf(query, "about");
  const whose = query.get("agent");
  if (agent !== undefined && whose !== null && whose !== "" && whose !== agent) about.push(whose);
  const log = query.get("log");
  return {
    from: after === "now" ? after : Number(after),
    ...(log === null ? {} : { log }),
    ...(events.length === 0 ? {} : { events }),
    ...(about.length === 0 ? {} : { about }),
  };
}

/** Values given as `a,b`, as repeated parameters, or both. */
function listOf(query: URLSearchParams, name: string): string[] {
  return query.getAll(name).flatMap((value) => value.split(",").filter((part) => part !== ""));
}

/** Followers at one cursor are sent one and the same frame; its events are made once. */
const made = new Map<string, string>();

function eventsOf(frame: string): string {
  const known = made.get(frame);
  if (known !== undefined) return known;
  if (made.size === 0) setImmediate(() => made.clear());
  const value = JSON.parse(frame) as unknown;
  const text = (Array.isArray(value) ? value : [value]).map(eventOf).join("");
  made.set(frame, text);
  return text;
}

function eventOf(message: { readonly method?: string; readonly params?: { readonly seq: number } }): string {
  const { method, params } = message;
  if (params === undefined) return "";
  if (method === "entry") return eventText(JSON.stringify(params), undefined, params.seq);
  return method === "cursor" ? eventText(JSON.stringify(params), "cursor", params.seq) : "";
}
