/**
 * `serve`: runs a hub on the log, says where it listens, and ends well when told to.
 */
import { resolve } from "node:path";
import type { Settings } from "../../core/model/log.ts";
import { transports } from "../../transports/index.ts";
import { type ServedFeed, serveFeed } from "../node/feed.ts";
import type { Hub } from "../node/hub.ts";
import { serve } from "../node/hub.ts";
import { tokenVerifier } from "../node/tokens.ts";
import { type Command, exits, type Run } from "./command.ts";
import { removeHubFile, writeHubFile } from "./hub-file.ts";
import { placeOf } from "./reach.ts";
import { type Output, safeLine } from "./render.ts";

/** Where a hub listens unless told otherwise; a taken port is replaced by a free one. */
const DEFAULTS = [
  { scheme: "ws", url: "ws://127.0.0.1:4653" },
  { scheme: "mqtt", url: "mqtt://127.0.0.1:4654" },
] as const;

export const serveVerb: Run = async (command) => {
  const { args, out, cwd } = command;
  const place = placeOf(command);
  const where = args.text("log") ?? command.env.HOLDFAST_LOG ?? "";
  const inMemory = where.startsWith("memory:");
  const spool = args.text("spool");
  const spools = spool === undefined ? [] : [`ndjson:${resolve(cwd, spool)}`];
  const listen = args.list("listen");
  const tokenFile = args.text("token-file");
  const settings = settingsOf(command);
  const hub = await serve({
    log: inMemory ? where : `sqlite:${place.file}`,
    open: {
      ...(args.flag("relaxed") ? { durability: "relaxed" as const } : {}),
      acceptLoss: args.flag("accept-loss"),
    },
    settings,
    listen: [...(listen ?? defaults()), ...spools],
    anyPort: listen === undefined,
    ...(tokenFile === undefined ? {} : { verify: tokenVerifier(resolve(cwd, tokenFile)) }),
    report: (what, error) =>
      out.say(`${what}: ${error instanceof Error ? safeLine(error.message) : String(error)}`),
  });
  const feedFile = args.text("feed");
  let feed: ServedFeed | undefined;
  try {
    await configure(hub, settings, command);
    if (feedFile !== undefined) {
      feed = await serveFeed(hub.engine, hub.log, {
        file: resolve(cwd, feedFile),
        full: args.flag("feed-full"),
        report: (error) => out.say(`The feed stopped: ${safeLine(String(error))}`),
      });
    }
    if (!inMemory) {
      writeHubFile(place.folder, {
        pid: process.pid,
        hub: hub.engine.hub,
        log: hub.engine.state().log.log,
        urls: hub.urls,
      });
    }
    const stopped = stopSignal(hub, out.say);
    announce(hub, out);
    return await stopped;
  } finally {
    removeHubFile(place.folder, hub.engine.hub);
    await feed?.close();
    await hub.close();
  }
};

function defaults(): readonly string[] {
  return DEFAULTS.filter(({ scheme }) => Object.hasOwn(transports, scheme)).map(({ url }) => url);
}

/** Says that it is ready and where; on stderr where stdout carries frames. */
function announce({ urls, log }: Hub, out: Output): void {
  const said = { ready: true, listening: urls, log: log.url };
  if (urls.some((url) => url.startsWith("stdio:"))) return out.say(JSON.stringify(said));
  out.data(said, () => [...urls.map((url) => `listening at ${url}`), `log ${log.url}`].join("\n"));
}

function settingsOf({ args }: Command): Partial<Settings> {
  const idleAfterMs = args.durationMs("idle-after");
  const goneAfterMs = args.durationMs("gone-after");
  const stalledAfterMs = args.durationMs("stalled-after");
  return {
    ...(idleAfterMs === undefined ? {} : { idleAfterMs }),
    ...(goneAfterMs === undefined ? {} : { goneAfterMs }),
    ...(stalledAfterMs === undefined ? {} : { stalledAfterMs }),
    ...(args.flag("fold-case") ? { foldCase: true } : {}),
  };
}

/** Brings what was asked for into a log that was there before; says what cannot be. */
async function configure({ engine }: Hub, settings: Partial<Settings>, { out }: Command): Promise<void> {
  const { foldCase, ...changeable } = settings;
  if (foldCase === true && !engine.state().log.settings.foldCase) {
    out.say("--fold-case has no effect: whether case matters was settled when this log was made.");
  }
  if (Object.keys(changeable).length === 0) return;
  const outcome = await engine.own({ type: "log.configure", ...changeable });
  if (!outcome.ok) out.say(safeLine(outcome.rejection.message));
}

/**
 * Resolves with the exit code once the hub is told to stop, or stops by itself; a second signal ends it at
 * once.
 */
function stopSignal({ engine }: Hub, say: (words: string) => void): Promise<number> {
  return new Promise((resolve) => {
    const stop = (code: number): void => {
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
        process.removeAllListeners(signal);
        process.once(signal, () => process.exit(exits.failed));
      }
      resolve(code);
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stop(exits.ok));
    engine.entries$.subscribe({
      complete: () => {
        if (engine.status === "failed")
          say("The hub stopped: its log cannot be served any longer; see above.");
        stop(engine.status === "failed" ? exits.failed : exits.ok);
      },
    });
  });
}
