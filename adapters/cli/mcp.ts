/**
 * The verb `mcp`: tools for a model, over standard input and output of the host that started it.
 */
import type { Client } from "../../core/client/client.ts";
import type { Seat } from "../mcp/seat.ts";
import { hostAgent, namedAgent, parentAgent, subagentOf } from "../place/identity.ts";
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
  // A terminal may hold several hosts: what a shell would be called does not tell them apart.
  const told = namedAgent(args.text("as"), env);
  const agent = told ?? parentAgent("mcp");
  const way = new Way({ ...command, env: { ...env, HOLDFAST_AGENT: agent } }, agent);
  const served = serveOverStdio({
    seat: seatIn(command, way),
    // Where there is something to take part in, others should see that the agent is here; a log is only
    // made when it is needed, for hosts start what they know wherever they are.
    begun: () => {
      if (hubOf(command) !== "" || !isMissing(placeOf(command).file)) way.find().catch(() => undefined);
    },
    met: ({ host, session, subagent }) => {
      if (told !== undefined) return;
      const name = hostAgent(host, session);
      way.become(subagent === undefined ? name : subagentOf(name, subagent));
    },
    report: (what, error) =>
      out.say(`${what}: ${safeLine(error instanceof Error ? error.message : String(error))}`),
  });
  const stop = (): void => void served.close();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, stop);
  await served.ended;
  await way.close();
  return exits.ok;
};

/** The seat of whoever speaks here, in the worktree around the working directory. */
function seatIn(command: Command, way: Way): Seat {
  const { args, env } = command;
  const { root } = placeOf(command).repository;
  return {
    get agent() {
      return way.agent;
    },
    worktree: args.text("worktree") ?? env.HOLDFAST_WORKTREE ?? root,
    client: async () => (await way.find()).client,
    scopeOf: (paths) => toScope(paths, root, root),
    fileOf: (path) => toFile(path, root, root),
    epochs: {
      recall(claim) {
        const known = way.epochs?.recall(claim);
        return known === undefined || known.ended ? undefined : known.epoch;
      },
      remember: (claim, epoch) => way.epochs?.remember(claim, epoch),
      end: (claim, epoch) => way.epochs?.end(claim, epoch),
    },
  };
}

/** The way to the log: found when it is first needed, and again when it was lost. */
class Way {
  #agent: string;
  #command: Command;
  /** What the agent was granted here, shared with its shell; known once the log is. */
  epochs: Epochs | undefined;
  #reached: Promise<Reached<Client>> | undefined;
  #finding: Promise<Reached<Client>> | undefined;
  /** Opened under a name that was given up meanwhile. */
  readonly #left = new Set<Reached<Client>>();
  #closed = false;

  constructor(command: Command, agent: string) {
    this.#command = command;
    this.#agent = agent;
  }

  get agent(): string {
    return this.#agent;
  }

  /** Goes under another name from now on. */
  become(agent: string): void {
    if (agent === this.#agent) return;
    const left = this.#reached;
    this.#agent = agent;
    this.#command = { ...this.#command, env: { ...this.#command.env, HOLDFAST_AGENT: agent } };
    this.#reached = undefined;
    this.#finding = undefined;
    this.epochs = undefined;
    void left?.then(({ client }) => client.close()).catch(() => undefined);
  }

  /** The client on it; calls that come together find one and the same. */
  find(): Promise<Reached<Client>> {
    if (this.#finding !== undefined) return this.#finding;
    const finding = this.#find().finally(() => {
      if (this.#finding === finding) this.#finding = undefined;
    });
    this.#finding = finding;
    return finding;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#finding?.catch(() => undefined);
    await this.#reached?.then(({ client }) => client.close()).catch(() => undefined);
    await Promise.all([...this.#left].map(({ client }) => client.close().catch(() => undefined)));
  }

  async #find(): Promise<Reached<Client>> {
    const known = await this.#reached?.catch(() => undefined);
    if (known !== undefined && (await isUp(known.client))) return known;
    await known?.client.close();
    const reaching = stay(this.#command, "attend");
    this.#reached = reaching;
    const found = await reaching;
    // It goes under another name by now: whoever asked under this one is still answered.
    if (this.#reached === reaching) this.epochs = new Epochs(found);
    else this.#left.add(found);
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
