/**
 * One request and its answer: bodies within bounds, answers as JSON, and what the headers say about the
 * peer.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { limits } from "../../core/limits.ts";
import type { Peer } from "../../core/ports/transport.ts";
import { bearerToken, isLocalRequest } from "../../core/protocol/gate.ts";

/** A request that passed the gate. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  /** Who asks; a session of its own. */
  readonly peer: Peer;
}

/** Headers of every answer: nothing here may be cached, framed, or taken for another kind of file. */
export const ALWAYS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
} as const;

/** What a request's socket and headers say about its sender. */
export function peerOf(request: IncomingMessage): Peer {
  const address = request.socket.remoteAddress ?? "unknown";
  const token = bearerToken(request.headers.authorization);
  const agent = agentOf(request);
  return {
    transport: "http",
    address,
    loopback: isLocalRequest(address, request.headers),
    oneShot: true,
    ...(token === undefined ? {} : { token }),
    ...(agent === undefined ? {} : { agent }),
  };
}

/** The name in `Holdfast-Agent`; beyond ASCII it is percent-encoded UTF-8, as headers carry no other. */
function agentOf(request: IncomingMessage): string | undefined {
  const header = request.headers["holdfast-agent"];
  if (typeof header !== "string" || header === "") return undefined;
  try {
    return decodeURIComponent(header);
  } catch {
    return header;
  }
}

/** Answers with JSON and ends. */
export function answer(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: { readonly [name: string]: string } = {},
): void {
  answerText(response, status, "application/json; charset=utf-8", `${JSON.stringify(body)}\n`, headers);
}

/** Answers with text of a kind and ends; does nothing once an answer was begun. */
export function answerText(
  response: ServerResponse,
  status: number,
  contentType: string,
  text: string,
  headers: { readonly [name: string]: string } = {},
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    ...ALWAYS,
    "content-type": contentType,
    "content-length": Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** Why a body could not be taken. */
export type BodyProblem = "too-large" | "too-many" | "aborted" | "not-utf8";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads bodies, all of which together take a bounded amount of memory. */
export class Bodies {
  #heldBytes = 0;

  /**
   * The text of a body of at most `bytesMax`. What is larger is read to its end and dropped, so that
   * it is answered.
   */
  async read(
    request: IncomingMessage,
    bytesMax: number,
  ): Promise<{ text: string } | { problem: BodyProblem }> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let problem: BodyProblem | undefined;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        if (problem !== undefined) continue;
        bytes += chunk.length;
        this.#heldBytes += chunk.length;
        chunks.push(chunk);
        if (bytes > bytesMax) problem = "too-large";
        else if (this.#heldBytes > limits.requestBodiesBytesMax) problem = "too-many";
        if (problem !== undefined) {
          this.#heldBytes -= bytes;
          bytes = 0;
          chunks.length = 0;
        }
      }
    } catch {
      problem = "aborted";
    } finally {
      this.#heldBytes -= bytes;
    }
    if (problem !== undefined) return { problem };
    try {
      return { text: utf8.decode(Buffer.concat(chunks)) };
    } catch {
      return { problem: "not-utf8" };
    }
  }
}
