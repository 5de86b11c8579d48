/**
 * Records what hosts tell their hooks: over HTTP, and by a command that hands its standard input on.
 */
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** One payload as it came. */
export interface Recorded {
  readonly by: "http" | "command";
  // biome-ignore lint/suspicious/noExplicitAny: what hosts send is recorded as it is
  readonly payload: any;
  /** For a command: the names in its environment that the host may have set. */
  readonly env: { readonly [name: string]: string };
}

/** A recorder that is listening. */
export interface Recorder {
  readonly url: string;
  readonly seen: readonly Recorded[];
  /** A command line for a hook; records and answers as the HTTP hook does. */
  readonly command: readonly [string, string];
  close(): Promise<void>;
}

/** What hooks are answered, given the payload; `undefined` says nothing. */
// biome-ignore lint/suspicious/noExplicitAny: see Recorded
export type Answer = (payload: any, by: "http" | "command") => object | undefined;

/** Starts a recorder; its command is written into `folder`. */
export async function openRecorder(folder: string, answer: Answer = () => undefined): Promise<Recorder> {
  const seen: Recorded[] = [];
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    const { payload, env } =
      request.url === "/command" ? JSON.parse(text) : { payload: JSON.parse(text), env: {} };
    const by = request.url === "/command" ? "command" : "http";
    seen.push({ by, payload, env });
    const said = answer(payload, by);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(said === undefined ? "" : JSON.stringify(said));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const script = join(folder, "record.mjs");
  writeFileSync(
    script,
    `let text = "";
for await (const piece of process.stdin) text += piece;
const names = Object.keys(process.env).filter((name) => /^(CLAUDE|CODEX)/.test(name));
const env = Object.fromEntries(names.map((name) => [name, process.env[name]]));
const body = JSON.stringify({ payload: JSON.parse(text), env });
const answer = await fetch(${JSON.stringify(`${url}/command`)}, { method: "POST", body });
process.stdout.write(await answer.text());
`,
  );
  return {
    url: `${url}/http`,
    seen,
    command: [process.execPath, script],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
