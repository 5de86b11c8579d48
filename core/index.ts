/**
 * The public API of the core: every exported name, listed.
 */

export type { AskOptions, Reply } from "./client/ask.ts";
export type { CallOptions } from "./client/calls.ts";
export { Client, type ClientOptions, type Notice, openClient } from "./client/client.ts";
export type { DocumentNotice, DocumentOptions, SharedDocument } from "./client/document.ts";
export type { Shown } from "./client/document-copy.ts";
export { Following, type FollowOptions } from "./client/following.ts";
export { Lease, type LeaseOptions, type LostReason } from "./client/lease.ts";
export type { Welcome } from "./client/link.ts";
export type {
  Accepted,
  CommandMethod,
  Grant,
  Leased,
  Method,
  Params,
  Posted,
  QueryMethod,
  Release,
  Renewal,
  Result,
  StateAt,
} from "./client/methods.ts";
export { Refused } from "./client/refused.ts";
export { Replica } from "./client/replica.ts";
export type { Verify } from "./engine/admission.ts";
export { Engine, type EngineStatus, openEngine } from "./engine/engine.ts";
export type { EngineOptions, Submission } from "./engine/options.ts";
export { engineRejections } from "./engine/refusals.ts";
export type { Outcome } from "./engine/sequencer.ts";
export { assert, Failure, type FailureCode, Fault } from "./failures.ts";
export { limits } from "./limits.ts";
export type { ClaimView } from "./model/claim-queries.ts";
export type { Claim } from "./model/claim-state.ts";
export { defaultSettings, type Settings } from "./model/log.ts";
export { type Command, type Event, queries, type State, tables } from "./model/model.ts";
export type { Holding } from "./model/path-history.ts";
export type { Scope } from "./model/scopes.ts";
export type { Entry, Rejection } from "./model/slice.ts";
export type { Cancel, Chance, Clock } from "./ports/clock.ts";
export type {
  Appended,
  Behind,
  Durability,
  EventLog,
  LivenessMark,
  Seq,
  SnapshotChunk,
  SnapshotStore,
} from "./ports/event-log.ts";
export type {
  Accept,
  Closed,
  CloseReason,
  Codec,
  Connection,
  Frame,
  Listener,
  Peer,
  Receiver,
} from "./ports/transport.ts";
