/**
 * Agents: who takes part, in which role, able to do what.
 *
 * Invariant: an agent once joined stays known under its name; leaving and being gone are presence, not
 * oblivion. Claims, waits and inboxes belong to the name, not to a connection.
 */
import { limits } from "../limits.ts";
import { KeyMap } from "./map.ts";
import type { State } from "./model.ts";
import { type Page, page, paging } from "./page.ts";
import { type Presence, presenceOf } from "./presence.ts";
import { boolean, choice, doc, free, integer, list, optional, string, type Typed } from "./shape.ts";
import { accept, command, event, query, refusal, rejecter, type Slice } from "./slice.ts";

/** What an agent said of itself. */
export interface Agent {
  readonly agent: string;
  readonly role?: string;
  readonly project?: string;
  readonly capabilities: readonly string[];
  readonly skills?: readonly string[];
  readonly model?: string;
  readonly meta?: { readonly [key: string]: unknown };
  readonly joinedAtMs: number;
}

export interface AgentsState {
  readonly byName: KeyMap<Agent>;
}

const word = string("id", limits.idMax);
const words = list(word, 64);

export const agentCommands = {
  "agent.describe": command("Says what the agent can do; given fields replace what was said before.", {
    capabilities: optional(doc("Words that `tasks.requires` is matched with.", words)),
    skills: optional(words),
    model: optional(string("line", limits.idMax)),
    meta: optional(free(limits.metaBytesMax)),
  }),
  "agent.leave": command("The agent is done: gone at once, its waits end, its leases run to their end.", {}),
} as const;
/** Sent by a session for the agent that opened it. */
export interface AgentJoin {
  readonly type: "agent.join";
  readonly role?: string;
  readonly project?: string;
  readonly capabilities?: readonly string[];
  readonly exclusive?: boolean;
  /** SHA-256 of the resume token an exclusive session gets. */
  readonly resumeHash?: string;
  /** SHA-256 of the resume token that was shown. */
  readonly resumes?: string;
}
export type AgentCommand = Typed<typeof agentCommands> | AgentJoin;

export const agentEvents = {
  "agent.joined": event(
    "An agent opened a session after it was unknown, idle or gone, or described itself anew.",
    {
      agent: word,
      hub: word,
      role: optional(word),
      project: optional(word),
      capabilities: optional(words),
      exclusive: optional(boolean),
      resumeHash: optional(string("token", 64)),
    },
  ),
  "agent.described": event("An agent changed what it says of itself.", {
    agent: word,
    capabilities: optional(words),
    skills: optional(words),
    model: optional(string("line", limits.idMax)),
    meta: optional(free(limits.metaBytesMax)),
  }),
} as const;
export type AgentEvent = Typed<typeof agentEvents>;

export const agentRejections = {
  "agent.unknown": refusal(
    "No agent of that name has ever joined.",
    { agent: word },
    (f) =>
      `Nobody called ${f.agent} has joined this log. See \`holdfast who\` for the names there are; nothing was changed.`,
  ),
  "agent.taken": refusal(
    "The name is in use by an exclusive session, or exclusive use was asked for where one is open.",
    { agent: word, sinceMs: integer(0) },
    (f) =>
      `The name ${f.agent} is in use by a session that must be alone. Choose another name, or resume that session ` +
      "with its resume token.",
  ),
} as const;
const reject = rejecter(agentRejections);

