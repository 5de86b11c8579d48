/**
 * What a hub offers over HTTP besides the protocol itself: hooks of hosts at `/hooks/HOST`, MCP at `/mcp`.
 * Each is loaded when it is first asked for, and speaks to the hub as any agent does.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Client, type ClientOptions, openClient } from "../../core/client/client.ts";
import type { Accept } from "../../core/ports/transport.ts";
import { Bodies } from "../../transports/http/exchange.ts";
import { memoryPair } from "../../transports/memory/pair.ts";
import type { Refusing } from "../place/refusals.ts";
import { systemChance, systemClock } from "./system.ts";

/** Who speaks through a page, as `session.open` is told. */
export type Visitor = Omit<ClientOptions, "dial" | "clock" | "chance">;

/** What a page is given of its hub. */
export interface PageHost {
  /**
   * Opens a session in this process. Throws `Refused` as any session is, e.g. without a token. `loopback`:
   * whether whoever asked for it sits at this machine, which a hub without tokens insists on.
   */
  connect(visitor: Visitor, loopback?: boolean): Promise<Client>;
  /** Hears of what went wrong and is nobody's to answer. */
  report(what: string, error: unknown): void;
  /** Reads bodies, all of which together take a bounded amount of memory. */
  readonly bodies: Bodies;
  /** Hears of what a page refused by itself, without a command that was. */
  refused?(refusal: Refusing): void;
}

/** One family of pages. */
export interface Desk {
  /** Answers one request, whatever it holds; does not throw. */
  take(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Lets what waited beside a log for a hub take effect. */
  catchUp?(folder: string): Promise<void>;
  /** Ends every session it holds. */
  close(): Promise<void>;
}

type Open = (host: PageHost) => Promise<Desk>;

const openHooks: Open = async (host) => (await import("../hooks/desk.ts")).openHookDesk(host);

/** By the first part of the path. */
const DESKS: { readonly [part: string]: Open } = {
  hooks: openHooks,
  mcp: async (host) => (await import("../mcp/desk.ts")).openMcpDesk(host),
};

/** The pages of one hub. */
export class Pages {
  readonly #host: PageHost;
  readonly #desks = new Map<string, Promise<Desk>>();

  constructor(
    accept: Accept,
    report: (what: string, error: unknown) => void = () => undefined,
    refused: (refusal: Refusing) => void = () => undefined,
  ) {
    this.#host = {
      bodies: new Bodies(),
      report,
      refused,
      connect: (visitor, loopback = true) =>
        openClient({
          clock: systemClock,
          chance: systemChance,
          ...visitor,
          dial: async () => {
            const [near, far] = memoryPair(undefined, { transport: "memory", loopback });
            accept(far);
            return near;
          },
        }),
    };
  }

  /** Whether it knows the path of a request, which is then answered. */
  readonly take = (request: IncomingMessage, response: ServerResponse): boolean => {
    const part = /^\/([a-z]+)(?=[/?]|$)/.exec(request.url ?? "")?.[1] ?? "";
    const open = Object.hasOwn(DESKS, part) ? DESKS[part] : undefined;
    if (open === undefined) return false;
    this.#answer(part, open, request, response).catch((error: unknown) => {
      this.#host.report(`/${part}`, error);
      response.destroy();
    });
    return true;
  };

  /** Lets hooks that waited beside a log for a hub take effect. */
  async catchUp(folder: string): Promise<void> {
    try {
      await (await this.#desk("hooks", openHooks)).catchUp?.(folder);
    } catch (error) {
      this.#host.report("hooks that waited for a hub", error);
    }
  }

  async close(): Promise<void> {
    const desks = await Promise.allSettled(this.#desks.values());
    await Promise.all(desks.map((desk) => (desk.status === "fulfilled" ? desk.value.close() : undefined)));
  }

  async #answer(part: string, open: Open, request: IncomingMessage, response: ServerResponse): Promise<void> {
    await (await this.#desk(part, open)).take(request, response);
  }

  #desk(part: string, open: Open): Promise<Desk> {
    const desk = this.#desks.get(part) ?? open(this.#host);
    this.#desks.set(part, desk);
    return desk;
  }
}
