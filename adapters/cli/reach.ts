/**
 * Reaching the log: through the hub that was named, else the hub of this repository if one runs, else
 * directly.
 */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Client } from "../../core/client/client.ts";
import { type Caller, openVisit } from "../../core/client/visit.ts";
import { Failure } from "../../core/failures.ts";
import type { SessionParams } from "../../core/protocol/methods.ts";
import { systemChance, systemClock } from "../node/system.ts";
import { readHubFile } from "../place/hub-file.ts";
import { whoAmI } from "../place/identity.ts";
import { findRepository, type Repository } from "../place/repository.ts";
import type { Command } from "./command.ts";

/**
 * `look`: reads, and leaves no trace in the log. `act`: speaks as the agent. `operate`: speaks as an
 * operator.
 */
export type Mode = "look" | "act" | "operate";

/** What `session.open` is told. */
export type Opening = SessionParams<"session.open">;

/** A way to the log, open until its client is closed. */
export interface Reached<C = Caller> {
  readonly client: C;
  readonly agent: string;
  readonly repository: Repository;
  /** Label of the worktree: the real path of its root, unless `--worktree` says otherwise. */
  readonly worktree: string;
  /** Folder of what stands beside the log. */
  readonly folder: string;
  /** Id of the log. */
  readonly log: string;
  /** The hub spoken to; absent: the log itself. */
  readonly hub?: string;
  /** The log spoken to directly; absent: through a hub. */
  readonly file?: string;
  /** There is no log yet, so there is nothing to see. */
  readonly empty?: true;
}

/** Where the log of this command is. */
export interface Place {
  readonly repository: Repository;
  /** File of the log. */
  readonly file: string;
  /** Folder of what stands beside it. */
  readonly folder: string;
}

/** The log that is meant: `--log`, HOLDFAST_LOG, else that of the repository around the working directory. */
export function placeOf({ args, env, cwd }: Pick<Command, "args" | "env" | "cwd">): Place {
  const repository = findRepository(cwd);
  const named = args.text("log") ?? env.HOLDFAST_LOG;
  if (named === undefined || named === "") {
    return { repository, file: resolve(repository.folder, "log.db"), folder: repository.folder };
  }
  const file = resolve(cwd, named.replace(/^sqlite:(\/\/(?=\/))?/, ""));
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new Failure("usage", `${file} is a folder. Name the file of a log, e.g. ${file}/log.db.`, {
      fields: { file },
    });
  }
  return { repository, file, folder: resolve(file, "..") };
}

/** The hub that was named; empty where the place tells. */
export function hubOf({ args, env }: Pick<Command, "args" | "env">): string {
  return args.text("hub") ?? env.HOLDFAST_HUB ?? "";
}

/** The hub alone, if there is one to be reached; who asks in any case. */
export async function reachHub(
  command: Command,
  mode: Mode,
): Promise<{ readonly agent: string; readonly hub: Reached | undefined }> {
  const { agent } = openingOf(command, mode);
  const nowhere = Symbol("no hub");
  try {
    const direct = (): Promise<Caller> => Promise.reject(nowhere);
    return {
      agent,
      hub: await reachWith<Caller>(command, mode, { hub: visitHub, direct, logOf: logOfCaller }),
    };
  } catch (error) {
    if (error !== nowhere) throw error;
    return { agent, hub: undefined };
  }
}

const logOfCaller = (client: Caller): string => client.log;

/**
 * Opens a way to the log for a few calls. Throws `hub.unreachable` when a hub was named and does not
 * answer.
 */
export function reach(command: Command, mode: Mode): Promise<Reached> {
  return reachWith<Caller>(command, mode, {
    hub: visitHub,
    direct: async (file, opening) => {
      if (mode !== "look") return (await import("./direct-act.ts")).actDirectly(file, opening);
      return (await import("./direct-look.ts")).lookDirectly(
        isMissing(file) ? undefined : file,
        opening.agent,
      );
    },
    logOf: logOfCaller,
  });
}

/**
 * The same with a client that stays: it follows, keeps leases, and mends its connection for as long as it
 * is open.
 */
