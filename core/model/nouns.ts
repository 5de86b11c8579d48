/**
 * Nouns: the table of contents of the model. Adding a noun adds one line to each list here.
 */

import { acquireRejections } from "./acquire.ts";
import {
  type ActivityCommand,
  type ActivityEvent,
  type ActivityState,
  activity,
  activityCommands,
  activityEvents,
  activityQueries,
} from "./activity.ts";
import {
  type AgentCommand,
  type AgentEvent,
  type AgentsState,
  agentCommands,
  agentEvents,
  agentQueries,
  agentRejections,
  agents,
} from "./agents.ts";
import {
  type ChannelCommand,
  type ChannelEvent,
  type ChannelsState,
  channelCommands,
  channelEvents,
  channelQueries,
  channelRejections,
  channels,
} from "./channels.ts";
import {
  type CheckpointCommand,
  type CheckpointEvent,
  type CheckpointsState,
  checkpointCommands,
  checkpointEvents,
  checkpointQueries,
  checkpoints,
} from "./checkpoints.ts";
import { claimQueries } from "./claim-queries.ts";
import type { ClaimsState } from "./claim-state.ts";
import {
  type ClaimCommand,
  type ClaimEvent,
  claimCommands,
  claimEvents,
  claimRejections,
  claims,
} from "./claims.ts";
import { deadlockRejections } from "./deadlock.ts";
import {
  type DecisionCommand,
  type DecisionEvent,
  type DecisionsState,
  decisionCommands,
  decisionEvents,
  decisionQueries,
  decisionRejections,
  decisions,
} from "./decisions.ts";
import { documentQueries } from "./document-queries.ts";
import { documentRejections } from "./document-refusals.ts";
import type { DocumentsState } from "./document-state.ts";
import {
  type DocumentCommand,
  type DocumentEvent,
  documentCommands,
  documentEvents,
  documents,
} from "./documents.ts";
import {
  type InboxCommand,
  type InboxEvent,
  type InboxState,
  inbox,
  inboxCommands,
  inboxEvents,
  inboxQueries,
  inboxRejections,
} from "./inbox.ts";
import {
  type LogCommand,
  type LogEvent,
  type LogState,
  log,
  logCommands,
  logEvents,
  logRejections,
} from "./log.ts";
import {
  type MessageCommand,
  type MessageEvent,
  type MessagesState,
  messageCommands,
  messageEvents,
  messageRejections,
  messages,
} from "./messages.ts";
import { pathPasts } from "./path-history.ts";
import {
  type PresenceCommand,
  type PresenceEvent,
  type PresenceState,
  presence,
  presenceEvents,
} from "./presence.ts";
import {
  type ProgressCommand,
  type ProgressEvent,
  type ProgressState,
  progress,
  progressCommands,
  progressEvents,
  progressQueries,
} from "./progress.ts";
import type { ResourcesState } from "./resource-state.ts";
import {
  type ResourceCommand,
  type ResourceEvent,
  resourceCommands,
  resourceEvents,
  resourceQueries,
  resourceRejections,
  resources,
} from "./resources.ts";
import type { ObjectShape } from "./shape.ts";
import type { At, Past, Query, Refusal } from "./slice.ts";
import { stateQueries } from "./summary.ts";
import { taskPasts } from "./task-history.ts";
import { taskQueries } from "./task-queries.ts";
import { taskRejections } from "./task-refusals.ts";
import type { TasksState } from "./task-state.ts";
import { type TaskCommand, type TaskEvent, taskCommands, taskEvents, tasks } from "./tasks.ts";
import { threadQueries, threadRejections } from "./threads.ts";
import { type WaitEvent, type WaitsState, waitEvents, waitQueries, waitRejections, waits } from "./waits.ts";

/** Everything the log says, folded. Immutable: a held state stays valid for ever. */
export interface State {
  readonly log: LogState;
  readonly agents: AgentsState;
  readonly presence: PresenceState;
  readonly claims: ClaimsState;
  readonly waits: WaitsState;
  readonly checkpoints: CheckpointsState;
  readonly tasks: TasksState;
  readonly progress: ProgressState;
  readonly messages: MessagesState;
  readonly channels: ChannelsState;
  readonly inbox: InboxState;
  readonly resources: ResourcesState;
  readonly documents: DocumentsState;
  readonly decisions: DecisionsState;
  readonly activity: ActivityState;
}

/** What can be asked for: by agents, or (those without a schema) by sessions and engines alone. */
export type Command =
  | LogCommand
  | AgentCommand
  | PresenceCommand
  | ClaimCommand
  | CheckpointCommand
  | TaskCommand
  | ProgressCommand
  | MessageCommand
  | ChannelCommand
  | InboxCommand
  | ResourceCommand
  | DocumentCommand
  | DecisionCommand
  | ActivityCommand;

