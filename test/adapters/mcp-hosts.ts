/**
 * Hosts for tests of MCP: the official client, over standard streams and over HTTP, in both eras of the protocol.
 */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { type Hub, serve } from "../../adapters/node/hub.ts";
import { program } from "./command-line.ts";

/** An era, as the client is told of it. */
export const eras = { "2025-11-25": "legacy", "2026-07-28": { pin: "2026-07-28" } } as const;
export type Era = keyof typeof eras;

/** What a call came to. */
export interface Called {
  readonly isError: boolean;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever was answered
  readonly fields: any;
}

/** A host with one agent. */
export class McpHostClient {
  readonly client: Client;
  /** Uris of the resources it was told have changed. */
  readonly heard: string[] = [];

  constructor(client: Client) {
    this.client = client;
    client.setNotificationHandler("notifications/resources/updated", ({ params }) => {
      this.heard.push(params.uri);
    });
  }

  async call(name: string, args: object = {}): Promise<Called> {
    const { content, structuredContent, isError } = await this.client.callTool({
      name,
      arguments: { ...args },
    });
    const [first] = content;
    return {
      isError: isError === true,
      text: first?.type === "text" ? first.text : "",
      fields: structuredContent,
    };
  }

  async read(uri: string): Promise<Called["fields"]> {
    const { contents } = await this.client.readResource({ uri });
    const [first] = contents;
    return JSON.parse(first !== undefined && "text" in first ? first.text : "");
  }

  /** Subscribes as the era does; resolves with what ends it. */
  async watch(...uris: string[]): Promise<() => Promise<unknown>> {
    if (this.client.getNegotiatedProtocolVersion() === "2026-07-28") {
      const listening = await this.client.listen({ resourceSubscriptions: uris });
      return () => listening.close();
    }
    for (const uri of uris) await this.client.subscribeResource({ uri });
    return async () => {
      for (const uri of uris) await this.client.unsubscribeResource({ uri });
    };
  }

  /** Waits until it has heard of a resource. */
  async hears(uri: string, patienceMs = 10_000): Promise<void> {
    for (let waited = 0; !this.heard.includes(uri); waited += 20) {
      if (waited > patienceMs) throw new Error(`never heard of ${uri}, but of ${this.heard.join(", ")}`);
      await pause(20);
    }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** How hosts reach Holdfast in a test. */
export interface Ground {
  /** Where files stand. */
  readonly root: string;
  open(agent: string): Promise<McpHostClient>;
  close(): Promise<void>;
}

/** A folder that looks like a repository. */
export function repository(): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-mcp-")));
  mkdirSync(join(root, ".git"));
  writeFileSync(join(root, ".git", "HEAD"), "ref: refs/heads/main\n");
  return root;
}

/** Writes a file below a folder. */
export function file(root: string, name: string): void {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), "");
}

/** The environment of a host's child, without what names agents or hubs here. */
export function cleanEnv(more: NodeJS.ProcessEnv = {}): Record<string, string> {
  const kept = Object.entries({ ...process.env, ...more }).filter(
    ([name, value]) =>
      value !== undefined &&
      (name in more || !/^(HOLDFAST_|CLAUDE|CODEX|GEMINI|CURSOR|OPENCODE|NODE_EXTRA)/.test(name)),
  );
  return Object.fromEntries(kept) as Record<string, string>;
}

/** Hosts that start `holdfast mcp`, each its own. */
export async function overStdio(era: Era): Promise<Ground> {
  const root = repository();
  const open: Client[] = [];
  return {
    root,
    async open(agent) {
      const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode: eras[era] } });
      const env = cleanEnv({ HOLDFAST_AGENT: agent });
      const wire = {
        command: process.execPath,
        args: [program, "mcp"],
        cwd: root,
        env,
        stderr: "pipe" as const,
      };
      await client.connect(new StdioClientTransport(wire));
      open.push(client);
      return new McpHostClient(client);
    },
    async close() {
      await Promise.all(open.map((client) => client.close()));
      if (existsSync(root)) rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Hosts that call a hub. */
export async function overHttp(era: Era): Promise<Ground & { readonly hub: Hub; readonly url: URL }> {
  const root = repository();
  const before = process.cwd();
  const hub = await serve({ listen: ["http://127.0.0.1:0"], log: "memory:" });
  const url = new URL("/mcp", hub.urls[0]);
  const open: Client[] = [];
  return {
    root: before,
    hub,
    url,
    async open(agent) {
      const host = await connectHttp(url, era, { "holdfast-agent": agent, "holdfast-worktree": root });
      open.push(host.client);
      return host;
    },
    async close() {
      await Promise.all(open.map((client) => client.close()));
      await hub.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** One host that calls a hub, with these headers. */
export async function connectHttp(
  url: URL,
  era: Era,
  headers: Record<string, string>,
  name = "test",
): Promise<McpHostClient> {
  const client = new Client({ name, version: "1" }, { versionNegotiation: { mode: eras[era] } });
  const host = new McpHostClient(client);
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
  return host;
}
