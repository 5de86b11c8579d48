/**
 * The public API of the core: every exported name, listed.
 */
export { assert, Failure, type FailureCode, Fault } from "./failures.ts";
export { limits } from "./limits.ts";
export { Engine, type EngineOptions, type EngineStatus, openEngine, type Submission } from "./engine/engine.ts";
export type { Verify } from "./engine/admission.ts";
export { engineRejections } from "./engine/refusals.ts";
export type { Outcome } from "./engine/sequencer.ts";
export { type Command, type Event, queries, type State, tables } from "./model/model.ts";
export type { Claim } from "./model/claim-state.ts";
export type { ClaimView } from "./model/claim-queries.ts";
export type { Scope } from "./model/scopes.ts";
export { defaultSettings, type Settings } from "./model/log.ts";
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
