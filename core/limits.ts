/**
 * Limits: every bound in the system, with its reason. Those a client can meet are published by
 * `session.open`.
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
  /**
   * Depth of a free-form object. Less than `nestingMax`, because what came in a request goes out deeper,
   * inside an entry, a page of entries, a result and a batch.
   */
  freeNestingMax: 16,
  /** Requests in one JSON-RPC batch. */
  batchMax: 1000,

  // Words.
  idMax: 200,
  noteMax: 1000,
  pathMax: 1024,
  scopePathsMax: 512,
  /** Alternatives one brace may unfold to, so that a pattern stays small. */
  alternativesMax: 64,
  /** Files and alternatives of one scope: two scopes are compared pair by pair at worst. */
  scopePartsMax: 1024,
  /** Comparisons that one scope's patterns may ask for at each place of a path (`effortOf`). */
  scopeEffortMax: 512,
  bodyBytesMax: 128 * KiB,
  attachmentsMax: 32,
  attachmentBytesMax: 256 * KiB,
  /** Names, roles, patterns and channels one message may be addressed to. */
  addressesMax: 100,
  /**
   * Agents they may stand for: each has an inbox entry of its own. A broadcast has none, and needs no
   * bound.
   */
  recipientsMax: 10_000,
  /** Messages acknowledged one by one in one command; `upTo` has no bound. */
  acknowledgedMax: 1000,
  checkpointBytesMax: 64 * KiB,
  metaBytesMax: 16 * KiB,
  documentBytesMax: 512 * KiB,

  // Tasks.
  /** Priorities go from minus this to this, so that rank and declaration fit one integer. */
  priorityMax: 500_000,
  /** Tasks one task may depend on: each is counted when it is declared or amended. */
  dependsOnMax: 256,
  requiresMax: 64,
  taskTextBytesMax: 64 * KiB,
  progressTextBytesMax: 16 * KiB,
  /** Recipients of a request that are remembered by name; with more, anybody may complete it. */
  askedMax: 1000,
  /** What a task waits for, as far as a refusal or a listing shows it. */
  waitingShown: 20,
  /** Tasks of a cycle shown in a refusal. */
  cycleShown: 100,

  // Leases.
  ttlMsDefault: 15 * MINUTE,
  ttlMsMin: SECOND,
  ttlMsMax: DAY,
  waitMsMax: DAY,
  claimsPerAgentMax: 128,
  /** Waits one agent may have open: each is looked at when something is freed. */
  waitsPerAgentMax: 128,
  /**
   * Resources one agent may offer, and reservations it may hold: all offers end in one entry when it is
   * gone.
   */
  offersPerAgentMax: 128,
  reservationsPerAgentMax: 128,
  resourceUnitsMax: 1_000_000,
  conflictsShown: 20,
  nearbyShown: 20,
  /**
   * Receipts, members or reservations shown with one message, channel or resource: a page stays below a
   * frame.
   */
  partsShown: 1000,

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
  channelsMax: 1000,
  channelMembersMax: 10_000,
  decisionBytesMax: 16 * KiB,
  activityBytesMax: 4 * KiB,
  patchesPerBlock: 1000,
  undoDepth: 100,
  /**
   * Code units the kept patches of one block may take: a thousand that each rewrite a large block
   * would fill memory.
   */
  patchTextsPerBlock: 2 * MiB,
  /** Changes in one patch as it is sent; mapped over others it may fall into more pieces. */
  changesMax: 1000,
  changesMappedMax: 10_000,
  blocksPerDocument: 2000,
  documentsMax: 1000,
  /** All documents together: they stand in memory. */
  documentsBytesMax: 64 * MiB,
  /**
   * At every so many versions a patch carries the hash of the text, so that a copy that went astray is
   * noticed.
   */
  hashEveryVersions: 64,
  /** Characters of each text that a refused patch is shown, and changes of each side. */
  conflictTextShown: 500,

  // The engine.
  /** Entries one append may hold: bounds the time a commit takes (0.5 ms for 100). */
  appendEntriesMax: 256,
  appendBytesMax: 256 * KiB,
  /** Commands and questions one batch may take: bounds how long a turn of the event loop lasts. */
  batchItemsMax: 2048,
  /** Submissions waiting for an append before new ones are answered `busy`. */
  pendingMax: 65_536,
  /** Entries kept decoded in memory for followers that are nearly up to date. */
  tailEntries: 4096,
  /** Rejections and empty acceptances remembered per engine (SU3). */
  refusalsRemembered: 20_000,
  /** Refusals a hub writes down for people in a fifth of a second; the log has none of them. */
  refusalsNoted: 32,
  /** Entries between two snapshots. */
  snapshotEveryEntries: 20_000,
  snapshotsKept: 2,
  /** Encoded entries sent to a follower before others get their turn. */
  followChunk: 512,
  sessionsMax: 20_000,
  inFlightPerSession: 1024,
  expiryTickMs: 250,
  historyQueriesMax: 4,
  pageItemsDefault: 100,
  pageItemsMax: 1000,
  /** Leaves room for the envelope below `frameBytesMax`. */
  pageBytesMax: 512 * KiB,

  // The log on disk.
  /** Bytes one query of a long read aims at: bounds how long other work waits for it. */
  logPageBytes: MiB,
  logPageRowsMax: 1024,
  /** How long a rolled-back log may go unnoticed: the witness is raised this often. */
  witnessMs: SECOND,
  /** Numbers left unused after an accepted loss, so that none that was handed out comes again (LO8). */
  lossGap: 1_000_000,
  /** How often other processes' appends are looked for; they must be seen within 100 ms. */
  watchMs: 25,
  /** How long one try for the write lock may block the thread; then other work has its turn. */
  lockTryMs: 5,
  /** How long an append waits for the write lock altogether before it is refused as `busy`. */
  lockWaitMs: 10 * SECOND,
  /** How long after a lost race an engine lets others go first, and for how long at most each time. */
  contendedMs: 500,
  /** Appends won one after another, while others write too, before it stands back. */
  winsInRow: 2,
  yieldMs: 4,
  /** Commits that take longer on average are made by a worker, so that the hub stays responsive. */
  slowCommitMs: 10,
  /**
   * Write-ahead bytes after which they are brought home by a worker: bounds the file and the next opening.
   */
  checkpointBytes: 4 * MiB,
  /** Freed when the disk is full, so that closing well still has room. */
  reserveBytes: 256 * KiB,
  fullRetryMs: SECOND,
  snapshotChunkBytesMax: 64 * MiB,

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
  /** A closed connection may take this long to write out what is queued; then it is cut. */
  closeMs: 2 * SECOND,
  /** How long a web peer may keep an unused connection, and how often it may use one. */
  keepAliveMs: 15 * SECOND,
  requestsPerSocketMax: 100_000,
  /** Requests a web peer may send ahead of the answer to an earlier one: they wait in memory. */
  pipelinedMax: 100,
  /** Silence on an open answer: proxies commonly cut after 30 s or a minute. */
  streamHeartbeatMs: 15 * SECOND,
  /** Bodies of web requests that are being read, all together. */
  requestBodiesBytesMax: 64 * MiB,
  /**
   * Replies to one batch over HTTP, all together; those beyond it are only told that they were too much.
   */
  batchReplyBytesMax: 8 * MiB,

  // Files: a spool is looked at, never listened to.
  /** How often a busy agent's file is looked at, and how often a silent one's. */
  spoolPollMs: 20,
  spoolRestMs: 250,
  /** A spool's session nobody uses ends; the next line opens another. */
  spoolIdleMs: 5 * MINUTE,
  /** Files of a spool nobody used for this long are removed. */
  spoolKeptMs: DAY,
  spoolAgentsMax: 2000,
  /** A token in a file: as many characters as a header may bring. */
  tokenBytesMax: 4 * KiB,
  /** One file of responses, and the full ones kept beside it for a slow reader. */
  responsesBytesMax: 8 * MiB,
  responsesKept: 3,
  /** One file of the feed, and how many there are. */
  feedBytesMax: 4 * MiB,
  feedFilesMax: 4,
  feedPollMs: 100,

  // A hub in the background.
  /** What it says, in one file, with one older kept beside it. */
  hubWordsBytesMax: MiB,
  /** How long it may take to answer after it was started, and to end after it was told to. */
  hubStartMs: 20 * SECOND,
  hubStopMs: 15 * SECOND,
  /** How long one hook may take while doctor fires it: longer than any host waits for one. */
  probeMs: 15 * SECOND,

  // The broker.
  /**
   * Bytes that may wait for one client before publishing waits for it; twice what a session may have
   * waiting.
   */
  brokerBufferBytesMax: 2 * MiB,
  /** A client that then takes nothing for this long is cut: so long it holds up the others, once. */
  brokerDrainMs: SECOND,
  brokerSubscriptionsMax: 1000,
  /**
   * Retained messages on topics that are not the hub's: in memory, and all looked at by a wildcard
   * subscription.
   */
  brokerRetainedMax: 10_000,
  brokerRetainedBytesMax: 64 * MiB,
  /** Messages kept for one client that is away, and sessions kept for such clients; the oldest go first. */
  brokerQueuedMax: 1000,
  /** The same for one that is there and has not confirmed them. */
  brokerInFlightMax: 20_000,
  brokerQueuedBytesMax: 4 * MiB,
  brokerSessionsMax: 1000,

  // Hooks.
  /** What a host may tell in one hook; results of tools come with it, and are not looked at. */
  hookBodyBytesMax: 4 * MiB,
  /** Hooks answered at once, and the bodies that are being read, all together. */
  hookRequestsMax: 256,
  hookBodiesBytesMax: 64 * MiB,
  /** Sessions of hosts that are remembered; the one longest silent is forgotten first. */
  hookSessionsMax: 1000,
  /** A session of a host that is silent for so long is left: well before it would be kept alive from here. */
  hookRestMs: 30 * SECOND,
  /** How long a decision waits for the hub altogether: hosts go on without one after a few seconds. */
  hookCallMs: 1500,
  /** How long a command hook waits for its answer: some hosts end it after 3 s. */
  hookAnswerMs: 2500,
  /**
   * Hooks remembered to know their second registration, and how close that one follows where uses have no
   * id.
   */
  hookRepeatsMax: 4096,
  hookRepeatMs: 2 * SECOND,
  /** The lease of what is claimed by editing; of files that everybody edits. */
  hookLeaseMs: 10 * MINUTE,
  hookHotLeaseMs: 2 * MINUTE,
  /** Files one automatic claim gathers before the next begins: each that joins writes all of them down. */
  hookClaimFilesMax: 128,
  /** Bytes of what a session is told at its start: at most as many tokens. */
  hookStatusBytesMax: 2500,
  /** Bytes of messages put before an agent at once, and of one of them. */
  hookMailBytesMax: 8 * KiB,
  hookMessageBytesMax: 3 * KiB,
  hookMessagesMax: 20,
  /** Files named in one report. */
  hookReportFiles: 10,
  /** An edit of the same file by the same agent is recorded this often. */
  hookActivityMs: MINUTE,
  /** What git may take and tell when it is asked which files changed. */
  hookLookMs: 2 * SECOND,
  hookLookBytesMax: 2 * MiB,
  hookLookFilesMax: 5000,
  /** How long a command waits for the look before it. */
  hookLookWaitMs: 250,
  /** Changed files that are held against claims one by one. */
  hookEffectsMax: 200,
  /** The configuration of hooks in a repository. */
  hookConfigBytesMax: 64 * KiB,
  hookRulesMax: 100,
  /** Events kept beside the log while no hub runs; what comes when it is full is dropped. */
  hookSpoolBytesMax: MiB,
  /** How long a hook waits until what was kept has taken effect. */
  hookCatchUpMs: SECOND / 2,

  // Git.
  /** What one run of git may print, and how long it may take: a million files are listed in both. */
  gitOutputBytesMax: 128 * MiB,
  gitMs: 60 * SECOND,
  /** How long a git hook may hold up a commit; then the commit goes on unchecked, and says so. */
  gitHookMs: 20 * SECOND,
  /** Claims remembered with their branch and base, of all agents and worktrees; the oldest go first. */
  gitClaimsKept: 1000,
  /** Worktrees and branches compared with one another, and the pairs of them that git is asked to merge. */
  gitSidesMax: 64,
  gitPairsMax: 1000,
  /** Runs of git at one time: more only wait for the disk. */
  gitRunsAtOnce: 4,
  /** Claims whose meeting others is looked for. */
  gitMeetingsMax: 1000,

  // Hooks: what a host's payload, and the command in it, can make a reader hold or do.
  /** Paths of one use of a tool; as many as one claim may have. */
  hookPathsMax: 512,
  /** Characters of one path before it is known to be inside a worktree: what systems allow. */
  hookPathMax: 4096,
  /** Uses of tools in one batch. */
  hookToolsMax: 256,
  /** Characters of a shell command that are read, and of a patch. */
  hookCommandMax: 256 * KiB,
  hookPatchMax: MiB,
  /** Characters of one text for an agent or person: hosts cut or spill longer ones. */
  hookTextMax: 10_000,
  /** Commands inside commands (`bash -c`, `$(…)`): each level is read once more. */
  shellDepthMax: 8,
  /** Words and operators of one command. */
  shellTokensMax: 20_000,
  /** Words one word may unfold to, by braces and variables. */
  shellWordsMax: 64,

  // The client.
  /** Silence after which a client lets itself be heard: well within `idleAfterMs`. */
  heartbeatMs: 45 * SECOND,
  reconnectMsMin: 100,
  reconnectMsMax: 5 * SECOND,
  clientPendingMax: 65_536,
  /** Requests in flight that are kept for follows and reads while waits take all the others. */
  clientReserved: 16,
  /**
   * Entries, and about how many bytes of them, wait for a slow reader; then it reads on from the log when
   * it has time.
   */
  followBufferEntries: 1024,
  followBufferBytes: 4 * MiB,
  /**
   * A follower this close to the others is sent what it lacks; one further behind reads pages of the log.
   */
  followNearEntries: 1024,

  // MCP: what a model reads has a price, and its host asks without keeping a connection.
  /** Longest wait for a claim or an answer, and for any answer at all: hosts give up after a minute. */
  mcpWaitMsMax: 45 * SECOND,
  mcpCallMs: 55 * SECOND,
  /** Characters of one text that is shown to a model; the whole stands in the structured content. */
  mcpTextMax: 32_000,
  /** Rows of one list that is shown to a model unless it asks for more. */
  mcpRows: 20,
  /** Agents that one process speaks for over standard streams, each with a way to the log of its own. */
  mcpSeatsMax: 16,
  /** Grants whose epochs one server remembers. */
  mcpEpochsMax: 1000,
  /** Resources one reader may watch, and how long changes are gathered before it is told. */
  mcpWatchedMax: 256,
  mcpGatherMs: 200,
  /** Streams of changes one agent may have open at once over HTTP. */
  mcpStreamsMax: 32,
  /** Agents whose sessions are kept open between requests, and for how long after the last. */
  mcpVisitorsMax: 256,
  mcpVisitorIdleMs: 5 * MINUTE,
  /** Sessions of older protocol revisions, which hosts rarely end. */
  mcpSessionsMax: 1000,
  mcpSessionIdleMs: HOUR,
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