export function stay(command: Command, mode: Mode): Promise<Reached<Client>> {
  return reachWith<Client>(command, mode, {
    hub: async (url, opening) => (await import("../node/connect.ts")).connect(url, opening),
    direct: async (file, opening) => {
      const { connect } = await import("../node/connect.ts");
      if (mode !== "look") return connect(`sqlite:${file}`, opening);
      if (isMissing(file))
        throw new Failure("log.unusable", `There is no log at ${file} yet.`, { fields: { file } });
      return connect(`sqlite:${file}`, { ...opening, engine: { open: { readOnly: true } } });
    },
    logOf: (client) => client.session?.log ?? "",
  });
}

/** How a kind of client is opened. */
interface Ways<C> {
  readonly hub: (url: string, opening: Opening) => Promise<C>;
  readonly direct: (file: string, opening: Opening) => Promise<C>;
  readonly logOf: (client: C) => string;
}

async function reachWith<C extends { close(): Promise<void> }>(
  command: Command,
  mode: Mode,
  ways: Ways<C>,
): Promise<Reached<C>> {
  const { args, env } = command;
  const place = placeOf(command);
  const { repository, file, folder } = place;
  const opening = openingOf(command, mode);
  const { agent } = opening;
  const hub = await throughHub(command, place, opening, ways);
  const client = hub?.client ?? (await ways.direct(file, opening));
  const worktree = args.text("worktree") ?? env.HOLDFAST_WORKTREE ?? repository.root;
  const log = ways.logOf(client);
  const way = hub === undefined ? { file } : { hub: hub.url };
  const empty = hub === undefined && mode === "look" && isMissing(file) ? { empty: true as const } : {};
  return { client, agent, repository, worktree, folder, log, ...way, ...empty };
}

function openingOf({ args, env }: Command, mode: Mode): Opening {
  const who = whoAmI(args.text("as"), env);
  const token = env.HOLDFAST_TOKEN;
  // An agent that operates for a moment stays the working agent it is: it acts under a name beside its own.
  const beside = mode === "operate" && args.text("as") === undefined && !token;
  return {
    agent: beside ? `operator/${who}` : who,
    ...(token ? { token } : {}),
    ...(mode === "look" ? { observe: true } : { oneShot: true }),
    ...(mode === "operate" ? { role: "operator" } : {}),
  };
}

/** The hub that was named, or the one of this log that answers and serves the log it is said to. */
async function throughHub<C extends { close(): Promise<void> }>(
  command: Command,
  { folder }: Place,
  opening: Opening,
  ways: Ways<C>,
): Promise<{ readonly client: C; readonly url: string } | undefined> {
  const named = hubOf(command);
  if (named !== "") return { client: await ways.hub(named, opening), url: named };
  const running = readHubFile(folder);
  for (const url of running?.urls ?? []) {
    if (!/^(ws|mqtt):/.test(url)) continue;
    try {
      const client = await ways.hub(url, opening);
      if (ways.logOf(client) === running?.log) return { client, url };
      await client.close();
    } catch (error) {
      const gone =
        error instanceof Failure && (error.code === "hub.unreachable" || error.code === "hub.refused");
      if (!gone) throw error;
    }
  }
  return undefined;
}

/** Opens a session with the hub at a url for a few calls. */
export async function visitHub(url: string, opening: Opening): Promise<Caller> {
  const { token, agent } = opening;
  const told = { agent, ...(token === undefined ? {} : { token }) };
  const dial = /^ws:/i.test(url)
    ? async () => (await import("../../transports/websocket/caller.ts")).call(url, told)
    : async () => (await import("../../transports/index.ts")).connect(url, told);
  return openVisit({ dial, opening, clock: systemClock, chance: systemChance });
}

/** Neither the log nor a trace that there once was one. */
export function isMissing(file: string): boolean {
  return !existsSync(file) && !existsSync(`${file}.witness`);
}

/** Opens, does something, and closes whatever happens. */
export async function reaching<T>(
  command: Command,
  mode: Mode,
  work: (reached: Reached) => Promise<T>,
): Promise<T> {
  const reached = await reach(command, mode);
  try {
    return await work(reached);
  } finally {
    await reached.client.close();
  }
}

/** The same with a client that stays. */
export async function staying<T>(
  command: Command,
  mode: Mode,
  work: (reached: Reached<Client>) => Promise<T>,
): Promise<T> {
  const reached = await stay(command, mode);
  try {
    return await work(reached);
  } finally {
    await reached.client.close();
  }
}
