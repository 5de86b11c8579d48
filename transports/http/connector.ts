/**
 * Calling a hub over HTTP: a link, whose stream brings the hub's frames and whose POSTs bring ours, in
 * order.
 *
 * For scripts that ask now and then `POST /rpc` is simpler; this is for a whole session where
 * WebSocket is not to be had.
 */
import { Agent as HttpAgent, request as httpRequest, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Connection, ConnectOptions } from "../../core/ports/transport.ts";
import { refusal, unreachable } from "../socket/unreached.ts";
import { LinkConnection, type Post } from "./link-connection.ts";
import { numberIn, postHeaders } from "./link-post.ts";

/**
 * Connects to `http://HOST:PORT` or `https://…` and fails at the first try: `hub.unreachable` when
 * nobody answers in time, `hub.refused` when the server opens no link, `usage` when the url is none.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Connection> {
  const base = baseOf(url);
  const shown = `${base.protocol}//${base.host}`;
  const secure = base.protocol === "https:";
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, ...(options.ca === undefined ? {} : { ca: options.ca }) })
    : new HttpAgent({ keepAlive: true });
  const headers: { [name: string]: string } = {};
  if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`;
  const send = (told: RequestOptions) =>
    (secure ? httpsRequest : httpRequest)(new URL("/link", base), { agent, ...told });
  const post: Post = (method, body, link, number) =>
    new Promise((resolve, reject) => {
      const length = { "content-length": Buffer.byteLength(body), "content-type": "application/x-ndjson" };
      const posting = send({
        method,
        headers: { ...headers, ...length, ...postHeaders(link, number, body) },
      });
      posting.setTimeout(limits.requestMs, () => posting.destroy(new Error("no answer in time")));
      posting.on("error", reject);
      posting.on("close", () => reject(new Error("no answer")));
      posting.on("response", (response) => {
        const { statusCode = 0 } = response;
        response.on("error", reject);
        response.resume().on("end", () => {
          // An answer to another POST than this says nothing of this one.
          if (statusCode === 204 && numberIn(response.headers) !== number) reject(new Error("out of step"));
          else resolve(statusCode);
        });
      });
      posting.end(body);
    });
  const timeoutMs = options.timeoutMs ?? limits.handshakeMs;
  return await new Promise<Connection>((resolve, reject) => {
    const opening = send({ method: "GET", headers: { ...headers, accept: "text/event-stream" } });
    const fail = (failure: Failure): void => {
      clearTimeout(timer);
      agent.destroy();
      reject(failure);
    };
    const timer = setTimeout(() => {
      fail(unreachable(shown, `no answer in ${timeoutMs} ms`));
      opening.destroy();
    }, timeoutMs);
    opening.on("error", (error) => fail(unreachable(shown, error)));
    opening.on("response", (response) => {
      if (response.statusCode !== 200) {
        refusal(shown, response).then(fail, fail);
        return;
      }
      const connection = new LinkConnection(
        response,
        post,
        base.host,
        () => {
          clearTimeout(timer);
          resolve(connection);
        },
        (words) => fail(unreachable(shown, words)),
        () => agent.destroy(),
      );
    });
    opening.end();
  });
}

/** The url without user, password and query, where secrets may stand. */
function baseOf(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (
    parsed === undefined ||
    !/^https?:$/.test(parsed.protocol) ||
    parsed.hash !== "" ||
    parsed.pathname !== "/"
  ) {
    throw new Failure("usage", "An HTTP url of a hub has the form http://HOST:PORT.", { fields: { url } });
  }
  return new URL(`${parsed.protocol}//${parsed.host}`);
}
