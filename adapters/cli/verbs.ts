/**
 * The verbs: what `holdfast` can be told, as data. What a verb does is loaded when it is told, so that a
 * command pays only for itself.
 */
import type { Verb } from "./command.ts";
import { docVerbs } from "./doc-verbs.ts";
import { gitVerbs } from "./git-verbs.ts";
import { EPOCH, LIMIT, NOTE, none, one, PATHS, SHARED, TTL, WAIT, WORKTREE } from "./options.ts";
import { planVerbs } from "./plan-verbs.ts";
import { setupVerbs } from "./setup-verbs.ts";

/** Every verb, in the order of the help. */
export const verbs: { readonly [name: string]: Verb } = {
  ...setupVerbs,
  serve: {
    takes: "",
    arity: none,
    about: "runs a hub on this repository's log",
    options: [
      {
        name: "listen",
        kind: "list",
        value: "URL…",
        about:
          "where to listen instead of everywhere (then spool and feed, too, only where named); port 0 takes a free one",
      },
      {
        name: "spool",
        kind: "text",
        value: "DIR",
        about: "serve agents that can only write files here; `spool` beside the log unless told otherwise",
      },
      { name: "no-spool", kind: "flag", about: "serve none" },
      {
        name: "feed",
        kind: "text",
        value: "FILE",
        about: "write what happens to this compact file; `feed.ndjson` beside the log unless told otherwise",
      },
      { name: "no-feed", kind: "flag", about: "write none" },
      {
        name: "feed-bytes",
        kind: "integer",
        value: "N",
        about: "size of one of its files, after which the next begins; 4 MiB unless told otherwise",
      },
      {
        name: "feed-files",
        kind: "integer",
        value: "N",
        about: "how many of them are kept; 4 unless told otherwise",
      },
      { name: "feed-full", kind: "flag", about: "show direct messages in it" },
      {
        name: "port",
        kind: "integer",
        value: "N",
        about: "of WebSocket and HTTP, tried first; else the one `init` gave this repository, else 4653",
      },
      { name: "words", kind: "text", value: "FILE", about: "say what there is to say in this bounded file" },
      {
        name: "token-file",
        kind: "text",
        value: "FILE",
        about: "ask every session for a token of this file",
      },
      {
        name: "allow-host",
        kind: "list",
        value: "NAME…",
        about: "names it may be called by besides its own, e.g. of a proxy in front of it",
      },
      {
        name: "allow-origin",
        kind: "list",
        value: "URL…",
        about: "web pages that may call besides its own, e.g. https://dash.example",
      },
      { name: "fold-case", kind: "flag", about: "compare paths without case; only for a new log" },
      { name: "idle-after", kind: "duration", value: "2m", about: "silence after which an agent is idle" },
      { name: "gone-after", kind: "duration", value: "15m", about: "silence after which an agent is gone" },
      {
        name: "stalled-after",
        kind: "duration",
        value: "30m",
        about: "inactivity after which a task is taken back",
      },
      {
        name: "relaxed",
        kind: "flag",
        about: "do not wait for the disk: what was acknowledged last may be lost with the power",
      },
      {
        name: "accept-loss",
        kind: "flag",
        about: "go on with a log that lost entries, behind a gap in the numbers",
      },
    ],
    examples: [
      ["holdfast serve", "WebSocket, HTTP, MQTT, spool and feed, found by every command in this repository"],
      ["holdfast serve --listen ws://127.0.0.1:0 --log trial.db --json", "a hub of its own, for a test"],
      ["holdfast serve --listen ws://0.0.0.0:4653 --token-file tokens", "for other machines; needs tokens"],
    ],
    load: async () => (await import("./serve.ts")).serveVerb,
  },
  token: {
    takes: "add NAME | list | remove NAME",
    arity: { min: 1, max: 2 },
    about: "makes, lists and removes the tokens of a hub",
    options: [
      { name: "operator", kind: "flag", about: "the token lets NAME act as an operator" },
      {
        name: "token-file",
        kind: "text",
        value: "FILE",
        about: "the file; `tokens` beside the log unless told otherwise",
      },
    ],
    examples: [
      ["holdfast token add alice", "shows the token once; give it to alice as HOLDFAST_TOKEN"],
      ["holdfast token add boss --operator", "may break claims and steer tasks"],
    ],
    load: async () => (await import("./token.ts")).tokenVerb,
  },
  claim: {
    takes: "ID",
    arity: one,
    about: "leases an id and, perhaps, the files it covers",
    options: [
      PATHS,
      { name: "add", kind: "list", value: "P…", about: "more paths for a claim you hold" },
      TTL,
      WAIT,
      SHARED,
      { name: "across-worktrees", kind: "flag", about: "also refuse overlaps from other worktrees" },
      NOTE,
      { name: "task", kind: "text", value: "ID", about: "the task it is for" },
      { name: "fresh", kind: "flag", about: "refuse it even when you hold it yourself" },
      { name: "on-gone", kind: "text", value: "release", about: "what becomes of it when you are gone" },
      EPOCH,
      WORKTREE,
    ],
    examples: [
      ["holdfast claim AUTH-7 --paths src/auth 'tests/auth_*.ts'", "a folder and a pattern, for 15 minutes"],
      ["holdfast claim AUTH-7", "again: the lease is extended under the same epoch"],
      ["holdfast claim deploy --wait 5m --note 'release 2.1'", "a mutex without files; queues for it"],
    ],
    load: async () => (await import("./claims.ts")).claimVerb,
  },
  renew: {
    takes: "ID",
    arity: one,
    about: "extends a lease; nothing else changes",
    options: [TTL, EPOCH, WORKTREE],
    examples: [["holdfast renew AUTH-7 --ttl 1h", ""]],
    load: async () => (await import("./claims.ts")).renewVerb,
  },
  release: {
    takes: "ID",
    arity: one,
    about: "ends a claim",
    options: [
      { name: "outcome", kind: "text", value: "done|failed|abandoned", about: "how it ended" },
      EPOCH,
      WORKTREE,
    ],
    examples: [["holdfast release AUTH-7 --outcome done", ""]],
    load: async () => (await import("./claims.ts")).releaseVerb,
  },
  report: {
    takes: "ID working|input-required",
    arity: { min: 2, max: 2 },
    about: "says how the work under a claim stands",
    options: [
      NOTE,
      { name: "artifact", kind: "text", value: "REF", about: "where what was made can be found" },
      EPOCH,
      WORKTREE,
    ],
    examples: [["holdfast report AUTH-7 input-required --note 'which key length?'", ""]],
    load: async () => (await import("./claims.ts")).reportVerb,
  },
  handoff: {
    takes: "ID",
    arity: one,
    about: "passes a claim, with all that belongs to it, to another agent",
    options: [{ name: "to", kind: "text", value: "NAME", about: "who gets it" }, EPOCH, WORKTREE],
    examples: [["holdfast handoff AUTH-7 --to bob", ""]],
    load: async () => (await import("./claims.ts")).handoffVerb,
  },
  checkpoint: {
    takes: "ID [TEXT]",
    arity: { min: 1, max: Number.MAX_SAFE_INTEGER },
    about: "saves where the work stands (text, or standard input) for you or the next holder",
    options: [
      { name: "summary", kind: "text", value: "LINE", about: "one line of it" },
      { name: "ref", kind: "text", value: "REF", about: "a commit, branch or file it refers to" },
      { name: "list", kind: "flag", about: "show what was saved, the newest first" },
      EPOCH,
      WORKTREE,
    ],
    examples: [
      ["holdfast checkpoint AUTH-7 'parser done, tests red in lexer'", ""],
      ["git diff | holdfast checkpoint AUTH-7 --summary 'unfinished diff'", ""],
    ],
    load: async () => (await import("./claims.ts")).checkpointVerb,
  },
  claims: {
    takes: "[ID]",
    arity: { min: 0, max: 1 },
    about: "shows who holds what",
    options: [
      { name: "holder", kind: "text", value: "NAME", about: "only that agent's" },
      { name: "mine", kind: "flag", about: "only your own" },
      {
        name: "covering",
        kind: "list",
        value: "P…",
        about: "only those that cover these paths, and whether you may edit",
      },
      LIMIT,
      WORKTREE,
    ],
    examples: [
      ["holdfast claims", ""],
      [
        "holdfast claims --covering src/auth/login.ts",
        "who is in the way; exit code 2 when you may not edit",
      ],
    ],
    load: async () => (await import("./views.ts")).claimsVerb,
  },
  waits: {
    takes: "",
    arity: none,
    about: "shows who waits for what",
    options: [LIMIT],
    examples: [],
    load: async () => (await import("./views.ts")).waitsVerb,
  },
  break: {
    takes: "ID",
    arity: one,
    about: "ends another's claim, as an operator",
    options: [{ name: "reason", kind: "text", value: "TEXT", about: "why, for the log" }],
    examples: [["holdfast break AUTH-7 --reason 'host is down'", ""]],
    load: async () => (await import("./claims.ts")).breakVerb,
  },
  lock: {
    takes: "NAME -- COMMAND…",
    arity: { min: 1, max: 1, rest: true },
    about: "holds a fresh claim while a command runs, renewing it",
    options: [PATHS, { ...TTL, value: "60s" }, WAIT, SHARED, NOTE, WORKTREE],
    examples: [
      ["holdfast lock deploy -- ./deploy.sh", "exit code of the command; 2 when somebody holds it"],
      ["holdfast lock db --wait 5m -- npm run migrate", "waits its turn"],
    ],
    load: async () => (await import("./lock.ts")).lockVerb,
  },
  ...planVerbs,
  ...docVerbs,
  ...gitVerbs,
  who: {
    takes: "",
    arity: none,
    about: "shows who takes part, and who is here",
    options: [
      { name: "all", kind: "flag", about: "also those who are gone" },
      { name: "capability", kind: "text", value: "C", about: "only those who can do this" },
      LIMIT,
    ],
    examples: [],
    load: async () => (await import("./views.ts")).whoVerb,
  },
  status: {
    takes: "",
    arity: none,
    about: "shows the state at a glance",
    options: [],
    examples: [],
    load: async () => (await import("./status.ts")).statusVerb,
  },
  log: {
    takes: "",
    arity: none,
    about: "shows what happened",
    options: [
      { name: "follow", kind: "flag", short: "f", about: "and what happens from here on" },
      { name: "after", kind: "integer", value: "SEQ", about: "only what is after this entry" },
      { name: "events", kind: "list", value: "TYPE…", about: "only these, e.g. claim.granted or 'claim.*'" },
      LIMIT,
    ],
    examples: [
      ["holdfast log", "the last 50 entries"],
      ["holdfast log --follow --events 'claim.*' --json", "a line of JSON an entry"],
    ],
    load: async () => (await import("./past.ts")).logVerb,
  },
  feed: {
    takes: "[FILE]",
    arity: { min: 0, max: 1 },
    about: "reads the feed that a hub writes, without asking any hub",
    options: [
      { name: "follow", kind: "flag", short: "f", about: "and what is written from here on" },
      { name: "after", kind: "integer", value: "SEQ", about: "only what is after this entry" },
    ],
    examples: [
      ["holdfast feed", "all that the feed of this repository's hub still has, a line an entry"],
      ["holdfast feed feed.ndjson --after 120 --follow --json", "whole entries, as the log has them"],
    ],
    load: async () => (await import("./feed.ts")).feedVerb,
  },
  at: {
    takes: "SEQ|TIME",
    arity: one,
    about: "shows the state as it was after an entry or at a moment",
    options: [],
    examples: [
      ["holdfast at 120", ""],
      ["holdfast at 14:30", "today; also 15m (ago) and 2026-02-01T09:00"],
    ],
    load: async () => (await import("./past.ts")).atVerb,
  },
  blame: {
    takes: "PATH",
    arity: one,
    about: "shows who held a path, the newest first",
    options: [LIMIT, WORKTREE],
    examples: [["holdfast blame src/auth/login.ts", ""]],
    load: async () => (await import("./past.ts")).blameVerb,
  },
  why: {
    takes: "ID",
    arity: one,
    about: "tells how a claim, task or agent came to where it is, and what was refused over it",
    options: [LIMIT],
    examples: [["holdfast why AUTH-7", ""]],
    load: async () => (await import("./why.ts")).whyVerb,
  },
  compact: {
    takes: "",
    arity: none,
    about: "drops old entries behind a verified snapshot, as an operator",
    options: [{ name: "keep", kind: "duration", value: "30d", about: "entries younger than this stay" }],
    examples: [["holdfast compact --keep 30d", "waits until it is done, and says where the log begins now"]],
    load: async () => (await import("./compact.ts")).compactVerb,
  },
  verify: {
    takes: "[FILE]",
    arity: { min: 0, max: 1 },
    about: "checks every stored byte of the log, and that replaying it gives a state",
    options: [],
    examples: [["holdfast verify", "exit code 1 when anything is wrong"]],
    load: async () => (await import("./verify.ts")).verifyVerb,
  },
  bench: {
    takes: "[NAME…]",
    arity: { min: 0, max: Number.MAX_SAFE_INTEGER, rest: true },
    about: "measures this machine",
    options: [
      { name: "against", kind: "text", value: "redis,…", about: "in turns with these, where installed" },
    ],
    examples: [["holdfast bench claim", ""]],
    load: async () => (await import("./bench.ts")).benchVerb,
  },
  mcp: {
    takes: "",
    arity: none,
    about: "serves tools and resources to a model's host, as MCP over standard input and output",
    options: [WORKTREE],
    examples: [["claude mcp add holdfast -- npx -y holdfast mcp", "a host starts it by itself"]],
    load: async () => (await import("./mcp.ts")).mcpVerb,
  },
  hook: {
    takes: "HOST [EVENT]",
    arity: { min: 1, max: 2 },
    about: "hands what a host's hook tells on standard input to the hub, and says its answer to the host",
    options: [],
    examples: [["holdfast hook codex", "as it stands in the host's hook file; never in its way"]],
    // Only for the help: a hook that is to run is dispatched before the verbs are loaded.
    load: async () => async () => {
      await import("../hooks/bin.ts");
      return 0;
    },
  },
  call: {
    takes: "METHOD [JSON]",
    arity: { min: 1, max: 2 },
    about: "calls any method of the protocol",
    options: [{ name: "operator", kind: "flag", about: "as an operator" }],
    examples: [
      ["holdfast call claims.list '{\"limit\": 5}'", ""],
      ['echo \'{"claim":"X"}\' | holdfast call claim.acquire -', "params from standard input"],
    ],
    load: async () => (await import("./call.ts")).callVerb,
  },
};
