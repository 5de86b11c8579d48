/**
 * Reaching the log: through the hub that was named, else the hub of this repository if one runs, else directly.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Client, ClientOptions } from "../../core/client/client.ts";
import { Failure } from "../../core/failures.ts";
import type { Command } from "./command.ts";
import { Epochs } from "./epochs.ts";
import { type HubFile, readHubFile } from "./hub-file.ts";
import { whoAmI } from "./identity.ts";
import { findRepository, type Repository } from "./repository.ts";

/**
 * `look`: reads, and leaves no trace in the log. `act`: speaks as the agent. `operate`: speaks as an operator.
 */
export type Mode = "look" | "act" | "operate";

/** A way to the log, open until `close`. */
export interface Reached {
  readonly client: Client;
  readonly agent: string;
  readonly repository: Repository;
  /** Label of the worktree: the real path of its root, unless `--worktree` says otherwise. */
  readonly worktree: string;
  readonly epochs: Epochs;
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
  return { repository, file, folder: resolve(file, "..") };
}

/**
 * Opens a client for a command. Throws `hub.unreachable` when a hub was named and does not answer, and whatever opening
 * the log says. Nothing is left open when it throws.
 */
export async function reach(command: Command, mode: Mode): Promise<Reached> {
  const { args, env } = command;
  const place = placeOf(command);
  const who = whoAmI(args.text("as"), env);
  const token = env.HOLDFAST_TOKEN;
  // An agent that operates for a moment stays the working agent it is: it acts under a name beside its own.
  const agent = mode === "operate" && args.text("as") === undefined && !token ? `operator/${who}` : who;
  const options: Omit<ClientOptions, "dial" | "clock" | "chance"> = {
    agent,
    ...(token ? { token } : {}),
    ...(mode === "look" ? { observe: true } : { oneShot: true }),
    ...(mode === "operate" ? { role: "operator" } : {}),
  };
  const found = await open(command, place, mode, options);
  const worktree = args.text("worktree") ?? env.HOLDFAST_WORKTREE ?? place.repository.root;
  const epochs = new Epochs(place.folder, found.client.session?.log ?? "", agent, worktree);
  return { ...found, agent, repository: place.repository, worktree, epochs };
}

type Opening = Omit<ClientOptions, "dial" | "clock" | "chance">;
type Found = Pick<Reached, "client" | "hub" | "file" | "empty">;

async function open({ args, env }: Command, place: Place, mode: Mode, options: Opening): Promise<Found> {
  const named = args.text("hub") ?? env.HOLDFAST_HUB;
  if (named !== undefined && named !== "") {
    const { connect } = await import("../node/connect.ts");
    return { client: await connect(named, options), hub: named };
  }
  const running = readHubFile(place.folder);
  if (running !== undefined) {
    const client = await throughHub(running, options);
    if (client !== undefined) return client;
  }
  return directly(place.file, mode, options);
}

/** The first of a hub's urls that answers, if it serves the log it is said to. */
async function throughHub(running: HubFile, options: Opening): Promise<Found | undefined> {
  const { connect } = await import("../node/connect.ts");
  for (const url of running.urls) {
    if (!/^(ws|http|mqtt):/.test(url)) continue;
    try {
      const client = await connect(url, options);
      if (client.session?.log === running.log) return { client, hub: url };
      await client.close();
    } catch (error) {
      const gone =
        error instanceof Failure && (error.code === "hub.unreachable" || error.code === "hub.refused");
      if (!gone) throw error;
    }
  }
  return undefined;
}

/** An engine in this process. A look opens the log for reading, so that nothing that is due is written by it. */
async function directly(file: string, mode: Mode, options: Opening): Promise<Found> {
  const [{ connectTo }, { openEngineOnLog }] = await Promise.all([
    import("../node/connect.ts"),
    import("../node/engine.ts"),
  ]);
  const empty = mode === "look" && !existsSync(file) && !existsSync(`${file}.witness`);
  const served = await openEngineOnLog(
    empty ? { log: "memory:" } : { log: `sqlite:${file}`, open: { readOnly: mode === "look" } },
  );
  return { client: await connectTo(served, options), file, ...(empty ? { empty: true as const } : {}) };
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