/** What can have happened. */
export type Event =
  | LogEvent
  | AgentEvent
  | PresenceEvent
  | ClaimEvent
  | WaitEvent
  | CheckpointEvent
  | TaskEvent
  | ProgressEvent
  | MessageEvent
  | ChannelEvent
  | InboxEvent
  | ResourceEvent
  | DocumentEvent
  | DecisionEvent
  | ActivityEvent;

/** The nouns, in the order their effects join an entry. */
export const slices = {
  log,
  agents,
  presence,
  claims,
  waits,
  checkpoints,
  tasks,
  progress,
  messages,
  channels,
  inbox,
  resources,
  documents,
  decisions,
  activity,
} as const;

/** Schemas of the commands agents may send, by method. */
export const commands = {
  ...logCommands,
  ...agentCommands,
  ...claimCommands,
  ...checkpointCommands,
  ...taskCommands,
  ...progressCommands,
  ...messageCommands,
  ...channelCommands,
  ...inboxCommands,
  ...resourceCommands,
  ...documentCommands,
  ...decisionCommands,
  ...activityCommands,
} as const;

/** Schemas of all events, by type. */
export const events = {
  ...logEvents,
  ...agentEvents,
  ...presenceEvents,
  ...claimEvents,
  ...waitEvents,
  ...checkpointEvents,
  ...taskEvents,
  ...progressEvents,
  ...messageEvents,
  ...channelEvents,
  ...inboxEvents,
  ...resourceEvents,
  ...documentEvents,
  ...decisionEvents,
  ...activityEvents,
} as const;

/** Every rejection a command can meet in the model, by code. */
export const rejections = {
  ...logRejections,
  ...agentRejections,
  ...claimRejections,
  ...acquireRejections,
  ...deadlockRejections,
  ...waitRejections,
  ...taskRejections,
  ...messageRejections,
  ...channelRejections,
  ...inboxRejections,
  ...threadRejections,
  ...resourceRejections,
  ...documentRejections,
  ...decisionRejections,
} as const;

/** Every question the state answers, by method. */
export const queries = {
  ...stateQueries,
  ...agentQueries,
  ...claimQueries,
  ...waitQueries,
  ...checkpointQueries,
  ...taskQueries,
  ...progressQueries,
  ...channelQueries,
  ...inboxQueries,
  ...threadQueries,
  ...resourceQueries,
  ...documentQueries,
  ...decisionQueries,
  ...activityQueries,
} as const;

/** Every question about the past, by method. */
export const pasts = { ...pathPasts, ...taskPasts } as const;

export type SliceName = keyof State;

/** Folds an event into a state in the making. */
export type Folding = (next: { -readonly [K in SliceName]: State[K] }, event: Event, at: At) => void;
type Evolve<K extends SliceName> = (slice: State[K], event: Event, at: At) => State[K];
/**
 * How a noun's handler becomes a folding. By name, since a place whose name changes from call to call is
 * several times slower to reach, and this is done for every event there ever was.
 */
export const folding: { readonly [K in SliceName]: (evolve: Evolve<K>) => Folding } = {
  log: (evolve) => (next, event, at) => {
    next.log = evolve(next.log, event, at);
  },
  agents: (evolve) => (next, event, at) => {
    next.agents = evolve(next.agents, event, at);
  },
  presence: (evolve) => (next, event, at) => {
    next.presence = evolve(next.presence, event, at);
  },
  claims: (evolve) => (next, event, at) => {
    next.claims = evolve(next.claims, event, at);
  },
  waits: (evolve) => (next, event, at) => {
    next.waits = evolve(next.waits, event, at);
  },
  checkpoints: (evolve) => (next, event, at) => {
    next.checkpoints = evolve(next.checkpoints, event, at);
  },
  tasks: (evolve) => (next, event, at) => {
    next.tasks = evolve(next.tasks, event, at);
  },
  progress: (evolve) => (next, event, at) => {
    next.progress = evolve(next.progress, event, at);
  },
  messages: (evolve) => (next, event, at) => {
    next.messages = evolve(next.messages, event, at);
  },
  channels: (evolve) => (next, event, at) => {
    next.channels = evolve(next.channels, event, at);
  },
  inbox: (evolve) => (next, event, at) => {
    next.inbox = evolve(next.inbox, event, at);
  },
  resources: (evolve) => (next, event, at) => {
    next.resources = evolve(next.resources, event, at);
  },
  documents: (evolve) => (next, event, at) => {
    next.documents = evolve(next.documents, event, at);
  },
  decisions: (evolve) => (next, event, at) => {
    next.decisions = evolve(next.decisions, event, at);
  },
  activity: (evolve) => (next, event, at) => {
    next.activity = evolve(next.activity, event, at);
  },
};

/** The tables of the protocol, for schema checks and the reference. */
export const tables: {
  readonly commands: { readonly [method: string]: ObjectShape };
  readonly events: { readonly [type: string]: ObjectShape };
  readonly rejections: { readonly [code: string]: Refusal };
  readonly queries: { readonly [method: string]: Query };
  readonly pasts: { readonly [method: string]: Past };
} = { commands, events, rejections: rejections as never, queries: queries as never, pasts: pasts as never };
