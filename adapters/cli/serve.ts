/**
 * `serve`: runs a hub on the log, says where it listens, and ends well when told to.
 */
import { join, resolve } from "node:path";
import type { Settings } from "../../core/model/log.ts";
import { type ServedFeed, serveFeed } from "../node/feed.ts";
import { spareMemory } from "../node/frugal.ts";
import type { Hub } from "../node/hub.ts";
import { serve } from "../node/hub.ts";
import { tokenVerifier } from "../node/tokens.ts";
import { removeHubFile, writeHubFile } from "../place/hub-file.ts";
import { RefusalNotes } from "../place/refusals.ts";
import { version } from "../place/version.ts";
import { type Command, exits, type Run } from "./command.ts";
import { type Place, placeOf } from "./reach.ts";
import { type Output, safeLine } from "./render.ts";
import { hookPort } from "./setup-terms.ts";
import { appendWords } from "./words-file.ts";

/** Where a hub listens unless told otherwise; a taken port is replaced by a free one. */
const WEB_PORT = 4653;
const BROKER = "mqtt://127.0.0.1:4654";

export const serveVerb: Run = async (given) => {
  const command = speakingTo(given);
  const { args, out, cwd } = command;
  const place = placeOf(command);
  const where = args.text("log") ?? command.env.HOLDFAST_LOG ?? "";
  const inMemory = where.startsWith("memory:");
  const tokenFile = args.text("token-file");
  const [allowedHosts, allowedOrigins] = [args.list("allow-host"), args.list("allow-origin")];
  const settings = settingsOf(command);
  const { feed: feedPlan, ...ways } = planOf(command, place, inMemory);
  const notes = inMemory ? undefined : new RefusalNotes(place.folder);
  const hub = await serve({
    ...(notes === undefined ? {} : { onRefused: notes.note }),
    log: inMemory ? where : `sqlite:${place.file}`,
    open: {
      ...(args.flag("relaxed") ? { durability: "relaxed" as const } : {}),
      acceptLoss: args.flag("accept-loss"),
    },
    settings,
    ...ways,
    ...(tokenFile === undefined ? {} : { verify: tokenVerifier(resolve(cwd, tokenFile)) }),
    ...(allowedHosts === undefined ? {} : { allowedHosts }),
    ...(allowedOrigins === undefined ? {} : { allowedOrigins }),
    report: (what, error) =>
      out.say(`${what}: ${error instanceof Error ? safeLine(error.message) : String(error)}`),
  });
  spareMemory();
  let feed: ServedFeed | undefined;
  try {
    await configure(hub, settings, command);
    feed = feedPlan === undefined ? undefined : await startFeed(hub, feedPlan, command);
    if (!inMemory) {
      tellOthers(hub, place.folder, out);
      void hub.catchUp(place.folder);
    }
    const stopped = stopSignal(hub, out.say);
    announce(hub, feed === undefined ? undefined : feedPlan?.file, out);
    return await stopped;
  } finally {
    removeHubFile(place.folder, hub.engine.hub);
    await feed?.close();
    await hub.close();
    notes?.write();
  }
};

/** The same command, its words going to a file where it runs in the background. */
function speakingTo(command: Command): Command {
  const words = command.args.text("words");
  if (words === undefined) return command;
  const file = resolve(command.cwd, words);
  const say = (line: string): void => appendWords(file, line);
  return { ...command, out: { json: false, say, data: (_, people) => say(people().replaceAll("\n", ", ")) } };
}

/** Leaves word of where the hub listens. Where no file can be written it serves all the same. */
function tellOthers({ engine, urls }: Hub, folder: string, out: Output): void {
  try {
    writeHubFile(folder, { pid: process.pid, hub: engine.hub, log: engine.state().log.log, urls, version });
  } catch (error) {
    out.say(`Commands will need --hub to find this hub: ${safeLine((error as Error).message)}.`);
  }
}

/** What a hub offers, and to whom. */
interface Plan {
  readonly listen: readonly string[];
  /** Offered as a matter of habit: done without where it cannot be. */
  readonly alsoListen: readonly string[];
  /** Where a port of habit is taken, another will do. */
  readonly anyPort: boolean;
  readonly feed?: { readonly file: string; readonly asked: boolean };
}

/** Everything, where nothing is named; else what is named. */
function planOf({ args, cwd }: Command, { folder, repository }: Place, inMemory: boolean): Plan {
  const named = args.list("listen");
  const spool = args.text("spool");
  const file = args.text("feed");
  const usual = named === undefined && !inMemory;
  const spools = spool === undefined ? [] : [`ndjson:${resolve(cwd, spool)}`];
  const usualSpool = usual && spool === undefined && !args.flag("no-spool");
  const feeds = file !== undefined ? [resolve(cwd, file)] : usual ? [join(folder, "feed.ndjson")] : [];
  const [feed] = args.flag("no-feed") ? [] : feeds;
  // The hooks of a repository are posted to a port of its own, which its hub tries first.
  const ofHooks = folder === repository.folder && !inMemory ? hookPort(repository.root) : undefined;
  const web = `ws://127.0.0.1:${args.integer("port") ?? ofHooks ?? WEB_PORT}`;
  return {
    listen: [...(named ?? [web, BROKER]), ...spools],
    alsoListen: usualSpool ? [`ndjson:${join(folder, "spool")}`] : [],
    anyPort: named === undefined,
    ...(feed === undefined ? {} : { feed: { file: feed, asked: file !== undefined } }),
  };
}

/** Starts the feed; where another hub writes it and nobody asked for it here, it is left to that one. */
async function startFeed(
  { engine, log }: Hub,
  { file, asked }: NonNullable<Plan["feed"]>,
  { args, out }: Command,
): Promise<ServedFeed | undefined> {
  const [bytes, files] = [args.integer("feed-bytes"), args.integer("feed-files")];
  try {
    return await serveFeed(engine, log, {
      file,
      full: args.flag("feed-full"),
      ...(bytes === undefined ? {} : { feedBytesMax: bytes }),
      ...(files === undefined ? {} : { feedFilesMax: Math.max(1, files) }),
      report: (error) => out.say(`The feed stopped: ${safeLine(String(error))}`),
    });
  } catch (error) {
    if (asked) throw error;
    out.say(`no feed: ${safeLine((error as Error).message)}`);
    return undefined;
  }
}

/** Says that it is ready and where; on stderr where stdout carries frames. */
function announce({ urls, log }: Hub, feed: string | undefined, out: Output): void {
  const said = { ready: true, listening: urls, log: log.url, ...(feed === undefined ? {} : { feed }) };
  if (urls.some((url) => url.startsWith("stdio:"))) return out.say(JSON.stringify(said));
  const lines = [...urls.map((url) => `listening at ${url}`), `log ${log.url}`];
  if (feed !== undefined) lines.push(`feed ${feed}`);
  out.data(said, () => lines.join("\n"));
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
