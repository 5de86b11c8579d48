/**
 * The verbs about the past: what happened, how it was, who held a path.
 */

import type { Following } from "../../core/client/following.ts";
import type { Caller } from "../../core/client/visit.ts";
import type { Changes } from "../../core/model/patch.ts";
import type { Entry } from "../../core/model/slice.ts";
import { toFile } from "../place/paths.ts";
import { usage } from "./arguments.ts";
import { changesText } from "./changes-text.ts";
import { type Command, exits, type Run } from "./command.ts";
import { formatMoment, formatSpan, parseMoment } from "./durations.ts";
import { reaching, staying } from "./reach.ts";
import { safeLine, styled, table } from "./render.ts";
import { claimTable, sayEmpty } from "./views.ts";

type Filter = { readonly events?: readonly string[] };
type Reader = Pick<Caller, "call" | "seq">;

/** How many entries `log` shows when nobody says where to begin. */
export const LAST = 50;
const PAGE = 1000;

export const logVerb: Run = async (command) => {
  const { args } = command;
  const events = args.list("events");
  const filter = events === undefined ? {} : { events };
  if (args.flag("follow")) return follow(command, filter);
  return reaching(command, "look", async (reached) => {
    sayEmpty(command, reached);
    const show = shower(command);
    const after = args.integer("after");
    const limit = args.integer("limit");
    if (after === undefined) {
      for (const entry of await lastEntries(reached.client, filter, limit ?? LAST)) show(entry);
      return exits.ok;
    }
    let left = limit ?? Number.POSITIVE_INFINITY;
    for await (const entry of reading(reached.client, after, filter)) {
      if (left <= 0) break;
      left -= 1;
      show(entry);
    }
    return exits.ok;
  });
};

function follow(command: Command, filter: Filter): Promise<number> {
  return staying(command, "look", async ({ client }) => {
    const show = shower(command);
    let after = command.args.integer("after");
    let left = command.args.integer("limit") ?? Number.POSITIVE_INFINITY;
    if (after === undefined) {
      const seq = client.seq;
      for (const entry of await lastEntries(client, filter, LAST)) {
        if (entry.seq <= seq) show(entry);
      }
      after = seq;
    }
    for await (const entry of untilStopped(client.follow({ after, ...filter }))) {
      show(entry);
      left -= 1;
      if (left <= 0) break;
    }
    return exits.ok;
  });
}

/** A following that ends well when the process is told to stop. */
function untilStopped(following: Following): Following {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => following.close());
  return following;
}

/** Every entry after a cursor. */
export async function* reading(client: Reader, from: number, filter: Filter) {
  for (let after = from; ; ) {
    const page = await client.call("log.read", { after, limit: PAGE, ...filter });
    yield* page.items;
    if (page.next === undefined) return;
    after = Number(page.next);
  }
}

/** The newest entries a filter lets through: looked for backwards in growing steps. */
async function lastEntries(client: Reader, filter: Filter, count: number): Promise<readonly Entry[]> {
  const { seq } = client;
  for (let back = count; ; back *= 8) {
    const after = Math.max(0, seq - back);
    const found: Entry[] = [];
    try {
      for await (const entry of reading(client, after, filter)) found.push(entry);
    } catch (error) {
      const horizon = horizonOf(error);
      if (horizon === undefined) throw error;
      for await (const entry of reading(client, horizon, filter)) found.push(entry);
      return found.slice(-count);
    }
    if (found.length >= count || after === 0) return found.slice(-count);
  }
}

/** The seq behind which the log begins, if that is what an error tells. */
export function horizonOf(error: unknown): number | undefined {
  const { code, fields } = error as { code?: unknown; fields?: { seq?: unknown } };
  return code === "log.horizon" && typeof fields?.seq === "number" ? fields.seq : undefined;
}

/** Writes entries as they come, a line an entry. */
export function shower({ out }: Command): (entry: Entry) => void {
  return (entry) => out.data(entry, () => entryText(entry));
}

/** An entry on one line, or more when more happened in it. */
export function entryText({ seq, wallMs, by, events }: Entry): string {
  const head = `${String(seq).padStart(6)}  ${formatMoment(wallMs)}  ${safeLine(by)}`;
  return events
    .map(
      ({ type, ...fields }, i) =>
        `${i === 0 ? head : " ".repeat(8)}  ${styled("bold", type)}  ${fieldsText(fields)}`,
    )
    .join("\n");
}

const HIDDEN = new Set(["closes", "expiresAtMs", "hub"]);

/** The fields of an event in short: what is plain as it is, the rest as JSON, cut. */
function fieldsText(fields: object): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (HIDDEN.has(name)) continue;
    if (name === "changes") {
      parts.push(changesText(value as Changes));
      continue;
    }
    const text =
      typeof value === "string"
        ? value
        : name.endsWith("Ms")
          ? formatSpan(Number(value))
          : JSON.stringify(value);
    parts.push(`${name.replace(/Ms$/, "")}=${safeLine(text.length > 120 ? `${text.slice(0, 119)}…` : text)}`);
  }
  return parts.join(" ");
}

export const atVerb: Run = (command) =>
  reaching(command, "look", async (reached) => {
    const { args, out } = command;
    const asked = args.word(0, "SEQ|TIME");
    const seq = /^#?\d+$/.test(asked) ? Number(asked.replace("#", "")) : undefined;
    const wallMs = seq === undefined ? parseMoment(asked) : undefined;
    if (seq === undefined && wallMs === undefined) {
      usage(`${safeLine(asked)} is neither a seq nor a time; try 120, 14:30, 15m or 2026-02-01T09:00.`);
    }
    const then = await reached.client.call(
      "state.at",
      seq === undefined ? { wallMs: wallMs as number } : { seq },
    );
    out.data(then, () => {
      const { claims, agents } = then as unknown as Then;
      const here = agents.items.filter(({ presence }) => presence === "present").map(({ agent }) => agent);
      const lines = [`after entry ${then.seq}`, `here: ${here.length === 0 ? "nobody" : here.join(", ")}`];
      const shown = claimTable(claims.items);
      lines.push(shown === "" ? "no claims" : shown);
      return safeLines(lines);
    });
    return exits.ok;
  });

interface Then {
  readonly claims: { readonly items: Parameters<typeof claimTable>[0] };
  readonly agents: { readonly items: readonly { readonly agent: string; readonly presence: string }[] };
}

/** Lines whose styles were made here; what agents wrote in them is safe already or is made so. */
function safeLines(lines: readonly string[]): string {
  return lines.map((line, i) => (i < 2 ? safeLine(line) : line)).join("\n");
}

export const blameVerb: Run = (command) =>
  reaching(command, "look", async (reached) => {
    const { args, out, cwd } = command;
    sayEmpty(command, reached);
    const path = toFile(args.word(0, "PATH"), reached.repository.root, cwd) || ".";
    const limit = args.integer("limit") ?? LAST;
    const page = await reached.client.call("path.history", { path, worktree: reached.worktree, limit });
    out.data(page, () =>
      page.items.length === 0
        ? `nobody held ${safeLine(path)}`
        : table(
            ["ENTRY", "SINCE", "HOLDER", "CLAIM", "HELD FOR", "ENDED", "NOTE"],
            page.items.map((held) => [
              `#${held.seq}`,
              formatMoment(held.wallMs),
              held.holder,
              held.claim,
              formatSpan((held.endedWallMs ?? Date.now()) - held.wallMs),
              held.how ?? "still held",
              held.note ?? held.task,
            ]),
          ),
    );
    return exits.ok;
  });
