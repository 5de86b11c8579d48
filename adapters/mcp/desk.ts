/**
 * `/mcp` of a hub: MCP over streamable HTTP.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Client, ClientOptions } from "../../core/client/client.ts";

/** What the desk needs of its hub. */
export interface McpHost {
  connect(visitor: Omit<ClientOptions, "dial" | "clock" | "chance">): Promise<Client>;
  report(what: string, error: unknown): void;
}

/** Opens the desk. */
export function openMcpDesk(_host: McpHost): {
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
