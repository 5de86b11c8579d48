/**
 * The fleet: what all agents of the demo share. Who they call, what they were told, what is left to do.
 */
import { type Client, openClient } from "../../../core/client/client.ts";
import { Refused } from "../../../core/client/refused.ts";
import { Replica } from "../../../core/client/replica.ts";
import { Failure } from "../../../core/failures.ts";
import type { State } from "../../../core/model/model.ts";
import type { Connection } from "../../../core/ports/transport.ts";
import { connect as dial } from "../../../transports/index.ts";
import { systemChance, systemClock } from "../../node/system.ts";
import { Testimony } from "./testimony.ts";
import type { Planned } from "./trace.ts";

/** Length of the leases: short, so that what the dead held is soon free. */
export const TTL_MS = 2500;

/** How long an agent without work waits before it asks again though it heard of nothing. */
const ASK_AGAIN_MS = 500;

/** A client and the one way to end it that no client has: to be dead from one moment to the next. */
export interface Member {
  readonly name: string;
  readonly client: Client;
  /** What it holds, for whoever wants to kill it at a bad moment. */
  holding: { readonly claim: string; readonly epoch: number } | undefined;
  dead: boolean;
}

export class Fleet {
  readonly testimony = new Testimony();
  readonly members = new Map<string, Member>();
  /** An onlooker's copy of the state, folded from what it is sent. */
  readonly seen = new Replica();
  /** Where the hub is; changes when it is started again. */
  url = "";
  finished = false;
  private readonly wires = new Map<Client, Connection>();
  private readonly plan: ReadonlySet<string>;
  private readonly idle = new Set<() => void>();
  private readonly resting = new Set<() => void>();

  constructor(tasks: readonly Planned[]) {
    this.plan = new Set(tasks.map(({ task }) => task));
  }

  get state(): State {
    return this.seen.state;
  }

  /** How many tasks of the plan are done, as far as the onlooker knows. */
  get done(): number {
    let done = 0;
    for (const task of this.plan) if (this.state.tasks.byId.get(task)?.status === "done") done += 1;
    return done;
  }

  get size(): number {
    return this.plan.size;
  }

  /** Joins as `name`, trying as long as the hub is away. */
  async join(
    name: string,
    more: { readonly observe?: boolean; readonly role?: string } = {},
  ): Promise<Member> {
    for (;;) {
      try {
        const member: Member = { name, client: await this.open(name, more), holding: undefined, dead: false };
        if (more.observe !== true) this.members.set(name, member);
        return member;
      } catch (error) {
        if (this.finished || !(error instanceof Failure) || error.code !== "hub.unreachable") throw error;
        await pause(150);
      }
    }
  }

  /** Cuts an agent off without a goodbye, for good: nobody renews what it holds. */
  async kill(member: Member): Promise<void> {
    member.dead = true;
    this.members.delete(member.name);
    const wire = this.wires.get(member.client);
    this.wires.delete(member.client);
    wire?.close("failed");
    await member.client.close();
  }

  /** Looks on until the client is closed, and wakes agents that wait for work. */
  async watch({ client }: Member): Promise<void> {
    const following = client.follow({ after: 0 });
    for (let some = await following.batch(); some !== undefined; some = await following.batch()) {
      let ready = this.seen.fold(some).tasks.ready.size;
      for (const wake of this.idle) {
        if (ready-- <= 0) break;
        wake();
      }
    }
  }

  /** Resolves when there may be work. */
  work(): Promise<void> {
    return this.sleep(ASK_AGAIN_MS, this.idle);
  }

  /** Resolves after `ms` milliseconds, or when all is done. */
  rest(ms: number): Promise<void> {
    return this.sleep(ms, this.resting);
  }

  /** There is nothing left to do. */
  finish(): void {
    this.finished = true;
    for (const wake of [...this.idle, ...this.resting]) wake();
  }

  async close(): Promise<void> {
    this.finish();
    await Promise.all([...this.members.values()].map(({ client }) => client.close()));
  }

  private sleep(ms: number, among: Set<() => void>): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        among.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, this.finished ? 0 : ms);
      among.add(wake);
    });
  }

  private async open(name: string, more: object): Promise<Client> {
    let client: Client | undefined;
    let newest: Connection | undefined;
    client = await openClient({
      agent: name,
      ...more,
      clock: systemClock,
      chance: systemChance,
      dial: async () => {
        // One that is dead dials no more.
        if (client !== undefined && !this.wires.has(client)) return new Promise<never>(() => {});
        newest = this.testimony.hear(name, await dial(this.url, { agent: name }));
        if (client !== undefined) this.wires.set(client, newest);
        return newest;
      },
    });
    if (newest !== undefined) this.wires.set(client, newest);
    return client;
  }
}

/** Whether an error only says that things went another way: refused, too late, or the end of the client. */
export function isPartOfTheGame(error: unknown): boolean {
  if (error instanceof Refused) return true;
  // A lease that is over refuses by itself; params that do not fit are refused by the hub, and a bug of ours.
  const own = error instanceof Failure && error.code === "usage" && error.fields.rpc === undefined;
  return (
    own || (error instanceof Failure && ["closed", "hub.timeout", "hub.unreachable"].includes(error.code))
  );
}

/** Resolves after `ms` milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
