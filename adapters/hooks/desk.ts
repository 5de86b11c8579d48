/**
 * `POST /hooks/HOST` of a hub: takes what a host's hook tells and answers in the host's own words. Whatever
 * comes in, the host can go on: what is not understood is answered by an empty object.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Client, ClientOptions } from "../../core/client/client.ts";
import { limits } from "../../core/limits.ts";
import { bearerToken, isLocalRequest } from "../../core/protocol/gate.ts";
import type { Refusing } from "../place/refusals.ts";
import { answerOf } from "./answer.ts";
import { hubElsewhere, PASSED_HEADER, passOn } from "./elsewhere.ts";
import type { HookAnswer, HookEvent, Host } from "./event.ts";
import { Guard } from "./guard.ts";
import { hostNamed } from "./hosts.ts";
import { type Environment, normalise } from "./normalise.ts";
import type { Sender } from "./sessions.ts";

/** What the desk needs of its hub. */
export interface HookHost {
  connect(visitor: Omit<ClientOptions, "dial" | "clock" | "chance">, loopback?: boolean): Promise<Client>;
  report(what: string, error: unknown): void;
  refused?(refusal: Refusing): void;
}

/** Headers of a command hook: that it is one, and what matters of its environment, as JSON. */
export const COMMAND_HEADER = "holdfast-hook";
export const ENVIRONMENT_HEADER = "holdfast-env";

const SILENCE: HookAnswer = { stdout: "", stderr: "", exitCode: 0 };

/** Opens the desk. */
export function openHookDesk(host: HookHost): {
  take(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Lets what was kept beside a log while no hub ran take effect, where names are taken at their word. */
  catchUp(folder: string): Promise<void>;
  close(): Promise<void>;
} {
  const guard = new Guard(
    (visitor, loopback) => host.connect(visitor, loopback),
    (what, error) => host.report(what, error),
    (refusal) => host.refused?.(refusal),
  );
  const bodies = new Bodies();
  let open = 0;
  return {
    async take(request, response) {
      if (request.method !== "POST") {
        response.writeHead(405, { allow: "POST" }).end();
        return;
      }
      const name = hostNamed(/^\/hooks\/([a-z]{1,20})(?:\?|$)/.exec(request.url ?? "")?.[1] ?? "");
      if (name === undefined) {
        response.writeHead(404).end();
        return;
      }
      let answer = SILENCE;
      const payload = await bodies.read(request);
      if (payload !== undefined && open < limits.hookRequestsMax) {
        open += 1;
        try {
          const env = environmentOf(request);
          const event = normalise(name, payload, env);
          const passed = event && (await passedOn(request, event, name, payload));
          if (passed !== undefined) answer = { ...SILENCE, stdout: passed };
          else if (event) answer = answerOf(event, await guard.judge(event, senderOf(request, env)));
        } catch (error) {
          host.report(`/hooks/${name}`, error);
        } finally {
          open -= 1;
        }
      }
      reply(request, response, answer);
    },
    catchUp: (folder) => guard.catchUp(folder, { isLocal: true }),
    close: () => guard.close(),
  };
}

/** Over HTTP the answer is the host's; a command is told what to print and how to end. */
function reply(request: IncomingMessage, response: ServerResponse, answer: HookAnswer): void {
  const isCommand = request.headers[COMMAND_HEADER] !== undefined;
  const body = isCommand ? JSON.stringify(answer) : answer.stdout === "" ? "{}" : answer.stdout;
  const bytes = Buffer.from(body);
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": bytes.length,
    // A body that was not read to its end makes the connection useless.
    ...(request.complete ? {} : { connection: "close" }),
  });
  response.end(bytes);
}

/**
 * What the hub answered that the event belongs to, if that is another. A command has found its hub itself.
 */
async function passedOn({ headers }: IncomingMessage, event: HookEvent, host: Host, payload: unknown) {
  if (headers[COMMAND_HEADER] !== undefined || headers[PASSED_HEADER] !== undefined) return undefined;
  const url = hubElsewhere(event);
  return url === undefined ? undefined : passOn(url, host, payload, headers.authorization);
}

/** Reads bodies, so much of them at once. */
class Bodies {
  #bytes = 0;

  /** The payload; `undefined` for what is too large, no JSON, or breaks off. */
  async read(request: IncomingMessage): Promise<unknown> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let isTooLarge = false;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        const isFull =
          bytes + chunk.length > limits.hookBodyBytesMax ||
          this.#bytes + chunk.length > limits.hookBodiesBytesMax;
        isTooLarge ||= isFull;
        // The rest is read and dropped: a host whose connection breaks may take that for a refusal.
        if (isTooLarge) continue;
        bytes += chunk.length;
        this.#bytes += chunk.length;
        chunks.push(chunk);
      }
      return isTooLarge ? undefined : JSON.parse(Buffer.concat(chunks).toString("utf8"));
    } catch {
      return undefined;
    } finally {
      this.#bytes -= bytes;
    }
  }
}

function environmentOf(request: IncomingMessage): Environment {
  const told = request.headers[ENVIRONMENT_HEADER];
  if (typeof told !== "string") return {};
  try {
    const said: unknown = JSON.parse(Buffer.from(told, "base64url").toString("utf8"));
    if (typeof said !== "object" || said === null) return {};
    return Object.fromEntries(Object.entries(said).filter(([, value]) => typeof value === "string"));
  } catch {
    return {};
  }
}

function senderOf({ headers, socket }: IncomingMessage, env: Environment): Sender {
  const token = bearerToken(headers.authorization);
  const header = headers["holdfast-agent"];
  const agent = env.HOLDFAST_AGENT ?? (typeof header === "string" ? header : "");
  return {
    isLocal: isLocalRequest(socket.remoteAddress ?? "unknown", headers),
    ...(token === undefined ? {} : { token }),
    ...(agent === "" || agent.startsWith("$") ? {} : { agent }),
  };
}
