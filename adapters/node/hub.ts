/**
 * A hub: an engine on a log, with listeners for whoever wants to speak to it.
 */
import type { Engine } from "../../core/engine/engine.ts";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import type { Command } from "../../core/model/model.ts";
import type { Rejection } from "../../core/model/slice.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import type { Listener } from "../../core/ports/transport.ts";
import type { WebServer } from "../../transports/http/index.ts";
import { type ListenOptions, listen } from "../../transports/index.ts";
import { MQTT_PATH } from "../../transports/mqtt/index.ts";
import { hasSpooled } from "../hooks/spool.ts";
import type { Refusing } from "../place/refusals.ts";
import { type NodeEngineOptions, openEngineOnLog } from "./engine.ts";
import { Pages } from "./pages.ts";

/** How to serve. */
export interface ServeOptions extends NodeEngineOptions {
  /** Where to listen; a port of 0 takes a free one. */
  readonly listen: readonly string[];
  /** Where to listen, too, if it can be; what is wrong where it cannot is reported. */
  readonly alsoListen?: readonly string[];
  /** A taken port is replaced by a free one. Default: it is a failure. */
  readonly anyPort?: boolean;
  /** Origins of web pages that may call besides the hub's own, e.g. `https://dash.example`. */
  readonly allowedOrigins?: readonly string[];
  /** Names by which the hub may be called besides loopback and the bound host. */
  readonly allowedHosts?: readonly string[];
  /** Certificates (PEM) of the authorities a joined broker's may come from, instead of those Node knows. */
  readonly ca?: string;
  /** Hears of every command that is refused and every edit that a hook refuses, for people who ask why. */
  readonly onRefused?: (refusal: Refusing) => void;
}

/** A hub that serves. */
export interface Hub {
  readonly engine: Engine;
  readonly log: EventLog;
  /** Where it listens, with the ports that were really taken. */
  readonly urls: readonly string[];
  /**
   * Lets what hooks kept beside a log while no hub ran take effect. Where tokens are asked for it waits for
   * the next hook, which brings one.
   */
  catchUp(folder: string): Promise<void>;
  /**
   * Says goodbye to every connection, answers what is in flight, closes the log. Calling it again does
   * nothing.
   */
  close(): Promise<void>;
}

/**
 * Opens the log, then listens. Throws what either throws, leaving nothing open; `usage` for a url that
 * cannot be listened at, or where others than this machine could call without a token.
 */
export async function serve(options: ServeOptions): Promise<Hub> {
  const {
    listen: urls,
    alsoListen = [],
    anyPort,
    allowedOrigins,
    allowedHosts,
    ca,
    onRefused,
    ...rest
  } = options;
  const { HubMetrics } = await import("./metrics.ts");
  const metrics = new HubMetrics();
  const {
    engine,
    log,
    close: closeEngine,
  } = await openEngineOnLog({
    ...metrics.hooks,
    ...(onRefused === undefined ? {} : { onRefusal: (...all) => onRefused(refusingOf(...all)) }),
    ...rest,
  });
  metrics.watch(engine, log);
  const listeners: Listener[] = [];
  const accept = engine.accept.bind(engine);
  const pages = new Pages(accept, rest.report, onRefused);
  const told: ListenOptions = {
    hasTokens: rest.verify !== undefined,
    ...(rest.verify === undefined ? {} : { verify: rest.verify }),
    observe: accept,
    status: () => engine.status,
    metrics: () => metrics.text(),
    pages: pages.take,
    ...(allowedOrigins === undefined ? {} : { allowedOrigins }),
    ...(allowedHosts === undefined ? {} : { allowedHosts }),
    ...(ca === undefined ? {} : { ca }),
  };
  const close = async (): Promise<void> => {
    // What is in flight is answered first, but a hub that never falls silent must close, too.
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limits.closeMs);
    });
    await Promise.race([engine.settled(), patience]);
    clearTimeout(timer);
    await pages.close();
    await Promise.all(listeners.map((listener) => listener.close()));
    await web?.server.close();
    await closeEngine();
  };
  let web: SharedWeb | undefined;
  try {
    web = await shareWeb(urls, anyPort === true, told);
    for (const url of withoutTwins(urls)) {
      const shares = web?.urls.includes(url) === true;
      const mine = shares ? { ...told, server: web?.server.server, otherUpgradePaths: [MQTT_PATH] } : told;
      listeners.push(await onPort(url, anyPort === true, (at) => listen(at, mine as ListenOptions, accept)));
    }
    for (const url of alsoListen) {
      try {
        listeners.push(await listen(url, told, accept));
      } catch (error) {
        rest.report?.(`not listening at ${url}`, error);
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  let closing: Promise<void> | undefined;
  return {
    engine,
    log,
    urls: listeners.flatMap((listener) => [...listener.urls]),
    catchUp: async (folder) => {
      if (rest.verify === undefined && hasSpooled(folder)) await pages.catchUp(folder);
    },
    close: () => (closing ??= close()),
  };
}

/** A refused command as people would name it: its type, and the ids and names in it. */
function refusingOf(agent: string, command: Command, { code, message, ...fields }: Rejection): Refusing {
  const { type, ...said } = command;
  const names = Object.values(said).filter(
    (value): value is string => typeof value === "string" && value.length <= limits.idMax,
  );
  return { agent, command: [type, ...names], code, message, fields };
}

/** HTTP and WebSocket come together on one port, so the second url of a port says nothing new. */
function withoutTwins(urls: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return urls.filter((url) => {
    if (!/^(ws|http):/i.test(url) || !URL.canParse(url)) return true;
    const { host, port } = new URL(url);
    if (port === "0") return true;
    if (taken.has(host)) return false;
    taken.add(host);
    return true;
  });
}

/** A web server that MQTT shares, and the urls of those who do. */
interface SharedWeb {
  readonly server: WebServer;
  readonly urls: readonly string[];
}

/**
 * Where there is a broker and a web server, the broker is reached over WebSocket, too: `/mqtt` on its
 * port.
 */
async function shareWeb(
  urls: readonly string[],
  anyPort: boolean,
  told: ListenOptions,
): Promise<SharedWeb | undefined> {
  const page = urls.find((url) => /^(ws|http):/i.test(url));
  const broker = urls.find((url) => /^mqtt:/i.test(url));
  if (page === undefined || broker === undefined) return undefined;
  const { openWebServer } = await import("../../transports/http/index.ts");
  return { server: await onPort(page, anyPort, (at) => openWebServer(at, told)), urls: [page, broker] };
}

/** Takes the port of a url, or where that is taken and any will do, a free one. */
async function onPort<T>(url: string, anyPort: boolean, open: (url: string) => Promise<T>): Promise<T> {
  try {
    return await open(url);
  } catch (error) {
    const taken = error instanceof Failure && error.fields.taken === true;
    if (!taken || !anyPort || !URL.canParse(url)) throw error;
    const free = new URL(url);
    free.port = "0";
    return open(free.href.replace(/\/$/, ""));
  }
}
