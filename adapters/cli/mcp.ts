/**
 * The verb `mcp`: tools for a model, over standard input and output of the host that started it.
 */
import type { Client } from "../../core/client/client.ts";
import { limits } from "../../core/limits.ts";
import type { Seat } from "../mcp/seat.ts";
import { readHubFile } from "../place/hub-file.ts";
import { namedAgent, parentAgent } from "../place/identity.ts";
import { toFile, toScope } from "../place/paths.ts";
import { safeLine } from "../place/plain.ts";
import { type Command, exits, type Run } from "./command.ts";
import { Epochs } from "./epochs.ts";
import { hubOf, isMissing, placeOf } from "./reach.ts";

export const mcpVerb: Run = async (command) => {
  const { serveOverStdio } = await import("../mcp/stdio.ts");
  const { out, env, args } = command;
  const named = namedAgent(args.text("as"), env);
  const seats = new Seats(command, named);
  const served = serveOverStdio({
    seat: seats.first,
    // Where there is something to take part in, others should see that the agent is here; a log is only
    // made when it is needed, for hosts start what they know wherever they are.
    begun: () => {
      const isThere = hubOf(command) !== "" || !isMissing(placeOf(command).file);
      if (isThere && named !== undefined) seats.first.client().catch(() => undefined);
    },
    report: (what, error) =>
      out.say(`${what}: ${safeLine(error instanceof Error ? error.message : String(error))}`),
  });
  const stop = (): void => void served.close();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, stop);
  await served.ended;
  await seats.close();
  return exits.ok;
};

/**
 * The seats of whoever speaks here, in the worktree around the working directory. Where neither the command
 * nor the environment says who that is, the host may with a call; else it is called after its process,
 * because a terminal may hold several hosts and what a shell would be called does not tell them apart.
 */
class Seats {
  readonly first: Seat;
  readonly #command: Command;
  readonly #ways = new Map<string, Way>();
  #agent: string | undefined;

  constructor(command: Command, named: string | undefined) {
    this.#command = command;
    this.#agent = named;
    const seats = this;
    this.first = {
      ...this.#seat(() => this.#firstAgent()),
      get agent() {
        return seats.#agent ?? parentAgent("mcp");
      },
      ...(named === undefined ? { forAgent: (agent: string) => this.#of(agent) } : {}),
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#ways.values()].map((way) => way.close()));
  }

  /** The first name that is needed stays the first seat's. */
  #firstAgent(): string {
    this.#agent ??= parentAgent("mcp");
    return this.#agent;
  }

  #of(agent: string): Seat {
    this.#agent ??= agent;
    return this.#agent === agent ? this.first : { agent, ...this.#seat(() => agent) };
  }

  #way(agent: string): Way {
    const way = this.#ways.get(agent) ?? new Way(this.#command, agent);
    this.#ways.delete(agent);
    this.#ways.set(agent, way);
    // A host's subagents come and go without a word; the one that spoke longest ago has gone.
    const oldest = [...this.#ways.keys()].find((name) => name !== this.#agent);
    if (this.#ways.size > limits.mcpSeatsMax && oldest !== undefined) {
      this.#ways.get(oldest)?.close();
      this.#ways.delete(oldest);
    }
    return way;
  }

  #seat(agent: () => string): Omit<Seat, "agent"> {
    const { args, env } = this.#command;
    const { root } = placeOf(this.#command).repository;
    const epochs = (): Epochs | undefined => this.#way(agent()).epochs;
    return {
      worktree: args.text("worktree") ?? env.HOLDFAST_WORKTREE ?? root,
      client: () => this.#way(agent()).client(),
      scopeOf: (paths) => toScope(paths, root, root),
      fileOf: (path) => toFile(path, root, root),
      epochs: {
        recall(claim) {
          const known = epochs()?.recall(claim);
          return known === undefined || known.ended ? undefined : known.epoch;
        },
        remember: (claim, epoch) => epochs()?.remember(claim, epoch),
        end: (claim, epoch) => epochs()?.end(claim, epoch),
      },
    };
  }
}

/** One agent's way to the log: through the hub that runs, else to the log itself, whichever there is. */
class Way {
  readonly #command: Command;
  readonly #agent: string;
  /** What the agent was granted here, shared with its shell; known once the log is. */
  epochs: Epochs | undefined;
  #client: Promise<Client> | undefined;

  constructor(command: Command, agent: string) {
    this.#command = command;
    this.#agent = agent;
  }

  client(): Promise<Client> {
    this.#client ??= this.#open().catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }

  async close(): Promise<void> {
    await this.#client?.then((client) => client.close()).catch(() => undefined);
  }

  async #open(): Promise<Client> {
    const { connectAnyhow } = await import("../node/connect.ts");
    const { folder, file, repository } = placeOf(this.#command);
    const { args, env } = this.#command;
    const named = hubOf(this.#command);
    const agent = this.#agent;
    const ways = () => {
      if (named !== "") return [{ url: named }];
      const running = readHubFile(folder);
      const urls = running?.urls.filter((url) => /^(ws|mqtt):/.test(url)) ?? [];
      return [
        ...urls.map((url) => ({ url, ...(running && { log: running.log }) })),
        { url: `sqlite:${file}` },
      ];
    };
    const token = env.HOLDFAST_TOKEN;
    const client = await connectAnyhow(ways, { agent, ...(token ? { token } : {}) });
    const worktree = args.text("worktree") ?? env.HOLDFAST_WORKTREE ?? repository.root;
    this.epochs = new Epochs({ folder, log: client.session?.log ?? "", agent, worktree });
    return client;
  }
}
