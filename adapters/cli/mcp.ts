/**
 * The verb `mcp`: tools for a model, over standard input and output of the host that started it.
 */
import type { Client } from "../../core/client/client.ts";
import type { Seat } from "../mcp/seat.ts";
import { namedAgent, parentAgent } from "../place/identity.ts";
import { toFile, toScope } from "../place/paths.ts";
import { safeLine } from "../place/plain.ts";
import { type Command, exits, type Run } from "./command.ts";
import { Epochs } from "./epochs.ts";
import { hubOf, isMissing, placeOf, type Reached, stay } from "./reach.ts";

/** How long a client that has lost its hub may look for it before another way is sought. */
const LOST_MS = 1500;
const LOOK_MS = 50;

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
    const known = this.#ways.get(agent);
    if (known !== undefined) return known;
    const { env } = this.#command;
    const way = new Way({ ...this.#command, env: { ...env, HOLDFAST_AGENT: agent } });
    this.#ways.set(agent, way);
    return way;
  }

  #seat(agent: () => string): Omit<Seat, "agent"> {
    const { args, env } = this.#command;
    const { root } = placeOf(this.#command).repository;
    const epochs = (): Epochs | undefined => this.#way(agent()).epochs;
    return {
      worktree: args.text("worktree") ?? env.HOLDFAST_WORKTREE ?? root,
      client: async () => (await this.#way(agent()).find()).client,
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

/** One agent's way to the log: found when it is first needed, and again when it was lost. */
class Way {
  readonly #command: Command;
  /** What the agent was granted here, shared with its shell; known once the log is. */
  epochs: Epochs | undefined;
  #reached: Promise<Reached<Client>> | undefined;
  #finding: Promise<Reached<Client>> | undefined;
  #closed = false;

  constructor(command: Command) {
    this.#command = command;
  }

  /** The client on it; calls that come together find one and the same. */
  find(): Promise<Reached<Client>> {
    this.#finding ??= this.#find().finally(() => {
      this.#finding = undefined;
    });
    return this.#finding;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#finding?.catch(() => undefined);
    await this.#reached?.then(({ client }) => client.close()).catch(() => undefined);
  }

  async #find(): Promise<Reached<Client>> {
    const known = await this.#reached?.catch(() => undefined);
    if (known !== undefined && (await isUp(known.client))) return known;
    await known?.client.close();
    this.#reached = stay(this.#command, "attend");
    const found = await this.#reached;
    this.epochs = new Epochs(found);
    if (this.#closed) await found.client.close();
    return found;
  }
}

async function isUp(client: Client): Promise<boolean> {
  for (let waited = 0; !client.isUp; waited += LOOK_MS) {
    if (waited >= LOST_MS) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return true;
}
