/**
 * `init`: makes the hosts of agents that are used in a repository work with Holdfast, and undoes that again.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { structuredPatch } from "diff";
import type { HostSetup, Terms } from "../setup/host.ts";
import { hosts } from "../setup/hosts.ts";
import type { Part } from "../setup/part.ts";
import { type Change, type Plan, planFor } from "../setup/plan.ts";
import { type Command, exits, type Run } from "./command.ts";
import { findFile, makeChanges, removeEmptyFolders } from "./host-files.ts";
import { partsHere } from "./host-parts.ts";
import { type Place, placeOf } from "./reach.ts";
import { safeLine } from "./render.ts";
import { SetupRecord } from "./setup-record.ts";
import { type ChosenHost, chooseHosts, choosePort, chooseRunner, waitsForHub } from "./setup-terms.ts";

export const initVerb: Run = async (command) => {
  const { args } = command;
  const place = placeOf(command);
  const record = new SetupRecord(place.folder, place.repository.root);
  return args.flag("undo") ? undo(command, place, record) : init(command, place, record);
};

async function init(command: Command, place: Place, record: SetupRecord): Promise<number> {
  const { args, env } = command;
  const { root } = place.repository;
  const chosen = chooseHosts(root, args.list("host"), env);
  const terms = {
    runner: chooseRunner(root, env),
    port: await choosePort(root, place.folder, args.integer("port")),
    isClosed: waitsForHub(root),
  };
  const names = chosen.map(({ host }) => host);
  const plan = planFor(partsHere(place, names, terms), (path) => findFile(root, path), "put");
  return carryOut(command, place, plan, {
    also: { hosts: names.map(({ name }) => name), ...terms },
    head: chosen.map(hostLine),
    next: nextSteps(root, names, plan, terms),
    before: () => {
      const all = partsHere(place, hosts, terms);
      record.keep(plan.changes, (change) => stripped(all, change));
    },
  });
}

/** What a file would hold without anything of ours. */
function stripped(all: ReadonlyMap<string, readonly Part[]>, { path, before }: Change): string | undefined {
  const parts = new Map([[path, all.get(path) ?? []]]);
  const plan = planFor(parts, () => (before === undefined ? {} : { text: before }), "strip");
  return plan.changes.length === 0 ? before : plan.changes[0]?.after;
}

function hostLine({ host, sign }: ChosenHost): string {
  if (sign === "asked") return host.title;
  if (sign === "default") return `${host.title} (nothing tells which host is used here; --host names others)`;
  return `${host.title} (${sign})`;
}

function nextSteps(
  root: string,
  chosen: readonly HostSetup[],
  plan: Plan,
  { runner }: Terms,
): readonly string[] {
  if (plan.changes.length === 0) return [];
  const own = chosen.flatMap(({ next }) => (next === undefined ? [] : [next]));
  return [
    "Commit these files, so that every clone and worktree has them.",
    ...own,
    ...(runner === "holdfast" ? [] : [throughNpx(root)]),
    "holdfast doctor checks that the hooks really fire.",
  ];
}

/** What starting it by npx costs, and what to do instead. */
function throughNpx(root: string): string {
  const better = "holdfast init --undo, npm install -g holdfast and holdfast init make them quicker.";
  const costs = "Its hooks go through npx, which adds about a third of a second to each";
  if (existsSync(join(root, "node_modules", "holdfast"))) return `${costs}. ${better}`;
  return `${costs} and, as holdfast is not installed, finds nothing once a newer version is out. ${better}`;
}

