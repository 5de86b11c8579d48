/**
 * Presence: who is here now.
 *
 * Only transitions are in the log; contact itself is remembered by the engine that has it
 * (engine/contact.ts). Going idle is decided by the engine with the contact, or for it once it is dead;
 * going gone follows from the state alone.
 *
 * Invariant: an agent is present, idle or gone; `seenAtMs` is never later than the entry that says so.
 */
import { limits } from "../limits.ts";
import { KeyMap } from "./map.ts";
import type { State } from "./model.ts";
import { integer, string, type Typed } from "./shape.ts";
import { accept, event, type Slice } from "./slice.ts";

export type Presence = "present" | "idle" | "gone";

export interface Here {
  readonly presence: Presence;
  /** Last contact, in log time, as far as the log knows. */
  readonly seenAtMs: number;
  /** Since when it is so. */
  readonly sinceMs: number;
  /** The engine that has, or last had, the contact. */
  readonly hub: string;
  readonly exclusive: boolean;
  readonly resumeHash?: string;
}

export interface PresenceState {
  readonly byName: KeyMap<Here>;
}

/** Sent by the engine that has the contact: `agent` was last seen at `seenAtMs`. */
export interface PresenceLapse {
  readonly type: "presence.lapse";
  readonly agent: string;
  readonly seenAtMs: number;
}
export type PresenceCommand = PresenceLapse;

const name = string("id", limits.idMax);
export const presenceEvents = {
  "agent.idle": event("No contact for a while, or a goodbye.", { agent: name, seenAtMs: integer(0) }),
  "agent.gone": event("Idle for long, or left: waits end, claims run to the end of their leases.", {
    agent: name,
    seenAtMs: integer(0),
  }),
} as const;
export type PresenceEvent = Typed<typeof presenceEvents>;

export const presence: Slice<PresenceState, PresenceCommand, PresenceEvent> = {
  initial: { byName: KeyMap.empty() },
  decide: {
    "presence.lapse": (state, { agent, seenAtMs }, context) => {
      const here = presenceOf(state, agent);
      if (here?.presence !== "present") return accept();
      return accept({
        type: "agent.idle",
        agent,
        seenAtMs: Math.min(Math.max(seenAtMs, here.sinceMs), context.nowMs),
      });
    },
  },
  evolve: {
    "agent.joined": (slice, event, at) => {
      const here: Here = {
        presence: "present",
        seenAtMs: at.atMs,
        sinceMs: at.atMs,
        hub: event.hub,
        exclusive: event.exclusive ?? false,
        ...(event.resumeHash === undefined ? {} : { resumeHash: event.resumeHash }),
      };
      return { byName: slice.byName.set(event.agent, here, at.edit) };
    },
    "agent.idle": (slice, event, at) => pass(slice, event, "idle", at.atMs, at.edit),
    "agent.gone": (slice, event, at) => pass(slice, event, "gone", at.atMs, at.edit),
  },
  save: function* (slice) {
    for (const [agent, here] of slice.byName) yield ["here", agent, here];
  },
  load: (rows) => {
    const named: [string, Here][] = [];
    for (const [, agent, here] of rows) named.push([agent as string, here as Here]);
    return { byName: KeyMap.from(named) };
  },
  deadlines: {
    set: (event, state) =>
      event.type === "agent.idle"
        ? [event.seenAtMs + state.log.settings.goneAfterMs, event.agent]
        : undefined,
    all: function* (state) {
      const { goneAfterMs } = state.log.settings;
      for (const [agent, here] of state.presence.byName) {
        if (here.presence === "idle") yield [here.seenAtMs + goneAfterMs, agent];
      }
    },
    lapse: (state, agent, context) => {
      const here = presenceOf(state, agent);
      if (here?.presence !== "idle" || here.seenAtMs + state.log.settings.goneAfterMs > context.nowMs)
        return undefined;
      return [{ type: "agent.gone", agent, seenAtMs: here.seenAtMs }];
    },
  },
};

/** Where an agent is, or `undefined` when nobody of that name ever joined. */
export function presenceOf(state: State, agent: string): Here | undefined {
  return state.presence.byName.get(agent);
}

function pass(
  slice: PresenceState,
  event: { readonly agent: string; readonly seenAtMs: number },
  presence: Presence,
  atMs: number,
  edit: Parameters<KeyMap<Here>["set"]>[2],
): PresenceState {
  const was = slice.byName.get(event.agent);
  const { resumeHash: _, ...kept } = was ?? { hub: "", resumeHash: "" };
  const here: Here = { ...kept, presence, seenAtMs: event.seenAtMs, sinceMs: atMs, exclusive: false };
  return { byName: slice.byName.set(event.agent, here, edit) };
}
