/**
 * The verbs that put Holdfast into a repository and keep it running there, as data.
 */
import type { Verb } from "./command.ts";
import { none } from "./options.ts";

const QUIET = { name: "quiet", kind: "flag", about: "say nothing unless it fails" } as const;

/** Part of the table of verbs. */
export const setupVerbs: { readonly [name: string]: Verb } = {
  init: {
    takes: "",
    arity: none,
    about: "makes the agents used in this repository work together: hooks, tools, a skill, AGENTS.md",
    options: [
      {
        name: "host",
        kind: "list",
        value: "NAME…",
        about: "for these instead of those in use: claude codex copilot gemini cursor opencode",
      },
      {
        name: "port",
        kind: "integer",
        value: "N",
        about:
          "the port hooks of Claude Code are posted to; one of this repository's own unless told otherwise",
      },
      { name: "dry-run", kind: "flag", about: "show what would be changed, change nothing" },
      { name: "undo", kind: "flag", about: "take it all out again: files become what they were" },
    ],
    examples: [
      ["holdfast init", "again at any time: what is as it should be stays as it is"],
      ["holdfast init --host claude codex --dry-run", "every line that would be put in"],
    ],
    load: async () => (await import("./init.ts")).initVerb,
  },
  up: {
    takes: "[-- SERVE OPTIONS…]",
    arity: { ...none, rest: true },
    about: "runs the hub of this repository in the background, unless it runs",
    options: [QUIET],
    examples: [
      ["holdfast up", "says where it listens once it does; its words go to `hub.log` beside the log"],
      ["holdfast up -- --idle-after 5m", "with options of serve"],
    ],
    load: async () => (await import("./up.ts")).upVerb,
  },
  down: {
    takes: "",
    arity: none,
    about: "stops the hub of this repository, and waits until it has ended",
    options: [QUIET],
    examples: [["holdfast down", "the log stays; commands and hooks use it directly"]],
    load: async () => (await import("./up.ts")).downVerb,
  },
  ensure: {
    takes: "",
    arity: none,
    about: "as up, for hooks and scripts: returns at once where the hub runs",
    options: [QUIET],
    examples: [["holdfast ensure --quiet", ""]],
    load: async () => (await import("./ensure.ts")).ensureVerb,
  },
  doctor: {
    takes: "",
    arity: none,
    about: "checks hub, log and hooks by using them, and says what to do",
    options: [{ name: "host", kind: "list", value: "NAME…", about: "only these hosts" }],
    examples: [["holdfast doctor", "exit code 1 when something is broken"]],
    load: async () => (await import("./doctor.ts")).doctorVerb,
  },
  "wait-for-message": {
    takes: "",
    arity: none,
    about: "sleeps until a message for you arrives, and shows it; exit code 1 when none came in time",
    options: [
      { name: "timeout", kind: "duration", value: "10m", about: "how long to wait; for ever unless told" },
      {
        name: "jitter",
        kind: "duration",
        value: "5s",
        about: "after a message to all, wait up to so long more, so that not everybody wakes at once",
      },
      { name: "directed", kind: "flag", about: "only messages to you, none to all" },
    ],
    examples: [
      [
        "holdfast wait-for-message --timeout 10m",
        "what was sent before and not handed to you yet counts, too",
      ],
    ],
    load: async () => (await import("./wait.ts")).waitVerb,
  },
};
