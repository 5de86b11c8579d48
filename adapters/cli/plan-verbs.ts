/**
 * The verbs of plan and talk, as data: tasks, messages, decisions, activity.
 */
import type { Verb } from "./command.ts";
import { EPOCH, LIMIT, many, NOTE, none, PATHS, TTL, WORKTREE } from "./options.ts";

/** Part of the table of verbs. */
export const planVerbs: { readonly [name: string]: Verb } = {
  next: {
    takes: "",
    arity: none,
    about: "takes up the best task that is ready and in nobody's way",
    options: [
      { name: "capability", kind: "list", value: "C…", about: "what you can do" },
      TTL,
      NOTE,
      WORKTREE,
    ],
    examples: [
      [
        "holdfast next --capability typescript",
        "claims it, under the task's id; exit code 2 when there is none",
      ],
    ],
    load: async () => (await import("./ledger.ts")).nextVerb,
  },
  task: {
    takes: "add|amend|start|done|block|fail|cancel|reopen ID | list | ready",
    arity: many,
    about: "keeps the ledger of tasks",
    options: [
      { name: "title", kind: "text", value: "T", about: "what it is called" },
      { name: "description", kind: "text", value: "TEXT", about: "what is to be done" },
      { name: "after", kind: "list", value: "DEP…", about: "tasks that must be done before" },
      { name: "parent", kind: "text", value: "ID", about: "the task it is a part of" },
      { name: "no-parent", kind: "flag", about: "with amend: it is no part of another any more" },
      PATHS,
      { name: "priority", kind: "integer", value: "N", about: "the higher the sooner; 0 unless said" },
      { name: "requires", kind: "list", value: "C…", about: "what one must be able to do for it" },
      { name: "suggested", kind: "text", value: "NAME", about: "who might do it" },
      {
        name: "version",
        kind: "integer",
        value: "N",
        about: "with amend: refused unless it is this one still",
      },
      {
        name: "reason",
        kind: "text",
        value: "TEXT",
        about: "why it is blocked, failed, cancelled or reopened",
      },
      { name: "result", kind: "text", value: "TEXT", about: "with done: what came of it" },
      {
        name: "status",
        kind: "text",
        value: "S",
        about: "with list: only those that are open, in-progress, blocked, …",
      },
      LIMIT,
    ],
    examples: [
      ["holdfast task add AUTH-7 --title 'Sign in by key' --after AUTH-5 --paths src/auth", ""],
      ["holdfast task block AUTH-7 --reason 'waits for the key server'", ""],
      ["holdfast task ready", "what can be taken up now, the best first"],
    ],
    load: async () => (await import("./ledger.ts")).taskVerb,
  },
  note: {
    takes: "TASK TEXT",
    arity: { min: 2, max: Number.MAX_SAFE_INTEGER },
    about: "notes progress on a task",
    options: [
      { name: "kind", kind: "text", value: "note|blocked|assessment|evidence", about: "what kind of note" },
    ],
    examples: [["holdfast note AUTH-7 'tests are green, docs missing'", ""]],
    load: async () => (await import("./ledger.ts")).noteVerb,
  },
  decide: {
    takes: "[TEXT]",
    arity: many,
    about: "records a decision (text, or standard input)",
    options: [
      { name: "about", kind: "text", value: "ID", about: "what it is about" },
      { name: "supersedes", kind: "text", value: "ID", about: "the decision it takes the place of" },
    ],
    examples: [["holdfast decide 'Keys are Ed25519' --about AUTH-7", ""]],
    load: async () => (await import("./talk.ts")).decideVerb,
  },
  decisions: {
    takes: "",
    arity: none,
    about: "shows what was decided, the newest first",
    options: [{ name: "about", kind: "text", value: "ID", about: "only about this" }, LIMIT],
    examples: [],
    load: async () => (await import("./talk.ts")).decisionsVerb,
  },
  send: {
    takes: "TO [TEXT]",
    arity: { min: 1, max: Number.MAX_SAFE_INTEGER },
    about: "sends a message (text, or standard input) to names, role:R, #channel or all",
    options: [
      { name: "thread", kind: "text", value: "T", about: "the thread it belongs to" },
      { name: "reply-to", kind: "text", value: "ID", about: "the message it answers" },
      { name: "kind", kind: "text", value: "KIND", about: "chat, notice, task_request, task_result, x-…" },
    ],
    examples: [
      ["holdfast send bob 'AUTH-7 is yours when you want it'", ""],
      ["holdfast send '#build' - < report.txt", ""],
    ],
    load: async () => (await import("./talk.ts")).sendVerb,
  },
  inbox: {
    takes: "",
    arity: none,
    about: "shows messages you have not acknowledged",
    options: [{ name: "ack", kind: "flag", about: "and acknowledges those that are shown" }, LIMIT],
    examples: [],
    load: async () => (await import("./talk.ts")).inboxVerb,
  },
  ask: {
    takes: "TO [TEXT]",
    arity: { min: 1, max: Number.MAX_SAFE_INTEGER },
    about: "requests something of an agent and waits for its result",
    options: [
      { name: "timeout", kind: "duration", value: "30s", about: "how long to wait" },
      { name: "thread", kind: "text", value: "T", about: "the thread it belongs to" },
    ],
    examples: [["holdfast ask reviewer 'Is src/auth fit to merge?' --timeout 10m", ""]],
    load: async () => (await import("./talk.ts")).askVerb,
  },
  thread: {
    takes: "[ID]",
    arity: { min: 0, max: 1 },
    about: "shows a thread, or the threads there are",
    options: [LIMIT],
    examples: [],
    load: async () => (await import("./talk.ts")).threadVerb,
  },
  channel: {
    takes: "create|join|leave NAME | list",
    arity: { min: 0, max: 2 },
    about: "opens, joins and leaves channels, which are sent to as #NAME",
    options: [
      { name: "topic", kind: "text", value: "LINE", about: "with create: what it is for" },
      { name: "mine", kind: "flag", about: "with list: only those you are in" },
      LIMIT,
    ],
    examples: [["holdfast channel join build", "opens it where there is none"]],
    load: async () => (await import("./resources.ts")).channelVerb,
  },
  resource: {
    takes: "offer|withdraw|reserve|return NAME | list",
    arity: { min: 0, max: 2 },
    about: "offers shared things to others, and reserves units of what is offered",
    options: [
      { name: "kind", kind: "text", value: "WORD", about: "what sort of thing it is; with list: only such" },
      {
        name: "capacity",
        kind: "integer",
        value: "N",
        about: "with offer: how many units there are; 1 unless said",
      },
      { name: "units", kind: "integer", value: "N", about: "with reserve: how many; 1 unless said" },
      { ...TTL, about: "how long the offer or the reservation lasts" },
      NOTE,
      EPOCH,
      LIMIT,
    ],
    examples: [
      ["holdfast resource offer gpu --kind gpu --capacity 4 --ttl 8h", ""],
      ["holdfast resource reserve gpu --units 2 --ttl 1h", "exit code 2 when fewer are free"],
      ["holdfast resource return gpu", ""],
    ],
    load: async () => (await import("./resources.ts")).resourceVerb,
  },
  activity: {
    takes: "[KIND TEXT]",
    arity: many,
    about: "records what you did, or shows what was done",
    options: [
      { name: "path", kind: "text", value: "P", about: "the file or folder it is about" },
      { name: "agent", kind: "text", value: "NAME", about: "only that agent's" },
      LIMIT,
    ],
    examples: [["holdfast activity test 'all green' --path src/auth", ""]],
    load: async () => (await import("./talk.ts")).activityVerb,
  },
};
