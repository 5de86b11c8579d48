/**
 * Holdfast for Node programs: the package's main entry. Everything of `holdfast/core` that a program needs,
 * with this machine's clock, chance, disk and network put in.
 */
export { Client, type ClientOptions, type Notice } from "../../core/client/client.ts";
export { Lease, type LeaseOptions, type LostReason } from "../../core/client/lease.ts";
export { Refused } from "../../core/client/refused.ts";
export type { Engine, EngineStatus } from "../../core/engine/engine.ts";
export type { Submission } from "../../core/engine/options.ts";
export type { Outcome } from "../../core/engine/sequencer.ts";
export { Failure, type FailureCode, Fault } from "../../core/failures.ts";
export { limits } from "../../core/limits.ts";
export type { ClaimView } from "../../core/model/claim-queries.ts";
export { defaultSettings, type Settings } from "../../core/model/log.ts";
export type { Command, Event, State } from "../../core/model/model.ts";
export type { Entry, Rejection } from "../../core/model/slice.ts";
export type { EventLog } from "../../core/ports/event-log.ts";
export { type ConnectOptions, connect } from "./connect.ts";
export { type NodeEngineOptions, type OpenLogOptions, openEngine } from "./engine.ts";
export { sha256 } from "./hash.ts";
export { type Hub, type ServeOptions, serve } from "./hub.ts";
export { type LogReport, openLog, verifyLog } from "./log.ts";
export { systemChance, systemClock } from "./system.ts";
export { tokenVerifier } from "./tokens.ts";
