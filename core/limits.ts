/**
 * Limits: every bound in the system, with its reason. Those a client can meet are published by `session.open`.
 */

const KiB = 1024;
const MiB = 1024 * KiB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const limits = {
  // Frames: what one peer can make another hold in memory at once.
  frameBytesMax: MiB,
  /** Depth a parser can be made to recurse; JSON.parse alone would take 500,000. */
  nestingMax: 32,
  keysMax: 256,
  /** Requests in one JSON-RPC batch. */
  batchMax: 1000,

  // Words.
  idMax: 200,
  noteMax: 1000,
  pathMax: 1024,
  scopePathsMax: 512,
  /** Alternatives one brace may unfold to, so that a pattern stays small. */
  alternativesMax: 64,
  bodyBytesMax: 128 * KiB,
  attachmentsMax: 32,
  attachmentBytesMax: 256 * KiB,
  checkpointBytesMax: 64 * KiB,
  metaBytesMax: 16 * KiB,
  documentBytesMax: 512 * KiB,

  // Leases.
  ttlMsDefault: 15 * MINUTE,
  ttlMsMin: SECOND,
  ttlMsMax: DAY,
  waitMsMax: DAY,
  claimsPerAgentMax: 128,
  /** Waits one agent may have open: each is looked at when something is freed. */
  waitsPerAgentMax: 128,
  conflictsShown: 20,
  nearbyShown: 20,

  // Presence.
  idleAfterMs: 2 * MINUTE,
  goneAfterMs: 15 * MINUTE,
  brokenAfterMs: 10 * SECOND,
  livenessMarkMs: 5 * SECOND,
  livenessStaleMs: 30 * SECOND,
  stalledAfterMs: 30 * MINUTE,

  // What state keeps; everything older is in the log.
  receiptsMax: 100_000,
  receiptsMs: HOUR,
  checkpointsKeptMs: 30 * DAY,
  checkpointsKeptClaims: 1000,
  checkpointsPerClaim: 10,
  endedClaimsMax: 10_000,
  tasksEndedMax: 10_000,
  messagesMax: 10_000,
  decisionsMax: 10_000,
  activitiesMax: 10_000,
  progressMax: 10_000,
  broadcastsForNewcomers: 50,
  patchesPerBlock: 1000,
  undoDepth: 100,

  // The engine.
  /** Entries one append may hold: bounds the time a commit takes (0.5 ms for 100). */
  appendEntriesMax: 256,
  appendBytesMax: 256 * KiB,
  /** Submissions waiting for an append before new ones are answered `busy`. */
  pendingMax: 65_536,
  /** Entries kept decoded in memory for followers that are nearly up to date. */
  tailEntries: 4096,
  /** Rejections and empty acceptances remembered per engine (SU3). */
  refusalsRemembered: 100_000,
  /** Entries between two snapshots. */
  snapshotEveryEntries: 20_000,
  snapshotsKept: 2,
  /** Encoded entries sent to a follower before others get their turn. */
  followChunk: 512,
  followsPerConnection: 16,
  sessionsMax: 20_000,
  inFlightPerSession: 1024,
  expiryTickMs: 250,
  historyQueriesMax: 4,
  pageItemsDefault: 100,
  pageItemsMax: 1000,
  /** Leaves room for the envelope below `frameBytesMax`. */
  pageBytesMax: 512 * KiB,

  // Connections.
  connectionBufferBytesMax: MiB,
  /** A peer that does not drain for this long is closed with `too-slow`. */
  drainMs: 30 * SECOND,
  connectionsPerAddressMax: 20_000,
  connectionsMax: 20_000,
  handshakeMs: 5 * SECOND,
  headersMs: 5 * SECOND,
  requestMs: 10 * SECOND,
  pingMs: 30 * SECOND,

  // The client.
  reconnectMsMin: 100,
  reconnectMsMax: 5 * SECOND,
  clientPendingMax: 65_536,
} as const;

/** What `session.open` tells its client. */
export const publishedLimits = {
  frameBytes: limits.frameBytesMax,
  nesting: limits.nestingMax,
  keys: limits.keysMax,
  batch: limits.batchMax,
  id: limits.idMax,
  paths: limits.scopePathsMax,
  path: limits.pathMax,
  claims: limits.claimsPerAgentMax,
  bodyBytes: limits.bodyBytesMax,
  checkpointBytes: limits.checkpointBytesMax,
  inFlight: limits.inFlightPerSession,
} as const;