export const agents: Slice<AgentsState, AgentCommand, AgentEvent> = {
  initial: { byName: KeyMap.empty() },
  decide: {
    "agent.join": (state, { type: _, resumes, ...said }, context) => {
      const known = state.agents.byName.get(context.agent);
      const here = presenceOf(state, context.agent);
      const alone = here?.presence === "present" && here.exclusive;
      if (alone && here.hub !== context.hub && (resumes === undefined || here.resumeHash !== resumes)) {
        return reject("agent.taken", { agent: context.agent, sinceMs: here.sinceMs });
      }
      const same =
        known !== undefined &&
        here?.presence === "present" &&
        (here.hub === context.hub || said.exclusive === undefined) &&
        here.exclusive === (said.exclusive ?? here.exclusive) &&
        said.resumeHash === undefined &&
        (said.role ?? known.role) === known.role &&
        (said.project ?? known.project) === known.project &&
        sameWords(said.capabilities ?? known.capabilities, known.capabilities);
      if (same) return accept();
      return accept({ type: "agent.joined", agent: context.agent, hub: context.hub, ...said });
    },
    "agent.describe": (state, { type: _, ...said }, context) => {
      if (!state.agents.byName.has(context.agent)) return reject("agent.unknown", { agent: context.agent });
      if (Object.keys(said).length === 0) return accept();
      return accept({ type: "agent.described", agent: context.agent, ...said });
    },
    "agent.leave": (state, _, context) => {
      const here = presenceOf(state, context.agent);
      if (here === undefined || here.presence === "gone") return accept();
      return accept({ type: "agent.gone", agent: context.agent, seenAtMs: context.nowMs });
    },
  },
  evolve: {
    "agent.joined": (slice, event, at) => {
      const known = slice.byName.get(event.agent);
      const { type: _, hub: __, exclusive: ___, resumeHash: ____, ...said } = event;
      const agent: Agent = { capabilities: [], joinedAtMs: at.atMs, ...known, ...said };
      return { byName: slice.byName.set(event.agent, agent, at.edit) };
    },
    "agent.described": (slice, { type: _, ...said }, at) => {
      const known = slice.byName.get(said.agent);
      const agent: Agent = { capabilities: [], joinedAtMs: at.atMs, ...known, ...said };
      return { byName: slice.byName.set(said.agent, agent, at.edit) };
    },
  },
  save: function* (slice) {
    for (const agent of slice.byName.values()) yield ["agent", agent];
  },
  load: (rows) => {
    const named: [string, Agent][] = [];
    for (const [, agent] of rows) named.push([(agent as Agent).agent, agent as Agent]);
    return { byName: KeyMap.from(named) };
  },
};

/** An agent as it is listed. */
export interface AgentView extends Agent {
  readonly presence: Presence;
  readonly seenAtMs: number;
  /** How many claims it holds. */
  readonly claims: number;
}

export const agentQueries = {
  "agents.list": query(
    "Who takes part, by name: presence, role, project, capabilities. Operators are marked by their role.",
    { ...paging, presence: optional(choice("present", "idle", "gone")), capability: optional(word) },
    (state, params): Page<AgentView> => {
      const from = params.cursor ?? "";
      const names = [...state.agents.byName.keys()].filter((name) => name >= from).sort(byCodeUnit);
      const rows = names.map((name) => [name, name] as const);
      return page(rows, params, (name) => {
        const view = agentView(state, name);
        if (params.presence !== undefined && view.presence !== params.presence) return undefined;
        if (params.capability !== undefined && !view.capabilities.includes(params.capability))
          return undefined;
        return view;
      });
    },
  ),
} as const;

/** The refusal of a name that nobody has. */
export function unknownAgent(agent: string) {
  return reject("agent.unknown", { agent });
}

/** Whether the name has ever joined. */
export function isKnown(state: State, agent: string): boolean {
  return state.agents.byName.has(agent);
}

/** Whether an agent joined as an operator: such are not counted among the working agents (AG12). */
export function isOperator(state: State, agent: string): boolean {
  return state.agents.byName.get(agent)?.role === "operator";
}

function agentView(state: State, name: string): AgentView {
  const agent = state.agents.byName.get(name) ?? { agent: name, capabilities: [], joinedAtMs: 0 };
  const here = presenceOf(state, name);
  return {
    ...agent,
    presence: here?.presence ?? "gone",
    seenAtMs: here?.seenAtMs ?? agent.joinedAtMs,
    claims: state.claims.holdings.get(name)?.length ?? 0,
  };
}

function sameWords(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((word, i) => word === b[i]);
}

/** The order of strings everywhere in the model: by UTF-16 code unit, the same on every build of Node. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
