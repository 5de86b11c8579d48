/**
 * `/hooks/HOST` of a hub: takes what a host's hook tells and answers in the host's own words.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Client, ClientOptions } from "../../core/client/client.ts";

/** What the desk needs of its hub. */
export interface HookHost {
  connect(visitor: Omit<ClientOptions, "dial" | "clock" | "chance">): Promise<Client>;
  report(what: string, error: unknown): void;
}

/** Opens the desk. */
export function openHookDesk(_host: HookHost): {
  take(request: IncomingMessage, response: ServerResponse): Promise<void>;
  close(): Promise<void>;
} {
  return {
    async take(_request, response) {
      response.writeHead(404).end();
    },
    async close() {},
  };
}
