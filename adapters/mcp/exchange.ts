/**
 * Between node's requests and answers and those of the web, which the SDK speaks: answers no faster than they
 * are taken.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { limits } from "../../core/limits.ts";

/** Headers of every answer: nothing here may be cached, framed, or taken for another kind of file. */
const ALWAYS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
} as const;

/** The request as the web has it, without its body; its signal tells when nobody waits for the answer. */
export function webRequest(request: IncomingMessage, response: ServerResponse): Request {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  return new Request("http://hub/mcp", { method: request.method ?? "GET", headers, signal: gone.signal });
}

/** Writes an answer of the web; resolves when it is out, or nobody takes it any more. */
export async function sendWeb(answer: Response, response: ServerResponse): Promise<void> {
  const { connection: _, ...headers } = Object.fromEntries(answer.headers);
  if (response.destroyed) return answer.body?.cancel().catch(() => undefined);
  response.writeHead(answer.status, { ...ALWAYS, ...headers });
  if (answer.body === null) return void response.end();
  response.flushHeaders();
  const reader = answer.body.getReader();
  const stop = (): void => void reader.cancel().catch(() => undefined);
  response.once("close", stop);
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (!response.write(part.value)) await drained(response);
      if (response.destroyed) return;
    }
    response.end();
  } catch {
    response.destroy();
  } finally {
    response.off("close", stop);
  }
}

/** Waits until the peer has taken what was written; one that does not is cut. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => response.destroy(), limits.drainMs);
    late.unref();
    const over = (): void => {
      clearTimeout(late);
      response.off("drain", over);
      response.off("close", over);
      resolve();
    };
    response.on("drain", over);
    response.on("close", over);
  });
}

/** Answers with a JSON-RPC error that belongs to no request. */
export function sendError(
  response: ServerResponse,
  status: number,
  message: string,
  { code = -32_000, headers = {}, data }: ErrorDetails = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const error = { code, message, ...(data === undefined ? {} : { data }) };
  const text = JSON.stringify({ jsonrpc: "2.0", error, id: null });
  response.writeHead(status, {
    ...ALWAYS,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

interface ErrorDetails {
  readonly code?: number;
  readonly headers?: { readonly [name: string]: string };
  readonly data?: unknown;
}