async function undo(command: Command, place: Place, record: SetupRecord): Promise<number> {
  const { root } = place.repository;
  const find = (path: string) => findFile(root, path);
  // Which runner and port does not matter for taking out.
  const all = new Map(partsHere(place, hosts, { runner: "holdfast", port: 1, isClosed: false }));
  for (const path of record.paths) if (!all.has(path)) all.set(path, []);
  const stripping = planFor(all, find, "strip");
  // What stands as init left it becomes what it was, to the byte, whatever that was.
  const restored = [...all.keys()].flatMap((path): Change[] => {
    const { text, untouchable } = find(path);
    if (text === undefined || untouchable !== undefined || !record.isAsLeft(path, text)) return [];
    const after = record.before(path);
    return [{ path, about: "as it was", before: text, ...(after === undefined ? {} : { after }) }];
  });
  const isRestored = ({ path }: { readonly path: string }): boolean =>
    restored.some((change) => change.path === path);
  const plan: Plan = {
    changes: [
      ...restored.filter(({ before, after }) => before !== after),
      ...stripping.changes
        .filter((change) => !isRestored(change))
        .map((change) => ({ ...change, about: "without what init put in" })),
    ],
    same: [],
    left: stripping.left.filter((noted) => !isRestored(noted)),
    broken: stripping.broken.filter((noted) => !isRestored(noted)),
  };
  return carryOut(command, place, plan, {
    also: { undone: true },
    head: [],
    next: [],
    after: () => {
      for (const { path, after } of plan.changes) {
        if (after === undefined) removeEmptyFolders(root, path, (folder) => record.madeFolder(folder));
      }
      if (plan.left.length === 0) record.remove();
    },
  });
}

interface Deed {
  readonly also: object;
  readonly head: readonly string[];
  readonly next: readonly string[];
  readonly before?: () => void;
  readonly after?: () => void;
}

/** Shows a plan, or makes its changes and tells what was done. */
function carryOut(command: Command, { repository }: Place, plan: Plan, deed: Deed): number {
  const { args, out } = command;
  const { root } = repository;
  const { changes, same, left, broken } = plan;
  const dry = args.flag("dry-run");
  const isWhole = broken.length === 0;
  if (!dry && isWhole && changes.length > 0) {
    deed.before?.();
    makeChanges(root, changes);
  }
  if (!dry && isWhole) deed.after?.();
  const told = changes.map((change) => ({ path: change.path, does: doesOf(change), about: change.about }));
  out.data({ root, ...deed.also, dryRun: dry, changes: told, same, left, broken }, () => {
    if (!isWhole) return "";
    const lines = dry ? changes.flatMap(diffLines) : told.map(deedLine);
    const head = deed.head.map((line) => `for ${line}`);
    return [...head, ...lines, ...same.map((path) => `as it should be  ${path}`)].map(safeShown).join("\n");
  });
  for (const { path, why } of left) out.say(safeLine(`left as it is: ${path}: ${why}.`));
  for (const { path, why } of broken) out.say(safeLine(`holdfast: ${path}: ${why}. Nothing was changed.`));
  if (!isWhole) return exits.failed;
  if (dry && changes.length > 0) out.say("Nothing was changed: this is what would be.");
  if (changes.length === 0 && left.length === 0) out.say("Nothing is to be done.");
  if (!dry) for (const line of deed.next) out.say(line);
  return left.length > 0 ? exits.failed : exits.ok;
}

function doesOf({ before, after }: Change): "made" | "changed" | "removed" {
  if (after === undefined) return "removed";
  return before === undefined ? "made" : "changed";
}

function deedLine({ path, does, about }: { path: string; does: string; about: string }): string {
  return `${does.padEnd(16)} ${path}  ${about}`;
}

/** Tabs and indentation are part of what is shown. */
function safeShown(line: string): string {
  return /^[+ -]/.test(line) ? line.slice(0, 1) + line.slice(1).replace(/[\p{Cc}]/gu, " ") : safeLine(line);
}

/** A change as lines that come and go. */
function diffLines(change: Change): readonly string[] {
  const { path, before = "", after = "" } = change;
  const { hunks } = structuredPatch(path, path, before, after, undefined, undefined, { context: 2 });
  const verb = { made: "would make", changed: "would change", removed: "would remove" }[doesOf(change)];
  return [
    `${verb} ${path}: ${change.about}`,
    ...hunks.flatMap(({ oldStart, newStart, lines }) => [
      `@@ -${oldStart} +${newStart} @@`,
      ...lines.filter((line) => !line.startsWith("\\")),
    ]),
  ];
}
