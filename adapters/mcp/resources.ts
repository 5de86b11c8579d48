/**
 * Resources: what a host can read without calling a tool, and be told of when it changes.
 */
import type { Client } from "../../core/client/client.ts";
import { limits } from "../../core/limits.ts";
import { PATIENCE } from "./claim-tools.ts";
import { CAUTION_FIELD } from "./quote.ts";
import type { Seat } from "./seat.ts";

/** A resource as its uri names it. */
export type Place =
  | { readonly kind: "board" | "territory" | "agents" }
  | { readonly kind: "inbox"; readonly agent: string }
  | { readonly kind: "task"; readonly task: string }
  | { readonly kind: "path"; readonly path: string };

const JSON_TYPE = "application/json";

/** Those that are there for everybody who speaks from this seat. */
export function listResources({ agent }: Pick<Seat, "agent">) {
  const inbox = agent === undefined ? [] : [INBOX(agent)];
  return [
    resource("holdfast://board", "board", "Tasks that are not finished, and who does them"),
    resource("holdfast://territory", "territory", "Live claims: who holds which files until when, who waits"),
    resource("holdfast://agents", "agents", "Who takes part, and who is here"),
    ...inbox,
  ];
}

/** Families of resources. */
export const resourceTemplates = [
  template("holdfast://task/{id}", "task", "One task: how it stands, notes on it, what happened to it"),
  template("holdfast://path/{+path}", "path", "One file: who holds it, who held it, whether you may edit it"),
  template("holdfast://inbox/{agent}", "inbox", "Messages you have not acknowledged; only your own"),
];

function INBOX(agent: string) {
  const uri = `holdfast://inbox/${encodeURIComponent(agent)}`;
  return resource(uri, "inbox", "Messages to you that you have not acknowledged");
}

function resource(uri: string, name: string, description: string) {
  return { uri, name, description, mimeType: JSON_TYPE };
}

function template(uriTemplate: string, name: string, description: string) {
  return { uriTemplate, name, description, mimeType: JSON_TYPE };
}

/** What a uri names; `undefined` when it names nothing here, as another's inbox. */
export function placeAt(uri: string, seat: Pick<Seat, "agent">): Place | undefined {
  const [, kind, rest] = /^holdfast:\/\/([a-z]+)(?:\/(.+))?$/s.exec(uri) ?? [];
  if (uri.length > limits.pathMax * 4 || kind === undefined) return undefined;
  if (rest === undefined) {
    return kind === "board" || kind === "territory" || kind === "agents" ? { kind } : undefined;
  }
  const named = decoded(rest);
  if (named === undefined) return undefined;
  if (kind === "task") return { kind, task: named };
  if (kind === "path") return { kind, path: named };
  return kind === "inbox" && named === seat.agent ? { kind, agent: named } : undefined;
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** Its content, as JSON; `undefined` when there is no such task. Throws `Refused` and `Failure`. */
export async function readPlace(place: Place, seat: Seat): Promise<string | undefined> {
  const client = await seat.client();
  const content = await contentOf(place, client, seat);
  return content === undefined ? undefined : JSON.stringify({ caution: CAUTION_FIELD, ...content });
}

function contentOf(place: Place, client: Client, seat: Seat): Promise<object | undefined> {
  switch (place.kind) {
    case "board":
      return board(client);
    case "territory":
      return territory(client);
    case "agents":
      return client.call("agents.list", { limit: limits.pageItemsMax }, PATIENCE);
    case "inbox":
      return client.call("inbox.list", {}, PATIENCE);
    case "task":
      return oneTask(client, place.task);
    case "path":
      return onePath(client, seat, place.path);
  }
}

async function board(client: Client): Promise<object> {
  const unfinished = ["in-progress", "blocked", "open"] as const;
  const [{ tasks: counts, nowMs }, ...pages] = await Promise.all([
    client.call("state.summary", {}, PATIENCE),
    ...unfinished.map((status) => client.call("tasks.list", { status }, PATIENCE)),
  ]);
  const more = pages.some(({ next }) => next !== undefined);
  return { counts, tasks: pages.flatMap(({ items }) => items), ...(more ? { more } : {}), nowMs };
}

async function territory(client: Client): Promise<object> {
  const [claims, waits] = await Promise.all([
    client.call("claims.list", { limit: limits.pageItemsMax }, PATIENCE),
    client.call("waits.list", {}, PATIENCE),
  ]);
  return { claims: claims.items, waits: waits.items, nowMs: claims.nowMs };
}

async function oneTask(client: Client, task: string): Promise<object | undefined> {
  const [{ items, nowMs }, notes, history] = await Promise.all([
    client.call("tasks.list", { task }, PATIENCE),
    client.call("progress.list", { task, limit: limits.mcpRows }, PATIENCE),
    client.call("task.history", { task }, PATIENCE),
  ]);
  const [found] = items;
  return found && { task: found, notes: notes.items, history: history.items, nowMs };
}

async function onePath(client: Client, seat: Seat, path: string): Promise<object> {
  const where = seat.worktree === undefined ? {} : { worktree: seat.worktree };
  const [held, past] = await Promise.all([
    client.call("claims.covering", { files: [path], ...where }, PATIENCE),
    client.call("path.history", { path, limit: limits.mcpRows, ...where }, PATIENCE),
  ]);
  return { path, mayEdit: held.mayEdit, claims: held.items, history: past.items, nowMs: held.nowMs };
}

/** Who holds a path, in few words: another answer means that its resource has changed. */
export async function holdersOf(path: string, seat: Seat): Promise<string> {
  const where = seat.worktree === undefined ? {} : { worktree: seat.worktree };
  const client = await seat.client();
  const { items } = await client.call("claims.covering", { files: [path], ...where }, PATIENCE);
  return JSON.stringify(items.map(({ claim, holder, epoch }) => [claim, holder, epoch]));
}
