/**
 * The verbs that show what is: claims, waits, agents. They look on and leave no trace in the log.
 */
import type { Scope } from "../../core/model/scopes.ts";
import { toScope } from "../place/paths.ts";
import { type Command, exits, type Run } from "./command.ts";
import { formatSpan } from "./durations.ts";
import { type Reached, reaching } from "./reach.ts";
import { table } from "./render.ts";

/** How many rows are shown when nobody says. */
const ROWS = 1000;

/** Says that nothing was there to be seen, where that is so. */
export function sayEmpty({ out }: Command, { empty, file }: Reached): void {
  if (empty === true) out.say(`There is no log at ${file} yet; the first claim makes one.`);
}

/** Says that there are more rows than were asked for. */
export function sayMore({ out }: Command, next: string | undefined): void {
  if (next !== undefined) out.say("There are more; see --limit.");
}

export const claimsVerb: Run = (command) =>
  reaching(command, "look", async (reached) => {
    const { args, out, cwd } = command;
    sayEmpty(command, reached);
    const covering = args.list("covering");
    const limit = args.integer("limit") ?? ROWS;
    if (covering !== undefined) {
      const scope = toScope(covering, reached.repository.root, cwd);
      const asked = { ...scope, worktree: reached.worktree, limit };
      const found = await reached.client.call("claims.covering", asked);
      out.data(found, () => claimTable(found.items));
      if (found.more) out.say("There are more; see --limit.");
      if (!found.mayEdit) out.say("You may not edit all of it: others hold it.");
      return found.mayEdit ? exits.ok : exits.refused;
    }
    const claim = args.words[0];
    const holder = args.flag("mine") ? reached.agent : args.text("holder");
    const label = args.text("worktree");
    const page = await reached.client.call("claims.list", {
      limit,
      ...(claim === undefined ? {} : { claim }),
      ...(holder === undefined ? {} : { holder }),
      ...(label === undefined ? {} : { worktree: label }),
    });
    out.data(page, () => claimTable(page.items));
    sayMore(command, page.next);
    return exits.ok;
  });

interface ClaimRow {
  readonly claim: string;
  readonly holder: string;
  readonly epoch: number;
  readonly status: string;
  readonly shared: boolean;
  readonly scope?: Scope;
  readonly note?: string;
  readonly remainingMs: number;
  readonly waiting: number;
}

/** Claims as a table for people; nothing at all for none. */
export function claimTable(items: readonly ClaimRow[]): string {
  if (items.length === 0) return "";
  return table(
    ["CLAIM", "HOLDER", "EPOCH", "STATUS", "LEFT", "WAITING", "COVERS", "NOTE"],
    items.map((item) => [
      item.claim,
      item.holder,
      item.epoch,
      item.shared ? `${item.status}, shared` : item.status,
      item.remainingMs <= 0 ? "overdue" : formatSpan(item.remainingMs),
      item.waiting === 0 ? "" : item.waiting,
      scopeText(item.scope),
      item.note,
    ]),
  );
}

/** What a scope covers, in short: the last part of the worktree's label, and three paths. */
export function scopeText(scope: Scope | undefined): string {
  if (scope === undefined) return "";
  const paths = [...(scope.files ?? []), ...(scope.paths ?? [])];
  const shown = paths.slice(0, 3).join(" ");
  const more = paths.length > 3 ? ` +${paths.length - 3}` : "";
  const where = scope.worktree === undefined ? "" : `${scope.worktree.split("/").at(-1)}: `;
  return `${where}${shown}${more}`;
}

export const waitsVerb: Run = (command) =>
  reaching(command, "look", async (reached) => {
    sayEmpty(command, reached);
    const page = await reached.client.call("waits.list", { limit: command.args.integer("limit") ?? ROWS });
    command.out.data(page, () =>
      page.items.length === 0
        ? ""
        : table(
            ["AGENT", "WAITS FOR", "SINCE", "GIVES UP IN", "COVERS"],
            page.items.map((wait) => [
              wait.agent,
              wait.claim,
              `#${wait.seq}`,
              formatSpan(wait.deadlineMs - page.nowMs),
              scopeText(wait.scope),
            ]),
          ),
    );
    sayMore(command, page.next);
    return exits.ok;
  });

export const whoVerb: Run = (command) =>
  reaching(command, "look", async (reached) => {
    sayEmpty(command, reached);
    const { args, out } = command;
    const capability = args.text("capability");
    const page = await reached.client.call("agents.list", {
      limit: args.integer("limit") ?? ROWS,
      ...(capability === undefined ? {} : { capability }),
    });
    const items = args.flag("all") ? page.items : page.items.filter(({ presence }) => presence !== "gone");
    out.data({ ...page, items }, () =>
      items.length === 0
        ? ""
        : table(
            ["AGENT", "PRESENCE", "SEEN", "CLAIMS", "ROLE", "CAN"],
            items.map((agent) => [
              agent.agent,
              agent.presence,
              `${formatSpan(page.nowMs - agent.seenAtMs)} ago`,
              agent.claims === 0 ? "" : agent.claims,
              agent.role,
              agent.capabilities.join(" "),
            ]),
          ),
    );
    sayMore(command, page.next);
    return exits.ok;
  });
