/**
 * Channels: named circles of agents that a message can be addressed to as `#name`.
 *
 * Invariant: a channel has at least one member; it ends when the last one leaves. Members are names, so an
 * agent that is gone finds itself still a member when it is back.
 */
import { limits } from "../limits.ts";
import { byCodeUnit } from "./agents.ts";
import { invalid } from "./log.ts";
import { KeyMap } from "./map.ts";
import type { State } from "./model.ts";
import { type Page, page, paging } from "./page.ts";
import { optional, string, type Typed } from "./shape.ts";
import { accept, command, event, query, refusal, rejecter, type Slice } from "./slice.ts";

export interface Channel {
  /** Its name, without `#`. */
  readonly channel: string;
  readonly topic?: string;
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly members: KeyMap<true>;
}

export interface ChannelsState {
  readonly byName: KeyMap<Channel>;
}

const id = string("id", limits.idMax);
const topic = optional(string("line", limits.noteMax));

export const channelCommands = {
  "channel.create": command("Opens a channel, with the sender as its first member. `#` may be left out.", {
    channel: id,
    topic,
  }),
  "channel.join": command("Becomes a member; opens the channel where there is none.", { channel: id }),
  "channel.leave": command("Is no member any more; the channel ends with its last one.", { channel: id }),
} as const;
export type ChannelCommand = Typed<typeof channelCommands>;

export const channelEvents = {
  "channel.created": event("A channel was opened; `agent` is its first member.", {
    channel: id,
    agent: id,
    topic,
  }),
  "channel.joined": event("An agent became a member.", { channel: id, agent: id }),
  "channel.left": event("An agent is no member any more.", { channel: id, agent: id }),
} as const;
export type ChannelEvent = Typed<typeof channelEvents>;

export const channelRejections = {
  "channel.exists": refusal(
    "There is a channel of that name.",
    { channel: id, createdBy: id },
    (f) => `#${f.channel} was opened by ${f.createdBy} already. Join it instead; nothing was changed.`,
  ),
  "channel.unknown": refusal(
    "There is no channel of that name.",
    { channel: id },
    (f) =>
      `Nobody has joined #${f.channel}, so nothing was posted. Join it first, or see ` +
      "channels.list for the ones there are.",
  ),
  "channel.full": refusal(
    "There are as many channels, or as many members of this one, as there may be.",
    { channel: id, max: string("id", limits.idMax) },
    (f) => `#${f.channel} cannot be joined: there are ${f.max} already. Leave others first, or use another.`,
  ),
} as const;
const reject = rejecter(channelRejections);

export const channels: Slice<ChannelsState, ChannelCommand, ChannelEvent> = {
  initial: { byName: KeyMap.empty() },
  decide: {
    "channel.create": (state, command, { agent }) => {
      const channel = nameOf(command.channel);
      if (channel === undefined) return badName();
      const known = state.channels.byName.get(channel);
      if (known !== undefined) return reject("channel.exists", { channel, createdBy: known.createdBy });
      if (state.channels.byName.size >= limits.channelsMax) return tooMany(channel);
      const about = command.topic === undefined ? {} : { topic: command.topic };
      return accept({ type: "channel.created", channel, agent, ...about });
    },
    "channel.join": (state, command, { agent }) => {
      const channel = nameOf(command.channel);
      if (channel === undefined) return badName();
      const known = state.channels.byName.get(channel);
      if (known === undefined) {
        if (state.channels.byName.size >= limits.channelsMax) return tooMany(channel);
        return accept({ type: "channel.created", channel, agent });
      }
      if (known.members.has(agent)) return accept();
      if (known.members.size >= limits.channelMembersMax) {
        return reject("channel.full", { channel, max: `${limits.channelMembersMax} members` });
      }
      return accept({ type: "channel.joined", channel, agent });
    },
    "channel.leave": (state, command, { agent }) => {
      const channel = nameOf(command.channel);
      if (channel === undefined) return badName();
      if (!state.channels.byName.get(channel)?.members.has(agent)) return accept();
      return accept({ type: "channel.left", channel, agent });
    },
  },
  evolve: {
    "channel.created": (slice, { type: _, agent, ...said }, at) => {
      const members = KeyMap.empty<true>().set(agent, true, at.edit);
      const channel: Channel = { ...said, createdBy: agent, createdAtMs: at.atMs, members };
      return { byName: slice.byName.set(channel.channel, channel, at.edit) };
    },
    "channel.joined": (slice, { channel, agent }, at) => {
      const known = slice.byName.get(channel);
      if (known === undefined) return slice;
      const members = known.members.set(agent, true, at.edit);
      return { byName: slice.byName.set(channel, { ...known, members }, at.edit) };
    },
    "channel.left": (slice, { channel, agent }, at) => {
      const known = slice.byName.get(channel);
      if (known === undefined) return slice;
      const members = known.members.delete(agent, at.edit);
      return {
        byName:
          members.size === 0
            ? slice.byName.delete(channel, at.edit)
            : slice.byName.set(channel, { ...known, members }, at.edit),
      };
    },
  },
  save: function* (slice) {
    for (const { members, ...channel } of slice.byName.values()) {
      yield ["channel", channel, [...members.keys()]];
    }
  },
  load: (rows) => {
    const named: [string, Channel][] = [];
    for (const [, channel, names] of rows) {
      const members = KeyMap.from((names as readonly string[]).map((name) => [name, true] as const));
      named.push([(channel as Channel).channel, { ...(channel as Channel), members }]);
    }
    return { byName: KeyMap.from(named) };
  },
  answer: {
    "channel.created": ({ channel }) => ({ channel }),
    "channel.joined": ({ channel }) => ({ channel }),
    "channel.left": ({ channel }) => ({ channel }),
  },
};

/** A channel as it is listed. */
export interface ChannelView extends Omit<Channel, "members"> {
  /** The first `limits.partsShown` of its members, by name. */
  readonly members: readonly string[];
  readonly memberCount: number;
}

export const channelQueries = {
  "channels.list": query(
    "The channels there are, by name, and who is in them.",
    { ...paging, member: optional(id) },
    (state, params): Page<ChannelView> => {
      const from = params.cursor ?? "";
      const names = [...state.channels.byName.keys()].filter((name) => name >= from).sort(byCodeUnit);
      return page(
        names.map((name) => [name, name] as const),
        params,
        (name) => {
          const channel = state.channels.byName.get(name);
          if (channel === undefined) return undefined;
          if (params.member !== undefined && !channel.members.has(params.member)) return undefined;
          const members = membersOf(channel).sort(byCodeUnit).slice(0, limits.partsShown);
          return { ...channel, members, memberCount: channel.members.size };
        },
      );
    },
  ),
} as const;

/** The channel called `name` or `#name`. */
export function channelNamed(state: State, name: string): Channel | undefined {
  return state.channels.byName.get(nameOf(name) ?? "");
}

/** In no particular order. */
export function membersOf(channel: Channel): string[] {
  return [...channel.members.keys()];
}

/** The refusal of a channel nobody has joined. */
export function unknownChannel(name: string) {
  return reject("channel.unknown", { channel: nameOf(name) ?? name });
}

function nameOf(channel: string): string | undefined {
  const name = channel.startsWith("#") ? channel.slice(1) : channel;
  return name === "" || name.startsWith("#") || name.trim() !== name ? undefined : name;
}

function badName() {
  return invalid("channel", "must be a name, perhaps behind one `#`");
}

function tooMany(channel: string) {
  return reject("channel.full", { channel, max: `${limits.channelsMax} channels` });
}
