/**
 * Stories: `given(…).when(…)` and what it `gives`, or how it is `refused`; so that a case is one or a few lines.
 *
 * An agent's words need no epoch: like a client it remembers what it was granted, and sends that.
 */
import { expect } from "vitest";
import { sha256 } from "../../adapters/node/hash.ts";
import { type Command, type Event, queries, type State } from "../../core/model/model.ts";
import { Ledger, type Told } from "./ledger.ts";

/** Something that happens: a command, or time that passes. */
export type Step = (story: Story) => Told | undefined;

type Fields<T extends Command["type"]> = Partial<Omit<Extract<Command, { type: T }>, "type">>;
/** Part of an event, with the `writer` of its entry; or only its type. */
export type Expected = string | (Partial<Record<string, unknown>> & { readonly type: Event["type"] });

const MINUTE = 60_000;

export class Story {
  readonly ledger: Ledger;
  /** What the newest step was told. */
  told: Told = {};
  private readonly granted = new Map<string, number>();
  private from = 0;

  constructor(options?: { foldCase?: boolean }) {
    this.ledger = new Ledger(options);
    this.ledger.onEntry = ({ events }) => {
      for (const event of events) {
        if (event.type === "claim.granted") this.granted.set(`${event.holder} ${event.claim}`, event.epoch);
        if (event.type === "claim.handed-off") this.granted.set(`${event.to} ${event.claim}`, event.epoch);
      }
    };
  }

  get state(): State {
    return this.ledger.state;
  }

  /** The epoch an agent was last granted a claim under. */
  epochOf(agent: string, claim: string): number {
    return this.granted.get(`${agent} ${claim}`) ?? 1;
  }

  when(...steps: readonly Step[]): Story {
    this.from = this.ledger.entries.length;
    for (const step of steps) this.told = step(this) ?? {};
    return this;
  }

  /** What happened in the newest `when`, event by event, each with who wrote it. */
  get happened(): readonly (Event & { readonly writer: string })[] {
    const entries = this.ledger.entries.slice(this.from);
    return entries.flatMap(({ by, events }) => events.map((event) => ({ ...event, writer: by })));
  }

  /** Exactly these events happened, in this order, each with at least these fields. */
  gives(...expected: readonly Expected[]): Story {
    const shown = this.happened;
    const message = JSON.stringify(this.told.rejection ?? shown);
    expect(
      shown.map(({ type }) => type),
      message,
    ).toEqual(expected.map((one) => (typeof one === "string" ? one : one.type)));
    for (const [i, one] of expected.entries()) {
      if (typeof one !== "string") expect(shown[i], message).toMatchObject(one);
    }
    return this;
  }

  /** It was accepted, and nothing happened. */
  changesNothing(): Story {
    expect(this.told.rejection).toBeUndefined();
    return this.gives();
  }

  /** The last step was refused like this, and changed nothing. */
  refused(code: string, fields: object = {}): Story {
    expect(this.told.rejection, JSON.stringify(this.happened)).toMatchObject({ code, ...fields });
    expect(this.told.rejection?.message.length).toBeLessThanOrEqual(400);
    expect(this.told.entry).toBeUndefined();
    return this;
  }

  /** Its sender was told at least this. */
  answers(fields: object): Story {
    expect(this.told.answer).toMatchObject(fields);
    return this;
  }

  /** What a query answers, asked as `agent`. */
  ask(method: keyof typeof queries, params: object = {}, agent = "anyone"): unknown {
    const { nowMs } = this.ledger;
    const answer = queries[method].answer as (state: State, params: object, asker: object) => unknown;
    return answer(this.state, params, { agent, nowMs, operator: false, guarded: false, hash: sha256 });
  }
}

/** A story that begins like this. */
export function given(...steps: readonly Step[]): Story {
  return new Story().when(...steps);
}

/** Time passes and nobody is awake: what is due lapses before the next command. */
export function later(ms: number): Step {
  return ({ ledger }) => {
    ledger.nowMs += ms;
    return undefined;
  };
}

/** Time passes and a hub is awake. */
export function awake(ms: number): Step {
  return ({ ledger }) => {
    ledger.nowMs += ms;
    ledger.tick();
    return undefined;
  };
}

/** What an agent can do in a story. */
export function agent(name: string, { operator = false } = {}) {
  const send =
    (command: Command): Step =>
    ({ ledger }) =>
      ledger.send(command, name, { operator });
  /** With the epoch it remembers, unless another is given. */
  const fenced =
    (command: { readonly claim: string; readonly epoch?: number }): Step =>
    (story) =>
      story.ledger.send(
        { epoch: story.epochOf(name, command.claim), ...command } as unknown as Command,
        name,
        { operator },
      );
  return {
    name,
    send,
    joins: (said: Fields<"agent.join"> = {}) => send({ type: "agent.join", ...said }),
    declares: (task: string, said: { readonly paths?: readonly string[] } = {}) =>
      send({ type: "task.declare", task, title: task, ...said } as unknown as Command),
    describes: (said: Fields<"agent.describe">) => send({ type: "agent.describe", ...said }),
    leaves: () => send({ type: "agent.leave" }),
    /** The engine that had its contact lost it. */
    idles: (seenAtMs = 0) => send({ type: "presence.lapse", agent: name, seenAtMs }),
    acquires: (claim: string, asked: Fields<"claim.acquire"> = {}) =>
      send({ type: "claim.acquire", claim, ...asked }),
    /** Acquires what it holds, naming its epoch. */
    extends: (claim: string, asked: Fields<"claim.acquire"> = {}) =>
      fenced({ type: "claim.acquire", claim, ...asked } as never),
    /** Acquires, and queues where it is not free. */
    waits: (claim: string, asked: Fields<"claim.acquire"> = {}) =>
      send({ type: "claim.acquire", claim, waitMs: 10 * MINUTE, ...asked }),
    renews: (claim: string, said: Fields<"claim.renew"> = {}) =>
      fenced({ type: "claim.renew", claim, ...said } as never),
    reports: (claim: string, said: Fields<"claim.report">) =>
      fenced({ type: "claim.report", claim, ...said } as never),
    releases: (claim: string, said: Fields<"claim.release"> = {}) =>
      send({ type: "claim.release", claim, ...said }),
    hands: (claim: string, to: string, said: Fields<"claim.handoff"> = {}) =>
      fenced({ type: "claim.handoff", claim, to, ...said } as never),
    breaks: (claim: string, reason?: string) =>
      send({ type: "claim.break", claim, ...(reason === undefined ? {} : { reason }) }),
    puts: (document: string, content: string, said: Fields<"document.put"> = {}) =>
      send({ type: "document.put", document, format: "text", content, ...said }),
    patches: (document: string, block: string, said: Fields<"block.patch">) =>
      send({ type: "block.patch", document, block, base: 0, ...said }),
    inserts: (document: string, said: Fields<"block.insert">) =>
      send({ type: "block.insert", document, ...said }),
    undoes: (document: string, block: string, said: Fields<"document.undo"> = {}) =>
      send({ type: "document.undo", document, block, ...said }),
    saves: (claim: string, text: string, said: Fields<"checkpoint.save"> = {}) =>
      fenced({ type: "checkpoint.save", claim, text, ...said } as never),
  };
}

/** A scope of these patterns; with a worktree where one is given before a colon. */
export function paths(...patterns: readonly string[]) {
  return { scope: { paths: patterns } };
}

/** The same in a worktree. */
export function within(worktree: string, ...patterns: readonly string[]) {
  return { scope: { worktree, paths: patterns } };
}
